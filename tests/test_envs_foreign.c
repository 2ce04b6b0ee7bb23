/* Environments of others, made from callbacks: lazy resets, a pool, errors that stay, lists of tasks, replayed
   states, and the same bits on any number of threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/rollout.h"
#include "envs/batch.h"
#include "envs/foreign.h"

/* ---- an environment: a point on a line, which the task's parameter pulls --------------------------------------- */

enum { HORIZON = 20, PLACES = 64 };

typedef struct point {
  double x, pull;
} point;

typedef struct world {
  point points[PLACES];
  atomic_int made, gone, inside, most_inside;
  int fails_at; /* the step (of all) that raises; 0: none */
  int nan_at;   /* the step whose observation is no number */
  int steps;
  double cut_at; /* beyond it episodes are truncated; 0: nowhere */
  bool cannot_reset, cannot_make;
} world;

static int create(void *user, ml3_foreign_record *r) {
  world *w = user;
  if (w->cannot_make) return snprintf(r->error, sizeof r->error, "ModuleNotFoundError: No module named 'gone'"), -1;
  r->instance = &w->points[atomic_fetch_add(&w->made, 1)];
  return 0;
}

static void destroy(void *user, ml3_foreign_record *r) {
  (void)r;
  atomic_fetch_add(&((world *)user)->gone, 1);
}

static void fill(ml3_foreign_record *r, const point *p) {
  r->obs[0] = p->x;
  r->obs[1] = p->x * p->x;
  r->goal[0] = p->pull;
  r->distance = fabs(p->x - p->pull);
  r->success = r->distance < 0.1;
}

static int reset(void *user, ml3_foreign_record *r, const double *task, uint64_t seed) {
  world *w = user;
  point *p = r->instance;
  if (w->cannot_reset) return snprintf(r->error, sizeof r->error, "RuntimeError: no reset today"), -1;
  *p = (point){(double)(seed % 1000) / 1000, task[0]};
  fill(r, p);
  return 0;
}

static int step(void *user, ml3_foreign_record *r, const double *action) {
  world *w = user;
  point *p = r->instance;
  const int inside = atomic_fetch_add(&w->inside, 1) + 1;
  if (inside > atomic_load(&w->most_inside)) atomic_store(&w->most_inside, inside);
  const int now = w->fails_at || w->nan_at ? ++w->steps : 0;
  p->x += 0.1 * action[0] + 0.01 * p->pull;
  fill(r, p);
  r->reward = -r->distance;
  r->terminated = p->x > 3;
  r->truncated = w->cut_at > 0 && p->x > w->cut_at;
  if (w->nan_at && now == w->nan_at) r->obs[1] = NAN;
  atomic_fetch_sub(&w->inside, 1);
  if (w->fails_at && now == w->fails_at) return snprintf(r->error, sizeof r->error, "ValueError: out of luck"), -1;
  return 0;
}

static int get_state(void *user, ml3_foreign_record *r, double *state) {
  (void)user;
  memcpy(state, r->instance, sizeof(point));
  return 0;
}

static int set_state(void *user, ml3_foreign_record *r, const double *state) {
  (void)user;
  memcpy(r->instance, state, sizeof(point));
  fill(r, r->instance);
  return 0;
}

static const ml3_env_parameter pull = {.name = "pull", .unit = "1", .value = 0.5, .low = -1, .high = 1};

static ml3_foreign_description describe(world *w) {
  return (ml3_foreign_description){.name = "line",
                                   .horizon = HORIZON,
                                   .obs_dim = 2,
                                   .action_dim = 1,
                                   .goal_dim = 1,
                                   .task_dim = 1,
                                   .task = &pull,
                                   .user = w,
                                   .create = create,
                                   .destroy = destroy,
                                   .reset = reset,
                                   .step = step};
}

static ml3_foreign *make(const ml3_foreign_description *d) {
  ml3_error error = {0};
  ml3_foreign *f = ml3_foreign_new(d, &error);
  cr_assert(f, "%s", error.message);
  return f;
}

