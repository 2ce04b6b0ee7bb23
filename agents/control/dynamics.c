/* The table of differentiable models. */
#include "agents/control/dynamics.h"

#include <string.h>

static const ml3_dynamics *const table[] = {
    &ml3_dynamics_mountain_car, &ml3_dynamics_mountain_car_continuous, &ml3_dynamics_pendulum_swing_up,
    &ml3_dynamics_pointmass,    &ml3_dynamics_reacher,
};

const ml3_dynamics *ml3_dynamics_find(const char *environment, ml3_error *error) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i]->environment, environment) == 0 ||
        (table[i]->variant && strcmp(table[i]->variant, environment) == 0))
      return table[i];
  ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                "environment '%s' has no differentiable model, which model-based training needs; '%s' has one",
                environment, table[0]->environment);
  return NULL;
}
