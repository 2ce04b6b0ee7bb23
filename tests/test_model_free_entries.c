/* Features without dimension, a row an action entry: what they are by formulas of their own, the same in every environment; natural
   gradients by dense algebra; tasks by split. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/problems/model_free_internal.h"
#include "metaloss/meta.h"
#include "nn/program.h"

enum {
  SHIFT,
  SPREAD,
  SCORE,
  SPREAD_SCORE,
  NOISE,
  ADVANTAGE,
  TD,
  ADVANTAGE_SHORT,
  ADVANTAGE_LONG,
  RETURN,
  LOG_RATIO,
  RATIO,
  LOG_PROB,
  TIME,
  LOG_STD,
  UPDATES,
  COLUMNS
};
enum { HORIZON = 12, EPISODES = 3 };

#ifdef ML3_DOUBLE
static const double near = 1e-9;
#else
static const double near = 2e-4;
#endif

static ml3_problem *make_problem(const char *env, ml3_policy_kind kind, int hidden) {
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = ml3_env_find(env, &error),
                               .horizon = HORIZON,
                               .rollouts = EPISODES,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.9,
                               .lambda = 0.8,
                               .rows = ML3_ROWS_ENTRIES};
  cr_assert_not_null(s.env, "%s", error.message);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, &hidden, hidden > 0, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_policy_make_gaussian(&s.policy, kind, -0.7, &error), 0, "%s", error.message);
  ml3_problem *p = ml3_model_free_new(&s, &error);
  cr_assert_not_null(p, "%s", error.message);
  ml3_policy_free(&s.policy);
  return p;
}

/* A task, a policy and one collection of theirs. */
typedef struct seen {
  ml3_problem *p;
  const model_free *m;
  ml3_real *task, *theta, *inner;
  int rows, entries;
} seen;

static seen collect(const char *env, ml3_policy_kind kind, int hidden) {
  ml3_error error = {0};
  seen s = {.p = make_problem(env, kind, hidden)};
  ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  s.m = self(s.p);
  s.rows = inner_rows(s.m), s.entries = actions(s.m);
  s.task = calloc((size_t)s.p->task_size, sizeof *s.task);
  s.theta = calloc((size_t)s.p->theta_size, sizeof *s.theta);
  s.inner = calloc((size_t)s.p->inner_size, sizeof *s.inner);
  cr_assert_eq(s.p->sample(s.p, ML3_SPLIT_TRAIN, &random, s.task, s.theta, &error), 0, "%s", error.message);
  cr_assert_eq(s.p->collect(s.p, s.task, s.theta, &random, s.inner, NULL, &error), 0, "%s", error.message);
  return s;
}

static void release(seen *s) {
  free(s->task), free(s->theta), free(s->inner);
  s->p->free(s->p);
}

/* What the policy says on the data, and the features: out[0] mean, out[1] log_std, out[2] features, out[3] log pi(a|s). */
enum { OUTPUTS = 4 };
static void run(const seen *s, const ml3_real *theta, ml3_real *out[OUTPUTS]) {
  ml3_error error = {0};
  ml3_nn_graph *g = ml3_nn_graph_new();
  const ml3_node in_theta = ml3_nn_input(g, 1, s->p->theta_size), data = ml3_nn_input(g, 1, s->p->inner_size);
  const ml3_node context = ml3_nn_input(g, 1, 1);
  const ml3_policy_nodes at =
      ml3_policy_build_from_input(g, &s->m->settings.policy, in_theta, ml3_block_view(g, s->m->inner[INNER_X], data));
  const ml3_node actions = ml3_block_view(g, s->m->inner[INNER_ACTION], data);
  const ml3_nn_output outputs[OUTPUTS] = {{at.mean, 0},
                                          {at.log_std, 0},
                                          {s->p->build_features(s->p, g, in_theta, data, context), 0},
                                          {ml3_policy_build_log_prob(g, at, actions), 0}};
  ml3_nn_program *program = ml3_nn_compile(g, outputs, OUTPUTS, &error);
  cr_assert_not_null(program, "%s", error.message);
  ml3_nn_workspace *work = ml3_nn_workspace_new(program, &error);
  ml3_real zero = 0;
  ml3_nn_bind_input(work, in_theta, theta);
  ml3_nn_bind_input(work, data, s->inner);
  ml3_nn_bind_input(work, context, &zero);
  ml3_nn_run(work, 0);
  const size_t rows = (size_t)s->rows, entries = (size_t)s->entries;
  const size_t sizes[OUTPUTS] = {rows * entries, rows * entries, rows * entries * COLUMNS, rows};
  for (int i = 0; i < OUTPUTS; i++) {
    out[i] = malloc(sizes[i] * sizeof *out[i]);
    memcpy(out[i], ml3_nn_output_at(work, i), sizes[i] * sizeof *out[i]);
  }
  ml3_nn_workspace_free(work);
  ml3_nn_program_free(program);
  ml3_nn_graph_free(g);
}

