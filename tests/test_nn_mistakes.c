/* What a caller gets wrong while a graph is built or run is told in a sentence: no node, a shape that is none or too large,
   parts that reach outside, an index that no row has. */
#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "nn/mlp.h"
#include "nn/program.h"

/* ---- no node ------------------------------------------------------------------------------------------------- */

typedef struct unary_case {
  const char *name;
  ml3_node (*build)(ml3_nn_graph *g, ml3_node x);
} unary_case;

typedef struct binary_case {
  const char *name;
  ml3_node (*build)(ml3_nn_graph *g, ml3_node a, ml3_node b);
} binary_case;

static ml3_node scale(ml3_nn_graph *g, ml3_node x) { return ml3_nn_scale(g, x, 2); }
static ml3_node shift(ml3_nn_graph *g, ml3_node x) { return ml3_nn_shift(g, x, 2); }
static ml3_node clamp(ml3_nn_graph *g, ml3_node x) { return ml3_nn_clamp(g, x, -INFINITY, INFINITY); }
static ml3_node broadcast(ml3_nn_graph *g, ml3_node x) { return ml3_nn_broadcast(g, x, 3, 4); }
static ml3_node view(ml3_nn_graph *g, ml3_node x) { return ml3_nn_view(g, x, 0, 1, 1); }
static ml3_node slice_rows(ml3_nn_graph *g, ml3_node x) { return ml3_nn_slice_rows(g, x, 0, 1); }
static ml3_node slice_cols(ml3_nn_graph *g, ml3_node x) { return ml3_nn_slice_cols(g, x, 0, 1); }
static ml3_node concat_rows(ml3_nn_graph *g, ml3_node x) { return ml3_nn_concat_rows(g, &x, 1); }
static ml3_node concat_cols(ml3_nn_graph *g, ml3_node x) { return ml3_nn_concat_cols(g, &x, 1); }
static ml3_node activate(ml3_nn_graph *g, ml3_node x) { return ml3_nn_activate(g, ML3_ELU, x); }

static const ml3_mlp net = {.inputs = 4, .outputs = 2, .depth = 1, .hidden = {3}, .bias = true};
static ml3_node network(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_mlp_build(g, &net, a, 0, b); }
static ml3_node select_c(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_select(g, a, b, b); }
static ml3_node select_a(ml3_nn_graph *g, ml3_node a, ml3_node b) { return ml3_nn_select(g, b, a, b); }

static const unary_case unaries[] = {
    {"neg", ml3_nn_neg},           {"exp", ml3_nn_exp},
    {"log", ml3_nn_log},           {"sin", ml3_nn_sin},
    {"cos", ml3_nn_cos},           {"sqrt", ml3_nn_sqrt},
    {"square", ml3_nn_square},     {"abs", ml3_nn_abs},
    {"tanh", ml3_nn_tanh},         {"sigmoid", ml3_nn_sigmoid},
    {"softplus", ml3_nn_softplus}, {"elu", ml3_nn_elu},
    {"relu", ml3_nn_relu},         {"scale", scale},
    {"shift", shift},              {"clamp", clamp},
    {"broadcast", broadcast},      {"stop_gradient", ml3_nn_stop_gradient},
    {"sum", ml3_nn_sum},           {"mean", ml3_nn_mean},
    {"sum_rows", ml3_nn_sum_rows}, {"sum_cols", ml3_nn_sum_cols},
    {"norm", ml3_nn_norm},         {"transpose", ml3_nn_transpose},
    {"view", view},                {"slice_rows", slice_rows},
    {"slice_cols", slice_cols},    {"concat_rows", concat_rows},
    {"concat_cols", concat_cols},  {"activate", activate},
};

static const binary_case binaries[] = {
    {"add", ml3_nn_add},
    {"sub", ml3_nn_sub},
    {"mul", ml3_nn_mul},
    {"div", ml3_nn_div},
    {"min", ml3_nn_min},
    {"max", ml3_nn_max},
    {"greater", ml3_nn_greater},
    {"greater_equal", ml3_nn_greater_equal},
    {"matmul", ml3_nn_matmul},
    {"dot", ml3_nn_dot},
    {"straight_through", ml3_nn_straight_through},
    {"gather_rows", ml3_nn_gather_rows},
    {"select's condition", select_c},
    {"select's first", select_a},
    {"mlp", network},
};

