/* Tasks of a few classes: see tables.h. */
#include <stdlib.h>
#include <string.h>

#include "metaloss/tables.h"

typedef struct classes {
  ml3_classes_settings settings;
  ml3_dataset *dataset;
  int *rows;                      /* all rows, class by class */
  int first[ML3_CLASSES_MAX + 1]; /* class c has rows first[c] .. first[c + 1] - 1 of those */
} classes;

/* ---- drawing ---------------------------------------------------------------------------------------------------- */

/* `count` different numbers below n, in random order, by Floyd's algorithm and a shuffle. */
static void draw_different(ml3_random *random, int n, int count, int *out) {
  for (int k = 0; k < count; k++) {
    int pick = (int)ml3_random_below(random, (uint32_t)(n - count + k + 1));
    for (int i = 0; i < k; i++)
      if (out[i] == pick) {
        pick = n - count + k;
        break;
      }
    out[k] = pick;
  }
  for (int k = count - 1; k > 0; k--) {
    int other = (int)ml3_random_below(random, (uint32_t)k + 1), keep = out[k];
    out[k] = out[other];
    out[other] = keep;
  }
}

static void put(const classes *c, int row, int way, ml3_samples *to, int at) {
  const size_t inputs = (size_t)c->dataset->inputs;
  memcpy(to->x + (size_t)at * inputs, c->dataset->x + (size_t)row * inputs, inputs * sizeof *to->x);
  for (int i = 0; i < c->settings.ways; i++) to->y[at * c->settings.ways + i] = i == way;
}

/* How many of `points` samples are of class number `way` of the task. */
static int share(int points, int ways, int way) {
  return points / ways + (way < points % ways);
}

static const ml3_class_list *list_of(const classes *c, ml3_split split) {
  const ml3_class_list *of_split[] = {&c->settings.train, &c->settings.validation, &c->settings.test};
  return of_split[split]->count ? of_split[split] : &c->settings.train;
}

static void draw_task(const void *user, ml3_split split, ml3_random *random, ml3_samples *inner, ml3_samples *outer,
                      ml3_samples *extra) {
  const classes *c = user;
  const ml3_class_list *list = list_of(c, split);
  const int ways = c->settings.ways;
  int chosen[ML3_CLASSES_MAX], picked[2048], at_inner = 0, at_outer = 0;
  (void)extra;
  draw_different(random, list->count, ways, chosen);
  for (int way = 0; way < ways; way++) {
    const int class = list->classes[chosen[way]], *rows = c->rows + c->first[class];
    const int n_inner = share(inner->points, ways, way), n_outer = share(outer->points, ways, way);
    draw_different(random, c->first[class + 1] - c->first[class], n_inner + n_outer, picked);
    for (int i = 0; i < n_inner; i++) put(c, rows[picked[i]], way, inner, at_inner++);
    for (int i = 0; i < n_outer; i++) put(c, rows[picked[n_inner + i]], way, outer, at_outer++);
  }
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static void free_classes(void *user) {
  classes *c = user;
  if (!c) return;
  ml3_dataset_free(c->dataset);
  free(c->rows);
  free(c);
}

static void sort_rows(classes *c) {
  const ml3_dataset *d = c->dataset;
  int at = 0;
  for (int class = 0; class < d->classes; class ++) {
    c->first[class] = at;
    for (int r = 0; r < d->rows; r++)
      if ((int)d->y[r] == class) c->rows[at++] = r;
  }
  c->first[d->classes] = at;
}

/* Every class of the list exists and has enough samples for a task. */
static int check_list(const classes *c, const ml3_class_list *list, const char *what, int samples, ml3_error *error) {
  if (list->count < c->settings.ways)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "classes.%s has %d classes; a task needs %d", what, list->count,
                         c->settings.ways);
  for (int i = 0; i < list->count; i++) {
    const int class = list->classes[i];
    if (class < 0 || class >= c->dataset->classes)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "classes.%s: there is no class %d; the data has 0 to %d", what,
                           class, c->dataset->classes - 1);
    for (int j = 0; j < i; j++)
      if (list->classes[j] == class)
        return ml3_error_set(error, ML3_ERR_ARGUMENT, "classes.%s: class %d is there twice", what, class);
    if (c->first[class + 1] - c->first[class] < samples)
      return ml3_error_set(
          error, ML3_ERR_ARGUMENT,
          "class %d has %d samples; a task needs %d of each class: fewer samples.inner or samples.outer", class,
          c->first[class + 1] - c->first[class], samples);
  }
  return ML3_OK;
}

static int check(const classes *c, const ml3_supervised_settings *s, ml3_error *error) {
  const ml3_classes_settings *l = &c->settings;
  const int samples = share(s->inner_points, l->ways, 0) + share(s->outer_points, l->ways, 0);
  if (s->extra != ML3_EXTRA_NOTHING)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no extra information for classes; extra.kind must be none");
  if (samples > 2048)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a task has %d samples of a class; at most 2048 are possible",
                         samples);
  int code = check_list(c, &l->train, "train", samples, error);
  if (code == ML3_OK && l->validation.count) code = check_list(c, &l->validation, "validation", samples, error);
  return code == ML3_OK ? check_list(c, &l->test, "test", samples, error) : code;
}

ml3_problem *ml3_classes_new(const ml3_classes_settings *settings, ml3_dataset *dataset,
                             const ml3_supervised_settings *supervised, ml3_error *error) {
  ml3_supervised_settings s = *supervised;
  classes *c = calloc(1, sizeof *c);
  if (!c) {
    ml3_dataset_free(dataset);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for problem '%s'", s.name);
    return NULL;
  }
  *c = (classes){.settings = *settings, .dataset = dataset, .rows = malloc((size_t)dataset->rows * sizeof *c->rows)};
  int code = ML3_OK;
  if (!c->rows) code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for problem '%s'", s.name);
  if (code == ML3_OK && (dataset->classes > ML3_CLASSES_MAX || settings->ways < 2 || settings->ways > dataset->classes))
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "classes.ways is %d; 2 to %d, as many as the data has, are possible",
                         settings->ways, dataset->classes);
  if (code == ML3_OK) sort_rows(c);
  if (code == ML3_OK) code = check(c, &s, error);
  if (code != ML3_OK) {
    free_classes(c);
    return NULL;
  }
  s.classification = true;
  s.model.inputs = dataset->inputs;
  s.model.outputs = settings->ways;
  const ml3_sample_source source = {.draw = draw_task, .free = free_classes, .user = c};
  return ml3_supervised_new(&s, &source, error);
}
