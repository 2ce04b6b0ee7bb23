/* Evolution strategies: ranks and weights by hand, the gradient beside the exact one, the same bits, evaluations that
   fail. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metaloss/evolution.h"
#include "metaloss/sine.h"

TestSuite(evolution, .timeout = 120);

/* ---- by hand ------------------------------------------------------------------------------------------------ */

Test(evolution, ranks_are_centred_and_equal_values_share_theirs) {
  ml3_ranked room[6];
  double shaped[6];
  const double plain[] = {30, -1, 2, 7, 1e9}, plain_ranks[] = {0.25, -0.5, -0.25, 0, 0.5};
  const double ties[] = {3, 1, 2, 2}, tied_ranks[] = {0.5, -0.5, 0, 0};
  const double more[] = {5, 5, 5, 0, 9, 0}, more_ranks[] = {0.1, 0.1, 0.1, -0.4, 0.5, -0.4};
  const double two[] = {4, 4};
  ml3_evolution_ranks(plain, 5, shaped, room);
  for (int i = 0; i < 5; i++) cr_expect_float_eq(shaped[i], plain_ranks[i], 1e-15, "%d: %g", i, shaped[i]);
  ml3_evolution_ranks(ties, 4, shaped, room);
  for (int i = 0; i < 4; i++) cr_expect_float_eq(shaped[i], tied_ranks[i], 1e-15, "%d: %g", i, shaped[i]);
  ml3_evolution_ranks(more, 6, shaped, room);
  for (int i = 0; i < 6; i++) cr_expect_float_eq(shaped[i], more_ranks[i], 1e-15, "%d: %g", i, shaped[i]);
  ml3_evolution_ranks(two, 2, shaped, room);
  cr_expect(shaped[0] == 0 && shaped[1] == 0);
}

/* J = c + <a, phi> + an even part: the pair leaves <a, eps> alone, to the last bit. */
Test(evolution, antithetic_pairs_cancel_all_that_is_even) {
  const ml3_evolution_settings s = {.pairs = 2, .deviation = 0.125, .shape = ML3_SHAPE_NONE};
  const double slope[] = {0.75, -3}; /* <a, eps> of each pair */
  ml3_ranked room[4];
  double weights[2];
  for (double even = 0; even < 1e6; even = 16 * even + 1) {
    double values[4];
    for (int i = 0; i < 2; i++)
      values[2 * i] = even + s.deviation * slope[i], values[2 * i + 1] = even - s.deviation * slope[i];
    cr_expect_eq(ml3_evolution_weights(&s, values, weights, room), 2);
    for (int i = 0; i < 2; i++)
      cr_expect_eq(weights[i], slope[i] / 2, "pair %d, even part %g: %g", i, even, weights[i]);
  }
}

Test(evolution, weights_by_ranks_do_not_depend_on_the_scale_of_the_values) {
  const ml3_evolution_settings s = {.pairs = 3, .deviation = 0.1, .shape = ML3_SHAPE_RANKS};
  const double scales[] = {1, 1e-6, 1e6};
  ml3_ranked room[6];
  for (int k = 0; k < 3; k++) { /* ranks 5 0, 2 2 (shared), 4 3: in steps of 1/5 */
    double values[] = {9 * scales[k], -9 * scales[k], scales[k], scales[k], 3 * scales[k], 2 * scales[k]}, weights[3];
    cr_expect_eq(ml3_evolution_weights(&s, values, weights, room), 3);
    cr_expect_float_eq(weights[0], 1 / 0.6, 1e-12, "%g", weights[0]);
    cr_expect_eq(weights[1], 0);
    cr_expect_float_eq(weights[2], 0.2 / 0.6, 1e-12, "%g", weights[2]);
  }
}

