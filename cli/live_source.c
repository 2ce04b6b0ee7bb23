/* Live policies as a viewer asks for them: they learn, begin a task, act, and are valued. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_free.h"
#include "cli/live_internal.h"

/* Without a model the task's gradient is the policy gradient on fresh rollouts. */
const char *cli_live_baseline(const cli_live *l) {
  return l->model_free ? "REINFORCE" : "task gradient";
}

/* ---- learning ------------------------------------------------------------------------------------------------ */

static int task_rate(cli_live *l, ml3_error *error) {
  if (!isnan(l->task_rate)) return ML3_OK;
  return ml3_compare_task_rate(l->a.meta, &l->compare, &l->task_rate, error);
}

/* One update of theta by the rule of that learner: the learned loss, or the baseline. */
static int update(cli_live *l, int learner, ml3_real *theta, ml3_error *error) {
  if (learner == 0) return ml3_meta_adapt(l->a.work, l->a.loss, l->a.task, theta, &l->random[0], NULL, error);
  int code = task_rate(l, error);
  if (code == ML3_OK)
    code = ml3_meta_task_gradient(l->a.work, l->a.task, theta, &l->random[1], NULL, l->gradient, error);
  for (int i = 0; i < l->a.problem->theta_size && code == ML3_OK; i++)
    theta[i] -= (ml3_real)l->task_rate * l->gradient[i];
  return code;
}

static void set_theta(cli_live *l, int k, const ml3_real *theta, int updates) {
  memcpy(l->actors[k].theta, theta, (size_t)l->a.problem->theta_size * sizeof *theta);
  l->actors[k].updates = updates;
}

int cli_live_update(void *user, int number, ml3_error *error) {
  cli_live *l = user;
  cli_live_actor *learner = &l->actors[number];
  if (l->before_actor >= 0 && number == 0) set_theta(l, l->before_actor, learner->theta, learner->updates);
  int code = update(l, number, learner->theta, error);
  if (code == ML3_OK) learner->updates++;
  return code;
}

const char *cli_live_rule(void *user, int learner) {
  return learner == 1 ? cli_live_baseline(user) : ((cli_live *)user)->rule;
}

/* Back to where that learner begins. */
static void start_over(cli_live *l, int learner, ml3_real *theta) {
  memcpy(theta, l->a.theta, (size_t)l->a.problem->theta_size * sizeof *theta);
  if (learner == 0) ml3_meta_begin(l->a.work, l->a.loss, theta);
  l->random[learner] = l->a.random;
}

/* Learners before their first update. */
void cli_live_restart(void *user) {
  cli_live *l = user;
  for (int t = 0; t < l->source.learners; t++) {
    start_over(l, t, l->actors[t].theta);
    l->actors[t].updates = 0;
  }
  if (l->before_actor >= 0) set_theta(l, l->before_actor, l->actors[0].theta, 0);
}

