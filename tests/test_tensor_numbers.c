/* What numbers files may hold: half precision is read; NaN and infinity are refused wherever something is read to be computed
   with, by file, tensor and index. */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agents/control/ensemble.h"
#include "agents/learn/policy.h"
#include "metaloss_setup.h"
#include "nn/checkpoint.h"

static char folder[64], path[96];

static void make_folder(void) {
  strcpy(folder, "/tmp/ml3_numbers_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/file.safetensors", folder);
}

static void drop_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_expect_eq(system(command), 0);
}

TestSuite(tensor_numbers, .init = make_folder, .fini = drop_folder);

/* ---- half precision ---------------------------------------------------------------------------------------------- */

static void write_file(const char *header, const void *data, size_t bytes) {
  FILE *out = fopen(path, "wb");
  const uint64_t length = strlen(header);
  cr_assert_not_null(out);
  fwrite(&length, 8, 1, out);
  fwrite(header, 1, length, out);
  fwrite(data, 1, bytes, out);
  cr_assert_eq(fclose(out), 0);
}

static ml3_nn_tensors *load(void) {
  ml3_error error = {0};
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

/* Bits and values of IEEE 754-2008, 3.6, and of the upper half of binary32. */
static const uint16_t halves[10] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x8000, 0x3555, 0xfbff, 0x3c01};
static const double half_values[10] = {1,          -2, 65504,        0x1p-24, 0x1.ff8p-15, 0x1p-14,
                                       -0.0, 0x1.554p-2, -65504, 0x1.004p0};
static const uint16_t bfloats[6] = {0x3f80, 0x4049, 0xc2f7, 0x0080, 0x8000, 0x7f7f};
static const double bfloat_values[6] = {1, 3.140625, -123.5, 0x1p-126, -0.0, 0x1.fep127};

static const char half_header[] =
    "{\"half\":{\"dtype\":\"F16\",\"shape\":[2,5],\"data_offsets\":[0,20]},"
    "\"brain\":{\"dtype\":\"BF16\",\"shape\":[6],\"data_offsets\":[20,32]}}";

static void write_halves(void) {
  uint16_t data[16];
  memcpy(data, halves, sizeof halves);
  memcpy(data + 10, bfloats, sizeof bfloats);
  write_file(half_header, data, sizeof data);
}

static void expect_halves(const ml3_nn_tensors *t) {
  ml3_real half[10], brain[6];
  ml3_error error = {0};
  cr_assert_eq(ml3_nn_tensors_get(t, "half", 10, half, &error), ML3_OK, "%s", error.message);
  cr_assert_eq(ml3_nn_tensors_get(t, "brain", 6, brain, &error), ML3_OK, "%s", error.message);
  for (int i = 0; i < 10; i++) {
    cr_expect_eq((double)half[i], half_values[i], "F16 %04x is %.17g, not %.17g", halves[i], (double)half[i], half_values[i]);
    cr_expect_eq(signbit(half[i]) != 0, signbit(half_values[i]) != 0);
  }
  for (int i = 0; i < 6; i++) {
    cr_expect_eq((double)brain[i], bfloat_values[i], "BF16 %04x is %.17g, not %.17g", bfloats[i], (double)brain[i],
                 bfloat_values[i]);
    cr_expect_eq(signbit(brain[i]) != 0, signbit(bfloat_values[i]) != 0);
  }
}

Test(tensor_numbers, half_and_brain_floats_are_read_to_the_bit) {
  write_halves();
  ml3_nn_tensors *t = load();
  expect_halves(t);
  int64_t whole;
  double wide[10];
  ml3_error error = {0};
  cr_expect_eq(ml3_nn_tensors_get_ints(t, "half", 1, &whole, &error), ML3_ERR_FORMAT);
  cr_expect_eq(ml3_nn_tensors_get_doubles(t, "half", 10, wide, &error), ML3_ERR_FORMAT);
  cr_expect_not_null(strstr(error.message, "is F16 where doubles (F64) are expected"), "%s", error.message);
  cr_assert_eq(ml3_nn_tensors_save(t, path, &error), ML3_OK, "%s", error.message);
  ml3_nn_tensors_free(t);
  t = load(); /* as they were, written once more */
  expect_halves(t);
  ml3_nn_tensors_free(t);
}

static void expect_refused(int code, const ml3_error *error, const char *file, const char *words) {
  cr_expect_neq(code, ML3_OK, "%s", words);
  cr_expect_eq(error->code, ML3_ERR_FORMAT);
  cr_expect_not_null(strstr(error->message, file), "no file: %s", error->message);
  cr_expect_not_null(strstr(error->message, words), "no '%s': %s", words, error->message);
}