Test(evolution, what_failed_is_the_worst_of_its_task_or_leaves_its_pair_out) {
  ml3_evolution_settings s = {.pairs = 3, .deviation = 0.5, .shape = ML3_SHAPE_RANKS};
  const double evaluations[3][2][3] = {
      {{1, 2, NAN}, {3, 4, NAN}}, {{NAN, 6, NAN}, {5, NAN, NAN}}, {{7, 8, NAN}, {0, NAN, NAN}}};
  const double by_ranks[] = {1.5, 3.5, 6.5, 6.5, 7.5, 4}; /* 7 and 8 are the worst; nothing is left of the third task */
  double values[6], weights[3];
  ml3_ranked room[6];
  ml3_evolution_values(&s, 3, &evaluations[0][0][0], values);
  for (int i = 0; i < 6; i++) cr_expect_float_eq(values[i], by_ranks[i], 1e-15, "%d: %g", i, values[i]);

  s.shape = ML3_SHAPE_NONE;
  ml3_evolution_values(&s, 3, &evaluations[0][0][0], values);
  cr_expect(values[0] == 1.5 && values[1] == 3.5);
  cr_expect(isnan(values[2]) && isnan(values[3]));
  cr_expect(values[4] == 7 && values[5] == 0, "the second task is left out of both");
  cr_expect_eq(ml3_evolution_weights(&s, values, weights, room), 2);
  cr_expect(weights[0] == -1 && weights[1] == 0 && weights[2] == 3.5, "%g %g %g", weights[0], weights[1], weights[2]);
}

/* ---- trainers ----------------------------------------------------------------------------------------------- */

static ml3_problem *make_sine(ml3_extra extra) {
  const ml3_sine_range range = {{0.5, 2}, {0, 3}, {-2, 2}};
  const ml3_sine_settings sine = {.train = range, .test = range, .grid = true};
  const ml3_supervised_settings supervised = {
      .name = "sine",
      .model = {.inputs = 1, .outputs = 1, .depth = 1, .hidden = {4}, .activation = ML3_TANH, .bias = true},
      .inner_points = 8,
      .outer_points = 8,
      .extra = extra,
      .extra_points = extra == ML3_EXTRA_NOTHING ? 0 : 5};
  ml3_error error = {0};
  ml3_problem *p = ml3_sine_new(&sine, &supervised, &error);
  cr_assert_not_null(p, "%s", error.message);
  return p;
}

/* The same problem as one that collects: D and D' are the task, as is what it is judged by. */
static int collect_the_task(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                            ml3_real *inner, ml3_real *outer, ml3_error *error) {
  (void)theta, (void)error;
  ml3_random_bits(random);
  memcpy(outer ? outer : inner, task, (size_t)p->task_size * sizeof *task);
  return ML3_OK;
}

static ml3_trainer_settings settings_of(const ml3_problem *p, ml3_loss_kind kind) {
  return (ml3_trainer_settings){.meta = {.loss = {.kind = kind,
                                                  .net = {.inputs = p->features,
                                                          .outputs = 1,
                                                          .depth = 1,
                                                          .hidden = {5},
                                                          .activation = ML3_TANH,
                                                          .bias = true},
                                                  .rate = 0.1,
                                                  .learn_rate = ML3_RATE_SCALAR,
                                                  .learn_start = kind == ML3_LOSS_TASK,
                                                  .theta_size = p->theta_size},
                                         .inner_steps = 3,
                                         .weights = ML3_WEIGHTS_ALL,
                                         .task_weight = 1,
                                         .extra_weight = 0.5},
                                .optimizer = {.kind = ML3_NN_SGD, .rate = 1, .schedule = ML3_NN_CONSTANT},
                                .seed = 5,
                                .threads = 2,
                                .gradient = ML3_GRADIENT_EVOLUTION,
                                .evolution = {.pairs = 6, .deviation = 0.05},
                                .tasks = 4,
                                .validation_tasks = 3};
}

static ml3_trainer *trainer_of(const ml3_problem *p, const ml3_trainer_settings *s) {
  ml3_error error = {0};
  ml3_trainer *t = ml3_trainer_new(p, s, &error);
  cr_assert_not_null(t, "%s", error.message);
  return t;
}

