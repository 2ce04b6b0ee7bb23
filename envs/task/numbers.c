/* Numbers of a model that tasks set. */
#include <math.h>

#include "envs/mjcf_actuators_internal.h"
#include "envs/task/task.h"

const ml3_number_kind ml3_task_numbers[ML3_NUMBER_KINDS] = {
    {"goal", "m", ML3_NUMBER_SITE, -1, true},
    {"site", "m", ML3_NUMBER_SITE, mjOBJ_SITE, true},
    {"body", "m", ML3_NUMBER_BODY, mjOBJ_BODY, true},
    {"geom", "m", ML3_NUMBER_GEOM, mjOBJ_GEOM, true},
    {"length", "m", ML3_NUMBER_LENGTH, mjOBJ_GEOM, false},
    {"start", "m or rad", ML3_NUMBER_START, mjOBJ_JOINT, false},
    {"start_velocity", "m/s or rad/s", ML3_NUMBER_START_VELOCITY, mjOBJ_JOINT, false},
    {"mass", "kg", ML3_NUMBER_MASS, mjOBJ_BODY, false},
    {"inertia", "kg m^2", ML3_NUMBER_INERTIA, mjOBJ_BODY, false},
    {"damping", "N s/m or N m s", ML3_NUMBER_DAMPING, mjOBJ_JOINT, false},
    {"armature", "kg or kg m^2", ML3_NUMBER_ARMATURE, mjOBJ_JOINT, false},
    {"friction", "1", ML3_NUMBER_FRICTION, mjOBJ_GEOM, false},
    {"gear", "1", ML3_NUMBER_GEAR, mjOBJ_ACTUATOR, false},
    {"gravity", "m/s^2", ML3_NUMBER_GRAVITY, -1, false},
    {"tendon", "1", ML3_NUMBER_TENDON, mjOBJ_TENDON, false},
};
/* What the model says. */
double ml3_task_number_value(const mjModel *m, int key, const ml3_task_variable *v) {
  const int i = v->index;
  switch (v->number) {
    case ML3_NUMBER_SITE:
      return m->site_pos[i];
    case ML3_NUMBER_BODY:
      return m->body_pos[i];
    case ML3_NUMBER_GEOM:
      return m->geom_pos[i];
    case ML3_NUMBER_LENGTH:
      return 2 * m->geom_size[3 * i + 1];
    case ML3_NUMBER_MASS:
      return m->body_mass[i];
    case ML3_NUMBER_DAMPING:
      return m->dof_damping[i];
    case ML3_NUMBER_ARMATURE:
      return m->dof_armature[i];
    case ML3_NUMBER_FRICTION:
      return m->geom_friction[3 * i];
    case ML3_NUMBER_GEAR:
      return m->actuator_gear[6 * i];
    case ML3_NUMBER_GRAVITY:
      return -m->opt.gravity[2];
    case ML3_NUMBER_TENDON:
      return m->wrap_prm[i];
    case ML3_NUMBER_START:
      return key >= 0 ? m->key_qpos[(size_t)key * (size_t)m->nq + (size_t)i] : m->qpos0[i];
    case ML3_NUMBER_START_VELOCITY:
      return key >= 0 ? m->key_qvel[(size_t)key * (size_t)m->nv + (size_t)i] : 0;
    default:
      return 1;
  }
}

/* Can the number of object i be scaled: is it anything at all? */
bool ml3_task_number_counts(const mjModel *m, ml3_task_number number, int i) {
  switch (number) {
    case ML3_NUMBER_MASS:
    case ML3_NUMBER_INERTIA:
      return m->body_mass[i] > 0;
    case ML3_NUMBER_DAMPING:
      return m->dof_damping[m->jnt_dofadr[i]] > 0;
    case ML3_NUMBER_ARMATURE:
      return m->dof_armature[m->jnt_dofadr[i]] > 0;
    case ML3_NUMBER_FRICTION:
      return m->geom_contype[i] || m->geom_conaffinity[i];
    default:
      return true;
  }
}

int ml3_task_number_index(const mjModel *m, const ml3_number_kind *k, int object) {
  switch (k->number) {
    case ML3_NUMBER_SITE:
    case ML3_NUMBER_BODY:
    case ML3_NUMBER_GEOM:
      return 3 * object;
    case ML3_NUMBER_START:
      return m->jnt_qposadr[object];
    case ML3_NUMBER_START_VELOCITY:
    case ML3_NUMBER_DAMPING:
    case ML3_NUMBER_ARMATURE:
      return m->jnt_dofadr[object];
    case ML3_NUMBER_GEAR:
      return ml3_force_output(m, object);
    default:
      return object;
  }
}

bool ml3_task_departs(const ml3_task *t, const ml3_task_variable *v, double value) {
  if (v->number >= ML3_NUMBER_START) return false;
  if (v->number == ML3_NUMBER_SITE && t->model->site_bodyid[v->index / 3] == 0) return false;
  if (v->picture) return false;
  return value != (v->scale ? 1 : ml3_task_number_value(t->model, t->key, v));
}

/* ---- lengths -------------------------------------------------------------------------------------------------------- */

