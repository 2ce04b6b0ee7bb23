/* The picture: see scene.h. */
#include "viewer/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf.h"

enum { GEOMS_MAX = 10000, MAP_GROUP = 5 };

static const float GHOST_ALPHA = 0.42f;

/* ---- opening ---------------------------------------------------------------------------------------------- */

/* The scene's text with a plane of its own texture added, where the environment has one. MJCF adds up repeated sections. */
static char *text_with_map(const ml3_env_spec *spec) {
  const ml3_env_plane *p = spec->plane;
  const char *text = spec->scene_xml, *end = strstr(text, "</mujoco>");
  char more[1024] = "";
  if (p && end)
    snprintf(
        more, sizeof more,
        "<asset><texture name=\"ml3_map\" type=\"2d\" builtin=\"flat\" rgb1=\"1 1 1\" width=\"%d\" height=\"%d\"/>"
        "<material name=\"ml3_map\" texture=\"ml3_map\" texrepeat=\"1 1\" specular=\"0\" emission=\"0.25\" rgba=\"0.78 "
        "0.78 0.78 1\"/></asset>"
        "<worldbody><geom name=\"ml3_map\" type=\"plane\" group=\"%d\" contype=\"0\" conaffinity=\"0\" pos=\"%g %g %g\""
        " size=\"%g %g 1\" material=\"ml3_map\"/></worldbody>",
        ML3_SCENE_MAP, ML3_SCENE_MAP, MAP_GROUP, (p->from[0] + p->to[0]) / 2, (p->from[1] + p->to[1]) / 2, p->height,
        fabs(p->to[0] - p->from[0]) / 2, fabs(p->to[1] - p->from[1]) / 2);
  size_t before = end ? (size_t)(end - text) : strlen(text);
  char *whole = malloc(strlen(text) + strlen(more) + 1);
  if (!whole) return NULL;
  memcpy(whole, text, before);
  strcpy(whole + before, more);
  strcat(whole, text + before);
  return whole;
}

static void find_goal(ml3_scene *s) {
  const mjModel *m = s->model;
  const int named[2] = {mj_name2id(m, mjOBJ_BODY, "goal"), mj_name2id(m, mjOBJ_BODY, "target")};
  for (int b = 1; b < m->nbody; b++) s->is_goal[b] = b == named[0] || b == named[1] || s->is_goal[m->body_parentid[b]];
}

/* Letters fit the picture: its height, or the display's scale in a window. */
static int font_scale(const ml3_scene_settings *o) {
  if (o->height > 0) {
    if (o->height >= 1400) return mjFONTSCALE_200;
    if (o->height >= 1000) return mjFONTSCALE_150;
    return o->height >= 500 ? mjFONTSCALE_100 : mjFONTSCALE_50;
  }
  int scale = (int)lround(2 * o->pixel_scale) * 50;
  return scale < mjFONTSCALE_100 ? mjFONTSCALE_100 : scale > mjFONTSCALE_300 ? mjFONTSCALE_300 : scale;
}

/* MuJoCo's part of drawing; where it gives up, the picture goes without, and the scene's environment counts it. */
static void attempt(ml3_scene *s, void (*call)(void *user), void *user) {
  ml3_mjcf_said said;
  if (ml3_mjcf_try(call, user, &said)) return;
  ml3_env_warn(s->env, ML3_WARN_ERROR, 1, said.error);
  ml3_mjcf_clear(s->model, s->data, &said);
}

typedef struct making {
  ml3_scene *scene;
  int font;
} making;

static void call_keyframe(void *user) {
  const ml3_scene *s = user;
  mj_resetDataKeyframe(s->model, s->data, 0);
}

static void make_context(void *user) {
  const making *m = user;
  ml3_scene *s = m->scene;
  mjv_makeScene(s->model, &s->scene, GEOMS_MAX);
  mjr_makeContext(s->model, &s->context, m->font);
}

static int open_model(ml3_scene *s, const ml3_env_spec *spec, ml3_error *error) {
  char *text = text_with_map(spec);
  if (!text) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the scene of '%s'", spec->name);
  s->env = ml3_env_new(spec, error);
  s->model = s->env ? ml3_mjcf_load(text, error) : NULL;
  free(text);
  if (!s->model) return error ? error->code : ML3_ERR_FORMAT;
  s->data = ml3_mjcf_data(s->model, error);
  if (!s->data) return error ? error->code : ML3_ERR_MEMORY;
  if (s->model->nkey > 0) attempt(s, call_keyframe, s); /* mocap bodies */
  s->from = calloc(2 * (size_t)s->model->nq + 1, sizeof(double));
  s->to = s->from + s->model->nq;
  s->is_goal = calloc((size_t)s->model->nbody, sizeof(bool));
  if (!s->from || !s->is_goal)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the scene of '%s'", spec->name);
  find_goal(s);
  s->map_texture = mj_name2id(s->model, mjOBJ_TEXTURE, "ml3_map");
  return ML3_OK;
}

