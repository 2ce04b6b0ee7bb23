/* Fitting an ensemble beside NumPy's numbers (oracle/ensemble.py): which rows a member leaves out, the likelihood there,
   which parameters it keeps, the normalisation, and what all members together predict. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ensemble.h"
#include "agents/control/model.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-9;
#else
static const double tolerance = 1e-3;
#endif

enum { MOST = 1024 };

/* The list under key; returns its length. */
static int list(const json_t *json, const char *key, double *x) {
  const json_t *values = json_object_get(json, key);
  const int n = (int)json_array_size(values);
  cr_assert(n > 0 && n <= MOST, "%s has %d entries", key, n);
  for (int i = 0; i < n; i++) x[i] = json_number_value(json_array_get(values, (size_t)i));
  return n;
}

static double number(const json_t *json, const char *key) {
  return json_number_value(json_object_get(json, key));
}

static void expect_all(const char *what, const double *wanted, const double *got, int n) {
  for (int i = 0; i < n; i++)
    cr_expect_leq(fabs(got[i] - wanted[i]), tolerance * fmax(1, fabs(wanted[i])), "%s[%d] is %.12g, not %.12g", what, i,
                  got[i], wanted[i]);
}

static ml3_ensemble *make(const json_t *json) {
  ml3_error error = {0};
  double list_of[MOST];
  const ml3_env_spec *spec = ml3_env_find(json_string_value(json_object_get(json, "environment")), &error);
  cr_assert_not_null(spec, "%s", error.message);
  ml3_ensemble_settings s = {.members = (int)number(json, "members"),
                             .second_order = json_is_true(json_object_get(json, "second_order")),
                             .variance_min = number(json, "variance_min")};
  s.depth = list(json, "hidden", list_of);
  for (int i = 0; i < s.depth; i++) s.hidden[i] = (int)list_of[i];
  s.moving_count = list(json, "moving", list_of);
  int moving[MOST];
  for (int i = 0; i < s.moving_count; i++) moving[i] = (int)list_of[i];
  s.moving = moving;
  ml3_ensemble *e = ml3_ensemble_new(spec, &s, 0, &error);
  cr_assert_not_null(e, "%s", error.message);
  const int parameters = s.members * ml3_mlp_size(&e->net);
  for (int k = 0; k < parameters; k++) e->context[k] = (ml3_real)(number(json, "start_scale") * sin(k + 1));
  return e;
}

static ml3_transitions *read_transitions(const json_t *json, const ml3_env_spec *spec) {
  ml3_error error = {0};
  double states[MOST], actions[MOST], next[MOST];
  const int n = spec->state_dim, count = list(json, "states", states) / n;
  cr_assert_eq(list(json, "actions", actions), count * spec->action_dim);
  list(json, "next", next);
  ml3_transitions *t = ml3_transitions_new(n, spec->action_dim, count, &error);
  for (int i = 0; i < count; i++)
    ml3_transitions_add(t, states + i * n, actions + i * spec->action_dim, next + i * n);
  cr_assert_eq(t->count, count);
  return t;
}

static void expect_prediction(const json_t *json, const ml3_ensemble *e) {
  ml3_error error = {0};
  double state[MOST], action[MOST], wanted[MOST], got[MOST];
  list(json, "at_state", state);
  list(json, "at_action", action);
  const int n = list(json, "after", wanted);
  ml3_model *model = ml3_model_of_dynamics(&e->dynamics, e->context, e->spec, &error);
  cr_assert_not_null(model, "%s", error.message);
  model->start(model, state);
  model->step(model, action, got);
  expect_all("the next state", wanted, got, n);
  ml3_model_free(model);
}

static void run(size_t number_of_case) {
  json_t *all = json_load_file(ML3_TEST_DATA "/oracle/ensemble.json", 0, NULL);
  const json_t *json = json_array_get(all, number_of_case);
  cr_assert_not_null(json);
  ml3_ensemble *e = make(json);
  ml3_transitions *data = read_transitions(json, e->spec);
  const ml3_ensemble_fit_settings fit = {.epochs = (int)number(json, "epochs"),
                                         .patience = (int)number(json, "patience"),
                                         .batch = (int)number(json, "batch"),
                                         .rate = number(json, "rate"),
                                         .threads = 2,
                                         .seed = (uint64_t)json_integer_value(json_object_get(json, "seed"))};
  ml3_ensemble_fit_report report;
  ml3_error error = {0};
  cr_assert_eq(ml3_ensemble_fit(e, data, &fit, &report, &error), 0, "%s", error.message);

  double wanted[MOST], got[MOST];
  const int members = list(json, "fitted_epochs", wanted);
  for (int i = 0; i < members; i++)
    cr_expect_eq(report.epochs[i], wanted[i], "member %d: %d epochs", i, report.epochs[i]);
  list(json, "held_out", wanted);
  expect_all("the held-out loss", wanted, report.held_out, members);
  list(json, "error", wanted);
  expect_all("the held-out error", wanted, report.error, members);
  const int size = list(json, "context", wanted);
  cr_assert_eq(size, e->dynamics.context_size);
  for (int i = 0; i < size; i++) got[i] = e->context[i];
  expect_all("context", wanted, got, size);
  expect_prediction(json, e);

  ml3_transitions_free(data);
  ml3_ensemble_free(e);
  json_decref(all);
}

Test(ensemble, is_fitted_as_numpy_fits_it) { run(0); }
Test(ensemble, of_second_order_is_fitted_as_numpy_fits_it) { run(1); }