static void steps(ml3_trainer *t, int count) {
  ml3_error error = {0};
  ml3_trainer_report report;
  for (int i = 0; i < count; i++) cr_assert_eq(ml3_trainer_step(t, &report, &error), ML3_OK, "%s", error.message);
}

/* The gradient of the first outer step: SGD of rate 1 takes it off phi. Returns its size. */
static int first_gradient(const ml3_problem *p, const ml3_trainer_settings *s, double *gradient) {
  ml3_trainer *t = trainer_of(p, s);
  const ml3_loss *loss = ml3_trainer_loss(t);
  const int size = loss->size;
  for (int i = 0; i < size; i++) gradient[i] = loss->phi[i];
  steps(t, 1);
  for (int i = 0; i < size; i++) gradient[i] -= loss->phi[i];
  ml3_trainer_free(t);
  return size;
}

enum { MOST = 256 };

static double dot(const double *a, const double *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* As many pairs as this the estimate has a part across the gradient of about sqrt(size / pairs) of its length. */
static void expect_exact(const ml3_problem *p, ml3_trainer_settings s, const char *what) {
  double exact[MOST], estimate[MOST];
  s.gradient = ML3_GRADIENT_EXACT;
  first_gradient(p, &s, exact);
  s.gradient = ML3_GRADIENT_EVOLUTION;
  s.evolution = (ml3_evolution_settings){.pairs = 2000, .deviation = 5e-3, .shape = ML3_SHAPE_NONE};
  const int n = first_gradient(p, &s, estimate);
  cr_assert_leq(n, MOST);
  const double along = dot(exact, estimate, n) / dot(exact, exact, n);
  const double cosine = dot(exact, estimate, n) / sqrt(dot(exact, exact, n) * dot(estimate, estimate, n));
  cr_expect_gt(cosine, 0.97, "%s: cosine %g", what, cosine);
  cr_expect_float_eq(along, 1, 0.1, "%s: %g times as long", what, along);
}

Test(evolution, the_gradient_is_the_exact_one_by_many_small_perturbations) {
  ml3_problem *plain = make_sine(ML3_EXTRA_NOTHING), *shown = make_sine(ML3_EXTRA_DEMONSTRATION);
  ml3_trainer_settings s = settings_of(plain, ML3_LOSS_LEARNED);
  expect_exact(plain, s, "a learned loss");
  expect_exact(shown, s, "with extra information");
  s.meta.weights = ML3_WEIGHTS_LAST, s.meta.loss.momentum = 0.5, s.meta.loss.learn_start = true;
  expect_exact(plain, s, "a learned start besides, with momentum, by the last loss");
  s.meta.inner_steps = 4, s.meta.passes = 2, s.meta.weights = ML3_WEIGHTS_LINEAR;
  expect_exact(plain, s, "updates of two passes");
  s = settings_of(plain, ML3_LOSS_TASK);
  s.meta.loss.learn_rate = ML3_RATE_SIGNED;
  expect_exact(plain, s, "Meta-SGD");
  plain->free(plain);
  shown->free(shown);
}

Test(evolution, what_is_judged_from_outside_has_the_gradient_of_the_graph) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING), *collecting = make_sine(ML3_EXTRA_NOTHING);
  collecting->collect = collect_the_task;
  const ml3_step_weights weights[] = {ML3_WEIGHTS_LAST, ML3_WEIGHTS_ALL, ML3_WEIGHTS_LINEAR};
  for (int k = 0; k < 3; k++) {
    ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
    double a[MOST], b[MOST];
    s.evolution.shape = ML3_SHAPE_NONE;
    s.meta.weights = weights[k];
    s.meta.loss.momentum = 0.5;
    s.meta.inner_steps = 4, s.meta.passes = 2;
    s.meta.task_weight = 0.25;
    const int n = first_gradient(p, &s, a);
    first_gradient(collecting, &s, b);
    cr_expect_gt(dot(a, a, n), 0);
    for (int i = 0; i < n; i++) cr_expect_float_eq(a[i], b[i], 1e-4 * sqrt(dot(a, a, n)), "%g, not %g", b[i], a[i]);
  }
  p->free(p);
  collecting->free(collecting);
}

