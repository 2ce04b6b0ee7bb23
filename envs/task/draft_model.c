/* What a first task needs to know of a model: see draft.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"
#include "envs/mjcf_actuators_internal.h"
#include "envs/task/draft.h"

static const double CONTROL_S = 0.02; /* between actions: 50 a second */
static const double MOVING_S = 20, FIXED_S = 5;

double ml3_draft_round(double x) {
  if (!(fabs(x) > 0) || !isfinite(x)) return x;
  const double power = pow(10, floor(log10(fabs(x))));
  return round(x / power) * power;
}

static const char *name_of(const mjModel *m, int type, int id) {
  const char *name = id >= 0 ? mj_id2name(m, type, id) : NULL;
  return name ? name : "";
}

/* ---- what is driven ------------------------------------------------------------------------------------------------- */

static int body_of_wrap(const mjModel *m, int tendon) {
  const int i = m->tendon_adr[tendon], id = m->wrap_objid[i];
  return m->wrap_type[i] == mjWRAP_JOINT ? m->jnt_bodyid[id] : m->wrap_type[i] == mjWRAP_SITE ? m->site_bodyid[id] : -1;
}

/* A body that the actuator acts on; -1: not known. */
static int driven_body(const mjModel *m, int actuator) {
  const int id = m->actuator_trnid[2 * actuator];
  switch (m->actuator_trntype[actuator]) {
    case mjTRN_JOINT:
    case mjTRN_JOINTINPARENT:
      return m->jnt_bodyid[id];
    case mjTRN_TENDON:
      return body_of_wrap(m, id);
    case mjTRN_SITE:
      return m->site_bodyid[id];
    case mjTRN_BODY:
      return id;
    default:
      return -1;
  }
}

/* The free joint of a tree that actuators drive, rather than that of an object. */
static int find_root(const mjModel *m) {
  for (int a = 0; a < ml3_actuators(m); a++) {
    const int body = driven_body(m, a);
    for (int j = 0; body > 0 && j < m->njnt; j++)
      if (m->jnt_type[j] == mjJNT_FREE && m->body_rootid[m->jnt_bodyid[j]] == m->body_rootid[body]) return j;
  }
  return -1;
}

static bool is_slide(const mjModel *m, int joint) {
  return m->jnt_type[joint] == mjJNT_SLIDE && !m->jnt_limited[joint] && m->jnt_axis[3 * joint] > 0.99;
}

/* ---- controls ------------------------------------------------------------------------------------------------------- */

/* The force is gain (control - length): a position servo. */
static bool is_servo(const mjModel *m, int actuator) {
  return m->actuator_biastype[actuator] == mjBIAS_AFFINE && m->actuator_biasprm[mjNBIAS * actuator + 1] < 0;
}

/* Bounds where the model gives none: the range of a servo's joint, forces as far as they are limited, or +-1. */
static void guess_bounds(const ml3_draft *t, int actuator, double *low, double *high) {
  const mjModel *m = t->model;
  const int id = m->actuator_trnid[2 * actuator];
  const bool joint = m->actuator_trntype[actuator] == mjTRN_JOINT;
  const double gain = m->actuator_gainprm[mjNGAIN * actuator];
  *low = -1, *high = 1;
  if (is_servo(m, actuator)) {
    if (joint && m->jnt_limited[id])
      *low = m->jnt_range[2 * id], *high = m->jnt_range[2 * id + 1];
    else if (joint && m->jnt_type[id] == mjJNT_HINGE)
      *low = -3, *high = 3;
  } else if (m->actuator_forcelimited[actuator] && gain > 0 && m->actuator_gaintype[actuator] == mjGAIN_FIXED) {
    *low = m->actuator_forcerange[2 * actuator] / gain, *high = m->actuator_forcerange[2 * actuator + 1] / gain;
  }
}

/* What a control is while the model rests: the keyframe's, or a servo's present length. */
static double rest_of(const ml3_draft *t, int actuator, int control) {
  const mjModel *m = t->model;
  const bool servo = m->nkey == 0 && is_servo(m, actuator) && m->actuator_gaintype[actuator] == mjGAIN_FIXED;
  const double x = servo ? t->data->actuator_length[ml3_force_output(m, actuator)] : t->data->ctrl[control];
  return fmin(fmax(x, t->low[control]), t->high[control]);
}

static void find_controls(ml3_draft *t) {
  const mjModel *m = t->model;
  int first;
  for (int a = 0; a < ml3_actuators(m); a++)
    for (int k = 0, count = ml3_controls(m, a, &first); k < count; k++) {
      const int c = first + k;
      t->low[c] = m->actuator_ctrlrange[2 * c], t->high[c] = m->actuator_ctrlrange[2 * c + 1];
      if (!m->actuator_ctrllimited[c]) t->unbounded = true, guess_bounds(t, a, &t->low[c], &t->high[c]);
      t->rest[c] = rest_of(t, a, c);
    }
}

/* ---- places --------------------------------------------------------------------------------------------------------- */

/* The highest plane of the world below the trunk; 0 where there is none. */
static double find_floor(const ml3_draft *t) {
  const mjModel *m = t->model;
  double floor = -INFINITY;
  for (int g = 0; g < m->ngeom; g++) {
    const double z = t->data->geom_xpos[3 * g + 2];
    if (m->geom_type[g] == mjGEOM_PLANE && m->geom_bodyid[g] == 0 && z <= t->data->xpos[3 * t->trunk + 2])
      floor = fmax(floor, z);
  }
  return isfinite(floor) ? floor : 0;
}