static void set_quality(mjModel *m, const ml3_scene_settings *o) {
  if (o->width > m->vis.global.offwidth) m->vis.global.offwidth = o->width;
  if (o->height > m->vis.global.offheight) m->vis.global.offheight = o->height;
  if (o->width > 0) m->vis.global.offwidth = o->width, m->vis.global.offheight = o->height + o->spare;
  const int larger = o->width > o->height ? o->width : o->height;
  while (larger > 0 && m->vis.quality.shadowsize / 2 >= 2 * larger) m->vis.quality.shadowsize /= 2; /* fine enough */
  if (!o->modest) return;
  if (m->vis.quality.shadowsize > 1024) m->vis.quality.shadowsize = 1024;
  m->vis.quality.offsamples = 0;
}

int ml3_scene_open(ml3_scene *s, const ml3_env_spec *spec, const ml3_scene_settings *settings, ml3_error *error) {
  *s = (ml3_scene){.map_texture = -1};
  if (spec->draw)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                         "environment '%s' has no scene to show; it draws itself: `ml3 record` writes its pictures",
                         spec->name);
  if (!spec->scene_xml || !spec->pose)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "environment '%s' has no scene to show", spec->name);
  mjv_defaultScene(&s->scene);
  mjr_defaultContext(&s->context);
  mjv_defaultOption(&s->option);
  s->option.geomgroup[MAP_GROUP] = 0;

  int code = open_model(s, spec, error);
  if (code == ML3_OK) {
    making m = {s, font_scale(settings)};
    set_quality(s->model, settings);
    code = ml3_mjcf_guard(make_context, &m, "draw with this OpenGL", error);
  }
  if (code != ML3_OK) {
    ml3_scene_close(s);
    return code;
  }
  s->camera.type = mjCAMERA_USER; /* so that the next one is the first */
  ml3_scene_next_camera(s);
  return ML3_OK;
}

void ml3_scene_close(ml3_scene *s) {
  if (s->model) {
    mjr_freeContext(&s->context);
    mjv_freeScene(&s->scene);
    mj_deleteModel(s->model);
  }
  if (s->data) mj_deleteData(s->data);
  free(s->from);
  free(s->is_goal);
  ml3_env_free(s->env);
  *s = (ml3_scene){.map_texture = -1};
}

/* ---- posing ------------------------------------------------------------------------------------------------ */

static void pose_state(ml3_scene *s, const ml3_episode *e, int t, double *qpos) {
  ml3_env_set_state(s->env, e->states + (size_t)t * (size_t)e->spec->state_dim);
  e->spec->pose(s->env, qpos, s->model->nq);
}

/* Between two states: slides and hinges in proportion, quaternions along the shorter arc. */
static void between(const mjModel *m, const double *from, const double *to, double part, mjtNum *qpos) {
  for (int i = 0; i < m->nq; i++) qpos[i] = from[i] + part * (to[i] - from[i]);
  for (int j = 0; j < m->njnt; j++) {
    if (m->jnt_type[j] != mjJNT_FREE && m->jnt_type[j] != mjJNT_BALL) continue;
    int at = m->jnt_qposadr[j] + (m->jnt_type[j] == mjJNT_FREE ? 3 : 0);
    double same = mju_dot(from + at, to + at, 4);
    for (int i = 0; i < 4 && same < 0; i++) qpos[at + i] = from[at + i] + part * (-to[at + i] - from[at + i]);
    mju_normalize4(qpos + at);
  }
}

static void call_place(void *user) {
  const ml3_scene *s = user;
  mj_kinematics(s->model, s->data);
  mj_comPos(s->model, s->data);
  mj_camlight(s->model, s->data);
}

static void pose(ml3_scene *s, const ml3_episode *e, double step) {
  step = fmax(0, fmin(step, e->steps));
  int t = (int)floor(step), next = t < e->steps ? t + 1 : t;
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(s->env, e->task, &none);
  if (e->spec->arrange) e->spec->arrange(s->env, s->model);
  pose_state(s, e, t, s->from);
  pose_state(s, e, next, s->to);
  between(s->model, s->from, s->to, step - t, s->data->qpos);
  attempt(s, call_place, s);
}

/* ---- one picture --------------------------------------------------------------------------------------------- */

