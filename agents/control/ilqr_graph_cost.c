/* Costs for iLQR from graphs: value, gradient and Hessian are outputs of one nn program. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr_cost.h"
#include "nn/program.h"

/* Outputs: the value in stage 0; in stage 1 its gradient, then rows: of the Hessian, or of the residuals' Jacobian. */
enum { INPUTS_MAX = 4, VALUE = 0, GRADIENT = 1, ROWS = 2 };

/* A program with its inputs, for steps or for the end of the horizon. */
typedef struct part {
  ml3_nn_program *program;
  ml3_node point, inputs[INPUTS_MAX];
  int k, rows; /* entries of the point: n + m, or n at the end; output rows */
} part;

typedef struct graph_cost {
  ml3_ilqr_graph_cost spec;
  part step, end;
  ml3_nn_workspace *step_work, *end_work;
  ml3_real *point;             /* [n + m] */
  double *h, *scratch;         /* [k][k], [2 k k] */
  struct graph_cost *original; /* whose programs these are, or NULL */
} graph_cost;

/* point [1, k] is the state followed by the action. Rows of a derivative are gradients of single entries. */
static ml3_nn_output *build(const ml3_ilqr_graph_cost *s, ml3_nn_graph *g, bool end, part *p) {
  for (int i = 0; i < s->inputs; i++) p->inputs[i] = ml3_nn_input(g, 1, s->input_size[i]);
  p->k = s->state_dim + (end ? 0 : s->action_dim);
  p->point = ml3_nn_input(g, 1, p->k);
  ml3_node state = ml3_nn_slice_cols(g, p->point, 0, s->state_dim), gradient = ML3_NN_NONE;
  ml3_node action = end ? ML3_NN_NONE : ml3_nn_slice_cols(g, p->point, s->state_dim, s->action_dim);
  ml3_node result =
      end ? s->build_final(s->user, g, p->inputs, state) : s->build(s->user, g, p->inputs, state, action);
  ml3_node value = s->least_squares ? ml3_nn_scale(g, ml3_nn_sum(g, ml3_nn_square(g, result)), 0.5) : result;
  ml3_nn_gradient(g, value, &p->point, 1, &gradient);

  ml3_node differentiated = s->least_squares ? result : gradient;
  p->rows = result == ML3_NN_NONE ? 0 : ml3_nn_cols(g, differentiated);
  ml3_nn_output *outputs = calloc((size_t)(p->rows + ROWS), sizeof *outputs);
  if (!outputs) return NULL;
  outputs[VALUE] = (ml3_nn_output){value, 0};
  outputs[GRADIENT] = (ml3_nn_output){gradient, 1};
  for (int i = 0; i < p->rows; i++) {
    ml3_node row = ML3_NN_NONE;
    ml3_nn_gradient(g, ml3_nn_slice_cols(g, differentiated, i, 1), &p->point, 1, &row);
    outputs[ROWS + i] = (ml3_nn_output){row, 1};
  }
  return outputs;
}

static bool compile(const ml3_ilqr_graph_cost *s, bool end, part *p, ml3_error *error) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_nn_output *outputs = g ? build(s, g, end, p) : NULL;
  if (outputs)
    p->program = ml3_nn_compile(g, outputs, p->rows + ROWS, error);
  else
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a cost");
  free(outputs);
  ml3_nn_graph_free(g);
  return p->program != NULL;
}

static ml3_nn_workspace *bind(const graph_cost *c, const part *p, ml3_error *error) {
  ml3_nn_workspace *w = ml3_nn_workspace_new(p->program, error);
  if (!w) return NULL;
  ml3_nn_bind_input(w, p->point, c->point);
  for (int i = 0; i < c->spec.inputs; i++) ml3_nn_bind_input(w, p->inputs[i], c->spec.input[i]);
  return w;
}

static void graph_cost_free(void *user) {
  graph_cost *c = user;
  ml3_nn_workspace_free(c->step_work);
  ml3_nn_workspace_free(c->end_work);
  if (!c->original) {
    ml3_nn_program_free(c->step.program);
    ml3_nn_program_free(c->end.program);
    free(c->spec.owned);
  }
  free(c->point);
  free(c->h);
  free(c);
}

