/* The declared observation space of every environment holds: data sets and others' checkers rely on it. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "envs/env.h"

/* Random actions that stay for a while, on tasks of the distribution: what is at a stop is pushed against it. Says in
   `found` what was beyond its bounds. */
static void look_for_more(const ml3_env_spec *spec, int steps, uint32_t stream, char found[160]) {
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, stream, 0);
  double obs[512], action[64], task[64];
  bool ended = false;
  for (int t = 0, hold = 0; t < steps && !*found; t++) {
    if (ended || t % spec->horizon == 0) {
      ml3_env_sample_task(spec, &random, task);
      ml3_env_reset(env, task, &random);
      hold = 1 + (int)ml3_random_below(&random, 30);
    }
    for (int i = 0; i < spec->action_dim && t % hold == 0; i++) {
      const double low = spec->action[i].low, high = spec->action[i].high;
      action[i] = ml3_random_below(&random, 2) ? ml3_random_uniform(&random, low, high)
                                               : (ml3_random_below(&random, 2) ? low : high);
    }
    if (spec->choices && t % hold == 0) ml3_env_draw_action(spec, &random, action);
    const ml3_env_result result = ml3_env_step(env, action);
    /* A cart is followed no further, nor what a task says has fallen. */
    ended = (spec->choices || spec->term_count) && result.terminated;
    if (result.code != ML3_OK) snprintf(found, 160, "%.60s: step %d failed", spec->name, t);
    ml3_env_observe(env, obs);
    for (int i = 0; i < spec->obs_dim; i++)
      if (!(obs[i] >= spec->obs[i].low && obs[i] <= spec->obs[i].high))
        snprintf(found, 160, "%.60s, step %d: %.30s is %.17g", spec->name, t, spec->obs[i].name, obs[i]);
  }
  ml3_env_free(env);
}

#ifdef __SANITIZE_ADDRESS__
enum { BOUND_STEPS = 10000 };
#else
enum { BOUND_STEPS = 100000 };
#endif

/* Tasks as data declare no bounds but those of sines: few steps show them. */
static int steps_of(const ml3_env_spec *spec) {
  return spec->term_count ? BOUND_STEPS / 100 : BOUND_STEPS;
}

Test(bounds, no_observation_is_beyond_its_declared_space) {
  static char found[256][160];
  const int count = ml3_env_count();
  const ml3_env_spec *own = ml3_env_find(ML3_TEST_DATA "/../scripts/examples/cart_pole.xml", NULL);
  cr_assert_not_null(own);
  cr_assert_lt(count, 256);
#pragma omp parallel for schedule(dynamic, 1)
  for (int k = count; k >= 0; k--) look_for_more(k < count ? ml3_env_at(k) : own, steps_of(k < count ? ml3_env_at(k) : own), (uint32_t)k, found[k]);
  for (int k = 0; k <= count; k++) cr_expect_str_empty(found[k]);
}
