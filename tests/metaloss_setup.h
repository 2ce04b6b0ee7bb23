/* A small problem and settings for the tests of metaloss: twelve steps of the mountain car. */
#ifndef ML3_TESTS_METALOSS_SETUP_H
#define ML3_TESTS_METALOSS_SETUP_H

#include <criterion/criterion.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "metaloss/trainer.h"

static inline ml3_problem *make_problem(ml3_squash squash, int starts) {
  static const double extra_goal[2] = {-0.947, -0.0055};
  ml3_error error = {0};
  const int hidden[1] = {6};
  ml3_model_based_settings s = {.env = ml3_env_find("mountain_car", &error),
                                .horizon = 12,
                                .starts = starts,
                                .cost = ML3_COST_TRAJECTORY,
                                .cost_from_step = 5,
                                .extra = true,
                                .extra_goal = extra_goal,
                                .extra_until_step = 5};
  cr_assert_not_null(s.env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, hidden, 1, ML3_IDENTITY, false, &error), 0, "%s", error.message);
  s.policy.squash = squash;
  ml3_problem *problem = ml3_model_based_new(&s, &error);
  cr_assert_not_null(problem, "%s", error.message);
  return problem;
}

static inline ml3_meta_settings make_settings(int steps, ml3_step_weights weights, ml3_learn_rate learn_rate,
                                              int theta_size) {
  return (ml3_meta_settings){
      .loss = {.net = {.inputs = 4, .outputs = 1, .depth = 2, .hidden = {10, 10}, .activation = ML3_TANH, .bias = true},
               .rate = 0.5,
               .learn_rate = learn_rate,
               .theta_size = theta_size},
      .inner_steps = steps,
      .weights = weights,
      .task_weight = 1,
      .extra_weight = 0.5};
}

/* Outer steps, with a validation now and then. */
static inline void steps(ml3_trainer *t, int count) {
  ml3_error error = {0};
  ml3_trainer_report report;
  for (int i = 0; i < count; i++) {
    cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    if (i % 4 == 3) cr_assert_eq(ml3_trainer_validate(t, &report, &error), 0, "%s", error.message);
  }
}

static inline void expect_same(const ml3_trainer *a, const ml3_trainer *b) {
  const ml3_loss *x = ml3_trainer_loss(a), *y = ml3_trainer_loss(b);
  cr_expect_eq(memcmp(x->phi, y->phi, (size_t)x->size * sizeof *x->phi), 0, "the losses differ");
  x = ml3_trainer_best_loss(a), y = ml3_trainer_best_loss(b);
  cr_expect_eq(memcmp(x->phi, y->phi, (size_t)x->size * sizeof *x->phi), 0, "the best losses differ");
}

#endif