static ml3_env *open(const ml3_foreign *f) {
  ml3_error error = {0};
  ml3_env *env = ml3_env_new(ml3_foreign_spec(f, 0), &error);
  cr_assert(env, "%s", error.message);
  return env;
}

/* ---- resets and the pool --------------------------------------------------------------------------------------- */

Test(foreign, an_episode_resets_once) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  ml3_env *env = open(f);
  double task = 0.25, obs[2], goal;
  cr_assert(ml3_foreign_count(f).resets == 0, "a new instance resets when it is looked at");
  for (int i = 0; i < 3; i++) {
    ml3_random random = ml3_random_stream(7, ML3_PURPOSE_RESET, (uint32_t)i, 0);
    ml3_env_reset(env, &task, &random);
  }
  ml3_env_goal(env, &goal);
  ml3_env_observe(env, obs);
  ml3_env_distance(env);
  cr_assert(ml3_foreign_count(f).resets == 1);
  cr_assert(goal == 0.25 && obs[1] == obs[0] * obs[0]);
  const ml3_env_result result = ml3_env_step(env, &(double){0.5});
  cr_assert(result.code == ML3_OK && ml3_foreign_count(f).resets == 1);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

Test(foreign, instances_are_pooled) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  for (int i = 0; i < 10; i++) {
    ml3_env *a = open(f), *b = open(f);
    ml3_env_free(a);
    ml3_env_free(b);
  }
  cr_assert(w.made == 2 && w.gone == 0);
  cr_assert(ml3_foreign_count(f).in_use == 0);
  ml3_foreign_free(f);
  cr_assert(w.gone == 2);
}

Test(foreign, actions_are_clipped_and_episodes_truncated) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  ml3_env *a = open(f), *b = open(f);
  ml3_env_result ra = {0}, rb = {0};
  for (int t = 0; t < HORIZON; t++) {
    cr_assert(!ra.truncated);
    ra = ml3_env_step(a, &(double){5});
    rb = ml3_env_step(b, &(double){1});
    cr_assert(ra.reward == rb.reward);
  }
  cr_assert(ra.truncated && rb.truncated);
  ml3_env_free(a);
  ml3_env_free(b);
  ml3_foreign_free(f);
}

/* ---- errors ---------------------------------------------------------------------------------------------------- */

