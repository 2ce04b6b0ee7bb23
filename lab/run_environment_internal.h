/* What run_environment*.c share: the manifest of a kept environment. */
#ifndef ML3_LAB_RUN_ENVIRONMENT_INTERNAL_H
#define ML3_LAB_RUN_ENVIRONMENT_INTERNAL_H

#include "lab/run_environment.h"

typedef struct kept_file {
  char *file;     /* below the folder of the copy */
  char *original; /* absolute */
  uint32_t original_sum, sum;
  size_t original_bytes, bytes; /* sum and bytes: of the copy, in which absolute references may be relative */
  char *source;                 /* what is copied: the original, or another run's copy. Not in the manifest */
  char *text;                   /* its content where it is not that of `source`; NULL else. Not in the manifest */
} kept_file;

struct ml3_lab_run_environment {
  char name[ML3_KEY_TEXT_MAX]; /* as the configuration has it */
  int count;
  kept_file *files; /* the first is the model */
};

#define ML3_LAB_ENVIRONMENT_FOLDER "environment"

ml3_lab_run_environment *environment_new(int count, ml3_error *error);

/* FOLDER/environment/FILE into path[ML3_LAB_PATH_MAX]; false when it is too long. */
bool environment_path(const char *folder, const char *file, char *path);

/* The manifest in that folder of a copy, FOLDER/manifest.json; *found is NULL when there is none. */
int environment_read(const char *folder, ml3_lab_run_environment **found, ml3_error *error);
int environment_write(const ml3_lab_run_environment *e, const char *folder, ml3_error *error);

typedef enum file_state { FILE_SAME, FILE_CHANGED, FILE_GONE } file_state;
file_state environment_file_state(const char *path, size_t bytes, uint32_t sum);

#endif
