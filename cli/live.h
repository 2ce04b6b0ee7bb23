/* What the viewer shows of a run or an environment, alive: policies that act, and learn while one looks on. */
#ifndef ML3_CLI_LIVE_H
#define ML3_CLI_LIVE_H

#include "cli/options.h"
#include "lab/experiment.h"
#include "viewer/viewer.h"

typedef struct cli_live cli_live;

/* Which policies of a run are shown. */
typedef enum cli_cast {
  CLI_CAST_LEARNERS, /* for a window: two learners, by the learned loss and by the baseline, beside what they are compared with */
  CLI_CAST_COMPARISON /* for a recording: untrained, the learned loss after each number of updates, the baseline, iLQR */
} cli_cast;

/* A run's held-out tasks. Freed by cli_live_free. */
cli_live *cli_live_of_run(const char *folder, const cli_options *options, cli_cast cast, ml3_error *error);
/* An environment alone: random actions, none, and iLQR where the goal is a state. */
cli_live *cli_live_of_environment(const char *name, ml3_error *error);
/* The policy of a run (`ml3 train --set method=ppo`) or of a FILE.safetensors, in that environment (NULL: the run's; see
   lab/policy_open.h), beside what an environment alone shows. */
cli_live *cli_live_of_policy(const char *file, const char *environment, const cli_options *options, ml3_error *error);
/* One more to look at: the policy of that run, of the same environment. */
int cli_live_add(cli_live *live, const char *folder, ml3_error *error);
/* A training that goes on in that run's folder: waits until it has kept something to show ... */
int cli_live_wait(const char *folder, ml3_error *error);
/* ... and has `live`, which shows it, keep up with it. */
int cli_live_follow(cli_live *live, const char *folder, ml3_error *error);
void cli_live_free(cli_live *live);

const ml3_view_source *cli_live_source(const cli_live *live);
const char *cli_live_title(const cli_live *live);

#endif
