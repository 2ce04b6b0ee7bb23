/* Supervised problems: see supervised.h. */
#include "metaloss/supervised.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/blocks.h"
#include "nn/tensor_file.h"

enum { FEATURES_MAX = 256 };

/* Samples that are learned from, those of the task loss, the extra points: a task has x, then y of each. */
enum { INNER = 0, OUTER = 2, EXTRA = 4, TASK_BLOCKS = 6 };
enum { X, Y };

typedef struct supervised {
  ml3_problem problem;
  ml3_block of[TASK_BLOCKS]; /* of[INNER + X] ... */
  ml3_supervised_settings settings;
  ml3_sample_source source;
  char names[FEATURES_MAX][16];
  const char *feature_names[FEATURES_MAX];
} supervised;

static const supervised *self(const ml3_problem *p) {
  return p->user;
}

const ml3_supervised_settings *ml3_supervised_settings_of(const ml3_problem *p) {
  return &self(p)->settings;
}

/* ---- where a task's samples are --------------------------------------------------------------------------------- */

/* Numbers of a task. */
static int lay_out(supervised *s) {
  const ml3_supervised_settings *of = &s->settings;
  const int extra = of->extra == ML3_EXTRA_NOTHING ? 0 : of->extra_points;
  const int points[TASK_BLOCKS] = {[INNER] = of->inner_points, [OUTER] = of->outer_points, [EXTRA] = extra};
  for (int i = INNER; i <= EXTRA; i += 2) {
    s->of[i + X] = ml3_block_of(points[i], of->model.inputs);
    s->of[i + Y] = ml3_block_of(points[i], of->model.outputs);
  }
  return ml3_blocks_lay_out(s->of, TASK_BLOCKS);
}

/* The samples of the task loss: those that are learned from when there are no others. */
static int judged(const supervised *s) {
  return s->settings.outer_points ? OUTER : INNER;
}

static ml3_samples samples_of(const supervised *s, const ml3_real *task, int which) {
  const ml3_block *of = s->of + which;
  return (ml3_samples){.x = ml3_block_in(of[X], task), .y = ml3_block_in(of[Y], task), .points = of[X].rows};
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static ml3_node x_of(const supervised *s, ml3_nn_graph *g, ml3_node data, int which) {
  return ml3_block_view(g, s->of[which + X], data);
}

static ml3_node y_of(const supervised *s, ml3_nn_graph *g, ml3_node data, int which) {
  return ml3_block_view(g, s->of[which + Y], data);
}

static ml3_node predict(const supervised *s, ml3_nn_graph *g, ml3_node theta, ml3_node x) {
  return ml3_mlp_build(g, &s->settings.model, theta, 0, x);
}

static ml3_node as_column(ml3_nn_graph *g, ml3_node x) {
  return ml3_nn_view(g, x, 0, ml3_nn_rows(g, x) * ml3_nn_cols(g, x), 1);
}

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  const supervised *s = self(p);
  const int outputs = s->settings.model.outputs;
  ml3_node x = x_of(s, g, data, INNER), y = y_of(s, g, data, INNER), f = predict(s, g, theta, x);
  (void)context;
  if (s->settings.classification) {
    ml3_node log_p = ml3_nn_log_softmax(g, f);
    ml3_node loss = ml3_nn_scale(g, ml3_nn_mul(g, y, log_p), -outputs);
    ml3_node columns[4] = {as_column(g, ml3_nn_exp(g, log_p)), as_column(g, log_p), as_column(g, y),
                           as_column(g, loss)};
    return ml3_nn_concat_cols(g, columns, 4);
  }
  ml3_node *blocks = malloc((size_t)outputs * sizeof *blocks); /* output by output, one below the other */
  if (!blocks) return ml3_nn_out_of_memory(g);
  for (int i = 0; i < outputs; i++) {
    ml3_node prediction = ml3_nn_slice_cols(g, f, i, 1), target = ml3_nn_slice_cols(g, y, i, 1);
    ml3_node columns[4] = {x, prediction, target, ml3_nn_square(g, ml3_nn_sub(g, prediction, target))};
    blocks[i] = s->settings.feature_x ? ml3_nn_concat_cols(g, columns, 4) : ml3_nn_concat_cols(g, columns + 1, 3);
  }
  ml3_node rows = ml3_nn_concat_rows(g, blocks, outputs);
  free(blocks);
  return rows;
}

static ml3_node mean_square(ml3_nn_graph *g, ml3_node x) {
  return ml3_nn_mean(g, ml3_nn_square(g, x));
}

