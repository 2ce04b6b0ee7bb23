/* The model-based problem: rollouts through a differentiable model, judged in the real environment.

   A task's numbers: start states [starts][n], the goal [n], then what the environment calls the task of each start
   [starts][task_dim]. Rows of a rollout are time-major: all starts at t = 0, all starts at t = 1 ... */
#include "agents/model_based.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct model_based {
  ml3_problem problem;
  ml3_model_based_settings settings;
  const ml3_dynamics *dynamics;
  const char *names[2 * ML3_STATE_MAX + ML3_POLICY_MAX_ACTIONS + 1]; /* of the features */
  void *env;                                                         /* owned, or NULL */
  ml3_ensemble *ensemble;                                            /* owned, or NULL */
} model_based;

static const model_based *self(const ml3_problem *p) {
  return p->user;
}

/* Entries of the goal that observations hold behind the state; the learned loss then sees them too. */
static int seen_goal(const model_based *m) {
  return m->settings.env->obs_dim - m->settings.env->state_dim;
}

/* ---- graphs ------------------------------------------------------------------------------------- */

typedef struct rollout {
  ml3_node states;  /* [(H + 1) * starts, n] */
  ml3_node actions; /* [H * starts, m] */
  ml3_node last;    /* [starts, n] */
  ml3_node goal;    /* [1, n] */
} rollout;

/* The goal's entries that are seen, under every row of states. */
static ml3_node build_goal_columns(const model_based *m, ml3_nn_graph *g, ml3_node goal, int rows) {
  return ml3_nn_broadcast(g, ml3_nn_slice_cols(g, goal, 0, seen_goal(m)), rows, seen_goal(m));
}

/* Observations of those states. */
static ml3_node build_obs(const model_based *m, ml3_nn_graph *g, ml3_node states, ml3_node goal) {
  if (seen_goal(m) == 0) return states;
  const ml3_node columns[2] = {states, build_goal_columns(m, g, goal, ml3_nn_rows(g, states))};
  return ml3_nn_concat_cols(g, columns, 2);
}

/* detach: the policy sees states as data, so that only actions carry the gradient. */
static rollout build_rollout(const model_based *m, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context,
                             bool detach) {
  const int n = m->settings.env->state_dim, starts = m->settings.starts, horizon = m->settings.horizon;
  ml3_node *states = malloc((2 * (size_t)horizon + 1) * sizeof *states), *actions = states + horizon + 1;
  if (!states) return (rollout){ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE, ML3_NN_NONE};

  ml3_node goal = ml3_nn_view(g, data, starts * n, 1, n);
  states[0] = ml3_nn_view(g, data, 0, starts, n);
  for (int t = 0; t < horizon; t++) {
    ml3_node seen = detach ? ml3_nn_stop_gradient(g, states[t]) : states[t];
    actions[t] = ml3_policy_build(g, &m->settings.policy, theta, build_obs(m, g, seen, goal));
    states[t + 1] =
        m->dynamics->step(m->dynamics, g, m->dynamics->context_size ? context : ML3_NN_NONE, states[t], actions[t]);
  }
  rollout r = {.states = ml3_nn_concat_rows(g, states, horizon + 1),
               .actions = ml3_nn_concat_rows(g, actions, horizon),
               .last = states[horizon],
               .goal = goal};
  free(states);
  return r;
}

