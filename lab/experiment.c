/* From a configuration to library objects: see experiment.h. */
#include "lab/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/foreign.h"
#include "lab/learners.h"
#include "lab/presets.h"
#include "lab/run_environment.h"

ml3_experiment *ml3_lab_experiment_new(const char *name, const char *const *settings, int count,
                                       const ml3_lab_callbacks *callbacks, ml3_error *error) {
  ml3_experiment *e = calloc(1, sizeof *e);
  if (!e) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an experiment");
    return NULL;
  }
  const bool is_run = name && ml3_lab_run_is(name);
  int code = is_run ? ml3_lab_run_config(name, &e->config, callbacks, error)
                    : ml3_lab_preset_begin(&e->config, name, settings, count, callbacks, error);
  if (code == ML3_OK && is_run) code = ml3_lab_config_override(&e->config, settings, count, callbacks, error);
  if (code == ML3_OK) {
    e->config.callbacks = NULL; /* they are of this call */
    return e;
  }
  free(e);
  return NULL;
}

void ml3_lab_experiment_free(ml3_experiment *e) {
  free(e);
}

/* The column of that name, or a negative code with the names there are. */
static int find_feature(const ml3_problem *p, const char *key, const char *name, ml3_error *error) {
  char all[400] = "";
  for (int i = 0; i < p->features && p->feature_names; i++) {
    if (strcmp(p->feature_names[i], name) == 0) return i;
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", p->feature_names[i]);
  }
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: there is no feature '%s'; problem '%s' has: %s", key, name,
                       p->name, all);
}

/* The columns of those names into columns[most]; "force*" names all that begin so. Their number, or a negative code. */
static int find_features(const ml3_problem *p, const char *key, const ml3_key_names *names, int *columns, int most,
                         ml3_error *error) {
  int count = 0;
  for (int i = 0; i < names->count; i++) {
    const char *name = names->values[i];
    const size_t length = strlen(name);
    const int before = count;
    if (length == 0 || name[length - 1] != '*' || !p->feature_names) {
      const int column = find_feature(p, key, name, error);
      if (column < 0) return column;
      if (count < most) columns[count] = column;
      count++;
    } else {
      for (int j = 0; j < p->features; j++)
        if (strncmp(p->feature_names[j], name, length - 1) == 0 && count++ < most) columns[count - 1] = j;
      if (count == before) return find_feature(p, key, name, error); /* tells the names there are */
    }
    if (count > most) return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s names more than %d features", key, most);
  }
  return count;
}

/* 1 + the column of each of those names, of which there are none or as many as targets. */
static int choose_of_targets(const ml3_problem *p, const char *key, const ml3_key_names *names, const ml3_loss_spec *spec,
                             int *columns, ml3_error *error) {
  int count = 0;
  for (int i = 0; i < names->count; i++) {
    int found[ML3_LOSS_MAX_TARGETS] = {-2}, named = 1; /* "0": -1 */
    if (columns != spec->target_factors || strcmp(names->values[i], "0") != 0) {
      ml3_key_names one = {.count = 1};
      memcpy(one.values[0], names->values[i], sizeof one.values[0]);
      named = find_features(p, key, &one, found, ML3_LOSS_MAX_TARGETS, error);
      if (named < 0) return named;
    }
    for (int k = 0; k < named && count < ML3_LOSS_MAX_TARGETS; k++) columns[count++] = 1 + found[k];
  }
  if (count && count != spec->target_count)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%s names %d features, and loss.targets %d; one for each is needed, or none", key, count,
                         spec->target_count);
  return ML3_OK;
}

/* Which columns the loss sees, which it draws to targets, and which is added to its value, from their names. */
static int choose_inputs(const ml3_lab_config *c, const ml3_problem *p, ml3_loss_spec *spec, ml3_error *error) {
  const ml3_loss_options *loss = ML3_LAB_GET(c, loss);
  spec->features = p->features;
  const int seen = find_features(p, "loss.inputs", &loss->inputs, spec->columns, ML3_LOSS_MAX_FEATURES, error);
  if (seen < 0) return seen;
  spec->net.inputs = seen ? seen : p->features;
  spec->target_count = find_features(p, "loss.targets", &loss->targets, spec->targets, ML3_LOSS_MAX_TARGETS, error);
  if (spec->target_count < 0) return spec->target_count;
  spec->only_targets = loss->only_targets;
  int code = choose_of_targets(p, "loss.target_base", &loss->target_base, spec, spec->target_bases, error);
  if (code == ML3_OK)
    code = choose_of_targets(p, "loss.target_factor", &loss->target_factor, spec, spec->target_factors, error);
  if (code != ML3_OK) return code;
  if (!*loss->base) return ML3_OK;
  const int base = find_feature(p, "loss.base", loss->base, error);
  spec->base = base + 1;
  return base < 0 ? base : ML3_OK;
}

