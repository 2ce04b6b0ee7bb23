/* Learning through several updates: the meta-gradient against differences, for every way to learn. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss_setup.h"

/* The features without the distance: that is detached, which differences through several updates would see. */
static ml3_node (*all_features)(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context);

static ml3_node attached_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                  ml3_node context) {
  ml3_node rows = all_features(p, g, theta, data, context);
  ml3_node parts[2] = {ml3_nn_slice_cols(g, rows, 0, 3), ml3_nn_constant(g, ml3_nn_rows(g, rows), 1, 0.7)};
  return ml3_nn_concat_cols(g, parts, 2);
}

/* One problem, its programs, a loss and an optimizee. */
typedef struct fixture {
  ml3_problem *problem;
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_loss *loss;
  ml3_real task[64], theta[64];
  ml3_random random;
} fixture;

static ml3_meta_settings settings_of(int steps, ml3_step_weights weights, ml3_learn_rate learn_rate) {
  return make_settings(steps, weights, learn_rate, 18 /* parameters of make_problem's policy */);
}

/* MAML of that problem: nothing but a start and step sizes is learned. */
static ml3_meta_settings maml_settings(int steps, ml3_learn_rate learn_rate) {
  ml3_meta_settings s = settings_of(steps, ML3_WEIGHTS_LAST, learn_rate);
  s.loss.kind = ML3_LOSS_TASK;
  s.loss.rate = 0.05;
  s.loss.learn_start = true;
  return s;
}

static fixture open_fixture(const ml3_meta_settings *settings, int starts) {
  ml3_error error = {0};
  fixture f = {.problem = make_problem(ML3_SQUASH_TANH, starts),
               .random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0)};
  all_features = f.problem->build_features;
  f.problem->build_features = attached_features;
  cr_assert_eq(f.problem->theta_size, 18);
  f.meta = ml3_meta_new(f.problem, settings, &error);
  cr_assert_not_null(f.meta, "%s", error.message);
  f.work = ml3_meta_work_new(f.meta, &error);
  f.loss = ml3_loss_new(&settings->loss, &f.random, &error);
  cr_assert(f.work && f.loss, "%s", error.message);
  f.problem->sample(f.problem, ML3_SPLIT_TRAIN, &f.random, f.task, f.theta, NULL);
  ml3_real *start = ml3_loss_start(f.loss);
  if (start) memcpy(start, f.theta, (size_t)f.problem->theta_size * sizeof *start);
  ml3_meta_begin(f.work, f.loss, f.theta);
  ml3_real *velocity = ml3_meta_velocity(f.work);
  for (int i = 0; i < 18 && velocity; i++) velocity[i] = (ml3_real)(0.1 * sin(i + 1));
  return f;
}

static void close_fixture(fixture *f) {
  ml3_loss_free(f->loss);
  ml3_meta_work_free(f->work);
  ml3_meta_free(f->meta);
  f->problem->free(f->problem);
}

/* The gradient by phi, the caller's to free. */
static ml3_real *gradient_of(fixture *f) {
  ml3_error error = {0};
  ml3_real *gradient = calloc((size_t)f->loss->size, sizeof *gradient);
  int code = ml3_meta_gradient(f->work, f->loss, f->task, f->theta, &f->random, gradient, NULL, NULL, &error);
  cr_assert_eq(code, 0, "%s", error.message);
  return gradient;
}

/* J with one entry of phi moved; a learned start moves theta_0 with it. */
static double moved_objective(fixture *f, int i, double by, double *width) {
  ml3_error error = {0};
  const ml3_real keep = f->loss->phi[i], *start = ml3_loss_start(f->loss);
  double objective = NAN;
  f->loss->phi[i] = (ml3_real)(keep + by);
  *width += fabs((double)f->loss->phi[i] - keep);
  if (start) memcpy(f->theta, start, (size_t)f->problem->theta_size * sizeof *start);
  int code = ml3_meta_objective(f->work, f->loss, f->task, f->theta, &f->random, NULL, &objective, &error);
  cr_assert_eq(code, 0, "%s", error.message);
  f->loss->phi[i] = keep;
  if (start) memcpy(f->theta, start, (size_t)f->problem->theta_size * sizeof *start);
  return objective;
}

