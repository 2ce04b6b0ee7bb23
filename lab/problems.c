/* The table of problem kinds: see problems.h. */
#include "lab/problems.h"

#include <string.h>

#include "agents/problems/model_free.h"
#include "lab/callbacks.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/run_environment.h"
#include "metaloss/scaling.h"
#include "nn/mlp.h"

static const ml3_lab_problem_kind *const kinds[] = {
    &ml3_lab_problem_model_based, &ml3_lab_problem_model_free, &ml3_lab_problem_sine,  &ml3_lab_problem_shaped_sine,
    &ml3_lab_problem_digits,      &ml3_lab_problem_idx,        &ml3_lab_problem_table,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const ml3_lab_problem_kind *ml3_lab_problem_kind_at(int i) {
  return i >= 0 && i < KINDS ? kinds[i] : NULL;
}

const ml3_lab_problem_kind *ml3_lab_problem_kind_find(const char *name, ml3_error *error) {
  const char *names[KINDS];
  for (int i = 0; i < KINDS; i++) {
    if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    names[i] = kinds[i]->name;
  }
  const char *nearest = ml3_error_nearest(name, names, KINDS);
  ml3_error_set(error, ML3_ERR_ARGUMENT, "unknown problem '%s'%s%s%s; `ml3 list` shows the kinds", name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}

bool ml3_lab_problem_acts(const ml3_lab_problem_kind *kind) {
  return kind->rollouts || kind->simulated;
}

const ml3_env_spec *ml3_lab_problem_env(const ml3_lab_config *config, const ml3_problem *problem) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(config->problem, NULL);
  return kind && kind->playable ? kind->playable(problem).env : NULL;
}

const char *ml3_lab_problem_title(const ml3_lab_config *config) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(config->problem, NULL);
  return kind && ml3_lab_problem_acts(kind) ? config->environment : config->problem;
}

/* Environment steps of extra.expert, learning and showing; plans are not counted. */
static double expert_steps(const ml3_lab_config *c) {
  if (ML3_LAB_GET(c, extra)->expert != ML3_LAB_EXPERT_PPO || *ML3_LAB_GET(c, extra)->file) return 0;
  const ml3_env_spec *env = ml3_lab_run_environment_spec(c, NULL);
  const double episode = (double)(c->horizon || !env ? c->horizon : env->horizon);
  const double shown =
      ml3_lab_config_holds(c, "extra.kind=demonstration") ? (double)ML3_LAB_GET(c, extra)->demonstrations * episode : 0;
  return (double)ML3_LAB_GET(c, extra)->expert_updates * (double)ML3_LAB_GET(c, learner)->envs *
             (double)ML3_LAB_GET(c, learner)->steps +
         shown;
}

/* At meta-test there are no demonstrations and no advice; what the expert cost belongs to the loss all the same. */
static ml3_problem *make(const ml3_lab_config *config, bool at_test, ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(config->problem, error);
  if (!kind) return NULL;
  ml3_lab_config used = *config;
  const bool expert = ml3_lab_problem_acts(kind) && ml3_lab_config_holds(config, "extra.kind=demonstration|advice");
  if (expert && at_test && ml3_lab_config_set(&used, "extra.kind=none", error) != ML3_OK) return NULL;
  if (at_test) ML3_LAB_EDIT(&used, model_free)->target_weight = 0;
  ml3_problem *problem = kind->make(&used, error);
  if (problem && expert) problem->steps.made += expert_steps(config);
  return problem;
}

ml3_problem *ml3_lab_problem_new(const ml3_lab_config *config, ml3_error *error) {
  return make(config, false, error);
}

ml3_problem *ml3_lab_problem_new_at_test(const ml3_lab_config *config, ml3_error *error) {
  return make(config, true, error);
}

/* Rows of features as the loss has learned to see them, whatever the configuration says. */
static ml3_feature_rows rows_of(const ml3_lab_config *config, const ml3_loss *loss) {
  const bool named = loss->spec.kind == ML3_LOSS_LEARNED && strcmp(loss->names[0], "f0") != 0;
  if (!named) return (ml3_feature_rows)ML3_LAB_GET(config, model_free)->rows;
  return ml3_model_free_rows_of(loss->names[0], loss->spec.features);
}

ml3_problem *ml3_lab_problem_new_for(const ml3_lab_config *config, const ml3_loss *loss, ml3_error *error) {
  ml3_lab_config used = *config;
  ML3_LAB_EDIT(&used, model_free)->rows = rows_of(config, loss);
  ml3_problem *p = ml3_lab_problem_new_at_test(&used, error);
  bool missing = false;
  if (!p) return NULL;
  if (ml3_loss_use_scaling(loss, p, &missing, error) != ML3_OK) {
    p->free(p);
    return NULL;
  }
  if (missing)
    ml3_lab_message(
        config->callbacks,
        "this loss.safetensors is of an earlier version and does not say how the inputs of its policies are "
        "scaled; that is measured anew, as the configuration says");
  return p;
}

int ml3_lab_copy_widths(const ml3_key_numbers *list, int *widths, const char *what, ml3_error *error) {
  if (list->count > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s has %d layers; at most %d are possible", what, list->count,
                         ML3_MLP_MAX_DEPTH);
  for (int i = 0; i < list->count; i++) widths[i] = (int)list->values[i];
  return ML3_OK;
}
