/* The model-based problem: rollouts through a differentiable model, judged in the real environment. Here: its tasks, and how it
   is made. */
#include "agents/problems/model_based.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based_internal.h"
#include "agents/learn/rollout.h"

/* ---- tasks ------------------------------------------------------------------------------------------- */

static void put_demonstration(const model_based *m, int number, ml3_real *task) {
  const ml3_demonstrations *d = m->settings.demonstrations;
  const int obs = d->steps * d->env->obs_dim, actions = d->steps * d->env->action_dim;
  ml3_real *to_obs = ml3_block_in(m->task[TASK_EXPERT_OBS], task), *to_action = ml3_block_in(m->task[TASK_EXPERT_ACTION], task);
  for (int i = 0; i < obs; i++) to_obs[i] = (ml3_real)d->obs[number * obs + i];
  for (int i = 0; i < actions; i++) to_action[i] = (ml3_real)d->action[number * actions + i];
  ml3_demonstrations_weigh(d, number, ml3_block_in(m->task[TASK_EXPERT_WEIGHT], task));
}

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  const model_based *m = ml3_model_based_self(p);
  const ml3_env_spec *spec = m->settings.env;
  double env_task[spec->task_dim + 1], state[spec->state_dim], goal[spec->goal_dim + 1];

  const ml3_demonstrations *d = split == ML3_SPLIT_TRAIN ? m->settings.demonstrations : NULL;
  const int number = d ? (int)ml3_random_below(random, (uint32_t)d->count) : -1;
  memset(task, 0, (size_t)p->task_size * sizeof *task);
  ml3_env *env = ml3_env_new(spec, error);
  if (!env) return error ? error->code : ML3_ERR_MEMORY;
  for (int start = 0; start < m->settings.starts; start++) {
    if (start) /* the same task from another start */
      ml3_task_draw_start(spec, random, env_task);
    else
      ml3_env_sample_split(spec, (int)split, random, env_task);
    if (d && start == 0)
      memcpy(env_task, d->task + number * spec->task_dim, (size_t)spec->task_dim * sizeof *env_task);
    ml3_env_reset(env, env_task, random);
    ml3_env_get_state(env, state);
    for (int i = 0; i < spec->state_dim; i++) ml3_model_based_state(m, task, start)[i] = (ml3_real)state[i];
    for (int i = 0; i < spec->task_dim; i++) ml3_model_based_env(m, task, start)[i] = (ml3_real)env_task[i];
    if (start) continue;
    ml3_env_goal(env, goal);
    for (int i = 0; i < spec->goal_dim; i++) ml3_model_based_goal(m, task)[i] = (ml3_real)goal[i];
  }
  ml3_env_free(env);
  if (d) put_demonstration(m, number, task);
  ml3_policy_draw(&m->settings.policy, random, theta);
  return ML3_OK;
}

void ml3_model_based_start(const ml3_problem *problem, const ml3_real *task, int start, double *env_task,
                           double *state) {
  const model_based *m = ml3_model_based_self(problem);
  const ml3_env_spec *spec = m->settings.env;
  for (int i = 0; i < spec->task_dim; i++) env_task[i] = ml3_model_based_env(m, task, start)[i];
  for (int i = 0; i < spec->state_dim; i++) state[i] = ml3_model_based_state(m, task, start)[i];
}

void ml3_model_based_set_parameters(const ml3_problem *problem, ml3_real *task, const double *env_task) {
  const model_based *m = ml3_model_based_self(problem);
  for (int start = 0; start < m->settings.starts; start++)
    for (int i = 0; i < m->settings.env->task_dim; i++) ml3_model_based_env(m, task, start)[i] = (ml3_real)env_task[i];
}

/* What an entry of the state that no step changes says, such as where the target is, all starts share too. */
static bool is_moving(const model_based *m, int entry) {
  for (int i = 0; i < m->geometry.moving_dim; i++)
    if (m->geometry.moving[i] == entry) return true;
  return false;
}

int ml3_model_based_set_start(const ml3_problem *problem, ml3_real *task, int start, const double *env_task,
                              const double *state, ml3_error *error) {
  const model_based *m = ml3_model_based_self(problem);
  const ml3_env_spec *spec = m->settings.env;
  double goal[spec->goal_dim + 1];
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env *env = ml3_env_new(spec, error);
  if (!env) return error ? error->code : ML3_ERR_MEMORY;
  for (int k = 0; k < m->settings.starts; k++) {
    for (int i = 0; i < spec->task_dim; i++)
      if (k == start || strncmp(spec->task[i].name, "start_", 6) != 0)
        ml3_model_based_env(m, task, k)[i] = (ml3_real)env_task[i];
    for (int i = 0; i < spec->state_dim; i++)
      if (k == start || !is_moving(m, i)) ml3_model_based_state(m, task, k)[i] = (ml3_real)state[i];
  }
  ml3_env_reset(env, env_task, &none);
  ml3_env_goal(env, goal);
  for (int i = 0; i < spec->goal_dim; i++) ml3_model_based_goal(m, task)[i] = (ml3_real)goal[i];
  ml3_env_free(env);
  return ML3_OK;
}

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  return ml3_policy_save(&ml3_model_based_self(p)->settings.policy, theta, path, error);
}