static double norm_of(const ml3_real *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += (double)x[i] * x[i];
  return sqrt(sum);
}

/* The meta-gradient against centred differences of the objective, entry by entry. */
static void check_gradient(ml3_meta_settings settings, int starts) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-7;
#else
  const double h = 2e-2, tolerance = 5e-2;
#endif
  fixture f = open_fixture(&settings, starts);
  ml3_real *gradient = gradient_of(&f);
  const double norm = norm_of(gradient, f.loss->size);
  cr_assert_gt(norm, 1e-6);
  const int stride = f.loss->size > 60 ? 3 : 1;
  for (int i = f.loss->size - 1; i >= 0; i -= stride) {
    double width = 0, up = moved_objective(&f, i, h, &width), down = moved_objective(&f, i, -h, &width);
    cr_expect_leq(fabs((up - down) / width - gradient[i]), tolerance * norm, "K = %d, phi[%d]: %g is not %g",
                  settings.inner_steps, i, (double)gradient[i], (up - down) / width);
  }
  free(gradient);
  close_fixture(&f);
}

Test(meta_gradient, agrees_with_differences_through_one_update) {
  check_gradient(settings_of(1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED), 1);
}
Test(meta_gradient, agrees_with_differences_through_four_updates) {
  check_gradient(settings_of(4, ML3_WEIGHTS_LAST, ML3_RATE_FIXED), 1);
}
Test(meta_gradient, agrees_with_differences_when_every_update_counts) {
  check_gradient(settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR), 2);
}
Test(meta_gradient, agrees_with_differences_by_each_step_size) {
  check_gradient(settings_of(2, ML3_WEIGHTS_LINEAR, ML3_RATE_PARAMETER), 1);
}
Test(meta_gradient, agrees_with_differences_by_signed_step_sizes) {
  check_gradient(settings_of(3, ML3_WEIGHTS_LAST, ML3_RATE_SIGNED), 1);
}

Test(meta_gradient, agrees_with_differences_with_weights_from_a_list) {
  ml3_meta_settings s = settings_of(3, ML3_WEIGHTS_LIST, ML3_RATE_SCALAR);
  s.weight_list[0] = 0.7, s.weight_list[1] = 1.9, s.weight_count = 3; /* the last is 0 */
  check_gradient(s, 1);
}

Test(meta_gradient, agrees_with_differences_through_momentum) {
  for (int steps = 3; steps <= 5; steps++) {
    ml3_meta_settings s = settings_of(steps, steps == 4 ? ML3_WEIGHTS_ALL : ML3_WEIGHTS_LAST,
                                      steps == 5 ? ML3_RATE_PARAMETER : ML3_RATE_SCALAR);
    s.loss.momentum = 0.8;
    s.loss.rate = 0.2;
    check_gradient(s, 1);
  }
}

Test(meta_gradient, agrees_with_differences_of_a_loss_that_weights_its_rows) {
  for (int kind = ML3_WEIGHTING_SOFTMAX; kind <= ML3_WEIGHTING_SIGMOID; kind++) {
    ml3_meta_settings s = settings_of(2, ML3_WEIGHTS_LAST, ML3_RATE_FIXED);
    s.loss.weighting = (ml3_weighting)kind;
    s.loss.net.outputs = 2;
    s.loss.net.output = ML3_SOFTPLUS;
    check_gradient(s, 2);
  }
}

Test(meta_gradient, agrees_with_differences_of_a_loss_that_sees_some_features) {
  ml3_meta_settings s = settings_of(2, ML3_WEIGHTS_LAST, ML3_RATE_FIXED);
  s.loss.features = 4;
  s.loss.net.inputs = 2;
  s.loss.columns[0] = 2, s.loss.columns[1] = 0;
  check_gradient(s, 1);
}

Test(meta_gradient, agrees_with_differences_of_a_loss_with_targets) {
  ml3_meta_settings s = settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR);
  s.loss.target_count = 1;
  s.loss.targets[0] = 1;
  check_gradient(s, 1);
}

