/* Optimizers with schedules, warm-up and clipping against NumPy's float64 (oracle/optimizer.py), over forty updates. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "nn/optimizer.h"

enum { SIZE = 11 };

#ifdef ML3_DOUBLE
static const double tolerance = 1e-12;
#else
static const double tolerance = 2e-5;
#endif

static double number(const json_t *json, const char *key, double otherwise) {
  const json_t *x = json_object_get(json, key);
  return x ? json_number_value(x) : otherwise;
}

static int choice(const json_t *json, const char *key, const char *const *names) {
  const char *name = json_string_value(json_object_get(json, key));
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0) return i;
  cr_assert_fail("there is no %s '%s'", key, name);
  return -1;
}

static ml3_nn_optimizer_settings settings_of(const json_t *json) {
  static const char *const kinds[] = {"sgd", "momentum", "adam", "adamw", NULL};
  static const char *const schedules[] = {"constant", "linear", "cosine", NULL};
  return (ml3_nn_optimizer_settings){.kind = (ml3_nn_optimizer_kind)choice(json, "kind", kinds),
                                     .rate = number(json, "rate", NAN),
                                     .beta1 = number(json, "beta1", 0.9),
                                     .beta2 = number(json, "beta2", 0.999),
                                     .epsilon = number(json, "epsilon", 1e-8),
                                     .weight_decay = number(json, "decay", 0),
                                     .clip_norm = number(json, "clip", 0),
                                     .schedule = (ml3_nn_schedule)choice(json, "schedule", schedules),
                                     .final_rate = number(json, "final_rate", 0),
                                     .warmup_steps = (int64_t)number(json, "warmup", 0),
                                     .total_steps = (int64_t)number(json, "total", 0)};
}

static double update(ml3_nn_optimizer *o, ml3_real *p) {
  const int t = (int)o->step;
  ml3_real g[SIZE];
  for (int k = 0; k < SIZE; k++)
    g[k] = (ml3_real)(0.3 * (double)p[k] + (1 + t % 3) * sin(0.7 * k + 1.3 * t + 0.2) + (t % 13 == 5 ? 4 * cos(k) : 0));
  return ml3_nn_optimizer_update(o, p, g);
}

static void run(int number_of_case, const json_t *json) {
  const ml3_nn_optimizer_settings s = settings_of(json);
  ml3_nn_optimizer o;
  ml3_error error = {0};
  ml3_real p[SIZE];
  cr_assert_eq(ml3_nn_optimizer_init(&o, &s, SIZE, &error), ML3_OK, "%s", error.message);
  for (int k = 0; k < SIZE; k++) p[k] = (ml3_real)cos(0.9 * k);
  size_t i;
  const json_t *row;
  json_array_foreach(json_object_get(json, "rows"), i, row) {
    const int updates = (int)number(row, "updates", 0);
    double norm = NAN;
    while (o.step < updates) norm = update(&o, p);
    const double rate = ml3_nn_optimizer_rate(&s, updates - 1);
    cr_expect(fabs(rate - number(row, "rate", NAN)) <= 1e-15, "case %d: the rate of update %d is %.17g, not %.17g",
              number_of_case, updates, rate, number(row, "rate", NAN));
    cr_expect(fabs(norm - number(row, "norm", NAN)) <= 10 * tolerance, "case %d: the norm at update %d is %.12g, not %.12g",
              number_of_case, updates, norm, number(row, "norm", NAN));
    for (int k = 0; k < SIZE; k++) {
      const double right = json_number_value(json_array_get(json_object_get(row, "parameters"), (size_t)k));
      cr_expect(fabs((double)p[k] - right) <= tolerance, "case %d: parameter %d after %d updates is %.12g, not %.12g",
                number_of_case, k, updates, (double)p[k], right);
    }
  }
  ml3_nn_optimizer_free(&o);
}

Test(oracle, optimizers_step_as_numpys_float64) {
  json_t *json = json_load_file(ML3_TEST_DATA "/oracle/optimizer.json", 0, NULL);
  cr_assert_geq(json_array_size(json), 11);
  for (size_t i = 0; i < json_array_size(json); i++) run((int)i, json_array_get(json, i));
  json_decref(json);
}
