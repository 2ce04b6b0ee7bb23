/* Rows of entries with states, and experts who know what a task hides: columns and targets by formulas of their own, on the
   point mass with a hidden goal. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_free_internal.h"
#include "nn/program.h"

enum { HORIZON = 6, EPISODES = 2, ROWS = HORIZON * EPISODES, ENTRIES = 2, STATE = 4, GENERAL = 16 };
enum { MEAN = GENERAL, REWARD, REWARD_CHANGE, ENTRY, SEEN = ENTRY + ENTRIES, COLUMNS = SEEN + STATE };

#ifdef ML3_DOUBLE
static const double near = 1e-9;
#else
static const double near = 2e-4;
#endif

static ml3_policy make_policy(const ml3_env_spec *env) {
  ml3_policy policy;
  ml3_error error = {0};
  const int hidden = 5;
  cr_assert_eq(ml3_policy_init(&policy, env, &hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&policy, ML3_POLICY_GAUSSIAN, -0.7, &error), 0, "%s", error.message);
  return policy;
}

/* The problem, where there is an expert with its advice on an update's episodes. */
static ml3_problem *make_problem(const ml3_expert *expert, bool targets) {
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = ml3_env_find("pointmass_hidden", &error),
                               .horizon = HORIZON,
                               .rollouts = EPISODES,
                               .outer_rollouts = EPISODES,
                               .reuse = true,
                               .judge_episodes = 1,
                               .discount = 0.9,
                               .lambda = 0.8,
                               .extra = expert ? ML3_MODEL_FREE_ADVICE : ML3_MODEL_FREE_NONE,
                               .expert = expert,
                               .expert_targets = targets,
                               .rows = ML3_ROWS_ENTRIES_STATES};
  cr_assert_not_null(s.env, "%s", error.message);
  s.policy = make_policy(s.env);
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_policy_free(&s.policy);
  return p;
}

/* A task, a policy, one collection of theirs, and what is built of it. */
typedef struct seen {
  ml3_problem *p;
  ml3_real *task, *theta, *inner;
} seen;

static seen collect(ml3_problem *p) {
  ml3_error error = {0};
  seen s = {.p = p,
            .task = calloc((size_t)p->task_size, sizeof *s.task),
            .theta = calloc((size_t)p->theta_size, sizeof *s.theta),
            .inner = calloc((size_t)p->inner_size, sizeof *s.inner)};
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  cr_assert_eq(p->sample(p, ML3_SPLIT_TRAIN, &random, s.task, s.theta, &error), 0, "%s", error.message);
  cr_assert_eq(p->collect(p, s.task, s.theta, &random, s.inner, NULL, &error), 0, "%s", error.message);
  return s;
}

static void release(seen *s) {
  free(s->task), free(s->theta), free(s->inner);
  s->p->free(s->p);
}

/* [size] of a node of theta and data; targets: what the expert says, else the features. */
static ml3_real *run(const seen *s, bool targets, size_t size) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  const ml3_node theta = ml3_nn_input(g, 1, s->p->theta_size), data = ml3_nn_input(g, 1, s->p->inner_size);
  const ml3_node context = ml3_nn_input(g, 1, 1);
  const ml3_nn_output output = {
      targets ? s->p->build_targets(s->p, g, data) : s->p->build_features(s->p, g, theta, data, context), 0};
  ml3_nn_program *program = ml3_nn_compile(g, &output, 1, &error);
  cr_assert_not_null(program, "%s", error.message);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  ml3_real zero = 0, *out = malloc(size * sizeof *out);
  ml3_nn_bind_input(work, theta, s->theta);
  ml3_nn_bind_input(work, data, s->inner);
  ml3_nn_bind_input(work, context, &zero);
  ml3_nn_run(work, 0);
  memcpy(out, ml3_nn_output_at(work, 0), size * sizeof *out);
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
  return out;
}

static const ml3_real *block(const seen *s, int number) {
  return ml3_block_in(self(s->p)->inner[number], s->inner);
}

Test(states, are_behind_the_columns_without_dimension) {
  static const char *const names[] = {"mean",    "reward",  "reward_change", "entry.force_x", "entry.force_y",
                                      "state.x", "state.y", "state.x_velocity", "state.y_velocity"};
  seen s = collect(make_problem(NULL, false));
  cr_assert_eq(s.p->features, COLUMNS);
  cr_expect_eq(ml3_model_free_rows_of(s.p->feature_names[0], COLUMNS), ML3_ROWS_ENTRIES_STATES);
  cr_expect_eq(ml3_model_free_rows_of(s.p->feature_names[0], GENERAL), ML3_ROWS_ENTRIES);
  cr_expect_eq(ml3_model_free_rows_of("state.x", COLUMNS), ML3_ROWS_STEPS);
  for (int c = GENERAL; c < COLUMNS; c++) cr_expect_str_eq(s.p->feature_names[c], names[c - GENERAL]);
  release(&s);
}

