/* Running programs: products to the precision that is promised, vector functions to theirs, nothing allocated. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "metaloss/trainer.h"
#include "nn/program.h"

/* ---- what is allocated: the linker sends the library's calls here ------------------------------------------- */

static long allocations, live, asked_bytes; /* calls; pieces that are not freed; bytes asked for so far */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static void *count(void *memory, size_t size) {
#pragma omp atomic
  allocations++;
#pragma omp atomic
  live++;
#pragma omp atomic
  asked_bytes += (long)size;
  return memory;
}

void *__wrap_malloc(size_t size) { return count(__real_malloc(size), size); }
void *__wrap_calloc(size_t n, size_t size) { return count(__real_calloc(n, size), n * size); }
void *__wrap_realloc(void *memory, size_t size) {
  if (memory) live--;
  return count(__real_realloc(memory, size), size);
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) { return count(__real_aligned_alloc(alignment, size), size); }

void __wrap_free(void *memory) {
  if (memory)
#pragma omp atomic
    live--;
  __real_free(memory);
}

/* ---- products ------------------------------------------------------------------------------------------------ */

static double noise(int i) { return sin(12.9898 * i) * cos(0.37 * i); }

/* c = op(a) op(b) by a program; the greatest error relative to the sum of |a b|. */
static double product_error(int m, int n, int k, bool transpose_a, bool transpose_b, bool fast) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_nn_graph_fast_products(g, fast);
  ml3_node a = transpose_a ? ml3_nn_input(g, k, m) : ml3_nn_input(g, m, k);
  ml3_node b = transpose_b ? ml3_nn_input(g, n, k) : ml3_nn_input(g, k, n);
  const ml3_nn_output out = {ml3_nn_product(g, a, transpose_a, b, transpose_b), 0};
  ml3_nn_program *p = ml3_nn_compile(g, &out, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_real *x = malloc((size_t)(m * k) * sizeof *x), *y = malloc((size_t)(k * n) * sizeof *y);
  for (int i = 0; i < m * k; i++) x[i] = (ml3_real)noise(i);
  for (int i = 0; i < k * n; i++) y[i] = (ml3_real)(3 * noise(i + 7));
  ml3_nn_bind_input(w, a, x);
  ml3_nn_bind_input(w, b, y);
  ml3_nn_run(w, 0);
  const ml3_real *c = ml3_nn_output_at(w, 0);
  double worst = 0;
  for (int i = 0; i < m; i += m > 64 ? 7 : 1)
    for (int j = 0; j < n; j += n > 64 ? 5 : 1) {
      double sum = 0, size = 0;
      for (int l = 0; l < k; l++) {
        double term = (double)(transpose_a ? x[l * m + i] : x[i * k + l]) * (double)(transpose_b ? y[j * k + l] : y[l * n + j]);
        sum += term;
        size += fabs(term);
      }
      worst = fmax(worst, fabs(sum - (double)c[i * n + j]) / size);
    }
  free(x);
  free(y);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
  return worst;
}

static const int shapes[][3] = {{1, 1, 1},      {1, 30, 100},    {3, 7, 5},       {35, 64, 64},   {200, 1, 35},
                                {1, 6, 100},    {35, 400, 400},  {140, 400, 400}, {400, 400, 70}, {17, 333, 419},
                                {129, 161, 97}, {161, 129, 300}, {16, 1024, 128},
                                {7, 96, 1024},  {8, 100, 1025},  {13, 97, 165},
                                {256, 64, 3},   {4, 67, 70},     {3, 64, 256},   {250, 3, 71}};

static void check_products(bool fast, double tolerance) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int t = 0; t < 3; t++) {
      const int *s = shapes[i];
      double error = product_error(s[0], s[1], s[2], t == 1, t == 2, fast);
      cr_expect_leq(error, tolerance, "%d x %d x %d, transposed %d: %g", s[0], s[1], s[2], t, error);
    }
}

#ifdef ML3_DOUBLE
Test(product, is_exact_to_the_precision_of_the_reals) { check_products(false, 1e-14); }
Test(product, is_no_worse_when_asked_to_be_fast) { check_products(true, 1e-14); }
#else
Test(product, is_exact_to_the_precision_of_the_reals) { check_products(false, 1e-6); }
Test(product, is_right_to_its_bound_when_asked_to_be_fast) { check_products(true, 1.2e-5); }
#endif

/* ---- vector functions ------------------------------------------------------------------------------------------ */

typedef struct function {
  const char *name;
  ml3_node (*build)(ml3_nn_graph *g, ml3_node x);
  double (*exact)(double x);
  double low, high, ulps; /* the bound that nn/graph.h states */
} function;

static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double exact_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double exact_elu(double x) { return x > 0 ? x : expm1(x); }

