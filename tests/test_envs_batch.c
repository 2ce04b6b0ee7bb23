/* Batches: the same bits whatever the company and the threads, no allocation while stepping, ends kept apart, errors that
   name the row, rows as instances; and lanes beside the environment's own step. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/batch_internal.h"

/* ---- the allocator, counted (tests/CMakeLists.txt wraps it) -------------------------------------------------- */

static atomic_int counting, allocations;
static void count(void) {
  if (atomic_load(&counting)) atomic_fetch_add(&allocations, 1);
}
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n) {
  count();
  return __real_malloc(n);
}
void *__real_calloc(size_t n, size_t m);
void *__wrap_calloc(size_t n, size_t m);
void *__wrap_calloc(size_t n, size_t m) {
  count();
  return __real_calloc(n, m);
}
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n) {
  count();
  return __real_realloc(p, n);
}
void *__real_aligned_alloc(size_t a, size_t n);
void *__wrap_aligned_alloc(size_t a, size_t n);
void *__wrap_aligned_alloc(size_t a, size_t n) {
  count();
  return __real_aligned_alloc(a, n);
}
void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p) {
  if (p) count();
  __real_free(p);
}

/* ---- helpers --------------------------------------------------------------------------------------------------- */

enum { MANY = 130, OBS_MAX = 512, ACTION_MAX = 32 };

typedef struct arrays {
  ml3_real obs[MANY * OBS_MAX], final_obs[MANY * OBS_MAX], rewards[MANY], actions[MANY * ACTION_MAX];
  bool terminated[MANY], truncated[MANY];
} arrays;

static ml3_env_batch *open_batch(const ml3_env_spec *spec, int count, int threads) {
  ml3_error error = {0};
  cr_assert(spec->obs_dim <= OBS_MAX && spec->action_dim <= ACTION_MAX);
  ml3_env_batch *b = ml3_env_batch_new(spec, count, threads, 3, true, &error);
  cr_assert_not_null(b, "%s", error.message);
  return b;
}

/* Actions that depend on row and step alone, some beyond their bounds. */
static void choose(const ml3_env_spec *spec, int count, int step, ml3_real *actions) {
  const int m = spec->action_dim;
  for (int i = 0; i < count; i++)
    for (int k = 0; k < m; k++)
      actions[i * m + k] = (ml3_real)(spec->choices ? (i + step / 3) % spec->choices
                                                    : 1.2 * spec->action[k].high * sin(0.9 * i + 0.37 * step + 2 * k));
}

