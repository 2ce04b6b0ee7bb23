/* Several processes, ranks 0 .. count - 1, that work on one thing, item by item, and get the same bits as one would.

   What carries their messages is a table of two functions that somebody else fills in (cli/ranks.c does by MPI, a test by
   threads); everything else is built on these. A rank owns a run of neighbouring items. All ranks call the functions below
   in the same order; `ranks` may be NULL everywhere: there is one, and nothing is sent. */
#ifndef ML3_BASE_RANKS_H
#define ML3_BASE_RANKS_H

#include <stddef.h>

#include "base/error.h"
#include "base/real.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_ranks ml3_ranks; /* see below */
/* A rank's place among them, and what carries its messages. */
struct ml3_ranks {
  int rank, count;
  /* Messages between two ranks arrive whole and in order; both may wait for the other side. An error (a rank is gone) is
     for good: nothing is sent any more. */
  int (*send)(const ml3_ranks *ranks, int to, const void *data, size_t bytes, ml3_error *error);
  int (*receive)(const ml3_ranks *ranks, int from, void *data, size_t bytes, ml3_error *error);
  void *own; /* of the transport */
};

/* The first of `items` that the rank owns; those up to the next rank's first are its own. */
int ml3_ranks_first(const ml3_ranks *ranks, int rank, int items);
/* This rank's own: from *first up to *end. */
void ml3_ranks_own(const ml3_ranks *ranks, int items, int *first, int *end);
/* Whose item it is. */
int ml3_ranks_owner(const ml3_ranks *ranks, int item, int items);

/* data[bytes] becomes on every rank what it is on rank `from`: along a binomial tree, log2(count) messages deep. */
int ml3_ranks_broadcast(const ml3_ranks *ranks, int from, void *data, size_t bytes, ml3_error *error);

/* all[items][item_bytes]: every rank has filled its own and gets the others'. Gathered along a binomial tree, then
   broadcast. */
int ml3_ranks_share(const ml3_ranks *ranks, void *all, int items, size_t item_bytes, ml3_error *error);

/* rows[items][size]: every rank has filled its own; rows[0] becomes on every rank the sum of all. They are added by a
   pairwise tree over the items, 0+1, 2+3, ..., then (0+1)+(2+3), ...: the order, and so the bits, depend on their number
   alone. A rank adds up what is its own and passes on sums, log2(count) messages deep where the ranks are a power of two.
   The other rows are scratch afterwards; room[size] as well. */
int ml3_ranks_sum(const ml3_ranks *ranks, ml3_real *rows, int items, int size, ml3_real *room, int threads,
                  ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