/* F of states [H * starts, n] and actions there, ending in `last` [starts, n]. */
static ml3_node join_features(const model_based *m, ml3_nn_graph *g, ml3_node states, ml3_node actions, ml3_node last,
                              ml3_node goal) {
  const int starts = m->settings.starts, horizon = m->settings.horizon;
  ml3_node off = ml3_nn_sub(g, last, goal);
  ml3_node distance = ml3_nn_sqrt(g, ml3_nn_sum_cols(g, ml3_nn_square(g, off))); /* [starts, 1] */
  distance = ml3_nn_stop_gradient(g, distance);
  /* the same distances under every time step: [starts, 1] -> [1, starts] -> [H, starts] -> [H * starts, 1] */
  ml3_node row = ml3_nn_view(g, distance, 0, 1, starts);
  ml3_node every = ml3_nn_view(g, ml3_nn_broadcast(g, row, horizon, starts), 0, horizon * starts, 1);
  const int rows = horizon * starts;
  const ml3_node columns[4] = {states, actions, every,
                               seen_goal(m) ? build_goal_columns(m, g, goal, rows) : ML3_NN_NONE};
  return ml3_nn_concat_cols(g, columns, seen_goal(m) ? 4 : 3);
}

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  const model_based *m = self(p);
  const int starts = m->settings.starts, horizon = m->settings.horizon;
  rollout r = build_rollout(m, g, theta, data, context, m->settings.detach_state);

  ml3_node states = ml3_nn_slice_rows(g, r.states, 0, horizon * starts);
  if (m->settings.detach_state) states = ml3_nn_stop_gradient(g, states);
  return join_features(m, g, states, r.actions, r.last, r.goal);
}

/* ---- recorded rollouts: D is the states [(H + 1) * starts, n], then the goal [n] --------------------------------- */

static ml3_node build_recorded_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                        ml3_node context) {
  const model_based *m = self(p);
  const int n = m->settings.env->state_dim, starts = m->settings.starts, rows = m->settings.horizon * starts;
  (void)context;
  ml3_node states = ml3_nn_view(g, data, 0, rows, n), last = ml3_nn_view(g, data, rows * n, starts, n);
  ml3_node goal = ml3_nn_view(g, data, (rows + starts) * n, 1, n);
  ml3_node actions = ml3_policy_build(g, &m->settings.policy, theta, build_obs(m, g, states, goal));
  return join_features(m, g, states, actions, last, goal);
}

/* Mean over starts of || S_{first..end-1} - target ||_F. */
static ml3_node build_distance(const model_based *m, ml3_nn_graph *g, ml3_node states, int first, int end,
                               ml3_node target) {
  const int starts = m->settings.starts;
  ml3_node off = ml3_nn_sub(g, ml3_nn_slice_rows(g, states, first * starts, (end - first) * starts), target);
  ml3_node each = ml3_nn_sum_cols(g, ml3_nn_square(g, off)); /* [steps * starts, 1] */
  ml3_node of_start = ml3_nn_sum_rows(g, ml3_nn_view(g, each, 0, end - first, starts));
  return ml3_nn_mean(g, ml3_nn_sqrt(g, of_start));
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  const model_based *m = self(p);
  const int horizon = m->settings.horizon;
  rollout r = build_rollout(m, g, theta, data, context, false);
  int first = m->settings.cost == ML3_COST_FINAL ? horizon : m->settings.cost_from_step;
  return build_distance(m, g, r.states, first, horizon + 1, r.goal);
}

static ml3_node build_extra_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  const model_based *m = self(p);
  ml3_node entries[ML3_STATE_MAX];
  rollout r = build_rollout(m, g, theta, data, context, false);
  for (int i = 0; i < m->settings.env->state_dim; i++) entries[i] = ml3_nn_constant(g, 1, 1, m->settings.extra_goal[i]);
  ml3_node goal = ml3_nn_concat_cols(g, entries, m->settings.env->state_dim);
  return build_distance(m, g, r.states, 0, m->settings.extra_until_step, goal);
}

/* ---- tasks ------------------------------------------------------------------------------------------- */

/* Where parts of a task's numbers begin. */
static ml3_real *task_goal(const model_based *m, const ml3_real *task) {
  return (ml3_real *)task + m->settings.starts * m->settings.env->state_dim;
}
static ml3_real *task_env(const model_based *m, const ml3_real *task, int start) {
  return task_goal(m, task) + m->settings.env->state_dim + start * m->settings.env->task_dim;
}

