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

static int put_task(const model_free *m, const double *env_task, int demonstration, ml3_real *task, ml3_error *error) {
  const ml3_env_spec *env = m->settings.env;
  double goal[ML3_POLICY_MAX_OBS] = {0};
  crew *c = ml3_model_free_take_crew(m, error);
  if (!c) return error ? error->code : ML3_ERR_MEMORY;
  ml3_sampler_goal(c->inner, env_task, goal);
  ml3_model_free_return_crew(m, c);
  for (int i = 0; i < env->task_dim; i++) task[i] = (ml3_real)env_task[i];
  for (int i = 0; i < env->goal_dim; i++) task[env->task_dim + i] = (ml3_real)goal[i];
  task[env->task_dim + env->goal_dim] = (ml3_real)demonstration;
  return ML3_OK;
}

int ml3_model_free_set_task(const ml3_problem *problem, const double *env_task, ml3_real *task, ml3_error *error) {
  return put_task(self(problem), env_task, -1, task, error);
}

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  const model_free *m = self(p);
  const ml3_env_spec *env = m->settings.env;
  const ml3_demonstrations *d = m->settings.extra == ML3_MODEL_FREE_DEMONSTRATIONS ? m->settings.demonstrations : NULL;
  double env_task[ML3_POLICY_MAX_OBS];
  int demonstration = -1;
  ml3_env_sample_task(env, random, env_task);
  if (m->settings.guided && split == ML3_SPLIT_TRAIN) demonstration = 0;
  if (d && split == ML3_SPLIT_TRAIN) {
    demonstration = (int)ml3_random_below(random, (uint32_t)d->count);
    memcpy(env_task, d->task + demonstration * env->task_dim, (size_t)env->task_dim * sizeof *env_task);
  }
  const int code = put_task(m, env_task, demonstration, task, error);
  if (code == ML3_OK) ml3_policy_draw(&m->settings.policy, random, theta);
  return code;
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static const uint64_t JUDGE_KEY = 0x6a756467; /* every policy is judged from the same starts */

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[ML3_POLICY_MAX_OBS];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge(s->env, &s->policy, theta, env_task, s->horizon, s->judge_episodes, JUDGE_KEY, outcome, error);
}

ml3_episode *ml3_model_free_episode(const ml3_problem *p, const ml3_real *task, int start, const ml3_real *theta,
                                    ml3_error *error) {
  const ml3_model_free_settings *s = &self(p)->settings;
  double env_task[ML3_POLICY_MAX_OBS];
  ml3_model_free_task(p, task, env_task);
  return ml3_judge_episode(s->env, &s->policy, theta, env_task, s->horizon, start, JUDGE_KEY, error);
}

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  return ml3_policy_save(&self(p)->settings.policy, theta, path, error);
}

/* ---- checkpoints: how observations are normalised, demonstrations, the expert ------------------------------------- */

static const char *const prefix = "problem.";

static int keep(const ml3_problem *p, ml3_nn_tensors *file, ml3_error *error) {
  const model_free *m = self(p);
  int code = ml3_policy_put_scaling(&m->settings.policy, prefix, file, error);
  if (code == ML3_OK && m->demonstrations) code = ml3_demonstrations_put(m->demonstrations, file, error);
  return code == ML3_OK && m->expert ? ml3_expert_put(m->expert, file, error) : code;
}

static int restore(const ml3_problem *p, const ml3_nn_tensors *file, ml3_error *error) {
  model_free *m = p->user;
  int code = ml3_policy_get_scaling(&m->settings.policy, prefix, file, error);
  if (code == ML3_OK && m->demonstrations) code = ml3_demonstrations_get(m->demonstrations, file, error);
  return code == ML3_OK && m->expert ? ml3_expert_get(m->expert, file, error) : code;
}

static void get_scaling(const ml3_problem *p, double *shift, double *scale) {
  const ml3_policy *policy = &self(p)->settings.policy;
  memcpy(shift, policy->shift, (size_t)policy->net.inputs * sizeof *shift);
  memcpy(scale, policy->scale, (size_t)policy->net.inputs * sizeof *scale);
}

