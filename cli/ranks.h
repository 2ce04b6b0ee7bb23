/* Ranks by MPI: `mpirun -n N ml3 train ...`. Only a process that a launcher has started as one of several touches MPI. */
#ifndef ML3_CLI_RANKS_H
#define ML3_CLI_RANKS_H

#include <stdbool.h>

#include "base/ranks.h"

/* How many processes a launcher (mpirun, srun) says there are; 1 without one. */
int cli_ranks_started(void);

/* Which of them this process is, from 0; -1 when the launcher does not say. MPI is not touched. */
int cli_ranks_number(void);

/* *ranks: the process's place among several; NULL when it is the only one. An error when there are several and this ml3 was
   built without MPI. */
int cli_ranks_open(const ml3_ranks **ranks, ml3_error *error);

/* Ends it. gone: a message did not arrive, or this rank alone has failed; the others, which may wait for it, are ended. */
void cli_ranks_close(const ml3_ranks *ranks, bool gone);

/* What is kept when a rank dies, for the sentence that is printed then: a run's folder, whose name must stay. */
void cli_ranks_keep(const ml3_ranks *ranks, const char *folder);

/* This rank's share of the machine's cores: what `threads: 0` means. */
int cli_ranks_threads(const ml3_ranks *ranks);

#endif