/* The same by Gauss-Newton steps. */
static ml3_meta_settings newton_settings(int newton, int steps, ml3_step_weights weights, ml3_learn_rate learn_rate) {
  ml3_meta_settings s = settings_of(steps, weights, learn_rate);
  s.loss.target_count = 1;
  s.loss.targets[0] = 2; /* the action */
  s.loss.newton = newton;
  return s;
}

Test(meta_gradient, agrees_with_differences_through_gauss_newton_steps) {
  for (int iterations = 1; iterations <= 3; iterations++)
    check_gradient(newton_settings(iterations, 3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR), 2);
}
Test(meta_gradient, agrees_with_differences_through_gauss_newton_steps_with_momentum) {
  ml3_meta_settings s = newton_settings(2, 2, ML3_WEIGHTS_LAST, ML3_RATE_SCALAR);
  s.loss.momentum = 0.6;
  check_gradient(s, 1);
}

/* The step is along the plain one, and as long as differences of the actions say it should be. */
Test(cauchy_step, is_the_best_for_the_targets_to_first_order) {
  enum { ROWS = 12, FEATURES = 4, ACTION = 2 };
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-6;
#else
  const double h = 1e-2, tolerance = 2e-2;
#endif
  ml3_error error = {0};
  ml3_meta_settings s = newton_settings(1, 1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED);
  s.loss.rate = 0.5;
  fixture f = open_fixture(&s, 1);
  ml3_real scaled[18], plain[18], moved[18], features[2][ROWS * FEATURES];
  memcpy(scaled, f.theta, sizeof scaled);
  memcpy(plain, f.theta, sizeof plain);
  cr_assert_eq(ml3_meta_adapt(f.work, f.loss, f.task, scaled, &f.random, NULL, &error), 0, "%s", error.message);
  s.loss.newton = 0;
  ml3_meta *meta = ml3_meta_new(f.problem, &s, &error);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  cr_expect_eq(ml3_meta_fits(meta, f.loss, &error), ML3_ERR_ARGUMENT, "another form");
  f.loss->spec.newton = 0;
  cr_assert_eq(ml3_meta_adapt(work, f.loss, f.task, plain, &f.random, NULL, &error), 0, "%s", error.message);
  double gradient[18], squares = 0, change = 0;
  for (int i = 0; i < 18; i++) gradient[i] = ((double)f.theta[i] - plain[i]) / 0.5, squares += pow(gradient[i], 2);
  for (int side = 0; side < 2; side++) {
    for (int i = 0; i < 18; i++)
      moved[i] = (ml3_real)(f.theta[i] + (side ? h : -h) * gradient[i] / sqrt(squares));
    cr_assert_eq(ml3_meta_rows(meta), ROWS);
    cr_assert_eq(ml3_meta_features(work, f.task, moved, &f.random, features[side], &error), 0, "%s", error.message);
  }
  for (int t = 0; t < ROWS; t++) {
    const int at = t * FEATURES + ACTION;
    change += pow(((double)features[1][at] - features[0][at]) / (2 * h), 2) * squares / ROWS;
  }
  const double step = 0.5 * squares / (change + 1e-3 * squares);
  cr_expect_gt(fabs(step - 0.5), 0.1, "else it would be the plain step");
  for (int i = 0; i < 18; i++)
    cr_expect_float_eq((double)f.theta[i] - scaled[i], step * gradient[i], tolerance * step * sqrt(squares), "theta[%d]", i);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  close_fixture(&f);
}

Test(meta_gradient, agrees_with_differences_of_a_loss_and_a_start) {
  ml3_meta_settings s = settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR);
  s.loss.learn_start = true;
  check_gradient(s, 1);
}

/* ---- MAML and its kin ------------------------------------------------------------------------------------------ */

Test(maml, gradient_agrees_with_differences) {
  for (int steps = 1; steps <= 4; steps++) check_gradient(maml_settings(steps, ML3_RATE_FIXED), 2);
}

Test(maml, gradient_agrees_with_differences_through_momentum) {
  ml3_meta_settings s = maml_settings(4, ML3_RATE_SCALAR);
  s.loss.momentum = 0.7;
  check_gradient(s, 1);
}

