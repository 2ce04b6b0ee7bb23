/* How an experiment speaks to whoever runs it: the lab itself prints nothing and knows no terminal. Every function may be NULL,
   and so may the table: then nothing is said, and nothing interrupts. All are called from the thread that runs the experiment. */
#ifndef ML3_LAB_CALLBACKS_H
#define ML3_LAB_CALLBACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a validation found: means over its tasks; NAN where a problem has no such thing. */
typedef struct ml3_lab_validation {
  int64_t step; /* outer steps done */
  double objective, task_loss, success, distance, median_distance;
  bool has_distance, has_success;               /* the problem has a distance to a goal, and a success */
  double model_step_error, model_horizon_error; /* of a learned model: as a share of a step's change; at the end */
  int failed, tasks;
  bool is_best; /* this loss is the best so far, and is kept */
} ml3_lab_validation;

/* What is called, and with what. */
typedef struct ml3_lab_callbacks {
  void *user;
  void (*message)(void *user, const char *sentence); /* what a person should know; no line break at its end */
  void (*detail)(void *user, const char *sentence);  /* what only somebody who looks for it wants to know */
  void (*idle)(void *user, const char *setting);     /* a setting without an effect: "extra.goal, which needs ..." */

  /* Something that takes long, such as learning an expert: how many steps it has, how many are done, its end. */
  void (*begin)(void *user, const char *what, int64_t total);
  void (*progress)(void *user, int64_t done, const char *note);
  void (*end)(void *user);

  /* A training: its folder is made and its first step comes next; a line of metrics.csv (values[count], NAN: left out); a
     validation; all is learned and in the folder but summary.json, which makes it whole: the time to add a picture. */
  void (*training)(void *user, const char *folder);
  void (*metrics)(void *user, int64_t step, const char *const *names, const double *values, int count);
  void (*validation)(void *user, const ml3_lab_validation *found);
  void (*learned)(void *user, const char *folder);

  bool (*interrupted)(void *user); /* asked between steps; true: stop as soon as all is kept */
} ml3_lab_callbacks;

struct ml3_env_warnings; /* envs/env.h */

/* ---- for the lab: calls of a table that may lack them ---- */

/* A formatted sentence to `message`. */
void ml3_lab_message(const ml3_lab_callbacks *callbacks, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for `detail`. */
void ml3_lab_detail(const ml3_lab_callbacks *callbacks, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What MuJoCo warned of, a message a kind; *said (may be NULL) are the kinds that have been said, as bits. */
void ml3_lab_warn(const ml3_lab_callbacks *callbacks, const ml3_env_warnings *warnings, unsigned *said);
/* begin, progress and end. */
void ml3_lab_begin(const ml3_lab_callbacks *callbacks, const char *what, int64_t total);
void ml3_lab_progress(const ml3_lab_callbacks *callbacks, int64_t done, const char *note); /* done: steps so far */
void ml3_lab_end(const ml3_lab_callbacks *callbacks);                                      /* of what began last */
/* The same for who asks so, user: the table; non-zero when interrupted. */
int ml3_lab_work(void *user, int done, int total);
bool ml3_lab_interrupted(const ml3_lab_callbacks *callbacks); /* false where there is no such function */

#ifdef __cplusplus
}
#endif

#endif
