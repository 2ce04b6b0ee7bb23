/* Derivatives of every operation: first and second order against centred differences. Tight in double, loose in
   float, where differences themselves are rough. */
#include "nn/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"

enum { ROWS = 3, COLS = 4, SIZE = ROWS * COLS };

/* A case maps two [3 x 4] inputs to a node of any shape. */
typedef ml3_node (*build_fn)(ml3_nn_graph *g, ml3_node x, ml3_node y);

static ml3_node weigh(ml3_nn_graph *g, ml3_node z) { /* a scalar in which every entry counts differently */
  ml3_node rank = ml3_nn_sin(g, ml3_nn_shift(g, z, 0.3));
  return ml3_nn_add(g, ml3_nn_sum(g, ml3_nn_mul(g, rank, z)), ml3_nn_scale(g, ml3_nn_sum(g, z), 0.7));
}

typedef struct machine {
  ml3_nn_graph *g;
  ml3_nn_program *p;
  ml3_nn_workspace *w;
  ml3_node x, y, v;
  ml3_real data_x[SIZE], data_y[SIZE], data_v[2 * SIZE];
} machine;

/* Outputs: 0 the scalar f, 1 and 2 its gradient by x and y, 3 s = <gradient, v>, 4 and 5 the gradient of s. */
static void make(machine *m, build_fn build, double low, double high) {
  m->g = ml3_nn_graph_new();
  m->x = ml3_nn_input(m->g, ROWS, COLS);
  m->y = ml3_nn_input(m->g, ROWS, COLS);
  m->v = ml3_nn_input(m->g, 2 * ROWS, COLS);
  ml3_node wrt[2] = {m->x, m->y}, first[2], second[2];
  ml3_node f = weigh(m->g, build(m->g, m->x, m->y));
  cr_assert_eq(ml3_nn_gradient(m->g, f, wrt, 2, first), 0, "%s", ml3_nn_graph_error(m->g));
  ml3_node s = ml3_nn_add(m->g, ml3_nn_dot(m->g, first[0], ml3_nn_slice_rows(m->g, m->v, 0, ROWS)),
                          ml3_nn_dot(m->g, first[1], ml3_nn_slice_rows(m->g, m->v, ROWS, ROWS)));
  cr_assert_eq(ml3_nn_gradient(m->g, s, wrt, 2, second), 0, "%s", ml3_nn_graph_error(m->g));
  ml3_nn_output outputs[] = {{f, 0}, {first[0], 0}, {first[1], 0}, {s, 1}, {second[0], 1}, {second[1], 1}};
  ml3_error error = {0};
  m->p = ml3_nn_compile(m->g, outputs, 6, &error);
  cr_assert_not_null(m->p, "%s", error.message);
  m->w = ml3_nn_workspace_new(m->p, &error);

  ml3_random r = ml3_random_stream(7, ML3_PURPOSE_USER, 0, 0);
  for (int i = 0; i < SIZE; i++) {
    m->data_x[i] = (ml3_real)ml3_random_uniform(&r, low, high);
    m->data_y[i] = (ml3_real)ml3_random_uniform(&r, low, high);
  }
  for (int i = 0; i < 2 * SIZE; i++) m->data_v[i] = (ml3_real)ml3_random_normal(&r);
  ml3_nn_bind_input(m->w, m->x, m->data_x);
  ml3_nn_bind_input(m->w, m->y, m->data_y);
  ml3_nn_bind_input(m->w, m->v, m->data_v);
}

static void drop(machine *m) {
  ml3_nn_workspace_free(m->w);
  ml3_nn_program_free(m->p);
  ml3_nn_graph_free(m->g);
}

static double value_at(machine *m, int output) {
  ml3_nn_run(m->w, 0);
  ml3_nn_run(m->w, 1);
  return ml3_nn_output_at(m->w, output)[0];
}

/* d output / d entry by centred differences. */
static double difference(machine *m, int output, ml3_real *entry, double h) {
  ml3_real keep = *entry;
  *entry = (ml3_real)(keep + h);
  double up = value_at(m, output), wide = *entry;
  *entry = (ml3_real)(keep - h);
  double down = value_at(m, output);
  wide -= *entry;
  *entry = keep;
  return (up - down) / wide;
}

static void check_in(const char *name, build_fn build, double low, double high) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 2e-8;
#else
  const double h = 1e-3, tolerance = 4e-2;
#endif
  machine m;
  make(&m, build, low, high);
  value_at(&m, 0);
  ml3_real gradient[4][SIZE];
  static const int outputs[4] = {1, 2, 4, 5};
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < SIZE; j++) gradient[i][j] = ml3_nn_output_at(m.w, outputs[i])[j];
  double largest = 0;
  for (int i = 0; i < 4 * SIZE; i++) largest = fmax(largest, fabs(gradient[i / SIZE][i % SIZE]));
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < SIZE; j++) {
      double expected = difference(&m, i < 2 ? 0 : 3, (i % 2 ? m.data_y : m.data_x) + j, h);
      double scale = 1 + fabs(expected) + 0.2 * largest; /* differences err by the size of all */
      cr_expect_leq(fabs(expected - gradient[i][j]) / scale, tolerance, "%s, order %d, by %s[%d]: %g is not %g",
                    name, i / 2 + 1, i % 2 ? "y" : "x", j, (double)gradient[i][j], expected);
    }
  drop(&m);
}