/* What is no node of a graph of two. */
static const ml3_node none[] = {ML3_NN_NONE, -7, INT_MIN, 2, 1000, INT_MAX};
enum { NONE = sizeof none / sizeof *none };

static void expect_told(const char *name, ml3_nn_graph *g, ml3_node got, const char *words) {
  const char *error = ml3_nn_graph_error(g);
  ml3_error why = {0};
  cr_expect_eq(got, ML3_NN_NONE, "%s answers %d", name, got);
  cr_expect(error && strstr(error, words), "%s: %s", name, error ? error : "no sentence");
  const ml3_nn_output out = {got, 0};
  cr_expect_null(ml3_nn_compile(g, &out, 1, &why), "%s", name);
  cr_expect(error && strstr(why.message, error), "%s: compiling says: %s", name, why.message);
  ml3_nn_graph_free(g);
}

/* A graph of two nodes, both [3 x 4]. */
static ml3_nn_graph *two_nodes(void) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_nn_input(g, 3, 4);
  ml3_nn_input(g, 3, 4);
  return g;
}

Test(nn_mistakes, every_operation_refuses_what_is_no_node) {
  for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++)
    for (int k = 0; k < NONE; k++) {
      ml3_nn_graph *g = two_nodes();
      expect_told(unaries[i].name, g, unaries[i].build(g, none[k]), "not a node of this graph");
    }
  for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
    for (int k = 0; k < 2 * NONE; k++) {
      ml3_nn_graph *g = two_nodes();
      const ml3_node a = k % 2 ? 0 : none[k / 2], b = k % 2 ? none[k / 2] : 0;
      expect_told(binaries[i].name, g, binaries[i].build(g, a, b), "not a node of this graph");
    }
}

Test(nn_mistakes, what_is_no_node_has_no_rows_and_columns) {
  ml3_nn_graph *g = two_nodes();
  for (int k = 0; k < NONE; k++) {
    cr_expect_eq(ml3_nn_rows(g, none[k]), 0);
    cr_expect_eq(ml3_nn_cols(g, none[k]), 0);
  }
  ml3_nn_graph_free(g);
}

Test(nn_mistakes, a_gradient_by_what_is_no_node_is_told) {
  for (int k = 0; k < NONE; k++) {
    ml3_nn_graph *g = two_nodes();
    ml3_node y = ml3_nn_sum(g, ml3_nn_square(g, 0)), wrt[2] = {0, k < 3 ? none[k] : 1000 + k}, out[2];
    if (none[k] == INT_MAX) wrt[1] = INT_MAX;
    cr_expect_eq(ml3_nn_gradient(g, y, wrt, 2, out), ML3_ERR_ARGUMENT);
    cr_expect_eq(out[0], ML3_NN_NONE);
    expect_told("gradient", g, out[1], "gradient: an operand is not a node of this graph");
  }
  ml3_nn_graph *g = two_nodes();
  ml3_node wrt = 0, out;
  cr_expect_eq(ml3_nn_gradient(g, 1000, &wrt, 1, &out), ML3_ERR_ARGUMENT);
  expect_told("gradient", g, out, "must be a single number");
}

/* ---- shapes and parts ------------------------------------------------------------------------------------------- */

Test(nn_mistakes, shapes_that_are_none_or_too_large_are_told) {
  static const int sides[][2] = {{0, 3}, {3, 0}, {-1, 3}, {3, INT_MIN}, {INT_MAX, INT_MAX}, {70000, 70000}, {1 << 30, 1}};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    const char *words = sides[i][0] > 0 && sides[i][1] > 0 ? "fewer than 2^30 entries" : "both sides must be positive";
    ml3_nn_graph *g = ml3_nn_graph_new();
    expect_told("input", g, ml3_nn_input(g, sides[i][0], sides[i][1]), words);
    g = ml3_nn_graph_new();
    expect_told("constant", g, ml3_nn_constant(g, sides[i][0], sides[i][1], 1), words);
    g = ml3_nn_graph_new();
    expect_told("broadcast", g, ml3_nn_broadcast(g, ml3_nn_input(g, 1, 1), sides[i][0], sides[i][1]), words);
  }
}

