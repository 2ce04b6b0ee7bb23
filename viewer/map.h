/* The learned loss over the environment's plane of the state space, as a picture that is worked out a few rows at a time. */
#ifndef ML3_VIEWER_MAP_H
#define ML3_VIEWER_MAP_H

#include "viewer/scene.h"
#include "viewer/session.h"

enum { ML3_MAP_CELLS = 48 };

/* The learned loss over two entries of the state, as it lies under a scene. */
typedef struct ml3_map {
  float value[ML3_MAP_CELLS][ML3_MAP_CELLS]; /* [y][x] */
  float low, high;                           /* of the picture painted last */
  int row;                                   /* next to work out; ML3_MAP_CELLS: none */
  bool painted;
  int actor;
  long changes; /* of the session that the values belong to */
} ml3_map;

void ml3_map_reset(ml3_map *map);
/* Can there be one? */
bool ml3_map_possible(const ml3_session *session);
/* Goes on for at most that long (s; INFINITY: to the end) and paints the scene when it is whole. */
void ml3_map_work(ml3_map *map, ml3_session *session, ml3_scene *scene, double seconds);
/* Axes, and each shown actor's way over the plane with a dot where it is. colours[actors][3]. */
void ml3_map_decorate(const ml3_map *map, const ml3_session *session, ml3_scene *scene, const float (*colours)[3]);

#endif
