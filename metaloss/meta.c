/* Programs of a meta-gradient: checks and making. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/meta_internal.h"

/* ---- making ------------------------------------------------------------------------------------------ */

int ml3_meta_updates(const ml3_meta_settings *s) {
  return s->inner_steps / (s->passes > 1 ? s->passes : 1);
}

static void set_weights(ml3_meta *m) {
  const int passes = m->passes, k_max = ml3_meta_updates(&m->settings);
  for (int k = 1; k <= k_max; k++) switch (m->settings.weights) {
      case ML3_WEIGHTS_LAST:
        m->weights[k * passes] = k == k_max;
        break;
      case ML3_WEIGHTS_ALL:
        m->weights[k * passes] = 1.0 / k_max;
        break;
      case ML3_WEIGHTS_LINEAR:
        m->weights[k * passes] = 2.0 * k / (k_max * (k_max + 1.0));
        break;
      case ML3_WEIGHTS_LIST:
        m->weights[k * passes] = m->settings.weight_list[k - 1];
        break;
    }
}

static int check_weights(const ml3_meta_settings *s, ml3_error *error) {
  double sum = 0;
  if (s->weights != ML3_WEIGHTS_LIST) return ML3_OK;
  if (s->weight_count != ml3_meta_updates(s) || s->weight_count > ML3_META_MAX_WEIGHTS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the list of weights has %d entries for %d inner steps; it needs one a step, at most %d",
                         s->weight_count, ml3_meta_updates(s), ML3_META_MAX_WEIGHTS);
  for (int i = 0; i < s->weight_count; i++) {
    if (!(s->weight_list[i] >= 0) || !isfinite(s->weight_list[i]))
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "weight %d of the inner steps is %g; it must not be negative",
                           i + 1, s->weight_list[i]);
    sum += s->weight_list[i];
  }
  return sum > 0 ? ML3_OK : ml3_error_set(error, ML3_ERR_ARGUMENT, "the weights of the inner steps are all 0");
}

/* What a loss of that spec needs of the problem. */
static int check_loss(const ml3_problem *p, const ml3_loss_spec *loss, ml3_error *error) {
  if (loss->kind == ML3_LOSS_LEARNED && ml3_loss_features(loss) != p->features)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss takes %d features; problem '%s' gives %d",
                         ml3_loss_features(loss), p->name, p->features);
  if (loss->kind == ML3_LOSS_TASK && !p->build_inner_loss && p->inner_size != p->outer_size)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s' has no loss of its own on the inner data: MAML and the "
                         "task gradient cannot be used with it",
                         p->name);
  const bool sized = loss->learn_rate >= ML3_RATE_PARAMETER || loss->learn_start;
  if (sized && loss->theta_size != p->theta_size)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "what was learned has a start or step sizes for %d parameters; the optimizee has %d; a loss with "
        "one step size fits any",
        loss->theta_size, p->theta_size);
  return ML3_OK;
}

/* An expert must say what all targets of the loss should be, and nothing else. */
static int check_targets(const ml3_problem *p, const ml3_meta_settings *s, ml3_error *error) {
  const ml3_loss_spec *loss = &s->loss;
  if (!(s->target_weight >= 0) || !isfinite(s->target_weight))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the weight of the targets is %g; at least 0 is possible", s->target_weight);
  if (s->target_weight == 0 || !p->build_targets) return ML3_OK;
  bool same = loss->kind == ML3_LOSS_LEARNED && loss->target_count == p->targets;
  for (int i = 0; same && i < p->targets; i++) same = loss->targets[i] == p->first_target + i;
  return same ? ML3_OK
              : ml3_error_set(error, ML3_ERR_ARGUMENT,
                              "the loss's targets are held against what an expert of '%s' wants, but they are others; name in "
                              "loss.targets all of what it says and nothing else, such as [mean*], or set outer.target_weight=0",
                              p->name);
}

/* Tensors of a program hold fewer than 2^30 numbers (nn/graph.h); the tasks of a batch lie one behind the other. */
static int check_sizes(const ml3_problem *p, const ml3_meta_settings *s, ml3_error *error) {
  const int64_t most = (1 << 30) - 1, batch = s->batch > 1 ? s->batch : 1;
  const struct {
    const char *what;
    int64_t size, times;
  } sizes[] = {{"parameters of the optimizee", p->theta_size, batch},
               {"numbers of a task", p->task_size, batch},
               {"numbers of data to learn from", p->inner_size, batch},
               {"numbers of data to judge by", p->outer_size, 1}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i].size < 1 || sizes[i].size > most / sizes[i].times)
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "problem '%s': %lld %s, %lld tasks at once; 1 to %lld in all are possible", p->name,
                           (long long)sizes[i].size, sizes[i].what, (long long)sizes[i].times, (long long)most);
  return ML3_OK;
}

