/* A model, shared or own, and data: see simulation.h. */
#include "envs/simulation.h"

#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"

int ml3_simulation_open(ml3_simulation *s, const char *xml, ml3_error *error) {
  *s = (ml3_simulation){.shared = ml3_mjcf_share(xml, error)};
  s->model = s->shared;
  if (s->shared) s->data = ml3_mjcf_data(s->shared, error);
  if (s->data) return ML3_OK;
  ml3_simulation_close(s);
  return error ? error->code : ML3_ERR_FORMAT;
}

int ml3_simulation_open_model(ml3_simulation *s, const mjModel *model, ml3_error *error) {
  *s = (ml3_simulation){.shared = model, .model = model, .kept = true, .data = ml3_mjcf_data(model, error)};
  return s->data ? ML3_OK : ML3_ERR_MEMORY;
}

void ml3_simulation_close(ml3_simulation *s) {
  if (s->data && !s->borrowed) mj_deleteData(s->data);
  if (s->own) mj_deleteModel(s->own);
  if (s->shared && !s->kept) ml3_mjcf_release(s->shared);
  *s = (ml3_simulation){0};
}

/* ---- the model of a task ------------------------------------------------------------------------------- */

mjModel *ml3_simulation_edit(ml3_simulation *s) {
  s->own = mj_copyModel(s->own, s->shared);
  return s->own;
}

/* The extent and centre of the scene are for pictures, and may have been given in the MJCF. */
void ml3_simulation_edited(ml3_simulation *s) {
  mjStatistic before = s->own->stat;
  mj_setConst(s->own, s->data);
  s->own->stat.extent = before.extent;
  mju_copy3(s->own->stat.center, before.center);
  s->model = s->own;
}

void ml3_simulation_unedited(ml3_simulation *s) {
  s->model = s->shared;
}

/* ---- state ----------------------------------------------------------------------------------------------- */

/* mj_kinematics normalises quaternions on the way, to the last bit another number: the state stays as it was given. */
static void place_bodies(ml3_simulation *s) {
  double qpos[s->model->nq];
  memcpy(qpos, s->data->qpos, sizeof qpos);
  mj_kinematics(s->model, s->data);
  memcpy(s->data->qpos, qpos, sizeof qpos);
}

void ml3_simulation_set_state(ml3_simulation *s, const double *state) {
  const mjModel *m = s->model;
  mjData *d = s->data;
  memcpy(d->qpos, state, (size_t)m->nq * sizeof *state);
  memcpy(d->qvel, state + m->nq, (size_t)m->nv * sizeof *state);
  if (m->na) memcpy(d->act, state + m->nq + m->nv, (size_t)m->na * sizeof *state);
  mju_zero(d->qacc_warmstart, m->nv);
  d->time = 0;
  place_bodies(s);
}

void ml3_simulation_reset(ml3_simulation *s, const double *state) {
  mju_zero(s->data->qfrc_applied, s->model->nv);
  ml3_simulation_set_state(s, state);
}

void ml3_simulation_get_state(const ml3_simulation *s, double *state) {
  const mjModel *m = s->model;
  memcpy(state, s->data->qpos, (size_t)m->nq * sizeof *state);
  memcpy(state + m->nq, s->data->qvel, (size_t)m->nv * sizeof *state);
  if (m->na) memcpy(state + m->nq + m->nv, s->data->act, (size_t)m->na * sizeof *state);
}

#if mjVERSION_HEADER >= 300
int ml3_simulation_full_dim(const ml3_simulation *s) {
  return (int)mj_stateSize(s->model, mjSTATE_INTEGRATION);
}

void ml3_simulation_get_full(const ml3_simulation *s, double *full) {
  mj_getState(s->model, s->data, full, mjSTATE_INTEGRATION);
}

void ml3_simulation_load(ml3_simulation *s, const double *full) {
  mj_setState(s->model, s->data, full, mjSTATE_INTEGRATION);
}
#else
int ml3_simulation_full_dim(const ml3_simulation *s) {
  const mjModel *m = s->model;
  return 1 + m->nq + 3 * m->nv + m->na + 7 * m->nmocap;
}

/* One after another: the parts of the state, each copied in or out. */
static void copy_full(const mjModel *m, mjData *d, double *full, bool out) {
  struct {
    double *part;
    int size;
  } parts[] = {{&d->time, 1},
               {d->qpos, m->nq},
               {d->qvel, m->nv},
               {d->qacc_warmstart, m->nv},
               {d->qfrc_applied, m->nv},
               {d->act, m->na},
               {d->mocap_pos, 3 * m->nmocap},
               {d->mocap_quat, 4 * m->nmocap}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (parts[i].size)
      memcpy(out ? full : parts[i].part, out ? parts[i].part : full, (size_t)parts[i].size * sizeof *full);
    full += parts[i].size;
  }
}

void ml3_simulation_get_full(const ml3_simulation *s, double *full) {
  copy_full(s->model, s->data, full, true);
}