/* h[k][k] from the rows of the Hessian, or as J' J from those of the Jacobian. */
static void fill_hessian(const graph_cost *c, ml3_nn_workspace *w, const part *p) {
  const int k = p->k;
  memset(c->h, 0, (size_t)(k * k) * sizeof *c->h);
  for (int r = 0; r < p->rows; r++) {
    const ml3_real *row = ml3_nn_output_at(w, ROWS + r);
    for (int i = 0; i < k; i++)
      for (int j = 0; j < k; j++) {
        if (c->spec.least_squares)
          c->h[i * k + j] += (double)row[i] * row[j];
        else if (i == r)
          c->h[i * k + j] = row[j];
      }
  }
  if (c->spec.least_squares) return;
  for (int i = 0; i < k; i++) /* floats leave it symmetric only nearly */
    for (int j = 0; j < i; j++) c->h[i * k + j] = c->h[j * k + i] = (c->h[i * k + j] + c->h[j * k + i]) / 2;
  ml3_ilqr_make_semidefinite(k, c->h, c->scratch);
}

/* Fills e from the outputs of stage 1. */
static void read_expansion(const graph_cost *c, ml3_nn_workspace *w, const part *p, ml3_ilqr_expansion *e) {
  const int k = p->k, n = c->spec.state_dim, m = k - n;
  const ml3_real *gradient = ml3_nn_output_at(w, GRADIENT);
  fill_hessian(c, w, p);
  for (int i = 0; i < n; i++) {
    e->ls[i] = gradient[i];
    for (int j = 0; j < n; j++) e->lss[i * n + j] = c->h[i * k + j];
  }
  for (int i = 0; i < m; i++) {
    e->lu[i] = gradient[n + i];
    for (int j = 0; j < n; j++) e->lus[i * n + j] = c->h[(n + i) * k + j];
    for (int j = 0; j < m; j++) e->luu[i * m + j] = c->h[(n + i) * k + n + j];
  }
}

static double graph_evaluate(void *user, int step, const double *state, const double *action,
                             ml3_ilqr_expansion *e) {
  const graph_cost *c = user;
  const int n = c->spec.state_dim, m = action ? c->spec.action_dim : 0;
  ml3_nn_workspace *w = action ? c->step_work : c->end_work;
  (void)step;
  if (!w) return 0; /* no cost at the end */
  for (int i = 0; i < n; i++) c->point[i] = (ml3_real)state[i];
  for (int i = 0; i < m; i++) c->point[n + i] = (ml3_real)action[i];
  ml3_nn_run(w, 0);
  double value = ml3_nn_output_at(w, VALUE)[0];
  if (e) {
    ml3_nn_run(w, 1);
    read_expansion(c, w, action ? &c->step : &c->end, e);
  }
  for (int i = 0; i < m; i++) {
    value += 0.5 * c->spec.action_weight * action[i] * action[i];
    if (!e) continue;
    e->lu[i] += c->spec.action_weight * action[i];
    e->luu[i * m + i] += c->spec.action_weight;
  }
  return value;
}

/* original: whose programs to share, NULL to compile them. */
static graph_cost *make(const ml3_ilqr_graph_cost *spec, graph_cost *original, ml3_error *error) {
  const size_t k = (size_t)(spec->state_dim + spec->action_dim);
  graph_cost *c = calloc(1, sizeof *c);
  if (!c || !(c->point = calloc(k, sizeof *c->point)) || !(c->h = calloc(3 * k * k, sizeof *c->h))) {
    if (c) graph_cost_free(c);
    if (!original) free(spec->owned);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a cost");
    return NULL;
  }
  c->scratch = c->h + k * k;
  c->spec = *spec;
  c->original = original;
  bool good = true;
  if (original) {
    c->step = original->step;
    c->end = original->end;
  } else {
    good =
        compile(spec, false, &c->step, error) && (!spec->build_final || compile(spec, true, &c->end, error));
  }
  good = good && (c->step_work = bind(c, &c->step, error)) &&
         (!c->end.program || (c->end_work = bind(c, &c->end, error)));
  if (good) return c;
  graph_cost_free(c);
  return NULL;
}

static void *graph_clone(void *user, ml3_error *error) {
  graph_cost *c = user;
  return make(&c->spec, c->original ? c->original : c, error);
}

ml3_ilqr_cost ml3_ilqr_graph(const ml3_ilqr_graph_cost *cost, ml3_error *error) {
  if (cost->inputs < 0 || cost->inputs > INPUTS_MAX) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a cost's graph has %d inputs; 0 to %d are possible", cost->inputs,
                  INPUTS_MAX);
    free(cost->owned);
    return (ml3_ilqr_cost){0};
  }
  graph_cost *c = make(cost, NULL, error);
  if (!c) return (ml3_ilqr_cost){0};
  return (ml3_ilqr_cost){.evaluate = graph_evaluate, .user = c, .clone = graph_clone, .free = graph_cost_free};
}
