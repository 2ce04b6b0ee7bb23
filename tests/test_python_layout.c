/* The structures that Python mirrors (python/ml3/structures.py, environment.py) are as tests/data/python_layout.json says: sizes, and
   where fields begin. tests/python/check_lab.py compares the same file with Python's. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stddef.h>

#include "envs/foreign.h"
#include "lab/adapt.h"
#include "lab/comparison.h"
#include "lab/evaluate.h"
#include "lab/training.h"

static size_t known;

static void same(const json_t *layout, const char *name, const char *field, size_t here) {
  const json_t *found = json_object_get(json_object_get(layout, name), field);
  cr_expect(json_is_integer(found) && (size_t)json_integer_value(found) == here,
            "%s.%s: %zu here, %lld in the file (-1: not there)", name, field, here,
            found ? (long long)json_integer_value(found) : -1LL);
  known++;
}

#define SIZE(type)         same(layout, #type, "sizeof", sizeof(type))
#define FIELD(type, field) same(layout, #type, #field, offsetof(type, field))

static void check_0(const json_t *layout) {
  SIZE(ml3_lab_validation);
  FIELD(ml3_lab_validation, step);
  FIELD(ml3_lab_validation, objective);
  FIELD(ml3_lab_validation, task_loss);
  FIELD(ml3_lab_validation, success);
  FIELD(ml3_lab_validation, distance);
  FIELD(ml3_lab_validation, median_distance);
  FIELD(ml3_lab_validation, has_distance);
  FIELD(ml3_lab_validation, model_step_error);
  FIELD(ml3_lab_validation, model_horizon_error);
  FIELD(ml3_lab_validation, failed);
  FIELD(ml3_lab_validation, tasks);
  FIELD(ml3_lab_validation, is_best);
  SIZE(ml3_lab_callbacks);
  FIELD(ml3_lab_callbacks, user);
  FIELD(ml3_lab_callbacks, message);
  FIELD(ml3_lab_callbacks, detail);
  FIELD(ml3_lab_callbacks, idle);
  FIELD(ml3_lab_callbacks, begin);
  FIELD(ml3_lab_callbacks, progress);
  FIELD(ml3_lab_callbacks, end);
  FIELD(ml3_lab_callbacks, training);
  FIELD(ml3_lab_callbacks, metrics);
  FIELD(ml3_lab_callbacks, validation);
  FIELD(ml3_lab_callbacks, learned);
  FIELD(ml3_lab_callbacks, interrupted);
  SIZE(ml3_lab_train_settings);
  FIELD(ml3_lab_train_settings, output);
  FIELD(ml3_lab_train_settings, resume);
  FIELD(ml3_lab_train_settings, force);
  FIELD(ml3_lab_train_settings, log);
  FIELD(ml3_lab_train_settings, callbacks);
  FIELD(ml3_lab_train_settings, ranks);
  FIELD(ml3_lab_train_settings, cores);
  SIZE(ml3_lab_result);
  FIELD(ml3_lab_result, folder);
  FIELD(ml3_lab_result, is_policy);
  FIELD(ml3_lab_result, steps);
  FIELD(ml3_lab_result, updates);
  FIELD(ml3_lab_result, best);
  FIELD(ml3_lab_result, success_name);
  FIELD(ml3_lab_result, no_goal);
  FIELD(ml3_lab_result, judged);
  FIELD(ml3_lab_result, judged_diverged);
  FIELD(ml3_lab_result, episode_return);
  FIELD(ml3_lab_result, success);
  FIELD(ml3_lab_result, passed);
  FIELD(ml3_lab_result, distance);
  FIELD(ml3_lab_result, env_steps);
  FIELD(ml3_lab_result, diverged);
  FIELD(ml3_lab_result, seconds);
  FIELD(ml3_lab_result, steps_per_second);
  FIELD(ml3_lab_result, lost);
  FIELD(ml3_lab_result, speaker);
}

static void check_1(const json_t *layout) {
  SIZE(ml3_lab_adapt_settings);
  FIELD(ml3_lab_adapt_settings, what);
  FIELD(ml3_lab_adapt_settings, loss);
  FIELD(ml3_lab_adapt_settings, settings);
  FIELD(ml3_lab_adapt_settings, count);
  FIELD(ml3_lab_adapt_settings, task);
  FIELD(ml3_lab_adapt_settings, updates);
  FIELD(ml3_lab_adapt_settings, output);
  FIELD(ml3_lab_adapt_settings, callbacks);
  SIZE(ml3_outcome);
  FIELD(ml3_outcome, task_loss);
  FIELD(ml3_outcome, episode_return);
  FIELD(ml3_outcome, distance);
  FIELD(ml3_outcome, success);
  FIELD(ml3_outcome, passed);
  FIELD(ml3_outcome, env_steps);
  SIZE(ml3_lab_evaluate_settings);
  FIELD(ml3_lab_evaluate_settings, what);
  FIELD(ml3_lab_evaluate_settings, environment);
  FIELD(ml3_lab_evaluate_settings, settings);
  FIELD(ml3_lab_evaluate_settings, count);
  FIELD(ml3_lab_evaluate_settings, episodes);
  FIELD(ml3_lab_evaluate_settings, tasks);
  FIELD(ml3_lab_evaluate_settings, updates);
  FIELD(ml3_lab_evaluate_settings, callbacks);
  SIZE(ml3_lab_evaluated_task);
  FIELD(ml3_lab_evaluated_task, episodes);
  FIELD(ml3_lab_evaluated_task, diverged);
  FIELD(ml3_lab_evaluated_task, episode_return);
  FIELD(ml3_lab_evaluated_task, distance);
  FIELD(ml3_lab_evaluated_task, success);
  FIELD(ml3_lab_evaluated_task, passed);
}

static void check_2(const json_t *layout) {
  SIZE(ml3_lab_interval);
  FIELD(ml3_lab_interval, mean);
  FIELD(ml3_lab_interval, low);
  FIELD(ml3_lab_interval, high);
  SIZE(ml3_lab_evaluation);
  FIELD(ml3_lab_evaluation, environment);
  FIELD(ml3_lab_evaluation, no_goal);
  FIELD(ml3_lab_evaluation, method);
  FIELD(ml3_lab_evaluation, updates);
  FIELD(ml3_lab_evaluation, episodes);
  FIELD(ml3_lab_evaluation, diverged);
  FIELD(ml3_lab_evaluation, episode_return);
  FIELD(ml3_lab_evaluation, distance);
  FIELD(ml3_lab_evaluation, success);
  FIELD(ml3_lab_evaluation, passed);
  FIELD(ml3_lab_evaluation, tasks);
  FIELD(ml3_lab_evaluation, rows);
  SIZE(ml3_compare_error);
  FIELD(ml3_compare_error, parameter);
  FIELD(ml3_compare_error, relative);
  SIZE(ml3_lab_compare_settings);
  FIELD(ml3_lab_compare_settings, name);
  FIELD(ml3_lab_compare_settings, with);
  FIELD(ml3_lab_compare_settings, label);
  FIELD(ml3_lab_compare_settings, sets);
  FIELD(ml3_lab_compare_settings, methods);
  FIELD(ml3_lab_compare_settings, reference);
  FIELD(ml3_lab_compare_settings, set_count);
  FIELD(ml3_lab_compare_settings, method_count);
  FIELD(ml3_lab_compare_settings, seeds);
  FIELD(ml3_lab_compare_settings, budget);
  FIELD(ml3_lab_compare_settings, errors);
  FIELD(ml3_lab_compare_settings, error_count);
  FIELD(ml3_lab_compare_settings, transitions);
  FIELD(ml3_lab_compare_settings, transitions_hold);
  FIELD(ml3_lab_compare_settings, transitions_states);
  FIELD(ml3_lab_compare_settings, callbacks);
  SIZE(ml3_error);
  FIELD(ml3_error, code);
  FIELD(ml3_error, message);
}

static void check_3(const json_t *layout) {
  SIZE(ml3_foreign_record);
  FIELD(ml3_foreign_record, instance);
  FIELD(ml3_foreign_record, obs);
  FIELD(ml3_foreign_record, goal);
  FIELD(ml3_foreign_record, reward);
  FIELD(ml3_foreign_record, distance);
  FIELD(ml3_foreign_record, terminated);
  FIELD(ml3_foreign_record, truncated);
  FIELD(ml3_foreign_record, success);
  FIELD(ml3_foreign_record, error);
  SIZE(ml3_foreign_description);
  FIELD(ml3_foreign_description, name);
  FIELD(ml3_foreign_description, summary);
  FIELD(ml3_foreign_description, dt_s);
  FIELD(ml3_foreign_description, horizon);
  FIELD(ml3_foreign_description, obs_dim);
  FIELD(ml3_foreign_description, action_dim);
  FIELD(ml3_foreign_description, goal_dim);
  FIELD(ml3_foreign_description, task_dim);
  FIELD(ml3_foreign_description, state_dim);
  FIELD(ml3_foreign_description, no_goal);
  FIELD(ml3_foreign_description, choices);
  FIELD(ml3_foreign_description, obs);
  FIELD(ml3_foreign_description, action);
  FIELD(ml3_foreign_description, goal);
  FIELD(ml3_foreign_description, state);
  FIELD(ml3_foreign_description, task);
  FIELD(ml3_foreign_description, tasks);
  FIELD(ml3_foreign_description, task_counts);
  FIELD(ml3_foreign_description, threads);
  FIELD(ml3_foreign_description, user);
  FIELD(ml3_foreign_description, create);
  FIELD(ml3_foreign_description, destroy);
  FIELD(ml3_foreign_description, reset);
  FIELD(ml3_foreign_description, step);
  FIELD(ml3_foreign_description, get_state);
  FIELD(ml3_foreign_description, set_state);
  FIELD(ml3_foreign_description, draw);
  FIELD(ml3_foreign_description, begin_reset);
  FIELD(ml3_foreign_description, begin_step);
  SIZE(ml3_foreign_counts);
  FIELD(ml3_foreign_counts, created);
  FIELD(ml3_foreign_counts, in_use);
  FIELD(ml3_foreign_counts, resets);
  SIZE(ml3_env_field);
  FIELD(ml3_env_field, name);
  FIELD(ml3_env_field, unit);
  FIELD(ml3_env_field, low);
  FIELD(ml3_env_field, high);
}

Test(python_layout, structures_are_where_python_expects_them) {
  json_t *layout = json_load_file(ML3_TEST_DATA "/data/python_layout.json", 0, NULL);
  cr_assert(json_is_object(layout));
  check_0(layout);
  check_1(layout);
  check_2(layout);
  check_3(layout);
  size_t there = 0;
  const char *name;
  json_t *fields;
  json_object_foreach(layout, name, fields) there += json_object_size(fields);
  cr_expect(known == there, "%zu of the file's %zu numbers are compared here", known, there);
  json_decref(layout);
}