static int step(ml3_env_batch *b, arrays *a, ml3_error *error) {
  return ml3_env_batch_step(b, a->actions, a->obs, a->rewards, a->terminated, a->truncated, a->final_obs, error);
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

Test(batch, of_short_steps_takes_as_many_threads_as_have_something_to_do) {
  const ml3_env_spec *formula = ml3_env_find("acrobot", NULL), *simulation = ml3_env_find("pointmass", NULL);
  ml3_env_batch *few = open_batch(formula, 64, 2), *many = open_batch(formula, 1024, 2);
  ml3_env_batch *simulated = open_batch(simulation, 2, 2), *alone = open_batch(simulation, 1, 2);
  cr_expect_eq(few->threads, 1);
  cr_expect_eq(many->threads, 2);
  cr_expect_eq(simulated->threads, 2);
  cr_expect_eq(alone->threads, 1);
  ml3_env_batch_free(few);
  ml3_env_batch_free(many);
  ml3_env_batch_free(simulated);
  ml3_env_batch_free(alone);
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

static void compare_rows(const ml3_env_spec *spec, const arrays *a, const arrays *b, int rows, int t) {
  size_t size = (size_t)(rows * spec->obs_dim) * sizeof(ml3_real);
  cr_assert_arr_eq(a->obs, b->obs, size, "%s: observations differ at step %d", spec->name, t);
  cr_assert_arr_eq(a->final_obs, b->final_obs, size, "%s: final observations differ at step %d", spec->name, t);
  cr_assert_arr_eq(a->rewards, b->rewards, (size_t)rows * sizeof(ml3_real), "%s: rewards, step %d", spec->name, t);
  cr_assert_arr_eq(a->terminated, b->terminated, (size_t)rows * sizeof(bool));
  cr_assert_arr_eq(a->truncated, b->truncated, (size_t)rows * sizeof(bool));
}

/* Seven rows alone on a thread, and among 130 on three: 130 is no multiple of anything that the steps are taken by. */
Test(batch, has_the_same_bits_whatever_the_company_and_the_threads) {
  static arrays few, many;
  for (int e = 0; e < ml3_env_count(); e++) {
    ml3_env_spec long_steps = *ml3_env_at(e), *spec = &long_steps;
    long_steps.step_ns = 0; /* else formulas take one thread */
    ml3_env_batch *a = open_batch(spec, 7, 1), *b = open_batch(spec, MANY, 3);
    memset(&few, 0, sizeof few);
    memset(&many, 0, sizeof many);
    ml3_env_batch_reset(a, few.obs);
    ml3_env_batch_reset(b, many.obs);
    for (int t = 0; t < 70; t++) {
      choose(spec, 7, t, few.actions);
      choose(spec, MANY, t, many.actions);
      cr_assert_eq(step(a, &few, NULL), ML3_OK);
      cr_assert_eq(step(b, &many, NULL), ML3_OK);
      compare_rows(spec, &few, &many, 7, t);
    }
    ml3_env_batch_free(a);
    ml3_env_batch_free(b);
  }
}

/* Row i is the environment's own episode in stream (seed, reset, i, 0): to the bit where rows are instances, to rounding
   where they are lanes, whose cosine is another one. */
Test(batch, steps_like_single_instances) {
  static arrays a;
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    ml3_env_batch *b = open_batch(spec, 9, 1);
    ml3_env *env = ml3_env_new(spec, NULL);
    double task[32], obs[OBS_MAX], action[ACTION_MAX];
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, 4, 0);
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    ml3_env_batch_reset(b, a.obs);
    for (int t = 0; t < 34; t++) {
      choose(spec, 9, t, a.actions);
      for (int k = 0; k < spec->action_dim; k++) action[k] = (double)a.actions[4 * spec->action_dim + k];
      ml3_env_result result = ml3_env_step(env, action);
      step(b, &a, NULL);
      ml3_env_observe(env, obs);
      double tolerance = spec->step_lanes ? 1e-6 : 0;
      const ml3_real *seen = result.terminated || result.truncated ? a.final_obs : a.obs;
      for (int k = 0; k < spec->obs_dim; k++)
        cr_assert_float_eq(seen[4 * spec->obs_dim + k], (ml3_real)obs[k], tolerance, "%s step %d entry %d", spec->name,
                           t, k);
      cr_assert_float_eq(a.rewards[4], (ml3_real)result.reward, tolerance);
      if (result.terminated || result.truncated) break;
    }
    ml3_env_free(env);
    ml3_env_batch_free(b);
  }
}

/* One step from random states over the whole state space, walls and limits included. libmvec's cosine is good to four
   units in the last place, and the compiler may fuse products and sums: 4e-15 of numbers up to 10. */