static uint32_t heard[512];
static int heard_count;

static int listen(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                  ml3_real *inner, ml3_real *outer, ml3_error *error) {
  const ml3_random before = *random;
  ml3_random ahead = before;
  heard[heard_count++] = ml3_random_bits(&ahead);
  return collect_the_task(p, task, theta, random, inner, outer, error);
}

Test(evolution, all_perturbed_losses_see_the_same_random_numbers) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  int distinct = 0;
  p->collect = listen;
  s.threads = 1;
  ml3_trainer *t = trainer_of(p, &s);
  steps(t, 1);
  cr_assert_eq(heard_count, 2 * 6 * 4 * 3, "rollouts of 12 losses on 4 tasks for 3 updates: %d", heard_count);
  for (int i = 0; i < heard_count; i++) {
    int first = 0;
    while (heard[first] != heard[i]) first++;
    distinct += first == i;
  }
  cr_expect_eq(distinct, 4 * 3, "%d", distinct);
  ml3_trainer_free(t);
  p->free(p);
}

Test(evolution, a_generation_tells_the_mean_of_its_values) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  ml3_trainer_report by_values, exact;
  s.evolution.deviation = 1e-5;
  ml3_trainer *t = trainer_of(p, &s);
  s.gradient = ML3_GRADIENT_EXACT;
  ml3_trainer *e = trainer_of(p, &s);
  cr_assert_eq(ml3_trainer_step(t, &by_values, NULL), ML3_OK);
  cr_assert_eq(ml3_trainer_step(e, &exact, NULL), ML3_OK);
  cr_expect_float_eq(by_values.objective, exact.objective, 1e-4 * exact.objective);
  cr_expect_eq(by_values.evaluations, 2 * 6 * 4);
  cr_expect_eq(exact.evaluations, 4);
  cr_expect_eq(by_values.outer_step, 1);
  ml3_trainer_free(t);
  ml3_trainer_free(e);
  p->free(p);
}

Test(evolution, learns_a_loss_over_long_lives) {
  const ml3_shaped_sine_settings sine = {.start = {0.1, 0.1}, .goal = {0.5, 2}, .points = 8, .tolerance = 0.1};
  ml3_problem *p = ml3_shaped_sine_new(&sine, NULL);
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  ml3_trainer_report before, after;
  s.meta.inner_steps = 25;
  s.meta.weights = ML3_WEIGHTS_LAST;
  s.optimizer = ml3_nn_adam(3e-2);
  s.evolution.pairs = 12;
  s.validation_tasks = 16;
  ml3_trainer *t = trainer_of(p, &s);
  cr_assert_eq(ml3_trainer_validate(t, &before, NULL), ML3_OK);
  steps(t, 50);
  cr_assert_eq(ml3_trainer_validate(t, &after, NULL), ML3_OK);
  cr_expect_lt(after.objective, 0.8 * before.objective, "%g, before %g", after.objective, before.objective);
  ml3_trainer_free(t);
  p->free(p);
}

/* ---- the same bits ------------------------------------------------------------------------------------------ */

static void expect_same(const ml3_trainer *a, const ml3_trainer *b) {
  const ml3_loss *x = ml3_trainer_loss(a), *y = ml3_trainer_loss(b);
  cr_expect_arr_eq(x->phi, y->phi, (size_t)x->size * sizeof *x->phi, "the losses differ");
}

static ml3_trainer *of_threads(const ml3_problem *p, int threads) {
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  s.optimizer = ml3_nn_adam(1e-2);
  s.evolution.pairs = 5;
  s.threads = threads;
  s.normalize = ML3_NORMALIZE_FIRST;
  return trainer_of(p, &s);
}

