/* Tasks from a table: see tables.h. Its rows are put into three pools, one a split; a pool is a list of groups of rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/tables.h"

typedef struct table {
  ml3_dataset *dataset;
  int outputs;   /* of the model */
  int *rows;     /* all rows, group by group */
  int *first;    /* [groups + 1] where each group's rows begin */
  int *order;    /* [groups] group numbers, those of each split together */
  int splits[4]; /* split s has groups order[splits[s]] .. order[splits[s + 1] - 1] */
} table;

/* ---- drawing ------------------------------------------------------------------------------------------------------ */

static void put(const table *t, int row, ml3_samples *to, int at) {
  const ml3_dataset *d = t->dataset;
  memcpy(to->x + (size_t)at * (size_t)d->inputs, d->x + (size_t)row * (size_t)d->inputs,
         (size_t)d->inputs * sizeof *to->x);
  ml3_real *y = to->y + (size_t)at * (size_t)t->outputs;
  if (!d->classes) memcpy(y, d->y + (size_t)row * (size_t)d->outputs, (size_t)d->outputs * sizeof *y);
  for (int i = 0; i < d->classes; i++) y[i] = i == (int)d->y[row];
}

/* Different rows of a random group: the first steps of a Fisher-Yates shuffle, which remembers only what it moved. */
static void draw_task(const void *user, ml3_split split, ml3_random *random, ml3_samples *inner, ml3_samples *outer,
                      ml3_samples *extra) {
  const table *t = user;
  const int groups = t->splits[split + 1] - t->splits[split];
  const int group = t->order[t->splits[split] + (int)ml3_random_below(random, (uint32_t)groups)];
  const int *rows = t->rows + t->first[group], n = t->first[group + 1] - t->first[group];
  const int count = inner->points + outer->points;
  (void)extra;
  int moved_at[4096], moved_to[4096], moved = 0;
  for (int k = 0; k < count; k++) {
    int pick = k + (int)ml3_random_below(random, (uint32_t)(n - k)), at_pick = pick, at_k = k, found = -1;
    for (int i = 0; i < moved; i++) {
      if (moved_at[i] == pick) at_pick = moved_to[i], found = i;
      if (moved_at[i] == k) at_k = moved_to[i];
    }
    if (found < 0) found = moved++, moved_at[found] = pick;
    moved_to[found] = at_k;
    put(t, rows[at_pick], k < inner->points ? inner : outer, k < inner->points ? k : k - inner->points);
  }
}

/* ---- splitting ---------------------------------------------------------------------------------------------------- */

static void free_table(void *user) {
  table *t = user;
  if (!t) return;
  ml3_dataset_free(t->dataset);
  free(t->rows);
  free(t->first);
  free(t->order);
  free(t);
}

static void shuffle(int *x, int n, ml3_random *random) {
  for (int i = n - 1; i > 0; i--) {
    int other = (int)ml3_random_below(random, (uint32_t)i + 1), keep = x[i];
    x[i] = x[other];
    x[other] = keep;
  }
}

/* How many of n things each split gets; at least one. */
static int share_out(const ml3_table_settings *s, int n, int *counts, ml3_error *error) {
  const bool sane = s->validation_share > 0 && s->test_share > 0 && s->validation_share + s->test_share < 1;
  if (!sane || n < 3)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "shares of %g for validation and %g for test of %d: both must be positive, their sum below 1, and "
        "there must be three at least",
        s->validation_share, s->test_share, n);
  counts[ML3_SPLIT_VALIDATION] = (int)fmax(1, round(s->validation_share * n));
  counts[ML3_SPLIT_TEST] = (int)fmax(1, round(s->test_share * n));
  counts[ML3_SPLIT_TRAIN] = n - counts[1] - counts[2];
  if (counts[ML3_SPLIT_TRAIN] < 1) counts[ML3_SPLIT_TRAIN] = counts[1] = 1, counts[2] = n - 2;
  return ML3_OK;
}

/* Groups of a task column: whole groups go to a split. */
static int split_groups(table *t, const ml3_table_settings *s, ml3_random *random, ml3_error *error) {
  const ml3_dataset *d = t->dataset;
  int counts[3];
  int code = share_out(s, d->groups, counts, error);
  if (code != ML3_OK) return ml3_error_prefix(error, "the tasks of the table");
  for (int r = 0; r < d->rows; r++) t->first[d->group[r] + 1]++;
  for (int g = 0; g < d->groups; g++) {
    t->order[g] = t->first[g]; /* where its next row goes */
    t->first[g + 1] += t->first[g];
  }
  for (int r = 0; r < d->rows; r++) t->rows[t->order[d->group[r]]++] = r;
  for (int g = 0; g < d->groups; g++) t->order[g] = g;
  shuffle(t->order, d->groups, random);
  for (int i = 0; i < 3; i++) t->splits[i + 1] = t->splits[i] + counts[i];
  return ML3_OK;
}

