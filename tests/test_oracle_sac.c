/* Soft actor-critic against PyTorch's numbers in double precision (oracle/sac.py): the gradients of critics, actor and temperature,
   losses and values, parameters and target networks after whole updates; the squashed Gaussian's density against decimals. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/learn/learner.h"
#include "agents/learn/sac.h"
#include "agents/learn/squashed.h"
#include "nn/checkpoint.h"
#include "nn/program.h"

#ifdef ML3_DOUBLE
static const double tolerance = 1e-9;
#else
static const double tolerance = 2e-4;
#endif

enum { SIZE_MAX_HERE = 1024 };

static json_t *load(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/oracle/%s.json", ML3_TEST_DATA, name);
  json_t *json = json_load_file(path, 0, NULL);
  cr_assert_not_null(json, "cannot read %s", path);
  return json;
}

static double number(const json_t *json, const char *key) {
  cr_assert(json_is_number(json_object_get(json, key)), "there is no number '%s'", key);
  return json_number_value(json_object_get(json, key));
}

static int read_list(const json_t *json, const char *key, ml3_real *values) {
  const json_t *list = json_object_get(json, key);
  cr_assert(json_is_array(list) && json_array_size(list) <= SIZE_MAX_HERE, "there is no list '%s'", key);
  for (size_t i = 0; i < json_array_size(list); i++) values[i] = (ml3_real)json_number_value(json_array_get(list, i));
  return (int)json_array_size(list);
}

/* Relative to the norm of the whole vector. */
static void compare(const char *key, const json_t *expected, const ml3_real *got, double scale, int count) {
  ml3_real all[SIZE_MAX_HERE];
  double norm = 0;
  cr_assert_eq(read_list(expected, key, all), count, "'%s'", key);
  for (int i = 0; i < count; i++) norm += (double)all[i] * all[i];
  for (int i = 0; i < count; i++)
    cr_expect_leq(fabs(all[i] - got[i] * scale), tolerance * sqrt(norm), "%s[%d] is %.12g, not %.12g", key, i,
                  got[i] * scale, (double)all[i]);
}

static ml3_learner *make(const json_t *json) {
  const json_t *c = json_object_get(json, "config");
  ml3_error error = {0};
  ml3_policy policy;
  ml3_real widths[8];
  int hidden[8];
  const int depth = read_list(c, "hidden", widths);
  for (int i = 0; i < depth; i++) hidden[i] = (int)widths[i];
  const ml3_env_spec *env = ml3_env_find("pointmass", &error);
  cr_assert_not_null(env, "%s", error.message);
  cr_assert(env->action[0].low == -1 && env->action[0].high == 1, "as sac.py has it");
  cr_assert_eq(ml3_policy_init(&policy, env, hidden, depth, ML3_RELU, true, &error), 0, "%s", error.message);
  ml3_sac_options own;
  ml3_keys_default(ml3_learner_sac.keys, &own);
  own.batch = (int64_t)number(c, "batch"), own.learning_starts = 0, own.gradient_steps = number(c, "gradient_steps");
  own.rate = number(c, "rate"), own.discount = number(c, "discount"), own.tau = number(c, "tau");
  own.alpha = number(c, "alpha");
  own.critic_hidden.count = read_list(c, "critic_hidden", widths);
  for (int i = 0; i < own.critic_hidden.count; i++) own.critic_hidden.values[i] = (double)widths[i];
  ml3_learner_settings s = ml3_learner_defaults(env, &policy);
  s.seed = (uint64_t)number(c, "seed"), s.envs = (int)number(c, "envs"), s.steps = 10, s.updates = 1;
  s.normalize_obs = false;
  s.own = &own;
  ml3_learner *l = ml3_learner_new(&ml3_learner_sac, &s, &error);
  cr_assert_not_null(l, "%s", error.message);
  cr_assert_eq(read_list(json, "parameters", l->parameters), l->size);
  return l;
}

/* As sac.c has them: both critics behind theta, targets equal to them. A checkpoint is the way in. */
static void get(const ml3_learner *l, const char *name, int count, ml3_real *to) {
  char path[] = "/tmp/ml3-sac-XXXXXX";
  ml3_error error = {0};
  close(mkstemp(path));
  cr_assert_eq(ml3_learner_save(l, path, &error), 0, "%s", error.message);
  ml3_nn_tensors *file = ml3_nn_checkpoint_load(path, &error);
  cr_assert_not_null(file, "%s", error.message);
  cr_assert_eq(ml3_nn_tensors_get(file, name, (size_t)count, to, &error), 0, "%s", error.message);
  ml3_nn_tensors_free(file);
  unlink(path);
}

