/* Batches: when rows end and begin (Gymnasium's autoreset modes beside single instances, horizons, seeds, masks, tasks),
   what is told of them, full states, how many threads step them, and what a child of fork() can do. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/threads.h"
#include "envs/batch.h"
#include "envs/batch_internal.h"

enum { ROWS = 5, OBS_MAX = 512, ACTION_MAX = 32, STATE_MAX = 64, TASK_MAX = 32 };

static const char *const modes[] = {"same step", "next step", "disabled"};

typedef struct arrays {
  ml3_real obs[ROWS * OBS_MAX], final_obs[ROWS * OBS_MAX], rewards[ROWS], actions[ROWS * ACTION_MAX];
  bool terminated[ROWS], truncated[ROWS];
} arrays;

typedef struct infos {
  double reward[ROWS], state[ROWS * STATE_MAX], task[ROWS * TASK_MAX], distance[ROWS];
  bool success[ROWS];
} infos;

static ml3_env_batch_infos pointers(infos *i) {
  return (ml3_env_batch_infos){i->reward, i->state, i->task, i->distance, i->success};
}

static int step(ml3_env_batch *b, arrays *a, ml3_error *error) {
  return ml3_env_batch_step(b, a->actions, a->obs, a->rewards, a->terminated, a->truncated, a->final_obs, error);
}

/* Actions that depend on row and step alone. */
static void choose(const ml3_env_spec *spec, int t, ml3_real *actions) {
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < spec->action_dim; k++)
      actions[i * spec->action_dim + k] = 
          (ml3_real)(spec->choices ? (i + t / 3) % spec->choices : spec->action[k].high * sin(0.9 * i + 0.37 * t + 2 * k));
}

/* ---- single instances, as Gymnasium's SyncVectorEnv has them --------------------------------------------------------- */

typedef struct single {
  ml3_env *env;
  uint64_t seed;
  uint32_t episode;
  bool ended;
} single;

static void begin(single *s) {
  double task[TASK_MAX];
  ml3_random random = ml3_random_stream(s->seed, ML3_PURPOSE_RESET, 0, s->episode++);
  ml3_env_sample_task(s->env->spec, &random, task);
  ml3_env_reset(s->env, task, &random);
  s->ended = false;
}

/* Row i of the observations is env's; lanes agree to rounding. */
static void expect_obs(const ml3_real *obs, int i, const ml3_env *env, const char *what) {
  const int n = env->spec->obs_dim;
  const double tolerance = env->spec->step_lanes ? 1e-5 : 0;
  double expected[OBS_MAX];
  ml3_env_observe(env, expected);
  for (int k = 0; k < n; k++)
    cr_assert_float_eq(obs[i * n + k], (ml3_real)expected[k], tolerance, "%s, %s: row %d entry %d", env->spec->name,
                       what, i, k);
}

static void expect_infos(const infos *told, int i, const ml3_env *env, const char *what) {
  const ml3_env_spec *spec = env->spec;
  const double tolerance = spec->step_lanes ? 1e-6 : 0;
  double state[STATE_MAX];
  ml3_env_get_state(env, state);
  for (int k = 0; k < spec->state_dim; k++)
    cr_assert_float_eq(told->state[i * spec->state_dim + k], state[k], tolerance, "%s, %s: state", spec->name, what);
  for (int k = 0; k < spec->task_dim; k++)
    cr_assert_eq(told->task[i * spec->task_dim + k], env->task[k], "%s, %s: task", spec->name, what);
  cr_assert_float_eq(told->distance[i], ml3_env_distance(env), tolerance, "%s, %s: distance", spec->name, what);
  cr_assert_eq(told->success[i], ml3_env_success(env), "%s, %s: success", spec->name, what);
}