static void sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta) {
  const model_based *m = self(p);
  const ml3_env_spec *spec = m->settings.env;
  double env_task[ML3_STATE_MAX], state[ML3_STATE_MAX], goal[ML3_STATE_MAX];

  (void)split; /* the environment's distribution is the same for all */
  memset(task, 0, (size_t)p->task_size * sizeof *task);
  ml3_env *env = ml3_env_new(spec, NULL);
  for (int start = 0; env && start < m->settings.starts; start++) {
    ml3_env_sample_task(spec, random, env_task);
    ml3_env_reset(env, env_task, random);
    ml3_env_get_state(env, state);
    for (int i = 0; i < spec->state_dim; i++) task[start * spec->state_dim + i] = (ml3_real)state[i];
    for (int i = 0; i < spec->task_dim; i++) task_env(m, task, start)[i] = (ml3_real)env_task[i];
    if (start) continue;
    ml3_env_goal(env, goal);
    for (int i = 0; i < spec->state_dim; i++) task_goal(m, task)[i] = (ml3_real)goal[i];
  }
  ml3_env_free(env);
  ml3_policy_draw(&m->settings.policy, random, theta);
}

void ml3_model_based_start(const ml3_problem *problem, const ml3_real *task, int start, double *env_task,
                           double *state) {
  const model_based *m = self(problem);
  const ml3_env_spec *spec = m->settings.env;
  for (int i = 0; i < spec->task_dim; i++) env_task[i] = task_env(m, task, start)[i];
  for (int i = 0; i < spec->state_dim; i++) state[i] = task[start * spec->state_dim + i];
}

void ml3_model_based_set_parameters(const ml3_problem *problem, ml3_real *task, const double *env_task) {
  const model_based *m = self(problem);
  for (int start = 0; start < m->settings.starts; start++)
    for (int i = 0; i < m->settings.env->task_dim; i++) task_env(m, task, start)[i] = (ml3_real)env_task[i];
}

void ml3_model_based_set_start(const ml3_problem *problem, ml3_real *task, int start, const double *env_task,
                               const double *state) {
  const model_based *m = self(problem);
  const ml3_env_spec *spec = m->settings.env;
  double goal[ML3_STATE_MAX];
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env *env = ml3_env_new(spec, NULL);
  for (int i = 0; i < spec->task_dim; i++) task_env(m, task, start)[i] = (ml3_real)env_task[i];
  for (int i = 0; i < spec->state_dim; i++) task[start * spec->state_dim + i] = (ml3_real)state[i];
  if (!env) return;
  ml3_env_reset(env, env_task, &none);
  ml3_env_goal(env, goal);
  for (int i = 0; i < spec->state_dim; i++) task_goal(m, task)[i] = (ml3_real)goal[i];
  ml3_env_free(env);
}

/* ---- judging ------------------------------------------------------------------------------------------ */

/* The environment at the start of an episode of the task, and an episode for it. */
static ml3_env *open_start(const model_based *m, const ml3_real *task, int start, ml3_episode **episode,
                           ml3_error *error) {
  double env_task[ML3_STATE_MAX], state[ML3_STATE_MAX];
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env *env = ml3_env_new(m->settings.env, error);
  *episode = env ? ml3_episode_new(m->settings.env, m->settings.horizon, error) : NULL;
  if (!*episode) {
    ml3_env_free(env);
    return NULL;
  }
  ml3_model_based_start(&m->problem, task, start, env_task, state);
  ml3_env_reset(env, env_task, &none);
  ml3_env_set_state(env, state);
  return env;
}

double ml3_model_based_value(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss,
                             const double *state, const double *action, const double *last) {
  const model_based *m = self(problem);
  const int n = m->settings.env->state_dim, a = m->settings.env->action_dim;
  double row[2 * ML3_STATE_MAX + ML3_POLICY_MAX_ACTIONS + 1], sum = 0;
  for (int i = 0; i < n; i++) {
    double off = last[i] - task_goal(m, task)[i];
    sum += off * off;
  }
  memcpy(row, state, (size_t)n * sizeof *row);
  memcpy(row + n, action, (size_t)a * sizeof *row);
  row[n + a] = sqrt(sum);
  for (int i = 0; i < seen_goal(m); i++) row[n + a + 1 + i] = task_goal(m, task)[i];
  return ml3_loss_value(loss, row);
}

