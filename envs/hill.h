/* The picture of both mountain cars: envs/mountain_car.xml, whose joints are x, z, pitch, the roll of the axles and
   the flag's x and z. Internal. */
#ifndef ML3_ENVS_HILL_H
#define ML3_ENVS_HILL_H

#include "envs/env.h"

/* The car at position p on the hill, the flag at the goal's. */
void ml3_hill_pose(double p, double goal, double *qpos, int nq);

/* Of Gymnasium's two cars: position and velocity as state and goal, and as observation; their plane on the meadow before the
   hill, position along x, velocity along y. */
extern const ml3_env_field ml3_hill_state_fields[2], ml3_hill_obs_fields[2];
extern const ml3_env_plane ml3_hill_plane;

#endif