static int check(const ml3_problem *p, const ml3_meta_settings *s, ml3_error *error) {
  if (s->inner_steps < 1 || s->inner_steps > 1000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "inner steps are %d; 1 to 1000 are possible", s->inner_steps);
  if (s->passes < 0 || (s->passes > 1 && s->inner_steps % s->passes))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d inner steps are not whole updates of %d passes", s->inner_steps,
                         s->passes);
  if (s->batch < 0 || s->batch > ML3_META_MAX_BATCH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the batch of a program is %d tasks; 1 to %d are possible", s->batch,
                         ML3_META_MAX_BATCH);
  if (s->loss.learn_start && s->derivatives == ML3_DERIVATIVES_GREEDY)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "greedy derivatives do not reach the start; with a learned start they must be exact or first order");
  int code = check_sizes(p, s, error);
  if (code == ML3_OK) code = check_weights(s, error);
  if (code == ML3_OK) code = check_targets(p, s, error);
  return code == ML3_OK ? check_loss(p, &s->loss, error) : code;
}

/* A loss that knows what its features were called is not given others. */
static int check_names(const ml3_problem *p, const ml3_loss *loss, ml3_error *error) {
  const bool as_many = ml3_loss_features(&loss->spec) == p->features; /* else check_loss says so */
  if (loss->spec.kind != ML3_LOSS_LEARNED || !p->feature_names || !as_many) return ML3_OK;
  for (int i = 0; i < p->features; i++) {
    char unnamed[ML3_LOSS_NAME_MAX];
    snprintf(unnamed, sizeof unnamed, "f%d", i);
    if (strcmp(loss->names[i], p->feature_names[i]) != 0 && strcmp(loss->names[i], unnamed) != 0)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss's feature %d is '%s'; problem '%s' gives '%s'",
                           i + 1, loss->names[i], p->name, p->feature_names[i]);
  }
  return ML3_OK;
}

int ml3_meta_fits(const ml3_meta *m, const ml3_loss *loss, ml3_error *error) {
  const ml3_loss_spec *mine = &m->settings.loss, *its = &loss->spec;
  int code = check_names(m->problem, loss, error);
  if (code == ML3_OK) code = check_loss(m->problem, its, error);
  if (code != ML3_OK) return code;
  const bool same = mine->kind == its->kind && mine->learn_start == its->learn_start && m->loss_size == loss->size &&
                    mine->learn_rate == its->learn_rate && mine->newton == its->newton && mine->momentum == its->momentum &&
                    (mine->learn_rate != ML3_RATE_FIXED || mine->rate == its->rate) &&
                    (mine->kind == ML3_LOSS_TASK || mine->net.inputs == its->net.inputs);
  return same ? ML3_OK
              : ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss is of another form than these programs");
}

ml3_meta *ml3_meta_new(const ml3_problem *problem, const ml3_meta_settings *settings, ml3_error *error) {
  if (check(problem, settings, error) != ML3_OK) return NULL;

  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  ml3_loss *shape = ml3_loss_new(&settings->loss, &unused, error); /* checks the loss and tells its size */
  if (!shape) return NULL;
  ml3_meta *m = calloc(1, sizeof *m);
  double *weights = calloc((size_t)settings->inner_steps + 1, sizeof *weights);
  if (!m || !weights) {
    free(m);
    free(weights);
    ml3_loss_free(shape);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for problem '%s'", problem->name);
    return NULL;
  }
  const size_t batch = settings->batch > 1 ? (size_t)settings->batch : 1;
  *m = (ml3_meta){.problem = problem,
                  .settings = *settings,
                  .batch = (int)batch,
                  .sizes = {.theta = batch * (size_t)problem->theta_size,
                            .task = batch * (size_t)problem->task_size,
                            .inner = batch * (size_t)problem->inner_size,
                            .outer = batch * (size_t)problem->outer_size},
                  .passes = settings->passes > 1 ? settings->passes : 1,
                  .loss_size = shape->size,
                  .weights = weights};
  ml3_loss_free(shape);
  set_weights(m);
  if (ml3_meta_compile(m, error) == ML3_OK) return m;
  ml3_meta_free(m);
  return NULL;
}

void ml3_meta_free(ml3_meta *m) {
  if (!m) return;
  ml3_nn_program_free(m->inner);
  ml3_nn_program_free(m->outer);
  ml3_nn_program_free(m->task);
  ml3_nn_program_free(m->features);
  free(m->weights);
  free(m);
}

const ml3_meta_settings *ml3_meta_settings_of(const ml3_meta *m) {
  return &m->settings;
}
const ml3_problem *ml3_meta_problem(const ml3_meta *m) {
  return m->problem;
}
const ml3_nn_program *ml3_meta_inner_program(const ml3_meta *m) {
  return m->inner;
}
const ml3_nn_program *ml3_meta_outer_program(const ml3_meta *m) {
  return m->outer;
}
bool ml3_meta_has_target_loss(const ml3_meta *m) {
  return m->problem->build_targets && m->settings.target_weight > 0;
}
double ml3_meta_weight(const ml3_meta *m, int update) {
  return m->weights[update * m->passes];
}
int ml3_meta_batch(const ml3_meta *m) {
  return m->batch;
}
int ml3_meta_rows(const ml3_meta *m) {
  return m->rows;
}

/* The one that is needed, and what keep_bytes holds besides. */
int ml3_meta_kept(const ml3_meta *m) {
  const size_t each = ml3_nn_program_report(m->inner).arena_bytes + 1, more = m->settings.keep_bytes / each;
  return more < (size_t)m->settings.inner_steps ? (int)more + 1 : m->settings.inner_steps;
}
