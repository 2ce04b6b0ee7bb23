/* One configuration trained under several seeds: a run folder a seed, and a table over them (lab/results.h). */
#ifndef ML3_CLI_SEEDS_H
#define ML3_CLI_SEEDS_H

#include "cli/jobs.h"
#include "lab/results.h"

typedef struct cli_seeds {
  const ml3_lab_config *config; /* its seed is the first; the others follow */
  ml3_lab_seeds of;             /* seed-S within its folder, and seeds.yaml, seeds.csv, seeds.md */
  const char *const *sets;      /* "key=value"[set_count], as given: a run that goes on gets them again */
  int set_count;
  bool resume;
} cli_seeds;

enum { CLI_SEEDS_MAX = 1000 };

/* Of a folder that goes on: refuses, before anything is written, when a seed is past the last step that is asked for. */
int cli_seeds_check(const cli_seeds *seeds, ml3_error *error);

/* Writes seeds.yaml and adds a job a seed. */
int cli_seeds_add(const cli_seeds *seeds, cli_jobs *jobs, ml3_error *error);

/* The table over the seeds whose jobs[count] went well, as seeds.csv and seeds.md; printed, too, unless `silent`. */
int cli_seeds_report(const cli_seeds *seeds, const cli_job *jobs, bool silent, ml3_error *error);

/* Trains all, then the table. A seed that fails is named; the others go on. Interrupted, every seed keeps its checkpoint. */
int cli_seeds_train(const cli_seeds *seeds, const char *log_formats, bool quiet, ml3_error *error);

#endif