static int make_loss(const ml3_lab_config *c, const ml3_problem *p, ml3_loss_spec *spec, ml3_error *error) {
  const ml3_inner_options *inner = ML3_LAB_GET(c, inner);
  const ml3_loss_options *loss = ML3_LAB_GET(c, loss);
  const ml3_lab_meta_method *method = ml3_lab_meta_method_of(c);
  *spec = (ml3_loss_spec){.kind = method->loss ? ML3_LOSS_LEARNED : ML3_LOSS_TASK,
                          .rate = inner->rate,
                          .learn_rate = method->rates ? ML3_RATE_SIGNED : (ml3_learn_rate)inner->learn_rate,
                          .newton = method->loss ? (int)inner->newton : 0,
                          .momentum = inner->momentum,
                          .learn_start = inner->learn_start || !method->loss,
                          .theta_size = p->theta_size};
  if (spec->kind == ML3_LOSS_TASK) return ML3_OK;
  spec->weighting = (ml3_weighting)loss->weighting;
  spec->net = (ml3_mlp){.outputs = spec->weighting == ML3_WEIGHTING_NONE ? 1 : 2,
                        .depth = loss->hidden.count,
                        .activation = (ml3_activation)loss->activation,
                        .output = loss->output ? ML3_SOFTPLUS : ML3_IDENTITY,
                        .bias = loss->bias,
                        .start = (ml3_mlp_start)loss->start};
  int code = ml3_lab_copy_widths(&loss->hidden, spec->net.hidden, "loss.hidden", error);
  return code == ML3_OK ? choose_inputs(c, p, spec, error) : code;
}

/* An environment of others may have to be stepped by one thread. */
static int allowed(const ml3_lab_config *c, int threads) {
  const ml3_env_spec *foreign = ml3_foreign_find(c->environment);
  return foreign ? ml3_env_threads(foreign, threads) : threads;
}

int ml3_lab_threads(const ml3_lab_config *c) {
  return allowed(c, c->threads == 0 ? c->cores : (int)c->threads);
}

int ml3_lab_trainer_settings(const ml3_lab_config *c, const ml3_problem *problem, const ml3_loss *learned,
                             ml3_trainer_settings *settings, ml3_error *error) {
  const ml3_inner_options *inner = ML3_LAB_GET(c, inner);
  const ml3_outer_options *outer = ML3_LAB_GET(c, outer);
  const ml3_evolution_options *evolution = ML3_LAB_GET(c, evolution);
  const ml3_validation_options *validation = ML3_LAB_GET(c, validation);
  const ml3_dynamics_options *dynamics = ML3_LAB_GET(c, dynamics);
  const ml3_lab_meta_method *method = ml3_lab_meta_method_of(c);
  ml3_loss_spec loss;
  if (!method)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "method is '%s', by which a policy learns by itself; nothing is meta-trained",
                         ml3_lab_method_name(c));
  const int code = learned ? ML3_OK : make_loss(c, problem, &loss, error);
  if (code != ML3_OK) return code;
  if (learned) loss = learned->spec;
  *settings = (ml3_trainer_settings){
      .meta = {.loss = loss,
               .inner_steps = (int)(inner->steps * inner->passes),
               .passes = (int)inner->passes,
               .weights = (ml3_step_weights)inner->weights,
               .weight_count = inner->weight_list.count,
               .task_weight = outer->task_weight,
               .extra_weight = outer->extra_weight,
               .target_weight = ML3_LAB_GET(c, model_free)->target_weight,
               .keep_bytes = ML3_META_KEEP_BYTES,
               .fast_products = inner->products != 0,
               .derivatives = method->first_order ? ML3_DERIVATIVES_FIRST_ORDER : (ml3_derivatives)inner->derivatives},
      .optimizer = ml3_nn_adam(outer->rate),
      .gradient = (ml3_outer_gradient)outer->gradient,
      .evolution = {.pairs = (int)evolution->pairs,
                    .deviation = evolution->deviation,
                    .shape = (ml3_evolution_shape)evolution->shape},
      .seed = (uint64_t)c->seed,
      .threads = ml3_lab_threads(c),
      .ranks = c->ranks,
      .tasks = (int)outer->tasks,
      .epochs = (int)outer->epochs,
      .task_clip_norm = outer->task_clip_norm,
      .normalize = (ml3_normalize)ML3_LAB_GET(c, loss)->normalize,
      .numerics = (ml3_numerics)outer->numerics,
      .lifetime = (int)inner->lifetime,
      .validation_tasks = (int)validation->tasks,
      .validation_steps = (int)(validation->steps * inner->passes),
      .select = (ml3_select)validation->select,
      .gather_every = (int)dynamics->every,
      .gather_tasks = (int)dynamics->tasks,
      .patience = (int)validation->patience,
      .from_checkpoint = c->from_checkpoint};
  settings->optimizer.kind = (ml3_nn_optimizer_kind)outer->optimizer;
  settings->optimizer.clip_norm = outer->clip_norm;
  settings->optimizer.schedule = (ml3_nn_schedule)outer->schedule;
  settings->optimizer.final_rate = outer->final_rate;
  settings->optimizer.warmup_steps = outer->warmup;
  settings->optimizer.total_steps = outer->steps * ml3_trainer_epochs(problem, (int)outer->epochs);
  for (int i = 0; i < inner->weight_list.count && i < ML3_META_MAX_WEIGHTS; i++)
    settings->meta.weight_list[i] = inner->weight_list.values[i];
  return ML3_OK;
}

ml3_compare_settings ml3_lab_compare_settings_of(const ml3_lab_config *c) {
  const ml3_test_options *test = ML3_LAB_GET(c, test);
  ml3_compare_settings s = {
      .seed = (uint64_t)c->seed,
      .tasks = (int)test->tasks,
      .step_count = test->steps.count < ML3_COMPARE_MAX_STEPS ? test->steps.count : ML3_COMPARE_MAX_STEPS,
      .threads = allowed(c, (int)c->threads),
      .ilqr_restarts = (int)ML3_LAB_GET(c, compare)->ilqr_restarts};
  for (int i = 0; i < s.step_count; i++) s.steps[i] = (int)test->steps.values[i];
  return s;
}
