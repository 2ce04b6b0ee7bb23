/* Ranks (base/ranks.h), with threads of this process as ranks: sums, broadcasts and sharing, and trainers that share out
   tasks. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/control/ensemble.h"
#include "base/ranks.h"
#include "metaloss/sine.h"
#include "metaloss/trainer.h"

TestSuite(ranks, .timeout = 120);

/* ---- a transport: a place for one message between each two ranks --------------------------------------------- */

enum { MOST = 8 };

typedef struct place {
  const void *data;
  size_t bytes;
} place;

typedef struct hall {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  place places[MOST][MOST]; /* [from][to] */
  long messages, bytes;
  bool closed;
} hall;

static int gone(ml3_error *error) {
  return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "a rank is gone");
}

static int send(const ml3_ranks *r, int to, const void *data, size_t bytes, ml3_error *error) {
  hall *h = r->own;
  place *p = &h->places[r->rank][to];
  pthread_mutex_lock(&h->lock);
  *p = (place){data, bytes};
  h->messages++, h->bytes += (long)bytes;
  pthread_cond_broadcast(&h->changed);
  while (p->data && !h->closed) pthread_cond_wait(&h->changed, &h->lock); /* until it has been taken: the strictest */
  const bool closed = p->data != NULL;
  pthread_mutex_unlock(&h->lock);
  return closed ? gone(error) : ML3_OK;
}

static int receive(const ml3_ranks *r, int from, void *data, size_t bytes, ml3_error *error) {
  hall *h = r->own;
  place *p = &h->places[from][r->rank];
  pthread_mutex_lock(&h->lock);
  while (!p->data && !h->closed) pthread_cond_wait(&h->changed, &h->lock);
  const bool closed = !p->data, fits = closed || p->bytes == bytes;
  if (!closed && fits) memcpy(data, p->data, bytes);
  p->data = NULL;
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->lock);
  cr_assert(fits, "a message has another size than is waited for");
  return closed ? gone(error) : ML3_OK;
}

typedef struct member {
  ml3_ranks ranks;
  void (*work)(struct member *);
  void *what;
  int code;
  ml3_error error;
} member;

static void *run(void *m) {
  ((member *)m)->work(m);
  return NULL;
}

