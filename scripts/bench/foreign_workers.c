/* Steps a second of an environment of others in a batch: bench_foreign NAME ROWS STEPS REPEATS prints the best of the repeats,
   in microseconds a step. Episodes end and begin in it, as in the Python loop beside it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "envs/batch.h"

typedef struct room {
  ml3_real *obs, *actions, *rewards;
  bool *terminated, *truncated;
} room;

static double measure(ml3_env_batch *b, const ml3_env_spec *spec, room *r, int rows, int steps, ml3_error *error) {
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_USER, 0, 0);
  double action[spec->action_dim];
  ml3_env_batch_reset(b, r->obs);
  const double begun = ml3_clock_s();
  for (int t = 0; t < steps / rows; t++) {
    for (int i = 0; i < rows; i++) {
      ml3_env_draw_action(spec, &random, action);
      for (int k = 0; k < spec->action_dim; k++) r->actions[i * spec->action_dim + k] = (ml3_real)action[k];
    }
    if (ml3_env_batch_step(b, r->actions, r->obs, r->rewards, r->terminated, r->truncated, NULL, error) != ML3_OK)
      return -1;
  }
  return (ml3_clock_s() - begun) / (steps / rows * rows) * 1e6;
}

int main(int argc, char **argv) {
  ml3_error error = {0};
  if (argc != 5) return fprintf(stderr, "usage: bench_foreign NAME ROWS STEPS REPEATS\n"), 2;
  const int rows = atoi(argv[2]), steps = atoi(argv[3]), repeats = atoi(argv[4]);
  const ml3_env_spec *spec = ml3_env_find(argv[1], &error);
  ml3_env_batch *b = spec ? ml3_env_batch_new(spec, rows, 0, 0, true, &error) : NULL;
  if (!b) return fprintf(stderr, "bench_foreign: %s\n", error.message), 1;
  room r = {calloc((size_t)(rows * spec->obs_dim), sizeof *r.obs),
            calloc((size_t)(rows * spec->action_dim), sizeof *r.obs), calloc((size_t)rows, sizeof *r.obs),
            calloc((size_t)rows, 1), calloc((size_t)rows, 1)};
  double best = 1e30;
  for (int i = 0; i < repeats && error.code == ML3_OK; i++) {
    const double us = measure(b, spec, &r, rows, steps, &error);
    if (us < best) best = us;
  }
  if (error.code != ML3_OK) return fprintf(stderr, "bench_foreign: %s\n", error.message), 1;
  printf("%.2f\n", best);
  ml3_env_batch_free(b);
  free(r.obs), free(r.actions), free(r.rewards), free(r.terminated), free(r.truncated);
  return 0;
}
