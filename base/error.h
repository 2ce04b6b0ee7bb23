/* Errors are sentences: a code for the program, a message for the person.

   Every call that can fail takes an `ml3_error *` (which may be NULL) and returns 0 on success or the
   negative code it stored; calls that return a pointer return NULL. Nothing in the library exits the
   process or prints. */
#ifndef ML3_BASE_ERROR_H
#define ML3_BASE_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ML3_OK = 0,
  ML3_ERR_ARGUMENT = -1,    /* a value the caller or user gave is not acceptable */
  ML3_ERR_MEMORY = -2,      /* an allocation failed */
  ML3_ERR_IO = -3,          /* a file could not be read or written */
  ML3_ERR_FORMAT = -4,      /* a file is damaged or is something else */
  ML3_ERR_NUMERIC = -5,     /* a NaN, an infinity or a divergence */
  ML3_ERR_UNAVAILABLE = -6, /* the machine lacks something: a display, a program, a feature */
  ML3_ERR_INTERRUPTED = -7  /* stopped by the user */
};

/* What went wrong: a code and a sentence. */
typedef struct ml3_error {
  int code;
  char message[640];
} ml3_error;

/* Stores code and message in e (unless e is NULL) and returns code. */
int ml3_error_set(ml3_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts a prefix before the message already in e: "prefix: message". Returns the code in e. */
int ml3_error_prefix(ml3_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The candidate nearest to word by edit distance, or NULL when none is close enough to suggest.
   candidates[count]; the pointer returned is one of them. */
const char *ml3_error_nearest(const char *word, const char *const *candidates, int count);

#ifdef __cplusplus
}
#endif

#endif