static void release_outputs(ml3_real *out[OUTPUTS]) {
  for (int i = 0; i < OUTPUTS; i++) free(out[i]);
}

static double normal_log_density(double x, double mean, double sigma) {
  return -0.5 * pow((x - mean) / sigma, 2) - log(sigma * sqrt(2 * M_PI));
}

/* Each column by its own formula, at the policy that drew and at one that has moved. */
static void check_columns(const char *env, ml3_policy_kind kind) {
  seen s = collect(env, kind, 5);
  ml3_real *drew[OUTPUTS], *now[OUTPUTS], *moved = malloc((size_t)s.p->theta_size * sizeof *moved);
  for (int i = 0; i < s.p->theta_size; i++) moved[i] = s.theta[i] + (ml3_real)(0.05 * sin(3.0 * i));
  run(&s, s.theta, drew);
  run(&s, moved, now);
  const ml3_real *action = ml3_block_in(s.m->inner[INNER_ACTION], s.inner),
                 *advantage = ml3_block_in(s.m->inner[INNER_ADVANTAGE], s.inner);
  for (int r = 0; r < s.rows; r++) {
    double log_ratios = 0, log_probs = 0;
    for (int k = 0; k < s.entries; k++) {
      const int at = r * s.entries + k;
      const ml3_real *f = now[2] + (size_t)at * COLUMNS;
      const double mean_0 = drew[0][at], sigma_0 = exp((double)drew[1][at]), mean = now[0][at],
                   sigma = exp((double)now[1][at]);
      const double half = ml3_policy_half_width(&s.m->settings.policy, k), a = action[at], z = (a - mean_0) / sigma_0;
      const double log_pi = normal_log_density(a, mean, sigma), log_pi_0 = normal_log_density(a, mean_0, sigma_0);
      const double expected[COLUMNS] = {(mean - mean_0) / sigma_0,
                                        sqrt(2) * log(sigma / sigma_0),
                                        (double)advantage[r] * z,
                                        (double)advantage[r] * (z * z - 1) / sqrt(2),
                                        z,
                                        advantage[r],
                                        f[TD],
                                        f[ADVANTAGE_SHORT],
                                        f[ADVANTAGE_LONG],
                                        f[RETURN],
                                        log_pi - log_pi_0,
                                        exp(log_pi - log_pi_0),
                                        log_pi + log(half),
                                        (double)(r / EPISODES) / HORIZON,
                                        log(sigma_0 / half),
                                        0};
      for (int c = 0; c < COLUMNS; c++)
        cr_expect_float_eq((double)f[c], expected[c], near * (1 + 10 * fabs(expected[c])),
                           "%s, row %d, column %d: %g, not %g", env, at, c, (double)f[c], expected[c]);
      log_ratios += (double)f[LOG_RATIO];
      log_probs += (double)f[LOG_PROB] - log(half);
    }
    cr_expect_float_eq(log_ratios, (double)now[3][r] - (double)drew[3][r], 20 * near);
    cr_expect_float_eq(log_probs, (double)now[3][r], 20 * near);
  }
  free(moved);
  release_outputs(drew), release_outputs(now);
  release(&s);
}

