/* The full state of a simulation. Newer releases of MuJoCo say themselves what belongs to it; for 2.2 it is listed here. */
#include <string.h>

#include "envs/simulation.h"

#if mjVERSION_HEADER >= 300

/* MuJoCo 4 keeps some bookkeeping across steps that it does not count as state: which trees sleep, with the lists that
   follow from it, and how flexes touch with flag ipc. Only models with those flags have it. */
#if mjVERSION_HEADER >= 4000000
static bool keeps_more(const mjModel *m) {
  return (m->opt.enableflags & (mjENBL_SLEEP | mjENBL_IPC)) != 0;
}

enum { SIZES = 4, LISTS = 7 };

/* The bookkeeping as whole numbers: *sizes[SIZES], lists[i][counts[i]]. */
static void list_more(const mjModel *m, mjData *d, int **sizes, int **lists, size_t *counts) {
  int *const s[SIZES] = {&d->ntree_awake, &d->nbody_awake, &d->nparent_awake, &d->nv_awake};
  int *const l[LISTS] = {d->tree_asleep,      d->tree_awake,    d->body_awake,     d->body_awake_ind,
                         d->parent_awake_ind, d->dof_awake_ind, d->flexvert_conage};
  const size_t c[LISTS] = {(size_t)m->ntree, (size_t)m->ntree, (size_t)m->nbody,    (size_t)m->nbody,
                           (size_t)m->nbody, (size_t)m->nv,    (size_t)m->nflexvert};
  memcpy(sizes, s, sizeof s);
  memcpy(lists, l, sizeof l);
  memcpy(counts, c, sizeof c);
}

static int more_dim(const mjModel *m) {
  return keeps_more(m) ? (int)(SIZES + 2 * m->ntree + 3 * m->nbody + m->nv + 2 * m->nflexvert) : 0;
}

static void copy_more(const mjModel *m, mjData *d, double *more, bool out) {
  int *sizes[SIZES], *lists[LISTS];
  size_t counts[LISTS];
  if (!keeps_more(m)) return;
  list_more(m, d, sizes, lists, counts);
  for (int i = 0; i < SIZES; i++, more++) out ? (*more = *sizes[i]) : (*sizes[i] = (int)*more);
  for (int i = 0; i < LISTS; i++)
    for (size_t k = 0; k < counts[i]; k++, more++) out ? (*more = lists[i][k]) : (lists[i][k] = (int)*more);
  for (int i = 0; i < m->nflexvert; i++, more++)
    out ? (*more = d->flexvert_lambda[i]) : (d->flexvert_lambda[i] = *more);
}

static void get_more(const mjModel *m, mjData *d, double *more) {
  copy_more(m, d, more, true);
}

static void set_more(const mjModel *m, mjData *d, const double *more) {
  copy_more(m, d, (double *)more, false);
}
#else
static bool keeps_more(const mjModel *m) {
  (void)m;
  return false;
}
static int more_dim(const mjModel *m) {
  (void)m;
  return 0;
}
static void get_more(const mjModel *m, mjData *d, double *more) {
  (void)m, (void)d, (void)more;
}
static void set_more(const mjModel *m, mjData *d, const double *more) {
  (void)m, (void)d, (void)more;
}
#endif

#endif /* mjVERSION_HEADER >= 300 */

/* ---- what most models keep ------------------------------------------------------------------------------------------- */

/* Is that all a model has? MuJoCo's own functions, which know more, take three times as long; a batch calls them twice a step. */
#if mjVERSION_HEADER >= 300
static bool is_plain(const mjModel *m) {
#if mjVERSION_HEADER >= 4000000
  if (m->nhistory > 0) return false;
#endif
  return m->neq == 0 && m->nuserdata == 0 && m->nplugin == 0 && !keeps_more(m);
}
#endif

static int plain_dim(const mjModel *m) {
  return 1 + m->nq + 3 * m->nv + m->na + m->nu + 7 * m->nmocap;
}

/* One after another: the parts of the state, each copied in or out. (Forces on bodies nobody applies.) */
static void copy_plain(const mjModel *m, mjData *d, double *full, bool out) {
  const struct {
    double *part;
    int size;
  } parts[] = {{&d->time, 1},
               {d->qpos, m->nq},
               {d->qvel, m->nv},
               {d->qacc_warmstart, m->nv},
               {d->qfrc_applied, m->nv},
               {d->act, m->na},
               {d->ctrl, m->nu}, /* forces of actuators follow from it when an episode begins */
               {d->mocap_pos, 3 * m->nmocap},
               {d->mocap_quat, 4 * m->nmocap}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (parts[i].size)
      memcpy(out ? full : parts[i].part, out ? parts[i].part : full, (size_t)parts[i].size * sizeof *full);
    full += parts[i].size;
  }
}

/* ---- all ------------------------------------------------------------------------------------------------------------- */

#if mjVERSION_HEADER >= 300

typedef struct copying {
  const mjModel *model;
  mjData *data;
  double *full;
  const double *from;
  int signature;
} copying;

int ml3_simulation_full_dim(const ml3_simulation *s) {
  return is_plain(s->model) ? plain_dim(s->model)
                            : (int)mj_stateSize(s->model, mjSTATE_INTEGRATION) + more_dim(s->model);
}

static void get(void *user) {
  const copying *c = user;
  mj_getState(c->model, c->data, c->full, c->signature);
}

static void set(void *user) {
  const copying *c = user;
  mj_setState(c->model, c->data, c->from, c->signature);
}

/* Bodies that sleep are not moved any more: they are placed while they are awake. */
static void set_awake(void *user) {
  const copying *c = user;
  mj_resetData(c->model, c->data);
  set(user);
  mj_kinematics(c->model, c->data);
  set(user);
}

void ml3_simulation_get_full(const ml3_simulation *s, double *full) {
  ml3_mjcf_said said;
  copying c = {.model = s->model, .data = s->data, .full = full, .signature = mjSTATE_INTEGRATION};
  if (is_plain(s->model))
    copy_plain(s->model, s->data, full, true);
  else if (ml3_mjcf_try(get, &c, &said))
    get_more(s->model, s->data, full + mj_stateSize(s->model, mjSTATE_INTEGRATION));
}

bool ml3_simulation_put(ml3_simulation *s, const double *full, ml3_mjcf_said *said) {
  copying c = {.model = s->model, .data = s->data, .from = full, .signature = mjSTATE_INTEGRATION};
  if (is_plain(s->model)) {
    copy_plain(s->model, s->data, (double *)full, false);
    return true;
  }
  if (!ml3_mjcf_try(keeps_more(s->model) ? set_awake : set, &c, said)) return false;
  set_more(s->model, s->data, full + mj_stateSize(s->model, mjSTATE_INTEGRATION));
  return true;
}

#else

int ml3_simulation_full_dim(const ml3_simulation *s) {
  return plain_dim(s->model);
}

void ml3_simulation_get_full(const ml3_simulation *s, double *full) {
  copy_plain(s->model, s->data, full, true);
}

bool ml3_simulation_put(ml3_simulation *s, const double *full, ml3_mjcf_said *said) {
  (void)said;
  copy_plain(s->model, s->data, (double *)full, false);
  return true;
}
#endif

void ml3_simulation_load(ml3_simulation *s, const double *full) {
  ml3_mjcf_said said;
  if (ml3_simulation_put(s, full, &said)) return;
  ml3_simulation_recover(s, &said);
  s->broken = true;
}