Test(foreign, an_error_of_a_callback_stays_and_is_a_sentence) {
  world w = {.fails_at = 4};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  ml3_env *env = open(f);
  ml3_error error = {0};
  ml3_env_result result;
  for (int i = 0; i < 3; i++) cr_assert(ml3_env_step_checked(env, &(double){0}, &result, &error) == ML3_OK);
  cr_assert(ml3_env_step_checked(env, &(double){0}, &result, &error) < 0);
  cr_assert_str_eq(error.message, "environment 'line' failed in step 3 of the episode: ValueError: out of luck");
  cr_assert_str_eq(env->warnings.failure, "ValueError: out of luck");
  cr_assert(ml3_env_step(env, &(double){0}).code < 0, "it stays");
  cr_assert(ml3_env_failed(env->spec, &error) < 0);
  ml3_env_free(env);
  cr_assert(w.gone == 1, "what has failed is not used again");
  cr_assert(ml3_env_failed(ml3_foreign_spec(f, 2), &error) < 0, "also for who asks afterwards");
  env = open(f);
  cr_assert(ml3_env_failed(env->spec, &error) == ML3_OK);
  cr_assert(ml3_env_step(env, &(double){0}).code == ML3_OK);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

Test(foreign, numbers_that_are_none_are_named) {
  world w = {.nan_at = 2};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  ml3_env *env = open(f);
  ml3_error error = {0};
  ml3_env_step(env, &(double){0});
  cr_assert(ml3_env_step(env, &(double){0}).code < 0);
  ml3_env_failed(env->spec, &error);
  cr_assert(strstr(error.message, "entry 1 of the observation (obs_1) is nan"), "%s", error.message);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

Test(foreign, what_cannot_be_made_or_reset_says_why) {
  world w = {.cannot_make = true};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d);
  ml3_error error = {0};
  double obs[2];
  cr_assert(!ml3_env_new(ml3_foreign_spec(f, 0), &error));
  cr_assert(strstr(error.message, "environment 'line': it cannot be made: ModuleNotFoundError"), "%s", error.message);
  w.cannot_make = false, w.cannot_reset = true;
  ml3_env *env = open(f);
  ml3_env_observe(env, obs);
  cr_assert(ml3_env_failed(env->spec, &error) < 0);
  cr_assert(strstr(error.message, "failed in reset: RuntimeError: no reset today"), "%s", error.message);
  cr_assert(ml3_env_step(env, &(double){0}).code < 0);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

Test(foreign, a_description_that_is_not_possible_is_refused) {
  world w = {0};
  ml3_error error = {0};
  ml3_foreign_description d = describe(&w);
  d.tasks[2] = &(double){0};
  d.task_counts[2] = 0;
  cr_assert(!ml3_foreign_new(&d, &error) && strstr(error.message, "list of test tasks is empty"), "%s", error.message);
  d = describe(&w);
  d.step = NULL;
  cr_assert(!ml3_foreign_new(&d, &error) && strstr(error.message, "callbacks"), "%s", error.message);
  d = describe(&w);
  d.get_state = get_state;
  cr_assert(!ml3_foreign_new(&d, &error) && strstr(error.message, "go together"), "%s", error.message);
  const ml3_env_field free_action = {.name = "force", .unit = "N", .low = -INFINITY, .high = INFINITY};
  d = describe(&w);
  d.action = &free_action;
  cr_assert(!ml3_foreign_new(&d, &error) && strstr(error.message, "(force)"), "%s", error.message);
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

Test(foreign, a_list_of_tasks_has_splits) {
  world w = {0};
  const double train[] = {0.1, 0.2, 0.3}, test[] = {0.7, 0.8};
  ml3_foreign_description d = describe(&w);
  d.tasks[0] = train, d.task_counts[0] = 3;
  d.tasks[2] = test, d.task_counts[2] = 2;
  ml3_foreign *f = make(&d);
  const ml3_env_spec *spec = ml3_foreign_spec(f, 0);
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_TRAIN, 0, 0);
  bool seen[5] = {0};
  for (int i = 0; i < 100; i++) {
    double a, b, c;
    ml3_env_sample_task(spec, &random, &a);
    ml3_env_sample_split(spec, 2, &random, &b);
    ml3_env_sample_split(spec, 1, &random, &c);
    cr_assert((a == 0.1 || a == 0.2 || a == 0.3) && (b == 0.7 || b == 0.8) && c < 0.5);
    for (int k = 0; k < 3; k++) seen[k] = seen[k] || a == train[k];
    for (int k = 0; k < 2; k++) seen[3 + k] = seen[3 + k] || b == test[k];
  }
  for (int k = 0; k < 5; k++) cr_assert(seen[k], "task %d is drawn", k);
  cr_assert(spec->task[0].low == 0.1 && spec->task[0].high == 0.3);
  cr_assert_str_eq(spec->task[0].name, "pull");
  ml3_foreign_free(f);
}

Test(foreign, a_rounded_task_is_the_one_of_the_list) {
  world w = {0};
  const double train[] = {0.1, 0.2, 0.3};
  ml3_foreign_description d = describe(&w);
  d.tasks[0] = train, d.task_counts[0] = 3;
  ml3_foreign *f = make(&d);
  ml3_env *env = open(f);
  double task = (float)0.2, goal;
  ml3_env_reset(env, &task, NULL);
  ml3_env_goal(env, &goal);
  cr_assert(goal == 0.2, "%.17g", goal);
  task = 0.25;
  ml3_env_reset(env, &task, NULL);
  ml3_env_goal(env, &goal);
  cr_assert(goal == 0.25, "%.17g", goal);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

Test(foreign, a_registered_one_is_found_by_its_name) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_foreign *f = make(&d), *again = make(&d);
  ml3_error error = {0};
  cr_assert(ml3_foreign_register(f, &error) == ML3_OK, "%s", error.message);
  cr_assert(ml3_env_find("line", &error) == ml3_foreign_spec(f, 0));
  cr_assert(ml3_env_find("line:test", &error) == ml3_foreign_spec(f, 2));
  cr_assert(ml3_foreign_register(again, &error) < 0 && strstr(error.message, "already"));
  ml3_foreign_free(again);
  ml3_foreign_free(f);
  cr_assert(!ml3_env_find("line", NULL));
}

/* ---- states ---------------------------------------------------------------------------------------------------- */

static void go_on(ml3_env *env, double *numbers, int steps) {
  for (int i = 0; i < steps; i++) {
    const ml3_env_result result = ml3_env_step(env, &(double){sin(i)});
    numbers[3 * i] = result.reward;
    ml3_env_observe(env, numbers + 3 * i + 1);
  }
}

static void copies_go_on_alike(const ml3_foreign_description *d) {
  ml3_foreign *f = make(d);
  ml3_env *env = open(f);
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_RESET, 0, 0);
  double task = -0.75, a[24], b[24];
  ml3_env_reset(env, &task, &random);
  for (int i = 0; i < 7; i++) ml3_env_step(env, &(double){cos(i)});
  ml3_env *twin = ml3_env_clone(env, &error);
  cr_assert(twin && twin->steps == 7 && twin->task[0] == task, "%s", error.message);
  go_on(env, a, 8);
  go_on(twin, b, 8);
  cr_assert_arr_eq(a, b, sizeof a);
  ml3_env *third = ml3_env_clone(twin, &error); /* a copy of a copy */
  go_on(twin, a, 4);
  go_on(third, b, 4);
  cr_assert_arr_eq(a, b, 12 * sizeof *a);
  ml3_env_free(third);
  ml3_env_free(env);
  ml3_env_free(twin);
  ml3_foreign_free(f);
}

Test(foreign, a_copy_without_a_state_makes_the_steps_again) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_error error = {0};
  copies_go_on_alike(&d);
  ml3_foreign *f = make(&d);
  const ml3_env_spec *spec = ml3_foreign_spec(f, 0);
  cr_assert(spec->state_dim == 2 && spec->state == spec->obs);
  cr_assert(ml3_env_need_state(spec, "a plan", &error) < 0);
  cr_assert(strstr(error.message, "a plan needs to set the state, and that of environment 'line'"), "%s",
            error.message);
  ml3_foreign_free(f);
}