Test(entries, are_what_their_formulas_say_at_the_policy_that_drew_and_elsewhere) {
  check_columns("reacher", ML3_POLICY_GAUSSIAN);
  check_columns("half_cheetah", ML3_POLICY_GAUSSIAN_STATE);
}

Test(entries, have_mean_0_and_deviation_1_in_noise_advantage_and_return) {
  seen s = collect("half_cheetah", ML3_POLICY_GAUSSIAN, 5);
  ml3_real *out[OUTPUTS];
  static const int columns[] = {NOISE, ADVANTAGE, TD, ADVANTAGE_SHORT, ADVANTAGE_LONG, RETURN};
  run(&s, s.theta, out);
  const int n = s.rows * s.entries;
  for (int c = 0; c < 6; c++) {
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
      const double x = out[2][i * COLUMNS + columns[c]];
      sum += x / n, squares += x * x / n;
    }
    cr_expect_float_eq(sum, 0, c ? 1e-4 : 0.25, "column %d: mean %g", columns[c], sum); /* of 216 normal numbers */
    cr_expect_float_eq(squares, 1, c ? 1e-3 : 0.3, "column %d: square %g", columns[c], squares);
  }
  release_outputs(out);
  release(&s);
}

/* The time of a row begins again where an episode ended before the horizon. */
Test(entries, count_time_from_the_episodes_own_beginning) {
  const ml3_policy none = {.net = {.inputs = 1}, .action_dim = 1};
  ml3_error error = {0};
  ml3_rollout *r = ml3_rollout_new(&none, 2, 5, 0, &error);
  cr_assert_eq(ml3_rollout_keep_policy(r, &error), 0, "%s", error.message);
  r->end[1 * 2 + 0] = ML3_TERMINATED; /* the first environment, step 1 */
  model_free m = {.settings = {.horizon = 5, .discount = 0.9, .rows = ML3_ROWS_ENTRIES}};
  m.inner[INNER_MEAN] = m.inner[INNER_LOG_STD] = ml3_block_of(10, 1);
  m.inner[INNER_RETURN] = m.inner[INNER_TIME] = ml3_block_of(10, 1);
  ml3_real *inner = calloc((size_t)ml3_blocks_lay_out(m.inner, INNER_BLOCKS), sizeof *inner);
  ml3_model_free_put_entries(&m, r, inner);
  static const double expected[5][2] = {{0, 0}, {0.2, 0.2}, {0, 0.4}, {0.2, 0.6}, {0.4, 0.8}};
  for (int i = 0; i < 10; i++)
    cr_expect_float_eq((double)ml3_block_in(m.inner[INNER_TIME], inner)[i], expected[i / 2][i % 2], 1e-6);
  free(inner);
  ml3_rollout_free(r);
}

static ml3_loss_spec natural_spec(const ml3_problem *p, int newton) {
  return (ml3_loss_spec){.kind = ML3_LOSS_LEARNED,
                         .net = {.inputs = 2, .outputs = 1},
                         .features = p->features,
                         .columns = {SHIFT, SCORE},
                         .target_count = 2,
                         .targets = {SHIFT, SPREAD},
                         .target_bases = {1 + SCORE, 1 + SPREAD_SCORE},
                         .rate = 0.6,
                         .newton = newton};
}

