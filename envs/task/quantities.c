/* What MuJoCo computes, by its own names: arrays of mjData, frames and velocities of objects, sensors. See compiler.h. */
#include <stdio.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/task/compiler.h"

static const ml3_value NOTHING = {0, 0};

/* ---- arrays --------------------------------------------------------------------------------------------------------- */

#define AT(field) offsetof(mjData, field)

/* An array of mjData: rows of `width` numbers, one an object of that type. */
typedef struct data_array {
  const char *name;
  size_t offset;
  int type, width, needs;
} data_array;

enum { OF_DOFS = -1, OF_CONTROLS = -2, OF_ACTIVATIONS = -3, OF_MOCAP = -4, OF_SENSORS = -5 }; /* besides mjtObj */

static const data_array ARRAYS[] = {
    {"qpos", AT(qpos), mjOBJ_JOINT, 1, 0},
    {"qvel", AT(qvel), OF_DOFS, 1, 0},
    {"act", AT(act), OF_ACTIVATIONS, 1, 0},
    {"ctrl", AT(ctrl), OF_CONTROLS, 1, 0},
    {"qacc", AT(qacc), OF_DOFS, 1, ML3_NEEDS_FORCES},
    {"qfrc_actuator", AT(qfrc_actuator), OF_DOFS, 1, ML3_NEEDS_FORCES},
    {"qfrc_constraint", AT(qfrc_constraint), OF_DOFS, 1, ML3_NEEDS_FORCES},
    {"qfrc_passive", AT(qfrc_passive), OF_DOFS, 1, ML3_NEEDS_SENSORS},
    {"qfrc_bias", AT(qfrc_bias), OF_DOFS, 1, ML3_NEEDS_SENSORS},
    {"actuator_force", AT(actuator_force), mjOBJ_ACTUATOR, 1, ML3_NEEDS_FORCES},
    {"actuator_length", AT(actuator_length), mjOBJ_ACTUATOR, 1, ML3_NEEDS_SENSORS},
    {"actuator_velocity", AT(actuator_velocity), mjOBJ_ACTUATOR, 1, ML3_NEEDS_SENSORS},
    {"ten_length", AT(ten_length), mjOBJ_TENDON, 1, ML3_NEEDS_SENSORS},
    {"ten_velocity", AT(ten_velocity), mjOBJ_TENDON, 1, ML3_NEEDS_SENSORS},
    {"xpos", AT(xpos), mjOBJ_BODY, 3, ML3_NEEDS_PLACES},
    {"xquat", AT(xquat), mjOBJ_BODY, 4, ML3_NEEDS_PLACES},
    {"xmat", AT(xmat), mjOBJ_BODY, 9, ML3_NEEDS_PLACES},
    {"xipos", AT(xipos), mjOBJ_BODY, 3, ML3_NEEDS_PLACES},
    {"ximat", AT(ximat), mjOBJ_BODY, 9, ML3_NEEDS_PLACES},
    {"site_xpos", AT(site_xpos), mjOBJ_SITE, 3, ML3_NEEDS_PLACES},
    {"site_xmat", AT(site_xmat), mjOBJ_SITE, 9, ML3_NEEDS_PLACES},
    {"geom_xpos", AT(geom_xpos), mjOBJ_GEOM, 3, ML3_NEEDS_PLACES},
    {"geom_xmat", AT(geom_xmat), mjOBJ_GEOM, 9, ML3_NEEDS_PLACES},
    {"cinert", AT(cinert), mjOBJ_BODY, 10, ML3_NEEDS_PLACES | ML3_NEEDS_MASSES},
    {"cvel", AT(cvel), mjOBJ_BODY, 6, ML3_NEEDS_PLACES | ML3_NEEDS_MASSES | ML3_NEEDS_VELOCITIES},
    {"cfrc_ext", AT(cfrc_ext), mjOBJ_BODY, 6, ML3_NEEDS_BODY_FORCES},
    {"cfrc_int", AT(cfrc_int), mjOBJ_BODY, 6, ML3_NEEDS_BODY_FORCES},
    {"subtree_com", AT(subtree_com), mjOBJ_BODY, 3, ML3_NEEDS_PLACES | ML3_NEEDS_MASSES},
    {"subtree_linvel", AT(subtree_linvel), mjOBJ_BODY, 3, ML3_NEEDS_SUBTREES},
    {"subtree_angmom", AT(subtree_angmom), mjOBJ_BODY, 3, ML3_NEEDS_SUBTREES},
    {"mocap_pos", AT(mocap_pos), OF_MOCAP, 3, 0},
    {"mocap_quat", AT(mocap_quat), OF_MOCAP, 4, 0},
    {"sensordata", AT(sensordata), OF_SENSORS, 1, ML3_NEEDS_FORCES},
};
enum { ARRAY_COUNT = sizeof ARRAYS / sizeof *ARRAYS };

