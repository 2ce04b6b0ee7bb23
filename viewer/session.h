/* What a window or a recording shows, without a picture: actors on one task, their rollouts so far, the time that is shown,
   and what a hand does to them. No OpenGL.

   Rollouts run ahead of the time shown, as far as the horizon: so plots are whole and a step back is a look at the
   past. Where a hand changes something, what came after is taken back and rolled out again. */
#ifndef ML3_VIEWER_SESSION_H
#define ML3_VIEWER_SESSION_H

#include "viewer/viewer.h"

enum { ML3_SESSION_UPDATES = 512 };

/* What is shown, at which step, and what keys have changed of it. */
typedef struct ml3_session {
  ml3_view_source source;
  const ml3_env_spec *spec;
  int actors, focus, task;
  bool hidden[ML3_VIEW_ACTORS];
  ml3_env *env[ML3_VIEW_ACTORS]; /* each in the last state of its episode; unused with recorded episodes */
  ml3_episode *episode[ML3_VIEW_ACTORS];
  float colour[ML3_VIEW_ACTORS][3]; /* by the actors' labels: base/color.h */
  bool valued[ML3_VIEW_ACTORS]; /* episode->loss fits the episode */
  double *env_task, *start;     /* [task_dim], [state_dim] */

  double step;  /* shown, fractional while it plays */
  double speed; /* 1: real time */
  bool paused, endless;
  bool touched; /* a hand was there: the next time round starts afresh */
  int pushed;   /* the actor that is being pushed, or -1 */

  int updates[ML3_VIEW_LEARNERS];                          /* by each learner */
  float curve[ML3_VIEW_LEARNERS][ML3_SESSION_UPDATES + 1]; /* the return after each number of them */
  long changes;                                            /* counts what makes a picture of the learned loss stale */
} ml3_session;

int ml3_session_open(ml3_session *session, const ml3_view_source *source, int task, ml3_error *error);
void ml3_session_close(ml3_session *session);

/* ---- time ---- */

/* The longest rollout of the actors that are shown; in steps. */
int ml3_session_length(const ml3_session *session);
/* Plays on; at the end half a second of rest, then from the start. */
void ml3_session_advance(ml3_session *session, double seconds);
/* Pauses, and goes `by` whole steps. */
void ml3_session_step(ml3_session *session, int by);
/* Back to the start; a goal that was moved stays where it is. */
void ml3_session_restart(ml3_session *session);
/* Rolls all actors out to the horizon and values them, for at most that long (s). */
void ml3_session_foresee(ml3_session *session, double seconds);

/* ---- what a hand does ---- */

int ml3_session_set_task(ml3_session *session, int task, ml3_error *error);
void ml3_session_focus(ml3_session *session, int actor);
void ml3_session_hide(ml3_session *session, int actor, bool hidden);
/* False where the environment has no such thing, or rollouts are recorded. */
bool ml3_session_move_goal(ml3_session *session, const double *point);
bool ml3_session_push(ml3_session *session, int body, const double *point, const double *force);
void ml3_session_release(ml3_session *session);
/* The force (N) at that point of a body, for a distance of 1 m, that a hand should pull with: where the strongest action
   does little, little; 0 where nothing can be pushed. */
double ml3_session_stiffness(ml3_session *session, int body, const double *point, double extent);

/* ---- learning ---- */

int ml3_session_update(ml3_session *session, int learner, ml3_error *error);
void ml3_session_start_over(ml3_session *session);

/* Once a second, of a training that is followed: rolls out again what has changed. False: nothing has. */
bool ml3_session_refresh(ml3_session *session, ml3_error *error);

/* ---- reading ---- */

const char *ml3_session_label(const ml3_session *session, int actor);
/* The whole step that is shown of an actor's rollout. */
int ml3_session_shown_step(const ml3_session *session, int actor);
/* The sum of rewards up to the step shown. */
double ml3_session_return(const ml3_session *session, int actor);

#endif
