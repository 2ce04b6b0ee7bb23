/* Numbers of the simulation that the YAML beside a model names: actuators, observations, limits. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/mjcf_env_internal.h"

/* ---- actuators ------------------------------------------------------------------------------------------------------------ */

/* An actuator of that name, or the one that drives the joint of that name. */
int ml3_mjcf_find_actuator(ml3_mjcf_reader *r, const yaml_node_t *at, const char *name) {
  const mjModel *m = r->model;
  int joint = name && *name ? mj_name2id(m, mjOBJ_JOINT, name) : -1;
  if (joint >= 0 && mj_name2id(m, mjOBJ_ACTUATOR, name) < 0) {
    for (int i = 0; i < ml3_actuators(m); i++)
      if (m->actuator_trntype[i] == mjTRN_JOINT && m->actuator_trnid[2 * i] == joint) return i;
    ml3_mjcf_wrong(r, at, "no actuator drives joint '%.60s'; add a motor for it to the MJCF", name);
    return -1;
  }
  return ml3_mjcf_find_object(r, at, mjOBJ_ACTUATOR, name);
}

/* Number k of `count` controls of an actuator. */
static int add_control(ml3_mjcf_reader *r, const yaml_node_t *at, const char *actuator, int control, int k, int count) {
  mjcf_env_file *f = r->f;
  const mjModel *m = r->model;
  char of[32] = "";
  if (f->spec.action_dim == MJCF_ACTIONS_MAX) return ml3_mjcf_wrong(r, at, "more than %d controls", MJCF_ACTIONS_MAX);
  if (count > 1) snprintf(of, sizeof of, "control %d of ", k);
  if (!m->actuator_ctrllimited[control])
    return ml3_mjcf_wrong(
        r, at, "%sactuator '%.60s' has no bounds; give it ctrllimited=\"true\" and a ctrlrange in the MJCF%s", of,
        actuator, count > 1 ? ", or leave the actuator out of `actuators:`" : "");
  for (int i = 0; i < f->spec.action_dim; i++)
    if (f->controls[i] == control) return ml3_mjcf_wrong(r, at, "actuator '%.60s' is given twice", actuator);
  const char *name = count > 1 ? ml3_mjcf_keep(r, "%s_%d", actuator, k) : ml3_mjcf_keep(r, "%s", actuator);
  f->action[f->spec.action_dim] =
      (ml3_env_field){name, "1", m->actuator_ctrlrange[2 * control], m->actuator_ctrlrange[2 * control + 1]};
  f->controls[f->spec.action_dim++] = control;
  return ML3_OK;
}

int ml3_mjcf_add_actuator(ml3_mjcf_reader *r, const yaml_node_t *at, int id) {
  int first, code = ML3_OK;
  const int count = ml3_controls(r->model, id, &first);
  const char *name = mj_id2name(r->model, mjOBJ_ACTUATOR, id);
  if (!name || !*name) name = ml3_mjcf_keep(r, "actuator_%d", id);
  if (count == 0) return ml3_mjcf_wrong(r, at, "actuator '%.60s' has no control: nothing can drive it", name);
  for (int k = 0; k < count && code == ML3_OK; k++) code = add_control(r, at, name, first + k, k, count);
  return code;
}

