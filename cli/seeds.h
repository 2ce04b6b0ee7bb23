/* One configuration trained under several seeds at once: a process and a run folder a seed. */
#ifndef ML3_CLI_SEEDS_H
#define ML3_CLI_SEEDS_H

#include "cli/options.h"

typedef struct cli_seeds {
  const ml3_lab_config *config; /* its seed is the first; the others follow */
  int count;
  const cli_options *options; /* as given: a run that goes on gets their --set again */
  const char *folder;         /* seed-S within, seeds.yaml, seeds.csv, seeds.md */
  const char *log;            /* as --log has it */
  bool resume, quiet;
  bool silent; /* no table on the terminal */
} cli_seeds;

enum { CLI_SEEDS_MAX = 1000 };

/* What a problem calls its numbers; success is "" where it has none. */
typedef struct cli_words {
  char success[64], task_loss[64];
} cli_words;

/* As summary.json of a run says; false when it has none. */
bool cli_words_read(cli_words *words, const char *folder);

/* Of a folder that goes on: refuses, before anything is written, when a seed is past the last step that is asked for. */
int cli_seeds_check(const cli_seeds *seeds, ml3_error *error);

/* Trains all, prints and writes the table over seeds. Each seed's files are the same bits as those of that seed trained
   alone. A seed that fails is named; the others go on. Interrupted, every seed keeps its checkpoint. */
int cli_seeds_train(const cli_seeds *seeds, ml3_error *error);

#endif
