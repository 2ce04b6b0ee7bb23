/* An instance of a task: what changes in a step. Internal. */
#ifndef ML3_ENVS_TASK_INSTANCE_H
#define ML3_ENVS_TASK_INSTANCE_H

#include "envs/simulation.h"
#include "envs/task/expand.h"

typedef struct ml3_task_instance {
  ml3_simulation simulation;
  double *r;                     /* registers of the program `step` */
  double *derive;                /* of `derive` */
  double *reset;                 /* of `reset` */
  double *hand;                  /* of `hand` */
  double *control;               /* [nu]; of actuators that are not driven as new data, or the keyframe, has it */
  ml3_task_expansion *expansion; /* from the first one on */
  bool blind;                    /* steps are made for their states alone */
  bool unseen;                   /* a state has been set, and nothing has asked what is seen of it */
} ml3_task_instance;

/* What is seen of the present state is in registers afterwards. */
void ml3_task_see(const ml3_env *env);

/* A step's first part: registers are those after it, but what is kept is still of the step before. Its code. */
int ml3_task_advance(ml3_env *env, const double *action);

/* env->spec->expand of tasks. */
void ml3_task_expand(ml3_env *env, const double *action, ml3_env_expansion *e);

#endif