static int rows_of(const mjModel *m, int type) {
  switch (type) {
    case mjOBJ_JOINT:
      return m->nq;
    case OF_DOFS:
      return m->nv;
    case OF_CONTROLS:
      return m->nu;
    case OF_ACTIVATIONS:
      return m->na;
    case OF_MOCAP:
      return m->nmocap;
    case OF_SENSORS:
      return m->nsensordata;
    default:
      return ml3_compile_count(m, type);
  }
}

/* The registers of the state that a reset changes; -1: no part of it. */
static int state_register(const ml3_compiler *c, size_t array) {
  const mjModel *m = c->model;
  if (array == AT(qpos)) return c->state;
  if (array == AT(qvel)) return c->state + m->nq;
  if (array == AT(act)) return c->state + m->nq + m->nv;
  if (array == AT(mocap_pos)) return c->state + m->nq + m->nv + m->na;
  if (array == AT(mocap_quat)) return c->state + m->nq + m->nv + m->na + 3 * m->nmocap;
  return -1;
}

static ml3_value read_array(ml3_compiler *c, const data_array *a, int first, int n, int stride) {
  const int reg = c->program->changes ? state_register(c, a->offset) : -1;
  if (reg >= 0) return (ml3_value){reg + first, n};
  c->program->needs |= a->needs;
  return ml3_emit(c, (ml3_instruction){.op = ML3_OP_READ, .n = n, .array = a->offset, .first = first, .stride = stride},
                  n);
}

static const data_array *array_named(const char *name) {
  for (int i = 0; i < ARRAY_COUNT; i++)
    if (strcmp(ARRAYS[i].name, name) == 0) return &ARRAYS[i];
  return NULL;
}

static int joint_width(const mjModel *m, int joint, bool velocity) {
  const int type = m->jnt_type[joint];
  return type == mjJNT_FREE ? (velocity ? 6 : 7) : type == mjJNT_BALL ? (velocity ? 3 : 4) : 1;
}

/* The rows of an object: where they begin, how many numbers; -1 with a complaint. */
static int take_rows(ml3_compiler *c, ml3_words *w, const data_array *a, int *n) {
  const mjModel *m = c->model;
  int first = 0, id;
  *n = a->width;
  switch (a->type) {
    case mjOBJ_JOINT:
    case OF_DOFS:
      if ((id = ml3_compile_take_object(c, w, mjOBJ_JOINT)) < 0) return -1;
      *n = joint_width(m, id, a->type == OF_DOFS);
      return a->type == OF_DOFS ? m->jnt_dofadr[id] : m->jnt_qposadr[id];
    case OF_CONTROLS:
      if ((id = ml3_compile_take_object(c, w, mjOBJ_ACTUATOR)) < 0) return -1;
      if ((*n = ml3_controls(m, id, &first)) == 0) ml3_refuse(c, "this actuator has no control");
      return *n ? first : -1;
    case OF_ACTIVATIONS:
      ml3_refuse(c, "`act` has no part by a name; expected a slice such as act[0]");
      return -1;
    case OF_MOCAP:
      if ((id = ml3_compile_take_object(c, w, mjOBJ_BODY)) < 0) return -1;
      if (m->body_mocapid[id] < 0) ml3_refuse(c, "this body is no mocap body");
      return m->body_mocapid[id] < 0 ? -1 : m->body_mocapid[id] * a->width;
    case OF_SENSORS:
      if ((id = ml3_compile_take_object(c, w, mjOBJ_SENSOR)) < 0) return -1;
      *n = m->sensor_dim[id];
      return m->sensor_adr[id];
    default:
      if ((id = ml3_compile_take_object(c, w, a->type)) < 0) return -1;
      if (a->type == mjOBJ_ACTUATOR) id = ml3_force_output(m, id);
      return id * a->width;
  }
}

