/* The rows of a comparison and their numbers: a method, where it learns by updates at each number of them that is of
   interest. */
#include "lab/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool failed(const ml3_compare_point *p) {
  return !p || !isfinite(p->outcome.episode_return);
}

double ml3_lab_comparison_value(const ml3_compare_point *p, ml3_lab_quantity q) {
  const bool of_outcome =
      q == ML3_LAB_SUCCESS || q == ML3_LAB_RETURN || q == ML3_LAB_DISTANCE || q == ML3_LAB_TASK_LOSS;
  if ((q == ML3_LAB_SUCCESS || q == ML3_LAB_PASSED) && failed(p)) return 0;
  if (!p || (of_outcome && failed(p))) return NAN;
  const double values[ML3_LAB_QUANTITIES] = {
      [ML3_LAB_SUCCESS] = p->outcome.success,   [ML3_LAB_RETURN] = p->outcome.episode_return,
      [ML3_LAB_DISTANCE] = p->outcome.distance, [ML3_LAB_TASK_LOSS] = p->outcome.task_loss,
      [ML3_LAB_STEPS] = p->env_steps,           [ML3_LAB_SECONDS] = p->seconds,
      [ML3_LAB_UPDATES] = p->updates,           [ML3_LAB_PASSED] = p->outcome.passed};
  return values[q];
}

/* Numbers of updates that are of interest: those asked for, as far as the method goes, and the last. */
static int count_rows(const ml3_compare_settings *s, const ml3_compare_series *series) {
  int shown = 0;
  while (series->by_updates && shown < s->step_count && s->steps[shown] < series->most_updates) shown++;
  return shown + 1;
}

int ml3_lab_comparison_fill_rows(ml3_lab_comparison *c) {
  const ml3_compare_settings *s = &c->settings;
  c->rows = calloc((size_t)(c->compare->count * (s->step_count + 1)) + 1, sizeof *c->rows);
  c->count = 0;
  if (!c->rows) return ML3_ERR_MEMORY;
  for (int i = 0; i < c->compare->count; i++) {
    const ml3_compare_series *series = &c->compare->series[i];
    const int count = count_rows(s, series);
    for (int k = 0; k < count; k++) {
      ml3_lab_comparison_row *r = &c->rows[c->count++];
      *r = (ml3_lab_comparison_row){.series = series, .updates = -1};
      if (series->by_updates) r->updates = k + 1 < count ? s->steps[k] : series->most_updates;
      if (series->by_updates)
        snprintf(r->name, sizeof r->name, "%s, %d update%s", series->label, r->updates, r->updates == 1 ? "" : "s");
      else
        snprintf(r->name, sizeof r->name, "%s", series->label);
    }
  }
  return ML3_OK;
}

void ml3_lab_comparison_values(const ml3_lab_comparison *c, const ml3_lab_comparison_row *r, ml3_lab_quantity q,
                               double *x) {
  for (int i = 0; i < c->compare->tasks; i++)
    x[i] = ml3_lab_comparison_value(ml3_compare_at(&r->series->trials[i], r->updates), q);
}

int ml3_lab_comparison_failures(const ml3_lab_comparison *c, const ml3_lab_comparison_row *r) {
  int count = 0;
  for (int i = 0; i < c->compare->tasks; i++) count += failed(ml3_compare_at(&r->series->trials[i], r->updates));
  return count;
}

ml3_lab_interval ml3_lab_comparison_interval(const ml3_lab_comparison *c, ml3_lab_quantity q, const double *x) {
  const int size = c->compare->tasks / c->seeds;
  return q == ML3_LAB_SUCCESS || q == ML3_LAB_PASSED ? ml3_lab_success_interval(x, c->seeds, size, c->settings.seed)
                                                     : ml3_lab_group_interval(x, c->seeds, size, c->settings.seed);
}

const ml3_lab_comparison_row *ml3_lab_comparison_reference(const ml3_lab_comparison *c) {
  const ml3_lab_comparison_row *found = NULL;
  for (int i = 0; i < c->count && c->reference; i++)
    if (strcmp(c->rows[i].series->method, c->reference) == 0 || strcmp(c->rows[i].series->label, c->reference) == 0 ||
        strcmp(c->rows[i].name, c->reference) == 0)
      found = &c->rows[i];
  return found;
}
