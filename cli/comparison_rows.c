/* The rows of a comparison and their numbers: a method, where it learns by updates at each number of them that is of
   interest. See comparison_internal.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/comparison_internal.h"

bool cli_comparison_failed(const ml3_compare_point *p) {
  return !p || !isfinite(p->outcome.episode_return);
}

double cli_comparison_value(const ml3_compare_point *p, cli_quantity q) {
  const bool of_outcome = q == SUCCESS || q == RETURN || q == DISTANCE || q == TASK_LOSS;
  if ((q == SUCCESS || q == PASSED) && cli_comparison_failed(p)) return 0;
  if (!p || (of_outcome && cli_comparison_failed(p))) return NAN;
  const double values[QUANTITIES] = {[SUCCESS] = p->outcome.success,   [RETURN] = p->outcome.episode_return,
                                     [DISTANCE] = p->outcome.distance, [TASK_LOSS] = p->outcome.task_loss,
                                     [STEPS] = p->env_steps,           [SECONDS] = p->seconds,
                                     [UPDATES] = p->updates,           [PASSED] = p->outcome.passed};
  return values[q];
}

cli_comparison_row *cli_comparison_rows(const cli_comparison *c, int *count) {
  const ml3_compare_settings *s = c->settings;
  cli_comparison_row *rows = calloc((size_t)(c->compare->count * (s->step_count + 1)) + 1, sizeof *rows);
  *count = 0;
  for (int i = 0; i < c->compare->count && rows; i++) {
    const ml3_compare_series *series = &c->compare->series[i];
    int shown = 0; /* numbers of updates that are of interest: those asked for, as far as it goes, and the last */
    while (series->by_updates && shown < s->step_count && s->steps[shown] < series->most_updates) shown++;
    for (int k = 0; k <= shown; k++) {
      cli_comparison_row *r = &rows[(*count)++];
      *r = (cli_comparison_row){.series = series,
                                .updates = !series->by_updates ? -1
                                           : k < shown         ? s->steps[k]
                                                               : series->most_updates};
      if (series->by_updates)
        snprintf(r->name, sizeof r->name, "%s, %d update%s", series->label, r->updates, r->updates == 1 ? "" : "s");
      else
        snprintf(r->name, sizeof r->name, "%s", series->label);
    }
  }
  return rows;
}

void cli_comparison_fill(const cli_comparison *c, const cli_comparison_row *r, cli_quantity q, double *x) {
  for (int i = 0; i < c->compare->tasks; i++)
    x[i] = cli_comparison_value(ml3_compare_at(&r->series->trials[i], r->updates), q);
}

int cli_comparison_failures(const cli_comparison *c, const cli_comparison_row *r) {
  int failed = 0;
  for (int i = 0; i < c->compare->tasks; i++)
    failed += cli_comparison_failed(ml3_compare_at(&r->series->trials[i], r->updates));
  return failed;
}

ml3_lab_interval cli_comparison_interval(const cli_comparison *c, cli_quantity q, const double *x) {
  const int size = c->compare->tasks / c->seeds;
  return q == SUCCESS || q == PASSED ? ml3_lab_success_interval(x, c->seeds, size, c->settings->seed)
                                     : ml3_lab_group_interval(x, c->seeds, size, c->settings->seed);
}

const cli_comparison_row *cli_comparison_reference(const cli_comparison *c, const cli_comparison_row *rows, int count) {
  const cli_comparison_row *found = NULL;
  for (int i = 0; i < count && c->reference; i++)
    if (strcmp(rows[i].series->method, c->reference) == 0 || strcmp(rows[i].series->label, c->reference) == 0 ||
        strcmp(rows[i].name, c->reference) == 0)
      found = &rows[i];
  return found;
}
