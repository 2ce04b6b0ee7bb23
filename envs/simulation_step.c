/* Steps and their derivative, and what MuJoCo says about them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/simulation.h"
#include "envs/tangent.h"

/* ---- warnings ----------------------------------------------------------------------------------------------- */

static const ml3_env_warning kinds[mjNWARNING] = {
    [mjWARN_INERTIA] = ML3_WARN_INERTIA,       [mjWARN_CONTACTFULL] = ML3_WARN_CONTACTS,
    [mjWARN_CNSTRFULL] = ML3_WARN_CONSTRAINTS, [mjWARN_BADQPOS] = ML3_WARN_DIVERGED,
    [mjWARN_BADQVEL] = ML3_WARN_DIVERGED,      [mjWARN_BADQACC] = ML3_WARN_DIVERGED,
    [mjWARN_BADCTRL] = ML3_WARN_CONTROL,
#if mjVERSION_HEADER < 300
    [mjWARN_VGEOMFULL] = ML3_WARN_OTHER, /* of pictures alone */
#endif
};

/* mjData counts until it is reset, a few of its own resets included. */
static bool warned(const mjData *d) {
  int sum = 0;
  for (int i = 0; i < mjNWARNING; i++) sum += d->warning[i].number;
  return sum != 0;
}

static bool diverged(const mjData *d) {
  return d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number || d->warning[mjWARN_BADQACC].number;
}

int ml3_simulation_note(ml3_simulation *s, const ml3_mjcf_said *said) {
  mjData *d = s->data;
  int code = ML3_OK, found = 0;
  for (int i = 0; i < mjNWARNING; i++) found += d->warning[i].number != 0;
  for (int i = 0; i < mjNWARNING; i++) {
    const mjWarningStat w = d->warning[i];
    if (w.number == 0) continue;
    d->warning[i] = (mjWarningStat){0};
    if (kinds[i] == ML3_WARN_DIVERGED && code == ML3_ERR_NUMERIC) continue; /* of one step, what it began with */
    const bool heard = found == 1 && *said->warning;                        /* with the time, which the other has not */
    ml3_env_warn(s->env, kinds[i], w.number, heard ? said->warning : mju_warningText(i, w.lastinfo));
    if (kinds[i] == ML3_WARN_DIVERGED) code = ML3_ERR_NUMERIC;
    if (code == ML3_OK && (kinds[i] == ML3_WARN_CONTACTS || kinds[i] == ML3_WARN_CONSTRAINTS))
      code = ML3_ENV_LOST_CONTACTS;
  }
  if (found == 0 && *said->warning) ml3_env_warn(s->env, ML3_WARN_OTHER, 1, said->warning);
  return code;
}

static void begin_again(ml3_simulation *s) {
  ml3_mjcf_said said;
  ml3_mjcf_clear(s->model, s->data, &said);
  ml3_simulation_put(s, s->first, &said);
}

/* Newer releases of MuJoCo say themselves what to raise. */
static void tell_error(ml3_simulation *s, const char *error) {
#if mjVERSION_HEADER < 230
  char text[sizeof((ml3_mjcf_said *)0)->error];
  if (strstr(error, "tack overflow")) {
    snprintf(text, sizeof text, "%.120s: nstack is %d, raise it in the <size> of the MJCF", error, s->model->nstack);
    error = text;
  }
#endif
  ml3_env_warn(s->env, ML3_WARN_ERROR, 1, error);
}

void ml3_simulation_recover(ml3_simulation *s, const ml3_mjcf_said *said) {
  ml3_simulation_note(s, said);
  tell_error(s, said->error);
  begin_again(s);
}

/* ---- stepping --------------------------------------------------------------------------------------------- */

typedef struct stepping {
  const mjModel *model;
  mjData *data;
  int count, needs;
} stepping;

