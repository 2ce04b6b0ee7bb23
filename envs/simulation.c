/* A model, shared or own, and data: see simulation.h. */
#include "envs/simulation.h"

#include <stdlib.h>
#include <string.h>

/* ---- calls of MuJoCo --------------------------------------------------------------------------------------- */

static void call_reset_keyframe(void *user) {
  const ml3_simulation *s = user;
  mj_resetDataKeyframe(s->model, s->data, s->key);
}

static void call_copy_model(void *user) {
  ml3_simulation *s = user;
  s->own = mj_copyModel(s->own, s->shared);
}

static void call_set_const(void *user) {
  const ml3_simulation *s = user;
  mj_setConst(s->own, s->data);
}

/* Lagged forces on bodies are those of a step, and 0 before the first one. */
static void call_compute(void *user) {
  const ml3_simulation *s = user;
  int needs = s->needs | ML3_NEEDS_PLACES;
  if (s->lagged && (needs & ML3_NEEDS_BODY_FORCES)) {
    needs &= ~ML3_NEEDS_BODY_FORCES;
    mju_zero(s->data->cfrc_ext, 6 * s->model->nbody);
    mju_zero(s->data->cfrc_int, 6 * s->model->nbody);
  }
  ml3_simulation_compute(s->model, s->data, needs, true);
}

/* False, and counted, when MuJoCo gave up in it. */
static bool call(ml3_simulation *s, void (*what)(void *user)) {
  ml3_mjcf_said said;
  if (ml3_mjcf_try(what, s, &said)) return true;
  ml3_simulation_recover(s, &said);
  return false;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static int open_first(ml3_simulation *s, ml3_error *error) {
  s->first = malloc((size_t)ml3_simulation_full_dim(s) * sizeof *s->first);
  if (!s->first) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the state of a simulation");
  if (s->key >= 0 && s->key < s->model->nkey) {
    int code = ml3_mjcf_guard(call_reset_keyframe, s, "take the first keyframe", error);
    if (code != ML3_OK) return code;
  }
  ml3_simulation_get_full(s, s->first);
  return ML3_OK;
}

int ml3_simulation_open_model(ml3_simulation *s, ml3_env *env, const mjModel *model, int key,
                              ml3_error *error) {
  ml3_error own = {0}, *e = error ? error : &own;
  *s = (ml3_simulation){.env = env, .shared = model, .model = model, .key = key};
  s->data = ml3_mjcf_data(model, e);
  if (s->data && open_first(s, e) == ML3_OK) return ML3_OK;
  ml3_simulation_close(s);
  return e->code;
}

void ml3_simulation_close(ml3_simulation *s) {
  if (s->data && !s->borrowed) mj_deleteData(s->data);
  if (s->own) mj_deleteModel(s->own);
  free(s->first);
  free(s->work);
  *s = (ml3_simulation){0};
}

/* ---- the model of a task ------------------------------------------------------------------------------- */

mjModel *ml3_simulation_edit(ml3_simulation *s) {
  s->no_model = !call(s, call_copy_model) || !s->own;
  return s->no_model ? NULL : s->own;
}

/* The extent and centre of the scene are for pictures, and may have been given in the MJCF. */
void ml3_simulation_edited(ml3_simulation *s) {
  mjStatistic before = s->own->stat;
  s->no_model = !call(s, call_set_const);
  s->own->stat.extent = before.extent;
  mju_copy3(s->own->stat.center, before.center);
  s->model = s->own;
}

void ml3_simulation_unedited(ml3_simulation *s) {
  s->no_model = false;
  s->model = s->shared;
}

/* ---- state ----------------------------------------------------------------------------------------------- */

/* mj_kinematics normalises quaternions on the way, to the last bit another number, and mj_forward of MuJoCo 2.2 keeps a warm
   start: the state stays as it was given. */
void ml3_simulation_place(ml3_simulation *s) {
  double qpos[s->model->nq], warm[s->model->nv];
  memcpy(qpos, s->data->qpos, sizeof qpos);
  memcpy(warm, s->data->qacc_warmstart, sizeof warm);
  if (call(s, call_compute)) {
    memcpy(s->data->qpos, qpos, sizeof qpos);
    memcpy(s->data->qacc_warmstart, warm, sizeof warm);
  } else {
    s->broken = true;
  }
}

/* As new data is, but for the force of a hand. */
static void begin(ml3_simulation *s) {
  double force[s->model->nv];
  s->broken = false;
  memcpy(force, s->data->qfrc_applied, sizeof force);
  ml3_simulation_load(s, s->first);
  memcpy(s->data->qfrc_applied, force, sizeof force);
}

void ml3_simulation_put_state(ml3_simulation *s, const double *state) {
  const mjModel *m = s->model;
  mjData *d = s->data;
  begin(s);
  memcpy(d->qpos, state, (size_t)m->nq * sizeof *state);
  memcpy(d->qvel, state + m->nq, (size_t)m->nv * sizeof *state);
  if (m->na) memcpy(d->act, state + m->nq + m->nv, (size_t)m->na * sizeof *state);
}

void ml3_simulation_set_state(ml3_simulation *s, const double *state) {
  ml3_simulation_put_state(s, state);
  ml3_simulation_place(s);
}

void ml3_simulation_reset(ml3_simulation *s, const double *state, const double *mocap) {
  const mjModel *m = s->model;
  mju_zero(s->data->qfrc_applied, m->nv);
  ml3_simulation_put_state(s, state);
  if (mocap) {
    memcpy(s->data->mocap_pos, mocap, (size_t)(3 * m->nmocap) * sizeof *mocap);
    memcpy(s->data->mocap_quat, mocap + 3 * m->nmocap, (size_t)(4 * m->nmocap) * sizeof *mocap);
  }
  ml3_simulation_place(s);
}

void ml3_simulation_get_state(const ml3_simulation *s, double *state) {
  const mjModel *m = s->model;
  memcpy(state, s->data->qpos, (size_t)m->nq * sizeof *state);
  memcpy(state + m->nq, s->data->qvel, (size_t)m->nv * sizeof *state);
  if (m->na) memcpy(state + m->nq + m->nv, s->data->act, (size_t)m->na * sizeof *state);
}

void ml3_simulation_first_state(ml3_simulation *s, double *state) {
  begin(s);
  ml3_simulation_get_state(s, state);
}

void ml3_simulation_set_full(ml3_simulation *s, const double *full) {
  s->broken = false;
  ml3_simulation_load(s, full);
  ml3_simulation_place(s);
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
