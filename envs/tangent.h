/* States beside their tangent space: the quaternion of a ball or free joint has four numbers, and three directions. Internal.

   n = 2 nv + na directions, as MuJoCo's derivatives have them, and N = nq + nv + na numbers. A direction w (an angular velocity in
   the joint's frame) moves a quaternion q by D w, D = 1/2 q (0, w). As D' D = 1/4, the directions of a moved q are
   4 D' dq; its length is none of them. */
#ifndef ML3_ENVS_TANGENT_H
#define ML3_ENVS_TANGENT_H

#include <mujoco/mujoco.h>

/* out[N][columns] from x[n][columns], derivatives of a state with these positions. */
void ml3_tangent_to_numbers(const mjModel *m, const double *qpos, int columns, const double *x, double *out);

/* out[rows][N] from x[rows][n], derivatives by a state with these positions. */
void ml3_tangent_by_numbers(const mjModel *m, const double *qpos, int rows, const double *x, double *out);

#endif
