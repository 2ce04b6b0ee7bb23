/* The model-free problem: tasks, judging, making. See model_free.h and model_free_internal.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_free_internal.h"

static const char *const feature_names[FEATURES] = {"state", "mean", "log_std", "log_prob", "credit", "goal", "action"};
static const char *const usual_inputs = "state mean log_std log_prob credit goal";
static const char *const discrete_inputs = "state log_prob credit goal"; /* a choice has no mean */

/* ---- tasks and data --------------------------------------------------------------------------------------------- */

/* A default that float rounds is the default still: environments copy their model for any other value. */
void ml3_model_free_task(const ml3_problem *problem, const ml3_real *task, double *env_task) {
  const ml3_env_spec *env = self(problem)->settings.env;
  for (int i = 0; i < env->task_dim; i++)
    env_task[i] = task[i] == (ml3_real)env->task[i].value ? env->task[i].value : task[i];
}

/* An expert's episode into a task. */
static void put_demonstration(const model_free *m, int number, ml3_real *task) {
  const ml3_demonstrations *d = m->settings.demonstrations;
  const ml3_env_spec *env = m->settings.env;
  const ml3_block *blocks = m->task + TASK_DEMONSTRATION;
  ml3_real *x = ml3_block_in(blocks[DEMONSTRATION_X], task), *action = ml3_block_in(blocks[DEMONSTRATION_ACTION], task);
  double goal[env->goal_dim + 1];
  for (int i = 0; i < env->goal_dim; i++) goal[i] = ml3_block_in(m->task[TASK_GOAL], task)[i];
  ml3_demonstrations_weigh(d, number, ml3_block_in(blocks[DEMONSTRATION_WEIGHT], task));
  for (int t = 0; t < d->length[number]; t++) {
    ml3_policy_input(&m->settings.policy, d->obs + (number * d->steps + t) * env->obs_dim, goal, x + t * inputs(m));
    for (int k = 0; k < actions(m); k++)
      action[t * actions(m) + k] = (ml3_real)d->action[(number * d->steps + t) * actions(m) + k];
  }
}

int ml3_model_free_set_task(const ml3_problem *problem, const double *env_task, ml3_real *task, ml3_error *error) {
  const model_free *m = self(problem);
  const ml3_env_spec *env = m->settings.env;
  double goal[env->goal_dim + 1];
  workspace *w = ml3_model_free_take_workspace(m, error);
  if (!w) return error ? error->code : ML3_ERR_MEMORY;
  ml3_sampler_goal(w->inner, env_task, goal);
  ml3_model_free_return_workspace(m, w);
  memset(task, 0, (size_t)problem->task_size * sizeof *task);
  for (int i = 0; i < env->task_dim; i++) ml3_block_in(m->task[TASK_PARAMETERS], task)[i] = (ml3_real)env_task[i];
  for (int i = 0; i < env->goal_dim; i++) ml3_block_in(m->task[TASK_GOAL], task)[i] = (ml3_real)goal[i];
  return ML3_OK;
}

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  const model_free *m = self(p);
  const ml3_env_spec *env = m->settings.env;
  const bool demonstrated = m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS && split == ML3_SPLIT_TRAIN;
  double env_task[env->task_dim + 1];
  int number = 0;
  ml3_env_sample_split(env, (int)split, random, env_task);
  if (demonstrated) {
    const ml3_demonstrations *d = m->settings.demonstrations;
    number = (int)ml3_random_below(random, (uint32_t)d->count);
    memcpy(env_task, d->task + number * env->task_dim, (size_t)env->task_dim * sizeof *env_task);
  }
  const int code = ml3_model_free_set_task(p, env_task, task, error);
  if (code != ML3_OK) return code;
  if (demonstrated) put_demonstration(m, number, task);
  ml3_policy_draw(&m->settings.policy, random, theta);
  return ML3_OK;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static const uint64_t JUDGE_KEY = 0x6a756467; /* every policy is judged from the same starts */

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[s->env->task_dim + 1];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge(s->env, &s->policy, theta, env_task, s->horizon, s->judge_episodes, JUDGE_KEY, outcome, error);
}