static void check(const char *name, build_fn build) { check_in(name, build, 0.2, 1.4); }

#define UNARY(op)                                                                                    \
  static ml3_node case_##op(ml3_nn_graph *g, ml3_node x, ml3_node y) {                               \
    return ml3_nn_##op(g, ml3_nn_mul(g, x, y));                                                      \
  }
UNARY(neg)
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(sqrt)
UNARY(square)
UNARY(abs)
UNARY(tanh)
UNARY(sigmoid)
UNARY(softplus)
UNARY(elu)
UNARY(relu)

/* Of arguments below 0. */
#define UNARY_BELOW(op)                                                                              \
  static ml3_node below_##op(ml3_nn_graph *g, ml3_node x, ml3_node y) {                              \
    return ml3_nn_##op(g, ml3_nn_neg(g, ml3_nn_mul(g, x, y)));                                       \
  }
UNARY_BELOW(abs)
UNARY_BELOW(elu)
UNARY_BELOW(relu)
UNARY_BELOW(sigmoid)
UNARY_BELOW(softplus)
UNARY_BELOW(tanh)

Test(elementwise, unary_derivatives_agree_with_differences) {
  static const struct {
    const char *name;
    build_fn build;
  } cases[] = {{"neg", case_neg},       {"exp", case_exp},         {"log", case_log},     {"sin", case_sin},
               {"cos", case_cos},       {"sqrt", case_sqrt},       {"square", case_square}, {"abs", case_abs},
               {"tanh", case_tanh},     {"sigmoid", case_sigmoid}, {"softplus", case_softplus},
               {"elu", case_elu},       {"relu", case_relu}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i].name, cases[i].build);
  check("abs below 0", below_abs);
  check("elu below 0", below_elu);
  check("relu below 0", below_relu);
  check("sigmoid below 0", below_sigmoid);
  check("softplus below 0", below_softplus);
  check("tanh below 0", below_tanh);
}

#define BINARY(op)                                                                                   \
  static ml3_node case_##op(ml3_nn_graph *g, ml3_node x, ml3_node y) { return ml3_nn_##op(g, x, y); }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(min)
BINARY(max)

static ml3_node case_select(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  return ml3_nn_select(g, ml3_nn_greater(g, x, y), ml3_nn_mul(g, x, y), ml3_nn_square(g, y));
}

static ml3_node case_clamp(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  return ml3_nn_clamp(g, ml3_nn_mul(g, x, y), 0.43, 1.03);
}

/* Rows, columns and single numbers against a full matrix. */
static ml3_node case_broadcast(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  ml3_node row = ml3_nn_slice_rows(g, y, 1, 1), col = ml3_nn_slice_cols(g, y, 2, 1);
  ml3_node sum = ml3_nn_add(g, ml3_nn_mul(g, x, row), ml3_nn_exp(g, col));
  return ml3_nn_mul(g, sum, ml3_nn_view(g, x, 5, 1, 1));
}

Test(elementwise, binary_derivatives_agree_with_differences) {
  check("add", case_add);
  check("sub", case_sub);
  check("mul", case_mul);
  check("div", case_div);
  check("min", case_min);
  check("max", case_max);
  check("select", case_select);
  check("clamp", case_clamp);
  check("broadcast", case_broadcast);
}

static ml3_node case_products(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  ml3_node nt = ml3_nn_product(g, x, false, y, true);  /* [3 x 3] */
  ml3_node tn = ml3_nn_product(g, x, true, y, false);  /* [4 x 4] */
  ml3_node tt = ml3_nn_product(g, x, true, ml3_nn_product(g, nt, true, nt, true), true); /* [4 x 3] */
  ml3_node more = ml3_nn_matmul(g, ml3_nn_transpose(g, ml3_nn_tanh(g, y)), nt);
  return ml3_nn_scale(g, ml3_nn_add(g, ml3_nn_matmul(g, tn, tt), more), 1e-3);
}

static ml3_node case_recurrent(ml3_nn_graph *g, ml3_node x, ml3_node y) { /* one weight at many steps */
  ml3_node s = ml3_nn_slice_rows(g, x, 0, 1), parts[6];
  ml3_node w = ml3_nn_slice_rows(g, y, 0, 3), b = ml3_nn_slice_rows(g, x, 2, 1);
  for (int t = 0; t < 6; t++) {
    ml3_node h = ml3_nn_tanh(g, ml3_nn_product(g, s, false, w, true)); /* [1 x 3] */
    s = ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_matmul(g, h, w), 0.3), b);
    parts[t] = s;
  }
  return ml3_nn_concat_rows(g, parts, 6);
}