/* Those who stay as they are, with a number of updates behind them; then the learners. */
static int train_all(cli_live *l, ml3_error *error) {
  int code = ML3_OK;
  for (int k = l->source.learners; k < l->source.actors && code == ML3_OK; k++) {
    cli_live_actor *a = &l->actors[k];
    const int learner = a->name != l->rule;
    if (a->kind != ACTOR_POLICY || k == l->before_actor) continue;
    start_over(l, a->updates < 0 ? 1 : learner, a->theta);
    for (int i = 0; i < a->updates && code == ML3_OK; i++) code = update(l, learner, a->theta, error);
  }
  cli_live_restart(l);
  return code;
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

/* What the task is now; its goal in the environment's numbers, for policies that observe it. A plan for another is none. */
static void note_task(cli_live *l, const double *env_task) {
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  memcpy(l->env_task, env_task, (size_t)l->source.spec->task_dim * sizeof *env_task);
  ml3_goal_plan_free(l->plan);
  l->plan = NULL;
  ml3_env_reset(l->probe, env_task, &none);
  ml3_env_goal(l->probe, l->goal);
}

int cli_live_start_run(void *user, int task, double *env_task, double *state, ml3_error *error) {
  cli_live *l = user;
  l->number = task;
  const int code = ml3_lab_adapting_begin(&l->a, task, error);
  if (code != ML3_OK) return code;
  ml3_random random = l->a.random;
  if (l->model_free) {
    ml3_env *env = ml3_env_new(l->source.spec, error);
    if (!env) return error ? error->code : ML3_ERR_MEMORY;
    ml3_model_free_task(l->a.problem, l->a.task, env_task);
    ml3_env_reset(env, env_task, &random);
    ml3_env_get_state(env, state);
    ml3_env_free(env);
  } else {
    ml3_model_based_start(l->a.problem, l->a.task, 0, env_task, state);
  }
  note_task(l, env_task);
  return train_all(l, error);
}

int cli_live_start_environment(void *user, int task, double *env_task, double *state, ml3_error *error) {
  cli_live *l = user;
  ml3_random reset = ml3_random_stream(0, ML3_PURPOSE_RESET, (uint32_t)task, 0);
  ml3_env *env = ml3_env_new(l->source.spec, error);
  if (!env) return error ? error->code : ML3_ERR_MEMORY;
  l->number = task;
  ml3_env_sample_task(l->source.spec, &reset, env_task);
  ml3_env_reset(env, env_task, &reset);
  ml3_env_get_state(env, state);
  ml3_env_free(env);
  note_task(l, env_task);
  return ML3_OK;
}

/* The task that is learned has the goal where the hand has put it. */
void cli_live_goal_moved(void *user, const double *env_task, const double *state) {
  cli_live *l = user;
  note_task(l, env_task);
  if (l->a.problem && !l->model_free) ml3_model_based_set_start(l->a.problem, l->a.task, 0, env_task, state, NULL);
}

/* ---- acting ------------------------------------------------------------------------------------------------------ */

/* Planned when it is first asked for, and again from where it is after the goal was moved. */
static void act_by_plan(cli_live *l, int step, const double *state, double *action) {
  const ml3_env_spec *spec = l->source.spec;
  const int horizon = l->source.horizon > 0 ? l->source.horizon : spec->horizon;
  if (!l->plan || step < l->plan_step) {
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_BASELINE, (uint32_t)l->number, 0);
    ml3_goal_plan_free(l->plan);
    l->plan_step = step;
    l->plan = ml3_goal_plan_new(spec, l->env_task, state, horizon - step > 5 ? horizon - step : 5,
                                step == 0 ? l->compare.ilqr_restarts : 0, &random, NULL);
  }
  if (l->plan)
    ml3_goal_plan_act(l->plan, step - l->plan_step, state, action);
  else
    memset(action, 0, (size_t)spec->action_dim * sizeof *action);
}

/* The same at the same step, however often it is asked. */
static void act_at_random(const cli_live *l, int step, double *action) {
  const ml3_env_spec *spec = l->source.spec;
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_ACTION, (uint32_t)l->number, (uint32_t)step);
  ml3_env_draw_action(spec, &random, action);
}

static void act_by_policy(const cli_live *l, int k, const double *obs, double *action) {
  const cli_live_actor *a = &l->actors[k];
  ml3_policy_act(a->policy ? a->policy : l->policy, a->theta, obs, l->goal, action);
}

void cli_live_act(void *user, int k, int step, const double *obs, const double *state, double *action) {
  cli_live *l = user;
  switch (l->actors[k].kind) {
    case ACTOR_POLICY:
    case ACTOR_LOADED:
      act_by_policy(l, k, obs, action);
      break;
    case ACTOR_PLAN:
      act_by_plan(l, step, state, action);
      break;
    case ACTOR_RANDOM:
      act_at_random(l, step, action);
      break;
    case ACTOR_STILL:
      memset(action, 0, (size_t)l->source.spec->action_dim * sizeof *action);
      break;
  }
}

const char *cli_live_label(void *user, int k) {
  cli_live_actor *a = &((cli_live *)user)->actors[k];
  if (a->updates < 0 || k == ((cli_live *)user)->before_actor) return a->name;
  snprintf(a->label, sizeof a->label, "%s, %d update%s", a->name, a->updates, a->updates == 1 ? "" : "s");
  return a->label;
}

/* ---- the learned loss -------------------------------------------------------------------------------------------- */

static const double *last_state(const ml3_episode *e) {
  return e->states + (size_t)e->steps * (size_t)e->spec->state_dim;
}

void cli_live_value(void *user, int k, ml3_episode *e) {
  cli_live *l = user;
  (void)k;
  ml3_model_based_value_steps(l->a.problem, l->a.task, l->a.loss, e);
}

double cli_live_value_at(void *user, int k, const ml3_episode *e, const double *state) {
  cli_live *l = user;
  const ml3_env_spec *spec = l->source.spec;
  double action[spec->action_dim], obs[spec->obs_dim];
  for (int i = 0; i < spec->action_dim; i++) action[i] = 0;
  ml3_env_set_state(l->probe, state);
  ml3_env_observe(l->probe, obs);
  if (l->actors[k].theta) act_by_policy(l, k, obs, action);
  return ml3_model_based_value(l->a.problem, l->a.task, l->a.loss, e->steps / 2, state, action, last_state(e));
}
