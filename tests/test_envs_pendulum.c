/* The pendulums' tasks: anywhere on the circle, or near where it hangs; by default it hangs at rest. */
#include <criterion/criterion.h>
#include <math.h>

#include "envs/env.h"

TestSuite(envs_pendulum, .timeout = 60);

static void look_at_starts(const char *name) {
  enum { TASKS = 4000, PARTS = 8 };
  const double pi = 3.14159265358979323846;
  const ml3_env_spec *spec = ml3_env_find(name, NULL);
  int angles[PARTS] = {0}, velocities[PARTS] = {0};
  double task[16];
  cr_assert(spec && spec->task_dim <= 16);
  for (int i = 0; i < TASKS; i++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, (uint32_t)i, 0);
    ml3_env_sample_task(spec, &random, task);
    cr_assert(fabs(task[0]) <= pi && fabs(task[1]) <= 1, "starts at %g, %g", task[0], task[1]);
    angles[(int)fmin((task[0] + pi) / (2 * pi) * PARTS, PARTS - 1)]++;
    velocities[(int)fmin((task[1] + 1) / 2 * PARTS, PARTS - 1)]++;
  }
  for (int k = 0; k < PARTS; k++) { /* 500 expected, 21 their deviation */
    cr_expect(abs(angles[k] - TASKS / PARTS) < 110, "%d of %d angles in part %d", angles[k], TASKS, k);
    cr_expect(abs(velocities[k] - TASKS / PARTS) < 110, "%d of %d velocities in part %d", velocities[k], TASKS, k);
  }
}

Test(envs_pendulum, starts_anywhere_on_the_circle) {
  look_at_starts("pendulum");
  look_at_starts("pendulum_swing_up");
}

Test(envs_pendulum, hangs_at_rest_by_default) {
  static const char *const names[] = {"pendulum_swing_up", "pendulum_hanging", "pendulum"};
  for (int i = 0; i < 3; i++) {
    ml3_env *env = ml3_env_new(ml3_env_find(names[i], NULL), NULL);
    double state[2];
    cr_assert_not_null(env, "%s", names[i]);
    ml3_env_get_state(env, state);
    cr_expect(state[0] == (i == 2 ? 3.14159265358979323846 : 0) && state[1] == 0); /* from where its angle counts */
    ml3_env_free(env);
  }
}

Test(envs_pendulum, that_hangs_begins_near_the_bottom) {
  const ml3_env_spec *spec = ml3_env_find("pendulum_hanging", NULL);
  double task[16], widest = 0;
  cr_assert_not_null(spec);
  for (int i = 0; i < 1000; i++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, (uint32_t)i, 0);
    ml3_env_sample_task(spec, &random, task);
    widest = fmax(widest, fmax(fabs(task[0]), fabs(task[1])));
  }
  cr_expect(widest <= 0.3 && widest > 0.29, "%g", widest);
}