Test(meta_sgd, gradient_agrees_with_differences) {
  check_gradient(maml_settings(3, ML3_RATE_SIGNED), 1);
}

/* First-order MAML's gradient by the start is the gradient of L where the updates ended (Finn et al. 2017, section 5.2). */
Test(fomaml, gradient_is_the_outer_gradient_at_the_end) {
  ml3_error error = {0};
  ml3_meta_settings s = maml_settings(4, ML3_RATE_FIXED);
  s.extra_weight = 0;
  fixture exact = open_fixture(&s, 1);
  s.derivatives = ML3_DERIVATIVES_FIRST_ORDER;
  fixture first = open_fixture(&s, 1);
  ml3_real *of_exact = gradient_of(&exact), *of_first = gradient_of(&first), at_end[64], theta[64];
  memcpy(theta, ml3_meta_adapted(first.work, NULL), sizeof(ml3_real) * 18);
  cr_assert_eq(ml3_meta_task_gradient(first.work, first.task, theta, &first.random, NULL, at_end, &error), 0);
  double off = 0;
  for (int i = 0; i < 18; i++) {
    cr_expect_float_eq(of_first[i], at_end[i], 1e-6 * norm_of(at_end, 18));
    off = fmax(off, fabs((double)of_exact[i] - of_first[i]));
  }
  cr_expect_gt(off, 1e-3 * norm_of(of_exact, 18), "the exact gradient is another: %g", off);
  free(of_exact);
  free(of_first);
  close_fixture(&exact);
  close_fixture(&first);
}

/* ---- first order ------------------------------------------------------------------------------------------------ */

Test(first_order, is_exact_through_one_update) {
  ml3_meta_settings s = settings_of(1, ML3_WEIGHTS_LAST, ML3_RATE_SCALAR);
  fixture exact = open_fixture(&s, 1);
  s.derivatives = ML3_DERIVATIVES_FIRST_ORDER;
  fixture first = open_fixture(&s, 1);
  ml3_real *a = gradient_of(&exact), *b = gradient_of(&first);
  cr_expect_arr_eq(a, b, (size_t)exact.loss->size * sizeof *a);
  free(a);
  free(b);
  close_fixture(&exact);
  close_fixture(&first);
}

/* sum_k < theta_{k+1}, lambda > with theta_k held where it was and lambda = grad L(theta_K): what first order differentiates. */
static double chained(fixture *f, const ml3_real *path, const ml3_real *lambda, int steps) {
  double sum = 0;
  for (int k = 0; k < steps; k++) {
    ml3_real theta[64];
    memcpy(theta, path + k * 18, sizeof(ml3_real) * 18);
    cr_assert_eq(ml3_meta_adapt(f->work, f->loss, f->task, theta, &f->random, NULL, NULL), 0);
    for (int i = 0; i < 18; i++) sum += (double)theta[i] * lambda[i];
  }
  return sum;
}

Test(first_order, takes_every_step_as_a_shift_of_the_next) {
  enum { STEPS = 3 };
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-7;
#else
  const double h = 2e-2, tolerance = 5e-2;
#endif
  ml3_meta_settings s = settings_of(STEPS, ML3_WEIGHTS_LAST, ML3_RATE_SCALAR);
  s.extra_weight = 0;
  s.derivatives = ML3_DERIVATIVES_FIRST_ORDER;
  fixture f = open_fixture(&s, 1);
  ml3_real *gradient = gradient_of(&f), path[(STEPS + 1) * 18], lambda[18];
  memcpy(path, f.theta, sizeof(ml3_real) * 18);
  for (int k = 0; k < STEPS; k++) {
    memcpy(path + (k + 1) * 18, path + k * 18, sizeof(ml3_real) * 18);
    ml3_meta_adapt(f.work, f.loss, f.task, path + (k + 1) * 18, &f.random, NULL, NULL);
  }
  ml3_meta_task_gradient(f.work, f.task, path + STEPS * 18, &f.random, NULL, lambda, NULL);
  const double norm = norm_of(gradient, f.loss->size);
  for (int i = 0; i < f.loss->size; i += 3) {
    const ml3_real keep = f.loss->phi[i];
    f.loss->phi[i] = (ml3_real)(keep + h);
    double up = chained(&f, path, lambda, STEPS), width = f.loss->phi[i];
    f.loss->phi[i] = (ml3_real)(keep - h);
    double down = chained(&f, path, lambda, STEPS);
    width -= f.loss->phi[i];
    f.loss->phi[i] = keep;
    cr_expect_leq(fabs((up - down) / width - gradient[i]), tolerance * norm, "phi[%d]: %g is not %g", i,
                  (double)gradient[i], (up - down) / width);
  }
  free(gradient);
  close_fixture(&f);
}

