/* From FILE.xml and FILE.yaml to an environment: see mjcf_env.h. The YAML is read by libyaml as a document of nodes that
   know their lines; every complaint names file and line, what was found and what is possible. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "envs/mjcf.h"
#include "envs/mjcf_env.h"
#include "envs/simulation.h"

enum { YAML_SIZE_MAX = 1 << 20, XML_SIZE_MAX = 1 << 26 };

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { WORDS_SIZE = 1 << 11 }; /* small texts fill it too, and it costs less time */
#else
enum { WORDS_SIZE = 1 << 18 };
#endif

typedef struct reader {
  mjcf_env_file *f;
  const mjModel *model;
  yaml_document_t document;
  char path[1024]; /* of the YAML */
  ml3_error *error;
} reader;

/* ---- complaints ------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int wrong(reader *r, const yaml_node_t *at, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%.200s:%d: %s", r->path, at ? (int)at->start_mark.line + 1 : 1, text);
}

/* "; did you mean 'x'?" or nothing, into text. */
static const char *suggestion(const char *word, const char *const *names, int count, char text[96]) {
  const char *nearest = ml3_error_nearest(word, names, count);
  text[0] = '\0';
  if (nearest) snprintf(text, 96, "; did you mean '%.60s'?", nearest);
  return text;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

static const yaml_node_t *node(reader *r, int index) {
  return yaml_document_get_node(&r->document, index);
}

static const char *text_of(const yaml_node_t *n) {
  return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static int read_number(reader *r, const yaml_node_t *n, const char *what, double low, double high, double *x) {
  const char *text = text_of(n);
  char *end = NULL;
  errno = 0;
  if (text) *x = strtod(text, &end);
  if (text && *text && !*end && isfinite(*x) && *x >= low && *x <= high) return ML3_OK;
  if (low <= -1e300) return wrong(r, n, "%s is '%.60s'; expected a number", what, text ? text : "not a single value");
  return wrong(r, n, "%s is '%.60s'; expected a number from %g to %g", what, text ? text : "not a single value", low,
               high);
}

static int read_whole(reader *r, const yaml_node_t *n, const char *what, int low, int high, int *x) {
  double value = 0;
  int code = read_number(r, n, what, low, high, &value);
  if (code != ML3_OK) return code;
  if (value != floor(value)) return wrong(r, n, "%s is %g; expected a whole number", what, value);
  *x = (int)value;
  return ML3_OK;
}

/* Text that stays with the environment. */
static const char *keep(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *keep(reader *r, const char *format, ...) {
  mjcf_env_file *f = r->f;
  char *to = f->words + f->words_used;
  va_list args;
  va_start(args, format);
  int length = vsnprintf(to, WORDS_SIZE - f->words_used, format, args);
  va_end(args);
  if (length < 0 || f->words_used + (size_t)length + 1 >= WORDS_SIZE) return "name";
  f->words_used += (size_t)length + 1;
  return to;
}

/* ---- mappings --------------------------------------------------------------------------------------------------------- */

typedef struct section {
  const char *key;
  int (*read)(reader *r, const yaml_node_t *value);
} section;

/* The value of that key, or NULL. */
static const yaml_node_t *find(reader *r, const yaml_node_t *map, const char *key) {
  for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    const char *name = text_of(node(r, p->key));
    if (name && strcmp(name, key) == 0) return node(r, p->value);
  }
  return NULL;
}

/* A mapping with those keys, each at most once, read in the order of the table. */
static int read_sections(reader *r, const yaml_node_t *map, const char *what, const section *sections, int count) {
  const char *names[16];
  char hint[96];
  if (!map || map->type != YAML_MAPPING_NODE) return wrong(r, map, "%s: expected `key: value` lines", what);
  for (int i = 0; i < count; i++) names[i] = sections[i].key;
  for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    const yaml_node_t *key = node(r, p->key);
    const char *name = text_of(key);
    int i = 0;
    while (name && i < count && strcmp(name, names[i]) != 0) i++;
    if (!name || i == count)
      return wrong(r, key, "%s: unknown key '%.60s'%s", what, name ? name : "a list",
                   suggestion(name ? name : "", names, count, hint));
    if (find(r, map, name) != node(r, p->value)) return wrong(r, key, "%s: '%s' is given twice", what, name);
  }
  for (int i = 0; i < count; i++) {
    const yaml_node_t *value = find(r, map, names[i]);
    int code = value ? sections[i].read(r, value) : ML3_OK;
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- names in the model ------------------------------------------------------------------------------------------------- */

static const char *kind_name(int type) {
  return type == mjOBJ_JOINT  ? "joint"
         : type == mjOBJ_BODY ? "body"
         : type == mjOBJ_SITE ? "site"
         : type == mjOBJ_GEOM ? "geom"
                              : "actuator";
}

static int count_of(const mjModel *m, int type) {
  return type == mjOBJ_JOINT  ? m->njnt
         : type == mjOBJ_BODY ? m->nbody
         : type == mjOBJ_SITE ? m->nsite
         : type == mjOBJ_GEOM ? m->ngeom
                              : m->nu;
}

/* The object of that name; -1 with a complaint. */
static int find_object(reader *r, const yaml_node_t *at, int type, const char *name) {
  enum { NAMES_MAX = 256 };
  const char *names[NAMES_MAX];
  char hint[96];
  int id = name && *name ? mj_name2id(r->model, type, name) : -1, count = 0;
  if (id >= 0) return id;
  for (int i = 0; i < count_of(r->model, type) && count < NAMES_MAX; i++) {
    const char *one = mj_id2name(r->model, type, i);
    if (one && *one) names[count++] = one;
  }
  wrong(r, at, "the model has no %s '%.60s'%s", kind_name(type), name ? name : "",
        suggestion(name ? name : "", names, count, hint));
  return -1;
}

/* A hinge or slide of that name; -1 with a complaint. */
static int find_scalar_joint(reader *r, const yaml_node_t *at, const char *name) {
  int joint = find_object(r, at, mjOBJ_JOINT, name);
  if (joint < 0 || r->model->jnt_type[joint] == mjJNT_HINGE || r->model->jnt_type[joint] == mjJNT_SLIDE) return joint;
  wrong(r, at, "joint '%.60s' is a ball or free joint; expected a hinge or a slide", name);
  return -1;
}

/* "kind name" into its two words; rest is "" where there is none. False when it is no text or too long. */
static bool split(const char *text, char kind[128], char rest[128]) {
  if (!text || strlen(text) >= 128) return false;
  size_t n = strcspn(text, " ");
  memcpy(kind, text, n);
  kind[n] = '\0';
  const char *after = text + n;
  while (*after == ' ') after++;
  strcpy(rest, after);
  return true;
}

/* ---- scalars and the goal -------------------------------------------------------------------------------------------------- */

static int read_summary(reader *r, const yaml_node_t *n) {
  if (!text_of(n)) return wrong(r, n, "summary: expected a text");
  snprintf(r->f->summary, sizeof r->f->summary, "%s", text_of(n));
  return ML3_OK;
}
static int read_horizon(reader *r, const yaml_node_t *n) {
  return read_whole(r, n, "horizon", 1, 1000000, &r->f->spec.horizon);
}
static int read_frame_skip(reader *r, const yaml_node_t *n) {
  return read_whole(r, n, "frame_skip", 1, 10000, &r->f->frame_skip);
}

static int read_goal_site(reader *r, const yaml_node_t *n) {
  r->f->goal_site = find_object(r, n, mjOBJ_SITE, text_of(n));
  return r->f->goal_site < 0 ? ML3_ERR_FORMAT : ML3_OK;
}
static int read_tip(reader *r, const yaml_node_t *n) {
  r->f->tip_site = find_object(r, n, mjOBJ_SITE, text_of(n));
  return r->f->tip_site < 0 ? ML3_ERR_FORMAT : ML3_OK;
}
static int read_radius(reader *r, const yaml_node_t *n) {
  return read_number(r, n, "goal: radius", 1e-9, 1e9, &r->f->radius_m);
}
static int read_ends(reader *r, const yaml_node_t *n) {
  const char *text = text_of(n);
  bool yes = text && strcmp(text, "true") == 0, no = text && strcmp(text, "false") == 0;
  if (!yes && !no)
    return wrong(r, n, "goal: ends is '%.60s'; expected true or false", text ? text : "not a single value");
  r->f->ends_at_goal = yes;
  return ML3_OK;
}

static int read_goal(reader *r, const yaml_node_t *n) {
  static const section keys[] = {
      {"site", read_goal_site}, {"tip", read_tip}, {"radius", read_radius}, {"ends", read_ends}};
  r->f->goal_site = r->f->tip_site = -1;
  int code = read_sections(r, n, "goal", keys, sizeof keys / sizeof *keys);
  if (code != ML3_OK) return code;
  if (r->f->goal_site < 0 || r->f->tip_site < 0)
    return wrong(r, n, "goal: needs `site`, where the goal is, and `tip`, the site that should get there");
  return ML3_OK;
}

/* ---- actuators ------------------------------------------------------------------------------------------------------------ */

/* An actuator of that name, or the one that drives the joint of that name. */
static int find_actuator(reader *r, const yaml_node_t *at, const char *name) {
  const mjModel *m = r->model;
  int joint = name && *name ? mj_name2id(m, mjOBJ_JOINT, name) : -1;
  if (joint >= 0 && mj_name2id(m, mjOBJ_ACTUATOR, name) < 0) {
    for (int i = 0; i < m->nu; i++)
      if (m->actuator_trntype[i] == mjTRN_JOINT && m->actuator_trnid[2 * i] == joint) return i;
    wrong(r, at, "no actuator drives joint '%.60s'; add a motor for it to the MJCF", name);
    return -1;
  }
  return find_object(r, at, mjOBJ_ACTUATOR, name);
}

static int add_actuator(reader *r, const yaml_node_t *at, int id) {
  mjcf_env_file *f = r->f;
  const mjModel *m = r->model;
  const char *name = mj_id2name(m, mjOBJ_ACTUATOR, id);
  if (!name || !*name) name = keep(r, "actuator_%d", id);
  if (f->spec.action_dim == MJCF_ACTIONS_MAX) return wrong(r, at, "more than %d actuators", MJCF_ACTIONS_MAX);
  if (!m->actuator_ctrllimited[id])
    return wrong(r, at, "actuator '%.60s' has no bounds; give it ctrllimited=\"true\" and a ctrlrange in the MJCF",
                 name);
  for (int i = 0; i < f->spec.action_dim; i++)
    if (f->actuators[i] == id) return wrong(r, at, "actuator '%.60s' is given twice", name);
  f->action[f->spec.action_dim] =
      (ml3_env_field){keep(r, "%s", name), "1", m->actuator_ctrlrange[2 * id], m->actuator_ctrlrange[2 * id + 1]};
  f->actuators[f->spec.action_dim++] = id;
  return ML3_OK;
}

static int read_actuators(reader *r, const yaml_node_t *n) {
  if (n->type != YAML_SEQUENCE_NODE) return wrong(r, n, "actuators: expected a list such as [shoulder, elbow]");
  for (yaml_node_item_t *item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
    const yaml_node_t *one = node(r, *item);
    int id = find_actuator(r, one, text_of(one));
    int code = id < 0 ? ML3_ERR_FORMAT : add_actuator(r, one, id);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- observation ------------------------------------------------------------------------------------------------------------- */

static int add_entry(reader *r, const yaml_node_t *at, mjcf_quantity quantity, int index, ml3_env_field field) {
  mjcf_env_file *f = r->f;
  if (f->spec.obs_dim == MJCF_FIELDS_MAX) return wrong(r, at, "observation: more than %d numbers", MJCF_FIELDS_MAX);
  f->entries[f->spec.obs_dim] = (mjcf_entry){quantity, index};
  f->obs[f->spec.obs_dim++] = field;
  return ML3_OK;
}

static int joint_width(const mjModel *m, int joint, bool velocity) {
  const int type = m->jnt_type[joint];
  return type == mjJNT_FREE ? (velocity ? 6 : 7) : type == mjJNT_BALL ? (velocity ? 3 : 4) : 1;
}

static const char *joint_name(reader *r, int joint) {
  const char *name = mj_id2name(r->model, mjOBJ_JOINT, joint);
  return name && *name ? name : keep(r, "joint_%d", joint);
}

/* Position (or velocity) number k of a joint, as a field. */
static ml3_env_field joint_field(reader *r, int joint, int k, bool velocity) {
  const mjModel *m = r->model;
  bool hinge = m->jnt_type[joint] == mjJNT_HINGE, scalar = hinge || m->jnt_type[joint] == mjJNT_SLIDE;
  bool limited = scalar && !velocity && m->jnt_limited[joint];
  const char *name = joint_name(r, joint), *what = velocity ? "_velocity" : "";
  return (ml3_env_field){.name = scalar ? keep(r, "%s%s", name, what) : keep(r, "%s%s_%d", name, what, k),
                         .unit = velocity ? (hinge ? "rad/s" : "m/s")
                                 : hinge  ? "rad"
                                          : "m",
                         .low = limited ? m->jnt_range[2 * joint] : -INFINITY,
                         .high = limited ? m->jnt_range[2 * joint + 1] : INFINITY};
}

static int add_joint(reader *r, const yaml_node_t *at, int joint, bool velocity) {
  const mjModel *m = r->model;
  const int first = velocity ? m->jnt_dofadr[joint] : m->jnt_qposadr[joint];
  int code = ML3_OK;
  for (int k = 0; k < joint_width(m, joint, velocity) && code == ML3_OK; k++)
    code = add_entry(r, at, velocity ? MJCF_QVEL : MJCF_QPOS, first + k, joint_field(r, joint, k, velocity));
  return code;
}

static int add_point(reader *r, const yaml_node_t *at, mjcf_quantity quantity, int first, const char *name) {
  int code = ML3_OK;
  for (int k = 0; k < 3 && code == ML3_OK; k++)
    code = add_entry(r, at, quantity, first + k,
                     (ml3_env_field){keep(r, "%s_%c", name, 'x' + k), "m", -INFINITY, INFINITY});
  return code;
}

/* The goal's site is where the task says. */
static mjcf_entry site_entry(const reader *r, int site, int axis) {
  return site == r->f->goal_site ? (mjcf_entry){MJCF_GOAL, axis} : (mjcf_entry){MJCF_SITE, 3 * site + axis};
}

static int add_site(reader *r, const yaml_node_t *at, int site, const char *name) {
  mjcf_entry first = site_entry(r, site, 0);
  return add_point(r, at, first.quantity, first.index, name);
}

static const char *const OBSERVATIONS[] = {"qpos", "qvel", "sin", "cos", "site", "body", "goal", "to_goal"};

static int add_observation(reader *r, const yaml_node_t *at) {
  char kind[128], name[128], hint[96];
  if (!split(text_of(at), kind, name)) return wrong(r, at, "observation: expected entries such as `qpos hinge`");
  int which = 0, id, code = ML3_OK;
  while (which < 8 && strcmp(kind, OBSERVATIONS[which]) != 0) which++;
  switch (which) {
    case 0:
    case 1:
      if (*name)
        return (id = find_object(r, at, mjOBJ_JOINT, name)) < 0 ? ML3_ERR_FORMAT : add_joint(r, at, id, which == 1);
      for (int i = 0; i < r->model->njnt && code == ML3_OK; i++) code = add_joint(r, at, i, which == 1);
      return code;
    case 2:
    case 3:
      if ((id = find_scalar_joint(r, at, name)) < 0) return ML3_ERR_FORMAT;
      return add_entry(r, at, which == 2 ? MJCF_SIN : MJCF_COS, r->model->jnt_qposadr[id],
                       (ml3_env_field){keep(r, "%s_%s", kind, name), "1", -1, 1});
    case 4:
      return (id = find_object(r, at, mjOBJ_SITE, name)) < 0 ? ML3_ERR_FORMAT : add_site(r, at, id, name);
    case 5:
      return (id = find_object(r, at, mjOBJ_BODY, name)) < 0 ? ML3_ERR_FORMAT
                                                             : add_point(r, at, MJCF_BODY, 3 * id, name);
    case 6:
      return add_point(r, at, MJCF_GOAL, 0, "goal");
    case 7:
      return add_point(r, at, MJCF_TO_GOAL, 0, "to_goal");
    default:
      return wrong(
          r, at,
          "observation: unknown entry '%.60s'%s (qpos, qvel, sin, cos, site, body, goal and to_goal are possible)",
          kind, suggestion(kind, OBSERVATIONS, 8, hint));
  }
}

static int read_observation(reader *r, const yaml_node_t *n) {
  if (n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.start == n->data.sequence.items.top)
    return wrong(r, n, "observation: expected a list such as [qpos, qvel, to_goal]");
  for (yaml_node_item_t *item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
    int code = add_observation(r, node(r, *item));
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- reward ------------------------------------------------------------------------------------------------------------------- */

static int read_weight(reader *r, const yaml_node_t *n, mjcf_term term) {
  return read_number(r, n, "reward: a weight", -1e9, 1e9, &r->f->weights[term]);
}
static int read_distance(reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_DISTANCE);
}
static int read_control(reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_CONTROL);
}
static int read_velocity(reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_VELOCITY);
}
static int read_alive(reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_ALIVE);
}
static int read_success(reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_SUCCESS);
}

static int read_reward(reader *r, const yaml_node_t *n) {
  static const section keys[] = {{"distance", read_distance},
                                 {"control", read_control},
                                 {"velocity", read_velocity},
                                 {"alive", read_alive},
                                 {"success", read_success}};
  r->f->weights[MJCF_DISTANCE] = 0;
  return read_sections(r, n, "reward", keys, sizeof keys / sizeof *keys);
}

/* ---- ranges: of limits and of tasks ------------------------------------------------------------------------------------------------ */

/* [low, high]. */
static int read_range(reader *r, const yaml_node_t *n, const char *what, double *low, double *high) {
  if (!n || n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.top - n->data.sequence.items.start != 2)
    return wrong(r, n, "%s: expected [low, high]", what);
  int code = read_number(r, node(r, n->data.sequence.items.start[0]), what, -1e300, 1e300, low);
  if (code == ML3_OK) code = read_number(r, node(r, n->data.sequence.items.start[1]), what, -1e300, 1e300, high);
  if (code == ML3_OK && *low > *high)
    return wrong(r, n, "%s: [%g, %g] has its low end above its high one", what, *low, *high);
  return code;
}

/* The word after the name: an axis, 0 .. 2; -1 where there is none. Cuts it off. */
static int cut_axis(char *name) {
  size_t n = strlen(name);
  if (n == 1 && name[0] >= 'x' && name[0] <= 'z') return name[0] - 'x';
  if (n < 3 || name[n - 2] != ' ' || name[n - 1] < 'x' || name[n - 1] > 'z') return -1;
  int axis = name[n - 1] - 'x';
  name[n - 2] = '\0';
  return axis;
}

static int add_limit(reader *r, const yaml_node_t *key, const yaml_node_t *value) {
  static const char *const kinds[] = {"qpos", "qvel", "site"};
  mjcf_env_file *f = r->f;
  char kind[128], name[128], hint[96];
  mjcf_limit limit = {0};
  if (!split(text_of(key), kind, name)) return wrong(r, key, "limits: expected lines such as `qpos hinge: [-1, 1]`");
  if (f->limit_count == MJCF_LIMITS_MAX) return wrong(r, key, "limits: more than %d", MJCF_LIMITS_MAX);
  if (strcmp(kind, "site") == 0) {
    int axis = cut_axis(name);
    if (axis < 0) return wrong(r, key, "limits: expected `site NAME x`, y or z");
    int site = find_object(r, key, mjOBJ_SITE, name);
    if (site < 0) return ML3_ERR_FORMAT;
    limit.entry = site_entry(r, site, axis);
  } else if (strcmp(kind, "qpos") == 0 || strcmp(kind, "qvel") == 0) {
    int joint = find_scalar_joint(r, key, name);
    if (joint < 0) return ML3_ERR_FORMAT;
    bool velocity = kind[1] == 'v';
    limit.entry = velocity ? (mjcf_entry){MJCF_QVEL, r->model->jnt_dofadr[joint]}
                           : (mjcf_entry){MJCF_QPOS, r->model->jnt_qposadr[joint]};
  } else {
    return wrong(r, key, "limits: unknown entry '%.60s'%s (qpos, qvel and site are possible)", kind,
                 suggestion(kind, kinds, 3, hint));
  }
  int code = read_range(r, value, "limits", &limit.low, &limit.high);
  if (code == ML3_OK) f->limits[f->limit_count++] = limit;
  return code;
}

static int read_limits(reader *r, const yaml_node_t *n) {
  if (n->type != YAML_MAPPING_NODE) return wrong(r, n, "limits: expected lines such as `qpos hinge: [-1, 1]`");
  for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
    int code = add_limit(r, node(r, p->key), node(r, p->value));
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- tasks --------------------------------------------------------------------------------------------------------------------------- */

static const char *const VARIABLES[] = {"goal",    "start",    "start_velocity", "mass",
                                        "damping", "friction", "gear",           "gravity"};
enum { VARIABLE_COUNT = 8 };

/* What the model says: the value where no task is drawn. */
static double model_value(reader *r, const mjcf_parameter *p) {
  const mjModel *m = r->model;
  const int i = p->index;
  switch (p->variable) {
    case MJCF_GOAL_POSITION:
      return m->site_pos[3 * r->f->goal_site + i];
    case MJCF_START:
      return m->nkey ? m->key_qpos[i] : m->qpos0[i];
    case MJCF_START_VELOCITY:
      return m->nkey ? m->key_qvel[i] : 0;
    case MJCF_MASS:
      return m->body_mass[i];
    case MJCF_DAMPING:
      return m->dof_damping[i];
    case MJCF_FRICTION:
      return m->geom_friction[3 * i];
    case MJCF_GEAR:
      return m->actuator_gear[6 * i];
    case MJCF_GRAVITY:
      return -m->opt.gravity[2];
  }
  return 0;
}

static int find_parameter(reader *r, const yaml_node_t *at, mjcf_parameter *p, char *name) {
  const mjModel *m = r->model;
  int id = 0;
  switch (p->variable) {
    case MJCF_GOAL_POSITION:
      if ((p->index = cut_axis(name)) < 0) return wrong(r, at, "task: expected `goal x`, y or z");
      if (m->site_bodyid[r->f->goal_site] != 0)
        return wrong(r, at,
                     "task: the goal's site is on a body that moves; put it into worldbody to give its place a range");
      return ML3_OK;
    case MJCF_START:
    case MJCF_START_VELOCITY:
    case MJCF_DAMPING:
      if ((id = find_scalar_joint(r, at, name)) < 0) return ML3_ERR_FORMAT;
      p->index = p->variable == MJCF_START ? m->jnt_qposadr[id] : m->jnt_dofadr[id];
      return ML3_OK;
    case MJCF_MASS:
      if ((p->index = find_object(r, at, mjOBJ_BODY, name)) < 0) return ML3_ERR_FORMAT;
      if (m->body_mass[p->index] <= 0) return wrong(r, at, "task: body '%.60s' has no mass in the MJCF", name);
      return ML3_OK;
    case MJCF_FRICTION:
      return (p->index = find_object(r, at, mjOBJ_GEOM, name)) < 0 ? ML3_ERR_FORMAT : ML3_OK;
    case MJCF_GEAR:
      return (p->index = find_actuator(r, at, name)) < 0 ? ML3_ERR_FORMAT : ML3_OK;
    case MJCF_GRAVITY:
      return ML3_OK;
  }
  return ML3_OK;
}

static int add_parameter(reader *r, const yaml_node_t *key, const yaml_node_t *value) {
  static const char *const units[VARIABLE_COUNT] = {"m", "m or rad", "m/s or rad/s", "kg", "N s/m or N m s",
                                                    "1", "1",        "m/s^2"};
  mjcf_env_file *f = r->f;
  char kind[128], name[128], hint[96];
  if (!split(text_of(key), kind, name)) return wrong(r, key, "task: expected lines such as `mass pole: [0.5, 2]`");
  int which = 0;
  while (which < VARIABLE_COUNT && strcmp(kind, VARIABLES[which]) != 0) which++;
  if (which == VARIABLE_COUNT)
    return wrong(r, key, "task: unknown parameter '%.60s'%s", kind, suggestion(kind, VARIABLES, VARIABLE_COUNT, hint));
  if (f->spec.task_dim == MJCF_TASK_MAX) return wrong(r, key, "task: more than %d parameters", MJCF_TASK_MAX);

  mjcf_parameter p = {.variable = (mjcf_variable)which};
  ml3_env_parameter *parameter = &f->task[f->spec.task_dim];
  const char *full = *name ? keep(r, "%s_%s", kind, name) : keep(r, "%s", kind);
  int code = find_parameter(r, key, &p, name);
  if (code == ML3_OK) code = read_range(r, value, text_of(key), &parameter->low, &parameter->high);
  if (code != ML3_OK) return code;
  if (p.variable == MJCF_MASS && parameter->low <= 0) return wrong(r, value, "task: a mass must be above 0");
  if ((p.variable == MJCF_DAMPING || p.variable == MJCF_FRICTION) && parameter->low < 0)
    return wrong(r, value, "task: %s must not be negative", kind);
  for (int i = 0; i < f->spec.task_dim; i++)
    if (f->parameters[i].variable == p.variable && f->parameters[i].index == p.index)
      return wrong(r, key, "task: '%s' is given twice", text_of(key));
  for (char *c = (char *)full; *c; c++) *c = *c == ' ' ? '_' : *c;
  f->parameters[f->spec.task_dim++] = p;
  parameter->name = full;
  parameter->unit = units[which];
  parameter->value = model_value(r, &p);
  return ML3_OK;
}

static int read_task(reader *r, const yaml_node_t *n) {
  if (n->type != YAML_MAPPING_NODE) return wrong(r, n, "task: expected lines such as `mass pole: [0.5, 2]`");
  for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
    int code = add_parameter(r, node(r, p->key), node(r, p->value));
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------------------- */

/* State, goal, and what the YAML leaves out. */
static int complete(reader *r, const yaml_node_t *root) {
  mjcf_env_file *f = r->f;
  const mjModel *m = r->model;
  int code = ML3_OK;
  bool all = !find(r, root, "actuators");
  for (int i = 0; i < m->nu && all && code == ML3_OK; i++) code = add_actuator(r, root, i);
  if (code != ML3_OK) return code;
  if (f->spec.action_dim == 0) return wrong(r, root, "the model has no actuators to act with");
  if (f->spec.obs_dim == 0) {
    for (int i = 0; i < 2 * m->njnt && code == ML3_OK; i++) code = add_joint(r, root, i % m->njnt, i >= m->njnt);
    if (code == ML3_OK) code = add_point(r, root, MJCF_TO_GOAL, 0, "to_goal");
    if (code != ML3_OK) return code;
  }

  int n = 0;
  for (int velocity = 0; velocity < 2; velocity++)
    for (int i = 0; i < m->njnt; i++)
      for (int k = 0; k < joint_width(m, i, velocity); k++) f->state[n++] = joint_field(r, i, k, velocity);
  for (int i = 0; i < m->na; i++)
    f->state[n++] = (ml3_env_field){keep(r, "activation_%d", i), "1", -INFINITY, INFINITY};
  for (int k = 0; k < 3; k++) f->goal[k] = (ml3_env_field){keep(r, "goal_%c", 'x' + k), "m", -INFINITY, INFINITY};
  return ML3_OK;
}

static int read_root(reader *r) {
  static const section keys[] = {
      {"summary", read_summary}, {"horizon", read_horizon},     {"frame_skip", read_frame_skip},
      {"goal", read_goal},       {"actuators", read_actuators}, {"observation", read_observation},
      {"reward", read_reward},   {"limits", read_limits},       {"task", read_task},
  };
  const yaml_node_t *root = yaml_document_get_root_node(&r->document);
  if (!root || root->type != YAML_MAPPING_NODE)
    return wrong(r, root, "expected `key: value` lines, `goal:` among them");
  if (!find(r, root, "goal"))
    return wrong(r, root,
                 "there is no `goal:`; it names `site`, where the goal is, and `tip`, the site that should get there");
  int code = read_sections(r, root, "the environment", keys, sizeof keys / sizeof *keys);
  return code == ML3_OK ? complete(r, root) : code;
}

static int read_yaml(reader *r) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory for reading %s", r->path);
  yaml_parser_set_input_string(&parser, (const unsigned char *)r->f->yaml, strlen(r->f->yaml));
  int code;
  if (!yaml_parser_load(&parser, &r->document)) {
    code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: not YAML: %s", r->path, (int)parser.problem_mark.line + 1,
                         parser.problem ? parser.problem : "unreadable");
  } else {
    code = read_root(r);
    yaml_document_delete(&r->document);
  }
  yaml_parser_delete(&parser);
  return code;
}

static int check_model(const mjcf_env_file *f, ml3_error *error) {
  const mjModel *m = f->model;
  if (m->njnt < 1)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s: the model has no joints: nothing can move", f->path);
  if (m->nq + m->nv + m->na > MJCF_FIELDS_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s: the state has %d numbers; at most %d are possible", f->path,
                         (int)(m->nq + m->nv + m->na), MJCF_FIELDS_MAX);
  return ML3_OK;
}

/* FILE.xml -> FILE.yaml. */
static void yaml_path(const char *xml, char *path, size_t size) {
  size_t n = strlen(xml);
  snprintf(path, size, "%.*s.yaml", (int)(n > 4 ? n - 4 : n), xml);
}

int ml3_mjcf_env_read(mjcf_env_file *f, ml3_error *error) {
  size_t size;
  ml3_error own = {0}, *e = error ? error : &own;
  reader r = {.f = f, .error = e};
  yaml_path(f->path, r.path, sizeof r.path);

  f->words = malloc(WORDS_SIZE);
  if (!f->words) return ml3_error_set(e, ML3_ERR_MEMORY, "no memory for the environment '%s'", f->path);
  if (!(f->xml = ml3_file_read(f->path, XML_SIZE_MAX, &size, e))) return e->code;
  if (!(f->yaml = ml3_file_read(r.path, YAML_SIZE_MAX, &size, e))) {
    ml3_error_prefix(e, "%.200s needs a YAML file beside it that names its goal, reward and tasks", f->path);
    return e->code;
  }
  if (!(f->model = ml3_mjcf_load(f->path, e))) return ml3_error_prefix(e, "%.200s", f->path);
  int code = check_model(f, e);
  if (code != ML3_OK) return code;

  const mjModel *m = r.model = f->model;
  f->frame_skip = 1;
  f->radius_m = 0.05;
  f->weights[MJCF_DISTANCE] = -1;
  f->spec = (ml3_env_spec){.name = f->path,
                           .summary = f->summary,
                           .horizon = 200,
                           .state_dim = m->nq + m->nv + m->na,
                           .goal_dim = 3,
                           .state = f->state,
                           .obs = f->obs,
                           .action = f->action,
                           .goal = f->goal,
                           .task = f->task};
  snprintf(f->summary, sizeof f->summary, "a model of yours, %.200s", f->path);
  if ((code = read_yaml(&r)) != ML3_OK) return code;
  f->spec.dt_s = m->opt.timestep * f->frame_skip;
  ml3_mjcf_env_functions(f);
  return ML3_OK;
}

void ml3_mjcf_env_free(mjcf_env_file *f) {
  if (!f) return;
  if (f->model) mj_deleteModel(f->model);
  free(f->path);
  free(f->xml);
  free(f->yaml);
  free(f->words);
  free(f);
}
