/* Lines about runs: see overview.h. */
#include "lab/overview.h"

#include <stdio.h>
#include <string.h>

#include "lab/experiment.h"
#include "lab/json.h"

enum { RUN, ABOUT, METHOD, SEED, STEPS, BEST_AT, SUCCESS, TASK_LOSS, RETURN, ENV_STEPS };

/* Updates: of the learned loss (outer steps), or of a policy. */
const char *const ml3_lab_overview_columns[ML3_LAB_OVERVIEW_COLUMNS] = {
    [RUN] = "run",           [ABOUT] = "problem",
    [METHOD] = "method",     [SEED] = "seed",
    [STEPS] = "updates",     [BEST_AT] = "best step",
    [SUCCESS] = "success %", [TASK_LOSS] = "task loss",
    [RETURN] = "return",     [ENV_STEPS] = "environment steps"};

bool ml3_lab_run_trains_policy(const ml3_lab_run *run) {
  return ml3_lab_trains_policy(&run->config);
}

static void number(const json_t *summary, const char *key, double factor, const char *format, char *cell) {
  const json_t *x = json_object_get(summary, key);
  if (json_is_number(x)) snprintf(cell, ML3_LAB_PATH_MAX, format, factor * json_number_value(x));
}

void ml3_lab_overview_read(ml3_lab_overview *o, const ml3_lab_run *run) {
  const bool policy = ml3_lab_run_trains_policy(run);
  json_t *summary = ml3_lab_json_summary(run->folder);
  memset(o, 0, sizeof *o);
  snprintf(o->cells[RUN], ML3_LAB_PATH_MAX, "%s", run->folder);
  snprintf(o->cells[ABOUT], ML3_LAB_PATH_MAX, "%s", ml3_lab_problem_title(&run->config));
  snprintf(o->cells[METHOD], ML3_LAB_PATH_MAX, "%s", ml3_lab_method_label(&run->config));
  snprintf(o->cells[SEED], ML3_LAB_PATH_MAX, "%lld", (long long)run->config.seed);
  if (!summary) snprintf(o->cells[STEPS], ML3_LAB_PATH_MAX, "unfinished");
  number(summary, policy ? "updates" : "outer_steps", 1, "%.0f", o->cells[STEPS]);
  number(summary, "best_outer_step", 1, "%.0f", o->cells[BEST_AT]);
  number(summary, policy ? "success" : "best_success", 100, "%.1f", o->cells[SUCCESS]);
  if (summary && !policy && !json_object_get(summary, "success_name")) strcpy(o->cells[SUCCESS], "n/a");
  number(summary, "best_task_loss", 1, "%.4g", o->cells[TASK_LOSS]);
  number(summary, "return", 1, "%.4g", o->cells[RETURN]);
  number(summary, "env_steps", 1, "%.0f", o->cells[ENV_STEPS]);
  json_decref(summary);
}
