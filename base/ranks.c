/* Broadcast, gathering and sums over ranks, from sending and receiving: see ranks.h. */
#include "base/ranks.h"
#include "base/threads.h"

/* ---- who owns what ---------------------------------------------------------------------------------------- */

/* Rounded up: the first rank has something whenever there is anything. */
int ml3_ranks_first(const ml3_ranks *ranks, int rank, int items) {
  return ranks ? (int)(((long long)rank * items + ranks->count - 1) / ranks->count) : rank * items;
}

void ml3_ranks_own(const ml3_ranks *ranks, int items, int *first, int *end) {
  *first = ranks ? ml3_ranks_first(ranks, ranks->rank, items) : 0;
  *end = ranks ? ml3_ranks_first(ranks, ranks->rank + 1, items) : items;
}

int ml3_ranks_owner(const ml3_ranks *ranks, int item, int items) {
  return ranks ? (int)((long long)item * ranks->count / items) : 0;
}

/* ---- the same for all -------------------------------------------------------------------------------------- */

int ml3_ranks_broadcast(const ml3_ranks *ranks, int from, void *data, size_t bytes, ml3_error *error) {
  if (!ranks || bytes == 0) return ML3_OK;
  const int count = ranks->count, place = (ranks->rank - from + count) % count; /* the sender's is 0 */
  int code = ML3_OK, step = 1;
  while (step < count && !(place & step)) step *= 2;
  if (place) code = ranks->receive(ranks, (place - step + from) % count, data, bytes, error);
  for (step /= 2; step > 0 && code == ML3_OK; step /= 2)
    if (place + step < count) code = ranks->send(ranks, (place + step + from) % count, data, bytes, error);
  return code;
}

/* The items of ranks `first` up to `end` (or the last one). */
static char *part(const ml3_ranks *ranks, char *all, int items, size_t item_bytes, int first, int end, size_t *bytes) {
  const int from = ml3_ranks_first(ranks, first, items),
            to = ml3_ranks_first(ranks, end < ranks->count ? end : ranks->count, items);
  *bytes = (size_t)(to - from) * item_bytes;
  return all + (size_t)from * item_bytes;
}

int ml3_ranks_share(const ml3_ranks *ranks, void *all, int items, size_t item_bytes, ml3_error *error) {
  int code = ML3_OK;
  size_t bytes;
  if (!ranks) return ML3_OK;
  for (int step = 1; step < ranks->count && code == ML3_OK; step *= 2) {
    const int me = ranks->rank;
    if (me & step) {
      const char *mine = part(ranks, all, items, item_bytes, me, me + step, &bytes);
      if (bytes) code = ranks->send(ranks, me - step, mine, bytes, error);
      break;
    }
    char *theirs = part(ranks, all, items, item_bytes, me + step, me + 2 * step, &bytes);
    if (me + step < ranks->count && bytes) code = ranks->receive(ranks, me + step, theirs, bytes, error);
  }
  return code == ML3_OK ? ml3_ranks_broadcast(ranks, 0, all, (size_t)items * item_bytes, error) : code;
}

/* ---- sums ---------------------------------------------------------------------------------------------------- */

static void add(ml3_real *to, const ml3_real *from, int size, int threads) {
#pragma omp parallel for num_threads(ml3_threads(threads)) schedule(static) if (size > 20000)
  for (int j = 0; j < size; j++) to[j] += from[j];
}

/* All ranks go through the pairs in one order, and so never wait for each other in a circle. */
int ml3_ranks_sum(const ml3_ranks *ranks, ml3_real *rows, int items, int size, ml3_real *room, int threads,
                  ml3_error *error) {
  const size_t bytes = (size_t)size * sizeof *rows;
  const int me = ranks ? ranks->rank : 0;
  int code = ML3_OK;
  for (int stride = 1; stride < items; stride *= 2)
    for (int i = 0; i + stride < items && code == ML3_OK; i += 2 * stride) {
      ml3_real *left = rows + (size_t)i * (size_t)size, *right = rows + (size_t)(i + stride) * (size_t)size;
      const int to = ml3_ranks_owner(ranks, i, items), from = ml3_ranks_owner(ranks, i + stride, items);
      if (to == me && from != me) code = ranks->receive(ranks, from, right = room, bytes, error);
      if (from == me && to != me) code = ranks->send(ranks, to, right, bytes, error);
      if (to == me && code == ML3_OK) add(left, right, size, threads);
    }
  return code == ML3_OK ? ml3_ranks_broadcast(ranks, 0, rows, bytes, error) : code;
}