int ml3_mjcf_read_actuators(ml3_mjcf_reader *r, const yaml_node_t *n) {
  if (n->type != YAML_SEQUENCE_NODE)
    return ml3_mjcf_wrong(r, n, "actuators: expected a list such as [shoulder, elbow]");
  for (yaml_node_item_t *item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
    const yaml_node_t *one = ml3_mjcf_node(r, *item);
    int id = ml3_mjcf_find_actuator(r, one, ml3_mjcf_text_of(one));
    int code = id < 0 ? ML3_ERR_FORMAT : ml3_mjcf_add_actuator(r, one, id);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- observation ------------------------------------------------------------------------------------------------------------- */

static int add_entry(ml3_mjcf_reader *r, const yaml_node_t *at, mjcf_quantity quantity, int index,
                     ml3_env_field field) {
  mjcf_env_file *f = r->f;
  if (f->spec.obs_dim == MJCF_FIELDS_MAX)
    return ml3_mjcf_wrong(r, at, "observation: more than %d numbers", MJCF_FIELDS_MAX);
  f->entries[f->spec.obs_dim] = (mjcf_entry){quantity, index};
  f->obs[f->spec.obs_dim++] = field;
  return ML3_OK;
}

int ml3_mjcf_joint_width(const mjModel *m, int joint, bool velocity) {
  const int type = m->jnt_type[joint];
  return type == mjJNT_FREE ? (velocity ? 6 : 7) : type == mjJNT_BALL ? (velocity ? 3 : 4) : 1;
}

static const char *joint_name(ml3_mjcf_reader *r, int joint) {
  const char *name = mj_id2name(r->model, mjOBJ_JOINT, joint);
  return name && *name ? name : ml3_mjcf_keep(r, "joint_%d", joint);
}

/* Position (or velocity) number k of a joint, as a field. */
ml3_env_field ml3_mjcf_joint_field(ml3_mjcf_reader *r, int joint, int k, bool velocity) {
  const mjModel *m = r->model;
  const int type = m->jnt_type[joint];
  const bool scalar = type == mjJNT_HINGE || type == mjJNT_SLIDE, slides = type == mjJNT_SLIDE;
  const bool limited = scalar && !velocity && m->jnt_limited[joint];
  const bool in_m = slides || (type == mjJNT_FREE && k < 3); /* else a turn: an angle, or a quaternion */
  const char *name = joint_name(r, joint), *what = velocity ? "_velocity" : "";
  return (ml3_env_field){
      .name = scalar ? ml3_mjcf_keep(r, "%s%s", name, what) : ml3_mjcf_keep(r, "%s%s_%d", name, what, k),
      .unit = velocity ? (in_m ? "m/s" : "rad/s")
              : in_m   ? "m"
              : scalar ? "rad"
                       : "1",
      .low = limited ? m->jnt_range[2 * joint] : -INFINITY,
      .high = limited ? m->jnt_range[2 * joint + 1] : INFINITY};
}

/* As an observation it has no bounds: MuJoCo's limits give way a little. */
int ml3_mjcf_add_joint(ml3_mjcf_reader *r, const yaml_node_t *at, int joint, bool velocity) {
  const mjModel *m = r->model;
  const int first = velocity ? m->jnt_dofadr[joint] : m->jnt_qposadr[joint];
  int code = ML3_OK;
  for (int k = 0; k < ml3_mjcf_joint_width(m, joint, velocity) && code == ML3_OK; k++) {
    ml3_env_field field = ml3_mjcf_joint_field(r, joint, k, velocity);
    field.low = -INFINITY, field.high = INFINITY;
    code = add_entry(r, at, velocity ? MJCF_QVEL : MJCF_QPOS, first + k, field);
  }
  return code;
}

int ml3_mjcf_add_point(ml3_mjcf_reader *r, const yaml_node_t *at, mjcf_quantity quantity, int first, const char *name) {
  int code = ML3_OK;
  for (int k = 0; k < 3 && code == ML3_OK; k++)
    code = add_entry(r, at, quantity, first + k,
                     (ml3_env_field){ml3_mjcf_keep(r, "%s_%c", name, 'x' + k), "m", -INFINITY, INFINITY});
  return code;
}

/* The goal's site is where the task says. */
static mjcf_entry site_entry(const ml3_mjcf_reader *r, int site, int axis) {
  return site == r->f->goal_site ? (mjcf_entry){MJCF_GOAL, axis} : (mjcf_entry){MJCF_SITE, 3 * site + axis};
}

static int add_site(ml3_mjcf_reader *r, const yaml_node_t *at, int site, const char *name) {
  mjcf_entry first = site_entry(r, site, 0);
  return ml3_mjcf_add_point(r, at, first.quantity, first.index, name);
}

static const char *const OBSERVATIONS[] = {"qpos", "qvel", "sin", "cos", "site", "body", "goal", "to_goal"};

static int add_observation(ml3_mjcf_reader *r, const yaml_node_t *at) {
  char kind[128], name[128], hint[96];
  if (!ml3_mjcf_split(ml3_mjcf_text_of(at), kind, name))
    return ml3_mjcf_wrong(r, at, "observation: expected entries such as `qpos hinge`");
  int which = 0, id, code = ML3_OK;
  while (which < 8 && strcmp(kind, OBSERVATIONS[which]) != 0) which++;
  switch (which) {
    case 0:
    case 1:
      if (*name)
        return (id = ml3_mjcf_find_object(r, at, mjOBJ_JOINT, name)) < 0 ? ML3_ERR_FORMAT
                                                                         : ml3_mjcf_add_joint(r, at, id, which == 1);
      for (int i = 0; i < r->model->njnt && code == ML3_OK; i++) code = ml3_mjcf_add_joint(r, at, i, which == 1);
      return code;
    case 2:
    case 3:
      if ((id = ml3_mjcf_find_scalar_joint(r, at, name)) < 0) return ML3_ERR_FORMAT;
      return add_entry(r, at, which == 2 ? MJCF_SIN : MJCF_COS, r->model->jnt_qposadr[id],
                       (ml3_env_field){ml3_mjcf_keep(r, "%s_%s", kind, name), "1", -1, 1});
    case 4:
      return (id = ml3_mjcf_find_object(r, at, mjOBJ_SITE, name)) < 0 ? ML3_ERR_FORMAT : add_site(r, at, id, name);
    case 5:
      return (id = ml3_mjcf_find_object(r, at, mjOBJ_BODY, name)) < 0
                 ? ML3_ERR_FORMAT
                 : ml3_mjcf_add_point(r, at, MJCF_BODY, 3 * id, name);
    case 6:
      return ml3_mjcf_add_point(r, at, MJCF_GOAL, 0, "goal");
    case 7:
      return ml3_mjcf_add_point(r, at, MJCF_TO_GOAL, 0, "to_goal");
    default:
      return ml3_mjcf_wrong(
          r, at,
          "observation: unknown entry '%.60s'%s (qpos, qvel, sin, cos, site, body, goal and to_goal are possible)",
          kind, ml3_mjcf_suggestion(kind, OBSERVATIONS, 8, hint));
  }
}

int ml3_mjcf_read_observation(ml3_mjcf_reader *r, const yaml_node_t *n) {
  if (n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.start == n->data.sequence.items.top)
    return ml3_mjcf_wrong(r, n, "observation: expected a list such as [qpos, qvel, to_goal]");
  for (yaml_node_item_t *item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
    int code = add_observation(r, ml3_mjcf_node(r, *item));
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- limits -------------------------------------------------------------------------------------------------------- */

static int add_limit(ml3_mjcf_reader *r, const yaml_node_t *key, const yaml_node_t *value) {
  static const char *const kinds[] = {"qpos", "qvel", "site"};
  mjcf_env_file *f = r->f;
  char kind[128], name[128], hint[96];
  mjcf_limit limit = {0};
  if (!ml3_mjcf_split(ml3_mjcf_text_of(key), kind, name))
    return ml3_mjcf_wrong(r, key, "limits: expected lines such as `qpos hinge: [-1, 1]`");
  if (f->limit_count == MJCF_LIMITS_MAX) return ml3_mjcf_wrong(r, key, "limits: more than %d", MJCF_LIMITS_MAX);
  if (strcmp(kind, "site") == 0) {
    int axis = ml3_mjcf_cut_axis(name);
    if (axis < 0) return ml3_mjcf_wrong(r, key, "limits: expected `site NAME x`, y or z");
    int site = ml3_mjcf_find_object(r, key, mjOBJ_SITE, name);
    if (site < 0) return ML3_ERR_FORMAT;
    limit.entry = site_entry(r, site, axis);
  } else if (strcmp(kind, "qpos") == 0 || strcmp(kind, "qvel") == 0) {
    int joint = ml3_mjcf_find_scalar_joint(r, key, name);
    if (joint < 0) return ML3_ERR_FORMAT;
    bool velocity = kind[1] == 'v';
    limit.entry = velocity ? (mjcf_entry){MJCF_QVEL, r->model->jnt_dofadr[joint]}
                           : (mjcf_entry){MJCF_QPOS, r->model->jnt_qposadr[joint]};
  } else {
    return ml3_mjcf_wrong(r, key, "limits: unknown entry '%.60s'%s (qpos, qvel and site are possible)", kind,
                          ml3_mjcf_suggestion(kind, kinds, 3, hint));
  }
  int code = ml3_mjcf_read_range(r, value, "limits", &limit.low, &limit.high);
  if (code == ML3_OK) f->limits[f->limit_count++] = limit;
  return code;
}

int ml3_mjcf_read_limits(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return ml3_mjcf_read_pairs(r, n, "limits: expected lines such as `qpos hinge: [-1, 1]`", add_limit);
}