/* Row i after a step: the instance takes the same one, as the mode wants it. */
static void compare(const arrays *a, const infos *now, const infos *final, int i, single *s, int horizon,
                    ml3_autoreset mode) {
  const ml3_env_spec *spec = s->env->spec;
  double action[ACTION_MAX];
  ml3_env_result r = {0};
  for (int k = 0; k < spec->action_dim; k++) action[k] = (double)a->actions[i * spec->action_dim + k];
  if (s->ended) {
    begin(s);
  } else {
    r = ml3_env_step(s->env, action);
    r.truncated = s->env->steps >= horizon;
    s->ended = r.terminated || r.truncated;
  }
  cr_assert_eq(a->terminated[i], r.terminated, "%s, %s", spec->name, modes[mode]);
  cr_assert_eq(a->truncated[i], r.truncated, "%s, %s, row %d", spec->name, modes[mode], i);
  cr_assert_float_eq(now->reward[i], r.reward, spec->step_lanes ? 1e-6 : 0, "%s, %s", spec->name, modes[mode]);
  cr_assert_eq(a->rewards[i], (ml3_real)now->reward[i]);
  if (s->ended) {
    expect_obs(a->final_obs, i, s->env, "the last observation");
    expect_infos(final, i, s->env, "the end");
    if (mode == ML3_AUTORESET_SAME_STEP) begin(s);
  }
  expect_obs(a->obs, i, s->env, modes[mode]);
  expect_infos(now, i, s->env, modes[mode]);
}

static void compare_all(const ml3_env_spec *spec, ml3_autoreset mode, int horizon, int steps) {
  static arrays a;
  static infos now, final;
  const ml3_env_batch_infos to[2] = {pointers(&now), pointers(&final)};
  ml3_env_batch *b = ml3_env_batch_new(spec, ROWS, 1, 77, true, NULL);
  single rows[ROWS];
  int ends = 0;
  ml3_env_batch_set_autoreset(b, mode);
  ml3_env_batch_set_horizon(b, horizon);
  ml3_env_batch_watch(b, &to[0], &to[1]);
  for (int i = 0; i < ROWS; i++) {
    rows[i] = (single){ml3_env_new(spec, NULL), (uint64_t)(1000 - 7 * i) << 40, 0, false};
    ml3_env_batch_seed_row(b, i, rows[i].seed, 0);
    begin(&rows[i]);
  }
  ml3_env_batch_reset(b, a.obs);
  for (int i = 0; i < ROWS; i++)
    expect_obs(a.obs, i, rows[i].env, "reset"), expect_infos(&now, i, rows[i].env, "reset");
  for (int t = 0; t < steps; t++) {
    bool mask[ROWS], any = false;
    for (int i = 0; i < ROWS; i++) any |= mask[i] = mode == ML3_AUTORESET_DISABLED && rows[i].ended;
    if (any) ml3_env_batch_reset_rows(b, mask, NULL, a.obs);
    for (int i = 0; i < ROWS; i++)
      if (mask[i])
        begin(&rows[i]), expect_obs(a.obs, i, rows[i].env, "masked"), expect_infos(&now, i, rows[i].env, "masked");
    choose(spec, t, a.actions);
    if (mode == ML3_AUTORESET_NEXT_STEP && rows[1].ended) a.actions[spec->action_dim] = (ml3_real)NAN; /* ignored */
    cr_assert_eq(step(b, &a, NULL), ML3_OK);
    for (int i = 0; i < ROWS; i++) {
      compare(&a, &now, &final, i, &rows[i], horizon, mode);
      ends += a.terminated[i] || a.truncated[i];
    }
  }
  cr_assert_geq(ends, ROWS, "%s, %s: %d episodes ended", spec->name, modes[mode], ends);
  for (int i = 0; i < ROWS; i++) ml3_env_free(rows[i].env);
  ml3_env_batch_free(b);
}

Test(batch, begins_episodes_as_single_environments_do_in_each_autoreset_mode) {
  for (int e = 0; e < ml3_env_count(); e++)
    for (int mode = 0; mode < 3; mode++) compare_all(ml3_env_at(e), (ml3_autoreset)mode, 11, 35);
}

Test(batch, truncates_after_the_given_steps_even_if_these_are_more_than_the_environments_own) {
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL);
  cr_assert_eq(spec->horizon, 50);
  for (int mode = 0; mode < 3; mode++) compare_all(spec, (ml3_autoreset)mode, 73, 160);
}