/* Mean squared error or cross-entropy on those samples. */
static ml3_node build_loss_on(const supervised *s, ml3_nn_graph *g, ml3_node theta, ml3_node data, int which) {
  ml3_node y = y_of(s, g, data, which), f = predict(s, g, theta, x_of(s, g, data, which));
  if (!s->settings.classification) return mean_square(g, ml3_nn_sub(g, f, y));
  return ml3_nn_scale(g, ml3_nn_dot(g, y, ml3_nn_log_softmax(g, f)), -1.0 / s->of[which + X].rows);
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  (void)context;
  return build_loss_on(self(p), g, theta, data, judged(self(p)));
}

static ml3_node build_inner_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  (void)context;
  return build_loss_on(self(p), g, theta, data, INNER);
}

static ml3_node build_extra_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  const supervised *s = self(p);
  ml3_node x = x_of(s, g, data, EXTRA), f = predict(s, g, theta, x);
  (void)context;
  if (s->settings.extra == ML3_EXTRA_DEMONSTRATION) return mean_square(g, ml3_nn_sub(g, f, y_of(s, g, data, EXTRA)));

  const double w = s->settings.physics_frequency, h = s->settings.physics_step;
  ml3_node both =
      ml3_nn_add(g, predict(s, g, theta, ml3_nn_shift(g, x, h)), predict(s, g, theta, ml3_nn_shift(g, x, -h)));
  ml3_node residual = ml3_nn_sub(g, both, ml3_nn_scale(g, f, 2 * cos(w * h)));
  return mean_square(g, ml3_nn_scale(g, residual, 1 / (h * h)));
}

/* ---- tasks and judging -------------------------------------------------------------------------------------------- */

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  const supervised *s = self(p);
  ml3_samples inner = samples_of(s, task, INNER), outer = samples_of(s, task, OUTER),
              extra = samples_of(s, task, EXTRA);
  (void)error;
  s->source.draw(s->source.user, split, random, &inner, &outer, &extra);
  ml3_mlp_init(&s->settings.model, random, theta);
  return ML3_OK;
}