/* The reward is -|p - goal| and a little for the force: its change tells whether the puck comes nearer. */
Test(states, are_what_the_policy_saw_and_how_the_reward_changes) {
  seen s = collect(make_problem(NULL, false));
  const ml3_real *x = block(&s, INNER_X), *mean = block(&s, INNER_MEAN);
  const double dt = self(s.p)->settings.env->dt_s;
  double goal[8];
  ml3_real *f = run(&s, false, (size_t)ROWS * ENTRIES * COLUMNS);
  ml3_model_free_task(s.p, s.task, goal);
  for (int i = 0; i < ROWS * ENTRIES; i++) {
    const int row = i / ENTRIES, k = i % ENTRIES, last = row + EPISODES;
    const ml3_real *at = f + (size_t)i * COLUMNS;
    cr_expect_float_eq(at[MEAN], mean[i] / ml3_policy_half_width(&self(s.p)->settings.policy, k), near);
    for (int c = 0; c < ENTRIES; c++) cr_expect_eq(at[ENTRY + c], c == k);
    for (int c = 0; c < STATE; c++) cr_expect_float_eq(at[SEEN + c], x[row * STATE + c], near);
    if (last < ROWS) { /* where the step ends, the next begins */
      const ml3_real *next = x + (size_t)last * STATE;
      const double away = hypot((double)next[0] - goal[0], (double)next[1] - goal[1]);
      cr_expect(at[REWARD] <= -away + 1e-5 && at[REWARD] > -away - 0.05, "row %d: %g, not %g", row, at[REWARD], -away);
    }
    const double before = row < EPISODES ? (double)at[REWARD] : (double)f[(size_t)(i - EPISODES * ENTRIES) * COLUMNS + REWARD];
    cr_expect_float_eq(at[REWARD_CHANGE], ((double)at[REWARD] - before) / dt, 20 * near);
  }
  free(f);
  release(&s);
}

Test(reveal, makes_the_task_the_goal) {
  ml3_error error = {0};
  const ml3_env_spec *hidden = ml3_env_find("pointmass_hidden", &error);
  ml3_env_spec *shown = ml3_env_reveal(hidden);
  cr_expect(hidden->hides_task && hidden->goal_dim == 0);
  cr_assert_eq(shown->goal_dim, shown->task_dim);
  cr_expect_str_eq(shown->goal[0].name, shown->task[0].name);
  ml3_env *env = ml3_env_new(shown, &error);
  cr_assert_not_null(env, "%s", error.message);
  double goal[8], task[8];
  ml3_env_default_task(shown, task);
  task[0] = 0.3, task[1] = -0.2;
  ml3_env_reset(env, task, NULL);
  ml3_env_goal(env, goal);
  cr_expect_arr_eq(goal, task, (size_t)shown->task_dim * sizeof *task);
  ml3_env_free(env);
  free(shown);
}

/* Its action at what was observed and at the task itself, in deviations from what the policy meant; the episodes of an update also
   judge it, so the advice goes there as well. */
Test(advice, of_an_expert_who_sees_what_is_hidden_is_the_shift_to_its_action) {
  ml3_error error = {0};
  ml3_env_spec *shown = ml3_env_reveal(ml3_env_find("pointmass_hidden", &error));
  ml3_policy knowing = make_policy(shown);
  cr_assert_eq(ml3_policy_add_goal(&knowing, shown, &error), 0, "%s", error.message);
  ml3_expert *expert = ml3_expert_new(&knowing, &error);
  for (int i = 0; i < ml3_policy_size(&knowing); i++) expert->theta[i] = (ml3_real)sin(2.0 * i);
  seen s = collect(make_problem(expert, true));
  const ml3_real *x = block(&s, INNER_X), *mean = block(&s, INNER_MEAN), *log_std = block(&s, INNER_LOG_STD);
  ml3_real *targets = run(&s, true, (size_t)ROWS * ENTRIES), *outer = calloc((size_t)s.p->outer_size, sizeof *outer);
  double task[8], spread = 0;
  ml3_model_free_task(s.p, s.task, task);
  cr_assert_eq(s.p->reuse(s.p, s.task, s.inner, outer, &error), 0, "%s", error.message);
  for (int row = 0; row < ROWS; row++) {
    double obs[STATE], action[ENTRIES];
    for (int k = 0; k < STATE; k++) obs[k] = x[row * STATE + k]; /* as observed: this policy scales nothing */
    ml3_policy_act(&knowing, expert->theta, obs, task, action);
    for (int k = 0; k < ENTRIES; k++) {
      const int i = row * ENTRIES + k;
      cr_expect_float_eq(targets[i], (action[k] - (double)mean[i]) / exp((double)log_std[i]), 50 * near);
      cr_expect_float_eq(ml3_block_in(self(s.p)->outer[OUTER_ADVICE], outer)[i], action[k], 50 * near);
      spread += fabs(action[k]);
    }
  }
  cr_expect_gt(spread / ROWS, 0.1, "an expert that does nothing shows nothing");
  free(targets), free(outer);
  release(&s);
  ml3_expert_free(expert);
  ml3_policy_free(&knowing);
  free(shown);
}