/* Every rank does `work`; returns the messages sent. */
static long with_ranks(int count, void (*work)(member *), void *what[], member *members, hall *h) {
  pthread_t threads[MOST];
  *h = (hall){0};
  pthread_mutex_init(&h->lock, NULL);
  pthread_cond_init(&h->changed, NULL);
  for (int i = 0; i < count; i++) {
    members[i] = (member){.ranks = {i, count, send, receive, h}, .work = work, .what = what ? what[i] : NULL};
    pthread_create(&threads[i], NULL, run, &members[i]);
  }
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  return h->messages;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

enum { ITEMS_MOST = 37, SIZE = 5 };

static ml3_real number(int item, int j) {
  return (ml3_real)sin(1000.0 * item + j) * (ml3_real)pow(10, item % 7 - 3);
}

typedef struct sums {
  int items;
  ml3_real rows[ITEMS_MOST * SIZE];
} sums;

static void sum_up(member *m) {
  sums *s = m->what;
  ml3_real room[SIZE];
  int first, end;
  ml3_ranks_own(&m->ranks, s->items, &first, &end);
  for (int i = 0; i < s->items * SIZE; i++) s->rows[i] = NAN; /* what is not one's own is not looked at */
  for (int i = first; i < end; i++)
    for (int j = 0; j < SIZE; j++) s->rows[i * SIZE + j] = number(i, j);
  m->code = ml3_ranks_sum(&m->ranks, s->rows, s->items, SIZE, room, 1, &m->error);
}

Test(ranks, any_number_of_them_has_the_bits_of_one) {
  static sums each[MOST], one;
  void *what[MOST];
  member members[MOST];
  hall h;
  for (int i = 0; i < MOST; i++) what[i] = &each[i];
  for (int items = 1; items <= ITEMS_MOST; items++) {
    for (int i = 0; i < items * SIZE; i++) one.rows[i] = number(i / SIZE, i % SIZE);
    cr_assert_eq(ml3_ranks_sum(NULL, one.rows, items, SIZE, NULL, 1, NULL), ML3_OK);
    for (int count = 1; count <= MOST; count++) {
      for (int i = 0; i < count; i++) each[i].items = items;
      with_ranks(count, sum_up, what, members, &h);
      for (int i = 0; i < count; i++) {
        cr_assert_eq(members[i].code, ML3_OK, "%s", members[i].error.message);
        cr_assert_arr_eq(each[i].rows, one.rows, SIZE * sizeof(ml3_real), "%d items, rank %d of %d", items, i, count);
      }
    }
  }
}

Test(ranks, a_sum_takes_as_few_messages_as_it_can) {
  static sums each[MOST];
  void *what[MOST];
  member members[MOST];
  hall h;
  for (int i = 0; i < MOST; i++) what[i] = &each[i], each[i].items = 32;
  cr_expect_eq(with_ranks(MOST, sum_up, what, members, &h), 2 * (MOST - 1),
               "one sum up and one down for all but the first");
}

Test(ranks, every_item_has_one_owner) {
  for (int count = 1; count <= 1024; count = count * 3 / 2 + 1)
    for (int items = 1; items < 70; items += 3) {
      const ml3_ranks ranks = {.count = count};
      cr_expect_eq(ml3_ranks_first(&ranks, 0, items), 0);
      cr_expect_eq(ml3_ranks_first(&ranks, count, items), items);
      for (int i = 0; i < items; i++) {
        const int owner = ml3_ranks_owner(&ranks, i, items);
        cr_expect(ml3_ranks_first(&ranks, owner, items) <= i && i < ml3_ranks_first(&ranks, owner + 1, items));
      }
    }
}

/* ---- sharing ------------------------------------------------------------------------------------------------------- */

static void share(member *m) {
  int all[11] = {0}, first, end;
  ml3_ranks_own(&m->ranks, 11, &first, &end);
  for (int i = first; i < end; i++) all[i] = 100 + i;
  m->code = ml3_ranks_share(&m->ranks, all, 11, sizeof *all, &m->error);
  for (int i = 0; i < 11; i++) cr_expect_eq(all[i], 100 + i, "rank %d of %d", m->ranks.rank, m->ranks.count);
  for (int from = 0; from < m->ranks.count; from++) {
    int word = m->ranks.rank == from ? 7 + from : 0;
    m->code = ml3_ranks_broadcast(&m->ranks, from, &word, sizeof word, &m->error);
    cr_expect_eq(word, 7 + from);
  }
}

Test(ranks, share_and_broadcast_reach_all) {
  member members[MOST];
  hall h;
  for (int count = 1; count <= MOST; count++) with_ranks(count, share, NULL, members, &h);
}

/* ---- trainers ------------------------------------------------------------------------------------------------------ */

typedef struct training {
  ml3_problem *problem;
  ml3_trainer *trainer;
  const char *checkpoint;
  bool evolution;
} training;

static int (*all_samples)(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                          ml3_error *error);

static int spoilt_samples(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                          ml3_error *error) {
  const int code = all_samples(p, split, random, task, theta, error);
  if (ml3_random_uniform(random, 0, 1) < 0.2) task[0] = (ml3_real)NAN;
  return code;
}

static ml3_problem *make_problem(bool spoilt) {
  const ml3_shaped_sine_settings sine = {.start = {0.1, 0.1}, .goal = {-5, 5}, .points = 4, .tolerance = 0.1};
  ml3_problem *problem = ml3_shaped_sine_new(&sine, NULL);
  all_samples = problem->sample;
  if (spoilt) problem->sample = spoilt_samples;
  return problem;
}

static ml3_trainer *make_trainer(const ml3_problem *problem, const ml3_ranks *ranks, bool evolution) {
  const bool spoilt = problem->sample == spoilt_samples; /* the first features would be no numbers */
  const ml3_trainer_settings s = {
      .gradient = evolution ? ML3_GRADIENT_EVOLUTION : ML3_GRADIENT_EXACT,
      .evolution = {.pairs = 5, .deviation = 0.1}, /* of seven ranks, two have none */
      .meta = {.loss = {.net = {.inputs = 3, .outputs = 1, .depth = 1, .hidden = {4}, .activation = ML3_TANH},
                        .rate = 0.1,
                        .momentum = 0.5},
               .inner_steps = 2,
               .task_weight = 1},
      .optimizer = ml3_nn_adam(1e-2),
      .seed = 3,
      .threads = 1,
      .tasks = 24,
      .lifetime = evolution ? 1 : 3,
      .normalize = spoilt || evolution ? ML3_NORMALIZE_NONE : ML3_NORMALIZE_RUNNING,
      .validation_tasks = 7,
      .ranks = ranks};
  return ml3_trainer_new(problem, &s, NULL);
}

static int train(ml3_trainer *t, int steps, int *skipped, ml3_error *error) {
  ml3_trainer_report report;
  int code = ml3_trainer_validate(t, &report, error);
  for (int i = 0; i < steps && code == ML3_OK; i++) {
    code = ml3_trainer_step(t, &report, error);
    if (code == ML3_OK) *skipped += report.skipped;
    if (code == ML3_OK) code = ml3_trainer_validate(t, &report, error);
  }
  return code;
}

static void train_rank(member *m) {
  training *w = m->what;
  int skipped = 0;
  w->trainer = make_trainer(w->problem, &m->ranks, w->evolution);
  m->code = train(w->trainer, 6, &skipped, &m->error);
  if (m->code == ML3_OK) m->code = ml3_trainer_save(w->trainer, w->checkpoint, &m->error);
}

static void expect_bits_of_one(bool spoilt, bool evolution) {
  char alone[] = "/tmp/ml3_ranks_XXXXXX", together[] = "/tmp/ml3_ranks_XXXXXX", line[128];
  ml3_error error = {0};
  int skipped = 0;
  close(mkstemp(alone)), close(mkstemp(together));
  ml3_problem *problem = make_problem(spoilt);
  ml3_trainer *one = make_trainer(problem, NULL, evolution);
  cr_assert_eq(train(one, 6, &skipped, &error), ML3_OK, "%s", error.message);
  cr_expect(spoilt ? skipped > 5 : skipped == 0, "%d tasks skipped", skipped);
  cr_assert_eq(ml3_trainer_save(one, alone, &error), ML3_OK, "%s", error.message);
  for (int count = 1; count <= 7; count++) {
    static training each[MOST];
    void *what[MOST];
    member members[MOST];
    hall h;
    for (int i = 0; i < count; i++)
      each[i] = (training){.problem = problem, .checkpoint = together, .evolution = evolution}, what[i] = &each[i];
    with_ranks(count, train_rank, what, members, &h);
    for (int i = 0; i < count; i++) {
      cr_expect_eq(members[i].code, ML3_OK, "rank %d: %s", i, members[i].error.message);
      const ml3_loss *a = ml3_trainer_loss(one), *b = ml3_trainer_loss(each[i].trainer);
      cr_expect_arr_eq(a->phi, b->phi, (size_t)a->size * sizeof *a->phi, "rank %d of %d", i, count);
      ml3_trainer_free(each[i].trainer);
    }
    snprintf(line, sizeof line, "cmp %s %s", alone, together);
    cr_expect_eq(system(line), 0, "%d ranks leave another checkpoint", count);
  }
  ml3_trainer_free(one);
  problem->free(problem);
  snprintf(line, sizeof line, "rm -f %s* %s*", alone, together);
  cr_expect_eq(system(line), 0);
}

Test(ranks, trainers_have_the_bits_of_one) {
  expect_bits_of_one(false, false);
}

Test(ranks, trainers_have_the_bits_of_one_when_tasks_are_left_out) {
  expect_bits_of_one(true, false);
}

Test(ranks, generations_of_evolution_strategies_have_the_bits_of_one) {
  expect_bits_of_one(false, true);
  expect_bits_of_one(true, true);
}

/* ---- learned dynamics ---------------------------------------------------------------------------------------------- */

enum { TRANSITIONS = 200 };

typedef struct learned {
  ml3_ensemble *ensemble;
  ml3_ensemble_fit_report report;
  bool spoilt; /* a transition is no number */
} learned;

static int fit(learned *w, const ml3_ranks *ranks, ml3_error *error) {
  const ml3_env_spec *env = ml3_env_find("mountain_car", NULL);
  ml3_ensemble_settings settings = ml3_ensemble_defaults();
  ml3_ensemble_fit_settings fit = ml3_ensemble_fit_defaults(1);
  settings.hidden[0] = 8, settings.depth = 1;
  fit.epochs = 10, fit.threads = 1, fit.ranks = ranks;
  ml3_transitions *data = ml3_transitions_explore(env, NULL, ML3_EXPLORE_ROLLOUTS, 5, TRANSITIONS, 1, error);
  w->ensemble = ml3_ensemble_new(env, &settings, 1, error);
  if (w->spoilt) data->next[0] = NAN;
  const int code = ml3_ensemble_fit(w->ensemble, data, &fit, &w->report, error);
  ml3_transitions_free(data);
  return code;
}

static void fit_rank(member *m) {
  m->code = fit(m->what, &m->ranks, &m->error);
}

static void fit_together(int count, bool spoilt, learned *each, member *members) {
  void *what[MOST];
  hall h;
  for (int i = 0; i < count; i++) each[i] = (learned){.spoilt = spoilt}, what[i] = &each[i];
  with_ranks(count, fit_rank, what, members, &h);
}

Test(ranks, share_out_the_members_of_an_ensemble_with_the_bits_of_one) {
  learned one = {0}, each[MOST];
  member members[MOST];
  ml3_error error = {0};
  cr_assert_eq(fit(&one, NULL, &error), ML3_OK, "%s", error.message);
  const size_t bytes = (size_t)one.ensemble->dynamics.context_size * sizeof(ml3_real);
  for (int count = 1; count <= 5; count++) { /* of three members: the last ranks have none */
    fit_together(count, false, each, members);
    for (int i = 0; i < count; i++) {
      cr_expect_eq(members[i].code, ML3_OK, "rank %d: %s", i, members[i].error.message);
      cr_expect_arr_eq(each[i].ensemble->context, one.ensemble->context, bytes, "rank %d of %d", i, count);
      cr_expect_arr_eq(each[i].report.held_out, one.report.held_out, sizeof one.report.held_out);
      cr_expect_arr_eq(each[i].report.epochs, one.report.epochs, sizeof one.report.epochs);
      ml3_ensemble_free(each[i].ensemble);
    }
  }
  ml3_ensemble_free(one.ensemble);
}

Test(ranks, all_are_told_of_a_member_that_cannot_be_fitted) {
  learned each[MOST];
  member members[MOST];
  for (int count = 1; count <= 4; count++) {
    fit_together(count, true, each, members);
    for (int i = 0; i < count; i++) {
      cr_expect_eq(members[i].code, ML3_ERR_NUMERIC, "rank %d of %d", i, count);
      cr_expect_str_eq(members[i].error.message, members[0].error.message);
      ml3_ensemble_free(each[i].ensemble);
    }
  }
}

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static int spoil_all(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                     ml3_error *error) {
  const int code = all_samples(p, split, random, task, theta, error);
  task[0] = (ml3_real)NAN;
  return code;
}

static void step_once(member *m) {
  training *w = m->what;
  ml3_trainer_report report;
  w->trainer = make_trainer(w->problem, &m->ranks, w->evolution);
  w->problem->sample = spoil_all;
  m->code = ml3_trainer_step(w->trainer, &report, &m->error);
}

static void expect_one_sentence(bool evolution, const char *sentence) {
  training each[3];
  void *what[3];
  member members[3];
  hall h;
  for (int i = 0; i < 3; i++) {
    each[i] = (training){.problem = make_problem(false), .evolution = evolution};
    what[i] = &each[i];
  }
  with_ranks(3, step_once, what, members, &h);
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(members[i].code, ML3_ERR_NUMERIC);
    cr_expect_str_eq(members[i].error.message, members[0].error.message);
    cr_expect_not_null(strstr(members[i].error.message, sentence), "%s", members[i].error.message);
    ml3_trainer_free(each[i].trainer);
    each[i].problem->free(each[i].problem);
  }
}

