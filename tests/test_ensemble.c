/* A probabilistic ensemble learns an environment from transitions, the same on any number of threads, and keeps to a file. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/control/ensemble.h"
#include "agents/control/model.h"

static const ml3_env_spec *spec_of(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert_not_null(spec, "%s", error.message);
  return spec;
}

static ml3_ensemble *fitted(const char *name, ml3_exploration how, bool second_order, int threads,
                            ml3_ensemble_fit_report *report) {
  ml3_error error = {0};
  const ml3_env_spec *spec = spec_of(name);
  ml3_ensemble_settings settings = ml3_ensemble_defaults();
  settings.second_order = second_order;
  settings.hidden[0] = 24, settings.hidden[1] = 16;
  ml3_transitions *data = ml3_transitions_explore(spec, NULL, how, 5, 600, 1, &error);
  cr_assert_not_null(data, "%s", error.message);
  cr_assert_eq(data->count, 600);
  ml3_ensemble *e = ml3_ensemble_new(spec, &settings, 1, &error);
  cr_assert_not_null(e, "%s", error.message);
  ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults(1);
  fit.epochs = 60;
  fit.threads = threads;
  cr_assert_eq(ml3_ensemble_fit(e, data, &fit, report, &error), 0, "%s", error.message);
  ml3_transitions_free(data);
  return e;
}

Test(ensemble, predicts_what_it_was_not_trained_on) {
  for (int second_order = 0; second_order < 2; second_order++) {
    ml3_ensemble_fit_report report;
    ml3_ensemble *e = fitted("mountain_car", ML3_EXPLORE_ROLLOUTS, second_order, 0, &report);
    for (int i = 0; i < 3; i++) {
      cr_expect_lt(report.error[i], 0.2, "member %d: %g of the deviation", i, report.error[i]);
      cr_expect_lt(report.held_out[i], -0.5, "member %d: %g", i, report.held_out[i]);
    }
    ml3_error error = {0};
    ml3_env *env = ml3_env_new(e->spec, &error);
    ml3_model *real = ml3_model_of_env(env, &error),
              *learned = ml3_model_of_dynamics(&e->dynamics, e->context, e->spec, &error);
    cr_assert_not_null(learned, "%s", error.message);
    const double state[2] = {-0.5, 0.05}, action[1] = {0.2};
    double next[2][2], a[2][4], b[2][2];
    real->start(real, state), learned->start(learned, state);
    real->step(real, action, next[0]), learned->step(learned, action, next[1]);
    for (int i = 0; i < 2; i++)
      cr_expect_float_eq(next[0][i], next[1][i], 0.02, "%g, learned %g", next[0][i], next[1][i]);
    real->linearize(real, 1, state, action, a[0], b[0]);
    learned->linearize(learned, 1, state, action, a[1], b[1]);
    cr_expect_float_eq(b[0][1], b[1][1], 0.1, "push %g, learned %g", b[0][1], b[1][1]);
    ml3_model_free(real);
    ml3_model_free(learned);
    ml3_env_free(env);
    ml3_ensemble_free(e);
  }
}

Test(ensemble, threads_do_not_change_the_bits) {
  ml3_ensemble *one = fitted("mountain_car", ML3_EXPLORE_STATES, false, 1, NULL);
  ml3_ensemble *many = fitted("mountain_car", ML3_EXPLORE_STATES, false, 3, NULL);
  cr_expect_eq(memcmp(one->context, many->context, (size_t)one->dynamics.context_size * sizeof *one->context), 0);
  ml3_ensemble_free(one);
  ml3_ensemble_free(many);
}

Test(ensemble, keeps_to_a_file) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_ensemble_XXXXXX";
  close(mkstemp(path));
  ml3_ensemble *e = fitted("mountain_car", ML3_EXPLORE_STATES, true, 0, NULL);
  cr_assert_eq(ml3_ensemble_save(e, path, &error), 0, "%s", error.message);
  ml3_ensemble *again = ml3_ensemble_load(e->spec, path, &error);
  cr_assert_not_null(again, "%s", error.message);
  cr_expect_eq(memcmp(e->context, again->context, (size_t)e->dynamics.context_size * sizeof *e->context), 0);
  cr_expect(again->settings.second_order);
  cr_expect_null(ml3_ensemble_load(spec_of("reacher"), path, &error), "another environment's");
  cr_expect_not_null(strstr(error.message, "reacher"), "%s", error.message);
  ml3_ensemble_free(e);
  ml3_ensemble_free(again);
  unlink(path);
}

Test(ensemble, says_what_is_wrong) {
  ml3_error error = {0};
  const ml3_env_spec *spec = spec_of("mountain_car");
  ml3_ensemble_settings settings = ml3_ensemble_defaults();
  settings.members = 0;
  cr_expect_null(ml3_ensemble_new(spec, &settings, 0, &error));
  cr_expect_not_null(strstr(error.message, "members"));
  settings.members = 3;
  ml3_ensemble *e = ml3_ensemble_new(spec, &settings, 0, &error);
  ml3_transitions *few = ml3_transitions_explore(spec, NULL, ML3_EXPLORE_ROLLOUTS, 1, 4, 0, &error);
  ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults(0);
  cr_expect_eq(ml3_ensemble_fit(e, few, &fit, NULL, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "too few"));
  ml3_transitions *bad = ml3_transitions_explore(spec, NULL, ML3_EXPLORE_ROLLOUTS, 1, 60, 0, &error);
  bad->next[7] = NAN;
  ml3_real before = e->context[0];
  cr_expect_eq(ml3_ensemble_fit(e, bad, &fit, NULL, &error), ML3_ERR_NUMERIC);
  cr_expect_eq(e->context[0], before, "left as it was");
  cr_expect_null(ml3_transitions_explore(spec_of("pendulum_swing_up"), NULL, ML3_EXPLORE_STATES, 1, 10, 0, &error));
  cr_expect_not_null(strstr(error.message, "no bounds"));
  ml3_transitions_free(few);
  ml3_transitions_free(bad);
  ml3_ensemble_free(e);
}
