/* A learned loss as a function of a batch of rows, outside of any graph: see loss.h. */
#include <stdlib.h>
#include <string.h>

#include "metaloss/loss.h"
#include "nn/program.h"

struct ml3_loss_function {
  const ml3_loss *loss;
  int rows;
  ml3_nn_program *program;
  ml3_nn_workspace *work;
  ml3_node phi, shift, scale, features;
};

enum { FUNCTION_TOTAL, FUNCTION_VALUES, FUNCTION_WEIGHTS, FUNCTION_GRADIENT };

static int compile_function(ml3_loss_function *f, ml3_error *error) {
  const ml3_loss_spec *spec = &f->loss->spec;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a learned loss of %d rows", f->rows);
  f->phi = ml3_nn_input(g, 1, f->loss->size);
  f->shift = ml3_nn_input(g, 1, spec->net.inputs);
  f->scale = ml3_nn_input(g, 1, spec->net.inputs);
  f->features = ml3_nn_input(g, f->rows, ml3_loss_features(spec));

  ml3_node total = ml3_loss_build_total(g, spec, f->phi, f->shift, f->scale, f->features, 1), gradient;
  ml3_node values = ml3_loss_build(g, spec, f->phi, f->shift, f->scale, f->features);
  ml3_node weights = ml3_loss_build_weights(g, spec, f->phi, f->shift, f->scale, f->features, 1);
  ml3_nn_gradient(g, total, &f->features, 1, &gradient);
  const ml3_nn_output list[] = {{total, 0}, {values, 0}, {weights, 0}, {gradient, 1}};
  f->program = ml3_nn_compile(g, list, 4, error);
  ml3_nn_graph_free(g);
  f->work = f->program ? ml3_nn_workspace_new(f->program, error) : NULL;
  return f->work ? ML3_OK : ml3_error_prefix(error, "learned loss of %d rows", f->rows);
}

ml3_loss_function *ml3_loss_function_new(const ml3_loss *loss, int rows, ml3_error *error) {
  const bool learned = loss->spec.kind == ML3_LOSS_LEARNED;
  if (!learned || rows < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  learned ? "a loss of %d rows; there must be one or more"
                                       : "there is no learned loss in what was learned (%d rows)",
                  rows);
    return NULL;
  }
  ml3_loss_function *f = calloc(1, sizeof *f);
  if (!f) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a learned loss of %d rows", rows);
    return NULL;
  }
  *f = (ml3_loss_function){.loss = loss, .rows = rows};
  if (compile_function(f, error) == ML3_OK) return f;
  ml3_loss_function_free(f);
  return NULL;
}

void ml3_loss_function_free(ml3_loss_function *f) {
  if (!f) return;
  ml3_nn_workspace_free(f->work);
  ml3_nn_program_free(f->program);
  free(f);
}

static void copy_out(const ml3_loss_function *f, int output, ml3_real *to, size_t count) {
  if (to) memcpy(to, ml3_nn_output_at(f->work, output), count * sizeof *to);
}

double ml3_loss_function_run(ml3_loss_function *f, const ml3_real *features, ml3_real *values, ml3_real *weights,
                             ml3_real *gradient) {
  const size_t rows = (size_t)f->rows;
  ml3_nn_bind_input(f->work, f->phi, f->loss->phi);
  ml3_nn_bind_input(f->work, f->shift, f->loss->shift);
  ml3_nn_bind_input(f->work, f->scale, f->loss->scale);
  ml3_nn_bind_input(f->work, f->features, features);
  ml3_nn_run(f->work, 0);
  const double total = ml3_nn_output_at(f->work, FUNCTION_TOTAL)[0];
  copy_out(f, FUNCTION_VALUES, values, rows);
  copy_out(f, FUNCTION_WEIGHTS, weights, rows);
  if (gradient) ml3_nn_run(f->work, 1);
  copy_out(f, FUNCTION_GRADIENT, gradient, rows * (size_t)ml3_loss_features(&f->loss->spec));
  return total;
}