/* ---- making ------------------------------------------------------------------------------------------- */

static void free_problem(ml3_problem *p) {
  model_based *m = p->user; /* the problem is a part of it */
  ml3_model_check_free(m->check);
  ml3_transitions_free(m->transitions);
  ml3_ensemble_free(m->ensemble);
  ml3_demonstrations_free(m->demonstrations);
  ml3_geometry_free(&m->geometry);
  ml3_policy_free(&m->settings.policy);
  free(m->extra_goal);
  free(m->names);
  free(m->made_names);
  free(m->env);
  free(m);
}

void ml3_model_based_own(ml3_problem *p, void *env, ml3_ensemble *ensemble) {
  model_based *m = p->user;
  m->env = env;
  m->ensemble = ensemble;
}

void ml3_model_based_own_demonstrations(ml3_problem *p, ml3_demonstrations *demonstrations) {
  ((model_based *)p->user)->demonstrations = demonstrations;
}

const ml3_dynamics *ml3_model_based_dynamics(const ml3_env_spec *env, ml3_error *error) {
  static const char *const endings[] = {"_goal", "_joints"};
  char name[128];
  const size_t length = strlen(env->name);
  size_t stem = length;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t ending = strlen(endings[i]);
    if (length > ending && strcmp(env->name + length - ending, endings[i]) == 0) stem = length - ending;
  }
  if (stem == length || stem >= sizeof name) return ml3_dynamics_find(env->name, error);
  memcpy(name, env->name, stem);
  name[stem] = '\0';
  for (int i = 0; i < env->task_dim; i++) {
    const ml3_env_parameter *p = &env->task[i];
    if (strncmp(p->name, "goal_", 5) == 0 || strncmp(p->name, "start_", 6) == 0 ||
        (p->low == p->value && p->high == p->value))
      continue;
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "environment '%s' draws its '%s', which the analytic model does not know; name it in rollout.fixed",
                  env->name, p->name);
    return NULL;
  }
  return ml3_dynamics_find(name, error);
}

static int check(ml3_model_based_settings *s, ml3_error *error) {
  if (s->near == 0) s->near = 0.05;
  if (!(s->near > 0)) return ml3_error_set(error, ML3_ERR_ARGUMENT, "rollout.near is %g; it must be positive", s->near);
  if (s->horizon == 0) s->horizon = s->env->horizon;
  if (s->horizon < 1 || s->horizon > 10000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "horizon is %d; 1 to 10000 are possible", s->horizon);
  if (s->recorded && !s->detach_state)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "recorded rollouts have no gradient by their states; rollout.detach_state must be true");
  if (s->starts < 1 || s->starts > 4096)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "rollout.starts is %d; 1 to 4096 are possible", s->starts);
  if (s->cost != ML3_COST_FINAL && (s->cost_from_step < 0 || s->cost_from_step > s->horizon))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "cost.from_step is %d; 0 to the horizon %d are possible",
                         s->cost_from_step, s->horizon);
  if (s->demonstrations && s->demonstrations->env->obs_dim != s->env->obs_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "demonstrations of %d observations for '%s', which has %d",
                         s->demonstrations->env->obs_dim, s->env->name, s->env->obs_dim);
  if (s->extra && (s->extra_until_step < 1 || s->extra_until_step > s->horizon))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.until_step is %d; 1 to the horizon %d are possible",
                         s->extra_until_step, s->horizon);
  return ML3_OK;
}

/* Observation, action, final distance and, where the goal is seen, the way to it from here and from the end, as it is and
   finely near 0, velocities at the end, and the time. */
static int name_features(model_based *m, ml3_error *error) {
  const ml3_env_spec *env = m->settings.env;
  const ml3_geometry *at = &m->geometry;
  const size_t made = (size_t)(4 * at->place_dim + at->velocity_dim);
  int count = 0;
  m->names = calloc((size_t)(env->obs_dim + env->action_dim) + 2 + made, sizeof *m->names);
  m->made_names = calloc(made + 1, sizeof *m->made_names);
  if (!m->names || !m->made_names)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the features of '%s'", env->name);
  for (int i = 0; i < env->obs_dim; i++) m->names[count++] = env->obs[i].name;
  for (int i = 0; i < env->action_dim; i++) m->names[count++] = env->action[i].name;
  m->names[count++] = "final_distance";
  static const char *const before[4] = {"to_goal_", "final_to_goal_", "near_goal_", "final_near_goal_"};
  for (int i = 0; i < 4 * at->place_dim && at->goal_seen; i++) {
    snprintf(m->made_names[i], sizeof m->made_names[i], "%s%.40s", before[i / at->place_dim],
             at->place_names[i % at->place_dim]);
    m->names[count++] = m->made_names[i];
  }
  for (int i = 0; i < at->velocity_dim && at->goal_seen; i++) {
    char *name = m->made_names[4 * at->place_dim + i];
    snprintf(name, sizeof m->made_names[0], "final_%.40s", env->state[at->velocity[i]].name);
    m->names[count++] = name;
  }
  if (at->goal_seen) m->names[count++] = "time";
  m->problem.features = count;
  m->problem.feature_names = m->names;
  return ML3_OK;
}

