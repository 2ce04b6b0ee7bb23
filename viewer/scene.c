/* The picture: see scene.h. */
#include "viewer/scene.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/mjcf.h"

enum { QPOS_MAX = 256, GEOMS_MAX = 5000 };

/* ---- opening ---------------------------------------------------------------------------------------------- */

static void first_camera(ml3_scene *s) {
  mjv_defaultCamera(&s->camera);
  if (s->model->ncam > 0) {
    s->camera.type = mjCAMERA_FIXED;
    s->camera.fixedcamid = 0;
  } else {
    mjv_defaultFreeCamera(s->model, &s->camera);
  }
}

static void make_figure(mjvFigure *f, const char *title, float red, float green, float blue) {
  const float line[3] = {red, green, blue}, cursor[3] = {1, 1, 1};
  mjv_defaultFigure(f);
  snprintf(f->title, sizeof f->title, "%s", title);
  snprintf(f->xformat, sizeof f->xformat, "%%.0f");
  snprintf(f->yformat, sizeof f->yformat, "%%.2g");
  f->flg_extend = 1;
  f->range[0][0] = f->range[1][0] = 1; /* low above high: the curve decides */
  f->range[0][1] = f->range[1][1] = -1;
  f->flg_legend = 0;
  f->flg_ticklabel[0] = f->flg_ticklabel[1] = 1;
  f->gridsize[0] = f->gridsize[1] = 3;
  f->linewidth = 3;
  f->figurergba[0] = f->figurergba[1] = f->figurergba[2] = 0.05f;
  f->figurergba[3] = 0.6f;
  memcpy(f->linergb[0], line, sizeof line);
  memcpy(f->linergb[1], cursor, sizeof cursor);
}

/* Letters fit the picture; a window (height 0) has the size for a screen. */
static int font_scale(int height) {
  if (height == 0 || height >= 700) return mjFONTSCALE_150;
  return height >= 450 ? mjFONTSCALE_100 : mjFONTSCALE_50;
}

int ml3_scene_open(ml3_scene *s, const ml3_env_spec *spec, int width, int height, ml3_error *error) {
  *s = (ml3_scene){0};
  if (!spec->scene_xml || !spec->pose)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "environment '%s' has no scene to show", spec->name);
  s->env = ml3_env_new(spec, error);
  s->model = s->env ? ml3_mjcf_load(spec->scene_xml, error) : NULL;
  if (!s->model || s->model->nq > QPOS_MAX) {
    ml3_scene_close(s);
    return error ? error->code : ML3_ERR_FORMAT;
  }
  s->data = mj_makeData(s->model);
  if (!s->data) {
    ml3_scene_close(s);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the scene of '%s'", spec->name);
  }
  if (width > s->model->vis.global.offwidth) s->model->vis.global.offwidth = width;
  if (height > s->model->vis.global.offheight) s->model->vis.global.offheight = height;
  first_camera(s);
  mjv_defaultOption(&s->option);
  mjv_defaultScene(&s->scene);
  mjr_defaultContext(&s->context);
  mjv_makeScene(s->model, &s->scene, GEOMS_MAX);
  mjr_makeContext(s->model, &s->context, font_scale(height));
  make_figure(&s->reward, "reward", 0.35f, 0.75f, 1);
  make_figure(&s->loss, "learned loss", 1, 0.65f, 0.25f);
  return ML3_OK;
}

void ml3_scene_close(ml3_scene *s) {
  if (s->data) {
    mjr_freeContext(&s->context);
    mjv_freeScene(&s->scene);
    mj_deleteData(s->data);
  }
  if (s->model) mj_deleteModel(s->model);
  ml3_env_free(s->env);
  *s = (ml3_scene){0};
}

/* ---- posing ------------------------------------------------------------------------------------------------ */

