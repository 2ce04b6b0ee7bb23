/* How an experiment speaks to whoever runs it: the lab itself prints nothing and knows no terminal. Every function may be NULL,
   and so may the table: then nothing is said, and nothing interrupts. All are called from the thread that runs the experiment. */
#ifndef ML3_LAB_CALLBACKS_H
#define ML3_LAB_CALLBACKS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_lab_callbacks {
  void *user;
  void (*message)(void *user, const char *sentence); /* what a person should know; no line break at its end */

  /* Something that takes long, such as learning an expert: how many steps it has, how many are done, its end. */
  void (*begin)(void *user, const char *what, int64_t total);
  void (*progress)(void *user, int64_t done, const char *note);
  void (*end)(void *user);

  bool (*interrupted)(void *user); /* asked between steps; true: stop as soon as all is kept */
} ml3_lab_callbacks;

/* ---- for the lab: calls of a table that may lack them ---- */

void ml3_lab_message(const ml3_lab_callbacks *callbacks, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ml3_lab_begin(const ml3_lab_callbacks *callbacks, const char *what, int64_t total);
void ml3_lab_progress(const ml3_lab_callbacks *callbacks, int64_t done, const char *note);
void ml3_lab_end(const ml3_lab_callbacks *callbacks);
bool ml3_lab_interrupted(const ml3_lab_callbacks *callbacks);

#ifdef __cplusplus
}
#endif

#endif
