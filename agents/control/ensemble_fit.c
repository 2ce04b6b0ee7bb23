/* Fitting an ensemble: Gaussian likelihood, Adam, early stopping on the part that a member leaves out.

   One program serves training and held-out rows: [batch] rows with a weight each, so that a last, shorter batch is one with
   zero weights. Stage 0 is the likelihood, stage 1 its gradient. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ensemble.h"
#include "base/threads.h"
#include "nn/optimizer.h"
#include "nn/program.h"

ml3_ensemble_fit_settings ml3_ensemble_fit_defaults(uint64_t seed) {
  return (ml3_ensemble_fit_settings){.epochs = 500, .patience = 30, .batch = 64, .rate = 1e-3, .seed = seed};
}

enum { LOSS, SQUARES, GRADIENT };

typedef struct likelihood {
  ml3_nn_program *program;
  ml3_node theta, x, y, weight; /* [1, size], [batch, k], [batch, p], [batch, 1] */
} likelihood;

/* The data, normalised, and what is left out by whom. */
typedef struct fitting {
  const ml3_ensemble *ensemble;
  const ml3_ensemble_fit_settings *settings;
  likelihood likelihood;
  int count, parts, k, p, size; /* rows; parts; columns of x and y; parameters of a member */
  ml3_real *x, *y;              /* [count][k], [count][p] */
} fitting;

/* ---- program ----------------------------------------------------------------------------------------------------- */

