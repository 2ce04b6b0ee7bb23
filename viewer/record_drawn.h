/* Rollouts of an environment that draws itself, as video or frames. Internal. */
#ifndef ML3_VIEWER_RECORD_DRAWN_H
#define ML3_VIEWER_RECORD_DRAWN_H

#include "viewer/viewer.h"

/* ml3_view_record for a spec with `draw`: one actor after the other, a frame a step. */
int ml3_view_record_drawn(const ml3_view_source *source, const char *path, const ml3_view_options *options,
                          int (*progress)(void *user, int done, int total), void *user, int *frames, ml3_error *error);

#endif