Test(nn_mistakes, results_that_are_too_large_are_told) {
  enum { SIDE = 70000, PARTS = 40 };
  for (int i = 0; i < 6; i++) {
    ml3_nn_graph *g = ml3_nn_graph_new();
    ml3_node column = ml3_nn_input(g, SIDE, 1), row = ml3_nn_input(g, 1, SIDE), wide = ml3_nn_input(g, 2, 1 << 28);
    ml3_node tall = ml3_nn_input(g, 1 << 28, 2), parts[PARTS], got = ML3_NN_NONE;
    for (int k = 0; k < PARTS; k++) parts[k] = i == 3 ? tall : wide;
    if (i == 0) got = ml3_nn_sum(g, ml3_nn_matmul(g, column, row));
    if (i == 1) got = ml3_nn_add(g, column, row);
    if (i == 2) got = ml3_nn_concat_rows(g, parts, PARTS);
    if (i == 3) got = ml3_nn_concat_cols(g, parts, PARTS);
    if (i == 4) got = ml3_nn_gather_rows(g, wide, ml3_nn_input(g, SIDE, 1));
    if (i == 5) got = ml3_nn_select(g, column, row, row);
    expect_told("a result", g, got, "fewer than 2^30 entries");
  }
}

Test(nn_mistakes, parts_that_reach_outside_are_told) {
  static const int parts[][2] = {{-1, 1}, {0, 5}, {4, 1}, {INT_MAX, 1}, {1, INT_MAX}, {1, INT_MIN}, {0, 0}, {INT_MIN, 2}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ml3_nn_graph *g = two_nodes();
    expect_told("slice_rows", g, ml3_nn_slice_rows(g, 0, parts[i][0], parts[i][1]), "the rows reach outside");
    g = two_nodes();
    expect_told("slice_cols", g, ml3_nn_slice_cols(g, ml3_nn_transpose(g, 0), parts[i][0], parts[i][1]),
                "the columns reach outside");
  }
  static const int views[][3] = {{-1, 1, 1}, {0, 4, 4}, {12, 1, 1}, {INT_MAX, 1, 1}, {1, 3, 4}};
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
    ml3_nn_graph *g = two_nodes();
    expect_told("view", g, ml3_nn_view(g, 0, views[i][0], views[i][1], views[i][2]), "the part reaches outside");
  }
  for (int by_rows = 0; by_rows < 2; by_rows++)
    for (int count = -1; count < 1; count++) {
      ml3_nn_graph *g = two_nodes();
      expect_told("concat", g, by_rows ? ml3_nn_concat_rows(g, NULL, count) : ml3_nn_concat_cols(g, NULL, count),
                  "no parts");
    }
}

Test(nn_mistakes, networks_that_cannot_be_are_told) {
  ml3_mlp deep = net, wide = net;
  deep.depth = 1000;
  wide.hidden[0] = INT_MAX;
  ml3_nn_graph *g = two_nodes();
  expect_told("mlp", g, ml3_mlp_build(g, &deep, 0, 0, 1), "1000 hidden layers");
  g = two_nodes();
  expect_told("mlp", g, ml3_mlp_build(g, &wide, 0, 0, 1), "widths must be 1 to 4096");
  g = two_nodes();
  expect_told("mlp", g, ml3_mlp_build(g, &net, 0, 0, 1), "the part reaches outside");
  g = two_nodes();
  expect_told("mlp", g, ml3_mlp_build(g, &net, 0, INT_MAX, 1), "cannot begin at entry");
}

#if !defined __SANITIZE_ADDRESS__ /* which takes terabytes of addresses for itself */
Test(nn_mistakes, buffers_that_cannot_be_had_are_told) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 30000, 1), y = ml3_nn_input(g, 1, 30000); /* 9e8 entries */
  const ml3_nn_output out = {ml3_nn_matmul(g, x, y), 0};
  ml3_nn_program *p = ml3_nn_compile(g, &out, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  cr_expect_geq(ml3_nn_program_report(p).arena_bytes, 900000000 * sizeof(ml3_real));
  const struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
  cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
  cr_expect_null(ml3_nn_workspace_new(p, &error));
  cr_expect_eq(error.code, ML3_ERR_MEMORY);
  cr_expect_not_null(strstr(error.message, "no memory for 3600000000 bytes") ? error.message
                                                                            : strstr(error.message, "7200000000 bytes"),
                     "%s", error.message);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}
