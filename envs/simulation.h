/* One MuJoCo simulation, what every simulated environment stands on: a model that all instances share, or a copy of
   its own where a task changes masses or lengths, and data. Internal. */
#ifndef ML3_ENVS_SIMULATION_H
#define ML3_ENVS_SIMULATION_H

#include <mujoco/mujoco.h>
#include <stdbool.h>

#include "envs/env.h"

/* A MuJoCo model, shared or its own, and its data. */
typedef struct ml3_simulation {
  const mjModel *model; /* the one in use: shared, or own */
  const mjModel *shared;
  mjModel *own; /* NULL until a task first departs from the shared model */
  mjData *data;
  bool kept;     /* by the caller: the shared model is not released here */
  bool borrowed; /* data belongs to another simulation of the same shared model */
} ml3_simulation;

/* A simulation of that MJCF text, which must stay where it is. Closed by ml3_simulation_close, after a failure too. */
int ml3_simulation_open(ml3_simulation *s, const char *xml, ml3_error *error);
/* The same of a model that the caller keeps, and does not change, until the simulation is closed. */
int ml3_simulation_open_model(ml3_simulation *s, const mjModel *model, ml3_error *error);
void ml3_simulation_close(ml3_simulation *s);

/* Changing the model for a task: ml3_simulation_edit gives a copy with the shared model's values to write in,
   ml3_simulation_edited derives what follows from them (inverse weights, the tree's masses); the state is lost.
   ml3_simulation_unedited goes back to the shared model. */
mjModel *ml3_simulation_edit(ml3_simulation *s);
void ml3_simulation_edited(ml3_simulation *s);
void ml3_simulation_unedited(ml3_simulation *s);

/* qpos[nq], qvel[nv], act[na]. Setting starts the solver cold and puts the bodies where they belong, so that what follows
   depends on this state alone. (mj_resetData would clear a whole stack in MuJoCo 2.2.) */
void ml3_simulation_set_state(ml3_simulation *s, const double *state);
void ml3_simulation_reset(ml3_simulation *s, const double *state); /* the same, and no force of a hand */
void ml3_simulation_get_state(const ml3_simulation *s, double *state);

/* Everything that going on with the same bits needs: time, positions, velocities, activations, warm start and what
   else the release of MuJoCo counts as its integration state. */
int ml3_simulation_full_dim(const ml3_simulation *s);
void ml3_simulation_get_full(const ml3_simulation *s, double *full);
void ml3_simulation_set_full(ml3_simulation *s, const double *full);

/* The same without the bodies' places: enough for a step. */
void ml3_simulation_load(ml3_simulation *s, const double *full);

/* Gives up its data and uses host's; host NULL: has data of its own again. The full state is lost. */
int ml3_simulation_borrow(ml3_simulation *s, const ml3_simulation *host, ml3_error *error);

/* frame_skip steps under that control[nu], which MuJoCo clips. False when the simulation diverged: MuJoCo has then
   put it back to its initial position. */
bool ml3_simulation_step(ml3_simulation *s, const double *control, int frame_skip);

/* Can ml3_simulation_linearize do it: hinges and slides alone, an integrator that MuJoCo differentiates (not RK4). */
bool ml3_simulation_can_linearize(const mjModel *model);

/* With n = nq + nv + na, a[n][n] and b[n][nu] of frame_skip steps, by mjd_transitionFD in each; controls beyond their
   bounds have derivative 0. The full state is put back. */
void ml3_simulation_linearize(ml3_simulation *s, const double *control, int frame_skip, double *a, double *b);

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
