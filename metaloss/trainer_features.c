/* How the loss's inputs are normalised: mean 0 and deviation 1 of what its network sees, over the first tasks or over
   everything seen so far. Sums are added in the tasks' order, in double: the same bits on any number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/trainer_internal.h"

/* Which columns of the features the network sees. */
static int column_of(const ml3_loss_spec *spec, int input) {
  return ml3_loss_features(spec) == spec->net.inputs ? input : spec->columns[input];
}

/* Shift and scale from the running moments; a constant gets scale 1. */
static void set_scale(ml3_trainer *t) {
  const running *r = &t->running;
  for (int c = 0; c < t->loss->spec.net.inputs; c++) {
    const double variance = r->squares[c] / r->count;
    t->loss->shift[c] = (ml3_real)r->mean[c];
    t->loss->scale[c] = (ml3_real)(variance > 1e-12 ? 1 / sqrt(variance) : 1);
  }
}

/* One row into the running moments (Welford 1962). */
static void add_row(running *r, const ml3_loss_spec *spec, const ml3_real *row) {
  r->count++;
  for (int c = 0; c < spec->net.inputs; c++) {
    const double x = row[column_of(spec, c)], off = x - r->mean[c];
    r->mean[c] += off / r->count;
    r->squares[c] += off * (x - r->mean[c]);
  }
}

int ml3_trainer_first_features(ml3_trainer *t, ml3_error *error) {
  const ml3_problem *p = t->problem;
  const int rows = ml3_meta_rows(t->meta);
  const size_t cols = (size_t)p->features;
  ml3_real *features = calloc((size_t)rows * cols, sizeof *features);
  int code = features ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to look at the features");
  for (int i = 0; i < ML3_TRAINER_FIRST_TASKS && code == ML3_OK; i++) {
    batch_task *b = &t->train.items[0];
    ml3_random random;
    code = ml3_trainer_draw(t, ML3_DRAWS_FIRST_FEATURES, i, 0, b, &random, error);
    if (code == ML3_OK) code = ml3_meta_features(t->works[0], b->task, b->theta, &random, features, error);
    for (int r = 0; r < rows && code == ML3_OK; r++) add_row(&t->running, &t->loss->spec, features + (size_t)r * cols);
  }
  free(features);
  if (code != ML3_OK) return code;
  for (int c = 0; c < t->loss->spec.net.inputs; c++)
    if (!isfinite(t->running.mean[c]) || !isfinite(t->running.squares[c]))
      return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': feature '%s' of the first %d tasks is not finite",
                           p->name, t->loss->names[column_of(&t->loss->spec, c)], ML3_TRAINER_FIRST_TASKS);
  set_scale(t);
  return ML3_OK;
}

void ml3_trainer_clear_moments(const batch_task *b, const ml3_loss *loss) {
  if (b->moments) memset(b->moments, 0, (2 * (size_t)loss->spec.net.inputs + 1) * sizeof *b->moments);
}

void ml3_trainer_add_moments(const batch_task *b, const ml3_meta_work *work) {
  if (!b->moments) return;
  const double *sums, *squares;
  const double rows = (double)ml3_meta_moments(work, &sums, &squares);
  const int inputs = (int)(squares - sums);
  for (int i = 0; i < 2 * inputs; i++) b->moments[i] += sums[i];
  b->moments[2 * inputs] += rows;
}

void ml3_trainer_merge_moments(ml3_trainer *t) {
  const int inputs = t->loss->spec.net.inputs;
  running *r = &t->running;
  double total[2 * ML3_LOSS_MAX_FEATURES + 1] = {0};
  for (int i = 0; i < t->train.count; i += t->train.unit)
    for (int j = 0; j <= 2 * inputs; j++) total[j] += t->train.items[i].moments[j];
  const double n = total[2 * inputs], count = r->count + n;
  if (n == 0) return;

  for (int c = 0; c < inputs; c++) { /* the parallel form of Chan, Golub and LeVeque 1979 */
    const double scale = t->loss->scale[c], seen = total[c] / n;
    const double mean = t->loss->shift[c] + seen / scale,
                 squares = (total[inputs + c] - n * seen * seen) / (scale * scale);
    const double off = mean - r->mean[c];
    r->mean[c] += off * n / count;
    r->squares[c] += fmax(squares, 0) + off * off * r->count * n / count;
  }
  r->count = count;
  set_scale(t);
}
