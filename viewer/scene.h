/* A MuJoCo scene that shows one state of an episode, and what is written over it. Needs a current OpenGL context. */
#ifndef ML3_VIEWER_SCENE_H
#define ML3_VIEWER_SCENE_H

#include <mujoco/mujoco.h>

#include "envs/episode.h"

typedef struct ml3_scene {
  ml3_env *env;
  mjModel *model;
  mjData *data;
  mjvScene scene;
  mjvCamera camera;
  mjvOption option;
  mjrContext context;
  mjvFigure reward, loss;
  const ml3_episode *plotted; /* whose curves the figures hold */
} ml3_scene;

/* width and height bound off-screen pictures; 0 for a window. */
int ml3_scene_open(ml3_scene *scene, const ml3_env_spec *spec, int width, int height, ml3_error *error);
void ml3_scene_close(ml3_scene *scene);

/* Poses the model as in the episode's state of that (fractional) step. */
void ml3_scene_pose(ml3_scene *scene, const ml3_episode *episode, double step);

/* Draws the scene; then, as asked, plots of reward and learned loss with a cursor, and lines of text. */
void ml3_scene_draw(ml3_scene *scene, mjrRect viewport);
void ml3_scene_plots(ml3_scene *scene, mjrRect viewport, const ml3_episode *episode, double step);
void ml3_scene_labels(ml3_scene *scene, mjrRect viewport, const ml3_episode *episode, double step);

#endif