ml3_episode *ml3_model_free_episode(const ml3_problem *p, const ml3_real *task, int start, const ml3_real *theta,
                                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[s->env->task_dim + 1];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge_episode(s->env, &s->policy, theta, env_task, s->horizon, start, JUDGE_KEY, error);
}

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  return ml3_policy_save(&self(p)->settings.policy, theta, path, error);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void free_problem(ml3_problem *p) {
  model_free *m = p->user;
  while (m->idle) {
    workspace *next = m->idle->next;
    ml3_model_free_free_workspace(m->idle);
    m->idle = next;
  }
  ml3_demonstrations_free(m->demonstrations);
  ml3_expert_free(m->expert);
  ml3_policy_free(&m->settings.policy);
  free(m->settings.owned);
  free(m->extra_goal);
  free(m->names);
  free(m->name_list);
  free(m);
}

static int check(ml3_model_free_settings *s, ml3_error *error) {
  if (s->horizon == 0) s->horizon = s->env->horizon;
  if (s->rollouts < 1 || s->outer_rollouts < 1 || s->rollouts > 4096 || s->outer_rollouts > 4096)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollouts are %d for an update and %d for the task loss; 1 to 4096 are possible", s->rollouts,
                         s->outer_rollouts);
  if (!(s->clip >= 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the clip of the ratio of probabilities is %g; at least 0 is possible", s->clip);
  if (s->reuse && s->rollouts != s->outer_rollouts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollout.reuse: an update has %d episodes and the task loss %d; they must be as many",
                         s->rollouts, s->outer_rollouts);
  if (s->reuse && s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollout.reuse: an exploration goal needs states, which the rollouts of an update do not keep");
  if (s->judge_episodes < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a policy is judged by %d episodes; at least 1 is needed",
                         s->judge_episodes);
  if (!(s->discount > 0 && s->discount <= 1) || !(s->lambda >= 0 && s->lambda <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "discount %g and lambda %g must be within 0 and 1", s->discount,
                         s->lambda);
  if (s->extra == ML3_MODEL_FREE_DEMONSTRATIONS && (!s->demonstrations || s->demonstrations->env != s->env))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the extra information is demonstrations, but there are none of '%s'",
                         s->env->name);
  if (s->extra == ML3_MODEL_FREE_ADVICE && !s->expert)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the extra information is advice, but there is no expert of '%s'",
                         s->env->name);
  const bool by_actions = s->extra == ML3_MODEL_FREE_ENERGY || s->extra == ML3_MODEL_FREE_DEMONSTRATIONS ||
                          s->extra == ML3_MODEL_FREE_ADVICE;
  if (by_actions && s->env->choices)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "extra.kind: energy, demonstration and advice compare actions as numbers, and environment "
                         "'%s' takes one of %d discrete ones",
                         s->env->name, s->env->choices);
  if (s->expert_targets && s->extra != ML3_MODEL_FREE_ADVICE)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "an expert's targets are asked for on '%s', but the extra information is not advice",
                         s->env->name);
  if (s->rows != ML3_ROWS_STEPS && s->env->choices)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "loss.rows asks for a row for each entry of a continuous action, and environment '%s' takes "
                         "one of %d discrete ones; set loss.rows=step",
                         s->env->name, s->env->choices);
  if (s->rows != ML3_ROWS_STEPS && s->policy.kind != ML3_POLICY_GAUSSIAN && s->policy.kind != ML3_POLICY_GAUSSIAN_STATE)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "loss.rows asks for a row for each entry of a continuous action, and the policy of '%s' is no "
                         "Gaussian; set policy.kind=gaussian, or loss.rows=step",
                         s->env->name);
  return ML3_OK;
}

