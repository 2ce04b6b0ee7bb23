/* One MuJoCo simulation, what every simulated environment stands on: a model that all instances share, or a copy of
   its own where a task changes masses or lengths, and data. Internal. */
#ifndef ML3_ENVS_SIMULATION_H
#define ML3_ENVS_SIMULATION_H

#include <mujoco/mujoco.h>
#include <stdbool.h>

#include "envs/env.h"
#include "envs/mjcf.h"

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
  bool kept;     /* by the caller: the shared model is not released here */
  bool borrowed; /* data belongs to another simulation of the same shared model */
  bool places;   /* the caller's to set: a step ends with mj_kinematics, so that places belong to the new state */
  bool broken;   /* MuJoCo gave up while a state was set: the next step says so */
  bool no_model; /* ... while a model was made for a task: every step says so */
} ml3_simulation;

/* A simulation of that MJCF text, which must stay where it is. Closed by ml3_simulation_close, after a failure too. */
int ml3_simulation_open(ml3_simulation *s, ml3_env *env, const char *xml, ml3_error *error);
/* The same of a model that the caller keeps, and does not change, until the simulation is closed. */
int ml3_simulation_open_model(ml3_simulation *s, ml3_env *env, const mjModel *model, ml3_error *error);
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
void ml3_simulation_reset(ml3_simulation *s, const double *state); /* the same, and no force of a hand */
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

/* Can ml3_simulation_linearize do it: hinges and slides alone, an integrator that MuJoCo differentiates (not RK4). */
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
   have derivative 0. All are NAN where MuJoCo gave up or diverged. The full state is put back. */
void ml3_simulation_linearize(ml3_simulation *s, const ml3_simulation_action *action, double *a, double *b);

/* ---- for a spec whose env->data is an ml3_simulation and nothing else: these stand in it as they are ---------------- */

void ml3_simulation_env_destroy(ml3_env *env);
void ml3_simulation_env_get_state(const ml3_env *env, double *state);
void ml3_simulation_env_set_state(ml3_env *env, const double *state);
int ml3_simulation_env_full_dim(const ml3_env *env);
void ml3_simulation_env_get_full(const ml3_env *env, double *full);
void ml3_simulation_env_set_full(ml3_env *env, const double *full);
void ml3_simulation_env_load(ml3_env *env, const double *full);
int ml3_simulation_env_borrow(ml3_env *env, const ml3_env *host, ml3_error *error);

#endif