/* Solves a x = b, a [n][n], by elimination with pivots; b becomes x. */
static void solve(double *a, double *b, int n) {
  for (int k = 0; k < n; k++) {
    int pivot = k;
    for (int i = k; i < n; i++)
      if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
    for (int j = 0; j < n; j++) {
      const double kept = a[k * n + j];
      a[k * n + j] = a[pivot * n + j], a[pivot * n + j] = kept;
    }
    const double kept = b[k];
    b[k] = b[pivot], b[pivot] = kept;
    for (int i = k + 1; i < n; i++) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (int j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
      b[i] -= factor * b[k];
    }
  }
  for (int k = n - 1; k >= 0; k--) {
    for (int j = k + 1; j < n; j++) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
}

/* Targets A grad log pi by Gauss-Newton steps are the natural policy gradient (F + damping)^-1 grad E[A log pi], F Fisher's matrix per
   entry, here from differences of mean and log_std. */
Test(entries, give_the_natural_policy_gradient_for_scores_as_targets) {
  seen s = collect("pointmass_hidden", ML3_POLICY_GAUSSIAN, 0);
  ml3_error error = {0};
  const int n = s.p->theta_size, rows = s.rows * s.entries;
#ifdef ML3_DOUBLE
  const double h = 1e-5, tolerance = 1e-5;
#else
  const double h = 2e-2, tolerance = 2e-2;
#endif
  double *f = calloc((size_t)(n * n), sizeof *f), *g = calloc((size_t)n, sizeof *g);
  double *j = calloc((size_t)(2 * rows * n), sizeof *j);
  ml3_real *at[OUTPUTS], *moved = malloc((size_t)n * sizeof *moved);
  run(&s, s.theta, at);
  for (int i = 0; i < n; i++) {
    ml3_real *above[OUTPUTS], *below[OUTPUTS];
    memcpy(moved, s.theta, (size_t)n * sizeof *moved);
    moved[i] = s.theta[i] + (ml3_real)h, run(&s, moved, above);
    moved[i] = s.theta[i] - (ml3_real)h, run(&s, moved, below);
    for (int r = 0; r < rows; r++) {
      const double sigma = exp((double)at[1][r]);
      j[(2 * r + 0) * n + i] = ((double)above[0][r] - (double)below[0][r]) / (2 * h * sigma);
      j[(2 * r + 1) * n + i] = sqrt(2) * ((double)above[1][r] - (double)below[1][r]) / (2 * h);
    }
    for (int r = 0; r < s.rows; r++)
      g[i] += (double)at[2][(size_t)(r * s.entries) * COLUMNS + ADVANTAGE] *
              ((double)above[3][r] - (double)below[3][r]) / (2 * h * rows);
    release_outputs(above), release_outputs(below);
  }
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      for (int r = 0; r < 2 * rows; r++) f[a * n + b] += j[r * n + a] * j[r * n + b] / rows;
      if (a == b) f[a * n + b] += 1e-3;
    }
  solve(f, g, n);

  const ml3_meta_settings settings = {.loss = natural_spec(s.p, 32), .inner_steps = 1};
  ml3_meta *meta = ml3_meta_new(s.p, &settings, &error);
  cr_assert_not_null(meta, "%s", error.message);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random init = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0), random = ml3_random_stream(3, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &init, &error);
  memset(loss->phi, 0, (size_t)loss->size * sizeof *loss->phi);
  cr_assert_eq(s.p->sample(s.p, ML3_SPLIT_TRAIN, &random, s.task, moved, &error),
               0); /* as collect() drew, so the same episodes */
  ml3_meta_begin(work, loss, moved);
  cr_assert_eq(ml3_meta_adapt(work, loss, s.task, moved, &random, NULL, &error), 0, "%s", error.message);
  double most = 0;
  for (int i = 0; i < n; i++) most = fmax(most, fabs(0.6 * g[i]));
  cr_expect_gt(most, 0.01);
  for (int i = 0; i < n; i++)
    cr_expect_float_eq((double)moved[i] - (double)s.theta[i], 0.6 * g[i], tolerance * most, "theta[%d]: %g, not %g", i,
                       (double)moved[i] - (double)s.theta[i], 0.6 * g[i]);
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  release_outputs(at);
  free(f), free(g), free(j), free(moved);
  release(&s);
}

