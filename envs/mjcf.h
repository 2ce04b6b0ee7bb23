/* Loading MJCF from text, on every MuJoCo from 2.2.2 on; shared by the simulated environments and the
   viewer. Internal: the types are MuJoCo's, declared here only by name. */
#ifndef ML3_ENVS_MJCF_H
#define ML3_ENVS_MJCF_H

#include <stdbool.h>

#include "base/error.h"

struct mjModel_;
struct mjData_;

/* The compiled model of an MJCF text, which starts with '<', or else of the file of that name; NULL with MuJoCo's own
   words in the message. Freed by mj_deleteModel. May be called from any thread. */
struct mjModel_ *ml3_mjcf_load(const char *xml, ml3_error *error);

/* Data for the model, or NULL with a message. Freed by mj_deleteData. */
struct mjData_ *ml3_mjcf_data(const struct mjModel_ *model, ml3_error *error);

/* What MuJoCo said during a call: the last warning, and the error it gave up with; "" where there was none. */
typedef struct ml3_mjcf_said {
  char warning[192], error[448];
} ml3_mjcf_said;

/* Makes the call; false when MuJoCo gave up in it (its stack is full, say), which would otherwise end the process. What the
   call has made is lost then, and data must be reset by ml3_mjcf_clear. No lock and no allocation: for hot paths, on any
   thread. Where the program has handlers of its own, those hear MuJoCo instead. */
bool ml3_mjcf_try(void (*call)(void *user), void *user, ml3_mjcf_said *said);

/* mj_resetData, after a call that failed too. */
bool ml3_mjcf_clear(const struct mjModel_ *model, struct mjData_ *data, ml3_mjcf_said *said);

/* Makes the call while MuJoCo's errors come back as a sentence, "MuJoCo cannot DOING: ...", instead of ending the process. What
   the call has made before an error is lost. */
int ml3_mjcf_guard(void (*call)(void *user), void *user, const char *doing, ml3_error *error);

/* Only this force (N) acts from now on at that point[3] of a body; a body that is not there, or force 0: none. */
void ml3_mjcf_push(const struct mjModel_ *model, struct mjData_ *data, int body, const double *point,
                   const double *force);

#endif