Test(foreign, a_state_that_is_there_is_copied) {
  world w = {0};
  ml3_foreign_description d = describe(&w);
  d.get_state = get_state, d.set_state = set_state, d.state_dim = 2;
  copies_go_on_alike(&d);
  ml3_foreign *f = make(&d);
  ml3_env *env = open(f);
  const double state[] = {0.5, 0.25};
  double back[2], obs[2];
  ml3_env_set_state(env, state);
  ml3_env_get_state(env, back);
  ml3_env_observe(env, obs);
  cr_assert_arr_eq(back, state, sizeof state);
  cr_assert(obs[0] == 0.5 && ml3_env_distance(env) == 0.25);
  cr_assert(ml3_env_need_state(env->spec, "a plan", NULL) == ML3_OK);
  ml3_env_free(env);
  ml3_foreign_free(f);
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static void step_batch(const ml3_foreign_description *d, int threads, ml3_real *obs, ml3_error *error) {
  enum { ROWS = 8 };
  ml3_foreign *f = make(d);
  ml3_real actions[ROWS], rewards[ROWS];
  bool terminated[ROWS], truncated[ROWS];
  ml3_env_batch *b = ml3_env_batch_new(ml3_foreign_spec(f, 0), ROWS, threads, 11, true, error);
  cr_assert(b, "%s", error->message);
  ml3_env_batch_reset(b, obs);
  for (int t = 0; t < 3 * HORIZON && error->code == ML3_OK; t++) {
    for (int i = 0; i < ROWS; i++) actions[i] = (ml3_real)sin(t + i);
    ml3_env_batch_step(b, actions, obs, rewards, terminated, truncated, NULL, error);
  }
  ml3_env_batch_free(b);
  ml3_foreign_free(f);
}

Test(foreign, same_bits_with_one_thread_and_two) {
  world w = {0};
  ml3_foreign_description d = describe(&w);
  ml3_error error = {0};
  ml3_real one[16], two[16], alone[16];
  step_batch(&d, 1, one, &error);
  w.made = 0;
  step_batch(&d, 2, two, &error);
  cr_assert(error.code == ML3_OK, "%s", error.message);
  cr_assert_arr_eq(one, two, sizeof one);
  atomic_store(&w.most_inside, 0);
  w.made = 0;
  d.threads = 1;
  step_batch(&d, 2, alone, &error);
  cr_assert_arr_eq(one, alone, sizeof one);
  cr_assert(w.most_inside == 1, "it asked for the calling thread alone");
}

Test(foreign, a_batch_names_what_failed) {
  world w = {.fails_at = 30};
  ml3_foreign_description d = describe(&w);
  ml3_error error = {0};
  ml3_real obs[16];
  d.threads = 1;
  step_batch(&d, 2, obs, &error);
  cr_assert(strstr(error.message, "environment 'line' failed in step 3 of the episode: ValueError: out of luck"), "%s",
            error.message);
}

/* ---- rollouts -------------------------------------------------------------------------------------------------- */

static int roll(const ml3_foreign_description *d, int threads, ml3_rollout **rollout, ml3_error *error) {
  ml3_foreign *f = make(d);
  const ml3_env_spec *spec = ml3_foreign_spec(f, 0);
  ml3_policy policy;
  ml3_policy_init(&policy, spec, NULL, 0, ML3_TANH, true, error);
  ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.5, error);
  ml3_real *theta = calloc((size_t)ml3_policy_size(&policy), sizeof *theta);
  ml3_sampler *s = ml3_sampler_new(spec, &policy, 4, 0, threads, error);
  *rollout = ml3_rollout_new(&policy, 4, 50, 0, error);
  cr_assert(s && *rollout, "%s", error->message);
  const int code = ml3_sampler_collect(s, theta, NULL, &policy, *rollout, error);
  ml3_sampler_free(s);
  ml3_policy_free(&policy);
  free(theta);
  ml3_foreign_free(f);
  return code;
}