Test(meta, refuses_what_cannot_be) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_meta_settings s = maml_settings(2, ML3_RATE_FIXED);
  s.derivatives = ML3_DERIVATIVES_GREEDY;
  cr_expect_null(ml3_meta_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "greedy"), "%s", error.message);
  s = settings_of(3, ML3_WEIGHTS_LIST, ML3_RATE_FIXED);
  s.weight_count = 2;
  cr_expect_null(ml3_meta_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "2 entries for 3 inner steps"), "%s", error.message);
  s.weight_count = 3;
  cr_expect_null(ml3_meta_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "all 0"), "%s", error.message);
  s = settings_of(3, ML3_WEIGHTS_LAST, ML3_RATE_FIXED);
  s.loss.momentum = 1;
  cr_expect_null(ml3_meta_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "momentum"), "%s", error.message);
  s.loss.momentum = 0;
  s.loss.weighting = ML3_WEIGHTING_SOFTMAX;
  cr_expect_null(ml3_meta_new(problem, &s, &error));
  cr_expect_not_null(strstr(error.message, "must have 2"), "%s", error.message);
  problem->free(problem);
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

/* A batch of four tasks in one program against the four one by one; a task that is not a number spoils the batch. */
static void check_batch(ml3_meta_settings settings) {
  enum { BATCH = 4 };
#ifdef ML3_DOUBLE
  const double tolerance = 1e-12;
#else
  const double tolerance = 1e-5;
#endif
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  const size_t task_size = (size_t)problem->task_size, theta_size = (size_t)problem->theta_size;
  ml3_meta *single = ml3_meta_new(problem, &settings, &error);
  settings.batch = BATCH;
  ml3_meta *batch = ml3_meta_new(problem, &settings, &error);
  cr_assert(single && batch, "%s", error.message);
  ml3_meta_work *one = ml3_meta_work_new(single, &error), *all = ml3_meta_work_new(batch, &error);
  ml3_random random = ml3_random_stream(4, ML3_PURPOSE_USER, 0, 0), streams[BATCH];
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real task[BATCH * 64], theta[BATCH * 64];
  ml3_real *sum = calloc(3 * (size_t)loss->size, sizeof *sum), *piece = sum + loss->size,
           *together = piece + loss->size;
  double objective, objectives[BATCH], losses[4], all_losses[BATCH][4], norm = 0;
  for (size_t i = 0; i < BATCH; i++) {
    problem->sample(problem, ML3_SPLIT_TRAIN, &random, task + i * task_size, theta + i * theta_size, NULL);
    streams[i] = ml3_random_stream(5, ML3_PURPOSE_USER, (uint32_t)i, 0);
  }
  cr_assert_eq(ml3_meta_gradient(all, loss, task, theta, streams, together, objectives, all_losses[0], &error), 0, "%s",
               error.message);
  for (size_t i = 0; i < BATCH; i++) {
    streams[i] = ml3_random_stream(5, ML3_PURPOSE_USER, (uint32_t)i, 0);
    cr_assert_eq(ml3_meta_gradient(one, loss, task + i * task_size, theta + i * theta_size, &streams[i], piece,
                                   &objective, losses, &error),
                 0, "%s", error.message);
    cr_expect_float_eq(objective, objectives[i], tolerance * 10);
    for (int k = 1; k <= 3; k++) cr_expect_float_eq(losses[k], all_losses[i][k], tolerance * 10);
    for (int j = 0; j < loss->size; j++) sum[j] += piece[j];
  }
  for (int j = 0; j < loss->size; j++) norm += (double)sum[j] * sum[j];
  for (int j = 0; j < loss->size; j++)
    cr_expect_leq(fabs((double)sum[j] - together[j]), tolerance * sqrt(norm), "phi[%d]", j);

  task[2 * task_size] = (ml3_real)NAN;
  cr_expect_eq(ml3_meta_gradient(all, loss, task, theta, streams, together, NULL, NULL, &error), ML3_ERR_NUMERIC);
  free(sum);
  ml3_loss_free(loss);
  ml3_meta_work_free(one);
  ml3_meta_work_free(all);
  ml3_meta_free(single);
  ml3_meta_free(batch);
  problem->free(problem);
}

Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks) {
  check_batch(settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR));
}
Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks_with_a_step_size_each) {
  check_batch(settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_PARAMETER));
}
Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks_with_weights_and_momentum) {
  ml3_meta_settings s = settings_of(3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR);
  s.loss.weighting = ML3_WEIGHTING_SOFTMAX;
  s.loss.net.outputs = 2;
  s.loss.momentum = 0.5;
  check_batch(s);
}
Test(meta_gradient, of_a_batch_is_the_sum_over_its_tasks_through_gauss_newton_steps) {
  check_batch(newton_settings(3, 3, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR));
}

