/* The picture of both mountain cars: envs/mountain_car.xml, whose joints are x, z, pitch, the roll of the axles and
   the flag's x and z. Internal. */
#ifndef ML3_ENVS_HILL_H
#define ML3_ENVS_HILL_H

/* The car at position p on the hill, the flag at the goal's. */
void ml3_hill_pose(double p, double goal, double *qpos, int nq);

#endif
