/* Actors, time and hand: see session.h. */
#define _POSIX_C_SOURCE 200809L
#include "viewer/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/color.h"

enum { ENDLESS_STEPS = 4000 }; /* room beyond the horizon */

static const double REST_S = 0.5, BUDGET_S = 0.03;

static bool live(const ml3_session *s) {
  return !s->source.episodes;
}

static int horizon(const ml3_session *s) {
  return s->source.horizon > 0 ? s->source.horizon : s->spec->horizon;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

ml3_view_source ml3_view_recorded(ml3_episode *const *episodes, int count) {
  if (count > ML3_VIEW_ACTORS) count = ML3_VIEW_ACTORS;
  return (ml3_view_source){.spec = count ? episodes[0]->spec : NULL, .actors = count, .episodes = episodes};
}

/* Labels change with the number of updates. */
static void choose_colours(ml3_session *s) {
  const char *labels[ML3_VIEW_ACTORS];
  for (int k = 0; k < s->actors; k++) labels[k] = ml3_session_label(s, k);
  ml3_color_methods(labels, s->actors, s->colour);
}

static int open_actor(ml3_session *s, int k, ml3_error *error) {
  if (!live(s)) {
    s->episode[k] = s->source.episodes[k];
    s->valued[k] = true;
    return ML3_OK;
  }
  s->env[k] = ml3_env_new(s->spec, error);
  s->episode[k] = s->env[k] ? ml3_episode_new(s->spec, horizon(s) + ENDLESS_STEPS, error) : NULL;
  return s->episode[k] ? ML3_OK : error ? error->code : ML3_ERR_MEMORY;
}

int ml3_session_open(ml3_session *s, const ml3_view_source *source, int task, ml3_error *error) {
  *s = (ml3_session){
      .source = *source, .spec = source->spec, .actors = source->actors, .task = task, .speed = 1, .pushed = -1};
  if (s->actors < 1) return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no rollout to show");
  s->env_task = calloc((size_t)s->spec->task_dim + 1, sizeof(double));
  s->start = calloc((size_t)s->spec->state_dim + 1, sizeof(double));
  int code =
      s->env_task && s->start ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a window's rollouts");
  for (int k = 0; k < s->actors && code == ML3_OK; k++) code = open_actor(s, k, error);
  if (code == ML3_OK && live(s)) code = ml3_session_set_task(s, task, error);
  if (code == ML3_OK)
    choose_colours(s);
  else
    ml3_session_close(s);
  return code;
}

void ml3_session_close(ml3_session *s) {
  for (int k = 0; k < s->actors; k++) {
    ml3_env_free(s->env[k]);
    if (live(s)) ml3_episode_free(s->episode[k]);
  }
  free(s->env_task);
  free(s->start);
  *s = (ml3_session){.pushed = -1};
}

/* ---- rolling out ------------------------------------------------------------------------------------------ */

typedef struct asked {
  ml3_session *session;
  int actor;
} asked;

static void ask(void *user, int step, const double *obs, const double *state, double *action) {
  const asked *a = user;
  a->session->source.act(a->session->source.user, a->actor, step, obs, state, action);
}

/* Everything from the start; the task may have been changed by a hand. */
static void roll_from_start(ml3_session *s, int k) {
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  if (!live(s)) return;
  ml3_env_reset(s->env[k], s->env_task, &none);
  ml3_env_set_state(s->env[k], s->start);
  ml3_env_push(s->env[k], 0, (double[3]){0}, (double[3]){0});
  ml3_episode_begin(s->episode[k], s->env[k]);
  s->valued[k] = false;
  s->changes++;
}

/* Goes on to that step if that is possible before the deadline. */
static void roll_to(ml3_session *s, int k, int step, double deadline_s) {
  asked a = {s, k};
  if (!live(s)) return;
  for (int i = 0; s->episode[k]->steps < step; i++) {
    if (i % 16 == 15 && ml3_clock_s() > deadline_s) break;
    if (!ml3_episode_extend(s->episode[k], s->env[k], ask, &a)) break;
    s->valued[k] = false;
  }
}

static void cut(ml3_session *s, int k) {
  ml3_episode_cut(s->episode[k], s->env[k], ml3_session_shown_step(s, k));
  s->valued[k] = false;
  s->touched = true;
}

static bool at_end(const ml3_session *s, int k) {
  const ml3_episode *e = s->episode[k];
  return !live(s) || e->terminated || e->steps >= horizon(s);
}

void ml3_session_foresee(ml3_session *s, double seconds) {
  const double deadline_s = ml3_clock_s() + seconds;
  if (s->pushed >= 0) return; /* the hand decides what comes */
  for (int i = 0; i < s->actors; i++) {
    int k = (s->focus + i) % s->actors;
    if (!at_end(s, k)) roll_to(s, k, horizon(s), deadline_s);
    if (s->valued[k] || !at_end(s, k) || !s->source.value) continue;
    s->source.value(s->source.user, k, s->episode[k]);
    s->valued[k] = true;
  }
}

/* ---- time --------------------------------------------------------------------------------------------------- */

int ml3_session_length(const ml3_session *s) {
  int most = 0;
  for (int k = 0; k < s->actors; k++) {
    if (s->hidden[k] && k != s->focus) continue;
    int steps = at_end(s, k) ? s->episode[k]->steps : horizon(s);
    if (steps > most) most = steps;
  }
  return most;
}

/* All actors up to the time shown; time waits where they do not get there. */
static void keep_up(ml3_session *s) {
  const double deadline_s = ml3_clock_s() + BUDGET_S;
  const int until = (int)ceil(s->step);
  for (int k = 0; k < s->actors; k++) {
    int limit = s->endless ? until : until < horizon(s) ? until : horizon(s);
    roll_to(s, k, limit, deadline_s);
    ml3_episode *e = s->episode[k];
    if (live(s) && e->steps < limit && e->steps < e->capacity && !e->terminated) s->step = fmin(s->step, e->steps);
  }
}

/* An endless rollout whose room is used up goes on from where it is as a new one. */
static void begin_anew(ml3_session *s) {
  for (int k = 0; k < s->actors; k++) {
    ml3_episode_begin(s->episode[k], s->env[k]);
    s->valued[k] = false;
  }
  s->step = 0;
}

void ml3_session_advance(ml3_session *s, double seconds) {
  if (s->paused) return;
  s->step += seconds * s->speed / s->spec->dt_s;
  keep_up(s);
  if (s->endless && live(s)) {
    if (s->step >= s->episode[s->focus]->capacity) begin_anew(s);
  } else if (s->step > ml3_session_length(s) + REST_S / s->spec->dt_s) {
    if (s->touched && s->pushed < 0)
      ml3_session_restart(s);
    else
      s->step = s->pushed < 0 ? 0 : ml3_session_length(s);
  }
}

void ml3_session_step(ml3_session *s, int by) {
  s->paused = true;
  double most = s->endless && live(s) ? s->episode[s->focus]->capacity : ml3_session_length(s);
  s->step = fmin(fmax(floor(fmin(s->step, most)) + by, 0), most);
  keep_up(s);
}

void ml3_session_restart(ml3_session *s) {
  s->step = 0;
  if (!live(s)) return;
  if (s->touched)
    for (int k = 0; k < s->actors; k++) roll_from_start(s, k);
  s->touched = false;
  s->pushed = -1;
}

/* ---- hand ----------------------------------------------------------------------------------------------------- */

int ml3_session_set_task(ml3_session *s, int task, ml3_error *error) {
  if (!live(s)) return ML3_OK;
  if (task < 0) task = 0;
  int code = s->source.start(s->source.user, task, s->env_task, s->start, error);
  if (code != ML3_OK) return code;
  s->task = task;
  choose_colours(s);
  s->touched = true;
  ml3_session_restart(s);
  memset(s->updates, 0, sizeof s->updates);
  for (int t = 0; t < s->source.learners; t++) {
    roll_to(s, t, horizon(s), INFINITY);
    s->curve[t][0] = (float)s->episode[t]->episode_return;
  }
  return ML3_OK;
}

void ml3_session_focus(ml3_session *s, int actor) {
  s->focus = (actor % s->actors + s->actors) % s->actors;
  s->hidden[s->focus] = false;
  s->changes++;
}

void ml3_session_hide(ml3_session *s, int actor, bool hidden) {
  if (actor >= 0 && actor < s->actors && actor != s->focus) s->hidden[actor] = hidden;
}

/* The present state of an actor is what it now is in its environment. */
static void note_present(ml3_session *s, int k) {
  ml3_episode *e = s->episode[k];
  memcpy(e->task, s->env[k]->task, (size_t)s->spec->task_dim * sizeof *e->task);
  ml3_env_get_state(s->env[k], e->states + (size_t)e->steps * (size_t)s->spec->state_dim);
  ml3_env_observe(s->env[k], e->obs + (size_t)e->steps * (size_t)s->spec->obs_dim);
}

bool ml3_session_move_goal(ml3_session *s, const double *point) {
  if (!live(s) || !s->spec->move_goal) return false;
  s->step = floor(s->step);
  for (int k = 0; k < s->actors; k++) {
    cut(s, k);
    ml3_env_move_goal(s->env[k], point);
    note_present(s, k);
  }
  /* the start with the same goal, for the next time round */
  double state[64 + 1];
  ml3_env *env = s->env[s->focus];
  memcpy(s->env_task, env->task, (size_t)s->spec->task_dim * sizeof *s->env_task);
  if (s->spec->state_dim <= 64) {
    ml3_env_get_state(env, state);
    ml3_env_set_state(env, s->start);
    ml3_env_move_goal(env, point);
    ml3_env_get_state(env, s->start);
    ml3_env_set_state(env, state);
  }
  if (s->source.goal_moved) s->source.goal_moved(s->source.user, s->env_task, s->start);
  s->changes++;
  return true;
}

bool ml3_session_push(ml3_session *s, int body, const double *point, const double *force) {
  if (!live(s) || !s->spec->push) return false;
  if (s->pushed != s->focus) {
    s->step = floor(s->step);
    cut(s, s->focus);
    s->pushed = s->focus;
  } else if (s->episode[s->focus]->steps > ceil(s->step)) {
    cut(s, s->focus); /* a step back while it is held */
  }
  return ml3_env_push(s->env[s->focus], body, point, force);
}

void ml3_session_release(ml3_session *s) {
  if (s->pushed < 0) return;
  ml3_env_push(s->env[s->pushed], 0, (double[3]){0}, (double[3]){0});
  s->pushed = -1;
}

/* How much a step from the present state changes it: the norm of the difference to `base`. */
static double change_by_step(ml3_env *env, const double *from, const double *action, const double *base, double *next) {
  double sum = 0;
  ml3_env_set_state(env, from);
  ml3_env_step(env, action);
  ml3_env_get_state(env, next);
  for (int i = 0; i < env->spec->state_dim && base; i++) sum += (next[i] - base[i]) * (next[i] - base[i]);
  return sqrt(sum);
}

double ml3_session_stiffness(ml3_session *s, int body, const double *point, double extent) {
  const int n = s->spec->state_dim;
  if (!live(s) || !s->spec->push) return 0;
  ml3_env *env = ml3_env_new(s->spec, NULL);
  double *buffer = calloc((size_t)(3 * n + s->spec->action_dim), sizeof *buffer);
  double by_action = 0, by_force = 0;
  if (env && buffer) {
    double *from = buffer, *base = from + n, *next = base + n, *action = next + n;
    const double none[3] = {0};
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
    ml3_env_reset(env, s->env_task, &random);
    ml3_env_get_state(s->env[s->focus], from);
    ml3_env_push(env, 0, none, none);
    change_by_step(env, from, action, NULL, base);
    for (int i = 0; i < s->spec->action_dim; i++) {
      double high = s->spec->action[i].high;
      action[i] = isfinite(high) ? high : 1;
      by_action = fmax(by_action, change_by_step(env, from, action, base, next));
      action[i] = 0;
    }
    for (int i = 0; i < 3; i++) {
      double force[3] = {0};
      force[i] = 1;
      ml3_env_set_state(env, from);
      ml3_env_push(env, body, point, force);
      by_force = fmax(by_force, change_by_step(env, from, action, base, next));
    }
  }
  ml3_env_free(env);
  free(buffer);
  /* a tenth of the scene's extent pulls three times as hard as the strongest action */
  return by_force > 0 && by_action > 0 ? 3 * by_action / by_force / (0.1 * extent) : 0;
}

/* ---- learning --------------------------------------------------------------------------------------------------- */

int ml3_session_update(ml3_session *s, int learner, ml3_error *error) {
  if (!live(s) || !s->source.update || learner >= s->source.learners)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "there is nothing to update here: open a run to watch a loss train a policy");
  int code = s->source.update(s->source.user, learner, error);
  if (code != ML3_OK) return code;
  s->touched = true;
  choose_colours(s);
  ml3_session_restart(s);
  roll_to(s, learner, horizon(s), INFINITY);
  if (s->updates[learner] < ML3_SESSION_UPDATES)
    s->curve[learner][++s->updates[learner]] = (float)s->episode[learner]->episode_return;
  ml3_session_focus(s, learner);
  s->paused = false;
  return ML3_OK;
}

void ml3_session_start_over(ml3_session *s) {
  if (!live(s) || !s->source.restart) return;
  s->source.restart(s->source.user);
  memset(s->updates, 0, sizeof s->updates);
  choose_colours(s);
  s->touched = true;
  ml3_session_restart(s);
}

bool ml3_session_refresh(ml3_session *s, ml3_error *error) {
  if (!live(s) || !s->source.refresh || !s->source.refresh(s->source.user)) return false;
  return ml3_session_set_task(s, s->task, error) == ML3_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

const char *ml3_session_label(const ml3_session *s, int k) {
  const char *label = live(s) && s->source.label ? s->source.label(s->source.user, k) : s->episode[k]->label;
  return label && label[0] ? label : "rollout";
}

int ml3_session_shown_step(const ml3_session *s, int k) {
  int t = (int)floor(s->step);
  return t < s->episode[k]->steps ? t : s->episode[k]->steps;
}

double ml3_session_return(const ml3_session *s, int k) {
  double sum = 0;
  for (int t = 0, end = ml3_session_shown_step(s, k); t < end; t++) sum += s->episode[k]->rewards[t];
  return sum;
}