void ml3_simulation_load(ml3_simulation *s, const double *full) {
  copy_full(s->model, s->data, (double *)full, false);
}
#endif

void ml3_simulation_set_full(ml3_simulation *s, const double *full) {
  ml3_simulation_load(s, full);
  place_bodies(s);
}

int ml3_simulation_borrow(ml3_simulation *s, const ml3_simulation *host, ml3_error *error) {
  if (!host) {
    mjData *own = s->borrowed ? ml3_mjcf_data(s->shared, error) : s->data;
    if (!own) return ML3_ERR_MEMORY;
    s->data = own;
    s->borrowed = false;
    return ML3_OK;
  }
  if (!s->borrowed) mj_deleteData(s->data);
  s->data = host->data;
  s->borrowed = true;
  return ML3_OK;
}

/* ---- stepping --------------------------------------------------------------------------------------------- */

/* How often MuJoCo found a number it cannot go on with; it then resets the data, these counters too. */
static bool diverged(const mjData *d) {
  return d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number || d->warning[mjWARN_BADQACC].number;
}

static void forget_divergence(mjData *d) {
  d->warning[mjWARN_BADQPOS].number = d->warning[mjWARN_BADQVEL].number = d->warning[mjWARN_BADQACC].number = 0;
}

bool ml3_simulation_step(ml3_simulation *s, const double *control, int frame_skip) {
  if (s->model->nu) memcpy(s->data->ctrl, control, (size_t)s->model->nu * sizeof *control);
  if (!ml3_mjcf_step(s->model, s->data, frame_skip)) {
    mj_resetData(s->model, s->data);
    return false;
  }
  if (!diverged(s->data)) return true;
  forget_divergence(s->data);
  return false;
}

/* ---- derivative ------------------------------------------------------------------------------------------- */

static const double DIFFERENCE_STEP = 1e-6;

bool ml3_simulation_can_linearize(const mjModel *model) {
  return model->nq == model->nv && model->opt.integrator != mjINT_RK4;
}

static bool beyond(const mjModel *m, const double *control, int i) {
  return m->actuator_ctrllimited[i] &&
         (control[i] < m->actuator_ctrlrange[2 * i] || control[i] > m->actuator_ctrlrange[2 * i + 1]);
}

/* The chain rule over substeps: a <- a_step a, b <- a_step b + b_step. */
static void chain(int n, int nu, const double *a_step, const double *b_step, double *a, double *b) {
  double a_old[n * n], b_old[n * nu];
  memcpy(a_old, a, sizeof a_old);
  memcpy(b_old, b, sizeof b_old);
  mju_mulMatMat(a, a_step, a_old, n, n, n);
  mju_mulMatMat(b, a_step, b_old, n, n, nu);
  mju_addTo(b, b_step, n * nu);
}

void ml3_simulation_linearize(ml3_simulation *s, const double *control, int frame_skip, double *a, double *b) {
  const mjModel *m = s->model;
  int n = 2 * m->nv + m->na, nu = m->nu;
  double full[ml3_simulation_full_dim(s)], a_step[n * n], b_step[n * nu];
  ml3_simulation_get_full(s, full);

  mju_zero(a, n * n);
  for (int i = 0; i < n; i++) a[i * n + i] = 1;
  mju_zero(b, n * nu);
  for (int i = 0; i < nu; i++) s->data->ctrl[i] = control[i];
  for (int k = 0; k < frame_skip; k++) {
    mjd_transitionFD(m, s->data, DIFFERENCE_STEP, 1, a_step, b_step, NULL, NULL);
    chain(n, nu, a_step, b_step, a, b);
    mj_step(m, s->data);
  }
  for (int i = 0; i < nu; i++)
    for (int row = 0; beyond(m, control, i) && row < n; row++) b[row * nu + i] = 0;
  ml3_simulation_set_full(s, full);
}

/* ---- of environments that are a simulation and nothing else -------------------------------------------------------- */

void ml3_simulation_env_destroy(ml3_env *env) {
  ml3_simulation_close(env->data);
  free(env->data);
}

void ml3_simulation_env_get_state(const ml3_env *env, double *state) {
  ml3_simulation_get_state(env->data, state);
}

void ml3_simulation_env_set_state(ml3_env *env, const double *state) {
  ml3_simulation_set_state(env->data, state);
}

int ml3_simulation_env_full_dim(const ml3_env *env) {
  return ml3_simulation_full_dim(env->data);
}

void ml3_simulation_env_get_full(const ml3_env *env, double *full) {
  ml3_simulation_get_full(env->data, full);
}

void ml3_simulation_env_set_full(ml3_env *env, const double *full) {
  ml3_simulation_set_full(env->data, full);
}

void ml3_simulation_env_load(ml3_env *env, const double *full) {
  ml3_simulation_load(env->data, full);
}

int ml3_simulation_env_borrow(ml3_env *env, const ml3_env *host, ml3_error *error) {
  return ml3_simulation_borrow(env->data, host ? host->data : NULL, error);
}