/* The numbers of a task, of D and of D'. */
static void lay_out(model_based *m) {
  const ml3_model_based_settings *s = &m->settings;
  const ml3_env_spec *env = s->env;
  const int steps = s->demonstrations ? s->demonstrations->steps : 0;
  ml3_problem *p = &m->problem;
  m->task[TASK_STARTS] = ml3_block_of(s->starts, env->state_dim);
  m->task[TASK_GOAL] = m->recorded[RECORDED_GOAL] = ml3_block_of(1, env->goal_dim);
  m->task[TASK_PARAMETERS] = ml3_block_of(s->starts, env->task_dim);
  m->task[TASK_EXPERT_OBS] = ml3_block_of(steps, env->obs_dim);
  m->task[TASK_EXPERT_ACTION] = ml3_block_of(steps, env->action_dim);
  m->task[TASK_EXPERT_WEIGHT] = ml3_block_of(steps, 1);
  m->recorded[RECORDED_STATES] = ml3_block_of((s->horizon + 1) * s->starts, env->state_dim);
  p->task_size = p->inner_size = p->outer_size = ml3_blocks_lay_out(m->task, TASK_BLOCKS);
  const int recorded = ml3_blocks_lay_out(m->recorded, RECORDED_BLOCKS);
  if (s->recorded) p->inner_size = recorded;
}

/* What the settings point to becomes the problem's own. */
static int keep_settings(model_based *m, ml3_error *error) {
  const ml3_policy policy = m->settings.policy;
  const size_t n = (size_t)m->settings.env->goal_dim;
  const int code = ml3_policy_copy(&m->settings.policy, &policy, error);
  if (code != ML3_OK || !m->settings.extra) return code;
  if (!(m->extra_goal = calloc(n + 1, sizeof *m->extra_goal)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", m->settings.env->name);
  if (m->settings.extra_goal) memcpy(m->extra_goal, m->settings.extra_goal, n * sizeof *m->extra_goal);
  m->settings.extra_goal = m->extra_goal;
  return ML3_OK;
}

ml3_problem *ml3_model_based_new(const ml3_model_based_settings *settings, ml3_error *error) {
  const ml3_dynamics *dynamics =
      settings->ensemble ? &settings->ensemble->dynamics : ml3_model_based_dynamics(settings->env, error);
  ml3_model_based_settings s = *settings;
  ml3_geometry geometry;
  if (ml3_env_need_continuous(s.env, "a model-based problem", error) != ML3_OK) return NULL;
  if (!dynamics || ml3_geometry_init(&geometry, s.env, error) != ML3_OK) return NULL;
  const int code = check(&s, error);
  model_based *m = code == ML3_OK ? malloc(sizeof *m) : NULL;
  if (!m) {
    if (code == ML3_OK) ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", s.env->name);
    ml3_geometry_free(&geometry);
    return NULL;
  }
  *m = (model_based){
      .problem = {.name = s.env->name,
                  .theta_size = ml3_policy_size(&s.policy),
                  .context_size = dynamics->context_size,
                  .context = s.ensemble ? s.ensemble->context : NULL,
                  .build_features = ml3_model_based_features,
                  .build_task_loss = ml3_model_based_task_loss,
                  .build_extra_loss = s.extra || s.energy || s.demonstrations ? ml3_model_based_extra_loss : NULL,
                  .sample = sample,
                  .evaluate = ml3_model_based_evaluate,
                  .measure = ml3_model_based_measure,
                  .success_name = "success",
                  .distance_name = "distance",
                  .save = save,
                  .keep = s.ensemble || s.demonstrations ? ml3_model_based_keep : NULL,
                  .restore = s.ensemble || s.demonstrations ? ml3_model_based_restore : NULL,
                  .free = free_problem,
                  .user = m},
      .settings = s,
      .dynamics = dynamics};
  m->geometry = geometry;
  lay_out(m);
  const double rollout = (double)s.horizon * s.starts;
  m->problem.steps = (ml3_problem_steps){.inner = s.recorded ? rollout : 0,
                                         .model_inner = s.recorded ? 0 : rollout,
                                         .model_outer = rollout,
                                         .gather = rollout};
  if (keep_settings(m, error) != ML3_OK || name_features(m, error) != ML3_OK) {
    free_problem(&m->problem);
    return NULL;
  }
  m->problem.net = &m->settings.policy.net;
  if (s.recorded) {
    m->problem.build_features = ml3_model_based_recorded_features;
    m->problem.collect = ml3_model_based_record;
  }
  return &m->problem;
}

const ml3_ensemble *ml3_model_based_ensemble(const ml3_problem *problem) {
  return ml3_model_based_self(problem)->settings.ensemble;
}

const ml3_model_based_settings *ml3_model_based_settings_of(const ml3_problem *problem) {
  return &ml3_model_based_self(problem)->settings;
}