static ml3_node case_sums(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  ml3_node p = ml3_nn_mul(g, x, y);
  ml3_node both = ml3_nn_matmul(g, ml3_nn_sum_cols(g, ml3_nn_square(g, p)), ml3_nn_sum_rows(g, p));
  return ml3_nn_scale(g, ml3_nn_mul(g, both, ml3_nn_add(g, ml3_nn_norm(g, x), ml3_nn_mean(g, y))), 0.02);
}

static ml3_node case_parts(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  ml3_node list[3] = {ml3_nn_slice_rows(g, x, 1, 2), ml3_nn_square(g, y), ml3_nn_slice_rows(g, x, 0, 2)};
  ml3_node tall = ml3_nn_concat_rows(g, list, 3); /* [7 x 4] */
  ml3_node pair[2] = {ml3_nn_slice_cols(g, tall, 1, 2), ml3_nn_exp(g, ml3_nn_slice_cols(g, tall, 0, 3))};
  ml3_node wide = ml3_nn_concat_cols(g, pair, 2); /* [7 x 5] */
  return ml3_nn_scale(g, ml3_nn_mul(g, ml3_nn_view(g, wide, 3, 5, 6), ml3_nn_view(g, wide, 0, 5, 6)), 0.05);
}

static ml3_node case_gather(ml3_nn_graph *g, ml3_node x, ml3_node y) {
  ml3_node ones = ml3_nn_constant(g, 2, 1, 1), twos = ml3_nn_constant(g, 1, 1, 2), index[2] = {ones, twos};
  return ml3_nn_square(g, ml3_nn_gather_rows(g, ml3_nn_mul(g, x, y), ml3_nn_concat_rows(g, index, 2)));
}

Test(structure, derivatives_agree_with_differences) {
  check("products", case_products);
  check("recurrent", case_recurrent);
  check("sums", case_sums);
  check("parts", case_parts);
  check("gather", case_gather);
}

Test(structure, stop_and_straight_through_steer_the_gradient) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 1, 1), d[1];
  ml3_node clamped = ml3_nn_straight_through(g, ml3_nn_clamp(g, x, -1, 1), x);
  ml3_node y = ml3_nn_add(g, ml3_nn_scale(g, clamped, 3), ml3_nn_square(g, ml3_nn_stop_gradient(g, x)));
  ml3_nn_gradient(g, y, &x, 1, d);
  ml3_nn_output outputs[] = {{y, 0}, {d[0], 0}};
  ml3_nn_program *p = ml3_nn_compile(g, outputs, 2, NULL);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, NULL);
  ml3_real two = 2;
  ml3_nn_bind_input(w, x, &two);
  ml3_nn_run(w, 0);
  cr_expect_eq(ml3_nn_output_at(w, 0)[0], 3 + 4);
  cr_expect_eq(ml3_nn_output_at(w, 1)[0], 3);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

Test(structure, gradient_of_what_does_not_depend_is_exactly_zero) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 2, 2), y = ml3_nn_input(g, 2, 2), d[2];
  ml3_node wrt[2] = {x, y};
  ml3_nn_gradient(g, ml3_nn_sum(g, ml3_nn_exp(g, x)), wrt, 2, d);
  ml3_nn_output outputs[] = {{d[1], 0}};
  ml3_nn_program *p = ml3_nn_compile(g, outputs, 1, NULL);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, NULL);
  ml3_real nan[4] = {NAN, NAN, NAN, NAN};
  ml3_nn_bind_input(w, x, nan);
  ml3_nn_run(w, 0);
  for (int i = 0; i < 4; i++) cr_expect_eq(ml3_nn_output_at(w, 0)[i], 0);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

Test(graph, a_shape_error_names_the_operation_and_both_shapes) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 2, 3), y = ml3_nn_input(g, 4, 5);
  ml3_nn_output out = {ml3_nn_exp(g, ml3_nn_matmul(g, x, y)), 0};
  cr_expect_eq(out.node, ML3_NN_NONE);
  ml3_error error = {0};
  cr_expect_null(ml3_nn_compile(g, &out, 1, &error));
  cr_expect_str_eq(error.message, "matmul of [2 x 3] and [4 x 5]: the inner sides must be equal");
  ml3_nn_graph_free(g);
}

Test(graph, equal_operations_are_one_node) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 2, 3), y = ml3_nn_input(g, 2, 3);
  cr_expect_eq(ml3_nn_add(g, x, y), ml3_nn_add(g, y, x));
  cr_expect_eq(ml3_nn_exp(g, ml3_nn_scale(g, x, 1)), ml3_nn_exp(g, x));
  cr_expect_eq(ml3_nn_transpose(g, ml3_nn_transpose(g, x)), x);
  cr_expect_neq(x, y);
  ml3_nn_graph_free(g);
}
