/* Validation: the present loss on tasks that training does not see; the best loss is kept. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/threads.h"
#include "metaloss/trainer_internal.h"

static void validate_task(ml3_trainer *t, int i, ml3_meta_work *work) {
  const ml3_problem *p = t->problem;
  batch_task *b = &t->validation.items[i];
  ml3_real *adapted = b->gradient;
  ml3_random random;
  b->outcome = (ml3_outcome){0};
  b->code = ml3_trainer_draw(t, ML3_DRAWS_VALIDATION, i, 0, b, &random, &b->error);
  ml3_meta_begin(work, t->loss, b->theta);
  if (b->code == ML3_OK) b->code = ml3_meta_objective(work, t->loss, b->task, b->theta, &random, adapted, &b->objective, &b->error);
  b->model = (ml3_model_error){NAN, NAN};
  if (b->code == ML3_OK && p->evaluate) b->code = p->evaluate(p, b->task, adapted, &b->outcome, &b->error);
  if (b->code == ML3_OK && p->measure) b->code = p->measure(p, b->task, adapted, &b->model, &b->error);
}

/* Of the `good` tasks that did not fail; success is of all, a failed task's is 0. NAN where none is left. */
static ml3_outcome mean_outcome(const batch *b, int good) {
  ml3_outcome mean = {0};
  if (good == 0) mean = (ml3_outcome){.task_loss = NAN, .episode_return = NAN, .distance = NAN};
  for (int i = 0; i < b->count; i++) {
    const ml3_outcome *o = &b->items[i].outcome;
    if (b->items[i].code != ML3_OK) continue;
    mean.task_loss += o->task_loss / good;
    mean.episode_return += o->episode_return / good;
    mean.distance += o->distance / good;
    mean.success += o->success / b->count;
    mean.passed += o->passed / b->count;
    mean.env_steps += o->env_steps;
  }
  return mean;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Over all tasks; a task that failed is as far off as can be. NAN without memory. */
static double median_distance(const batch *b) {
  double *x = malloc((size_t)b->count * sizeof *x);
  if (!x) return NAN;
  for (int i = 0; i < b->count; i++) {
    const double d = b->items[i].outcome.distance;
    x[i] = b->items[i].code == ML3_OK && isfinite(d) ? d : INFINITY;
  }
  qsort(x, (size_t)b->count, sizeof *x, by_size);
  const double median = (x[(b->count - 1) / 2] + x[b->count / 2]) / 2;
  free(x);
  return median;
}

static ml3_model_error mean_model(const batch *b) {
  ml3_model_error sum = {0};
  int count = 0;
  for (int i = 0; i < b->count; i++) {
    const ml3_model_error *e = &b->items[i].model;
    if (b->items[i].code != ML3_OK || !isfinite(e->step) || !isfinite(e->horizon)) continue;
    sum.step += e->step, sum.horizon += e->horizon;
    count++;
  }
  return count ? (ml3_model_error){sum.step / count, sum.horizon / count} : (ml3_model_error){NAN, NAN};
}

static bool better(const ml3_trainer *t, const ml3_trainer_report *now) {
  const ml3_trainer_report *best = &t->best_report;
  if (!isfinite(now->objective)) return false;
  if (!t->has_best) return true;
  if (t->settings.select == ML3_SELECT_TASK_LOSS) /* the mean is of the others: fewer failed tasks come first */
    return now->skipped != best->skipped ? now->skipped < best->skipped
                                         : now->outcome.task_loss < best->outcome.task_loss;
  if (t->settings.select == ML3_SELECT_SUCCESS && now->outcome.success != best->outcome.success)
    return now->outcome.success > best->outcome.success;
  if (t->settings.select == ML3_SELECT_DISTANCE && now->median_distance != best->median_distance)
    return now->median_distance < best->median_distance;
  return now->objective < best->objective;
}

int ml3_trainer_validate(ml3_trainer *t, ml3_trainer_report *report, ml3_error *error) {
  int first, end;
  ml3_ranks_own(t->settings.ranks, t->validation.count, &first, &end);
#pragma omp parallel for num_threads(ml3_threads(t->threads)) schedule(dynamic, 1)
  for (int i = first; i < end; i++)
    validate_task(t, i, (t->long_works ? t->long_works : t->works)[omp_get_thread_num()]);

  int code = ml3_trainer_share_batch(t, &t->validation, error);
  if (code != ML3_OK) return code;
  const batch_task *failed = ml3_trainer_first_failure(&t->validation);
  if (failed && failed->code != ML3_ERR_NUMERIC) {
    if (error) *error = failed->error;
    return failed->code;
  }
  *report = (ml3_trainer_report){.outer_step = t->outer_step,
                                 .evaluations = t->validation.count,
                                 .inner_rate = ml3_loss_rate(t->loss)};
  const int good = ml3_trainer_mean_objective(&t->validation, &report->objective);
  report->skipped = t->validation.count - good;
  report->outcome = mean_outcome(&t->validation, good);
  report->median_distance = median_distance(&t->validation);
  report->model = mean_model(&t->validation);
  if (report->skipped * 2 <= t->validation.count && better(t, report)) {
    ml3_loss_copy(t->best, t->loss);
    t->has_best = report->is_best = true;
    t->best_report = *report;
    t->stale = 0;
  } else {
    t->stale++;
  }
  return ML3_OK;
}

bool ml3_trainer_stale(const ml3_trainer *t) {
  return t->settings.patience > 0 && t->stale >= t->settings.patience;
}