/* The targets start where the critics do. */
static void set_targets(ml3_learner *l) {
  char path[] = "/tmp/ml3-sac-XXXXXX";
  const int theta = ml3_policy_size(&l->policy), critics = l->size - theta - 1;
  ml3_error error = {0};
  close(mkstemp(path));
  cr_assert_eq(ml3_learner_save(l, path, &error), 0, "%s", error.message);
  ml3_nn_tensors *file = ml3_nn_checkpoint_load(path, &error);
  cr_assert_not_null(file, "%s", error.message);
  cr_assert_eq(ml3_nn_tensors_put(file, "targets", 0, critics, l->parameters + theta, &error), 0);
  cr_assert_eq(ml3_nn_checkpoint_save(file, path, &error), 0, "%s", error.message);
  ml3_nn_tensors_free(file);
  cr_assert_eq(ml3_learner_load(l, path, &error), 0, "%s", error.message);
  unlink(path);
}

static void take_rollout(const json_t *json, ml3_rollout *r) {
  ml3_real ends[SIZE_MAX_HERE];
  read_list(json, "x", r->x);
  read_list(json, "action", r->action);
  read_list(json, "reward", r->reward);
  read_list(json, "last_x", r->last_x);
  read_list(json, "truncated_x", r->truncated_x);
  for (int i = 0, n = read_list(json, "end", ends); i < n; i++) r->end[i] = (unsigned char)ends[i];
}

Test(sac, makes_the_oracles_updates) {
  json_t *json = load("sac");
  const json_t *rollouts = json_object_get(json, "rollouts");
  ml3_learner *l = make(json);
  const int theta = ml3_policy_size(&l->policy), critics = l->size - theta - 1;
  ml3_real found[SIZE_MAX_HERE];
  set_targets(l);
  for (size_t i = 0; i < json_array_size(rollouts); i++) {
    const json_t *now = json_array_get(rollouts, i), *expected = json_object_get(now, "expected");
    ml3_learner_report report = {0};
    ml3_error error = {0};
    take_rollout(now, l->rollout);
    l->env_steps += l->rollout->envs;
    cr_assert_eq(l->kind->update(l, &report, &error), 0, "%s", error.message);
    cr_assert_eq(l->optimizer.step, (int64_t)i + 1);
    if (i == 0) { /* Adam's first moment is a tenth of the first gradient */
      compare("actor_gradient", expected, l->optimizer.m, 10, theta);
      get(l, "critics_moment1", critics, found);
      compare("critics_gradient", expected, found, 10, critics);
      get(l, "alpha_moment1", 1, found);
      compare("alpha_gradient", expected, found, 10, 1);
    }
    compare("parameters", expected, l->parameters, 1, l->size);
    get(l, "targets", critics, found);
    compare("targets", expected, found, 1, critics);
    for (int k = 0; l->kind->metrics[k]; k++) {
      const double e = number(expected, l->kind->metrics[k] + strlen("losses/")), got = report.own[k];
      cr_expect_leq(fabs(e - got), 10 * tolerance * fmax(fabs(e), 0.1), "update %zu: %s is %.12g, not %.12g", i,
                    l->kind->metrics[k], got, e);
    }
  }
  ml3_learner_free(l);
  json_decref(json);
}

Test(squashed, has_the_density_of_decimals_as_number_and_as_graph) {
  json_t *json = load("squashed");
  const json_t *cases = json_object_get(json, "cases");
  const int count = (int)json_array_size(cases);
  ml3_real u[32], noise[32] = {0};
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  ml3_node in = ml3_nn_input(g, count, 1), at_noise = ml3_nn_input(g, count, 1);
  const ml3_policy_nodes at = {.mean = in, .log_std = ml3_nn_constant(g, count, 1, 0)};
  const ml3_nn_output output = {ml3_squashed_build_draw(g, at, at_noise).log_prob, 0};
  ml3_nn_program *program = ml3_nn_compile(g, &output, 1, &error);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  for (int i = 0; i < count; i++) u[i] = (ml3_real)number(json_array_get(cases, (size_t)i), "u");
  ml3_nn_bind_input(work, in, u);
  ml3_nn_bind_input(work, at_noise, noise);
  ml3_nn_run(work, 0);
  for (int i = 0; i < count; i++) {
    const double e = number(json_array_get(cases, (size_t)i), "log_derivative");
    cr_expect_float_eq(ml3_squashed_log_derivative((double)u[i]), e, 1e-15 + 1e-6 * fabs(e) * (sizeof *u < 8));
    cr_expect_leq(fabs(-ml3_nn_output_at(work, 0)[i] - 0.91893853320467274178 - e), tolerance * (1 + fabs(e)) / 100,
                  "u = %g", (double)u[i]);
  }
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
  json_decref(json);
}