static void pose_state(ml3_scene *s, const ml3_episode *e, int t, double *qpos) {
  ml3_env_set_state(s->env, e->states + (size_t)t * (size_t)e->spec->state_dim);
  e->spec->pose(s->env, qpos, s->model->nq);
}

void ml3_scene_pose(ml3_scene *s, const ml3_episode *e, double step) {
  double from[QPOS_MAX] = {0}, to[QPOS_MAX] = {0};
  int t = (int)floor(step), next = t < e->steps ? t + 1 : t;
  double part = step - t;
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(s->env, e->task, &none);
  if (e->spec->arrange) e->spec->arrange(s->env, s->model);
  pose_state(s, e, t, from);
  pose_state(s, e, next, to);
  for (int i = 0; i < s->model->nq; i++) s->data->qpos[i] = from[i] + part * (to[i] - from[i]);
  mj_kinematics(s->model, s->data);
  mj_comPos(s->model, s->data);
  mj_camlight(s->model, s->data);
}

/* ---- drawing ----------------------------------------------------------------------------------------------- */

void ml3_scene_draw(ml3_scene *s, mjrRect viewport) {
  mjv_updateScene(s->model, s->data, &s->option, NULL, &s->camera, mjCAT_ALL, &s->scene);
  mjr_render(viewport, &s->scene, &s->context);
}

/* A curve into line 0 of a figure; at most every n-th point, so that it fits. Returns false when nothing is known. */
static bool fill_curve(mjvFigure *f, const double *y, int count) {
  int every = count / mjMAXLINEPNT + 1, points = 0;
  for (int t = 0; t < count; t += every) {
    if (!isfinite(y[t])) continue;
    f->linedata[0][2 * points] = (float)t;
    f->linedata[0][2 * points + 1] = (float)y[t];
    points++;
  }
  f->linepnt[0] = points;
  return points > 1;
}

static void fill_cursor(mjvFigure *f, const double *y, int count, double step) {
  double low = INFINITY, high = -INFINITY;
  for (int t = 0; t < count; t++) {
    if (!isfinite(y[t])) continue;
    low = fmin(low, y[t]);
    high = fmax(high, y[t]);
  }
  const float x = (float)fmin(step, count - 1);
  f->linedata[1][0] = x, f->linedata[1][1] = (float)low;
  f->linedata[1][2] = x, f->linedata[1][3] = (float)high;
  f->linepnt[1] = 2;
}

void ml3_scene_plots(ml3_scene *s, mjrRect v, const ml3_episode *e, double step) {
  struct {
    mjvFigure *figure;
    const double *y;
  } plots[2] = {{&s->reward, e->rewards}, {&s->loss, e->loss}};
  int width = v.width / 4, height = v.height / 4, bottom = v.bottom;
  for (int i = 0; i < 2; i++) {
    if (!fill_curve(plots[i].figure, plots[i].y, e->steps)) continue;
    fill_cursor(plots[i].figure, plots[i].y, e->steps, step);
    mjrRect place = {v.left + v.width - width, bottom, width, height};
    mjr_figure(place, plots[i].figure, &s->context);
    bottom += height + 4;
  }
}

void ml3_scene_labels(ml3_scene *s, mjrRect v, const ml3_episode *e, double step) {
  char names[256], values[256];
  int t = (int)step;
  double sum = 0;
  for (int i = 0; i < t && i < e->steps; i++) sum += e->rewards[i];
  snprintf(names, sizeof names, "%s\nstep\ntime\nreturn\nresult", e->spec->name);
  snprintf(values, sizeof values, "%s\n%d / %d\n%.2f s\n%.2f\n%s", e->label[0] ? e->label : "rollout", t, e->steps,
           step * e->spec->dt_s, sum,
           !e->success                ? "goal not reached"
           : t >= e->success_step     ? "GOAL REACHED"
                                      : "...");
  mjr_overlay(mjFONT_NORMAL, mjGRID_TOPLEFT, v, names, values, &s->context);
}