/* About its middle, of mass 1, along its axis and across it: a cylinder, and with a capsule two half spheres of the same density. */
static void inertia_of(bool capsule, double radius, double length, double *along, double *across) {
  const double spheres = capsule ? 4 * radius / (4 * radius + 3 * length) : 0, cylinder = 1 - spheres;
  *along = cylinder * radius * radius / 2 + spheres * 2 * radius * radius / 5;
  *across = cylinder * (3 * radius * radius + length * length) / 12 + spheres * 2 * radius * radius / 5 +
            spheres * length * (3 * radius + 2 * length) / 8;
}

/* The principal axis of the geom's body that is the geom's own. */
static int principal_axis(const mjModel *m, int geom) {
  const double z[3] = {0, 0, 1};
  double axis[3], back[4], seen[3];
  int best = 0;
  mju_rotVecQuat(axis, z, m->geom_quat + 4 * geom);
  mju_negQuat(back, m->body_iquat + 4 * m->geom_bodyid[geom]);
  mju_rotVecQuat(seen, axis, back);
  for (int i = 1; i < 3; i++)
    if (fabs(seen[i]) > fabs(seen[best])) best = i;
  return best;
}

bool ml3_task_has_length(const mjModel *m, int geom) {
  const bool capsule = m->geom_type[geom] == mjGEOM_CAPSULE;
  const int body = m->geom_bodyid[geom], axis = principal_axis(m, geom);
  const double length = 2 * m->geom_size[3 * geom + 1];
  double along, across, expected[3];
  if (body == 0 || (!capsule && m->geom_type[geom] != mjGEOM_CYLINDER)) return false;
  inertia_of(capsule, m->geom_size[3 * geom], length, &along, &across);
  for (int i = 0; i < 3; i++) expected[i] = m->body_mass[body] * (i == axis ? along : across);
  return mju_dist3(m->body_ipos + 3 * body, m->geom_pos + 3 * geom) < 1e-9 * length &&
         mju_dist3(expected, m->body_inertia + 3 * body) < 1e-6 * mju_norm3(expected);
}

/* The end that is nearer to the body's frame stays; the body's mass stays, its middle and inertia follow. */
static void set_length(mjModel *m, int geom, double length) {
  const bool capsule = m->geom_type[geom] == mjGEOM_CAPSULE;
  const int body = m->geom_bodyid[geom], own = principal_axis(m, geom);
  const double z[3] = {0, 0, 1}, before = 2 * m->geom_size[3 * geom + 1], radius = m->geom_size[3 * geom];
  double axis[3], along[2], across[2], *place = m->geom_pos + 3 * geom;
  mju_rotVecQuat(axis, z, m->geom_quat + 4 * geom);
  const double side = mju_dot3(axis, place) < 0 ? -1 : 1;
  mju_addToScl3(place, axis, side * (length - before) / 2);
  mju_copy3(m->body_ipos + 3 * body, place);
  m->geom_sameframe[geom] = m->body_sameframe[body] = 0;
  m->geom_size[3 * geom + 1] = length / 2;
  m->geom_rbound[geom] = capsule ? radius + length / 2 : hypot(radius, length / 2);
#if mjVERSION_HEADER >= 300
  m->opt.disableflags |= mjDSBL_MIDPHASE; /* its boxes are those of the old length */
#endif
  inertia_of(capsule, radius, before, &along[0], &across[0]);
  inertia_of(capsule, radius, length, &along[1], &across[1]);
  for (int i = 0; i < 3; i++) m->body_inertia[3 * body + i] *= i == own ? along[1] / along[0] : across[1] / across[0];
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

static void scale_inertia(mjModel *m, int body, double factor) {
  mju_scl3(m->body_inertia + 3 * body, m->body_inertia + 3 * body, factor);
}

void ml3_task_set_number(mjModel *m, const ml3_task_variable *v, double value) {
  const int i = v->index;
  mjtNum *number = NULL;
  switch (v->number) {
    case ML3_NUMBER_SITE:
      number = m->site_pos + i;
      m->site_sameframe[i / 3] = 0; /* else MuJoCo takes the body's frame where they were the same */
      break;
    case ML3_NUMBER_BODY:
      number = m->body_pos + i;
      break;
    case ML3_NUMBER_GEOM:
      number = m->geom_pos + i;
      m->geom_sameframe[i / 3] = 0;
      break;
    case ML3_NUMBER_MASS:
      scale_inertia(m, i, v->scale ? value : value / m->body_mass[i]);
      number = m->body_mass + i;
      break;
    case ML3_NUMBER_INERTIA:
      scale_inertia(m, i, value);
      return;
    case ML3_NUMBER_DAMPING:
      number = m->dof_damping + i;
      break;
    case ML3_NUMBER_ARMATURE:
      number = m->dof_armature + i;
      break;
    case ML3_NUMBER_FRICTION:
      number = m->geom_friction + 3 * i;
      break;
    case ML3_NUMBER_GEAR:
      number = m->actuator_gear + 6 * i;
      break;
    case ML3_NUMBER_LENGTH:
      set_length(m, i, value);
      return;
    case ML3_NUMBER_TENDON:
      number = m->wrap_prm + i;
      break;
    case ML3_NUMBER_GRAVITY:
      m->opt.gravity[2] = v->scale ? m->opt.gravity[2] * value : -value;
      return;
    default:
      return;
  }
  *number = v->scale ? *number * value : value;
}
