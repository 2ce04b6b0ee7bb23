/* A MuJoCo scene that shows states of an environment: one solid, others as ghosts, and the learned loss on a plane. Needs a
   current OpenGL context. */
#ifndef ML3_VIEWER_SCENE_H
#define ML3_VIEWER_SCENE_H

#include <mujoco/mujoco.h>

#include "envs/episode.h"

/* A scene: model, camera, and the actors' poses. */
typedef struct ml3_scene {
  ml3_env *env;
  mjModel *model;
  mjData *data;
  mjvScene scene;
  mjvCamera camera;
  mjvOption option;
  mjrContext context;
  const ml3_episode *solid; /* what data is posed as */
  double solid_step;
  double *from, *to; /* [nq] */
  int map_texture;   /* the texture that the learned loss is painted into, or -1 */
  bool *is_goal;     /* [nbody] is it a part of the goal, or fixed to it */
  bool widen;        /* in viewports narrower than 16 : 9 as much is seen from left to right as in that shape */
} ml3_scene;

/* How a scene looks. */
typedef struct ml3_scene_settings {
  int width, height;  /* bound off-screen pictures; 0 for a window */
  int spare;          /* more rows of the off-screen buffer */
  double pixel_scale; /* of a window: 1, or more on a display with small pixels */
  bool modest;        /* a slow renderer: small shadow maps, few samples */
} ml3_scene_settings;

int ml3_scene_open(ml3_scene *scene, const ml3_env_spec *spec, const ml3_scene_settings *settings, ml3_error *error);
void ml3_scene_close(ml3_scene *scene);

/* "free", "track", or the name or number of a fixed camera. */
int ml3_scene_set_camera(ml3_scene *scene, const char *name, ml3_error *error);
/* The next fixed camera; after the last a free one, then one that tracks what moves, then the first. */
void ml3_scene_next_camera(ml3_scene *scene);
const char *ml3_scene_camera_name(const ml3_scene *scene);
/* Turns, shifts and zooms by parts of the picture's height; a fixed camera becomes a free one where it stands. */
void ml3_scene_turn(ml3_scene *scene, double dx, double dy);
void ml3_scene_shift(ml3_scene *scene, double dx, double dy);
void ml3_scene_zoom(ml3_scene *scene, double by);
/* Before a picture is drawn: in a narrow viewport its cameras see as much from left to right as in 16 : 9. */
void ml3_scene_widen(ml3_scene *scene, mjrRect viewport);

/* ---- one picture: begin, add, draw ---- */

/* The environment's state at that (fractional) step, solid; tint[3] colours what moves, NULL: as it is. */
void ml3_scene_begin(ml3_scene *scene, const ml3_episode *episode, double step, const float *tint, float part);
/* Another rollout's state in the same scene, transparent; what coincides with the solid one is left out. */
void ml3_scene_ghost(ml3_scene *scene, const ml3_episode *episode, double step, const float *tint);
/* Decoration: a line (so many pixels wide, of a display with large ones), a dot, a text that begins at a point of the scene. */
void ml3_scene_line(ml3_scene *scene, const double *from, const double *to, double pixels, const float *rgba);
void ml3_scene_dot(ml3_scene *scene, const double *at, double radius, const float *rgba);
void ml3_scene_text(ml3_scene *scene, const double *at, const char *text);
void ml3_scene_draw(ml3_scene *scene, mjrRect viewport);

/* ---- the plane ---- */

enum { ML3_SCENE_MAP = 128 }; /* pixels along a side of the texture */
/* rgb[ML3_SCENE_MAP][ML3_SCENE_MAP][3], row 0 at the plane's low y. */
void ml3_scene_paint_map(ml3_scene *scene, const unsigned char *rgb);
void ml3_scene_show_map(ml3_scene *scene, bool shown);

/* ---- the mouse ---- */

/* The body under a point of the picture (x to the right and y up, from 0 to 1 over width and height); 0: none that moves.
   at[3]: the point that was hit. Uses the solid state last drawn. */
int ml3_scene_pick(ml3_scene *scene, double aspect, double x, double y, double *at);
/* The line of sight through such a point. */
void ml3_scene_ray(const ml3_scene *scene, double aspect, double x, double y, double *origin, double *direction);
/* Where a point fixed to a body when it was picked, in the body's frame, is now; and the reverse. */
void ml3_scene_to_body(const ml3_scene *scene, int body, const double *world, double *local);
void ml3_scene_to_world(const ml3_scene *scene, int body, const double *local, double *world);

#endif