/* M_phi of each step of a recorded episode. */
static void value_steps(const model_based *m, const ml3_real *task, const ml3_loss *loss, ml3_episode *e) {
  const int n = m->settings.env->state_dim, a = m->settings.env->action_dim;
  for (int t = 0; t < e->steps; t++)
    e->loss[t] =
        ml3_model_based_value(&m->problem, task, loss, e->states + t * n, e->actions + t * a, e->states + e->steps * n);
}

ml3_episode *ml3_model_based_episode(const ml3_problem *problem, const ml3_real *task, int start, const ml3_real *theta,
                                     const ml3_loss *loss, ml3_error *error) {
  const model_based *m = self(problem);
  ml3_episode *episode;
  ml3_env *env = open_start(m, task, start, &episode, error);
  if (!env) return NULL;

  ml3_policy_player player = {.policy = &m->settings.policy, .theta = theta};
  ml3_episode_record(episode, env, m->settings.horizon, false, ml3_policy_play, &player);
  if (loss) value_steps(m, task, loss, episode);
  ml3_env_free(env);
  return episode;
}

void ml3_model_based_judge(const ml3_problem *problem, const ml3_real *task, const ml3_episode *e,
                           ml3_outcome *outcome) {
  const model_based *m = self(problem);
  const int n = m->settings.env->state_dim;
  const int first = m->settings.cost == ML3_COST_FINAL ? e->steps : m->settings.cost_from_step;
  double sum = 0;
  for (int t = first; t <= e->steps; t++)
    for (int i = 0; i < n; i++) {
      double off = e->states[t * n + i] - task_goal(m, task)[i];
      sum += off * off;
    }
  *outcome = (ml3_outcome){.task_loss = sqrt(sum),
                           .episode_return = e->episode_return,
                           .distance = e->final_distance,
                           .success = e->success,
                           .env_steps = e->steps};
}

static int collect_recorded(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                            ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_based *m = self(p);
  const int n = m->settings.env->state_dim, starts = m->settings.starts, horizon = m->settings.horizon;
  (void)random;
  if (outer) {
    memcpy(outer, task, (size_t)p->outer_size * sizeof *outer);
    return ML3_OK;
  }
  for (int start = 0; start < starts; start++) {
    ml3_episode *e = ml3_model_based_episode(p, task, start, theta, NULL, error);
    if (!e) return error ? error->code : ML3_ERR_MEMORY;
    for (int t = 0; t <= horizon; t++) /* an episode that ended early stays where it is */
      for (int i = 0; i < n; i++)
        inner[(t * starts + start) * n + i] = (ml3_real)e->states[(t < e->steps ? t : e->steps) * n + i];
    ml3_episode_free(e);
  }
  memcpy(inner + (horizon + 1) * starts * n, task_goal(m, task), (size_t)n * sizeof *inner);
  return ML3_OK;
}

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const int starts = self(p)->settings.starts;
  ml3_outcome mean = {0};
  for (int start = 0; start < starts; start++) {
    ml3_outcome one;
    ml3_episode *episode = ml3_model_based_episode(p, task, start, theta, NULL, error);
    if (!episode) return error ? error->code : ML3_ERR_MEMORY;
    ml3_model_based_judge(p, task, episode, &one);
    ml3_episode_free(episode);
    mean.task_loss += one.task_loss / starts;
    mean.episode_return += one.episode_return / starts;
    mean.distance += one.distance / starts;
    mean.success += one.success / starts;
    mean.env_steps += one.env_steps;
  }
  *outcome = mean;
  return ML3_OK;
}

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  return ml3_policy_save(&self(p)->settings.policy, theta, path, error);
}

/* ---- making ------------------------------------------------------------------------------------------- */

static void free_problem(ml3_problem *p) {
  model_based *m = p->user; /* the problem is a part of it */
  ml3_ensemble_free(m->ensemble);
  free(m->env);
  free(m);
}

void ml3_model_based_own(ml3_problem *p, void *env, ml3_ensemble *ensemble) {
  model_based *m = p->user;
  m->env = env;
  m->ensemble = ensemble;
}

