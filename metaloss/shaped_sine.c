/* The shaped sine: one parameter, prediction sin(theta x); see sine.h. */
#include <math.h>
#include <stdlib.h>

#include "metaloss/blocks.h"
#include "metaloss/sine.h"
#include "nn/tensor_file.h"

/* What a task consists of: x and sin(goal x) [points], the goal [1]. */
enum { X, Y, GOAL, TASK_BLOCKS };

typedef struct shaped_sine {
  ml3_problem problem;
  ml3_shaped_sine_settings settings;
  ml3_block of[TASK_BLOCKS];
} shaped_sine;

static const shaped_sine *self(const ml3_problem *p) {
  return p->user;
}

static const char *const feature_names[] = {"x", "prediction", "target"};

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static ml3_node part(const ml3_problem *p, int block, ml3_nn_graph *g, ml3_node data) {
  return ml3_block_view(g, self(p)->of[block], data);
}

static ml3_node predict(ml3_nn_graph *g, ml3_node theta, ml3_node x) {
  return ml3_nn_sin(g, ml3_nn_mul(g, x, theta));
}

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)context;
  ml3_node x = part(p, X, g, data), columns[3] = {x, predict(g, theta, x), part(p, Y, g, data)};
  return ml3_nn_concat_cols(g, columns, 3);
}

static ml3_node build_known(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)context;
  return ml3_nn_square(g, ml3_nn_sub(g, theta, part(p, GOAL, g, data)));
}

static ml3_node build_mean_square(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context) {
  (void)context;
  ml3_node off = ml3_nn_sub(g, predict(g, theta, part(p, X, g, data)), part(p, Y, g, data));
  return ml3_nn_mean(g, ml3_nn_square(g, off));
}

/* ---- tasks and judging -------------------------------------------------------------------------------------------- */

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  const ml3_shaped_sine_settings *s = &self(p)->settings;
  const ml3_block *of = self(p)->of;
  const double goal = ml3_random_uniform(random, s->goal.low, s->goal.high);
  (void)error, (void)split; /* one distribution: goals that were not drawn before */
  for (int i = 0; i < s->points; i++) {
    double x = -5 + 10.0 * i / s->points;
    ml3_block_in(of[X], task)[i] = (ml3_real)x;
    ml3_block_in(of[Y], task)[i] = (ml3_real)sin(goal * x);
  }
  *ml3_block_in(of[GOAL], task) = (ml3_real)goal;
  theta[0] = (ml3_real)ml3_random_uniform(random, s->start.low, s->start.high);
  if (s->both_signs && ml3_random_below(random, 2)) theta[0] = -theta[0];
  return ML3_OK;
}

static int evaluate(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                    ml3_error *error) {
  const ml3_shaped_sine_settings *s = &self(p)->settings;
  if (!isfinite(theta[0])) return ml3_error_set(error, ML3_ERR_NUMERIC, "problem '%s': theta is not finite", p->name);
  const ml3_block *of = self(p)->of;
  const ml3_real *x = ml3_block_in(of[X], task), *y = ml3_block_in(of[Y], task);
  double sum = 0, distance = fabs((double)theta[0] - (double)*ml3_block_in(of[GOAL], task));
  for (int i = 0; i < s->points; i++) {
    double off = sin((double)theta[0] * (double)x[i]) - (double)y[i];
    sum += off * off;
  }
  *outcome = (ml3_outcome){.task_loss = sum / s->points, .distance = distance, .success = distance <= s->tolerance};
  return ML3_OK;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static int save(const ml3_problem *p, const ml3_real *theta, const char *path, ml3_error *error) {
  (void)p;
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  int code = t ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  if (!code) code = ml3_nn_tensors_put_text(t, "format", "ml3 shaped sine 1", error);
  if (!code) code = ml3_nn_tensors_put(t, "theta", 0, 1, theta, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  ml3_nn_tensors_free(t);
  return code;
}

static void free_problem(ml3_problem *p) {
  free(p->user); /* the problem is a part of it */
}

ml3_problem *ml3_shaped_sine_new(const ml3_shaped_sine_settings *s, ml3_error *error) {
  if (s->points < 1 || s->points > 100000 || !(s->start.low <= s->start.high) || !(s->goal.low <= s->goal.high)) {
    ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "the shaped sine has %d points, starts from %g to %g, goals from %g to %g; expected 1 to 100000 and rising "
        "numbers",
        s->points, s->start.low, s->start.high, s->goal.low, s->goal.high);
    return NULL;
  }
  shaped_sine *own = malloc(sizeof *own);
  if (!own) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the shaped sine");
    return NULL;
  }
  *own = (shaped_sine){.problem = {.name = "shaped_sine",
                                   .theta_size = 1,
                                   .features = 3,
                                   .feature_names = feature_names,
                                   .build_features = build_features,
                                   .build_task_loss = build_mean_square,
                                   .build_extra_loss = s->extra_known ? build_known : NULL,
                                   .sample = sample,
                                   .evaluate = evaluate,
                                   .success_name = "within tolerance",
                                   .distance_name = "|theta - goal|",
                                   .task_loss_name = "squared error",
                                   .save = save,
                                   .free = free_problem,
                                   .user = own},
                       .settings = *s,
                       .of = {[X] = ml3_block_of(s->points, 1), [Y] = ml3_block_of(s->points, 1), [GOAL] = ml3_block_of(1, 1)}};
  own->problem.task_size = own->problem.inner_size = own->problem.outer_size = ml3_blocks_lay_out(own->of, TASK_BLOCKS);
  return &own->problem;
}