Test(lanes, step_like_the_environment_to_rounding) {
  static arrays a;
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    if (!spec->step_lanes) continue;
    ml3_env_batch *b = open_batch(spec, MANY, 1);
    ml3_env_batch_set_autoreset(b, ML3_AUTORESET_DISABLED);
    ml3_env *env = ml3_env_new(spec, NULL);
    ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
    for (int round = 0; round < 40; round++) {
      double before[MANY][8], after[8], expected[8], action[ACTION_MAX];
      ml3_env_batch_reset(b, a.obs);
      for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < spec->state_dim; k++)
          before[i][k] = ml3_random_uniform(&random, fmax(spec->state[k].low, -3), fmin(spec->state[k].high, 3));
        ml3_env_set_state(ml3_env_batch_at(b, i), before[i]);
        for (int k = 0; k < spec->action_dim; k++)
          a.actions[i * spec->action_dim + k] =
              (ml3_real)(spec->choices
                             ? (double)ml3_random_below(&random, (uint32_t)spec->choices)
                             : ml3_random_uniform(&random, 1.5 * spec->action[k].low, 1.5 * spec->action[k].high));
      }
      step(b, &a, NULL);
      for (int i = 0; i < MANY; i++) {
        ml3_env *row = ml3_env_batch_at(b, i);
        ml3_env_reset(env, row->task, NULL);
        ml3_env_set_state(env, before[i]);
        for (int k = 0; k < spec->action_dim; k++) action[k] = (double)a.actions[i * spec->action_dim + k];
        ml3_env_result result = ml3_env_step(env, action);
        ml3_env_get_state(env, expected);
        ml3_env_get_state(row, after);
        for (int k = 0; k < spec->state_dim; k++)
          cr_assert_float_eq(after[k], expected[k], 4e-15, "%s entry %d: %.17g, %.17g", spec->name, k, after[k],
                             expected[k]);
        cr_assert_float_eq(a.rewards[i], (ml3_real)result.reward, 1e-6);
        cr_assert_eq(a.terminated[i], result.terminated);
      }
    }
    ml3_env_free(env);
    ml3_env_batch_free(b);
  }
}

/* ---- no allocation ------------------------------------------------------------------------------------------------ */

/* Over more than an episode, so that resets with new tasks are in it; watched, too. */
Test(batch, steps_and_resets_without_allocating) {
  static arrays a;
  static double numbers[4][70 * OBS_MAX];
  static bool success[70];
  const ml3_env_batch_infos infos = {numbers[0], numbers[1], numbers[2], numbers[3], success};
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    ml3_env_batch *b = open_batch(spec, 70, 2);
    ml3_env_batch_watch(b, &infos, &infos);
    ml3_env_batch_reset(b, a.obs);
    choose(spec, 70, 0, a.actions);
    step(b, &a, NULL); /* the threads start here */
    atomic_store(&allocations, 0);
    atomic_store(&counting, 1);
    for (int t = 1; t < 60; t++) {
      choose(spec, 70, t, a.actions);
      step(b, &a, NULL);
    }
    atomic_store(&counting, 0);
    cr_expect_eq(atomic_load(&allocations), 0, "%s: %d allocations", spec->name, atomic_load(&allocations));
    ml3_env_batch_free(b);
  }
}

