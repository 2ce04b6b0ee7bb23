/* Trials: the clock, the counter and the judge of a comparison. See method.h. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/compare/compare_internal.h"

#include "base/clock.h"
#include "base/threads.h"

void ml3_trial_pause(ml3_trial *t) {
  t->judge->seconds += ml3_clock_s() - t->judge->begun;
}

void ml3_trial_resume(ml3_trial *t) {
  t->judge->begun = ml3_clock_s();
}

void ml3_trial_spend(ml3_trial *t, double steps) {
  t->judge->env_steps += steps;
}

double ml3_trial_spent(const ml3_trial *t) {
  return t->judge->env_steps;
}

bool ml3_trial_affords(const ml3_trial *t, double steps) {
  const long budget = t->arena->settings.budget;
  return budget <= 0 || t->judge->env_steps + steps <= (double)budget;
}

static int validate_task(const ml3_problem *p, uint64_t seed, int i, ml3_trial_learn learn, void *user, double *found,
                         ml3_error *error) {
  ml3_real *task = calloc((size_t)p->task_size + (size_t)p->theta_size, sizeof *task), *theta = task + p->task_size;
  if (!task) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a validation task");
  ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_VALIDATION, (uint32_t)i, 0);
  ml3_outcome outcome = {.episode_return = NAN};
  int code = p->sample(p, ML3_SPLIT_VALIDATION, &random, task, theta, error);
  if (code == ML3_OK) code = learn(user, task, theta, &random, error);
  if (code == ML3_OK) code = p->evaluate(p, task, theta, &outcome, error);
  *found = isfinite(outcome.episode_return) ? outcome.episode_return : -INFINITY;
  free(task);
  return code;
}

int ml3_trial_validate(const ml3_problem *p, const ml3_compare_settings *s, ml3_trial_learn learn, void *user,
                       double *mean, ml3_error *error) {
  double found[ML3_TRIAL_VALIDATION];
  int code = ML3_OK;
#pragma omp parallel for num_threads(ml3_threads(s->threads)) schedule(dynamic, 1)
  for (int i = 0; i < ML3_TRIAL_VALIDATION; i++) {
    ml3_error local = {0};
    const int mine = validate_task(p, s->seed, i, learn, user, &found[i], &local);
#pragma omp critical(compare_validation)
    if (mine != ML3_OK && code == ML3_OK) {
      code = mine;
      if (error) *error = local;
    }
  }
  *mean = 0;
  for (int i = 0; i < ML3_TRIAL_VALIDATION && code == ML3_OK; i++) *mean += found[i] / ML3_TRIAL_VALIDATION;
  return code;
}

void ml3_trial_restart(ml3_trial *t) {
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0), begin = t->begin;
  ml3_env_reset(t->world, t->world_task.env_task, t->arena->env->set_state ? &none : &begin);
  ml3_env_set_state(t->world, t->start);
}

static bool is_of_interest(const ml3_trial *t, int updates, bool last, bool by_updates) {
  const ml3_compare_settings *s = &t->arena->settings;
  if (!by_updates || t->judge->last_only) return last;
  for (int i = 0; i < s->step_count; i++)
    if (s->steps[i] == updates) return true;
  return last;
}

static int add_point(ml3_trial *t, int updates, bool last, const ml3_outcome *outcome, ml3_error *error) {
  ml3_compare_points *p = t->judge->points;
  if (p->count == p->capacity) {
    const int capacity = p->capacity ? 2 * p->capacity : 8;
    ml3_compare_point *grown = realloc(p->points, (size_t)capacity * sizeof *grown);
    if (!grown) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a comparison");
    p->points = grown;
    p->capacity = capacity;
  }
  p->points[p->count++] = (ml3_compare_point){.updates = updates,
                                              .env_steps = t->judge->env_steps,
                                              .seconds = t->judge->seconds,
                                              .outcome = *outcome,
                                              .last = last};
  return ML3_OK;
}

/* A copy of the judged episode, for viewing. */
static int keep_episode(ml3_trial *t, int updates, bool by_updates, ml3_error *error) {
  const ml3_episode *e = t->judge->episode;
  if (*t->judge->kept_count >= t->judge->kept_capacity) return ML3_OK;
  ml3_episode *copy = ml3_episode_new(e->spec, e->capacity, error);
  if (!copy) return ML3_ERR_MEMORY;
  const size_t n = (size_t)e->spec->state_dim, o = (size_t)e->spec->obs_dim, m = (size_t)e->spec->action_dim;
  const size_t steps = (size_t)e->steps;
  copy->steps = e->steps;
  memcpy(copy->task, e->task, (size_t)e->spec->task_dim * sizeof *e->task);
  memcpy(copy->states, e->states, (steps + 1) * n * sizeof *e->states);
  memcpy(copy->obs, e->obs, (steps + 1) * o * sizeof *e->obs);
  memcpy(copy->actions, e->actions, steps * m * sizeof *e->actions);
  memcpy(copy->rewards, e->rewards, steps * sizeof *e->rewards);
  memcpy(copy->loss, e->loss, steps * sizeof *e->loss);
  copy->episode_return = e->episode_return;
  copy->final_distance = e->final_distance;
  copy->success = e->success;
  copy->passed = e->passed;
  copy->success_step = e->success_step;
  if (by_updates && updates > 0)
    snprintf(copy->label, sizeof copy->label, "%.70s, %d update%s", t->judge->label, updates, updates == 1 ? "" : "s");
  else
    snprintf(copy->label, sizeof copy->label, "%.90s", t->judge->label);
  t->judge->kept[(*t->judge->kept_count)++] = copy;
  return ML3_OK;
}