static bool compile(fitting *f, ml3_error *error) {
  const ml3_ensemble *e = f->ensemble;
  const int batch = f->settings->batch;
  likelihood *l = &f->likelihood;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to fit an ensemble"), false;
  l->theta = ml3_nn_input(g, 1, f->size);
  l->x = ml3_nn_input(g, batch, f->k);
  l->y = ml3_nn_input(g, batch, f->p);
  l->weight = ml3_nn_input(g, batch, 1);
  ml3_node both = ml3_mlp_build(g, &e->net, l->theta, 0, l->x), gradient;
  ml3_node off = ml3_nn_square(g, ml3_nn_sub(g, l->y, ml3_nn_slice_cols(g, both, 0, f->p)));
  ml3_node variance =
      ml3_nn_shift(g, ml3_nn_softplus(g, ml3_nn_slice_cols(g, both, f->p, f->p)), e->settings.variance_min);
  ml3_node each = ml3_nn_add(g, ml3_nn_div(g, off, variance), ml3_nn_log(g, variance));
  ml3_node loss = ml3_nn_scale(g, ml3_nn_sum(g, ml3_nn_mul(g, each, l->weight)), 0.5);
  ml3_node squares = ml3_nn_sum(g, ml3_nn_mul(g, off, l->weight));
  ml3_nn_gradient(g, loss, &l->theta, 1, &gradient);
  const ml3_nn_output outputs[] = {[LOSS] = {loss, 0}, [SQUARES] = {squares, 0}, [GRADIENT] = {gradient, 1}};
  l->program = ml3_nn_compile(g, outputs, 3, error);
  ml3_nn_graph_free(g);
  return l->program != NULL;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* Column `column` of rows[count][width] to mean 0 and deviation 1. */
static void normalization(const double *rows, int count, int width, int column, ml3_real *shift, ml3_real *scale) {
  double mean = 0, squares = 0;
  for (int i = 0; i < count; i++) mean += rows[i * width + column] / count;
  for (int i = 0; i < count; i++) squares += pow(rows[i * width + column] - mean, 2) / count;
  *shift = (ml3_real)mean;
  *scale = squares > 1e-16 ? (ml3_real)(1 / sqrt(squares)) : 1; /* a column that never changes */
}

/* Fills x and y from the transitions, and unless `keep` the normalisation of context. */
static bool normalize(fitting *f, const ml3_transitions *data, bool keep, ml3_real *context) {
  const ml3_ensemble *e = f->ensemble;
  const int n = data->state_dim, m = data->action_dim, k = e->moving,
            first = k - f->p; /* predicted entries come last */
  ml3_real *in_shift = context + e->settings.members * f->size, *in_scale = in_shift + f->k;
  ml3_real *out_shift = in_scale + f->k, *out_scale = out_shift + f->p;
  double *raw = calloc((size_t)f->count * (size_t)(f->k + f->p), sizeof *raw);
  if (!raw) return false;
  double *change = raw + (size_t)f->count * (size_t)f->k;
  for (int i = 0; i < f->count; i++) {
    for (int j = 0; j < k; j++) raw[i * f->k + j] = data->states[i * n + ml3_ensemble_moving(e, j)];
    memcpy(raw + i * f->k + k, data->actions + i * m, (size_t)m * sizeof *raw);
    for (int j = 0; j < f->p; j++) {
      const int entry = ml3_ensemble_moving(e, first + j);
      change[i * f->p + j] = data->next[i * n + entry] - data->states[i * n + entry];
    }
  }
  for (int j = 0; j < f->k && !keep; j++) normalization(raw, f->count, f->k, j, &in_shift[j], &in_scale[j]);
  for (int j = 0; j < f->p && !keep; j++) normalization(change, f->count, f->p, j, &out_shift[j], &out_scale[j]);
  for (int i = 0; i < f->count * f->k; i++) f->x[i] = (ml3_real)((raw[i] - in_shift[i % f->k]) * in_scale[i % f->k]);
  for (int i = 0; i < f->count * f->p; i++)
    f->y[i] = (ml3_real)((change[i] - out_shift[i % f->p]) * out_scale[i % f->p]);
  free(raw);
  return true;
}

/* ---- one member -------------------------------------------------------------------------------------------------- */

typedef struct member {
  const fitting *f;
  int number;
  ml3_nn_workspace *work;
  ml3_nn_optimizer optimizer;
  ml3_real *theta, *best, *x, *y, *weight; /* batch's */
  int *order, train, held;                 /* rows to train on, then those left out */
} member;

static void drop_member(member *m) {
  ml3_nn_workspace_free(m->work);
  ml3_nn_optimizer_free(&m->optimizer);
  free(m->best);
  free(m->order);
}

static int make_member(member *m, const fitting *f, int number, ml3_real *theta, ml3_error *error) {
  const size_t batch = (size_t)f->settings->batch;
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(f->settings->rate);
  *m = (member){.f = f, .number = number, .theta = theta};
  int code = ml3_nn_optimizer_init(&m->optimizer, &adam, (size_t)f->size, error);
  if (code != ML3_OK) return code;
  m->work = ml3_nn_workspace_new(f->likelihood.program, error);
  m->best = calloc((size_t)f->size + batch * (size_t)(f->k + f->p + 1), sizeof *m->best);
  m->order = calloc((size_t)f->count, sizeof *m->order);
  if (!m->work || !m->best || !m->order) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to fit an ensemble");
  m->x = m->best + f->size;
  m->y = m->x + batch * (size_t)f->k;
  m->weight = m->y + batch * (size_t)f->p;
  memcpy(m->best, theta, (size_t)f->size * sizeof *theta);
  for (int i = 0; i < f->count; i++)
    if (i % f->parts != number % f->parts) m->order[m->train++] = i;
  for (int i = 0; i < f->count; i++)
    if (i % f->parts == number % f->parts) m->order[m->train + m->held++] = i;
  ml3_nn_bind_input(m->work, f->likelihood.theta, m->theta);
  ml3_nn_bind_input(m->work, f->likelihood.x, m->x);
  ml3_nn_bind_input(m->work, f->likelihood.y, m->y);
  ml3_nn_bind_input(m->work, f->likelihood.weight, m->weight);
  return ML3_OK;
}

/* Rows order[first ...], at most a batch of them and none from `end` on; each weighs 1 / divisor. */
static void fill_batch(member *m, int first, int end, int divisor) {
  const fitting *f = m->f;
  for (int i = 0; i < f->settings->batch; i++) {
    const bool there = first + i < end;
    const int row = there ? m->order[first + i] : m->order[first];
    memcpy(m->x + i * f->k, f->x + row * f->k, (size_t)f->k * sizeof *m->x);
    memcpy(m->y + i * f->p, f->y + row * f->p, (size_t)f->p * sizeof *m->y);
    m->weight[i] = there ? (ml3_real)(1.0 / divisor) : 0;
  }
}

static double held_out(member *m, double *squares) {
  double loss = 0;
  *squares = 0;
  for (int at = m->train; at < m->train + m->held; at += m->f->settings->batch) {
    fill_batch(m, at, m->train + m->held, m->held);
    ml3_nn_run(m->work, 0);
    loss += ml3_nn_output_at(m->work, LOSS)[0];
    *squares += ml3_nn_output_at(m->work, SQUARES)[0];
  }
  return loss;
}

static bool epoch(member *m, int number) {
  ml3_random random =
      ml3_random_stream(m->f->settings->seed, ML3_PURPOSE_BASELINE, (uint32_t)m->number, 2 + (uint32_t)number);
  for (int i = m->train - 1; i > 0; i--) { /* Fisher and Yates */
    const int j = (int)ml3_random_below(&random, (uint32_t)i + 1), kept = m->order[i];
    m->order[i] = m->order[j];
    m->order[j] = kept;
  }
  for (int at = 0; at < m->train; at += m->f->settings->batch) {
    const int rest = m->train - at, rows = rest < m->f->settings->batch ? rest : m->f->settings->batch;
    fill_batch(m, at, m->train, rows);
    ml3_nn_run(m->work, 0);
    ml3_nn_run(m->work, 1);
    if (!isfinite(ml3_nn_optimizer_update(&m->optimizer, m->theta, ml3_nn_output_at(m->work, GRADIENT)))) return false;
  }
  return true;
}

/* Trains; m->theta ends as the best parameters. False: something is not finite. */
static bool train(member *m, int *epochs, double *best, double *error) {
  const ml3_ensemble_fit_settings *s = m->f->settings;
  double squares;
  int since = 0;
  *best = held_out(m, &squares);
  *error = sqrt(squares / m->f->p);
  for (*epochs = 0; *epochs < s->epochs && (s->patience == 0 || since < s->patience); ++*epochs) {
    if (!epoch(m, *epochs)) return false;
    const double loss = held_out(m, &squares);
    since++;
    if (!(loss < *best)) continue;
    *best = loss;
    *error = sqrt(squares / m->f->p);
    memcpy(m->best, m->theta, (size_t)m->f->size * sizeof *m->theta);
    since = 0;
  }
  memcpy(m->theta, m->best, (size_t)m->f->size * sizeof *m->theta);
  return isfinite(*best);
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

static int check(const ml3_ensemble *e, const ml3_transitions *data, const ml3_ensemble_fit_settings *s, int parts,
                 ml3_error *error) {
  if (data->state_dim != e->dynamics.state_dim || data->action_dim != e->dynamics.action_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the transitions have %d state and %d action entries, the ensemble %d and %d", data->state_dim,
                         data->action_dim, e->dynamics.state_dim, e->dynamics.action_dim);
  if (data->count < 2 * parts)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d transitions are too few; this ensemble needs at least %d",
                         data->count, 2 * parts);
  if (s->epochs < 1 || s->patience < 0 || s->batch < 1 || !(s->rate > 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "fitting needs epochs (%d), batch (%d) and rate (%g) above 0, patience (%d) not below",
                         s->epochs, s->batch, s->rate, s->patience);
  return ML3_OK;
}

/* What becomes of a member, as ranks tell each other. */
typedef struct fitted {
  ml3_error failure;
  double held_out, error;
  int epochs;
} fitted;

static void fit_member(const fitting *f, int i, ml3_real *theta, fitted *out) {
  member m;
  int code = make_member(&m, f, i, theta, &out->failure);
  if (code == ML3_OK && !train(&m, &out->epochs, &out->held_out, &out->error))
    ml3_error_set(&out->failure, ML3_ERR_NUMERIC,
                  "fitting the ensemble: the likelihood of member %d is not finite; try a smaller rate than %g", i,
                  f->settings->rate);
  drop_member(&m);
}

/* The members of this rank, unless what has come before failed; then all ranks have all. */
static int fit_members(const fitting *f, ml3_real *context, const ml3_error *before, ml3_ensemble_fit_report *report,
                       ml3_error *error) {
  const ml3_ranks *ranks = f->settings->ranks;
  const int members = f->ensemble->settings.members;
  const int threads = ml3_threads(f->settings->threads);
  fitted all[ML3_ENSEMBLE_MAX_MEMBERS];
  int first, end;
  memset(all, 0, sizeof all);
  ml3_ranks_own(ranks, members, &first, &end);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (int i = first; i < end; i++) {
    if (before->code != ML3_OK)
      all[i].failure = *before;
    else
      fit_member(f, i, context + i * f->size, &all[i]);
  }
  int code = ml3_ranks_share(ranks, all, members, sizeof *all, error);
  for (int i = 0; i < members && code == ML3_OK; i++) {
    report->epochs[i] = all[i].epochs, report->held_out[i] = all[i].held_out, report->error[i] = all[i].error;
    if (all[i].failure.code != ML3_OK) return ml3_error_set(error, all[i].failure.code, "%s", all[i].failure.message);
  }
  if (code == ML3_OK && before->code != ML3_OK) return ml3_error_set(error, before->code, "%s", before->message);
  return code == ML3_OK ? ml3_ranks_share(ranks, context, members, (size_t)f->size * sizeof *context, error) : code;
}

int ml3_ensemble_fit(ml3_ensemble *e, const ml3_transitions *data, const ml3_ensemble_fit_settings *settings,
                     ml3_ensemble_fit_report *report, ml3_error *error) {
  const int parts = e->settings.members > 1 ? (e->settings.members > 3 ? e->settings.members : 3) : 5;
  int code = check(e, data, settings, parts, error);
  if (code != ML3_OK) return code;
  ml3_ensemble_fit_report mine = {0};
  fitting f = {.ensemble = e,
               .settings = settings,
               .count = data->count,
               .parts = parts,
               .k = e->net.inputs,
               .p = e->predicted,
               .size = ml3_mlp_size(&e->net)};
  const size_t size = (size_t)e->dynamics.context_size;
  ml3_real *context = malloc(size * sizeof *context);
  f.x = calloc((size_t)f.count * (size_t)(f.k + f.p), sizeof *f.x);
  f.y = f.x ? f.x + (size_t)f.count * (size_t)f.k : NULL;
  if (context) memcpy(context, e->context, size * sizeof *context);
  ml3_error before = {0};
  if (!context || !f.x || !normalize(&f, data, settings->keep_normalization, context))
    ml3_error_set(&before, ML3_ERR_MEMORY, "no memory to fit an ensemble to %d transitions", data->count);
  if (before.code == ML3_OK) compile(&f, &before);
  code = fit_members(&f, context, &before, &mine, error);
  if (code == ML3_OK) memcpy(e->context, context, size * sizeof *context);
  if (report) *report = mine;
  ml3_nn_program_free(f.likelihood.program);
  free(f.x);
  free(context);
  return code;
}