/* `name`, `name OBJECT`, `name[rows]`: the slice here is one of rows, flattened. */
static ml3_value compile_array(ml3_compiler *c, ml3_words *w, const data_array *a) {
  const int rows = rows_of(c->model, a->type);
  const bool whole = w->kind == ML3_END || w->kind == ML3_MARK || ml3_words_are(w, "in");
  int n;
  if (!whole) {
    const int first = take_rows(c, w, a, &n);
    return first < 0 ? NOTHING : read_array(c, a, first, n, 1);
  }
  if (rows == 0) return ml3_refuse(c, "%s: the model has none", a->name);
  const bool bracket = ml3_words_are(w, "["), parenthesis = ml3_words_are(w, "(");
  if (!bracket && !parenthesis) return read_array(c, a, 0, rows * a->width, 1);
  int from = 0, to = rows, sign = 1;
  bool given = false, range = false;
  ml3_words_next(w);
  for (const char *end = bracket ? "]" : ")"; !ml3_words_are(w, end); ml3_words_next(w)) {
    if (ml3_words_are(w, "-") && sign > 0)
      sign = -1;
    else if (ml3_words_are(w, ":") && !range)
      range = true, to = rows, sign = 1;
    else if (w->kind == ML3_NUMBER && w->number == (int)w->number && w->number < 1e6) {
      int k = sign * (int)w->number;
      k += k < 0 || (sign < 0 && k == 0) ? rows : 0;
      if (range)
        to = k;
      else
        from = k, given = true;
      sign = 1;
    } else
      return ml3_refuse(c, "%s: expected a slice such as %s[0], %s[1:] or %s[:2]", a->name, a->name, a->name, a->name);
  }
  ml3_words_next(w);
  if (!range) to = from + 1;
  if ((!given && !range) || from < 0 || to > rows || from >= to)
    return ml3_refuse(c, "%s: the slice takes rows %d to %d, and there are %d", a->name, from, to - 1, rows);
  return read_array(c, a, from * a->width, (to - from) * a->width, 1);
}

/* ---- frames --------------------------------------------------------------------------------------------------------- */

/* Positions and orientations of an object of that type; false where it has none. */
static bool frame_arrays(int type, data_array *position, data_array *matrix) {
  *position = *matrix = (data_array){NULL, 0, type, 3, ML3_NEEDS_PLACES};
  switch (type) {
    case mjOBJ_BODY:
      position->offset = AT(xipos);
      *matrix = (data_array){NULL, AT(ximat), type, 9, ML3_NEEDS_PLACES};
      return true;
    case mjOBJ_XBODY:
      position->offset = AT(xpos);
      *matrix = (data_array){NULL, AT(xmat), type, 9, ML3_NEEDS_PLACES};
      return true;
    case mjOBJ_GEOM:
      position->offset = AT(geom_xpos);
      *matrix = (data_array){NULL, AT(geom_xmat), type, 9, ML3_NEEDS_PLACES};
      return true;
    case mjOBJ_SITE:
      position->offset = AT(site_xpos);
      *matrix = (data_array){NULL, AT(site_xmat), type, 9, ML3_NEEDS_PLACES};
      return true;
    case mjOBJ_CAMERA:
      position->offset = AT(cam_xpos);
      position->needs |= ML3_NEEDS_CAMERAS;
      *matrix = (data_array){NULL, AT(cam_xmat), type, 9, ML3_NEEDS_PLACES | ML3_NEEDS_CAMERAS};
      return true;
    default:
      return false;
  }
}

/* Where an object is; a site may have been placed by the task. */
static ml3_value place_of(ml3_compiler *c, int type, int id) {
  data_array position, matrix;
  for (int i = 0; i < c->placed_count && type == mjOBJ_SITE; i++)
    if (c->placed[i].site == id) return c->placed[i].value;
  frame_arrays(type, &position, &matrix);
  return read_array(c, &position, 3 * id, 3, 1);
}

