/* Pictures of tasks, and the hand in a window. Internal: env->spec's functions of those names. */
#ifndef ML3_ENVS_TASK_PICTURE_H
#define ML3_ENVS_TASK_PICTURE_H

#include "envs/task/task.h"

void ml3_task_pose(const ml3_env *env, double *qpos, int nq);
void ml3_task_arrange(const ml3_env *env, mjModel *scene);
void ml3_task_move_goal(ml3_env *env, const double *point);
void ml3_task_push(ml3_env *env, int body, const double *point, const double *force);
bool ml3_task_has_hand(const ml3_task *task); /* can the goal be moved? */

#endif