const ml3_dynamics *ml3_model_based_dynamics(const ml3_env_spec *env, ml3_error *error) {
  char name[128];
  const size_t length = strlen(env->name);
  if (length < 5 || length >= sizeof name || strcmp(env->name + length - 5, "_goal") != 0)
    return ml3_dynamics_find(env->name, error);
  memcpy(name, env->name, length - 5);
  name[length - 5] = '\0';
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
  if (s->horizon == 0) s->horizon = s->env->horizon;
  if (s->horizon < 1 || s->horizon > 10000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "horizon is %d; 1 to 10000 are possible", s->horizon);
  if (s->recorded && !s->detach_state)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "recorded rollouts have no gradient by their states; rollout.detach_state must be true");
  if (s->starts < 1 || s->starts > 4096)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "rollout.starts is %d; 1 to 4096 are possible", s->starts);
  if (s->cost == ML3_COST_TRAJECTORY && (s->cost_from_step < 0 || s->cost_from_step > s->horizon))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "cost.from_step is %d; 0 to the horizon %d are possible",
                         s->cost_from_step, s->horizon);
  if (s->extra && (s->extra_until_step < 1 || s->extra_until_step > s->horizon))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "extra.until_step is %d; 1 to the horizon %d are possible",
                         s->extra_until_step, s->horizon);
  if (s->env->state_dim > ML3_STATE_MAX || s->env->task_dim > ML3_STATE_MAX || s->env->goal_dim != s->env->state_dim ||
      s->env->obs_dim < s->env->state_dim || s->env->obs_dim > 2 * s->env->state_dim)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "environment '%s' cannot be used model-based: observation and goal must be its state",
                         s->env->name);
  return ML3_OK;
}

ml3_problem *ml3_model_based_new(const ml3_model_based_settings *settings, ml3_error *error) {
  const ml3_dynamics *dynamics =
      settings->ensemble ? &settings->ensemble->dynamics : ml3_model_based_dynamics(settings->env, error);
  ml3_model_based_settings s = *settings;
  if (!dynamics || check(&s, error) != ML3_OK) return NULL;

  model_based *m = malloc(sizeof *m);
  if (!m) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", s.env->name);
    return NULL;
  }
  int size = (s.starts + 1) * s.env->state_dim + s.starts * s.env->task_dim;
  *m = (model_based){.problem = {.name = s.env->name,
                                 .theta_size = ml3_policy_size(&s.policy),
                                 .task_size = size,
                                 .inner_size = size,
                                 .outer_size = size,
                                 .features = s.env->action_dim + 1 + s.env->obs_dim,
                                 .context_size = dynamics->context_size,
                                 .context = s.ensemble ? s.ensemble->context : NULL,
                                 .build_features = build_features,
                                 .build_task_loss = build_task_loss,
                                 .build_extra_loss = s.extra ? build_extra_loss : NULL,
                                 .sample = sample,
                                 .evaluate = evaluate,
                                 .success_name = "success",
                                 .distance_name = "distance",
                                 .save = save,
                                 .free = free_problem,
                                 .user = m},
                     .settings = s,
                     .dynamics = dynamics};
  const char **name = m->names;
  for (int i = 0; i < s.env->state_dim; i++) *name++ = s.env->state[i].name;
  for (int i = 0; i < s.env->action_dim; i++) *name++ = s.env->action[i].name;
  *name++ = "final_distance";
  for (int i = 0; i < seen_goal(m); i++) *name++ = s.env->goal[i].name;
  m->problem.feature_names = m->names;
  m->problem.net = &m->settings.policy.net;
  if (s.recorded) {
    m->problem.inner_size = ((s.horizon + 1) * s.starts + 1) * s.env->state_dim;
    m->problem.build_features = build_recorded_features;
    m->problem.collect = collect_recorded;
  }
  return &m->problem;
}

const ml3_model_based_settings *ml3_model_based_settings_of(const ml3_problem *problem) {
  return &self(problem)->settings;
}