Test(entries, let_one_loss_fit_any_environment_and_policy) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3-entries-XXXXXX";
  close(mkstemp(path));
  ml3_problem *one = make_problem("pointmass_hidden", ML3_POLICY_GAUSSIAN, 8);
  const ml3_loss_spec spec = natural_spec(one, 3);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_INIT, 0, 0);
  ml3_loss *loss = ml3_loss_new(&spec, &random, &error);
  cr_assert_not_null(loss, "%s", error.message);
  ml3_loss_name_features(loss, one->feature_names);
  cr_assert_eq(ml3_loss_save(loss, path, &error), 0, "%s", error.message);
  ml3_loss *read = ml3_loss_load(path, &error);
  cr_assert_not_null(read, "%s", error.message);
  cr_expect_arr_eq(read->spec.target_bases, spec.target_bases, sizeof spec.target_bases);
  static const char *const others[] = {"reacher", "half_cheetah", "mountain_car_continuous"};
  for (int i = 0; i < 3; i++) {
    ml3_problem *other = make_problem(others[i], i ? ML3_POLICY_GAUSSIAN_STATE : ML3_POLICY_GAUSSIAN, i ? 0 : 16);
    const ml3_meta_settings settings = {.loss = read->spec, .inner_steps = 1};
    ml3_meta *meta = ml3_meta_new(other, &settings, &error);
    cr_assert_not_null(meta, "%s", error.message);
    cr_expect_eq(ml3_meta_fits(meta, read, &error), 0, "%s", error.message);
    ml3_meta_free(meta);
    other->free(other);
  }
  ml3_loss_free(loss), ml3_loss_free(read);
  one->free(one);
  unlink(path);
}

Test(entries, need_a_gaussian_policy) {
  ml3_error error = {0};
  ml3_model_free_settings s = {.env = ml3_env_find("cart_pole", &error),
                               .rollouts = 2,
                               .outer_rollouts = 2,
                               .judge_episodes = 1,
                               .discount = 0.9,
                               .lambda = 0.8,
                               .rows = ML3_ROWS_ENTRIES};
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, NULL, 0, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect_not_null(strstr(error.message, "takes one of 2 discrete ones; set loss.rows=step"), "%s", error.message);
  ml3_policy_free(&s.policy);
  s.env = ml3_env_find("pointmass_hidden", &error);
  cr_assert_eq(ml3_policy_init(&s.policy, s.env, NULL, 0, ML3_TANH, true, &error), 0, "%s", error.message);
  cr_expect_null(ml3_model_free_new(&s, &error));
  cr_expect_not_null(strstr(error.message, "set policy.kind=gaussian, or loss.rows=step"), "%s", error.message);
  ml3_policy_free(&s.policy);
}

/* Tasks of training are not those of the test where the environment keeps them apart. */
Test(splits, draw_tasks_of_their_own_ranges) {
  ml3_error error = {0};
  const char *text =
      "extends: pointmass_hidden\n"
      "task:\n  body goal x: {train: [-0.5, 0], validation: [0.1, 0.2], test: [0.3, 0.4], ood: [0.5, 0.6]}\n";
  char folder[] = "/tmp/ml3-splits-XXXXXX", path[64];
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/splits.yaml", folder);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  static const double low[] = {-0.5, 0.1, 0.3, 0.5}, high[] = {0, 0.2, 0.4, 0.6};
  const ml3_env_spec *train = ml3_env_find(path, &error);
  cr_assert_not_null(train, "%s", error.message);
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_USER, 0, 0);
  for (int split = 0; split < 4; split++)
    for (int i = 0; i < 20; i++) {
      double task[8], own[8];
      ml3_env_sample_split(train, split, &random, task);
      cr_expect(task[0] >= low[split] && task[0] <= high[split], "split %d: %g", split, task[0]);
      ml3_env_sample_split(&train->splits[3], split, &random, own); /* NAME:ood keeps to itself */
      cr_expect(own[0] >= low[3] && own[0] <= high[3], "ood: %g", own[0]);
    }
  unlink(path);
  rmdir(folder);
}
