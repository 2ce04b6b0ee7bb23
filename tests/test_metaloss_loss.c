/* A learned loss as a value, a function and a file; the same in Python. */
#define _DEFAULT_SOURCE /* mkstemp, truncate */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "metaloss/loss.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-12;
#else
static const double tolerance = 1e-5;
#endif

enum { ROWS = 7, FEATURES = 4 };

/* Sees features 3, 0, 1 of four, shifted and scaled. */
static ml3_loss_spec spec_of(ml3_activation activation, ml3_weighting weighting) {
  return (ml3_loss_spec){.net = {.inputs = 3,
                                 .outputs = weighting == ML3_WEIGHTING_NONE ? 1 : 2,
                                 .depth = 2,
                                 .hidden = {6, 5},
                                 .activation = activation,
                                 .output = ML3_SOFTPLUS,
                                 .bias = activation != ML3_RELU,
                                 .start = activation == ML3_TANH ? ML3_START_XAVIER : ML3_START_FAN_IN},
                         .weighting = weighting,
                         .features = FEATURES,
                         .columns = {3, 0, 1},
                         .rate = 0.3,
                         .learn_rate = ML3_RATE_SCALAR,
                         .momentum = 0.25};
}

static ml3_loss *make_loss(const ml3_loss_spec *spec) {
  static const char *const names[FEATURES] = {"position", "velocity", "not seen", "error"};
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(spec, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  for (int i = 0; i < spec->net.inputs; i++) loss->shift[i] = (ml3_real)(0.25 * i), loss->scale[i] = (ml3_real)(1 + i);
  ml3_loss_name_features(loss, names);
  return loss;
}

static void fill_rows(ml3_real *features) {
  for (int i = 0; i < ROWS * FEATURES; i++) features[i] = (ml3_real)(1.5 * sin(3 * i + 1));
}

Test(loss, is_the_weighted_sum_of_the_values_of_its_rows) {
  for (int kind = ML3_WEIGHTING_NONE; kind <= ML3_WEIGHTING_SIGMOID; kind++) {
    const ml3_loss_spec spec = spec_of(ML3_ELU, (ml3_weighting)kind);
    ml3_loss *loss = make_loss(&spec);
    ml3_error error = {0};
    ml3_loss_function *f = ml3_loss_function_new(loss, ROWS, &error);
    cr_assert_not_null(f, "%s", error.message);
    ml3_real features[ROWS * FEATURES], values[ROWS], weights[ROWS];
    fill_rows(features);
    const double total = ml3_loss_function_run(f, features, values, weights, NULL);
    double sum = 0, of_weights = 0, spread = 0;
    for (int i = 0; i < ROWS; i++) {
      double row[FEATURES];
      for (int j = 0; j < FEATURES; j++) row[j] = features[i * FEATURES + j];
      cr_expect_float_eq(values[i], ml3_loss_value(loss, row), tolerance);
      cr_expect_gt(weights[i], 0);
      sum += (double)values[i] * weights[i];
      of_weights += weights[i];
      spread += fabs((double)weights[i] - 1.0 / ROWS);
    }
    cr_expect_float_eq(total, sum, tolerance);
    if (kind != ML3_WEIGHTING_SIGMOID) cr_expect_float_eq(of_weights, 1, tolerance);
    cr_expect_eq(spread > 1e-3, kind != ML3_WEIGHTING_NONE);
    ml3_loss_function_free(f);
    ml3_loss_free(loss);
  }
}

static void check_gradient(const ml3_loss_spec *spec) {
#ifdef ML3_DOUBLE
  const double h = 1e-5, close = 1e-8;
#else
  const double h = 1e-2, close = 1e-3;
#endif
  ml3_loss *loss = make_loss(spec);
  ml3_loss_function *f = ml3_loss_function_new(loss, ROWS, NULL);
  ml3_real features[ROWS * FEATURES], gradient[ROWS * FEATURES];
  fill_rows(features);
  ml3_loss_function_run(f, features, NULL, NULL, gradient);
  for (int i = 0; i < ROWS * FEATURES; i++) {
    const ml3_real keep = features[i];
    features[i] = (ml3_real)(keep + h);
    double up = ml3_loss_function_run(f, features, NULL, NULL, NULL), width = features[i];
    features[i] = (ml3_real)(keep - h);
    double down = ml3_loss_function_run(f, features, NULL, NULL, NULL);
    width -= features[i];
    features[i] = keep;
    cr_expect_float_eq(gradient[i], (up - down) / width, close, "feature %d: %g is not %g", i, (double)gradient[i],
                       (up - down) / width);
    if (i % FEATURES == 2) cr_expect_eq(gradient[i], 0, "a feature that is not seen has a gradient");
  }
  ml3_loss_function_free(f);
  ml3_loss_free(loss);
}

Test(loss, has_the_gradient_of_differences_by_its_features) {
  ml3_loss_spec spec = spec_of(ML3_TANH, ML3_WEIGHTING_SOFTMAX);
  check_gradient(&spec);
  spec.target_count = 2, spec.targets[0] = 1, spec.targets[1] = 0;
  check_gradient(&spec);
}

/* Squares of what is off the second network's answer, whatever the first adds: they alone make it curved in the targets. */
Test(loss, with_targets_is_convex_in_them) {
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  spec.target_count = 1, spec.targets[0] = 1;
  ml3_loss *loss = make_loss(&spec);
  const ml3_mlp h = ml3_loss_target_net(&spec);
  cr_expect_eq(h.inputs, 2);
  cr_expect_eq(h.outputs, 1);
  cr_expect_eq(ml3_loss_net_size(&spec), ml3_mlp_size(&spec.net) + ml3_mlp_size(&h));
  for (int i = 0; i < ml3_mlp_size(&spec.net); i++) loss->phi[i] = 0;
  const double seen[2] = {(0.7 - loss->shift[0]) * loss->scale[0], (-0.4 - loss->shift[1]) * loss->scale[1]};
  double wanted;
  ml3_mlp_forward(&h, loss->phi + ml3_mlp_size(&spec.net), seen, &wanted);
  for (int i = -3; i <= 3; i++) {
    const double row[FEATURES] = {-0.4, wanted + i, 9, 0.7};
    cr_expect_float_eq(ml3_loss_value(loss, row), log(2) + 0.5 * i * i, tolerance); /* softplus of 0 */
  }
  ml3_loss_free(loss);
}

Test(loss, refuses_targets_that_are_not_there) {
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  spec.target_count = 1, spec.targets[0] = FEATURES;
  cr_expect_null(ml3_loss_new(&spec, &random, &error));
  cr_expect_not_null(strstr(error.message, "target 0 is feature 4"), "%s", error.message);
  spec.target_count = 3, spec.targets[0] = 0, spec.targets[1] = 1, spec.targets[2] = 3;
  cr_expect_null(ml3_loss_new(&spec, &random, &error));
  cr_expect_not_null(strstr(error.message, "nothing but its targets"), "%s", error.message);
}

Test(loss, refuses_gauss_newton_steps_without_targets) {
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  spec.newton = 3;
  cr_expect_null(ml3_loss_new(&spec, &random, &error));
  cr_expect_not_null(strstr(error.message, "loss.targets"), "%s", error.message);
}

/* ---- targets that begin from a feature, or are multiplied by one ------------------------------------------------------ */

/* Five features, of which h sees 2 alone, by a line without bias: h = 0.5 (x_2 - 1) 2 for target 0 and -0.25 (x_2 - 1) 2 for target 1. */
static ml3_loss *make_scored_loss(bool only_targets) {
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  const ml3_loss_spec spec = {.net = {.inputs = 3, .outputs = 1},
                              .features = 5,
                              .columns = {0, 1, 2},
                              .target_count = 2,
                              .targets = {0, 1},
                              .target_bases = {1 + 3, 1 + 3},
                              .target_factors = {1 + 4, 0},
                              .only_targets = only_targets,
                              .rate = 1};
  ml3_loss *loss = ml3_loss_new(&spec, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  loss->shift[2] = 1, loss->scale[2] = 2;
  const ml3_real net[3] = {(ml3_real)0.1, (ml3_real)-0.2, (ml3_real)0.3}, h[2] = {(ml3_real)0.5, (ml3_real)-0.25};
  if (!only_targets) memcpy(loss->phi, net, sizeof net);
  memcpy(loss->phi + ml3_loss_value_net_size(&spec), h, sizeof h);
  return loss;
}

/* Base 3 is added to both, and target 0's is times factor 4 before:
     0.5 (x_0 - x_3 - x_4 h_0)^2 + 0.5 (x_1 - x_3 - h_1)^2,  + net(x_0, x_1, 2 (x_2 - 1)) where that is there. */
Test(loss, with_bases_and_factors_is_what_hand_and_graph_say) {
  static const double rows[2][5] = {{0.7, -0.4, 1.5, 0.25, -2}, {-0.3, 0.9, 0.5, -1, 3}};
  static const double off_0[2] = {0.7 - 0.25 + 2 * 0.5, -0.3 + 1 + 3 * 0.5}, off_1[2] = {-0.65 + 0.25, 1.9 - 0.25};
  static const double net[2] = {0.07 + 0.08 + 0.3, -0.03 - 0.18 - 0.3};
  static const double h_0[2] = {0.5, -0.5};
  for (int only = 0; only < 2; only++) {
    ml3_error error = {0};
    ml3_loss *loss = make_scored_loss(only);
    cr_expect_eq(ml3_loss_value_net_size(&loss->spec), only ? 0 : 3);
    cr_expect_eq(loss->size, only ? 2 : 5);
    ml3_loss_function *f = ml3_loss_function_new(loss, 2, &error);
    cr_assert_not_null(f, "%s", error.message);
    ml3_real features[10], values[2], gradient[10];
    for (int i = 0; i < 10; i++) features[i] = (ml3_real)rows[i / 5][i % 5];
    const double total = ml3_loss_function_run(f, features, values, NULL, gradient);
    double mean = 0;
    for (int i = 0; i < 2; i++) {
      const double squares = 0.5 * (off_0[i] * off_0[i] + off_1[i] * off_1[i]),
                   expected = squares + (only ? 0 : net[i]);
      mean += expected / 2;
      cr_expect_float_eq(ml3_loss_value(loss, rows[i]), expected, tolerance, "%d, row %d", only, i);
      cr_expect_float_eq(values[i], expected, tolerance, "%d, row %d of the graph", only, i);
      cr_expect_float_eq(gradient[5 * i + 3], -(off_0[i] + off_1[i]) / 2, tolerance); /* of the mean over both rows */
      cr_expect_float_eq(gradient[5 * i + 4], -h_0[i] * off_0[i] / 2, tolerance);
    }
    cr_expect_float_eq(total, mean, tolerance);
    ml3_loss_function_free(f);
    ml3_loss_free(loss);
  }
}

/* In losses of every shape, by differences. */
Test(loss, with_bases_and_factors_has_the_gradient_of_differences) {
  ml3_loss_spec spec = spec_of(ML3_TANH, ML3_WEIGHTING_NONE);
  spec.target_count = 2, spec.targets[0] = 1, spec.targets[1] = 0;
  spec.target_bases[1] = 1 + 3, spec.target_factors[0] = 1 + 3;
  check_gradient(&spec);
  spec.only_targets = true;
  check_gradient(&spec);
}

static void expect_no_loss(const ml3_loss_spec *spec, const char *words) {
  ml3_error error = {0};
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  cr_expect_null(ml3_loss_new(spec, &random, &error));
  cr_expect_not_null(strstr(error.message, words), "%s", error.message);
}

Test(loss, refuses_bases_and_factors_that_are_not_there) {
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  spec.target_count = 1, spec.targets[0] = 1;
  spec.target_bases[0] = 1 + FEATURES;
  expect_no_loss(&spec, "base and factor of target 0 are features 4 and -1; there are 4");
  spec.target_bases[0] = -1;
  expect_no_loss(&spec, "base and factor of target 0 are features -2 and -1");
  spec.target_bases[0] = 0, spec.target_factors[0] = 2 + FEATURES;
  expect_no_loss(&spec, "base and factor of target 0 are features -1 and 5; there are 4");
  spec.target_factors[0] = -3;
  expect_no_loss(&spec, "there are 4");
}

Test(loss, of_targets_alone_refuses_what_it_has_no_room_for) {
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  spec.only_targets = true;
  expect_no_loss(&spec, "loss.only_targets leaves the distance from targets alone; it needs loss.targets");
  spec.target_count = 1, spec.targets[0] = 1, spec.base = 1;
  expect_no_loss(&spec, "neither loss.base nor loss.weighting");
  spec = spec_of(ML3_ELU, ML3_WEIGHTING_SOFTMAX);
  spec.only_targets = true, spec.target_count = 1, spec.targets[0] = 1;
  expect_no_loss(&spec, "neither loss.base nor loss.weighting");
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static void check_file(const ml3_loss_spec *spec) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_loss_XXXXXX";
  close(mkstemp(path));
  ml3_loss *loss = make_loss(spec);
  cr_assert_eq(ml3_loss_save(loss, path, &error), 0, "%s", error.message);
  ml3_loss *again = ml3_loss_load(path, &error);
  cr_assert_not_null(again, "%s", error.message);
  cr_expect_eq(again->size, loss->size);
  cr_expect_arr_eq(again->phi, loss->phi, (size_t)loss->size * sizeof *loss->phi);
  cr_expect_eq(ml3_loss_rate(loss), ml3_loss_rate(again));
  cr_expect_eq(again->spec.momentum, spec->momentum);
  cr_expect_eq(again->spec.kind, spec->kind);
  cr_expect_eq(again->spec.newton, spec->newton);
  cr_expect_eq(again->spec.weighting, spec->weighting);
  cr_expect_eq(again->spec.only_targets, spec->only_targets);
  cr_expect_arr_eq(again->spec.targets, spec->targets, sizeof spec->targets);
  cr_expect_arr_eq(again->spec.target_bases, spec->target_bases, sizeof spec->target_bases);
  cr_expect_arr_eq(again->spec.target_factors, spec->target_factors, sizeof spec->target_factors);
  if (spec->kind == ML3_LOSS_LEARNED) {
    const double row[4] = {-0.5, 0.3, 0.1, 1.2};
    cr_expect_eq(ml3_loss_value(loss, row), ml3_loss_value(again, row));
    cr_expect_str_eq(again->names[3], "error");
  }
  cr_assert_eq(truncate(path, 300), 0);
  cr_expect_null(ml3_loss_load(path, &error));
  cr_expect_not_null(strstr(error.message, path), "the sentence names the file: %s", error.message);
  unlink(path);
  ml3_loss_free(loss);
  ml3_loss_free(again);
}

Test(loss, is_the_same_after_saving_and_loading) {
  ml3_loss_spec spec = spec_of(ML3_ELU, ML3_WEIGHTING_NONE);
  check_file(&spec);
  spec = spec_of(ML3_RELU, ML3_WEIGHTING_SIGMOID);
  check_file(&spec);
  spec.learn_rate = ML3_RATE_PARAMETER, spec.learn_start = true, spec.theta_size = 9;
  check_file(&spec);
  spec.target_count = 2, spec.targets[0] = 3, spec.targets[1] = 2;
  check_file(&spec);
  spec.newton = 3;
  check_file(&spec);
  spec.target_bases[1] = 1 + 0;
  check_file(&spec);
  spec.target_bases[1] = 0, spec.target_factors[0] = 1 + 1;
  check_file(&spec);
  spec.target_bases[0] = 1 + 1, spec.weighting = ML3_WEIGHTING_NONE, spec.net.outputs = 1, spec.only_targets = true;
  check_file(&spec);
}

/* The text of a file's header, in `text`. */
static void read_header(const char *path, char *text, size_t size) {
  unsigned char length[8];
  FILE *file = fopen(path, "rb");
  cr_assert_eq(fread(length, 1, 8, file), 8);
  const size_t count = (size_t)length[0] + 256 * (size_t)length[1];
  cr_assert(count < size);
  cr_assert_eq(fread(text, 1, count, file), count);
  text[count] = 0;
  fclose(file);
}

/* Losses without bases and factors are files as before there were any, byte for byte: their header stands here as it was then. And
   such a file is read as it was. */
Test(loss, without_bases_and_factors_is_the_file_it_always_was) {
  static const char before[] =
      "{\"__metadata__\":{\"format\":\"ml3 learned loss "
      "2\",\"spec\":\"{\\\"kind\\\":\\\"learned\\\",\\\"features\\\":[\\\"f0\\\","
      "\\\"f1\\\"],\\\"columns\\\":[0,1],\\\"hidden\\\":[2],\\\"activation\\\":\\\"tanh\\\",\\\"output\\\":"
      "\\\"identity\\\","
      "\\\"bias\\\":false,\\\"weighting\\\":\\\"none\\\",\\\"rate\\\":0.5,\\\"learn_rate\\\":\\\"fixed\\\","
      "\\\"momentum\\\":0.0,"
      "\\\"learn_start\\\":false,\\\"theta_size\\\":0,\\\"base\\\":-1,\\\"targets\\\":[1],\\\"newton\\\":3}\"},";
  ml3_error error = {0};
  char path[] = "/tmp/ml3_loss_XXXXXX", header[4096];
  close(mkstemp(path));
  ml3_random random = ml3_random_stream(5, ML3_PURPOSE_USER, 0, 0);
  const ml3_loss_spec spec = {.net = {.inputs = 2, .outputs = 1, .depth = 1, .hidden = {2}, .activation = ML3_TANH},
                              .target_count = 1,
                              .targets = {1},
                              .newton = 3,
                              .rate = 0.5};
  ml3_loss *loss = ml3_loss_new(&spec, &random, &error);
  cr_assert_eq(ml3_loss_save(loss, path, &error), 0, "%s", error.message);
  read_header(path, header, sizeof header);
  cr_expect_eq(strncmp(header, before, strlen(before)), 0, "%s\nnot\n%s", header, before);
  ml3_loss *again = ml3_loss_load(path, &error);
  cr_assert_not_null(again, "%s", error.message);
  cr_expect_eq(again->spec.target_bases[0], 0);
  cr_expect_eq(again->spec.target_factors[0], 0);
  cr_expect_not(again->spec.only_targets);
  unlink(path);
  ml3_loss_free(loss);
  ml3_loss_free(again);
}

Test(loss, that_is_a_start_is_the_same_after_saving_and_loading) {
  check_file(&(ml3_loss_spec){
      .kind = ML3_LOSS_TASK, .rate = 0.1, .learn_rate = ML3_RATE_SIGNED, .learn_start = true, .theta_size = 11});
}

static void expect_refused(const char *key, const char *value) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_loss_XXXXXX";
  close(mkstemp(path));
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  ml3_nn_tensors_put_text(t, "format", "ml3 learned loss 2", NULL);
  ml3_nn_tensors_put_text(t, key, value, NULL);
  cr_assert_eq(ml3_nn_tensors_save(t, path, &error), 0);
  cr_expect_null(ml3_loss_load(path, &error), "%s", value);
  cr_expect_not_null(strstr(error.message, path), "%s", error.message);
  unlink(path);
  ml3_nn_tensors_free(t);
}

Test(loss, from_a_file_that_lies_is_refused) {
#define REST                                                                                                           \
  "\"activation\":\"elu\",\"output\":\"identity\",\"bias\":true,\"rate\":0.1,\"learn_rate\":\"fixed\",\"momentum\":0," \
  "\"learn_start\":false,"
  expect_refused("spec", "not json");
  expect_refused("spec", "{}");
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\"],\"columns\":[7],\"hidden\":[4]," REST
                         "\"weighting\":\"none\",\"theta_size\":0}");
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\"],\"columns\":[0],\"hidden\":[99999]," REST
                         "\"weighting\":\"none\",\"theta_size\":0}");
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\"],\"columns\":[0],\"hidden\":[4]," REST
                         "\"weighting\":\"some\",\"theta_size\":0}");
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\"],\"columns\":[0],\"hidden\":[4]," REST
                         "\"weighting\":\"none\",\"theta_size\":0}"); /* its tensors are missing */
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\",\"b\"],\"columns\":[0,1],\"hidden\":[4]," REST
                         "\"weighting\":\"none\",\"theta_size\":0,\"targets\":[0],\"target_bases\":[1,2]}");
  expect_refused("spec", "{\"kind\":\"learned\",\"features\":[\"a\",\"b\"],\"columns\":[0,1],\"hidden\":[4]," REST
                         "\"weighting\":\"none\",\"theta_size\":0,\"targets\":[0],\"target_factors\":[-1]}");
