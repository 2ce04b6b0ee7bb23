/* What the three mountain cars have in common: how far the goal is, and their picture, envs/mountain_car.xml, whose joints are x, z,
   pitch, the roll of the axles and the flag's x and z. Their data begin with the position, the goal's is entry 2 of the
   task. Internal. */
#ifndef ML3_ENVS_HILL_H
#define ML3_ENVS_HILL_H

#include "envs/env.h"

/* In position, to the left of the goal; 0 for a car at the goal or beyond. */
double ml3_hill_distance(const ml3_env *env);
/* The flag stays on the right slope. */
void ml3_hill_move_goal(ml3_env *env, const double *point);
/* The car on the hill, the flag at the goal. */
void ml3_hill_pose(const ml3_env *env, double *qpos, int nq);

/* Of Gymnasium's two cars: position and velocity as state and goal, and as observation; their plane on the meadow before the
   hill, position along x, velocity along y. */
extern const ml3_env_field ml3_hill_state_fields[2], ml3_hill_obs_fields[2];
extern const ml3_env_plane ml3_hill_plane;

#endif