/* ---- masks and tasks -------------------------------------------------------------------------------------------------- */

Test(batch, resets_the_masked_rows_alone_and_with_the_tasks_that_are_given) {
  static arrays a, before;
  static infos now;
  const ml3_env_batch_infos to = pointers(&now);
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    const int n = spec->obs_dim, m = spec->task_dim;
    const bool mask[ROWS] = {false, true, false, true, false};
    double tasks[ROWS * TASK_MAX];
    for (int sampled = 0; sampled < 2; sampled++) {
      ml3_env_batch *b = ml3_env_batch_new(spec, ROWS, 1, 3, sampled, NULL);
      ml3_env_batch_watch(b, &to, NULL);
      ml3_env_batch_reset(b, a.obs);
      bool ended = false;
      for (int t = 0; t < 3; t++) {
        choose(spec, t, a.actions), step(b, &a, NULL);
        for (int i = 0; i < ROWS; i++) ended = ended || a.terminated[i];
      }
      if (ended || m == 0) { /* some fall at once */
        ml3_env_batch_free(b);
        continue;
      }
      before = a;
      for (int k = 0; k < ROWS * m; k++) tasks[k] = NAN;
      tasks[3 * m] = (spec->task[0].low + 3 * spec->task[0].high) / 4; /* of row 3; row 1 is drawn */
      ml3_env_batch_reset_rows(b, mask, tasks, a.obs);
      for (int i = 0; i < ROWS; i++) {
        cr_assert_eq(ml3_env_batch_at(b, i)->steps, mask[i] ? 0 : 3, "%s row %d", spec->name, i);
        cr_assert_eq(memcmp(a.obs + i * n, before.obs + i * n, (size_t)n * sizeof *a.obs) != 0, mask[i], "%s row %d",
                     spec->name, i);
        if (!mask[i]) continue;
        double expected[TASK_MAX];
        ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, (uint32_t)i, 1);
        sampled ? ml3_env_sample_task(spec, &random, expected) : ml3_env_default_task(spec, expected);
        if (i == 3) expected[0] = tasks[3 * m];
        for (int k = 0; k < m; k++) cr_assert_eq(now.task[i * m + k], expected[k], "%s row %d", spec->name, i);
      }
      ml3_env_batch_free(b);
    }
  }
}

/* ---- full states -------------------------------------------------------------------------------------------------------- */

/* Into a batch of another seed, in the middle of episodes, one row ended, one handed out. */
Test(batch, goes_on_from_a_full_state_with_the_same_bits) {
  static arrays a, b;
  for (int e = 0; e < ml3_env_count(); e++) {
    const ml3_env_spec *spec = ml3_env_at(e);
    ml3_env_batch *one = ml3_env_batch_new(spec, ROWS, 1, UINT64_MAX - 12345, true, NULL),
                  *two = ml3_env_batch_new(spec, ROWS, 1, 9, true, NULL);
    ml3_env_batch *const both[] = {one, two};
    for (int k = 0; k < 2; k++) {
      ml3_env_batch_set_autoreset(both[k], ML3_AUTORESET_NEXT_STEP);
      ml3_env_batch_set_horizon(both[k], 9);
      ml3_env_batch_reset(both[k], a.obs);
    }
    cr_assert_not_null(ml3_env_batch_at(one, 2));
    cr_assert_not_null(ml3_env_batch_at(two, 4));
    for (int t = 0; t < 9; t++) choose(spec, t, a.actions), step(one, &a, NULL);
    cr_assert(a.truncated[0] || spec->own, "%s", spec->name); /* of tasks as data some fall before */

    const int dim = ml3_env_batch_full_dim(one);
    cr_assert_eq(dim, ml3_env_batch_full_dim(two));
    double *full = calloc((size_t)(2 * ROWS * dim), sizeof *full), *again = full + ROWS * dim;
    ml3_env_batch_get_full(one, full);
    ml3_env_batch_set_full(two, full);
    ml3_env_batch_get_full(two, again);
    cr_assert_arr_eq(full, again, (size_t)(ROWS * dim) * sizeof *full, "%s", spec->name);
    memset(&b, 0, sizeof b);
    b = a;
    for (int t = 9; t < 40; t++) {
      choose(spec, t, a.actions);
      choose(spec, t, b.actions);
      step(one, &a, NULL);
      step(two, &b, NULL);
      cr_assert_arr_eq(a.obs, b.obs, (size_t)(ROWS * spec->obs_dim) * sizeof *a.obs, "%s step %d", spec->name, t);
      cr_assert_arr_eq(a.rewards, b.rewards, sizeof a.rewards, "%s step %d", spec->name, t);
      cr_assert_arr_eq(a.truncated, b.truncated, sizeof a.truncated);
    }
    free(full);
    ml3_env_batch_free(one);
    ml3_env_batch_free(two);
  }
}

