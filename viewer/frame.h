/* Single pictures of an environment's states, without a display. */
#ifndef ML3_VIEWER_FRAME_H
#define ML3_VIEWER_FRAME_H

#include "envs/env.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_frame ml3_frame; /* a drawer of one environment's states, without a display */

/* Pictures of width x height pixels, 16 to 8192 each. Used and freed by the thread that made it. */
ml3_frame *ml3_frame_new(const ml3_env_spec *spec, int width, int height, ml3_error *error);
void ml3_frame_free(ml3_frame *frame);

/* Draws the state[state_dim] of an episode with task[task_dim] into rgb[height][width][3], top row first. */
int ml3_frame_draw(ml3_frame *frame, const double *task, const double *state, unsigned char *rgb, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
