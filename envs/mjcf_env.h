/* Internal: an environment from a user's own files, FILE.xml (MJCF) and FILE.yaml beside it. docs/environments.md says what
   the YAML can hold. mjcf_env_read.c makes this description from the files, mjcf_env.c steps it. */
#ifndef ML3_ENVS_MJCF_ENV_H
#define ML3_ENVS_MJCF_ENV_H

#include <mujoco/mujoco.h>

#include "envs/env.h"

enum { MJCF_FIELDS_MAX = 1024, MJCF_ACTIONS_MAX = 256, MJCF_TASK_MAX = 64, MJCF_LIMITS_MAX = 64 };

/* One number that can be read off a simulation. */
typedef enum mjcf_quantity {
  MJCF_QPOS, /* index: into qpos */
  MJCF_QVEL, /* index: into qvel */
  MJCF_SIN,  /* of a hinge; index: into qpos */
  MJCF_COS,
  MJCF_SITE, /* index: 3 site + axis */
  MJCF_BODY, /* index: 3 body + axis */
  MJCF_GOAL, /* index: axis */
  MJCF_TO_GOAL
} mjcf_quantity;

/* One number of the simulation that the YAML beside a model names. */
typedef struct mjcf_entry {
  mjcf_quantity quantity;
  int index;
} mjcf_entry;

/* One number of the model, or of the start, that a task sets. */
typedef enum mjcf_variable {
  MJCF_GOAL_POSITION,  /* index: axis; m, in the world */
  MJCF_START,          /* index: into qpos */
  MJCF_START_VELOCITY, /* index: into qvel */
  MJCF_MASS,           /* index: body; its inertia goes along */
  MJCF_DAMPING,        /* index: dof */
  MJCF_FRICTION,       /* index: geom; sliding */
  MJCF_GEAR,           /* index: force output of an actuator */
  MJCF_GRAVITY         /* downwards */
} mjcf_variable;

/* A parameter of the task: what it changes in the model. */
typedef struct mjcf_parameter {
  mjcf_variable variable;
  int index;
} mjcf_parameter;

/* An episode ends where the entry leaves [low, high]. */
typedef struct mjcf_limit {
  mjcf_entry entry;
  double low, high;
} mjcf_limit;

typedef enum mjcf_term { MJCF_DISTANCE, MJCF_CONTROL, MJCF_VELOCITY, MJCF_ALIVE, MJCF_SUCCESS, MJCF_TERMS } mjcf_term;

/* What the YAML beside a model says, checked against it. */
typedef struct mjcf_env_file {
  ml3_env_spec spec; /* first: a spec of this kind is one of these */
  struct mjcf_env_file *next;
  char *path, *name, *xml, *yaml; /* as they were read; name: what it is called, which may be another file's path */
  mjModel *model;

  int frame_skip, goal_site, tip_site, limit_count;
  double radius_m, weights[MJCF_TERMS];
  bool ends_at_goal;
  int controls[MJCF_ACTIONS_MAX];           /* [action_dim]: into ctrl */
  mjcf_entry entries[MJCF_FIELDS_MAX];      /* [obs_dim] */
  mjcf_parameter parameters[MJCF_TASK_MAX]; /* [task_dim] */
  mjcf_limit limits[MJCF_LIMITS_MAX];       /* [limit_count] */

  ml3_env_field state[MJCF_FIELDS_MAX], obs[MJCF_FIELDS_MAX], action[MJCF_ACTIONS_MAX], goal[3];
  ml3_env_parameter task[MJCF_TASK_MAX];
  char summary[256];
  char *words; /* names and units that were put together */
  size_t words_used;
} mjcf_env_file;

/* Reads f->path and the YAML beside it into f, all of which is zero but path and name. On failure f is to be freed as well. */
int ml3_mjcf_env_read(mjcf_env_file *f, ml3_error *error);
void ml3_mjcf_env_free(mjcf_env_file *f);

/* Fills in the functions of f->spec. */
void ml3_mjcf_env_functions(mjcf_env_file *f);

/* The spec of FILE.xml, read once (again when a file has changed) and kept to the end of the process. */
const ml3_env_spec *ml3_mjcf_env_find(const char *path, const char *name, ml3_error *error);

#endif
