/* One MuJoCo simulation, what every simulated environment stands on: a model that all instances share, or a copy of
   its own where a task changes masses or lengths, and data. Internal. */
#ifndef ML3_ENVS_SIMULATION_H
#define ML3_ENVS_SIMULATION_H

#include <mujoco/mujoco.h>
#include <stdbool.h>

#include "envs/env.h"
#include "envs/mjcf.h"

/* What is to be computed for a state besides its own numbers; bits. */
enum {
  ML3_NEEDS_PLACES = 1,       /* mj_kinematics: frames of bodies, geoms, sites */
  ML3_NEEDS_CAMERAS = 2,      /* mj_camlight */
  ML3_NEEDS_MASSES = 4,       /* mj_comPos: centres of mass, inertias about them */
  ML3_NEEDS_VELOCITIES = 8,   /* mj_comVel: velocities of bodies */
  ML3_NEEDS_SUBTREES = 16,    /* mj_subtreeVel */
  ML3_NEEDS_SENSORS = 32,     /* all that mj_step1 makes: sensors, lengths and velocities of actuators and tendons */
  ML3_NEEDS_FORCES = 64,      /* accelerations, forces and their sensors: of the last substep, or of mj_forward where there is none */
  ML3_NEEDS_BODY_FORCES = 128 /* mj_rnePostConstraint: cfrc_ext, cfrc_int */
};

/* A MuJoCo model, shared or its own, and its data. */
typedef struct ml3_simulation {
  ml3_env *env;         /* whose simulation this is: its warnings are counted there */
  const mjModel *model; /* the one in use: shared, or own */
  const mjModel *shared;
  mjModel *own; /* NULL until a task first departs from the shared model */
  mjData *data;
  double *first; /* [full_dim] the full state of new data: at the first keyframe, or where the MJCF puts the bodies */
  double *work;  /* of ml3_simulation_linearize, from the first one on */
  size_t work_size;
  bool borrowed; /* data belongs to another simulation of the same shared model */
  int needs;     /* the caller's to set: what a step, and setting a state, ends with */
  bool lagged;   /* the caller's to set: after a step places and velocities stay as mj_step leaves them */
  int key;       /* the keyframe of new data; where there is none it is not used */
  bool broken;   /* MuJoCo gave up while a state was set: the next step says so */
  bool no_model; /* ... while a model was made for a task: every step says so */
} ml3_simulation;

/* A simulation of a model that the caller keeps, and does not change, until the simulation is closed; new data is at keyframe
   `key`, or where the MJCF puts the bodies: -1. Closed by ml3_simulation_close, after a failure too. */
int ml3_simulation_open_model(ml3_simulation *s, ml3_env *env, const mjModel *model, int key, ml3_error *error);
void ml3_simulation_close(ml3_simulation *s);

/* Changing the model for a task: ml3_simulation_edit gives a copy with the shared model's values to write in,
   ml3_simulation_edited derives what follows from them (inverse weights, the tree's masses); the state is lost. NULL
   when there is no memory: steps fail then.
   ml3_simulation_unedited goes back to the shared model. */
mjModel *ml3_simulation_edit(ml3_simulation *s);
void ml3_simulation_edited(ml3_simulation *s);
void ml3_simulation_unedited(ml3_simulation *s);

/* qpos[nq], qvel[nv], act[na]. Setting starts the solver cold and puts the bodies where they belong; all else that MuJoCo
   keeps (delayed controls, mocap bodies, what sleeps) is as in new data, so that what follows depends on this state
   alone. (mj_resetData would clear a whole stack in MuJoCo 2.2.) */
void ml3_simulation_set_state(ml3_simulation *s, const double *state);
void ml3_simulation_put_state(ml3_simulation *s, const double *state); /* the same, but for the places of bodies: enough for a step */
/* The same, and no force of a hand; with mocap_pos[3 nmocap] and mocap_quat[4 nmocap] (NULL: those of new data). */
void ml3_simulation_reset(ml3_simulation *s, const double *state, const double *mocap);
void ml3_simulation_get_state(const ml3_simulation *s, double *state);

/* The state of new data: at the first keyframe, or where the MJCF puts the bodies. The simulation is in it afterwards. */
void ml3_simulation_first_state(ml3_simulation *s, double *state);

/* Everything that going on with the same bits needs: time, positions, velocities, activations, warm start and what
   else the release of MuJoCo counts as its integration state, or keeps besides. */
int ml3_simulation_full_dim(const ml3_simulation *s);
void ml3_simulation_get_full(const ml3_simulation *s, double *full);
void ml3_simulation_set_full(ml3_simulation *s, const double *full);

/* The same without the bodies' places: enough for a step. */
void ml3_simulation_load(ml3_simulation *s, const double *full);

/* Puts the bodies where the present state has them. */
void ml3_simulation_place(ml3_simulation *s);

/* For those above: full is loaded; false when MuJoCo gave up in it. */
bool ml3_simulation_put(ml3_simulation *s, const double *full, ml3_mjcf_said *said);

/* Gives up its data and uses host's; host NULL: has data of its own again. The full state is lost. */
int ml3_simulation_borrow(ml3_simulation *s, const ml3_simulation *host, ml3_error *error);

/* ---- simulation_step.c ----------------------------------------------------------------------------------------------- */

/* frame_skip steps under that control[nu], which MuJoCo clips: a code as of ml3_env_result. After ML3_ERR_NUMERIC it is
   back at its initial position. */
int ml3_simulation_step(ml3_simulation *s, const double *control, int frame_skip);

/* Counts what MuJoCo has warned of since the last time, with what it has said during a call. Returns ML3_OK or a code as of
   ml3_env_result, of which ML3_ERR_NUMERIC stands for divergence alone. */
int ml3_simulation_note(ml3_simulation *s, const ml3_mjcf_said *said);

/* After a call in which MuJoCo gave up: counts it, and makes the data usable, in the initial position. */
void ml3_simulation_recover(ml3_simulation *s, const ml3_mjcf_said *said);

/* What `needs` says, of the present state, as after a step; forces: by mj_forward. To be called within ml3_mjcf_try. */
void ml3_simulation_compute(const mjModel *m, mjData *d, int needs, bool forces);

/* Can ml3_simulation_linearize do it: an integrator that MuJoCo differentiates (not RK4). */
bool ml3_simulation_can_linearize(const mjModel *model);

/* Do controls act later, or sensors tell later (MuJoCo 4)? The state does not hold what is on its way, and
   ml3_simulation_linearize says so: it has no derivative of such a model. */
bool ml3_simulation_has_delays(const mjModel *model);

/* The steps to differentiate: frame_skip of them under control[nu]; by controls columns[column_count], or by all: NULL. */
typedef struct ml3_simulation_action {
  const double *control;
  int frame_skip;
  const int *columns;
  int column_count;
} ml3_simulation_action;

/* With n = nq + nv + na, a[n][n] and b[n][column_count] by mjd_transitionFD in each step; controls beyond their bounds
   have derivative 0. Of a quaternion its rotations count, not its length (envs/tangent.h). All are NAN where MuJoCo gave up
   or diverged. The full state is put back. */
void ml3_simulation_linearize(ml3_simulation *s, const ml3_simulation_action *action, double *a, double *b);

#endif
