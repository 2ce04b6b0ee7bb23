/* How many updates an optimizee has behind it, as put_age says it: in updates one by one, in chains of inner steps, and over outer
   steps of one that goes on. */
#include <criterion/criterion.h>
#include <string.h>

#include "metaloss/trainer.h"

enum { MOST = 256 };

/* A problem that notes the ages it gets; D is a number and the age. */
typedef struct noted {
  int64_t ages[MOST];
  ml3_real own[MOST]; /* the task's number, for whom it was */
  int count;
} noted;

static ml3_node build_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  const ml3_node parts[2] = {theta, ml3_nn_view(g, data, 1, 1, 1)};
  return ml3_nn_concat_cols(g, parts, 2);
}

static ml3_node build_task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                ml3_node context) {
  (void)p, (void)context;
  return ml3_nn_square(g, ml3_nn_sub(g, theta, ml3_nn_view(g, data, 0, 1, 1)));
}

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  (void)p, (void)split, (void)error;
  task[0] = (ml3_real)ml3_random_uniform(random, -1, 1);
  theta[0] = 0;
  return ML3_OK;
}

static int collect(const ml3_problem *p, const ml3_real *task, const ml3_real *theta, ml3_random *random,
                   ml3_real *inner, ml3_real *outer, ml3_error *error) {
  (void)p, (void)theta, (void)random, (void)error;
  if (outer)
    outer[0] = task[0];
  else
    inner[0] = task[0], inner[1] = -1;
  return ML3_OK;
}

static void put_age(const ml3_problem *p, int64_t updates, ml3_real *inner) {
  noted *n = p->user;
  cr_assert_lt(n->count, MOST);
  n->own[n->count] = inner[0];
  n->ages[n->count++] = updates;
  inner[1] = (ml3_real)updates;
}

static ml3_problem make_problem(noted *n) {
  *n = (noted){0};
  return (ml3_problem){.name = "aged",
                       .theta_size = 1,
                       .task_size = 1,
                       .inner_size = 2,
                       .outer_size = 1,
                       .features = 2,
                       .build_features = build_features,
                       .build_task_loss = build_task_loss,
                       .sample = sample,
                       .collect = collect,
                       .put_age = put_age,
                       .user = n};
}

static ml3_meta_settings make_settings(int steps, int passes, int batch) {
  return (ml3_meta_settings){
      .loss = {.net = {.inputs = 2, .outputs = 1, .depth = 1, .hidden = {3}, .activation = ML3_TANH}, .rate = 0.01},
      .inner_steps = steps,
      .passes = passes,
      .task_weight = 1,
      .batch = batch};
}

/* A meta with its work and a loss. */
typedef struct setup {
  noted n;
  ml3_problem problem;
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_loss *loss;
  ml3_random random[2];
} setup;

static void open_setup(setup *s, const ml3_meta_settings *settings) {
  ml3_error error = {0};
  s->problem = make_problem(&s->n);
  s->meta = ml3_meta_new(&s->problem, settings, &error);
  cr_assert_not_null(s->meta, "%s", error.message);
  s->work = ml3_meta_work_new(s->meta, &error);
  cr_assert_not_null(s->work, "%s", error.message);
  for (int i = 0; i < 2; i++) s->random[i] = ml3_random_stream(1, ML3_PURPOSE_USER, (uint32_t)i, 0);
  s->loss = ml3_loss_new(&settings->loss, &s->random[0], &error);
  cr_assert_not_null(s->loss, "%s", error.message);
}

static void close_setup(setup *s) {
  ml3_loss_free(s->loss);
  ml3_meta_work_free(s->work);
  ml3_meta_free(s->meta);
}

static void expect_ages(const noted *n, const int64_t *ages, int count, const char *when) {
  cr_expect_eq(n->count, count, "%s: %d ages, not %d", when, n->count, count);
  for (int i = 0; i < count && i < n->count; i++)
    cr_expect_eq(n->ages[i], ages[i], "%s: number %d is %d, not %d", when, i, (int)n->ages[i], (int)ages[i]);
}