/* TYPE NAME: an object with a frame; the type is -1 with a complaint. */
static int take_framed(ml3_compiler *c, ml3_words *w, int *id) {
  data_array position, matrix;
  int type = ml3_compile_object_type(w);
  if (type < 0 || !frame_arrays(type, &position, &matrix)) {
    ml3_refuse(c, "expected body, xbody, geom, site or camera and a name, where '%.40s' is", w->text);
    return -1;
  }
  ml3_words_next(w);
  *id = ml3_compile_take_object(c, w, type);
  return *id < 0 ? -1 : type;
}

static ml3_value velocity_of(ml3_compiler *c, int type, int id, bool linear, bool local) {
  c->program->needs |= ML3_NEEDS_PLACES | ML3_NEEDS_MASSES | ML3_NEEDS_VELOCITIES;
  return ml3_emit(
      c, (ml3_instruction){.op = ML3_OP_VELOCITY, .n = 3, .first = id, .stride = type, .b = linear ? 3 : 0, .c = local},
      3);
}

static ml3_value quaternion_of(ml3_compiler *c, int type, int id) {
  data_array position, matrix;
  c->program->needs |= ML3_NEEDS_PLACES;
  if (type == mjOBJ_XBODY) return read_array(c, array_named("xquat"), 4 * id, 4, 1);
  if (type == mjOBJ_BODY)
    return ml3_emit(c, (ml3_instruction){.op = ML3_OP_INERTIAL_QUATERNION, .n = 4, .first = id}, 4);
  frame_arrays(type, &position, &matrix);
  c->program->needs |= matrix.needs;
  return ml3_emit(c, (ml3_instruction){.op = ML3_OP_MATRIX_QUATERNION, .n = 4, .array = matrix.offset, .first = 9 * id},
                  4);
}

static ml3_value compile_frame(ml3_compiler *c, ml3_words *w, const char *name) {
  data_array position, matrix;
  int id;
  const int type = take_framed(c, w, &id);
  if (type < 0) return NOTHING;
  frame_arrays(type, &position, &matrix);
  if (strcmp(name, "framepos") == 0) return place_of(c, type, id);
  if (strcmp(name, "framequat") == 0) return quaternion_of(c, type, id);
  if (strcmp(name, "framelinvel") == 0) return velocity_of(c, type, id, true, false);
  if (strcmp(name, "frameangvel") == 0) return velocity_of(c, type, id, false, false);
  return read_array(c, &matrix, 9 * id + (name[5] - 'x'), 3, 3); /* framexaxis: a column */
}

ml3_value ml3_compile_into_frame(ml3_compiler *c, ml3_words *w, ml3_value q) {
  data_array position, matrix;
  int type = ml3_compile_object_type(w);
  if (q.n != 3) return ml3_refuse(c, "`in` turns a vector of 3 numbers into a frame; here are %d", q.n);
  if (type >= 0) ml3_words_next(w);
  static const int order[] = {mjOBJ_SITE, mjOBJ_XBODY, mjOBJ_GEOM};
  for (int i = 0; i < 3 && type < 0; i++)
    if (mj_name2id(c->model, order[i] == mjOBJ_XBODY ? mjOBJ_BODY : order[i], w->text) >= 0) type = order[i];
  if (type == mjOBJ_BODY) type = mjOBJ_XBODY; /* as places of bodies are */
  if (type < 0) type = mjOBJ_XBODY;
  if (!frame_arrays(type, &position, &matrix))
    return ml3_refuse(c, "`in`: expected the name of a body, site, geom or camera");
  const int id = ml3_compile_take_object(c, w, type);
  if (id < 0) return NOTHING;
  c->program->needs |= matrix.needs;
  return ml3_emit(
      c,
      (ml3_instruction){
          .op = ML3_OP_INTO_FRAME, .n = 3, .a = q.reg, .a_step = 1, .array = matrix.offset, .first = 9 * id},
      3);
}

/* ---- sensors -------------------------------------------------------------------------------------------------------- */

static ml3_value sensor(ml3_compiler *c, int id) {
  const mjModel *m = c->model;
  data_array a = *array_named("sensordata");
  a.needs = m->sensor_needstage[id] == mjSTAGE_ACC ? ML3_NEEDS_SENSORS | ML3_NEEDS_FORCES : ML3_NEEDS_SENSORS;
  return read_array(c, &a, m->sensor_adr[id], m->sensor_dim[id], 1);
}