#endif

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Rows of a [4 x 3] table by an index of two, their sum of squares (stage 0), and its gradient by the table (stage 1). */
typedef struct gathering {
  ml3_nn_program *p;
  ml3_nn_workspace *w;
  ml3_real table[12], index[2];
} gathering;

static gathering *make_gathering(void) {
  ml3_error error = {0};
  gathering *m = calloc(1, sizeof *m);
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 4, 3), i = ml3_nn_input(g, 2, 1), y = ml3_nn_gather_rows(g, x, i), by_x;
  ml3_nn_gradient(g, ml3_nn_sum(g, ml3_nn_square(g, y)), &x, 1, &by_x);
  const ml3_nn_output out[] = {{y, 0}, {by_x, 1}};
  m->p = ml3_nn_compile(g, out, 2, &error);
  cr_assert_not_null(m->p, "%s", error.message);
  m->w = ml3_nn_workspace_new(m->p, &error);
  for (int k = 0; k < 12; k++) m->table[k] = (ml3_real)(k + 1);
  ml3_nn_bind_input(m->w, x, m->table);
  ml3_nn_bind_input(m->w, i, m->index);
  ml3_nn_graph_free(g);
  return m;
}

static void drop_gathering(gathering *m) {
  ml3_nn_workspace_free(m->w);
  ml3_nn_program_free(m->p);
  free(m);
}

Test(nn_run, an_index_that_no_row_has_is_told_and_its_row_is_not_a_number) {
  static const struct {
    double index;
    const char *words;
  } wrong[] = {{7, "is 7;"},      {4, "is 4;"},         {-1, "is -1;"},   {3e9, "is 3e+09;"},         {-3e9, "is -3e+09;"},
               {NAN, "is nan;"}, {INFINITY, "is inf;"}, {0.5, "is 0.5;"}, {-INFINITY, "is -inf;"}};
  gathering *m = make_gathering();
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    ml3_error error = {0};
    m->index[0] = 2, m->index[1] = (ml3_real)wrong[k].index;
    cr_expect_eq(ml3_nn_run(m->w, 0), ML3_ERR_ARGUMENT, "index %g", wrong[k].index);
    cr_expect_eq(ml3_nn_run_error(m->w, &error), ML3_ERR_ARGUMENT);
    cr_expect_not_null(strstr(error.message, wrong[k].words), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "entry 1 of the index"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, "from 0 to 3, as there are 4 rows"), "%s", error.message);
    const ml3_real *y = ml3_nn_output_at(m->w, 0);
    cr_expect(y[0] == 7 && y[1] == 8 && y[2] == 9, "the row that there is");
    cr_expect(isnan(y[3]) && isnan(y[4]) && isnan(y[5]));
    cr_expect_eq(ml3_nn_run(m->w, 1), ML3_ERR_ARGUMENT, "a stage after it");
    cr_expect_eq(ml3_nn_output_at(m->w, 1)[6], 14, "the gradient of the row that there is");
  }
  m->index[1] = 3; /* and the next run is well */
  ml3_error error = {0};
  cr_expect_eq(ml3_nn_run(m->w, 0), ML3_OK);
  cr_expect_eq(ml3_nn_run(m->w, 1), ML3_OK);
  cr_expect_eq(ml3_nn_run_error(m->w, &error), ML3_OK);
  cr_expect_eq(ml3_nn_output_at(m->w, 0)[5], 12);
  drop_gathering(m);
}

Test(nn_run, a_row_that_is_gathered_twice_gets_both_gradients) {
  gathering *m = make_gathering();
  m->index[0] = m->index[1] = 2;
  cr_expect_eq(ml3_nn_run(m->w, 0), ML3_OK);
  cr_expect_eq(ml3_nn_run(m->w, 1), ML3_OK);
  const ml3_real *by_table = ml3_nn_output_at(m->w, 1);
  for (int k = 0; k < 12; k++)
    cr_expect_eq(by_table[k], k / 3 == 2 ? 4 * m->table[k] : 0, "entry %d: %g", k, (double)by_table[k]);
  drop_gathering(m);
}

Test(nn_run, an_output_that_is_none_is_nowhere) {
  gathering *m = make_gathering();
  ml3_nn_bind_output(m->w, -1, m->table);
  ml3_nn_bind_output(m->w, 2, m->table);
  cr_expect_null(ml3_nn_output_at(m->w, -1));
  cr_expect_null(ml3_nn_output_at(m->w, 2));
  drop_gathering(m);
}
