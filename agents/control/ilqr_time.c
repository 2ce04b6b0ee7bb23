/* A model and a cost that write down what they are asked, and the replay of it: see ilqr_time.h. */
#define _POSIX_C_SOURCE 200809L
#include "agents/control/ilqr_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- the record -------------------------------------------------------------------------------------------------- */

typedef enum call_kind { START, STEP, LINEARIZE, COST, EXPANSION } call_kind;

typedef struct call {
  call_kind kind;
  int step;     /* of costs; -1 - step where there is no action */
  int count;    /* of linearisations */
  size_t state; /* where its numbers begin; the action's lie behind the state's */
} call;

typedef struct record {
  call *calls;
  double *numbers;
  size_t call_count, call_room, number_count, number_room;
  bool full; /* no memory: it is not whole */
} record;

static void *grow(void *block, size_t *room, size_t least, size_t size, bool *full) {
  if (least <= *room) return block;
  const size_t more = 2 * least + 64;
  void *grown = realloc(block, more * size);
  if (!grown) {
    *full = true;
    return block;
  }
  *room = more;
  return grown;
}

static void note(record *r, call c, const double *states, size_t state_count, const double *actions,
                 size_t action_count) {
  r->calls = grow(r->calls, &r->call_room, r->call_count + 1, sizeof *r->calls, &r->full);
  const size_t least = r->number_count + state_count + action_count;
  r->numbers = grow(r->numbers, &r->number_room, least, sizeof *r->numbers, &r->full);
  if (r->full) return;
  c.state = r->number_count;
  if (state_count) memcpy(r->numbers + r->number_count, states, state_count * sizeof *states);
  if (action_count) memcpy(r->numbers + r->number_count + state_count, actions, action_count * sizeof *actions);
  r->number_count = least;
  r->calls[r->call_count++] = c;
}

/* ---- those who write it ------------------------------------------------------------------------------------------ */

typedef struct recorder {
  ml3_model model; /* first: it is one */
  ml3_model *inner;
  ml3_ilqr_cost cost;
  record record;
} recorder;

static void recorder_start(ml3_model *model, const double *state) {
  recorder *s = (recorder *)model;
  note(&s->record, (call){.kind = START}, state, (size_t)model->state_dim, NULL, 0);
  s->inner->start(s->inner, state);
}

static void recorder_step(ml3_model *model, const double *action, double *next) {
  recorder *s = (recorder *)model;
  note(&s->record, (call){.kind = STEP}, NULL, 0, action, (size_t)model->action_dim);
  s->inner->step(s->inner, action, next);
}

static void recorder_linearize(ml3_model *model, int count, const double *states, const double *actions, double *a,
                               double *b) {
  recorder *s = (recorder *)model;
  note(&s->record, (call){.kind = LINEARIZE, .count = count}, states, (size_t)(count * model->state_dim), actions,
       (size_t)(count * model->action_dim));
  s->inner->linearize(s->inner, count, states, actions, a, b);
}

static double recorder_cost(void *user, int step, const double *state, const double *action, ml3_ilqr_expansion *e) {
  recorder *s = user;
  note(&s->record, (call){.kind = e ? EXPANSION : COST, .step = action ? step : -1 - step}, state,
       (size_t)s->model.state_dim, action, action ? (size_t)s->model.action_dim : 0);
  return s->cost.evaluate(s->cost.user, step, state, action, e);
}

/* ---- the replay -------------------------------------------------------------------------------------------------- */

/* Room for what the calls answer. */
typedef struct answers {
  double *next, *a, *b, *expansion;
} answers;

static double replay_model(const recorder *s, const answers *x) {
  const record *r = &s->record;
  ml3_model *model = s->inner;
  const double begun = ml3_clock_s();
  for (size_t i = 0; i < r->call_count; i++) {
    const call *c = &r->calls[i];
    const double *at = r->numbers + c->state;
    if (c->kind == STEP)
      model->step(model, at, x->next);
    else if (c->kind == START)
      model->start(model, at);
    else if (c->kind == LINEARIZE)
      model->linearize(model, c->count, at, at + c->count * model->state_dim, x->a, x->b);
  }
  return ml3_clock_s() - begun;
}