void ml3_simulation_compute(const mjModel *m, mjData *d, int needs, bool forces) {
  if (forces && (needs & (ML3_NEEDS_FORCES | ML3_NEEDS_BODY_FORCES))) {
    mj_forward(m, d);
  } else if (needs & ML3_NEEDS_SENSORS) {
    mj_step1(m, d);
  } else {
    if (needs & (ML3_NEEDS_PLACES | ML3_NEEDS_SUBTREES)) mj_kinematics(m, d);
    if (needs & ML3_NEEDS_CAMERAS) mj_camlight(m, d);
    if (needs & (ML3_NEEDS_MASSES | ML3_NEEDS_SUBTREES)) mj_comPos(m, d);
    if (needs & (ML3_NEEDS_VELOCITIES | ML3_NEEDS_SUBTREES)) mj_comVel(m, d);
  }
  if (needs & ML3_NEEDS_SUBTREES) mj_subtreeVel(m, d);
  if (needs & ML3_NEEDS_BODY_FORCES) mj_rnePostConstraint(m, d);
}

static void make_steps(void *user) {
  const stepping *s = user;
  for (int i = 0; i < s->count && !(i && diverged(s->data)); i++) mj_step(s->model, s->data);
  ml3_simulation_compute(s->model, s->data, s->needs, false);
}

/* Where it has to be begun again; MuJoCo does so itself unless a model says autoreset="disable". */
static int end_step(ml3_simulation *s, bool done, const ml3_mjcf_said *said) {
  int code = done ? ml3_simulation_note(s, said) : ML3_ERR_NUMERIC;
  if (!done) ml3_simulation_recover(s, said);
  if (code == ML3_ERR_NUMERIC) {
    begin_again(s);
    ml3_simulation_place(s);
  }
  return code;
}

int ml3_simulation_step(ml3_simulation *s, const double *control, int frame_skip) {
  const int after = s->lagged ? s->needs & ML3_NEEDS_BODY_FORCES : s->needs;
  stepping steps = {s->model, s->data, frame_skip, after};
  ml3_mjcf_said said;
  if (s->broken || s->no_model) {
    s->broken = false;
    ml3_simulation_place(s);
    return ML3_ERR_NUMERIC;
  }
  if (s->model->nu) memcpy(s->data->ctrl, control, (size_t)s->model->nu * sizeof *control);
  const bool done = ml3_mjcf_try(make_steps, &steps, &said);
  return done && !*said.warning && !warned(s->data) ? ML3_OK : end_step(s, done, &said);
}

/* ---- derivative ------------------------------------------------------------------------------------------- */

static const double DIFFERENCE_STEP = 1e-6;

bool ml3_simulation_can_linearize(const mjModel *model) {
  return model->opt.integrator != mjINT_RK4;
}

bool ml3_simulation_has_delays(const mjModel *model) {
#if mjVERSION_HEADER >= 4000000
  return model->nhistory > 0;
#else
  (void)model;
  return false;
#endif
}

/* All that a linearisation works with: n = 2 nv + na, and N = nq + nv + na where that is more. */
typedef struct workspace {
  double *full, *a, *b;          /* [full_dim], [n][n], [n][nu]: of the steps so far */
  double *a_step, *b_step, *old; /* [n][n], [n][nu] of one step, [n][max(n, nu)] */
  double *from, *to, *rows;      /* [nq] positions before and after the steps, [N][max(n, nu)]; where N > n */
} workspace;

static bool open_workspace(ml3_simulation *s, workspace *w) {
  const size_t n = (size_t)(2 * s->model->nv + s->model->na), nu = (size_t)s->model->nu;
  const size_t full = (size_t)ml3_simulation_full_dim(s), old = n * (n > nu ? n : nu);
  const size_t nq = (size_t)s->model->nq, apart = nq - (size_t)s->model->nv;
  const size_t size = full + 2 * n * n + 2 * n * nu + old + (apart ? 2 * nq + old + apart * (n > nu ? n : nu) : 0);
  if (s->work_size < size) {
    free(s->work);
    s->work = malloc(size * sizeof *s->work);
    s->work_size = s->work ? size : 0;
    if (!s->work) return false;
  }
  w->full = s->work;
  w->a = w->full + full;
  w->b = w->a + n * n;
  w->a_step = w->b + n * nu;
  w->b_step = w->a_step + n * n;
  w->old = w->b_step + n * nu;
  w->from = w->old + old;
  w->to = w->from + nq;
  w->rows = w->to + nq;
  return true;
}

static bool beyond(const mjModel *m, const double *control, int i) {
  return m->actuator_ctrllimited[i] &&
         (control[i] < m->actuator_ctrlrange[2 * i] || control[i] > m->actuator_ctrlrange[2 * i + 1]);
}