/* No task column: each split is one group of random rows. */
static int split_rows(table *t, const ml3_table_settings *s, ml3_random *random, ml3_error *error) {
  int counts[3];
  int code = share_out(s, t->dataset->rows, counts, error);
  if (code != ML3_OK) return ml3_error_prefix(error, "the rows of the table");
  for (int r = 0; r < t->dataset->rows; r++) t->rows[r] = r;
  shuffle(t->rows, t->dataset->rows, random);
  for (int i = 0; i < 3; i++) {
    t->order[i] = i;
    t->splits[i + 1] = i + 1;
    t->first[i + 1] = t->first[i] + counts[i];
  }
  return ML3_OK;
}

/* Mean 0 and deviation 1 of a column over the rows of meta-training; a constant is shifted alone. */
static void standardise(const table *t, ml3_real *x, int columns, int column) {
  double sum = 0, squares = 0;
  int n = 0;
  for (int i = t->splits[0]; i < t->splits[1]; i++)
    for (int r = t->first[t->order[i]]; r < t->first[t->order[i] + 1]; r++, n++)
      sum += (double)x[(size_t)t->rows[r] * (size_t)columns + (size_t)column];
  const double mean = sum / n;
  for (int i = t->splits[0]; i < t->splits[1]; i++)
    for (int r = t->first[t->order[i]]; r < t->first[t->order[i] + 1]; r++) {
      double off = (double)x[(size_t)t->rows[r] * (size_t)columns + (size_t)column] - mean;
      squares += off * off;
    }
  const double deviation = sqrt(squares / n), scale = deviation > 1e-12 * fmax(1, fabs(mean)) ? 1 / deviation : 1;
  for (int r = 0; r < t->dataset->rows; r++) {
    ml3_real *at = &x[(size_t)r * (size_t)columns + (size_t)column];
    *at = (ml3_real)(((double)*at - mean) * scale);
  }
}

/* Every group of every split has rows enough for a task. */
static int check_sizes(const table *t, int samples, bool grouped, ml3_error *error) {
  static const char *const names[] = {"meta-training", "validation", "test"};
  if (samples > 4096)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a task has %d samples; at most 4096 are possible", samples);
  for (int split = 0; split < 3; split++)
    for (int i = t->splits[split]; i < t->splits[split + 1]; i++) {
      const int n = t->first[t->order[i] + 1] - t->first[t->order[i]];
      if (n < samples)
        return ml3_error_set(error, ML3_ERR_ARGUMENT,
                             "%s for %s has %d rows; samples.inner and samples.outer together need %d: make them fewer",
                             grouped ? "a task of the table" : "the table's share", names[split], n, samples);
    }
  return ML3_OK;
}

static int make(table *t, const ml3_table_settings *s, const ml3_supervised_settings *supervised, ml3_error *error) {
  ml3_dataset *d = t->dataset;
  ml3_random random = ml3_random_stream(s->split_seed, ML3_PURPOSE_BASELINE, 0, 0);
  const size_t groups = (size_t)(d->groups > 3 ? d->groups : 3);
  t->outputs = d->classes ? d->classes : d->outputs;
  t->rows = malloc((size_t)d->rows * sizeof *t->rows);
  t->first = calloc(groups + 1, sizeof *t->first);
  t->order = calloc(groups, sizeof *t->order);
  if (!t->rows || !t->first || !t->order) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  if (supervised->extra != ML3_EXTRA_NOTHING)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no extra information for a table; extra.kind must be none");
  int code = d->groups ? split_groups(t, s, &random, error) : split_rows(t, s, &random, error);
  if (code == ML3_OK) code = check_sizes(t, supervised->inner_points + supervised->outer_points, d->groups > 0, error);
  for (int i = 0; i < d->inputs && code == ML3_OK; i++) standardise(t, d->x, d->inputs, i);
  for (int i = 0; i < d->outputs && code == ML3_OK && !d->classes; i++) standardise(t, d->y, d->outputs, i);
  return code;
}

ml3_problem *ml3_table_new(const ml3_table_settings *settings, ml3_dataset *dataset,
                           const ml3_supervised_settings *supervised, ml3_error *error) {
  ml3_supervised_settings s = *supervised;
  table *t = calloc(1, sizeof *t);
  if (!t) {
    ml3_dataset_free(dataset);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
    return NULL;
  }
  t->dataset = dataset;
  if (make(t, settings, &s, error) != ML3_OK) {
    free_table(t);
    return NULL;
  }
  s.classification = dataset->classes > 0;
  s.model.inputs = dataset->inputs;
  s.model.outputs = t->outputs;
  const ml3_sample_source source = {.draw = draw_task, .free = free_table, .user = t};
  return ml3_supervised_new(&s, &source, error);
}