Test(ranks, all_have_the_sentence_of_the_one_whose_task_failed) {
  expect_one_sentence(false, "24 of 24 tasks failed (task 0:");
  expect_one_sentence(true, "pair 0 (+), task 0: problem 'shaped_sine': the task's data is not finite");
}

static void leave_or_step(member *m) {
  training *w = m->what;
  hall *h = m->ranks.own;
  int skipped = 0;
  w->trainer = make_trainer(w->problem, &m->ranks, w->evolution);
  if (m->ranks.rank == 2) {
    usleep(100000);
    pthread_mutex_lock(&h->lock);
    h->closed = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
  } else {
    m->code = train(w->trainer, 3, &skipped, &m->error);
  }
}

Test(ranks, one_that_is_gone_is_an_error_for_the_others) {
  training each[3];
  void *what[3];
  member members[3];
  hall h;
  for (int i = 0; i < 3; i++) each[i] = (training){.problem = make_problem(false)}, what[i] = &each[i];
  with_ranks(3, leave_or_step, what, members, &h);
  for (int i = 0; i < 3; i++) {
    if (i < 2) cr_expect_eq(members[i].code, ML3_ERR_UNAVAILABLE, "rank %d: %s", i, members[i].error.message);
    ml3_trainer_free(each[i].trainer);
    each[i].problem->free(each[i].problem);
  }
}