static int depth_of(const mjModel *m, int body) {
  int depth = 0;
  for (; body > 0; body = m->body_parentid[body]) depth++;
  return depth;
}

static bool has_part(const char *name, const char *const *parts) {
  for (; *parts; parts++)
    if (strstr(name, *parts)) return true;
  return false;
}

/* The site deepest in the tree, of those that are called so the last one. */
static void find_sites(ml3_draft *t) {
  static const char *const tips[] = {"tip", "grip", "attachment", "pinch", "tool", "tcp", "effector", "grasp", NULL};
  static const char *const goals[] = {"target", "goal", NULL};
  const mjModel *m = t->model;
  int best_tip = -1, best_target = -1;
  for (int s = 0; s < m->nsite; s++) {
    const char *name = name_of(m, mjOBJ_SITE, s);
    const int body = m->site_bodyid[s];
    const bool moves = m->body_weldid[body] != 0 && m->body_mocapid[body] < 0, goal = has_part(name, goals);
    const int tip = depth_of(m, body) + 1000 * has_part(name, tips), target = goal ? 2 : moves ? -1 : 1;
    if (!*name) continue;
    if (moves && !goal && tip >= best_tip) best_tip = tip, t->tip = s;
    if (target > best_target) best_target = target, t->target = s;
  }
  if (t->tip < 0) return;
  const double *at = t->data->site_xpos + 3 * t->tip;
  const int base = m->body_rootid[m->site_bodyid[t->tip]];
  const double reach = mju_dist3(at, t->data->xpos + 3 * base), step = ml3_draft_round(fmin(0.1, 0.2 * reach));
  for (int k = 0; k < 3; k++) t->place[k] = round((at[k] + (k > 0 ? step : 0)) * 1000) / 1000;
}

/* A fiftieth of the smallest range of a joint, at most 0.05 m or rad. */
static double find_noise(const mjModel *m) {
  double noise = 0.05;
  for (int j = 0; j < m->njnt; j++)
    if (m->jnt_limited[j]) noise = fmin(noise, (m->jnt_range[2 * j + 1] - m->jnt_range[2 * j]) / 50);
  return noise > 0 ? ml3_draft_round(noise) : 0.001;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static void place_bodies(void *user) {
  const ml3_draft *t = user;
  if (t->model->nkey > 0) mj_resetDataKeyframe(t->model, t->data, 0);
  mj_forward(t->model, t->data);
}

static void look(ml3_draft *t) {
  const mjModel *m = t->model;
  const int skip = (int)round(CONTROL_S / m->opt.timestep);
  t->frame_skip = skip < 1 ? 1 : skip > 10000 ? 10000 : skip;
  find_controls(t);
  t->root = find_root(m);
  t->trunk = t->root >= 0 ? m->jnt_bodyid[t->root] : -1;
  if (t->root < 0 && is_slide(m, 0)) t->slide = 0;
  if (t->root >= 0) {
    t->floor = find_floor(t);
    t->height = t->data->xpos[3 * t->trunk + 2] - t->floor;
    t->upright = t->data->xmat[9 * t->trunk + 8] > 0.8;
  } else if (t->slide < 0) {
    find_sites(t);
  }
  t->noise = find_noise(m);
  const double steps = (t->root < 0 && t->slide < 0 ? FIXED_S : MOVING_S) / (m->opt.timestep * t->frame_skip);
  t->horizon = steps < 10 ? 10 : steps > 1000 ? 1000 : (int)round(steps);
}

int ml3_draft_open(ml3_draft *t, const char *xml_path, ml3_error *error) {
  *t = (ml3_draft){.root = -1, .trunk = -1, .slide = -1, .tip = -1, .target = -1};
  t->model = ml3_mjcf_load(xml_path, error);
  if (!t->model) return ml3_error_prefix(error, "%.200s", xml_path);
  const mjModel *m = t->model;
  if (m->njnt < 1)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%.200s: the model has no joints: nothing can move", xml_path);
  int joint = 0; /* for the hint: one that a motor can drive */
  while (joint + 1 < m->njnt && m->jnt_type[joint] != mjJNT_HINGE && m->jnt_type[joint] != mjJNT_SLIDE) joint++;
  if (m->nu + m->nmocap < 1)
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "%.200s: the model has no actuators to act with; give it some, such as <actuator><motor "
                         "joint=\"%.60s\" ctrllimited=\"true\" ctrlrange=\"-1 1\"/></actuator>",
                         xml_path, *name_of(m, mjOBJ_JOINT, joint) ? name_of(m, mjOBJ_JOINT, joint) : "NAME");
  t->low = calloc(3 * (size_t)m->nu + 1, sizeof *t->low);
  if (!t->low) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a first task");
  t->high = t->low + m->nu, t->rest = t->high + m->nu;
  t->data = ml3_mjcf_data(m, error);
  const int code = t->data ? ml3_mjcf_guard(place_bodies, t, "compute where the bodies are", error) : error->code;
  if (code == ML3_OK) look(t);
  return code;
}

void ml3_draft_close(ml3_draft *t) {
  free(t->low);
  if (t->data) mj_deleteData(t->data);
  if (t->model) mj_deleteModel(t->model);
}