static int body_of(const ml3_scene *s, const mjvGeom *g) {
  if (g->objtype != mjOBJ_GEOM || g->objid < 0 || g->objid >= s->model->ngeom) return 0;
  return s->model->geom_bodyid[g->objid];
}

/* Part of the actor: it moves and is not the goal. */
static bool is_actor(const ml3_scene *s, const mjvGeom *g) {
  int body = body_of(s, g);
  return body > 0 && s->model->body_weldid[body] && !s->is_goal[body];
}

static void colour(mjvGeom *g, const float *tint, float part, float alpha) {
  for (int i = 0; i < 3; i++) g->rgba[i] = (1 - part) * g->rgba[i] + part * tint[i];
  g->rgba[3] *= alpha;
}

static void call_update(void *user) {
  ml3_scene *s = user;
  mjv_updateScene(s->model, s->data, &s->option, NULL, &s->camera, mjCAT_ALL, &s->scene);
}

static void call_add_geoms(void *user) {
  ml3_scene *s = user;
  mjv_addGeoms(s->model, s->data, &s->option, NULL, mjCAT_DYNAMIC, &s->scene);
}

void ml3_scene_begin(ml3_scene *s, const ml3_episode *e, double step, const float *tint, float part) {
  s->solid = e;
  s->solid_step = step;
  pose(s, e, step);
  attempt(s, call_update, s);
  for (int i = 0; i < s->scene.ngeom && tint; i++)
    if (is_actor(s, &s->scene.geoms[i])) colour(&s->scene.geoms[i], tint, part, 1);
}

/* Is there the same geom at the same place already? */
static bool coincides(const ml3_scene *s, const mjvGeom *g, int count) {
  const float near = 1e-3f * (float)s->model->stat.extent;
  for (int i = 0; i < count; i++) {
    const mjvGeom *h = &s->scene.geoms[i];
    if (h->objtype != g->objtype || h->objid != g->objid) continue;
    float most = 0;
    for (int k = 0; k < 3; k++) most = fmaxf(most, fabsf(h->pos[k] - g->pos[k]));
    for (int k = 0; k < 9; k++) most = fmaxf(most, fabsf(h->mat[k] - g->mat[k]) * 0.1f);
    if (most < near) return true;
  }
  return false;
}

void ml3_scene_ghost(ml3_scene *s, const ml3_episode *e, double step, const float *tint) {
  const int before = s->scene.ngeom;
  pose(s, e, step);
  attempt(s, call_add_geoms, s);
  int kept = before;
  for (int i = before; i < s->scene.ngeom; i++) {
    mjvGeom *g = &s->scene.geoms[i];
    if (!is_actor(s, g) || coincides(s, g, before)) continue;
    colour(g, tint, 0.85f, GHOST_ALPHA);
    g->reflectance = 0;
    s->scene.geoms[kept++] = *g;
  }
  s->scene.ngeom = kept;
  pose(s, s->solid, s->solid_step); /* what a hand picks in */
}

static mjvGeom *add(ml3_scene *s, int type, const double *size, const double *at, const double *mat,
                    const float *rgba) {
  if (s->scene.ngeom >= s->scene.maxgeom) return NULL;
  mjvGeom *g = &s->scene.geoms[s->scene.ngeom++];
  mjv_initGeom(g, type, size, at, mat, rgba);
  g->category = mjCAT_DECOR;
  return g;
}

/* A line begins at its place and goes on along its third axis. */
static mjvGeom *add_line(ml3_scene *s, const double *from, const double *to, const float *rgba) {
  mjtNum along[3], quat[4], mat[9];
  mju_sub3(along, to, from);
  const mjtNum length = mju_normalize3(along);
  if (length < 1e-9) return NULL;
  mju_quatZ2Vec(quat, along);
  mju_quat2Mat(mat, quat);
  mjvGeom *g = add(s, mjGEOM_LINE, NULL, from, mat, rgba);
  if (g) g->size[2] = (float)length;
  return g;
}

/* The lights shine on a line from all sides: less of its colour is enough. */
void ml3_scene_line(ml3_scene *s, const double *from, const double *to, double pixels, const float *rgba) {
  static const float enough = 0.62f;
  mjvGeom *g = add_line(s, from, to, rgba);
  if (!g) return;
  g->size[0] = g->size[1] = (float)pixels * (float)s->context.fontScale / 100;
  g->emission = g->specular = 0;
  for (int i = 0; i < 3; i++) g->rgba[i] *= enough;
}

