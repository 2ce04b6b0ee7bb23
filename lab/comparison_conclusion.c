/* What a comparison says, in two sentences: see comparison.h. The best rows are those of the highest mean; among equals the one
   that took the fewest environment steps. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/comparison.h"
#include "lab/table.h"

/* Means of a row, and the interval of its success. */
typedef struct finding {
  const ml3_lab_comparison_row *row;
  ml3_lab_interval success;
  double episode_return, steps;
} finding;

static finding find(const ml3_lab_comparison *c, const ml3_lab_comparison_row *row) {
  double x[c->compare->tasks];
  finding f = {.row = row};
  ml3_lab_comparison_values(c, row, ML3_LAB_SUCCESS, x);
  f.success = ml3_lab_comparison_interval(c, ML3_LAB_SUCCESS, x);
  ml3_lab_comparison_values(c, row, ML3_LAB_RETURN, x);
  f.episode_return = ml3_lab_comparison_interval(c, ML3_LAB_RETURN, x).mean;
  ml3_lab_comparison_values(c, row, ML3_LAB_STEPS, x);
  f.steps = ml3_lab_comparison_interval(c, ML3_LAB_STEPS, x).mean;
  return f;
}

static double value_of(const finding *f, bool by_return) {
  return by_return ? f->episode_return : f->success.mean;
}

/* The best row of all methods but one (NULL: of all); row NULL: none has a value. */
static finding best(const ml3_lab_comparison *c, bool by_return, const ml3_compare_series *but) {
  finding best = {0};
  for (int i = 0; i < c->count; i++) {
    const finding f = find(c, &c->rows[i]);
    const double value = value_of(&f, by_return), most = best.row ? value_of(&best, by_return) : -INFINITY;
    if (f.row->series == but || !isfinite(value)) continue;
    if (!best.row || value > most || (value == most && f.steps < best.steps)) best = f;
  }
  return best;
}

/* The learned loss after the most updates; row NULL: it does not take part. */
static finding learned(const ml3_lab_comparison *c) {
  finding found = {0};
  for (int i = 0; i < c->count; i++)
    if (strcmp(c->rows[i].series->method, "learned_loss") == 0 &&
        (!found.row || c->rows[i].series == found.row->series))
      found = find(c, &c->rows[i]);
  return found;
}

/* What it took: on the task, beside the steps of another (0: beside none), and once before. */
static void say_steps(FILE *out, const finding *f, double beside) {
  char steps[32];
  const double ratio = f->steps > 0 ? beside / f->steps : 0, once = f->row->series->once_steps;
  fprintf(out, " at %s environment steps a task", ml3_lab_count_text(f->steps, steps, sizeof steps));
  if (ratio > 1.05)
    fprintf(out, " (%.*f times fewer)", ratio < 10, ratio);
  else if (ratio > 0 && ratio < 1 / 1.05)
    fprintf(out, " (%.*f times more)", ratio > 0.1, 1 / ratio);
  if (once > 0)
    fprintf(out, ", after %s steps of %s", ml3_lab_count_text(once, steps, sizeof steps),
            strncmp(f->row->series->method, "learned_loss", 12) == 0 ? "meta-training" : "preparation");
}

static void say_best(FILE *out, const ml3_lab_comparison *c, const finding *s, const finding *r) {
  if (!c->no_goal && s->row == r->row) {
    fprintf(out, "Best by success and by return: %s, %.1f %% and %.4g", s->row->name, 100 * s->success.mean,
            r->episode_return);
  } else {
    if (!c->no_goal) {
      fprintf(out, "Best by success: %s, %.1f %%", s->row->name, 100 * s->success.mean);
      say_steps(out, s, 0);
      fprintf(out, ". ");
    }
    fprintf(out, "Best by return: %s, %.4g", r->row->name, r->episode_return);
  }
  say_steps(out, r, 0);
  fprintf(out, ".");
}

/* The other one beside the best: what it reaches, and at which part of the steps. */
static void say_other(FILE *out, const ml3_lab_comparison *c, const finding *other, const finding *best) {
  fprintf(out, "\n%s: ", other->row->name);
  if (!c->no_goal) fprintf(out, "%.1f %% and ", 100 * other->success.mean);
  fprintf(out, "%.4g", other->episode_return);
  say_steps(out, other, best->steps);
  if (!c->no_goal && other->success.high >= best->success.low && best->success.high >= other->success.low)
    fprintf(out, "; the intervals of success overlap");
  fprintf(out, ".");
}

void ml3_lab_comparison_conclusion(const ml3_lab_comparison *c, char *text, size_t size) {
  const finding s = best(c, false, NULL), r = best(c, true, NULL), l = learned(c);
  text[0] = '\0';
  if (!r.row || (!s.row && !c->no_goal)) {
    snprintf(text, size, "No method has a finite return.");
    return;
  }
  const finding *first = c->no_goal ? &r : &s;
  const bool loss_is_first = l.row && l.row->series == first->row->series;
  const finding next = best(c, c->no_goal, first->row->series), *other = loss_is_first || !l.row ? &next : &l;
  FILE *out = fmemopen(text, size, "w");
  if (!out) return;
  if (!c->no_goal && s.success.mean == 0) {
    fprintf(out, "No method succeeds. Best by return: %s, %.4g", r.row->name, r.episode_return);
    say_steps(out, &r, 0);
    fprintf(out, ".");
  } else {
    say_best(out, c, &s, &r);
    if (other->row && other->row != r.row) say_other(out, c, other, first);
  }
  fclose(out);
}
