/* Adapting: see adapt.h. */
#include "lab/adapt_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_free.h"
#include "lab/presets.h"
#include "lab/run_environment.h"
#include "lab/zoo.h"

/* zoo:NAME for NAME: for what the entry was learned on, which for some is the environment in other coordinates. */
static bool is_namesake(const char *what, const char *loss) {
  return ml3_lab_zoo_is(loss) && strcmp(loss + strlen("zoo:"), what) == 0;
}

/* A loss without dimensions fits other environments: what the one that it was learned in asked of policies and tasks does not go with
   it. */
static int forget_environment(ml3_lab_config *config, const ml3_loss *loss, ml3_error *error) {
  static const char *const none[] = {"horizon=0", "policy.obs_scale=[]", "policy.relative=[]", "rollout.fixed=[]",
                                     "rollout.reward=[]"};
  const bool anywhere = loss->spec.kind == ML3_LOSS_LEARNED &&
                        ml3_model_free_rows_of(loss->names[0], loss->spec.features) == ML3_ROWS_ENTRIES;
  return anywhere ? ml3_lab_config_set_all(config, none, sizeof none / sizeof *none, error) : ML3_OK;
}

int ml3_lab_adapting_open(ml3_lab_adapting *a, const char *what, const char *loss, const ml3_lab_callbacks *callbacks,
                          ml3_error *error) {
  char folder[ML3_LAB_PATH_MAX];
  memset(a, 0, sizeof *a);
  if (!what && !loss) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which run? `ml3 list` shows them");
  if (what && !(what = ml3_lab_zoo_folder(what, folder, error))) return error ? error->code : ML3_ERR_ARGUMENT;
  if (!loss) return ml3_lab_run_open(what, &a->config, &a->loss, callbacks, error);
  int code = ml3_lab_loss_open(loss, &a->config, &a->loss, callbacks, error);
  if (code != ML3_OK || !what) return code;
  if (is_namesake(what, loss)) {
    const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(a->config.problem, error);
    if (kind && kind->rollouts && strcmp(a->config.environment, what))
      ml3_lab_message(callbacks, "%s was learned on '%s', which is taken", loss, a->config.environment);
    return kind ? ML3_OK : ML3_ERR_ARGUMENT;
  }
  if (ml3_lab_run_is(what)) return ml3_lab_run_config(what, &a->config, callbacks, error);
  code = forget_environment(&a->config, a->loss, error);
  return code == ML3_OK ? ml3_lab_preset_apply(&a->config, what, error) : code;
}

int ml3_lab_adapting_make(ml3_lab_adapting *a, ml3_error *error) {
  ml3_trainer_settings settings;
  ml3_error own = {0};
  if (!error) error = &own;
  if (!(a->kind = ml3_lab_problem_kind_find(a->config.problem, error))) return error->code;
  if (!(a->problem = ml3_lab_problem_new_for(&a->config, a->loss, error))) return error->code;
  int code = ml3_lab_trainer_settings(&a->config, a->problem, a->loss, &settings, error);
  if (code != ML3_OK) return code;
  if (!(a->meta = ml3_meta_new(a->problem, &settings.meta, error))) return error->code;
  if ((code = ml3_meta_fits(a->meta, a->loss, error)) != ML3_OK) return code;
  if (!(a->work = ml3_meta_work_new(a->meta, error))) return error->code;
  a->task = calloc((size_t)a->problem->task_size + (size_t)a->problem->theta_size, sizeof *a->task);
  if (!a->task) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for its parameters");
  a->theta = a->task + a->problem->task_size;
  return ML3_OK;
}

void ml3_lab_adapting_close(ml3_lab_adapting *a) {
  free(a->task);
  ml3_meta_work_free(a->work);
  ml3_meta_free(a->meta);
  ml3_loss_free(a->loss);
  if (a->problem) a->problem->free(a->problem);
}

int ml3_lab_adapting_begin(ml3_lab_adapting *a, int task, ml3_error *error) {
  a->random = ml3_random_stream((uint64_t)a->config.seed, ML3_PURPOSE_TEST, (uint32_t)task, 0);
  const int code = a->problem->sample(a->problem, ML3_SPLIT_TEST, &a->random, a->task, a->theta, error);
  if (code == ML3_OK) ml3_meta_begin(a->work, a->loss, a->theta);
  return code;
}

int ml3_lab_adapting_step(ml3_lab_adapting *a, double *value, ml3_error *error) {
  return ml3_meta_adapt(a->work, a->loss, a->task, a->theta, &a->random, value, error);
}

int ml3_lab_adapting_judge(const ml3_lab_adapting *a, ml3_outcome *outcome, ml3_error *error) {
  return a->problem->evaluate(a->problem, a->task, a->theta, outcome, error);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void report(const ml3_lab_callbacks *c, int update, double value, const ml3_outcome *o) {
  static const char *const names[] = {"learned_loss", "task_loss", "distance", "return", "success", "passed"};
  const double values[] = {value, o->task_loss, o->distance, o->episode_return, o->success, o->passed};
  if (c && c->metrics) c->metrics(c->user, update, names, values, sizeof values / sizeof *values);
}

static int adapt(ml3_lab_adapting *a, const ml3_lab_adapt_settings *s, ml3_outcome *outcome, ml3_error *error) {
  double value = NAN;
  int code = ml3_lab_adapting_begin(a, s->task, error);
  if (code == ML3_OK) code = ml3_lab_adapting_judge(a, outcome, error);
  for (int k = 0; code == ML3_OK; k++) {
    report(s->callbacks, k, value, outcome);
    if (k == s->updates) break;
    if (ml3_lab_interrupted(s->callbacks))
      return ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted after %d updates", k);
    code = ml3_lab_adapting_step(a, &value, error);
    if (code == ML3_OK) code = ml3_lab_adapting_judge(a, outcome, error);
  }
  return code == ML3_OK && s->output ? a->problem->save(a->problem, a->theta, s->output, error) : code;
}

int ml3_lab_adapt(const ml3_lab_adapt_settings *s, ml3_outcome *outcome, ml3_error *error) {
  ml3_lab_adapting *a = calloc(1, sizeof *a);
  ml3_outcome own;
  if (!a) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to adapt");
  int code = s->task < 0 || s->updates < 0
                 ? ml3_error_set(error, ML3_ERR_ARGUMENT, "task and updates are %d and %d; neither may be negative",
                                 s->task, s->updates)
                 : ml3_lab_adapting_open(a, s->what, s->loss, s->callbacks, error);
  if (code == ML3_OK) code = ml3_lab_config_set_all(&a->config, s->settings, s->count, error);
  if (code == ML3_OK) code = ml3_lab_adapting_make(a, error);
  if (code == ML3_OK) code = adapt(a, s, outcome ? outcome : &own, error);
  ml3_lab_adapting_close(a);
  free(a);
  return code;
}
