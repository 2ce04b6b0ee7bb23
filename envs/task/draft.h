/* A first task for a model: the text of a FILE.yaml that loads and steps as it is, to be edited. Internal.

   draft_model.c looks at the model, draft.c writes. */
#ifndef ML3_ENVS_TASK_DRAFT_H
#define ML3_ENVS_TASK_DRAFT_H

#include <mujoco/mujoco.h>
#include <stdbool.h>

#include "base/error.h"

/* The text, freed by the caller, for the model of that file; `model` is how the text names it. NULL with a sentence. */
char *ml3_task_draft(const char *xml_path, const char *model, ml3_error *error);

/* What a draft needs to know of a model, in the state that its episodes begin with. Numbers of objects are -1 where there is none. */
typedef struct ml3_draft {
  mjModel *model;
  mjData *data;              /* at the first keyframe, or where the MJCF puts the bodies */
  double *low, *high, *rest; /* [nu] bounds of the controls, and what they are while the model rests */
  bool unbounded;            /* some bounds are not the model's own */
  int root, trunk;           /* the free joint of the robot and its body */
  int slide;                 /* where there is no such joint: the first one, if it slides along x without a limit */
  double floor, height;      /* m: of the ground, and of the trunk above it */
  bool upright;              /* the trunk's z axis points up */
  int tip, target;           /* sites: at the end of what moves; on what does not */
  double place[3];           /* without a target: a place near the tip */
  double noise;              /* of positions at the start */
  int frame_skip, horizon;
} ml3_draft;

int ml3_draft_open(ml3_draft *draft, const char *xml_path, ml3_error *error);
void ml3_draft_close(ml3_draft *draft); /* after a failure too */

/* To one significant digit. */
double ml3_draft_round(double x);

#endif