Test(foreign, a_rollout_ends_with_the_sentence_of_a_failure) {
  world w = {.fails_at = 30};
  ml3_foreign_description d = describe(&w);
  ml3_rollout *r;
  ml3_error error = {0};
  d.threads = 1;
  cr_assert(roll(&d, 2, &r, &error) < 0);
  cr_assert(strstr(error.message, "ValueError: out of luck"), "%s", error.message);
  ml3_rollout_free(r);
}

Test(foreign, rollouts_have_the_same_bits_on_two_threads) {
  world w = {0};
  const ml3_foreign_description d = describe(&w);
  ml3_rollout *a, *b;
  ml3_error error = {0};
  cr_assert(roll(&d, 1, &a, &error) == ML3_OK, "%s", error.message);
  w.made = 0;
  cr_assert(roll(&d, 2, &b, &error) == ML3_OK, "%s", error.message);
  cr_assert_arr_eq(a->x, b->x, 200 * (size_t)a->inputs * sizeof *a->x);
  cr_assert(a->episodes == 8 && b->episodes == 8);
  ml3_rollout_free(a);
  ml3_rollout_free(b);
}

Test(foreign, an_environment_may_truncate_by_itself) {
  world w = {.cut_at = 1e-9};
  const ml3_foreign_description d = describe(&w);
  ml3_rollout *r;
  ml3_error error = {0};
  cr_assert(roll(&d, 1, &r, &error) == ML3_OK, "%s", error.message);
  cr_assert(r->episodes > 100 && r->episode_length < 2, "%d episodes", r->episodes);
  for (int i = 0; i < 200; i++) cr_assert(r->end[i] != ML3_TERMINATED);
  ml3_rollout_free(r);
}