static double replay_cost(const recorder *s, const answers *x) {
  const record *r = &s->record;
  const size_t n = (size_t)s->model.state_dim, m = (size_t)s->model.action_dim;
  double *e = x->expansion;
  ml3_ilqr_expansion one = {e, e + n, e + n + m, e + n + m + n * n, e + n + m + n * n + m * m, x->a, x->b};
  volatile double sum = 0; /* the costs must be computed */
  const double begun = ml3_clock_s();
  for (size_t i = 0; i < r->call_count; i++) {
    const call *c = &r->calls[i];
    const double *at = r->numbers + c->state;
    if (c->kind != COST && c->kind != EXPANSION) continue;
    sum += s->cost.evaluate(s->cost.user, c->step < 0 ? -1 - c->step : c->step, at, c->step < 0 ? NULL : at + n,
                            c->kind == EXPANSION ? &one : NULL);
  }
  (void)sum;
  return ml3_clock_s() - begun;
}

/* The calls of one kind after those of the other, so that each can be timed without asking for the kind. */
static void sort_calls(record *r, ml3_ilqr_time *t) {
  call *sorted = r->call_count ? malloc(r->call_count * sizeof *sorted) : NULL;
  size_t count = 0;
  for (int costs = 0; costs < 2 && sorted; costs++)
    for (size_t i = 0; i < r->call_count; i++)
      if ((r->calls[i].kind >= COST) == costs) sorted[count++] = r->calls[i];
  for (size_t i = 0; i < r->call_count; i++) {
    t->steps += r->calls[i].kind == STEP;
    t->linearizations += r->calls[i].kind == LINEARIZE ? r->calls[i].count : 0;
    t->costs += r->calls[i].kind == COST;
    t->expansions += r->calls[i].kind == EXPANSION;
  }
  if (!sorted) return;
  free(r->calls);
  r->calls = sorted;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static int record_solve(recorder *s, const ml3_ilqr_settings *settings, const double *state, double *actions,
                        ml3_ilqr_time *t, ml3_error *error) {
  const ml3_ilqr_cost cost = {.evaluate = recorder_cost, .user = s};
  ml3_ilqr_report report;
  ml3_ilqr *ilqr = ml3_ilqr_new(&s->model, &cost, settings, error);
  int code = ilqr ? ml3_ilqr_solve(ilqr, state, 0, actions, &report, error) : ML3_ERR_MEMORY;
  ml3_ilqr_free(ilqr);
  if (code == ML3_OK && s->record.full)
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a record of the solve");
  if (code != ML3_OK) return code;
  t->iterations = report.iterations, t->cost = report.cost;
  sort_calls(&s->record, t);
  return ML3_OK;
}

static int time_solve(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *settings,
                      const double *state, int repeat, double *actions, size_t size, ml3_ilqr_time *t,
                      ml3_error *error) {
  ml3_ilqr *ilqr = ml3_ilqr_new(model, cost, settings, error);
  int code = ilqr ? ML3_OK : ML3_ERR_MEMORY;
  for (int i = 0; i < repeat && code == ML3_OK; i++) {
    memset(actions, 0, size * sizeof *actions);
    const double begun = ml3_clock_s();
    code = ml3_ilqr_solve(ilqr, state, 0, actions, NULL, error);
    t->solve_s = fmin(t->solve_s, ml3_clock_s() - begun);
  }
  ml3_ilqr_free(ilqr);
  return code;
}

int ml3_ilqr_time_solve(ml3_model *model, const ml3_ilqr_cost *cost, const ml3_ilqr_settings *given,
                        const double *state, int repeat, ml3_ilqr_time *t, ml3_error *error) {
  const size_t n = (size_t)model->state_dim, m = (size_t)model->action_dim, T = (size_t)given->horizon;
  ml3_ilqr_settings settings = *given;
  recorder s = {.model = *model, .inner = model, .cost = *cost};
  double *block = calloc(T * m + n + T * n * (n + m) + n + m + n * n + m * m + m * n, sizeof *block);
  if (!block) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to time a solve");
  answers x = {.next = block + T * m};
  x.a = x.next + n, x.b = x.a + T * n * n, x.expansion = x.b + T * n * m;
  settings.observe = NULL, settings.threads = 1;
  s.model.start = recorder_start, s.model.step = recorder_step, s.model.linearize = recorder_linearize;
  *t = (ml3_ilqr_time){.solve_s = INFINITY, .model_s = INFINITY, .cost_s = INFINITY};
  int code = record_solve(&s, &settings, state, block, t, error);
  if (code == ML3_OK) code = time_solve(model, cost, &settings, state, repeat, block, T * m, t, error);
  for (int i = 0; i < repeat && code == ML3_OK; i++) {
    t->model_s = fmin(t->model_s, replay_model(&s, &x));
    t->cost_s = fmin(t->cost_s, replay_cost(&s, &x));
  }
  free(s.record.calls);
  free(s.record.numbers);
  free(block);
  return code;
}