Test(evolution, gives_the_same_bits_on_one_two_and_four_threads) {
  for (int collects = 0; collects < 2; collects++) {
    ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
    if (collects) p->collect = collect_the_task;
    ml3_trainer *one = of_threads(p, 1), *two = of_threads(p, 2), *four = of_threads(p, 4);
    steps(one, 4), steps(two, 4), steps(four, 4);
    expect_same(one, two);
    expect_same(one, four);
    ml3_trainer_free(one), ml3_trainer_free(two), ml3_trainer_free(four);
    p->free(p);
  }
}

Test(evolution, goes_on_from_a_checkpoint_with_the_same_bits) {
  char path[] = "/tmp/ml3_evolution_XXXXXX", line[64];
  ml3_error error = {0};
  close(mkstemp(path));
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  ml3_trainer *whole = of_threads(p, 2), *first = of_threads(p, 1), *second = of_threads(p, 4);
  steps(whole, 6);
  steps(first, 3);
  cr_assert_eq(ml3_trainer_save(first, path, &error), ML3_OK, "%s", error.message);
  cr_assert_eq(ml3_trainer_load(second, path, &error), ML3_OK, "%s", error.message);
  steps(second, 3);
  expect_same(whole, second);
  ml3_trainer_free(whole), ml3_trainer_free(first), ml3_trainer_free(second);
  p->free(p);
  snprintf(line, sizeof line, "rm -f %s*", path);
  cr_expect_eq(system(line), 0);
}

/* ---- evaluations that fail ---------------------------------------------------------------------------------- */

static int (*whole_samples)(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                            ml3_error *error);
static double spoilt_share;

static int spoil_some(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                      ml3_error *error) {
  const int code = whole_samples(p, split, random, task, theta, error);
  if (ml3_random_uniform(random, 0, 1) < spoilt_share) task[0] = (ml3_real)NAN;
  return code;
}

static ml3_problem *make_spoilt(double share, bool collects) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  whole_samples = p->sample;
  p->sample = spoil_some;
  if (collects) p->collect = collect_the_task;
  spoilt_share = share;
  return p;
}

Test(evolution, goes_on_without_tasks_that_are_no_numbers_and_says_so) {
  for (int k = 0; k < 4; k++) {
    ml3_problem *p = make_spoilt(0.2, k % 2);
    ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
    ml3_trainer_report report;
    ml3_error error = {0}, what = {0};
    s.evolution.shape = k < 2 ? ML3_SHAPE_RANKS : ML3_SHAPE_NONE;
    s.tasks = 12;
    ml3_trainer *t = trainer_of(p, &s);
    cr_assert_eq(ml3_trainer_step(t, &report, &error), ML3_OK, "%s", error.message);
    cr_expect(report.skipped > 0 && report.skipped % (2 * 6) == 0, "%d evaluations skipped", report.skipped);
    cr_expect(isfinite(report.objective) && isfinite(report.gradient_norm) && report.gradient_norm > 0);
    cr_assert(ml3_trainer_trouble(t, &what));
    cr_expect_eq(strstr(what.message, "update 1: problem 'sine'") != NULL, k % 2, "%s", what.message);
    cr_expect(strstr(what.message, "outer step 0, pair 0 (+), task ") && strstr(what.message, "not finite"), "%s",
              what.message);
    ml3_trainer_free(t);

    s.numerics = ML3_NUMERICS_STOP;
    t = trainer_of(p, &s);
    cr_expect_eq(ml3_trainer_step(t, &report, &error), ML3_ERR_NUMERIC);
    cr_expect_not_null(strstr(error.message, "`numerics: skip` goes on without them"), "%s", error.message);
    ml3_trainer_free(t);
    p->free(p);
  }
}

Test(evolution, leaves_the_loss_as_it_was_when_most_evaluations_fail) {
  ml3_problem *p = make_spoilt(1, false);
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  ml3_trainer_report report;
  ml3_error error = {0};
  ml3_trainer *t = trainer_of(p, &s), *untouched = trainer_of(p, &s);
  cr_expect_eq(ml3_trainer_step(t, &report, &error), ML3_ERR_NUMERIC);
  cr_expect_not_null(strstr(error.message, "48 of 48 evaluations failed"), "%s", error.message);
  expect_same(t, untouched);
  ml3_trainer_free(t), ml3_trainer_free(untouched);
  p->free(p);
}