/* Reads settings.inputs into sees[]. */
static int choose_inputs(model_free *m, ml3_error *error) {
  const bool discrete = m->settings.env->choices > 0;
  const char *at = discrete ? discrete_inputs : usual_inputs;
  if (m->settings.inputs && *m->settings.inputs) at = m->settings.inputs;
  for (;;) {
    at += strspn(at, " ,");
    const size_t length = strcspn(at, " ,");
    int found = -1;
    if (length == 0) break;
    for (int i = 0; i < FEATURES; i++)
      if (strlen(feature_names[i]) == length && strncmp(feature_names[i], at, length) == 0) found = i;
    if (found < 0)
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "loss.inputs: there is no '%.*s'; state, mean, log_std, log_prob, credit, goal and action are possible",
          (int)length, at);
    if (discrete && (found == SEES_MEAN || found == SEES_LOG_STD || found == SEES_ACTION))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "loss.inputs: '%s' is of continuous actions, and environment '%s' takes one of %d discrete "
                           "ones; state, log_prob, credit and goal are possible",
                           feature_names[found], m->settings.env->name, m->settings.env->choices);
    if (found == SEES_GOAL && m->settings.env->goal_dim == 0 && m->settings.inputs && *m->settings.inputs)
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "loss.inputs: environment '%s' has no goal, or hides it: leave `goal` out",
                           m->settings.env->name);
    m->sees[found] = found != SEES_GOAL || m->settings.env->goal_dim > 0;
    at += length;
  }
  if (!m->sees[SEES_MEAN] && !m->sees[SEES_LOG_STD] && !m->sees[SEES_LOG_PROB])
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "loss.inputs: without mean, log_std or log_prob the learned loss does not depend on the policy");
  m->settings.inputs = NULL; /* the caller's; no longer looked at */
  return ML3_OK;
}

/* The name of column i of a feature: of what it is, or a number. */
static void name_column(const model_free *m, int feature, int i, char *name) {
  const ml3_env_spec *env = m->settings.env;
  const ml3_env_field *fields = feature == SEES_GOAL ? env->goal : feature == SEES_STATE ? env->obs : env->action;
  if (feature == SEES_STATE && i >= env->obs_dim) fields = env->goal, i -= env->obs_dim;
  if (feature == SEES_LOG_PROB || feature == SEES_CREDIT)
    snprintf(name, NAME, "%s", feature_names[feature]);
  else
    snprintf(name, NAME, "%s.%s", feature_names[feature], fields[i].name);
}

static int name_features(model_free *m, ml3_error *error) {
  int columns = 0, count = 0;
  for (int f = 0; f < FEATURES; f++) columns += m->sees[f] ? ml3_model_free_feature_width(m, f) : 0;
  m->names = calloc((size_t)columns, sizeof *m->names);
  m->name_list = calloc((size_t)columns, sizeof *m->name_list);
  if (!m->names || !m->name_list)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a learned loss that sees %d numbers", columns);
  for (int f = 0; f < FEATURES; f++)
    for (int i = 0; m->sees[f] && i < ml3_model_free_feature_width(m, f); i++) {
      name_column(m, f, i, m->names[count]);
      m->name_list[count] = m->names[count];
      count++;
    }
  m->problem.features = count;
  m->problem.feature_names = m->name_list;
  return ML3_OK;
}

/* Normalises the policy's inputs by what initial policies see on 32 tasks. */
static int set_normalization(model_free *m, ml3_error *error) {
  enum { TASKS = 32 };
  ml3_policy *policy = &m->settings.policy;
  ml3_normalizer normalizer = {0};
  ml3_real *theta = calloc((size_t)ml3_policy_size(policy), sizeof *theta);
  workspace *w = ml3_model_free_take_workspace(m, error);
  int code = w ? ML3_OK : error->code;
  if (w && !theta)
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d parameters of a policy", ml3_policy_size(policy));
  if (code == ML3_OK) code = ml3_normalizer_init(&normalizer, policy->net.inputs, error);
  if (code == ML3_OK) code = ml3_policy_reserve(policy, error);
  for (int i = 0; i < TASKS && code == ML3_OK; i++) {
    ml3_random random = ml3_random_stream(m->settings.normalize_seed, ML3_PURPOSE_INIT, (uint32_t)i, 1);
    ml3_policy_draw(policy, &random, theta);
    ml3_sampler_reset(w->inner, NULL, (uint64_t)ml3_random_bits(&random));
    code = ml3_sampler_collect(w->inner, theta, NULL, NULL, w->inner_rollout, error);
    for (int row = 0; row < inner_rows(m) && code == ML3_OK; row++) {
      double x[policy->net.inputs];
      for (int k = 0; k < policy->net.inputs; k++) x[k] = w->inner_rollout->x[row * policy->net.inputs + k];
      ml3_normalizer_add(&normalizer, x, 1);
    }
  }
  if (code == ML3_OK) ml3_normalizer_apply(&normalizer, policy);
  m->problem.steps.made = (double)TASKS * inner_rows(m);
  if (w) ml3_model_free_return_workspace(m, w);
  ml3_normalizer_free(&normalizer);
  free(theta);
  return code;
}

