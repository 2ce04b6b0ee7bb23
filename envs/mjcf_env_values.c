/* What the YAML beside a model is read with: numbers, texts, mappings and names, and complaints that say the line. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/mjcf_env_internal.h"

/* ---- complaints ------------------------------------------------------------------------------------------------- */

int ml3_mjcf_wrong(ml3_mjcf_reader *r, const yaml_node_t *at, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%.200s:%d: %s", r->path, at ? (int)at->start_mark.line + 1 : 1, text);
}

/* "; did you mean 'x'?" or nothing, into text. */
const char *ml3_mjcf_suggestion(const char *word, const char *const *names, int count, char text[96]) {
  const char *nearest = ml3_error_nearest(word, names, count);
  text[0] = '\0';
  if (nearest) snprintf(text, 96, "; did you mean '%.60s'?", nearest);
  return text;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

const yaml_node_t *ml3_mjcf_node(ml3_mjcf_reader *r, int index) {
  return yaml_document_get_node(&r->document, index);
}

const char *ml3_mjcf_text_of(const yaml_node_t *n) {
  return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

int ml3_mjcf_read_number(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, double low, double high,
                         double *x) {
  const char *text = ml3_mjcf_text_of(n);
  char *end = NULL;
  errno = 0;
  if (text) *x = strtod(text, &end);
  if (text && *text && !*end && isfinite(*x) && *x >= low && *x <= high) return ML3_OK;
  if (low <= -1e300)
    return ml3_mjcf_wrong(r, n, "%s is '%.60s'; expected a number", what, text ? text : "not a single value");
  return ml3_mjcf_wrong(r, n, "%s is '%.60s'; expected a number from %g to %g", what,
                        text ? text : "not a single value", low, high);
}

int ml3_mjcf_read_whole(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, int low, int high, int *x) {
  double value = 0;
  int code = ml3_mjcf_read_number(r, n, what, low, high, &value);
  if (code != ML3_OK) return code;
  if (value != floor(value)) return ml3_mjcf_wrong(r, n, "%s is %g; expected a whole number", what, value);
  *x = (int)value;
  return ML3_OK;
}

/* Text that stays with the environment. */
const char *ml3_mjcf_keep(ml3_mjcf_reader *r, const char *format, ...) {
  mjcf_env_file *f = r->f;
  char *to = f->words + f->words_used;
  va_list args;
  va_start(args, format);
  int length = vsnprintf(to, MJCF_WORDS_SIZE - f->words_used, format, args);
  va_end(args);
  if (length < 0 || f->words_used + (size_t)length + 1 >= MJCF_WORDS_SIZE) return "name";
  f->words_used += (size_t)length + 1;
  return to;
}

/* ---- mappings --------------------------------------------------------------------------------------------------------- */

/* The value of that key, or NULL. */
const yaml_node_t *ml3_mjcf_find(ml3_mjcf_reader *r, const yaml_node_t *map, const char *key) {
  for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    const char *name = ml3_mjcf_text_of(ml3_mjcf_node(r, p->key));
    if (name && strcmp(name, key) == 0) return ml3_mjcf_node(r, p->value);
  }
  return NULL;
}

int ml3_mjcf_read_pairs(ml3_mjcf_reader *r, const yaml_node_t *map, const char *expected,
                        int (*read)(ml3_mjcf_reader *r, const yaml_node_t *key, const yaml_node_t *value)) {
  if (map->type != YAML_MAPPING_NODE) return ml3_mjcf_wrong(r, map, "%s", expected);
  for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    int code = read(r, ml3_mjcf_node(r, p->key), ml3_mjcf_node(r, p->value));
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* A mapping with those keys, each at most once, read in the order of the table. */
int ml3_mjcf_read_sections(ml3_mjcf_reader *r, const yaml_node_t *map, const char *what,
                           const ml3_mjcf_section *sections, int count) {
  const char *names[16];
  char hint[96];
  if (!map || map->type != YAML_MAPPING_NODE) return ml3_mjcf_wrong(r, map, "%s: expected `key: value` lines", what);
  for (int i = 0; i < count; i++) names[i] = sections[i].key;
  for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    const yaml_node_t *key = ml3_mjcf_node(r, p->key);
    const char *name = ml3_mjcf_text_of(key);
    int i = 0;
    while (name && i < count && strcmp(name, names[i]) != 0) i++;
    if (!name || i == count)
      return ml3_mjcf_wrong(r, key, "%s: unknown key '%.60s'%s", what, name ? name : "a list",
                            ml3_mjcf_suggestion(name ? name : "", names, count, hint));
    if (ml3_mjcf_find(r, map, name) != ml3_mjcf_node(r, p->value))
      return ml3_mjcf_wrong(r, key, "%s: '%s' is given twice", what, name);
  }
  for (int i = 0; i < count; i++) {
    const yaml_node_t *value = ml3_mjcf_find(r, map, names[i]);
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
                              : ml3_actuators(m);
}

/* The object of that name; -1 with a complaint. */
int ml3_mjcf_find_object(ml3_mjcf_reader *r, const yaml_node_t *at, int type, const char *name) {
  enum { NAMES_MAX = 256 };
  const char *names[NAMES_MAX];
  char hint[96];
  int id = name && *name ? mj_name2id(r->model, type, name) : -1, count = 0;
  if (id >= 0) return id;
  for (int i = 0; i < count_of(r->model, type) && count < NAMES_MAX; i++) {
    const char *one = mj_id2name(r->model, type, i);
    if (one && *one) names[count++] = one;
  }
  ml3_mjcf_wrong(r, at, "the model has no %s '%.60s'%s", kind_name(type), name ? name : "",
                 ml3_mjcf_suggestion(name ? name : "", names, count, hint));
  return -1;
}

/* A hinge or slide of that name; -1 with a complaint. */
int ml3_mjcf_find_scalar_joint(ml3_mjcf_reader *r, const yaml_node_t *at, const char *name) {
  int joint = ml3_mjcf_find_object(r, at, mjOBJ_JOINT, name);
  if (joint < 0 || r->model->jnt_type[joint] == mjJNT_HINGE || r->model->jnt_type[joint] == mjJNT_SLIDE) return joint;
  ml3_mjcf_wrong(r, at, "joint '%.60s' is a ball or free joint; expected a hinge or a slide", name);
  return -1;
}

/* "kind name" into its two words; rest is "" where there is none. False when it is no text or too long. */
bool ml3_mjcf_split(const char *text, char kind[128], char rest[128]) {
  if (!text || strlen(text) >= 128) return false;
  size_t n = strcspn(text, " ");
  memcpy(kind, text, n);
  kind[n] = '\0';
  const char *after = text + n;
  while (*after == ' ') after++;
  strcpy(rest, after);
  return true;
}

/* ---- ranges -------------------------------------------------------------------------------------------------------- */

/* [low, high]. */
int ml3_mjcf_read_range(ml3_mjcf_reader *r, const yaml_node_t *n, const char *what, double *low, double *high) {
  if (!n || n->type != YAML_SEQUENCE_NODE || n->data.sequence.items.top - n->data.sequence.items.start != 2)
    return ml3_mjcf_wrong(r, n, "%s: expected [low, high]", what);
  int code = ml3_mjcf_read_number(r, ml3_mjcf_node(r, n->data.sequence.items.start[0]), what, -1e300, 1e300, low);
  if (code == ML3_OK)
    code = ml3_mjcf_read_number(r, ml3_mjcf_node(r, n->data.sequence.items.start[1]), what, -1e300, 1e300, high);
  if (code == ML3_OK && *low > *high)
    return ml3_mjcf_wrong(r, n, "%s: [%g, %g] has its low end above its high one", what, *low, *high);
  return code;
}

/* The word after the name: an axis, 0 .. 2; -1 where there is none. Cuts it off. */
int ml3_mjcf_cut_axis(char *name) {
  size_t n = strlen(name);
  if (n == 1 && name[0] >= 'x' && name[0] <= 'z') return name[0] - 'x';
  if (n < 3 || name[n - 2] != ' ' || name[n - 1] < 'x' || name[n - 1] > 'z') return -1;
  int axis = name[n - 1] - 'x';
  name[n - 2] = '\0';
  return axis;
}
