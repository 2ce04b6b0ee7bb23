/* Pictures of policies at work: a window (GLFW), frames without a display (EGL), video.

   What is shown is a *source*: up to ML3_VIEW_ACTORS policies ("actors") on the same task of one environment. The viewer
   steps the environment and knows nothing of policies: it asks the source what an actor does, and tells it to learn. A
   source may instead hold recorded episodes, which are played as they are. */
#ifndef ML3_VIEWER_VIEWER_H
#define ML3_VIEWER_VIEWER_H

#include "envs/episode.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ML3_VIEW_ACTORS = 8, ML3_VIEW_LEARNERS = 2, ML3_VIEW_CURVES = 2 };

/* A curve of a training that goes on: count points, by rising x. */
typedef struct ml3_view_curve {
  const char *title;
  const double *x, *y;
  int count;
} ml3_view_curve;

/* What is known of such a training. */
typedef struct ml3_view_training {
  ml3_view_curve curves[ML3_VIEW_CURVES];
  int count;  /* of curves */
  long steps; /* taken so far */
  bool finished;
} ml3_view_training;

/* Who acts, and how: what a viewer asks for. */
typedef struct ml3_view_source {
  const ml3_env_spec *spec;
  int horizon; /* steps of a rollout; 0: the environment's */
  int actors;
  ml3_episode *const *episodes; /* [actors] recorded, the caller's; or NULL, and the functions below */
  void *user;                   /* their first argument */

  const char *(*label)(void *user, int actor);
  /* Where task number `task` begins: env_task[task_dim], state[state_dim]. */
  int (*start)(void *user, int task, double *env_task, double *state, ml3_error *error);
  void (*act)(void *user, int actor, int step, const double *obs, const double *state, double *action);

  /* The rest may be NULL. */
  void (*goal_moved)(void *user, const double *env_task, const double *state);
  /* Fills episode->loss with the learned loss of each step. */
  void (*value)(void *user, int actor, ml3_episode *episode);
  /* The learned loss were the state at step t of the episode that one, with the action that the actor would take there. */
  double (*value_at)(void *user, int actor, const ml3_episode *episode, const double *state);
  /* Learners, by rules such as a learned loss: each is the actor of the same number. update takes one step, restart goes
     back to the first policy. */
  int learners;
  const char *(*rule)(void *user, int learner);
  int (*update)(void *user, int learner, ml3_error *error);
  void (*restart)(void *user);
  /* Of a training that is followed: what is known of it, and a function that a window calls every second, which brings that up
     to date; true: the policies have changed, too. */
  const ml3_view_training *training;
  bool (*refresh)(void *user);
} ml3_view_source;

/* A source of recorded episodes, at most ML3_VIEW_ACTORS. */
ml3_view_source ml3_view_recorded(ml3_episode *const *episodes, int count);

/* Where several actors are. */
typedef enum ml3_view_layout {
  ML3_VIEW_SINGLE, /* one actor; a recording shows one after the other */
  ML3_VIEW_GHOSTS, /* one solid, the others transparent in the same scene */
  ML3_VIEW_TILES   /* side by side */
} ml3_view_layout;

/* How it is shown; zeros are good defaults. */
typedef struct ml3_view_options {
  int width, height; /* pixels; 0: 1280 x 720 */
  double fps;   /* recording: frames a second of video; 0: one frame an environment step at real time, at least 25 */
  double speed; /* 1: real time; 0: 1 */
  ml3_view_layout layout;
  int task;           /* of a live source */
  bool plots;         /* reward, learned loss and action along the rollout, drawn in the picture */
  bool labels;        /* environment, policy, step, return, legend */
  bool map;           /* the learned loss over a plane of the state space, laid into the scene */
  const char *camera; /* name or number of a fixed camera, "free", or "track"; NULL: the scene's first */
  const char *title;  /* window title; NULL: "ml3" */
  const char *trace;  /* a file that gets one line per handled event and state; NULL: none */
  bool (*stop)(void); /* a window asks several times a second: true ends it, with ML3_ERR_INTERRUPTED; NULL: never */
} ml3_view_options;

/* Opens a window and plays until it is closed, or options->stop says so. Needs a display: without one ML3_ERR_UNAVAILABLE with a
   sentence that names `ml3 record`. Keys: see ml3_view_keys. */
int ml3_view_window(const ml3_view_source *source, const ml3_view_options *options, ml3_error *error);

/* Lines "key  what it does" for --help, README and the window's own overlay; NULL-terminated. */
const char *const *ml3_view_keys(void);

/* Renders the source without a display. `path` ends in .mp4 or .gif (through ffmpeg, started by argument list), in .png (the
   last state alone) or is a folder for frame_000000.png ...; the file or folder appears only when whole. frames (may be
   NULL) gets the number written. progress may be NULL: called with frames done and to do, a non-zero answer stops with
   ML3_ERR_INTERRUPTED. */
int ml3_view_record(const ml3_view_source *source, const char *path, const ml3_view_options *options,
                    int (*progress)(void *user, int done, int total), void *user, int *frames, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
