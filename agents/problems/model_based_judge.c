/* The model-based problem's policies in the real environment: rolled out, judged, recorded for updates there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based_internal.h"

static void read_goal(const model_based *m, const ml3_real *task, double *goal) {
  for (int i = 0; i < m->settings.env->goal_dim; i++) goal[i] = ml3_model_based_goal(m, task)[i];
}

/* The environment at the start of an episode of the task, and an episode for it. */
static ml3_env *open_start(const model_based *m, const ml3_real *task, int start, ml3_episode **episode,
                           ml3_error *error) {
  double env_task[m->settings.env->task_dim + 1], state[m->settings.env->state_dim];
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

/* Sum of squares of the outcome's entries off the goal. */
static double squares_off(const model_based *m, const double *state, const double *goal) {
  double outcome[m->settings.env->goal_dim + 1], sum = 0;
  m->geometry.outcome(&m->geometry, state, outcome);
  for (int i = 0; i < m->settings.env->goal_dim; i++) sum += (outcome[i] - goal[i]) * (outcome[i] - goal[i]);
  return sum;
}

double ml3_model_based_value(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss, int step,
                             const double *state, const double *action, const double *last) {
  const model_based *m = ml3_model_based_self(problem);
  const ml3_geometry *at = &m->geometry;
  const int a = m->settings.env->action_dim;
  double row[m->problem.features], goal[m->settings.env->goal_dim + 1];
  read_goal(m, task, goal);
  at->obs(at, state, goal, row);
  double *next = row + m->settings.env->obs_dim;
  memcpy(next, action, (size_t)a * sizeof *row);
  next[a] = sqrt(squares_off(m, last, goal));
  if (at->goal_seen) {
    ml3_geometry_to_goal(at, state, goal, next + a + 1);
    ml3_geometry_to_goal(at, last, goal, next + a + 1 + at->place_dim);
    for (int i = 0; i < 2 * at->place_dim; i++)
      next[a + 1 + 2 * at->place_dim + i] = tanh(next[a + 1 + i] / m->settings.near);
    next += a + 1 + 4 * at->place_dim;
    for (int i = 0; i < at->velocity_dim; i++) *next++ = last[at->velocity[i]];
    *next = (double)step / m->settings.horizon;
  }
  return ml3_loss_value(loss, row);
}

void ml3_model_based_value_steps(const ml3_problem *problem, const ml3_real *task, const ml3_loss *loss,
                                 ml3_episode *e) {
  const int n = e->spec->state_dim, a = e->spec->action_dim;
  for (int t = 0; t < e->steps; t++)
    e->loss[t] = ml3_model_based_value(problem, task, loss, t, e->states + t * n, e->actions + t * a,
                                       e->states + e->steps * n);
}

ml3_episode *ml3_model_based_episode(const ml3_problem *problem, const ml3_real *task, int start, const ml3_real *theta,
                                     const ml3_loss *loss, ml3_error *error) {
  const model_based *m = ml3_model_based_self(problem);
  ml3_episode *episode;
  ml3_env *env = open_start(m, task, start, &episode, error);
  if (!env) return NULL;

  double goal[m->settings.env->goal_dim + 1];
  read_goal(m, task, goal);
  ml3_policy_player player = {.policy = &m->settings.policy, .theta = theta, .goal = goal};
  ml3_episode_record(episode, env, m->settings.horizon, false, ml3_policy_play, &player);
  if (loss) ml3_model_based_value_steps(problem, task, loss, episode);
  ml3_env_free(env);
  return episode;
}

/* ML3_COST_REACH of an episode. */
static double reach(const model_based *m, const ml3_episode *e, const double *goal) {
  const ml3_model_based_settings *s = &m->settings;
  const int n = s->env->state_dim, a = s->env->action_dim;
  const int first = s->cost_from_step < e->steps ? s->cost_from_step : e->steps, counted = e->steps + 1 - first;
  double sum = 0, energy = 0, to_goal[m->geometry.place_dim + 1];
  for (int t = first; t <= e->steps; t++) {
    const double *state = e->states + t * n;
    double squares = 0;
    for (int i = 0; i < m->geometry.velocity_dim; i++) squares += pow(state[m->geometry.velocity[i]], 2);
    sum += ml3_geometry_to_goal(&m->geometry, state, goal, to_goal) + s->velocity_weight * squares;
  }
  for (int t = 0; t < e->steps; t++)
    for (int i = 0; i < a; i++) energy += pow(e->actions[t * a + i] / ml3_policy_half_width(&s->policy, i), 2);
  return sum / counted + (e->steps ? s->action_weight * energy / e->steps : 0);
}

void ml3_model_based_judge(const ml3_problem *problem, const ml3_real *task, const ml3_episode *e,
                           ml3_outcome *outcome) {
  const model_based *m = ml3_model_based_self(problem);
  const int n = m->settings.env->state_dim;
  const int first = m->settings.cost == ML3_COST_FINAL ? e->steps : m->settings.cost_from_step;
  double sum = 0, goal[m->settings.env->goal_dim + 1];
  read_goal(m, task, goal);
  for (int t = first; t <= e->steps; t++) sum += squares_off(m, e->states + t * n, goal);
  *outcome = (ml3_outcome){.task_loss = m->settings.cost == ML3_COST_REACH ? reach(m, e, goal) : sqrt(sum),
                           .episode_return = e->episode_return,
                           .distance = e->final_distance,
                           .success = e->success,
                           .passed = e->passed,
                           .env_steps = e->steps};
}

int ml3_model_based_record(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                           ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const model_based *m = ml3_model_based_self(p);
  const int n = m->settings.env->state_dim, starts = m->settings.starts, horizon = m->settings.horizon;
  (void)random;
  if (outer) {
    memcpy(outer, task, (size_t)p->outer_size * sizeof *outer);
    return ML3_OK;
  }
  ml3_real *states = ml3_block_in(m->recorded[RECORDED_STATES], inner);
  for (int start = 0; start < starts; start++) {
    ml3_episode *e = ml3_model_based_episode(p, task, start, theta, NULL, error);
    if (!e) return error ? error->code : ML3_ERR_MEMORY;
    for (int t = 0; t <= horizon; t++) /* an episode that ended early stays where it is */
      for (int i = 0; i < n; i++)
        states[(t * starts + start) * n + i] = (ml3_real)e->states[(t < e->steps ? t : e->steps) * n + i];
    ml3_episode_free(e);
  }
  memcpy(ml3_block_in(m->recorded[RECORDED_GOAL], inner), ml3_model_based_goal(m, task),
         (size_t)m->settings.env->goal_dim * sizeof *inner);
  return ML3_OK;
}

int ml3_model_based_evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                             ml3_error *error) {
  const int starts = ml3_model_based_self(p)->settings.starts;
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
    mean.passed += one.passed / starts;
    mean.env_steps += one.env_steps;
  }
  *outcome = mean;
  return ML3_OK;
}