/* ---- bad actions ---------------------------------------------------------------------------------------------------------- */

/* The observation has where its site is; rows share the memory that holds that. */
Test(batch, a_row_that_was_not_stepped_observes_what_it_did_before) {
  static arrays a, before;
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(ML3_TEST_DATA "/../scripts/examples/cart_pole.xml", &error);
  cr_assert_not_null(spec, "%s", error.message);
  ml3_env_batch *b = ml3_env_batch_new(spec, ROWS, 1, 3, true, &error);
  ml3_env_batch_reset(b, a.obs);
  for (int t = 0; t < 5; t++) choose(spec, t, a.actions), step(b, &a, NULL);
  before = a;
  a.actions[2 * spec->action_dim] = (ml3_real)NAN;
  cr_assert_eq(step(b, &a, &error), ML3_ERR_NUMERIC);
  const size_t n = (size_t)spec->obs_dim;
  cr_assert_arr_eq(a.obs + 2 * n, before.obs + 2 * n, n * sizeof *a.obs);
  cr_assert_arr_neq(a.obs + 3 * n, before.obs + 3 * n, n * sizeof *a.obs);
  ml3_env_batch_free(b);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

Test(batch, takes_as_many_threads_as_openmp_was_told) {
  const ml3_env_spec *spec = ml3_env_find("pointmass", NULL);
  for (int threads = 1; threads < 6; threads += 2) {
    omp_set_num_threads(threads); /* as OMP_NUM_THREADS does */
    ml3_env_batch *b = ml3_env_batch_new(spec, ROWS, 0, 3, true, NULL),
                  *two = ml3_env_batch_new(spec, ROWS, 2, 3, true, NULL);
    cr_expect_eq(b->threads, threads);
    cr_expect_eq(two->threads, 2);
    ml3_env_batch_free(b);
    ml3_env_batch_free(two);
  }
}

/* OpenMP's threads are not copied by fork(); the child would wait for them for ever. */
Test(batch, steps_in_a_child_of_fork, .timeout = 60) {
  static arrays a, b;
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL);
  ml3_env_batch *old = ml3_env_batch_new(spec, ROWS, 2, 3, true, NULL);
  ml3_env_batch_reset(old, a.obs);
  choose(spec, 0, a.actions);
  step(old, &a, NULL);
  cr_assert_eq(ml3_threads(2), 2);
  const pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    alarm(20);
    ml3_env_batch *new = ml3_env_batch_new(spec, ROWS, 2, 3, true, NULL);
    ml3_env_batch_reset(new, b.obs);
    choose(spec, 0, b.actions);
    step(new, &b, NULL);
    const bool same = memcmp(a.obs, b.obs, sizeof a.obs) == 0;
    step(old, &a, NULL);
    step(new, &b, NULL);
    _exit(same && memcmp(a.obs, b.obs, sizeof a.obs) == 0 && ml3_threads(2) == 1 ? 0 : 1);
  }
  int status;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert_not(WIFSIGNALED(status), "the child was ended by signal %d", WTERMSIG(status));
  cr_assert_eq(WEXITSTATUS(status), 0);
  step(old, &a, NULL); /* the parent goes on with its threads */
  cr_assert_eq(ml3_threads(2), 2);
  ml3_env_batch_free(old);
}
