/* The environments there are, one line each; and those of a user's own files. */
#include "envs/env.h"
#include "envs/mjcf_env.h"

#include <mujoco/mujoco.h>
#include <string.h>

extern const ml3_env_spec ml3_acrobot, ml3_ant_goal, ml3_cart_pole, ml3_mountain_car, ml3_mountain_car_goal,
    ml3_mountain_car_continuous, ml3_mountain_car_discrete, ml3_pendulum, ml3_pendulum_swing_up, ml3_pendulum_hanging,
    ml3_pointmass, ml3_pointmass_goal, ml3_reacher, ml3_reacher_goal, ml3_reacher_joints;

static const ml3_env_spec *const environments[] = {
    &ml3_mountain_car, &ml3_mountain_car_goal, &ml3_mountain_car_continuous, &ml3_mountain_car_discrete,
    &ml3_cart_pole,    &ml3_acrobot,
    &ml3_pendulum,     &ml3_pendulum_swing_up, &ml3_pendulum_hanging,
    &ml3_pointmass,    &ml3_pointmass_goal,
    &ml3_reacher,      &ml3_reacher_goal,      &ml3_reacher_joints,
    &ml3_ant_goal,
};

enum { COUNT = sizeof environments / sizeof environments[0] };

int ml3_env_count(void) {
  return COUNT;
}

const ml3_env_spec *ml3_env_at(int index) {
  return index >= 0 && index < COUNT ? environments[index] : NULL;
}

const ml3_env_spec *ml3_env_open(const char *path, const char *name, ml3_error *error) {
  return ml3_mjcf_env_find(path, name, error);
}

const char *ml3_env_simulator(void) {
  return mj_versionString();
}

const ml3_env_spec *ml3_env_find(const char *name, ml3_error *error) {
  const char *names[COUNT];
  size_t length = strlen(name);
  if (length > 4 && strcmp(name + length - 4, ".xml") == 0) return ml3_mjcf_env_find(name, name, error);
  for (int i = 0; i < COUNT; i++) {
    if (strcmp(name, environments[i]->name) == 0) return environments[i];
    names[i] = environments[i]->name;
  }

  const char *nearest = ml3_error_nearest(name, names, COUNT);
  if (nearest)
    ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown environment '%s'; did you mean '%s'? ml3 list shows all", name,
                  nearest);
  else
    ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown environment '%s'; ml3 list shows all", name);
  return NULL;
}