static const function functions[] = {
    {"exp", ml3_nn_exp, exp, -80, 80, 4},         {"log", ml3_nn_log, log, 1e-6, 1e4, 4},
    {"sin", ml3_nn_sin, sin, -30, 30, 4},         {"cos", ml3_nn_cos, cos, -30, 30, 4},
    {"tanh", ml3_nn_tanh, tanh, -12, 12, 4},      {"sigmoid", ml3_nn_sigmoid, exact_sigmoid, -60, 60, 8},
    {"softplus", ml3_nn_softplus, exact_softplus, -60, 60, 8}, {"elu", ml3_nn_elu, exact_elu, -30, 30, 4},
};

/* Error in units in the last place, but next to zeros of sin, cos and log in units of the largest near value. */
static double error_ulps(double exact, double got) {
  const double epsilon = sizeof(ml3_real) == 4 ? 1.1920929e-7 : 2.220446e-16;
  return fabs(exact - got) / (epsilon * fmax(fabs(exact), 1e-3));
}

static void check_function(const function *f, int n) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 1, n);
  const ml3_nn_output out = {f->build(g, x), 0};
  ml3_nn_program *p = ml3_nn_compile(g, &out, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_real *values = malloc((size_t)n * sizeof *values);
  double worst = 0;
  for (int i = 0; i < n; i++) values[i] = (ml3_real)(f->low + (f->high - f->low) * (i + 0.5) / n);
  ml3_nn_bind_input(w, x, values);
  ml3_nn_run(w, 0);
  for (int i = 0; i < n; i++)
    worst = fmax(worst, error_ulps(f->exact((double)values[i]), (double)ml3_nn_output_at(w, 0)[i]));
  cr_expect_leq(worst, f->ulps, "%s of %d entries: %.2f units in the last place", f->name, n, worst);
  free(values);
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

Test(vector_functions, keep_to_their_bounds_whole_vectors_and_rests) {
  const int sizes[] = {1, 5, 15, 16, 17, 31, 100, 10007};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) check_function(&functions[i], sizes[j]);
}

/* Small numbers to their own last places, both signs of zero, what has no end and what is no number. */
Test(vector_functions, tanh_is_right_at_its_ends) {
  const ml3_real values[] = {0, (ml3_real)-0.0, (ml3_real)1e-30, (ml3_real)-3e-6, 9, -11, 1000, -INFINITY, INFINITY, NAN};
  enum { COUNT = sizeof values / sizeof *values };
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 1, COUNT);
  const ml3_nn_output out = {ml3_nn_tanh(g, x), 0};
  ml3_nn_program *p = ml3_nn_compile(g, &out, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_nn_workspace *w = ml3_nn_workspace_new(p, &error);
  ml3_nn_bind_input(w, x, values);
  ml3_nn_run(w, 0);
  const ml3_real *y = ml3_nn_output_at(w, 0);
  for (int i = 0; i < COUNT - 1; i++) {
    const double exact = tanh((double)values[i]), epsilon = sizeof(ml3_real) == 4 ? 1.1920929e-7 : 2.220446e-16;
    cr_expect_leq(fabs((double)y[i] - exact), 4 * epsilon * fabs(exact), "tanh(%g) = %.9g", (double)values[i], (double)y[i]);
    cr_expect_eq(signbit(y[i]), signbit(values[i]), "sign of tanh(%g)", (double)values[i]);
    cr_expect_leq(fabs((double)y[i]), 1);
  }
  cr_expect(isnan(y[COUNT - 1]));
  ml3_nn_workspace_free(w);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

/* What `print` writes of y = tanh(x W'), in a new string. */
static char *printed(void (*print)(const ml3_nn_program *p, FILE *out)) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node x = ml3_nn_input(g, 5, 3), w = ml3_nn_input(g, 7, 3);
  const ml3_nn_output out = {ml3_nn_tanh(g, ml3_nn_product(g, x, false, w, true)), 0};
  ml3_nn_program *p = ml3_nn_compile(g, &out, 1, &error);
  cr_assert_not_null(p, "%s", error.message);
  FILE *file = tmpfile();
  print(p, file);
  long size = ftell(file);
  char *text = calloc((size_t)size + 1, 1);
  rewind(file);
  cr_assert_eq(fread(text, 1, (size_t)size, file), (size_t)size);
  fclose(file);
  ml3_nn_program_free(p);
  ml3_nn_graph_free(g);
  return text;
}

Test(program, is_printed_as_text_with_operations_and_shapes) {
  char *text = printed(ml3_nn_program_print);
  cr_expect_not_null(strstr(text, "product"), "%s", text);
  cr_expect_not_null(strstr(text, "[5x7]"), "%s", text);
  cr_expect_not_null(strstr(text, "[7x3]'"), "%s", text);
  cr_expect_not_null(strstr(text, "tanh"), "%s", text);
  free(text);
}