static int break_down(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_outcome *outcome,
                      ml3_error *error) {
  (void)task, (void)theta, (void)outcome;
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "problem '%s' is closed today", p->name);
}

Test(evolution, an_error_that_is_not_of_numbers_ends_the_outer_step) {
  ml3_problem *p = make_spoilt(0.3, true);
  p->evaluate = break_down;
  const ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  ml3_trainer_report report;
  ml3_error error = {0};
  ml3_trainer *t = trainer_of(p, &s);
  cr_expect_eq(ml3_trainer_step(t, &report, &error), ML3_ERR_UNAVAILABLE);
  cr_expect_str_eq(error.message, "problem 'sine' is closed today");
  ml3_trainer_free(t);
  p->free(p);
}

/* ---- what makes no sense ------------------------------------------------------------------------------------ */

static void expect_refused(const ml3_problem *p, const ml3_trainer_settings *s, const char *sentence) {
  ml3_error error = {0};
  cr_expect_null(ml3_trainer_new(p, s, &error), "%s", sentence);
  cr_expect_not_null(strstr(error.message, sentence), "%s", error.message);
}

Test(evolution, says_what_makes_no_sense) {
  ml3_problem *p = make_sine(ML3_EXTRA_DEMONSTRATION);
  const ml3_trainer_settings good = settings_of(p, ML3_LOSS_LEARNED);
  ml3_trainer_settings s = good;
#define REFUSED(change, sentence) s = good, change, expect_refused(p, &s, sentence)
  REFUSED(s.evolution.pairs = 0, "evolution.pairs is 0");
  REFUSED(s.evolution.deviation = 0, "evolution.deviation is 0");
  REFUSED(s.evolution.deviation = NAN, "evolution.deviation is nan");
  REFUSED((s.tasks = 65536, s.evolution.pairs = 65536), "16777216 in all are possible");
  REFUSED(s.lifetime = 3, "inner.lifetime is 3");
  REFUSED(s.meta.derivatives = ML3_DERIVATIVES_FIRST_ORDER, "method=maml in place of fomaml");
  REFUSED(s.normalize = ML3_NORMALIZE_RUNNING, "loss.normalize=first");
  REFUSED(s.numerics = ML3_NUMERICS_REDUCE, "numerics=skip or stop");
  s = good, s.epochs = 4; /* without effect where nothing is collected */
  ml3_trainer_free(trainer_of(p, &s));
  p->collect = collect_the_task;
  REFUSED(s.epochs = 4, "outer.epochs is 4");
  REFUSED(s.tasks = 4, "set extra.kind=none");
  REFUSED((s.meta.extra_weight = 0, s.meta.task_weight = 0), "outer.task_weight is 0");
  p->evaluate = NULL;
  REFUSED(s.meta.extra_weight = 0, "without judging");
#undef REFUSED
  p->free(p);
}

/* Rollouts for every update of every perturbed loss, and judgements where the objective has them. */
Test(evolution, tells_how_many_steps_of_the_environment_it_takes) {
  ml3_problem *p = make_sine(ML3_EXTRA_NOTHING);
  double environment, model;
  ml3_trainer_settings s = settings_of(p, ML3_LOSS_LEARNED);
  p->collect = collect_the_task;
  p->steps = (ml3_problem_steps){.inner = 10, .outer = 1000, .judge = 7, .made = 3};
  ml3_trainer_count_steps(p, &s, 2, &environment, &model);
  cr_expect_eq(environment, 3 + 2 * (2 * 6) * 4 * (3 * 10 + 3 * 7), "%g", environment);
  s.meta.weights = ML3_WEIGHTS_LAST;
  ml3_trainer_count_steps(p, &s, 2, &environment, &model);
  cr_expect_eq(environment, 3 + 2 * (2 * 6) * 4 * (3 * 10 + 7), "%g", environment);
  p->free(p);
}