#undef REST
}

/* ---- Python --------------------------------------------------------------------------------------------------------- */

/* An interpreter with torch or numpy, or NULL: $ML3_PYTHON, then the usual ones. */
static const char *python(void) {
  static const char *candidates[3] = {NULL, "python3", "/usr/bin/python3"};
  candidates[0] = getenv("ML3_PYTHON");
  for (int i = 0; i < 3; i++) {
    char command[512];
    if (!candidates[i]) continue;
    snprintf(command, sizeof command, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
    if (system(command) == 0) return candidates[i];
  }
  return NULL;
}

static double value_in_python(const char *interpreter, const char *path, const ml3_real *features) {
  char rows[64], command[1024];
  snprintf(rows, sizeof rows, "%s.csv", path);
  FILE *csv = fopen(rows, "w");
  for (int i = 0; i < ROWS * FEATURES; i++)
    fprintf(csv, "%.17g%c", (double)features[i], (i + 1) % FEATURES ? ',' : '\n');
  fclose(csv);
  snprintf(command, sizeof command, "%s %s/../scripts/load_loss.py %s < %s", interpreter, ML3_TEST_DATA, path, rows);
  FILE *answer = popen(command, "r");
  double value = NAN;
  cr_expect_eq(fscanf(answer, "%lf", &value), 1);
  cr_expect_eq(pclose(answer), 0);
  unlink(rows);
  return value;
}

Test(loss, has_the_same_value_in_python) {
  const char *interpreter = python();
  if (!interpreter) cr_skip_test("no Python with numpy; set ML3_PYTHON");
  char path[] = "/tmp/ml3_loss_XXXXXX";
  close(mkstemp(path));
  int of_targets = 0;
  for (int activation = ML3_IDENTITY; activation <= ML3_SIGMOID; activation++) {
    ml3_loss_spec spec = spec_of((ml3_activation)activation, (ml3_weighting)(activation % 3));
    if (activation >= ML3_RELU) spec.target_count = 2, spec.targets[0] = 1, spec.targets[1] = 2;
    if (activation >= ML3_RELU)
      spec.target_bases[0] = 1 + 2, spec.target_factors[0] = 1 + 3, spec.target_factors[1] = 1;
    spec.only_targets = activation >= ML3_RELU && spec.weighting == ML3_WEIGHTING_NONE;
    of_targets += spec.only_targets;
    ml3_loss *loss = make_loss(&spec);
    ml3_loss_function *f = ml3_loss_function_new(loss, ROWS, NULL);
    ml3_real features[ROWS * FEATURES];
    fill_rows(features);
    cr_assert_eq(ml3_loss_save(loss, path, NULL), 0);
    const double here = ml3_loss_function_run(f, features, NULL, NULL, NULL),
                 there = value_in_python(interpreter, path, features);
    cr_expect_float_eq(here, there, tolerance, "%s: %.9g here, %.9g there",
                       ml3_activation_name((ml3_activation)activation), here, there);
    ml3_loss_function_free(f);
    ml3_loss_free(loss);
  }
  cr_expect_gt(of_targets, 0, "one of targets alone is among them");
  unlink(path);
}
