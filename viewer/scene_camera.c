/* Where a scene is looked at from: see scene.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/scene.h"

/* The first body that moves and is no goal, or 0. */
static int moving_body(const ml3_scene *s) {
  for (int b = 1; b < s->model->nbody; b++)
    if (s->model->body_weldid[b] && !s->is_goal[b]) return b;
  return 0;
}

static void track(ml3_scene *s) {
  mjv_defaultFreeCamera(s->model, &s->camera);
  s->camera.type = mjCAMERA_TRACKING;
  s->camera.trackbodyid = moving_body(s);
  s->camera.distance *= 0.6;
}

static void fix(ml3_scene *s, int camera) {
  mjv_defaultCamera(&s->camera);
  s->camera.type = mjCAMERA_FIXED;
  s->camera.fixedcamid = camera;
}

void ml3_scene_next_camera(ml3_scene *s) {
  const mjvCamera *c = &s->camera;
  int next = c->type == mjCAMERA_FIXED ? c->fixedcamid + 1 : c->type == mjCAMERA_FREE ? -1 : 0;
  if (next >= 0 && next < s->model->ncam)
    fix(s, next);
  else if (next >= 0 || !moving_body(s))
    mjv_defaultFreeCamera(s->model, &s->camera);
  else
    track(s);
}

int ml3_scene_set_camera(ml3_scene *s, const char *name, ml3_error *error) {
  char *end, list[256] = "";
  long number = strtol(name, &end, 10);
  int found = end != name && !*end ? (int)number : mj_name2id(s->model, mjOBJ_CAMERA, name);
  if (strcmp(name, "free") == 0) return mjv_defaultFreeCamera(s->model, &s->camera), ML3_OK;
  if (strcmp(name, "track") == 0) return track(s), ML3_OK;
  if (found >= 0 && found < s->model->ncam) return fix(s, found), ML3_OK;
  for (int i = 0; i < s->model->ncam; i++) {
    const char *camera = mj_id2name(s->model, mjOBJ_CAMERA, i);
    size_t used = strlen(list);
    if (camera) snprintf(list + used, sizeof list - used, "%s, ", camera);
  }
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "there is no camera '%s' in the scene of '%s'; there are %sfree and track", name,
                       s->env->spec->name, list);
}

const char *ml3_scene_camera_name(const ml3_scene *s) {
  if (s->camera.type == mjCAMERA_TRACKING) return "track";
  if (s->camera.type != mjCAMERA_FIXED) return "free";
  const char *name = mj_id2name(s->model, mjOBJ_CAMERA, s->camera.fixedcamid);
  return name ? name : "fixed";
}

/* A free camera with the view of the fixed one; it looks at what is as far away as the scene's centre. */
static void set_free(ml3_scene *s) {
  if (s->camera.type != mjCAMERA_FIXED) return;
  const mjtNum *at = s->data->cam_xpos + 3 * s->camera.fixedcamid, *mat = s->data->cam_xmat + 9 * s->camera.fixedcamid;
  const mjtNum forward[3] = {-mat[2], -mat[5], -mat[8]};
  mjtNum away[3];
  mju_sub3(away, s->model->stat.center, at);
  mjv_defaultFreeCamera(s->model, &s->camera);
  s->camera.distance = fmax(mju_dot3(away, forward), 0.2 * s->model->stat.extent);
  mju_addScl3(s->camera.lookat, at, forward, s->camera.distance);
  s->camera.azimuth = atan2(forward[1], forward[0]) * 180 / mjPI;
  s->camera.elevation = asin(fmax(-1, fmin(1, forward[2]))) * 180 / mjPI;
}

void ml3_scene_turn(ml3_scene *s, double dx, double dy) {
  set_free(s);
  s->camera.azimuth -= 180 * dx;
  s->camera.elevation = fmax(-89, fmin(89, s->camera.elevation - 180 * dy));
}

void ml3_scene_shift(ml3_scene *s, double dx, double dy) {
  set_free(s);
  if (s->camera.type == mjCAMERA_TRACKING) s->camera.type = mjCAMERA_FREE;
  const double azimuth = s->camera.azimuth * mjPI / 180, elevation = s->camera.elevation * mjPI / 180;
  const double right[3] = {sin(azimuth), -cos(azimuth), 0};
  const double up[3] = {-sin(elevation) * cos(azimuth), -sin(elevation) * sin(azimuth), cos(elevation)};
  const double height = 2 * s->camera.distance * tan(s->model->vis.global.fovy * mjPI / 360);
  mju_addToScl3(s->camera.lookat, right, -dx * height);
  mju_addToScl3(s->camera.lookat, up, dy * height);
}

void ml3_scene_zoom(ml3_scene *s, double by) {
  set_free(s);
  const double extent = s->model->stat.extent;
  s->camera.distance = fmax(0.02 * extent, fmin(20 * extent, s->camera.distance * exp(-by)));
}

void ml3_scene_widen(ml3_scene *s, mjrRect viewport) {
  const float times = (float)viewport.height * 16 / 9 / (float)viewport.width;
  for (int i = 0; i < 2 && times > 1; i++) {
    s->scene.camera[i].frustum_top *= times;
    s->scene.camera[i].frustum_bottom *= times;
  }
}
