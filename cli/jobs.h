/* Many runs over the cores: each is `ml3 train` in a process of its own, so that nothing is shared and its bits are those of a
   run trained alone. */
#ifndef ML3_CLI_JOBS_H
#define ML3_CLI_JOBS_H

#include <sys/types.h>

#include "lab/config.h"
#include "lab/run_folder.h"

typedef struct cli_job {
  const ml3_lab_config *config;  /* but for the seed */
  char file[ML3_LAB_PATH_MAX];   /* the configuration that a new run begins with */
  char folder[ML3_LAB_PATH_MAX]; /* of the run */
  char log[ML3_LAB_PATH_MAX];    /* what it says; removed when all went well */
  long long seed;
  const char *const *sets; /* "key=value"[set_count], which a run that goes on gets again */
  int set_count;
  bool resume; /* goes on where the folder is a run; one that is finished stays as it is */
  pid_t child; /* 0: not started, -1: ended */
  int code;    /* its exit code */
} cli_job;

typedef struct cli_jobs {
  cli_job *list;
  int count, capacity;
  const char *what;        /* for the progress line */
  const char *log_formats; /* as --log has it */
  int cores;               /* to share out; 0: all */
  bool quiet;
} cli_jobs;

/* Room for one more, of zeros; NULL with a sentence. */
cli_job *cli_jobs_add(cli_jobs *jobs, ml3_error *error);
void cli_jobs_free(cli_jobs *jobs);

/* Runs all, as many at once as there are cores. A job that fails keeps its code; the others go on. Ctrl-C is passed on, every
   run that has begun keeps its checkpoint, and it is ML3_ERR_INTERRUPTED. */
int cli_jobs_run(cli_jobs *jobs, ml3_error *error);

/* Of jobs[count]: an error that names how many failed and what the first said; logs of the others are removed. */
int cli_jobs_check(const cli_job *jobs, int count, ml3_error *error);

#endif