void ml3_scene_dot(ml3_scene *s, const double *at, double radius, const float *rgba) {
  mjvGeom *g = add(s, mjGEOM_SPHERE, (double[3]){radius, radius, radius}, at, NULL, rgba);
  if (g) g->emission = 0.1f;
}

void ml3_scene_text(ml3_scene *s, const double *at, const char *text) {
  mjvGeom *g = add(s, mjGEOM_LABEL, NULL, at, NULL, NULL);
  if (g) snprintf(g->label, sizeof g->label, "%s", text);
}

typedef struct drawing {
  ml3_scene *scene;
  mjrRect viewport;
} drawing;

static void call_render(void *user) {
  drawing *d = user;
  mjr_render(d->viewport, &d->scene->scene, &d->scene->context);
}

void ml3_scene_draw(ml3_scene *s, mjrRect viewport) {
  if (s->widen) ml3_scene_widen(s, viewport);
  attempt(s, call_render, &(drawing){s, viewport});
}

/* ---- the plane ------------------------------------------------------------------------------------------------ */

static void call_upload(void *user) {
  ml3_scene *s = user;
  mjr_uploadTexture(s->model, &s->context, s->map_texture);
}

void ml3_scene_paint_map(ml3_scene *s, const unsigned char *rgb) {
  if (s->map_texture < 0) return;
#if mjVERSION_HEADER < 320
  unsigned char *to = s->model->tex_rgb + s->model->tex_adr[s->map_texture];
#else
  unsigned char *to = s->model->tex_data + s->model->tex_adr[s->map_texture];
#endif
  memcpy(to, rgb, (size_t)ML3_SCENE_MAP * ML3_SCENE_MAP * 3);
  attempt(s, call_upload, s);
}

void ml3_scene_show_map(ml3_scene *s, bool shown) {
  s->option.geomgroup[MAP_GROUP] = shown && s->map_texture >= 0;
}

/* ---- the mouse -------------------------------------------------------------------------------------------------- */

typedef struct selecting {
  ml3_scene *scene;
  double aspect, x, y, *at;
  int body;
} selecting;

static void call_select(void *user) {
  selecting *q = user;
  ml3_scene *s = q->scene;
  int geom = -1, skin = -1;
#if mjVERSION_HEADER < 300
  q->body = mjv_select(s->model, s->data, &s->option, q->aspect, q->x, q->y, &s->scene, q->at, &geom, &skin);
#else
  int flex = -1;
  q->body = mjv_select(s->model, s->data, &s->option, q->aspect, q->x, q->y, &s->scene, q->at, &geom, &flex, &skin);
#endif
}

static int select_body(ml3_scene *s, double aspect, double x, double y, double *at) {
  selecting q = {s, aspect, x, y, at, -1};
  attempt(s, call_select, &q);
  return q.body;
}

/* Thin things are hard to hit: what lies a little beside counts too. */
int ml3_scene_pick(ml3_scene *s, double aspect, double x, double y, double *at) {
  static const double near[9][2] = {{0, 0}, {1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  const double by = 0.008;
  for (int i = 0; i < 9; i++) {
    int body = select_body(s, aspect, x + by * near[i][0] / aspect, y + by * near[i][1], at);
    if (body > 0 && (s->is_goal[body] || s->model->body_weldid[body])) return body;
  }
  select_body(s, aspect, x, y, at);
  return 0;
}

void ml3_scene_ray(const ml3_scene *s, double aspect, double x, double y, double *origin, double *direction) {
  const mjvGLCamera *l = &s->scene.camera[0], *r = &s->scene.camera[1];
  double forward[3], up[3], right[3];
  for (int i = 0; i < 3; i++) {
    origin[i] = ((double)l->pos[i] + (double)r->pos[i]) / 2;
    forward[i] = l->forward[i];
    up[i] = l->up[i];
  }
  mju_cross(right, forward, up);
  const double height = l->frustum_top - l->frustum_bottom, width = height * aspect;
  for (int i = 0; i < 3; i++)
    direction[i] =
        forward[i] * l->frustum_near + up[i] * (l->frustum_bottom + y * height) + right[i] * (x - 0.5) * width;
  mju_normalize3(direction);
}

void ml3_scene_to_body(const ml3_scene *s, int body, const double *world, double *local) {
  double off[3];
  mju_sub3(off, world, s->data->xpos + 3 * body);
  mju_mulMatTVec(local, s->data->xmat + 9 * body, off, 3, 3);
}

void ml3_scene_to_world(const ml3_scene *s, int body, const double *local, double *world) {
  mju_mulMatVec(world, s->data->xmat + 9 * body, local, 3, 3);
  mju_addTo3(world, s->data->xpos + 3 * body);
}
