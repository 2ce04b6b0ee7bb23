/* Objects of a model by MuJoCo's words for their kinds, and by name: see compiler.h. */
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/task/compiler.h"

/* ---- objects -------------------------------------------------------------------------------------------------------- */

typedef struct object_kind {
  const char *name; /* MuJoCo's word */
  int type;
} object_kind;

static const object_kind KINDS[] = {{"joint", mjOBJ_JOINT},       {"body", mjOBJ_BODY},     {"xbody", mjOBJ_XBODY},
                                    {"site", mjOBJ_SITE},         {"geom", mjOBJ_GEOM},     {"camera", mjOBJ_CAMERA},
                                    {"actuator", mjOBJ_ACTUATOR}, {"sensor", mjOBJ_SENSOR}, {"tendon", mjOBJ_TENDON}};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

int ml3_compile_count(const mjModel *m, int type) {
  switch (type) {
    case mjOBJ_JOINT:
      return m->njnt;
    case mjOBJ_SITE:
      return m->nsite;
    case mjOBJ_GEOM:
      return m->ngeom;
    case mjOBJ_CAMERA:
      return m->ncam;
    case mjOBJ_ACTUATOR:
      return ml3_actuators(m);
    case mjOBJ_SENSOR:
      return m->nsensor;
    case mjOBJ_TENDON:
      return m->ntendon;
    default:
      return m->nbody;
  }
}

int ml3_compile_object(ml3_compiler *c, int type, const char *name) {
  enum { NAMES_MAX = 512 };
  const char *names[NAMES_MAX], *kind = "body";
  char hint[96];
  const int named = type == mjOBJ_XBODY ? mjOBJ_BODY : type;
  int id = name && *name ? mj_name2id(c->model, named, name) : -1, count = 0;
  if (id >= 0) return id;
  for (int i = 0; i < KIND_COUNT; i++)
    if (KINDS[i].type == named) kind = KINDS[i].name;
  for (int i = 0; i < ml3_compile_count(c->model, named) && count < NAMES_MAX; i++) {
    const char *one = mj_id2name(c->model, named, i);
    if (one && *one) names[count++] = one;
  }
  ml3_refuse(c, "the model has no %s '%.60s'%s", kind, name ? name : "",
             ml3_tree_suggestion(name ? name : "", names, count, hint));
  return -1;
}

/* The object that the next word names; -1 with a complaint. */
int ml3_compile_take_object(ml3_compiler *c, ml3_words *w, int type) {
  if (w->kind == ML3_END || w->kind == ML3_MARK) {
    ml3_refuse(c, "the name of an object is missing");
    return -1;
  }
  const int id = ml3_compile_object(c, type, w->text);
  if (id >= 0) ml3_words_next(w);
  return id;
}

int ml3_compile_object_type(const ml3_words *w) {
  for (int i = 0; i < KIND_COUNT; i++)
    if (ml3_words_are(w, KINDS[i].name)) return KINDS[i].type;
  return -1;
}