/* Without a learned start it is the task gradient with a step size: the opponent of a learned loss, by the same calls. */
Test(task_loss, is_descended_by_its_gradient) {
  ml3_error error = {0};
  ml3_meta_settings s = maml_settings(1, ML3_RATE_SCALAR);
  s.loss.learn_start = false;
  fixture f = open_fixture(&s, 2);
  cr_assert_eq(f.loss->size, 1);
  for (int half = -6; half <= 0; half++) { /* the step size is phi: one program serves them all */
    const double rate = pow(10, half / 2.0);
    ml3_real stepped[18], gradient[18];
    double value, task_loss;
    f.loss->phi[0] = (ml3_real)log(rate);
    memcpy(stepped, f.theta, sizeof stepped);
    cr_assert_eq(ml3_meta_adapt(f.work, f.loss, f.task, stepped, &f.random, &value, &error), 0, "%s", error.message);
    cr_assert_eq(ml3_meta_task_gradient(f.work, f.task, f.theta, &f.random, &task_loss, gradient, &error), 0);
    cr_expect_float_eq(value, task_loss, 1e-6);
    for (int i = 0; i < 18; i++) cr_expect_float_eq(stepped[i], f.theta[i] - rate * gradient[i], 1e-5);
  }
  close_fixture(&f);
}

Test(maml, gradient_of_a_batch_is_the_sum_over_its_tasks) {
  ml3_meta_settings s = maml_settings(3, ML3_RATE_SIGNED);
  s.weights = ML3_WEIGHTS_ALL; /* check_batch compares the loss after each update */
  check_batch(s);
}

/* Forward values that were kept or computed again are the same. */
Test(meta_gradient, has_the_same_bits_whatever_is_kept) {
  const int kept[3] = {1, 3, 5};
  ml3_meta_settings settings = settings_of(5, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR);
  settings.loss.momentum = 0.8;
  ml3_real *first = NULL;
  size_t bytes = 0; /* of one step's buffers */
  for (int i = 0; i < 3; i++) {
    settings.keep_bytes = bytes * (size_t)kept[i];
    fixture f = open_fixture(&settings, 1);
    cr_expect_eq(ml3_meta_kept(f.meta), kept[i], "%d are kept", ml3_meta_kept(f.meta));
    bytes = ml3_nn_program_report(ml3_meta_inner_program(f.meta)).arena_bytes;
    ml3_real *gradient = gradient_of(&f);
    if (first) cr_expect_arr_eq(gradient, first, (size_t)f.loss->size * sizeof *gradient);
    if (first)
      free(gradient);
    else
      first = gradient;
    close_fixture(&f);
  }
  free(first);
}