/* Words whose object follows: body NAME and the like, and MuJoCo's sensors that need none in the model. */
ml3_value ml3_compile_quantity(ml3_compiler *c, ml3_words *w, bool *known) {
  static const char *const in_model[] = {"touch",       "force",       "torque",      "accelerometer", "magnetometer",
                                         "rangefinder", "framelinacc", "frameangacc", "camprojection", "contact"};
  char name[128];
  const data_array *array = array_named(w->text);
  int id;
  snprintf(name, sizeof name, "%s", w->text);
  *known = true;
  ml3_words_next(w);
  if (array) return compile_array(c, w, array);
  if (strcmp(name, "time") == 0) return ml3_emit(c, (ml3_instruction){.op = ML3_OP_TIME, .n = 1}, 1);
  if (strcmp(name, "sensor") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_SENSOR)) < 0 ? NOTHING : sensor(c, id);
  if (strcmp(name, "body") == 0 || strcmp(name, "xbody") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_XBODY)) < 0 ? NOTHING : place_of(c, mjOBJ_XBODY, id);
  if (strcmp(name, "site") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_SITE)) < 0 ? NOTHING : place_of(c, mjOBJ_SITE, id);
  if (strcmp(name, "geom") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_GEOM)) < 0 ? NOTHING : place_of(c, mjOBJ_GEOM, id);
  if (strcmp(name, "camera") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_CAMERA)) < 0 ? NOTHING : place_of(c, mjOBJ_CAMERA, id);
  if (strcmp(name, "mocap") == 0) return compile_array(c, w, array_named("mocap_pos"));
  if (strcmp(name, "framepos") == 0 || strcmp(name, "framequat") == 0 || strcmp(name, "framexaxis") == 0 ||
      strcmp(name, "frameyaxis") == 0 || strcmp(name, "framezaxis") == 0 || strcmp(name, "framelinvel") == 0 ||
      strcmp(name, "frameangvel") == 0)
    return compile_frame(c, w, name);
  if (strcmp(name, "velocimeter") == 0 || strcmp(name, "gyro") == 0)
    return (id = ml3_compile_take_object(c, w, mjOBJ_SITE)) < 0 ? NOTHING
                                                                : velocity_of(c, mjOBJ_SITE, id, name[0] == 'v', true);
  if (strcmp(name, "subtreecom") == 0) return compile_array(c, w, array_named("subtree_com"));
  if (strcmp(name, "subtreelinvel") == 0) return compile_array(c, w, array_named("subtree_linvel"));
  if (strcmp(name, "subtreeangmom") == 0) return compile_array(c, w, array_named("subtree_angmom"));
  if (strcmp(name, "jointpos") == 0) return compile_array(c, w, array_named("qpos"));
  if (strcmp(name, "jointvel") == 0) return compile_array(c, w, array_named("qvel"));
  if (strcmp(name, "actuatorfrc") == 0) return compile_array(c, w, array_named("actuator_force"));
  for (size_t i = 0; i < sizeof in_model / sizeof *in_model; i++)
    if (strcmp(name, in_model[i]) == 0 && mj_name2id(c->model, mjOBJ_SENSOR, name) < 0)
      return ml3_refuse(
          c, "`%s` is computed by a sensor of the model: put <%s name=\"...\"/> into its MJCF and write its name", name,
          name);
  *known = false;
  return NOTHING;
}

ml3_value ml3_compile_name(ml3_compiler *c, const char *name, bool *known) {
  static const int order[] = {mjOBJ_SENSOR, mjOBJ_SITE, mjOBJ_BODY, mjOBJ_GEOM, mjOBJ_JOINT};
  *known = true;
  for (int i = 0; i < 5 && *name; i++) {
    const int id = mj_name2id(c->model, order[i], name);
    if (id < 0) continue;
    if (order[i] == mjOBJ_SENSOR) return sensor(c, id);
    if (order[i] == mjOBJ_JOINT)
      return read_array(c, array_named("qpos"), c->model->jnt_qposadr[id], joint_width(c->model, id, false), 1);
    return place_of(c, order[i] == mjOBJ_BODY ? mjOBJ_XBODY : order[i], id);
  }
  *known = false;
  return NOTHING;
}