Test(tensor_numbers, infinity_and_nan_of_any_type_are_told_by_their_place) {
  static const struct {
    const char *type, *words;
    uint64_t bits; /* of entry [1, 2] of a 2 x 4 tensor of zeros */
  } cases[] = {{"F16", "tensor 'w' has inf at [1, 2]", 0x7c00},
               {"F16", "tensor 'w' has nan at [1, 2]", 0x7e01},
               {"BF16", "tensor 'w' has -inf at [1, 2]", 0xff80},
               {"BF16", "nan at [1, 2]", 0x7fc0},
               {"F32", "tensor 'w' has inf at [1, 2]", 0x7f800000},
               {"F32", "nan at [1, 2]", 0x7fc00000},
               {"F64", "tensor 'w' has -inf at [1, 2]", 0xfff0000000000000},
               {"F64", "nan at [1, 2]", 0x7ff8000000000000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const size_t bytes = (size_t)atoi(cases[i].type + strcspn(cases[i].type, "16342")) / 8;
    char header[128], data[64] = {0};
    ml3_real got[8];
    ml3_error error = {0};
    snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%zu]}}", cases[i].type,
             8 * bytes);
    memcpy(data + 6 * bytes, &cases[i].bits, bytes);
    write_file(header, data, 8 * bytes);
    ml3_nn_tensors *t = load();
    expect_refused(ml3_nn_tensors_get(t, "w", 8, got, &error), &error, path, cases[i].words);
    cr_expect_eq(ml3_nn_tensors_get_raw(t, "w", 8, got, &error), ML3_OK);
    cr_expect(!isfinite(got[6]) && got[5] == 0 && got[7] == 0);
    ml3_nn_tensors_free(t);
  }
}

Test(tensor_numbers, doubles_too_large_for_the_build_are_told) {
  const double data[2] = {1, 1e300};
  ml3_real got[2];
  ml3_error error = {0};
  write_file("{\"w\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", data, sizeof data);
  ml3_nn_tensors *t = load();
#ifdef ML3_DOUBLE
  cr_expect_eq(ml3_nn_tensors_get(t, "w", 2, got, &error), ML3_OK);
#else
  expect_refused(ml3_nn_tensors_get(t, "w", 2, got, &error), &error, path,
                 "has 1e+300 at [1]; expected finite numbers, and this one is too large for float");
#endif
  ml3_nn_tensors_free(t);
}

/* ---- what is learned ------------------------------------------------------------------------------------------------ */

/* Puts a number into an entry of a tensor of the file. */
static void spoil(const char *name, size_t entry, double value, bool doubles) {
  ml3_error error = {0};
  ml3_nn_tensors *t = load();
  const size_t size = ml3_nn_tensors_size(t, name);
  cr_assert_lt(entry, size, "%s has %zu entries", name, size);
  ml3_real *numbers = calloc(size, sizeof *numbers);
  double *wide = calloc(size, sizeof *wide);
  if (doubles) {
    cr_assert_eq(ml3_nn_tensors_get_doubles(t, name, (int)size, wide, &error), ML3_OK, "%s", error.message);
    wide[entry] = value;
    ml3_nn_tensors_put_doubles(t, name, (int)size, wide, &error);
  } else {
    cr_assert_eq(ml3_nn_tensors_get(t, name, size, numbers, &error), ML3_OK, "%s", error.message);
    numbers[entry] = (ml3_real)value;
    ml3_nn_tensors_put(t, name, 0, (int)size, numbers, &error);
  }
  cr_assert_eq(ml3_nn_checkpoint_save(t, path, &error), ML3_OK, "%s", error.message);
  ml3_nn_tensors_free(t);
  free(numbers);
  free(wide);
}

Test(tensor_numbers, a_learned_loss_with_one_is_refused) {
  static const struct {
    const char *tensor, *words;
    size_t entry;
    double value;
  } cases[] = {{"weight1", "tensor 'weight1' has nan at [7]", 7, NAN},
               {"bias0", "tensor 'bias0' has inf at [2]", 2, INFINITY},
               {"scale", "tensor 'scale' has -inf at [3]", 3, -INFINITY},
               {"log_rate", "tensor 'log_rate' has nan at [0]", 0, NAN}};
  const ml3_meta_settings settings = make_settings(1, ML3_WEIGHTS_LAST, ML3_RATE_SCALAR, 0);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  ml3_error error = {0};
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(ml3_loss_save(loss, path, &error), ML3_OK, "%s", error.message);
    spoil(cases[i].tensor, cases[i].entry, cases[i].value, false);
    ml3_loss *read = ml3_loss_load(path, &error);
    expect_refused(read ? ML3_OK : error.code, &error, path, cases[i].words);
    ml3_loss_free(read);
  }
  ml3_loss_free(loss);
}