static void set_scaling(ml3_problem *p, const double *shift, const double *scale) {
  model_free *m = p->user;
  ml3_policy *policy = &m->settings.policy;
  memcpy(policy->shift, shift, (size_t)policy->net.inputs * sizeof *shift);
  memcpy(policy->scale, scale, (size_t)policy->net.inputs * sizeof *scale);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void free_problem(ml3_problem *p) {
  model_free *m = p->user;
  while (m->idle) {
    crew *next = m->idle->next;
    ml3_model_free_free_crew(m->idle);
    m->idle = next;
  }
  ml3_demonstrations_free(m->demonstrations);
  ml3_expert_free(m->expert);
  free(m->settings.owned);
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
  if (s->reuse && (s->extra == ML3_MODEL_FREE_EXPLORATION_GOAL || s->extra == ML3_MODEL_FREE_ADVICE))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT, "rollout.reuse: %s, which the rollouts of an update do not keep",
        s->extra == ML3_MODEL_FREE_ADVICE ? "advice needs observations" : "an exploration goal needs states");
  if (s->judge_episodes < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a policy is judged by %d episodes; at least 1 is needed",
                         s->judge_episodes);
  if (!(s->discount > 0 && s->discount <= 1) || !(s->lambda >= 0 && s->lambda <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "discount %g and lambda %g must be within 0 and 1", s->discount,
                         s->lambda);
  if (s->env->task_dim > ML3_POLICY_MAX_OBS || s->env->goal_dim > ML3_POLICY_MAX_OBS ||
      s->env->state_dim > ML3_POLICY_MAX_OBS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%s': task, goal or state has more than %d numbers",
                         s->env->name, ML3_POLICY_MAX_OBS);
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
  if (s->taught && s->extra != ML3_MODEL_FREE_ADVICE)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the loss's targets are to be taught on '%s', but the extra information is not advice", s->env->name);
  if (s->guided < 0 || s->guided > s->rollouts || (s->guided && s->extra != ML3_MODEL_FREE_ADVICE))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "an expert would guide %d of %d episodes of an update; with advice 0 to %d are possible, else 0", s->guided,
        s->rollouts, s->rollouts);
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
    m->sees[found] = true;
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
  int count = 0;
  for (int f = 0; f < FEATURES; f++)
    for (int i = 0; m->sees[f] && i < ml3_model_free_feature_width(m, f); i++) {
      if (count == MAX_COLUMNS)
        return ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss would see more than %d numbers", MAX_COLUMNS);
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
  ml3_policy *policy = &m->settings.policy, plain = *policy;
  ml3_normalizer normalizer;
  ml3_real *theta = calloc((size_t)ml3_policy_size(policy), sizeof *theta);
  crew *c = ml3_model_free_take_crew(m, error);
  int code = c ? ML3_OK : error->code;
  if (c && !theta)
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d parameters of a policy", ml3_policy_size(policy));
  ml3_normalizer_init(&normalizer, policy->net.inputs);
  for (int i = 0; i < TASKS && code == ML3_OK; i++) {
    ml3_random random = ml3_random_stream(m->settings.normalize_seed, ML3_PURPOSE_INIT, (uint32_t)i, 1);
    ml3_policy_draw(policy, &random, theta);
    ml3_sampler_reset(c->inner, NULL, (uint64_t)ml3_random_bits(&random));
    *policy = plain; /* acts on what it sees as it is */
    code = ml3_sampler_collect(c->inner, theta, NULL, NULL, c->inner_rollout, error);
    for (int row = 0; row < inner_rows(m) && code == ML3_OK; row++) {
      double x[ML3_POLICY_MAX_OBS];
      for (int k = 0; k < policy->net.inputs; k++) x[k] = c->inner_rollout->x[row * policy->net.inputs + k];
      ml3_normalizer_add(&normalizer, x, 1);
    }
  }
  if (code == ML3_OK) ml3_normalizer_apply(&normalizer, policy);
  m->problem.steps.made = (double)TASKS * inner_rows(m);
  if (c) ml3_model_free_return_crew(m, c);
  free(theta);
  return code;
}

static int make(model_free *m, ml3_error *error) {
  const ml3_model_free_settings *s = &m->settings;
  int code = check(&m->settings, error);
  if (code == ML3_OK) code = choose_inputs(m, error);
  if (code == ML3_OK) code = name_features(m, error);
  if (code != ML3_OK) return code;
  const int row = inputs(m) + actions(m) + 2;
  ml3_problem *p = &m->problem;
  p->theta_size = ml3_policy_size(&s->policy);
  p->task_size = s->env->task_dim + s->env->goal_dim + 1;
  p->inner_size = inner_rows(m) * (row + 1) + s->env->goal_dim;
  p->outer_size = outer_rows(m) * row;
  if (s->taught) {
    p->build_targets = ml3_model_free_build_targets;
    for (int f = 0; f < SEES_MEAN; f++)
      if (m->sees[f]) p->first_target += ml3_model_free_feature_width(m, f);
    p->targets = m->sees[SEES_MEAN] ? actions(m) : 0;
    p->inner_size += inner_rows(m) * actions(m);
  }
  switch (s->extra) {
    case ML3_MODEL_FREE_EXPLORATION_GOAL:
      p->build_extra_loss = ml3_model_free_build_exploration, p->outer_size += outer_rows(m);
      break;
    case ML3_MODEL_FREE_ENERGY:
      p->build_extra_loss = ml3_model_free_build_energy;
      break;
    case ML3_MODEL_FREE_DEMONSTRATIONS:
      p->build_extra_loss = ml3_model_free_build_imitation, p->outer_size += demo_steps(m) * (row - 1);
      break;
    case ML3_MODEL_FREE_ADVICE:
      p->build_extra_loss = ml3_model_free_build_advice, p->outer_size += outer_rows(m) * actions(m);
      break;
    default:
      break;
  }
  if (s->reuse) p->reuse = ml3_model_free_reuse;
  crew *c = ml3_model_free_take_crew(m, error); /* what is wrong with the policy or the environment shows here */
  if (!c) return error ? error->code : ML3_ERR_MEMORY;
  ml3_model_free_return_crew(m, c);
  p->steps = (ml3_problem_steps){.inner = inner_rows(m) + s->guided * s->horizon, .outer = outer_rows(m)};
  if (!s->normalize) return ML3_OK;
  p->scaled_inputs = inputs(m);
  p->get_scaling = get_scaling, p->set_scaling = set_scaling;
  return set_normalization(m, error);
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
                             .keep = keep,
                             .restore = restore,
                             .free = free_problem,
                             .user = m};
  if (make(m, error) == ML3_OK) return &m->problem;
  free_problem(&m->problem);
  return NULL;
}

const ml3_model_free_settings *ml3_model_free_settings_of(const ml3_problem *problem) {
  return &self(problem)->settings;
}