Test(program, is_printed_for_graphviz_with_an_arrow_from_every_operand) {
  char *text = printed(ml3_nn_program_graphviz);
  int arrows = 0;
  for (const char *at = strstr(text, "->"); at; at = strstr(at + 2, "->")) arrows++;
  cr_expect_eq(strncmp(text, "digraph", 7), 0, "%s", text);
  cr_expect_eq(arrows, 3, "%s", text); /* x and W to the product, the product to tanh */
  cr_expect_eq(text[strlen(text) - 2], '}', "%s", text);
  free(text);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static ml3_problem *make_problem(void) {
  ml3_error error = {0};
  const int hidden[1] = {12};
  ml3_model_based_settings s = {.env = ml3_env_find("mountain_car", &error), .horizon = 10, .starts = 1};
  cr_assert_not_null(s.env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_TANH, true, &error), 0, "%s", error.message);
  ml3_problem *p = ml3_model_based_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

static ml3_meta_settings make_settings(int steps) {
  return (ml3_meta_settings){
      .loss = {.net = {.inputs = 4, .outputs = 1, .depth = 2, .hidden = {256, 256}, .activation = ML3_ELU, .bias = true},
               .rate = 0.1},
      .inner_steps = steps,
      .weights = ML3_WEIGHTS_ALL,
      .task_weight = 1,
      .batch = 4};
}

Test(memory, nothing_is_allocated_while_programs_run) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem();
  ml3_meta_settings settings = make_settings(3);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random random[4];
  for (uint32_t i = 0; i < 4; i++) random[i] = ml3_random_stream(1, ML3_PURPOSE_USER, i, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, random, &error);
  ml3_real *gradient = calloc((size_t)loss->size, sizeof *gradient);
  ml3_real *task = calloc((size_t)(4 * problem->task_size), sizeof *task);
  ml3_real *theta = calloc((size_t)(4 * problem->theta_size), sizeof *theta);
  ml3_nn_optimizer optimizer;
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(1e-3);
  ml3_nn_optimizer_init(&optimizer, &adam, (size_t)loss->size, &error);
  for (int i = 0; i < 4; i++)
    problem->sample(problem, ML3_SPLIT_TRAIN, &random[i], task + i * problem->task_size, theta + i * problem->theta_size, NULL);

  cr_expect_gt(allocations, 20, "the calls are counted");
  const long before = allocations;
  for (int i = 0; i < 5; i++) {
    cr_assert_eq(ml3_meta_gradient(work, loss, task, theta, random, gradient, NULL, NULL, &error), 0, "%s", error.message);
    ml3_nn_optimizer_update(&optimizer, loss->phi, gradient);
  }
  cr_expect_eq(allocations, before, "%ld allocations in 5 outer steps", allocations - before);
  ml3_nn_optimizer_free(&optimizer);
  free(gradient);
  free(task);
  free(theta);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}

static long bytes_of_work(const ml3_problem *problem, int steps) {
  ml3_error error = {0};
  ml3_meta_settings settings = make_settings(steps);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  const long before = asked_bytes;
  ml3_meta_work_free(ml3_meta_work_new(meta, &error));
  ml3_meta_free(meta);
  return asked_bytes - before;
}

Test(memory, grows_with_inner_steps_by_their_parameters_and_data_alone) {
  ml3_problem *problem = make_problem();
  const long two = bytes_of_work(problem, 2), three = bytes_of_work(problem, 3), ten = bytes_of_work(problem, 10);
  const long each = 4 * (2 * problem->theta_size + problem->inner_size) * (long)sizeof(ml3_real);
  cr_expect_eq(three - two, each);
  cr_expect_eq(ten - three, 7 * each);
  problem->free(problem);
}

Test(memory, is_the_same_after_many_outer_steps) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem();
  const ml3_trainer_settings settings = {.meta = make_settings(2),
                                         .optimizer = ml3_nn_adam(1e-3),
                                         .threads = 2,
                                         .tasks = 8,
                                         .validation_tasks = 4};
  ml3_trainer *t = ml3_trainer_new(problem, &settings, &error);
  cr_assert_not_null(t, "%s", error.message);
  long after_three = 0;
  for (int i = 0; i < 30; i++) {
    ml3_trainer_report report;
    cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0, "%s", error.message);
    if (i == 2) after_three = live;
  }
  cr_expect_eq(live, after_three, "%ld pieces more after 27 outer steps", live - after_three);
  cr_expect_gt(live, 50, "the pieces are counted");
  ml3_trainer_free(t);
  problem->free(problem);
}