/* Judges the episode in scratch. */
static int judge(ml3_trial *t, int updates, bool last, bool by_updates, ml3_error *error) {
  ml3_outcome outcome = {.task_loss = -t->judge->episode->episode_return,
                         .episode_return = t->judge->episode->episode_return,
                         .distance = t->judge->episode->final_distance,
                         .success = t->judge->episode->success,
                         .passed = t->judge->episode->passed,
                         .env_steps = t->judge->episode->steps};
  const ml3_playable *play = t->play;
  if (play->judge) play->judge(play->problem, t->world_task.numbers, t->judge->episode, &outcome);
  int code = ml3_env_failed(t->arena->env, error);
  if (code == ML3_OK) code = add_point(t, updates, last, &outcome, error);
  if (code == ML3_OK && t->judge->kept && is_of_interest(t, updates, last, by_updates))
    code = keep_episode(t, updates, by_updates, error);
  return code;
}

int ml3_trial_report_policy(ml3_trial *t, int updates, bool last, ml3_env_policy policy, void *user, ml3_error *error) {
  ml3_trial_pause(t);
  ml3_trial_restart(t);
  ml3_episode_record(t->judge->episode, t->world, t->arena->horizon, false, policy, user);
  const int code = judge(t, updates, last, false, error);
  ml3_trial_resume(t);
  return code;
}

int ml3_trial_report_net(ml3_trial *t, int updates, bool last, const ml3_policy *policy, const ml3_real *theta,
                         ml3_error *error) {
  double goal[t->arena->env->goal_dim + 1];
  ml3_trial_pause(t);
  ml3_trial_restart(t);
  ml3_env_goal(t->world, goal);
  ml3_policy_player player = {.policy = policy, .theta = theta, .goal = goal};
  ml3_episode_record(t->judge->episode, t->world, t->arena->horizon, false, ml3_policy_play, &player);
  const ml3_compare_loss *drawn = t->loss ? t->loss : t->arena->loss_count ? &t->arena->losses[0] : NULL;
  if (t->judge->kept && drawn && t->play->value &&
      (t->loss || !drawn->play.problem)) /* with the learned loss along it */
    t->play->value(t->play->problem, t->world_task.numbers, drawn->loss, t->judge->episode);
  const int code = judge(t, updates, last, true, error);
  ml3_trial_resume(t);
  return code;
}

int ml3_trial_report_theta(ml3_trial *t, int updates, bool last, const ml3_real *theta, ml3_error *error) {
  return ml3_trial_report_net(t, updates, last, t->play->policy, theta, error);
}

int ml3_trial_report_updates(ml3_trial *t, double steps, ml3_real *theta, ml3_trial_update update, void *user,
                             ml3_error *error) {
  const ml3_compare_settings *s = &t->arena->settings;
  const int most = s->steps[s->step_count - 1];
  int code = ml3_trial_report_theta(t, 0, false, theta, error);
  for (int k = 1; k <= most && code == ML3_OK && ml3_trial_affords(t, steps); k++) {
    update(user, t, theta);
    ml3_trial_spend(t, steps);
    code = ml3_trial_report_theta(t, k, k == most, theta, error);
  }
  return code;
}

int ml3_trial_report_failure(ml3_trial *t, int updates, ml3_error *error) {
  const ml3_outcome none = {.task_loss = NAN, .episode_return = NAN, .distance = NAN, .success = 0};
  ml3_trial_pause(t);
  const int code = add_point(t, updates, true, &none, error);
  ml3_trial_resume(t);
  return code;
}