Test(batch, counts_allocations_where_there_are_some) {
  atomic_store(&counting, 1);
  ml3_env_batch_free(open_batch(ml3_env_at(0), 3, 1));
  atomic_store(&counting, 0);
  cr_assert_gt(atomic_load(&allocations), 3);
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

/* The car that swings with its velocity reaches the flag: terminated, not truncated, and a new episode begins. */
Test(batch, keeps_terminated_and_truncated_apart) {
  static arrays a;
  const ml3_env_spec *spec = ml3_env_find("mountain_car_continuous", NULL);
  ml3_env_batch *b = open_batch(spec, 8, 1);
  int ended = 0;
  ml3_env_batch_reset(b, a.obs);
  for (int t = 0; t < 300; t++) {
    for (int i = 0; i < 8; i++) a.actions[i] = i == 7 ? 0 : a.obs[2 * i + 1] < 0 ? -1 : 1;
    step(b, &a, NULL);
    for (int i = 0; i < 8; i++) {
      cr_assert_not(a.truncated[i]);
      if (!a.terminated[i]) continue;
      ended++;
      cr_assert(a.final_obs[2 * i] >= (ml3_real)0.45 && a.rewards[i] > 99);
      cr_assert(a.obs[2 * i] >= (ml3_real)-0.6 && a.obs[2 * i] <= (ml3_real)-0.4 && a.obs[2 * i + 1] == 0);
      cr_assert_neq(i, 7);
    }
  }
  cr_assert_geq(ended, 7);
  for (int t = 300; t < spec->horizon; t++) {
    memset(a.actions, 0, sizeof a.actions);
    step(b, &a, NULL);
  }
  cr_assert(a.truncated[7] && !a.terminated[7]);
  ml3_env_batch_free(b);
}

/* ---- errors -------------------------------------------------------------------------------------------------------- */

Test(batch, names_the_first_row_whose_action_is_no_number_and_leaves_it_as_it_was) {
  static arrays a, before;
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    const int n = spec->obs_dim, m = spec->action_dim;
    ml3_env_batch *b = open_batch(spec, 70, 2);
    ml3_error error = {0};
    char expected[400];
    bool ended = false;
    ml3_env_batch_reset(b, a.obs);
    for (int t = 0; t < 3; t++) {
      choose(spec, 70, t, a.actions);
      step(b, &a, NULL);
      for (int i = 0; i < 70; i++) ended = ended || a.terminated[i];
    }
    before = a;
    choose(spec, 70, 3, a.actions);
    a.actions[66 * m] = (ml3_real)NAN;
    a.actions[68 * m + m - 1] = (ml3_real)-INFINITY;
    cr_assert_eq(step(b, &a, &error), ML3_ERR_NUMERIC);
    snprintf(expected, sizeof expected,
             "environment '%s', row 66 of the batch, step 3: %s (%s) is nan; a %s needed, and nothing was stepped",
             spec->name, spec->choices ? "the action" : "action 0", spec->action[0].name,
             spec->choices == 0   ? "finite number is"
             : spec->choices == 2 ? "whole number from 0 to 1 is"
                                  : "whole number from 0 to 2 is");
    cr_assert_str_eq(error.message, expected);
    for (int i = 0; i < 70; i++) {
      bool bad = i == 66 || i == 68;
      cr_assert_eq(memcmp(a.obs + i * n, before.obs + i * n, (size_t)n * sizeof(ml3_real)) == 0, bad, "%s row %d",
                   spec->name, i);
      cr_assert_eq(isnan(a.rewards[i]), bad);
      cr_assert_not(bad && (a.terminated[i] || a.truncated[i]));
      if (!ended && !a.terminated[i]) cr_assert_eq(ml3_env_batch_at(b, i)->steps, bad ? 3 : 4);
    }
    choose(spec, 70, 3, a.actions);
    cr_assert_eq(step(b, &a, &error), ML3_OK);
    ml3_env_batch_free(b);
  }
}

/* ---- rows as instances ------------------------------------------------------------------------------------------------ */

Test(batch, goes_on_from_what_is_done_to_a_row) {
  static arrays a, b;
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    const int n = spec->obs_dim;
    ml3_env_batch *plain = open_batch(spec, 5, 1), *seen = open_batch(spec, 5, 1);
    double full[1024], obs[OBS_MAX];
    ml3_env_batch_reset(plain, a.obs);
    ml3_env_batch_reset(seen, b.obs);
    for (int t = 0; t < 40; t++) { /* looking changes nothing */
      choose(spec, 5, t, a.actions);
      choose(spec, 5, t, b.actions);
      step(plain, &a, NULL);
      step(seen, &b, NULL);
      if (t == 4) ml3_env_observe(ml3_env_batch_at(seen, 2), obs);
      cr_assert_arr_eq(a.obs, b.obs, (size_t)(5 * n) * sizeof(ml3_real), "%s step %d", spec->name, t);
    }
    cr_assert_null(ml3_env_batch_at(seen, 5));
    cr_assert_null(ml3_env_batch_at(seen, -1));

    ml3_env_get_full(ml3_env_batch_at(seen, 3), full); /* row 2 becomes row 3 */
    ml3_env_set_full(ml3_env_batch_at(seen, 2), full);
    memcpy(b.actions + 2 * spec->action_dim, b.actions + 3 * spec->action_dim,
           (size_t)spec->action_dim * sizeof(ml3_real));
    step(seen, &b, NULL);
    if (!b.terminated[2]) /* else each begins again by its own random numbers */
      cr_assert_arr_eq(b.obs + 2 * n, b.obs + 3 * n, (size_t)n * sizeof(ml3_real), "%s", spec->name);
    ml3_env_batch_free(plain);
    ml3_env_batch_free(seen);
  }
}