/* The numbers of a task, of D and of D'. */
static void lay_out(model_free *m) {
  const ml3_model_free_settings *s = &m->settings;
  const int rows = inner_rows(m), outer = outer_rows(m), n = inputs(m), a = actions(m);
  const int steps = s->extra == ML3_MODEL_FREE_DEMONSTRATIONS ? s->demonstrations->steps : 0;
  const ml3_block demonstration[DEMONSTRATION_BLOCKS] = {[DEMONSTRATION_X] = ml3_block_of(steps, n),
                                                         [DEMONSTRATION_ACTION] = ml3_block_of(steps, a),
                                                         [DEMONSTRATION_WEIGHT] = ml3_block_of(steps, 1)};

  m->task[TASK_PARAMETERS] =
      ml3_block_of(1, s->env->task_dim > 0 ? s->env->task_dim : 1); /* a task is a number at least */
  m->task[TASK_GOAL] = ml3_block_of(1, s->env->goal_dim);
  memcpy(m->task + TASK_DEMONSTRATION, demonstration, sizeof demonstration);

  m->inner[INNER_X] = ml3_block_of(rows, n);
  m->inner[INNER_ACTION] = ml3_block_of(rows, a);
  m->inner[INNER_CREDIT] = m->inner[INNER_ADVANTAGE] = m->inner[INNER_LOG_PROB] = ml3_block_of(rows, 1);
  m->inner[INNER_GOAL] = ml3_block_of(1, s->env->goal_dim);
  m->inner[INNER_TARGETS] = ml3_block_of(advises_updates(m) ? rows : 0, a);
  m->inner[INNER_MEAN] = m->inner[INNER_LOG_STD] = ml3_block_of(by_entries(m) ? rows : 0, a);
  for (int i = INNER_RETURN; i <= INNER_TIME; i++) m->inner[i] = ml3_block_of(by_entries(m) ? rows : 0, 1);
  m->inner[INNER_AGE] = ml3_block_of(by_entries(m), 1);
  m->inner[INNER_REWARD] = m->inner[INNER_REWARD_CHANGE] = ml3_block_of(with_states(m) ? rows : 0, 1);

  m->outer[OUTER_X] = ml3_block_of(outer, n);
  m->outer[OUTER_ACTION] = ml3_block_of(outer, a);
  m->outer[OUTER_ADVANTAGE] = m->outer[OUTER_LOG_PROB] = ml3_block_of(outer, 1);
  m->outer[OUTER_EXPLORATION] = ml3_block_of(s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL ? outer : 0, 1);
  m->outer[OUTER_ADVICE] = ml3_block_of(s->extra == ML3_MODEL_FREE_ADVICE ? outer : 0, a);
  memcpy(m->outer + OUTER_DEMONSTRATION, demonstration, sizeof demonstration);

  m->problem.task_size = ml3_blocks_lay_out(m->task, TASK_BLOCKS);
  m->problem.inner_size = ml3_blocks_lay_out(m->inner, INNER_BLOCKS);
  m->problem.outer_size = ml3_blocks_lay_out(m->outer, OUTER_BLOCKS);
}