static int greatest(const double *x, int n) {
  int best = 0;
  for (int i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* One sample's part of the loss; correct: whether its class is the one with the greatest output. */
static double judge_sample(const supervised *s, const double *f, const ml3_real *y, bool *correct) {
  const int n = s->settings.model.outputs;
  double sum = 0;
  if (!s->settings.classification) {
    for (int i = 0; i < n; i++) sum += (f[i] - y[i]) * (f[i] - y[i]) / n;
    return sum;
  }
  const int best = greatest(f, n);
  double loss = 0;
  for (int i = 0; i < n; i++) sum += exp(f[i] - f[best]);
  for (int i = 0; i < n; i++) loss -= y[i] * (f[i] - f[best] - log(sum));
  *correct = y[best] > 0;
  return loss;
}

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const supervised *s = self(p);
  const ml3_mlp *model = &s->settings.model;
  const ml3_samples on = samples_of(s, task, judged(s));
  double x[ML3_MLP_MAX_WIDTH], f[ML3_MLP_MAX_WIDTH];
  *outcome = (ml3_outcome){0};
  for (int i = 0; i < on.points; i++) {
    bool correct = false;
    for (int j = 0; j < model->inputs; j++) x[j] = on.x[i * model->inputs + j];
    ml3_mlp_forward(model, theta, x, f);
    outcome->task_loss += judge_sample(s, f, on.y + i * model->outputs, &correct) / on.points;
    outcome->success += correct ? 1.0 / on.points : 0;
  }
  if (isfinite(outcome->task_loss)) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': the model's outputs are not finite", p->name);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* The parameters layer by layer, named as PyTorch's nn.Linear does: layer0.weight [out, in], layer0.bias ... */
static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  const ml3_mlp *m = &self(p)->settings.model;
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  int code = t ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  if (!code) code = ml3_nn_tensors_put_text(t, "format", "ml3 model 1", error);
  if (!code) code = ml3_nn_tensors_put_text(t, "activation", ml3_activation_name(m->activation), error);
  for (int i = 0; i <= m->depth && !code; i++) {
    int in = i == 0 ? m->inputs : m->hidden[i - 1], out = i == m->depth ? m->outputs : m->hidden[i];
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", i);
    code = ml3_nn_tensors_put(t, name, out, in, theta, error);
    theta += out * in;
    snprintf(name, sizeof name, "layer%d.bias", i);
    if (!code && m->bias) code = ml3_nn_tensors_put(t, name, 0, out, theta, error);
    if (m->bias) theta += out;
  }
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  ml3_nn_tensors_free(t);
  return code;
}

static void name_features(supervised *s) {
  static const char *const of_class[] = {"p", "log_p", "target", "loss"}, *const of_output[] = {"prediction", "target",
                                                                                                "loss"};
  const int inputs = s->settings.model.inputs;
  int count = 0;
  for (int i = 0; i < inputs && s->settings.feature_x && !s->settings.classification; i++)
    snprintf(s->names[count++], sizeof *s->names, inputs == 1 ? "x" : "x%d", i);
  for (int i = 0; i < (s->settings.classification ? 4 : 3); i++)
    snprintf(s->names[count++], sizeof *s->names, "%s", s->settings.classification ? of_class[i] : of_output[i]);
  for (int i = 0; i < count; i++) s->feature_names[i] = s->names[i];
  s->problem.features = count;
  s->problem.feature_names = s->feature_names;
}

static void free_problem(ml3_problem *p) {
  supervised *s = p->user; /* the problem is a part of it */
  if (s->source.free) s->source.free(s->source.user);
  free(s);
}

static int check(const ml3_supervised_settings *s, ml3_error *error) {
  if (ml3_mlp_check(&s->model, "the model", error) != ML3_OK) return ML3_ERR_ARGUMENT;
  if (s->model.inputs > ML3_MLP_MAX_WIDTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "problem '%s': %d inputs; 1 to %d are possible", s->name,
                         s->model.inputs, ML3_MLP_MAX_WIDTH);
  if (s->inner_points < 1 || s->inner_points > 100000 || s->outer_points < 0 || s->outer_points > 100000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s': %d samples to learn from and %d others; 1 and 0 to 100000 are possible",
                         s->name, s->inner_points, s->outer_points);
  if (s->feature_x && s->model.inputs > FEATURES_MAX - 3)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "problem '%s': %d inputs are too many for features; %d are possible",
                         s->name, s->model.inputs, FEATURES_MAX - 3);
  if (s->classification && s->model.outputs < 2)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "problem '%s': there is one class alone; two are the least", s->name);
  if (s->extra != ML3_EXTRA_NOTHING && (s->classification || s->extra_points < 1 || s->extra_points > 100000))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s': demonstrations and physics are for regression, at 1 to 100000 points", s->name);
  const double row = (double)s->model.inputs + s->model.outputs, extra = s->extra == ML3_EXTRA_NOTHING ? 0 : s->extra_points;
  if (row * (s->inner_points + s->outer_points + extra) >= 1 << 30)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s': a task of %.0f samples of %.0f numbers; fewer than 2^30 numbers are possible",
                         s->name, s->inner_points + s->outer_points + extra, row);
  if (s->extra == ML3_EXTRA_PHYSICS && (s->model.inputs != 1 || !(s->physics_step > 0)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "problem '%s': the oscillator's equation is for one input and a positive step", s->name);
  return ML3_OK;
}

ml3_problem *ml3_supervised_new(const ml3_supervised_settings *settings, const ml3_sample_source *source,
                                ml3_error *error) {
  int code = check(settings, error);
  supervised *s = code == ML3_OK ? malloc(sizeof *s) : NULL;
  if (!s) {
    if (source->free) source->free(source->user);
    if (code == ML3_OK) ml3_error_set(error, ML3_ERR_MEMORY, "no memory for problem '%s'", settings->name);
    return NULL;
  }
  *s = (supervised){.settings = *settings, .source = *source};
  const int size = lay_out(s);
  s->problem = (ml3_problem){.name = settings->name,
                             .theta_size = ml3_mlp_size(&settings->model),
                             .task_size = size,
                             .inner_size = size,
                             .outer_size = size,
                             .build_features = build_features,
                             .build_task_loss = build_task_loss,
                             .build_inner_loss = build_inner_loss,
                             .build_extra_loss = settings->extra == ML3_EXTRA_NOTHING ? NULL : build_extra_loss,
                             .sample = sample,
                             .evaluate = evaluate,
                             .success_name = settings->classification ? "accuracy" : NULL,
                             .task_loss_name = settings->classification ? "cross-entropy" : "squared error",
                             .save = save,
                             .net = &s->settings.model,
                             .free = free_problem,
                             .user = s};
  name_features(s);
  return &s->problem;
}
