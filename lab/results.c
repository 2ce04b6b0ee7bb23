/* See results.h. */
#include "lab/results.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/json.h"
#include "lab/learners.h"
#include "lab/run_folder.h"
#include "metaloss/options.h"
#include "metaloss/trainer.h"

static const ml3_lab_results of_meta_training = {
    .list = {{"best outer step", "best_outer_step", "%.1f", 1, false, false},
             {"success %", "best_success", "%.1f", 100, true, true},
             {"task loss", "best_task_loss", "%.4g", 1, false, true},
             {"objective", "best_objective", "%.4g", 1, false, false},
             {"inner rate", "inner_rate", "%.4g", 1, false, false}},
    .count = 5,
    .judged = "on validation tasks",
    .better = -1};

static const ml3_lab_results of_learners = {
    .list = {{"environment steps", "env_steps", "%.0f", 1, false, false},
             {"return", "return", "%.2f", 1, false, true},
             {"success %", "success", "%.1f", 100, true, true},
             {"validation return", "validation_return", "%.2f", 1, false, true}},
    .count = 4,
    .trials = ML3_LAB_JUDGED,
    .select = "validation_return",
    .better = 1};

static void leave_out(ml3_lab_results *r, int number) {
  for (int i = number; i + 1 < r->count; i++) r->list[i] = r->list[i + 1];
  r->count--;
}

/* What meta-training is judged by: success where the problem has one, else the task loss. */
static void name_numbers(ml3_lab_results *r, const json_t *summary) {
  const char *success = json_string_value(json_object_get(summary, "success_name"));
  const char *task_loss = json_string_value(json_object_get(summary, "task_loss_name"));
  if (task_loss) snprintf(r->list[2].name, sizeof r->list[2].name, "%s", task_loss);
  if (success)
    snprintf(r->list[1].name, sizeof r->list[1].name, "%.60s %%", success);
  else
    leave_out(r, 1);
}

/* The key of summary.json that validation.select is about. */
static void choose_select(ml3_lab_results *r, const ml3_lab_config *config) {
  const ml3_validation_options *validation = ML3_LAB_GET(config, validation);
  static const struct {
    const char *key;
    double better;
  } by[] = {[ML3_SELECT_LOSS] = {"best_objective", -1},
            [ML3_SELECT_SUCCESS] = {"best_success", 1},
            [ML3_SELECT_TASK_LOSS] = {"best_task_loss", -1},
            [ML3_SELECT_DISTANCE] = {"best_median_distance", -1}};
  r->select = by[validation->select].key, r->better = by[validation->select].better;
}

void ml3_lab_seeds_folder(const ml3_lab_seeds *s, int i, char *path) {
  snprintf(path, ML3_LAB_PATH_MAX, "%.900s/seed-%lld", s->folder, s->first + i);
}

void ml3_lab_results_of(ml3_lab_results *r, const ml3_lab_config *config, const ml3_lab_seeds *of, int count) {
  const bool learner = ml3_lab_learner_kind(config) != NULL;
  char folder[ML3_LAB_PATH_MAX];
  *r = learner ? of_learners : of_meta_training;
  if (learner)
    snprintf(r->judged, sizeof r->judged, "on %d held-out episodes (the validation return on as many others)",
             ML3_LAB_JUDGED);
  if (learner) return;
  r->trials = (int)ML3_LAB_GET(config, validation)->tasks;
  choose_select(r, config);
  json_t *summary = NULL;
  for (int i = 0; i < count; i++)
    for (int k = 0; k < of[i].count && !summary; k++) {
      ml3_lab_seeds_folder(&of[i], k, folder);
      summary = ml3_lab_json_summary(folder);
    }
  if (summary) name_numbers(r, summary);
  json_decref(summary);
}

bool ml3_lab_results_read(const ml3_lab_results *r, const char *folder, double *values) {
  json_t *summary = ml3_lab_json_summary(folder);
  for (int i = 0; i < r->count; i++) {
    const json_t *x = json_object_get(summary, r->list[i].key);
    values[i] = json_is_number(x) ? json_number_value(x) : NAN;
  }
  json_decref(summary);
  return summary != NULL;
}

double ml3_lab_results_score(const ml3_lab_results *r, const char *folder) {
  json_t *summary = ml3_lab_json_summary(folder);
  const json_t *x = json_object_get(summary, r->select);
  const double score = json_is_number(x) ? r->better * json_number_value(x) : NAN;
  json_decref(summary);
  return score;
}

ml3_lab_interval ml3_lab_results_interval(const ml3_lab_results *r, int number, const double *values, int n) {
  return r->list[number].share ? ml3_lab_share_interval(values, n, r->trials)
                               : ml3_lab_sample_interval(values, n, ml3_lab_range_of(values, n));
}