static int make(model_free *m, ml3_error *error) {
  static ml3_node (*const extra_losses[])(const ml3_problem *, ml3_nn_graph *, ml3_node, ml3_node, ml3_node) = {
      [ML3_MODEL_FREE_EXPLORATION_GOAL] = ml3_model_free_build_exploration,
      [ML3_MODEL_FREE_ENERGY] = ml3_model_free_build_energy,
      [ML3_MODEL_FREE_DEMONSTRATIONS] = ml3_model_free_build_imitation,
      [ML3_MODEL_FREE_ADVICE] = ml3_model_free_build_advice};
  const ml3_model_free_settings *s = &m->settings;
  int code = check(&m->settings, error);
  if (code == ML3_OK && !by_entries(m)) code = choose_inputs(m, error);
  if (code == ML3_OK) code = by_entries(m) ? ml3_model_free_name_entries(m, error) : name_features(m, error);
  if (code != ML3_OK) return code;
  ml3_problem *p = &m->problem;
  if (by_entries(m)) p->build_features = ml3_model_free_build_entries, p->put_age = ml3_model_free_put_age;
  p->theta_size = ml3_policy_size(&s->policy);
  lay_out(m);
  if (s->expert_targets) {
    p->build_targets = ml3_model_free_build_targets;
    for (int f = 0; f < SEES_MEAN; f++)
      if (m->sees[f]) p->first_target += ml3_model_free_feature_width(m, f);
    p->targets = m->sees[SEES_MEAN] ? actions(m) : 0;
    if (by_entries(m)) p->build_targets = ml3_model_free_build_entry_targets, p->targets = 1; /* the first column: shift */
  }
  p->build_extra_loss = extra_losses[s->extra];
  if (s->reuse) p->reuse = ml3_model_free_reuse;
  workspace *w = ml3_model_free_take_workspace(m, error); /* what is wrong with policy or environment shows here */
  if (!w) return error ? error->code : ML3_ERR_MEMORY;
  ml3_model_free_return_workspace(m, w);
  p->steps = (ml3_problem_steps){.inner = inner_rows(m),
                                .outer = outer_rows(m),
                                .judge = (double)m->settings.judge_episodes * m->settings.horizon};
  if (!s->normalize) return ML3_OK;
  p->scaled_inputs = inputs(m);
  p->get_scaling = ml3_model_free_get_scaling, p->set_scaling = ml3_model_free_set_scaling;
  return set_normalization(m, error);
}

static int keep_extra_goal(model_free *m, ml3_error *error) {
  const size_t n = (size_t)m->settings.env->state_dim;
  if (m->settings.extra != ML3_MODEL_FREE_EXPLORATION_GOAL) return ML3_OK;
  if (!(m->extra_goal = calloc(n, sizeof *m->extra_goal)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", m->settings.env->name);
  if (m->settings.extra_goal) memcpy(m->extra_goal, m->settings.extra_goal, n * sizeof *m->extra_goal);
  m->settings.extra_goal = m->extra_goal;
  return ML3_OK;
}

void ml3_model_free_own(ml3_problem *problem, ml3_demonstrations *demonstrations, ml3_expert *expert) {
  model_free *m = problem->user;
  m->demonstrations = demonstrations;
  m->expert = expert;
}

ml3_problem *ml3_model_free_new(const ml3_model_free_settings *settings, ml3_error *error) {
  model_free *m = calloc(1, sizeof *m);
  if (!m) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", settings->env->name);
    free(settings->owned);
    return NULL;
  }
  m->settings = *settings;
  int code = ml3_policy_copy(&m->settings.policy, &settings->policy, error);
  m->problem = (ml3_problem){.name = settings->env->name,
                             .success_name = "success",
                             .distance_name = "distance",
                             .build_features = ml3_model_free_build_features,
                             .build_task_loss = ml3_model_free_build_task_loss,
                             .build_inner_loss = ml3_model_free_build_inner_loss,
                             .sample = sample,
                             .collect = ml3_model_free_collect,
                             .evaluate = evaluate,
                             .save = save,
                             .keep = ml3_model_free_keep,
                             .restore = ml3_model_free_restore,
                             .free = free_problem,
                             .user = m};
  if (code == ML3_OK) code = keep_extra_goal(m, error);
  if (code == ML3_OK && make(m, error) == ML3_OK) return &m->problem;
  free_problem(&m->problem);
  return NULL;
}

const ml3_model_free_settings *ml3_model_free_settings_of(const ml3_problem *problem) {
  return &self(problem)->settings;
}