/* The chain rule over substeps: a <- a_step a, b <- a_step b + b_step. */
static void chain(int n, int nu, const workspace *w) {
  mju_copy(w->old, w->a, n * n);
  mju_mulMatMat(w->a, w->a_step, w->old, n, n, n);
  mju_copy(w->old, w->b, n * nu);
  mju_mulMatMat(w->b, w->a_step, w->old, n, n, nu);
  mju_addTo(w->b, w->b_step, n * nu);
}

typedef struct differentiating {
  ml3_simulation *s;
  const ml3_simulation_action *action;
  const workspace *w;
} differentiating;

static void differentiate(void *user) {
  const differentiating *d = user;
  const mjModel *m = d->s->model;
  const workspace *w = d->w;
  const int n = 2 * m->nv + m->na, nu = m->nu, ends = m->nq > m->nv;
  if (ends) mju_copy(w->from, d->s->data->qpos, m->nq);
  for (int k = 0; k < d->action->frame_skip; k++) {
    const bool first = k == 0;
    mjd_transitionFD(m, d->s->data, DIFFERENCE_STEP, 1, first ? w->a : w->a_step, first ? w->b : w->b_step, NULL, NULL);
    if (!first) chain(n, nu, w);
    if (k + 1 < d->action->frame_skip + ends) mj_step(m, d->s->data);
  }
  if (ends) mju_copy(w->to, d->s->data->qpos, m->nq);
}

/* Of the columns of x[rows][nu] those that are asked for. */
static void select_columns(const mjModel *m, const ml3_simulation_action *action, const double *x, double *b) {
  const int rows = m->nq + m->nv + m->na, nu = m->nu, count = action->columns ? action->column_count : nu;
  for (int k = 0; k < count; k++) {
    const int i = action->columns ? action->columns[k] : k;
    const bool zero = beyond(m, action->control, i);
    for (int row = 0; row < rows; row++) b[(size_t)row * (size_t)count + (size_t)k] = zero ? 0 : x[row * nu + i];
  }
}

static void fill(double *x, size_t count, double value) {
  for (size_t i = 0; i < count; i++) x[i] = value;
}

static bool linearize(ml3_simulation *s, const ml3_simulation_action *action, const workspace *w) {
  const differentiating d = {s, action, w};
  ml3_mjcf_said said;
  ml3_simulation_get_full(s, w->full);
  if (s->model->nu) memcpy(s->data->ctrl, action->control, (size_t)s->model->nu * sizeof *action->control);
  const bool done = ml3_mjcf_try(differentiate, (void *)&d, &said);
  int code = ML3_OK;
  if (!done)
    ml3_simulation_recover(s, &said);
  else if (*said.warning || warned(s->data))
    code = ml3_simulation_note(s, &said);
  ml3_simulation_set_full(s, w->full);
  return done && code >= 0;
}

void ml3_simulation_linearize(ml3_simulation *s, const ml3_simulation_action *action, double *a, double *b) {
  const mjModel *m = s->model;
  const size_t n = (size_t)(m->nq + m->nv + m->na);
  const size_t columns = (size_t)(action->columns ? action->column_count : m->nu);
  workspace w;
  const bool delays = ml3_simulation_has_delays(m), room = !delays && open_workspace(s, &w);
  if (!room)
    ml3_env_warn(s->env, ML3_WARN_ERROR, 1,
                 delays ? "delays are not in the state: a model with them has no derivative"
                        : "there is no memory for a linearisation of that size");
  if (room && linearize(s, action, &w)) {
    if (m->nq > m->nv) {
      ml3_tangent_to_numbers(m, w.to, 2 * m->nv + m->na, w.a, w.rows);
      ml3_tangent_by_numbers(m, w.from, (int)n, w.rows, a);
      ml3_tangent_to_numbers(m, w.to, m->nu, w.b, w.rows);
    } else {
      memcpy(a, w.a, n * n * sizeof *a);
    }
    select_columns(m, action, m->nq > m->nv ? w.rows : w.b, b);
    return;
  }
  fill(a, n * n, NAN);
  fill(b, n * columns, NAN);
}
