/* What messages between ranks cost: `mpirun -n R bench_ranks_messages [SIZE ITEMS]`. The first rank prints a line each:

     latency_us       half the time there and back of a message of 8 bytes, between rank 0 and the last one
     bandwidth_MB_s   from messages of 1 MB, the same way
     sum_us           ml3_ranks_sum of ITEMS gradients of SIZE numbers, all ranks
     share_us         ml3_ranks_share of 16 bytes a task, four tasks an item
     broadcast_us     ml3_ranks_broadcast of 4 bytes */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/interrupt.h"
#include "cli/ranks.h"

/* What cli/ranks.c asks of the command. */
bool cli_interrupted(void) {
  return false;
}
void cli_catch_interrupts(void) {
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int code, const ml3_error *error) {
  if (code == ML3_OK) return;
  fprintf(stderr, "bench_ranks_messages: %s\n", error->message);
  exit(1);
}

/* Seconds of a message one way. */
static double one_way(const ml3_ranks *r, char *data, size_t bytes, int times) {
  const int last = r->count - 1;
  ml3_error error;
  double begin = 0;
  for (int i = -times / 10 - 1; i < times; i++) {
    if (i == 0) begin = now_s();
    if (r->rank == 0) {
      must(r->send(r, last, data, bytes, &error), &error);
      must(r->receive(r, last, data, bytes, &error), &error);
    } else if (r->rank == last) {
      must(r->receive(r, 0, data, bytes, &error), &error);
      must(r->send(r, 0, data, bytes, &error), &error);
    }
  }
  return (now_s() - begin) / times / 2;
}

typedef struct buffers {
  ml3_real *rows, *room;
  double *told;
  int items, size;
} buffers;

static int sum(const ml3_ranks *r, buffers *b, ml3_error *error) {
  return ml3_ranks_sum(r, b->rows, b->items, b->size, b->room, 1, error);
}

static int share(const ml3_ranks *r, buffers *b, ml3_error *error) {
  return ml3_ranks_share(r, b->told, b->items, 8 * sizeof *b->told, error);
}

static int word(const ml3_ranks *r, buffers *b, ml3_error *error) {
  return ml3_ranks_broadcast(r, 0, b->told, 4, error);
}

static double mean_s(const ml3_ranks *r, int (*what)(const ml3_ranks *, buffers *, ml3_error *), buffers *b, int times) {
  ml3_error error;
  double begin = 0;
  for (int i = -times / 10 - 1; i < times; i++) {
    if (i == 0) begin = now_s();
    must(what(r, b, &error), &error);
    must(share(r, &(buffers){.told = b->told, .items = r->count}, &error), &error); /* all wait for all */
  }
  return (now_s() - begin) / times;
}

static int nothing(const ml3_ranks *r, buffers *b, ml3_error *error) {
  (void)r, (void)b, (void)error;
  return ML3_OK;
}

int main(int argc, char **argv) {
  enum { LARGE = 1 << 20 };
  const ml3_ranks *r;
  ml3_error error;
  must(cli_ranks_open(&r, &error), &error);
  if (!r) return fprintf(stderr, "bench_ranks_messages: start it by mpirun -n 2 or more\n"), 1;
  buffers b = {.size = argc > 1 ? atoi(argv[1]) : 1761, .items = argc > 2 ? atoi(argv[2]) : 8};
  char *data = calloc(1, LARGE);
  b.rows = calloc((size_t)(b.items > r->count ? b.items : r->count) * (size_t)b.size, sizeof *b.rows);
  b.room = calloc((size_t)b.size, sizeof *b.room);
  b.told = calloc((size_t)(b.items > r->count ? b.items : r->count) * 8, sizeof *b.told);
  if (!data || !b.rows || !b.room || !b.told) return fprintf(stderr, "bench_ranks_messages: no memory\n"), 1;

  const double latency = one_way(r, data, 8, 2000), large = one_way(r, data, LARGE, 100);
  const double pace = mean_s(r, nothing, &b, 500);
  const double sums = mean_s(r, sum, &b, 500) - pace, shares = mean_s(r, share, &b, 500) - pace,
               words = mean_s(r, word, &b, 500) - pace;
  if (r->rank == 0) {
    printf("latency_us %.2f\nbandwidth_MB_s %.0f\n", 1e6 * latency, 1e-6 * LARGE / (large - latency));
    printf("sum_us %.1f\nshare_us %.1f\nbroadcast_us %.1f\n", 1e6 * sums, 1e6 * shares, 1e6 * words);
  }
  free(data);
  free(b.rows);
  free(b.room);
  free(b.told);
  cli_ranks_close(r, false);
  return 0;
}
