/* Ranks by MPI: see ranks.h. Built without it (ML3_MPI), there is only the sentence that says so.

   A message is sent and received by asking for it again and again, so that there is a word when it is not to come: a launcher
   tells all ranks to end when one has died, and kills them soon after (Open MPI in a second). */
#define _POSIX_C_SOURCE 200809L
#include "cli/ranks.h"
#include "cli/interrupt.h"

#include <limits.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/experiment.h"

int cli_ranks_started(void) {
  static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE"};
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    if (getenv(variables[i])) return atoi(getenv(variables[i]));
  const char *tasks = getenv("PMIX_RANK") ? getenv("SLURM_NTASKS") : NULL; /* srun --mpi=pmix */
  return tasks ? atoi(tasks) : 1;
}

int cli_ranks_number(void) {
  static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    if (getenv(variables[i])) return atoi(getenv(variables[i]));
  return -1;
}

#ifdef ML3_MPI
#include <mpi.h>

enum { TAG = 3 };
static const double TELL_S = 0.2, LONGEST_S = 20; /* from when the job was told to end; the others may be at work yet */

static int failed(int peer, const char *why, ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "no message passes between this rank and rank %d any more: %s", peer,
                       why);
}

static void tell(const ml3_ranks *ranks, int peer) {
  if (ranks->rank > 1 || (ranks->rank == 1 && peer > 0))
    return; /* one voice: the first, and another if that has died */
  fprintf(
      stderr,
      "ml3 train: rank %d of %d was told to end while it waits for rank %d: a rank has died, or the job was stopped.\n"
      "The last checkpoint is kept; go on with `ml3 train --resume %s`, on any number of ranks\n",
      ranks->rank, ranks->count, peer, ranks->own ? (const char *)ranks->own : "RUN");
}

/* Until the request is done. */
static int finish(const ml3_ranks *ranks, MPI_Request *request, MPI_Status *status, int peer, ml3_error *error) {
  double stopped_s = 0;
  bool said = false;
  for (int done = 0;;) {
    int code = MPI_Test(request, &done, status);
    if (code != MPI_SUCCESS) {
      char text[MPI_MAX_ERROR_STRING];
      int length;
      MPI_Error_string(code, text, &length);
      return failed(peer, text, error);
    }
    if (done) return ML3_OK;
    if (cli_interrupted()) {
      const double now = ml3_clock_s();
      if (stopped_s == 0) stopped_s = now;
      if (!said && now - stopped_s > TELL_S) said = true, tell(ranks, peer);
      if (now - stopped_s > LONGEST_S) return failed(peer, "a rank has died, or the job was stopped", error);
    }
    sched_yield(); /* there may be more ranks than cores */
  }
}

static int send(const ml3_ranks *ranks, int to, const void *data, size_t bytes, ml3_error *error) {
  MPI_Request request;
  if (bytes > INT_MAX) return failed(to, "a message of more than 2 GB", error);
  if (MPI_Isend(data, (int)bytes, MPI_BYTE, to, TAG, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
    return failed(to, "it cannot be reached", error);
  return finish(ranks, &request, MPI_STATUS_IGNORE, to, error);
}

static int receive(const ml3_ranks *ranks, int from, void *data, size_t bytes, ml3_error *error) {
  MPI_Request request;
  MPI_Status status;
  int came = 0;
  if (bytes > INT_MAX) return failed(from, "a message of more than 2 GB", error);
  if (MPI_Irecv(data, (int)bytes, MPI_BYTE, from, TAG, MPI_COMM_WORLD, &request) != MPI_SUCCESS)
    return failed(from, "it cannot be reached", error);
  int code = finish(ranks, &request, &status, from, error);
  if (code != ML3_OK) return code;
  MPI_Get_count(&status, MPI_BYTE, &came);
  return came == (int)bytes ? ML3_OK : failed(from, "it is at another step of the work; it must have failed", error);
}

int cli_ranks_open(const ml3_ranks **ranks, ml3_error *error) {
  *ranks = NULL;
  if (cli_ranks_started() <= 1) return ML3_OK;
  ml3_ranks *all = calloc(1, sizeof *all);
  if (!all) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for ranks");
  if (MPI_Init(NULL, NULL) != MPI_SUCCESS) {
    free(all);
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "MPI cannot be started");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  cli_catch_interrupts(); /* as before MPI_Init */
  MPI_Comm_rank(MPI_COMM_WORLD, &all->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &all->count);
  all->send = send, all->receive = receive;
  *ranks = all;
  return ML3_OK;
}

void cli_ranks_keep(const ml3_ranks *ranks, const char *folder) {
  if (ranks) ((ml3_ranks *)ranks)->own = (char *)folder;
}

void cli_ranks_close(const ml3_ranks *ranks, bool gone) {
  if (!ranks) return;
  if (gone) MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Finalize();
  free((ml3_ranks *)ranks);
}

#else

int cli_ranks_open(const ml3_ranks **ranks, ml3_error *error) {
  const int count = cli_ranks_started();
  *ranks = NULL;
  if (count <= 1) return ML3_OK;
  return ml3_error_set(
      error, ML3_ERR_UNAVAILABLE,
      "%d processes were started, but this ml3 was built without MPI, and each would do the same; start "
      "one, or build with cmake -DML3_MPI=ON",
      count);
}

void cli_ranks_close(const ml3_ranks *ranks, bool gone) {
  (void)ranks, (void)gone;
}

void cli_ranks_keep(const ml3_ranks *ranks, const char *folder) {
  (void)ranks, (void)folder;
}

#endif

/* A launcher may have bound the process to some cores; where it has not, those of this machine's ranks are shared out. */
int cli_ranks_threads(const ml3_ranks *ranks) {
  const char *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  const int cores = omp_get_max_threads(), share = here ? atoi(here) : 1;
  if (!ranks || getenv("OMP_NUM_THREADS") || share < 1 || omp_get_num_procs() < sysconf(_SC_NPROCESSORS_ONLN))
    return cores;
  return cores / share > 1 ? cores / share : 1;
}
