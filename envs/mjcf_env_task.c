/* `task:` of the YAML beside a model: numbers of the model, or of the start, and their ranges. */
#include <stdio.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/mjcf_env_internal.h"

/* ---- tasks --------------------------------------------------------------------------------------------------------------------------- */

static const char *const VARIABLES[] = {"goal",    "start",    "start_velocity", "mass",
                                        "damping", "friction", "gear",           "gravity"};
enum { VARIABLE_COUNT = 8 };

/* What the model says: the value where no task is drawn. */
static double model_value(ml3_mjcf_reader *r, const mjcf_parameter *p) {
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

static int find_parameter(ml3_mjcf_reader *r, const yaml_node_t *at, mjcf_parameter *p, char *name) {
  const mjModel *m = r->model;
  int id = 0;
  switch (p->variable) {
    case MJCF_GOAL_POSITION:
      if ((p->index = ml3_mjcf_cut_axis(name)) < 0) return ml3_mjcf_wrong(r, at, "task: expected `goal x`, y or z");
      if (m->site_bodyid[r->f->goal_site] != 0)
        return ml3_mjcf_wrong(
            r, at, "task: the goal's site is on a body that moves; put it into worldbody to give its place a range");
      return ML3_OK;
    case MJCF_START:
    case MJCF_START_VELOCITY:
    case MJCF_DAMPING:
      if ((id = ml3_mjcf_find_scalar_joint(r, at, name)) < 0) return ML3_ERR_FORMAT;
      p->index = p->variable == MJCF_START ? m->jnt_qposadr[id] : m->jnt_dofadr[id];
      return ML3_OK;
    case MJCF_MASS:
      if ((p->index = ml3_mjcf_find_object(r, at, mjOBJ_BODY, name)) < 0) return ML3_ERR_FORMAT;
      if (m->body_mass[p->index] <= 0) return ml3_mjcf_wrong(r, at, "task: body '%.60s' has no mass in the MJCF", name);
      return ML3_OK;
    case MJCF_FRICTION:
      return (p->index = ml3_mjcf_find_object(r, at, mjOBJ_GEOM, name)) < 0 ? ML3_ERR_FORMAT : ML3_OK;
    case MJCF_GEAR:
      if ((id = ml3_mjcf_find_actuator(r, at, name)) < 0) return ML3_ERR_FORMAT;
      p->index = ml3_force_output(m, id);
      return ML3_OK;
    case MJCF_GRAVITY:
      return ML3_OK;
  }
  return ML3_OK;
}

static int add_parameter(ml3_mjcf_reader *r, const yaml_node_t *key, const yaml_node_t *value) {
  static const char *const units[VARIABLE_COUNT] = {"m", "m or rad", "m/s or rad/s", "kg", "N s/m or N m s",
                                                    "1", "1",        "m/s^2"};
  mjcf_env_file *f = r->f;
  char kind[128], name[128], hint[96];
  if (!ml3_mjcf_split(ml3_mjcf_text_of(key), kind, name))
    return ml3_mjcf_wrong(r, key, "task: expected lines such as `mass pole: [0.5, 2]`");
  int which = 0;
  while (which < VARIABLE_COUNT && strcmp(kind, VARIABLES[which]) != 0) which++;
  if (which == VARIABLE_COUNT)
    return ml3_mjcf_wrong(r, key, "task: unknown parameter '%.60s'%s", kind,
                          ml3_mjcf_suggestion(kind, VARIABLES, VARIABLE_COUNT, hint));
  if (f->spec.task_dim == MJCF_TASK_MAX) return ml3_mjcf_wrong(r, key, "task: more than %d parameters", MJCF_TASK_MAX);

  mjcf_parameter p = {.variable = (mjcf_variable)which};
  ml3_env_parameter *parameter = &f->task[f->spec.task_dim];
  const char *full = *name ? ml3_mjcf_keep(r, "%s_%s", kind, name) : ml3_mjcf_keep(r, "%s", kind);
  int code = find_parameter(r, key, &p, name);
  if (code == ML3_OK) code = ml3_mjcf_read_range(r, value, ml3_mjcf_text_of(key), &parameter->low, &parameter->high);
  if (code != ML3_OK) return code;
  if (p.variable == MJCF_MASS && parameter->low <= 0) return ml3_mjcf_wrong(r, value, "task: a mass must be above 0");
  if ((p.variable == MJCF_DAMPING || p.variable == MJCF_FRICTION) && parameter->low < 0)
    return ml3_mjcf_wrong(r, value, "task: %s must not be negative", kind);
  for (int i = 0; i < f->spec.task_dim; i++)
    if (f->parameters[i].variable == p.variable && f->parameters[i].index == p.index)
      return ml3_mjcf_wrong(r, key, "task: '%s' is given twice", ml3_mjcf_text_of(key));
  for (char *c = (char *)full; *c; c++) *c = *c == ' ' ? '_' : *c;
  f->parameters[f->spec.task_dim++] = p;
  parameter->name = full;
  parameter->unit = units[which];
  parameter->value = model_value(r, &p);
  return ML3_OK;
}

int ml3_mjcf_read_task(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return ml3_mjcf_read_pairs(r, n, "task: expected lines such as `mass pole: [0.5, 2]`", add_parameter);
}