Test(tensor_numbers, a_checkpoint_with_one_is_refused) {
  static const struct {
    const char *tensor;
    bool doubles;
  } cases[] = {{"phi", false},        {"best_phi", false},    {"moment1", false},      {"moment2", false},
               {"shift", false},      {"best_scale", false},  {"running_mean", true},  {"running_count", true},
               {"running_squares", true}, {"lives", false},   {"velocities", false}};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_trainer_settings s = {.meta = make_settings(2, ML3_WEIGHTS_ALL, ML3_RATE_SCALAR, 0),
                            .optimizer = ml3_nn_adam(1e-2),
                            .threads = 1,
                            .tasks = 3,
                            .normalize = ML3_NORMALIZE_FIRST,
                            .lifetime = 4,
                            .validation_tasks = 2};
  s.meta.loss.momentum = 0.5;
  ml3_error error = {0};
  ml3_trainer *t = ml3_trainer_new(problem, &s, &error);
  cr_assert_not_null(t, "%s", error.message);
  steps(t, 4);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char words[64];
    cr_assert_eq(ml3_trainer_save(t, path, &error), ML3_OK, "%s", error.message);
    spoil(cases[i].tensor, 0, NAN, cases[i].doubles);
    snprintf(words, sizeof words, "tensor '%s' has nan at [0]", cases[i].tensor);
    ml3_trainer *other = ml3_trainer_new(problem, &s, &error);
    expect_refused(ml3_trainer_load(other, path, &error), &error, path, words);
    ml3_trainer_free(other);
  }
  ml3_trainer_free(t);
  problem->free(problem);
}

Test(tensor_numbers, an_ensemble_with_one_is_refused) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("pendulum_swing_up", &error);
  cr_assert_not_null(spec, "%s", error.message);
  const ml3_ensemble_settings settings = ml3_ensemble_defaults();
  ml3_ensemble *e = ml3_ensemble_new(spec, &settings, 1, &error);
  cr_assert_not_null(e, "%s", error.message);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(ml3_ensemble_save(e, path, &error), ML3_OK, "%s", error.message);
    spoil(i ? "context" : "variance_min", i ? 100 : 0, INFINITY, false);
    ml3_ensemble *read = ml3_ensemble_load(spec, path, &error);
    expect_refused(read ? ML3_OK : error.code, &error, path,
                   i ? "tensor 'context' has inf at [100]" : "tensor 'variance_min' has inf at [0]");
    ml3_ensemble_free(read);
  }
  ml3_ensemble_free(e);
}

/* Small files that say what they hold is large: before any memory is asked for. */
Test(tensor_numbers, sizes_beyond_a_file_are_told) {
  ml3_error error = {0};
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  const ml3_env_spec *spec = ml3_env_find("pendulum_swing_up", &error);
  const ml3_real least = (ml3_real)1e-3;
  int64_t shape[5 + ML3_MLP_MAX_DEPTH] = {spec->state_dim, spec->action_dim, ML3_ENSEMBLE_MAX_MEMBERS, 0, 8};
  for (int i = 0; i < ML3_MLP_MAX_DEPTH; i++) shape[5 + i] = ML3_MLP_MAX_WIDTH;
  ml3_nn_tensors_put_text(t, "format", "ml3 ensemble 1", &error);
  ml3_nn_tensors_put_ints(t, "shape", 5 + ML3_MLP_MAX_DEPTH, shape, &error);
  ml3_nn_tensors_put(t, "variance_min", 0, 1, &least, &error);
  ml3_nn_tensors_put(t, "context", 0, 1, &least, &error);
  cr_assert_eq(ml3_nn_tensors_save(t, path, &error), ML3_OK, "%s", error.message);
  cr_expect_null(ml3_ensemble_load(spec, path, &error));
  cr_expect_not_null(strstr(error.message, "parameters each; 1 in all are possible"), "%s", error.message);
  ml3_nn_tensors_put_text(t, "format", "ml3 learned loss 2", &error);
  ml3_nn_tensors_put_text(t, "spec",
                          "{\"kind\":\"task\",\"features\":[],\"columns\":[],\"hidden\":[],\"activation\":\"tanh\","
                          "\"output\":\"identity\",\"bias\":true,\"weighting\":\"none\",\"rate\":0.1,"
                          "\"learn_rate\":\"signed\",\"momentum\":0.0,\"learn_start\":true,\"theta_size\":268435456}",
                          &error);
  cr_assert_eq(ml3_nn_tensors_save(t, path, &error), ML3_OK, "%s", error.message);
  cr_expect_null(ml3_loss_load(path, &error));
  expect_refused(error.code, &error, path, "tensor 'start' has 0 entries where 268435456 are expected");
  ml3_nn_tensors_free(t);
}

Test(tensor_numbers, a_policy_with_one_is_refused) {
  static const char *const tensors[] = {"theta", "shift", "scale"};
  ml3_error error = {0};
  const int hidden[1] = {5};
  ml3_policy policy;
  const ml3_env_spec *spec = ml3_env_find("pointmass", &error);
  cr_assert_eq(ml3_policy_init(&policy, spec, hidden, 1, ML3_TANH, true, &error), ML3_OK, "%s", error.message);
  ml3_real *theta = calloc((size_t)ml3_policy_size(&policy), sizeof *theta), *read = NULL;
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    char words[64];
    cr_assert_eq(ml3_policy_save(&policy, theta, path, &error), ML3_OK, "%s", error.message);
    spoil(tensors[i], 1, NAN, false);
    snprintf(words, sizeof words, "tensor '%s' has nan at [1]", tensors[i]);
    expect_refused(ml3_policy_open(path, spec, &policy, &read, &error), &error, path, words);
    cr_expect_null(read);
  }
  free(theta);
}
