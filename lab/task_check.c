/* Playing a task at random: see task_check.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/task_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS, OTHER, TIME, DIVERGED, BESIDES }; /* ends besides conditions */
static const char *const besides[BESIDES] = {"success", "the task's own end", "the time limit", "divergence"};

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static void begin(ml3_lab_task_quantity *q, double x) {
  q->start = x;
  q->mean = 0;
  q->least = INFINITY, q->most = -INFINITY;
}

static void add(ml3_lab_task_quantity *q, double x) {
  q->mean += x;
  q->least = fmin(q->least, x), q->most = fmax(q->most, x);
}

static void end(ml3_lab_task_quantity *q, int count) {
  q->mean /= count; /* NAN of none */
  if (!count) q->least = q->most = NAN;
}

/* ---- playing -------------------------------------------------------------------------------------------------------- */

typedef struct playing {
  ml3_lab_task_check *check;
  ml3_env *env;
  double *task, *action, *terms, *obs;
  bool *hold;
  double seconds, return_, return_sum;
  int counted; /* steps with a reward */
  long long length_sum;
  ml3_random random;
} playing;

static void read_now(playing *p) {
  if (p->env->spec->terms) p->env->spec->terms(p->env, p->terms);
  ml3_env_observe(p->env, p->obs);
}

static void start_episode(playing *p, int k) {
  const ml3_env_spec *spec = p->env->spec;
  ml3_random reset = ml3_random_stream(p->check->settings.seed, ML3_PURPOSE_RESET, 0, (uint32_t)k);
  p->random = ml3_random_stream(p->check->settings.seed, ML3_PURPOSE_ACTION, 0, (uint32_t)k);
  ml3_env_sample_task(spec, &reset, p->task);
  ml3_env_reset(p->env, p->task, &reset);
  p->return_ = 0;
}

/* The first state of the first episode; its reward is the sum of the terms. */
static void note_start(playing *p) {
  ml3_lab_task_check *c = p->check;
  double sum = 0;
  read_now(p);
  for (int i = 0; i < c->spec->term_count; i++) begin(&c->terms[i], p->terms[i]), sum += p->terms[i];
  for (int i = 0; i < c->spec->obs_dim; i++) begin(&c->observation[i], p->obs[i]);
  begin(&c->reward, c->spec->term_count ? sum : NAN);
}

static void note_step(playing *p, double reward) {
  ml3_lab_task_check *c = p->check;
  read_now(p);
  add(&c->reward, reward);
  for (int i = 0; i < c->spec->term_count; i++) add(&c->terms[i], p->terms[i]);
  for (int i = 0; i < c->spec->obs_dim; i++) add(&c->observation[i], p->obs[i]);
  p->return_ += reward;
  p->counted++;
}

static void note_end(playing *p, const ml3_env_result *result) {
  ml3_lab_task_check *c = p->check;
  ml3_lab_task_end *rest = c->ends + c->spec->limit_count;
  bool found = false;
  c->episodes++;
  p->return_sum += p->return_;
  p->length_sum += p->env->steps;
  if (result->code < 0) {
    rest[DIVERGED].count++;
    return;
  }
  if (!result->terminated) {
    rest[TIME].count++;
    return;
  }
  if (c->spec->limit_count) c->spec->limits(p->env, p->hold);
  for (int i = 0; i < c->spec->limit_count; i++) c->ends[i].count += !p->hold[i], found = found || !p->hold[i];
  if (!found) rest[ml3_env_success(p->env) ? SUCCESS : OTHER].count++;
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void play(playing *p) {
  ml3_lab_task_check *c = p->check;
  bool over = false;
  start_episode(p, 0);
  note_start(p);
  for (int step = 0; step < c->settings.steps; step++) {
    if (over) start_episode(p, c->episodes);
    ml3_env_draw_action(c->spec, &p->random, p->action);
    const double begin_s = now_s();
    const ml3_env_result result = ml3_env_step(p->env, p->action);
    p->seconds += now_s() - begin_s;
    if (result.code >= 0) note_step(p, result.reward);
    over = result.terminated || result.truncated || result.code < 0;
    if (over) note_end(p, &result);
  }
}

static void finish(playing *p) {
  ml3_lab_task_check *c = p->check;
  end(&c->reward, p->counted);
  for (int i = 0; i < c->spec->term_count; i++) end(&c->terms[i], p->counted);
  for (int i = 0; i < c->spec->obs_dim; i++) end(&c->observation[i], p->counted);
  c->return_ = c->episodes ? p->return_sum / c->episodes : NAN;
  c->length = c->episodes ? (double)p->length_sum / c->episodes : NAN;
  c->steps_per_second = p->seconds > 0 ? c->settings.steps / p->seconds : NAN;
  c->warnings = p->env->warnings;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static int make_room(playing *p, ml3_error *error) {
  ml3_lab_task_check *c = p->check;
  const ml3_env_spec *s = c->spec;
  c->end_count = s->limit_count + BESIDES;
  c->terms = calloc((size_t)s->term_count + 1, sizeof *c->terms);
  c->observation = calloc((size_t)s->obs_dim + 1, sizeof *c->observation);
  c->ends = calloc((size_t)c->end_count, sizeof *c->ends);
  p->task = calloc((size_t)s->task_dim + 1, sizeof *p->task);
  p->action = calloc((size_t)s->action_dim + 1, sizeof *p->action);
  p->terms = calloc((size_t)s->term_count + 1, sizeof *p->terms);
  p->obs = calloc((size_t)s->obs_dim + 1, sizeof *p->obs);
  p->hold = calloc((size_t)s->limit_count + 1, sizeof *p->hold);
  if (!c->terms || !c->observation || !c->ends || !p->task || !p->action || !p->terms || !p->obs || !p->hold)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to check '%s'", s->name);
  c->reward.name = "reward", c->reward.unit = "1";
  for (int i = 0; i < s->term_count; i++) c->terms[i].name = s->term_name(s, i), c->terms[i].unit = "1";
  for (int i = 0; i < s->obs_dim; i++) c->observation[i].name = s->obs[i].name, c->observation[i].unit = s->obs[i].unit;
  for (int i = 0; i < c->end_count; i++)
    c->ends[i].name = i < s->limit_count ? s->limit_name(s, i) : besides[i - s->limit_count];
  return ML3_OK;
}

int ml3_lab_task_check_run(const ml3_env_spec *spec, const ml3_lab_task_check_settings *settings,
                           ml3_lab_task_check *check, ml3_error *error) {
  *check = (ml3_lab_task_check){.spec = spec, .settings = *settings};
  if (settings->steps < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--steps is %d; at least 1 is needed", settings->steps);
  playing p = {.check = check, .env = ml3_env_new(spec, error)};
  int code = p.env ? make_room(&p, error) : error ? error->code : ML3_ERR_MEMORY;
  if (code == ML3_OK) play(&p), finish(&p);
  if (code == ML3_OK) code = ml3_env_failed(spec, error);
  free(p.task);
  free(p.action);
  free(p.terms);
  free(p.obs);
  free(p.hold);
  ml3_env_free(p.env);
  return code;
}

void ml3_lab_task_check_free(ml3_lab_task_check *check) {
  free(check->terms);
  free(check->observation);
  free(check->ends);
}