Test(age, counts_updates_from_0_and_begins_again_with_another_optimizee) {
  setup s;
  const ml3_meta_settings settings = make_settings(1, 1, 1);
  ml3_error error = {0};
  ml3_real task = 1, theta = 0;
  open_setup(&s, &settings);
  for (int life = 0; life < 2; life++) {
    static const int64_t ages[] = {0, 1, 2, 3};
    s.n.count = 0;
    ml3_meta_begin(s.work, s.loss, &theta);
    for (int i = 0; i < 4; i++)
      cr_assert_eq(ml3_meta_adapt(s.work, s.loss, &task, &theta, s.random, NULL, &error), 0, "%s", error.message);
    expect_ages(&s.n, ages, 4, "updates");
  }
  s.n.count = 0;
  ml3_meta_set_age(s.work, 0, 40);
  for (int i = 0; i < 2; i++) cr_assert_eq(ml3_meta_adapt(s.work, s.loss, &task, &theta, s.random, NULL, &error), 0);
  expect_ages(&s.n, (const int64_t[]){40, 41}, 2, "one that goes on");
  close_setup(&s);
}

/* Passes over the same data are one update. */
Test(age, is_k_in_a_chain_of_updates_whatever_the_passes) {
  for (int passes = 1; passes <= 2; passes++) {
    setup s;
    const ml3_meta_settings settings = make_settings(3 * passes, passes, 2);
    ml3_error error = {0};
    const ml3_real task[2] = {1, 2};
    ml3_real theta[2] = {0, 0}, gradient[64];
    double objective[2];
    open_setup(&s, &settings);
    cr_assert_leq(s.loss->size, 64);
    ml3_meta_begin(s.work, s.loss, theta);
    cr_assert_eq(ml3_meta_gradient(s.work, s.loss, task, theta, s.random, gradient, NULL, NULL, &error), 0, "%s",
                 error.message);
    expect_ages(&s.n, (const int64_t[]){0, 0, 1, 1, 2, 2}, 6, "a gradient");
    s.n.count = 0;
    ml3_meta_set_age(s.work, 1, 7); /* the second goes on, the first is new; a walk leaves their ages as they are */
    for (int i = 0; i < 2; i++)
      cr_assert_eq(ml3_meta_objective(s.work, s.loss, task, theta, s.random, NULL, objective, &error), 0);
    expect_ages(&s.n, (const int64_t[]){0, 7, 1, 8, 2, 9, 0, 7, 1, 8, 2, 9}, 12, "objectives");
    close_setup(&s);
  }
}

/* The loss sees what was put there. */
Test(age, reaches_the_features) {
  setup s;
  const ml3_meta_settings settings = make_settings(1, 1, 1);
  ml3_error error = {0};
  const ml3_real task = 1, theta = 0;
  ml3_real features[2];
  open_setup(&s, &settings);
  ml3_meta_set_age(s.work, 0, 5);
  cr_assert_eq(ml3_meta_features(s.work, &task, &theta, s.random, features, &error), 0, "%s", error.message);
  cr_expect_eq(features[1], 5);
  close_setup(&s);
}

/* Two tasks whose lives of three outer steps end at different ones, two updates a step: each begins at 0 and goes on from there. */
Test(age, goes_on_over_the_outer_steps_of_a_life) {
  enum { LIFE = 3, K = 2, TASKS = 2, STEPS = 9 };
  noted n;
  ml3_error error = {0};
  ml3_problem problem = make_problem(&n);
  const ml3_trainer_settings settings = {.meta = make_settings(K, 1, 1),
                                         .optimizer = ml3_nn_adam(1e-3),
                                         .seed = 4,
                                         .threads = 1,
                                         .tasks = TASKS,
                                         .lifetime = LIFE,
                                         .validation_tasks = 1};
  ml3_trainer *t = ml3_trainer_new(&problem, &settings, &error);
  cr_assert_not_null(t, "%s", error.message);
  int64_t next[TASKS] = {0};
  ml3_real own[TASKS] = {0};
  int oldest = 0;
  for (int step = 0; step < STEPS; step++) {
    ml3_trainer_report report;
    n.count = 0;
    cr_assert_eq(ml3_trainer_step(t, &report, &error), 0, "%s", error.message);
    cr_assert_eq(n.count, TASKS * K);
    for (int i = 0; i < TASKS; i++)
      for (int k = 0; k < K; k++) {
        int at = i * K + k; /* one task after the other; a batch's tasks in turn */
        if (n.own[0] != n.own[1]) at = k * TASKS + i;
        if (k == 0 && n.own[at] != own[i]) own[i] = n.own[at], next[i] = 0; /* another task: a new life */
        cr_expect_eq(n.own[at], own[i]);
        cr_expect_eq(n.ages[at], next[i], "step %d, task %d, update %d: %d, not %d", step, i, k, (int)n.ages[at],
                     (int)next[i]);
        if (next[i] > oldest) oldest = (int)next[i];
        next[i]++;
      }
  }
  cr_expect_eq(oldest, LIFE * K - 1, "lives end at %d updates", oldest + 1);
  ml3_trainer_free(t);
}
