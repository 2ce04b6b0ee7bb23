/* Keys and mouse of the window. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "viewer/window.h"

static const char *const keys[] = {"space        pause or play",
                                   "right, left  one step on or back",
                                   "up, down     twice or half the speed (1/16 to 16)",
                                   "r            back to the start",
                                   "e            go on beyond the horizon, or not",
                                   "n, p         look at the next or previous policy",
                                   "1 to 8       show or hide that policy",
                                   "l            layout: ghosts, tiles, single",
                                   "t, b         next or previous task",
                                   "u            one update by the learned loss",
                                   "o            one update by the baseline",
                                   "x            untrained again",
                                   "m            map of the learned loss",
                                   "g            plots on or off",
                                   "c            next camera: fixed, free, tracking",
                                   "h, F1        this help",
                                   "q, Esc       close",
                                   "left mouse   drags the goal, pulls a body, else orbits",
                                   "ctrl + left  puts the goal there",
                                   "right mouse  pans; the wheel zooms",
                                   NULL};

const char *const *ml3_view_keys(void) {
  return keys;
}

/* ---- saying ------------------------------------------------------------------------------------------------- */

static void say(ml3_window *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(w->note, sizeof w->note, format, arguments);
  va_end(arguments);
  w->note_end_s = glfwGetTime() + 4;
}

void ml3_window_trace(const ml3_window *w, const char *event) {
  static const char *const layouts[] = {"single", "ghosts", "tiles"};
  const ml3_session *s = &w->session;
  const ml3_picture *p = w->picture;
  if (!w->trace) return;
  int hidden = 0;
  for (int k = 0; k < s->actors; k++) hidden += s->hidden[k];
  fprintf(
      w->trace,
      "%s paused=%d step=%d actor=%d hidden=%d task=%d speed=%g endless=%d layout=%s camera=%s plots=%d map=%d help=%d"
      " updates=%d/%d return=%.6g",
      event, s->paused, (int)s->step, s->focus, hidden, s->task, s->speed, s->endless, layouts[p->layout],
      ml3_scene_camera_name(&p->scene), p->plots, p->map, w->help, s->updates[0], s->updates[1],
      s->episode[s->focus]->episode_return);
  if (s->env[s->focus]) {
    double goal[s->spec->goal_dim + 1];
    ml3_env_goal(s->env[s->focus], goal);
    for (int i = 0; i < s->spec->goal_dim; i++) fprintf(w->trace, "%s%.4f", i ? "," : " goal=", goal[i]);
  }
  fprintf(w->trace, " note=%s\n", glfwGetTime() < w->note_end_s ? w->note : "");
  fflush(w->trace);
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

static void update(ml3_window *w, int learner) {
  ml3_error error = {0};
  ml3_session *s = &w->session;
  if (ml3_session_update(s, learner, &error) != ML3_OK)
    say(w, "%s", error.message);
  else
    say(w, "update %d by %s: return %.2f", s->updates[learner], s->source.rule(s->source.user, learner),
        s->episode[learner]->episode_return);
}

static void change_task(ml3_window *w, int by) {
  ml3_error error = {0};
  ml3_session *s = &w->session;
  if (s->source.episodes) {
    say(w, "these rollouts are recorded: there is no other task");
  } else if (s->task + by < 0) {
    say(w, "this is the first task");
  } else if (ml3_session_set_task(s, s->task + by, &error) != ML3_OK) {
    say(w, "%s", error.message);
  }
}

static void toggle_map(ml3_window *w) {
  if (!ml3_picture_show_map(w->picture, &w->session, !w->picture->map))
    say(w, "no map here: no learned loss is known, or '%s' has no plane to lay it on", w->session.spec->name);
}

static void toggle_actor(ml3_window *w, int actor) {
  ml3_session *s = &w->session;
  if (actor >= s->actors) return;
  if (actor == s->focus)
    say(w, "policy %d is the one looked at; n and p look at another", actor + 1);
  else
    ml3_session_hide(s, actor, !s->hidden[actor]);
}

static const char *answer(ml3_window *w, int key) {
  ml3_session *s = &w->session;
  switch (key) {
    case GLFW_KEY_SPACE:
      return s->paused = !s->paused, "key space";
    case GLFW_KEY_RIGHT:
      return ml3_session_step(s, 1), "key right";
    case GLFW_KEY_LEFT:
      return ml3_session_step(s, -1), "key left";
    case GLFW_KEY_UP:
      return s->speed = fmin(16, 2 * s->speed), "key up";
    case GLFW_KEY_DOWN:
      return s->speed = fmax(1 / 16.0, s->speed / 2), "key down";
    case GLFW_KEY_R:
      return ml3_session_restart(s), "key r";
    case GLFW_KEY_E:
      return s->endless = !s->endless && !s->source.episodes, "key e";
    case GLFW_KEY_N:
    case GLFW_KEY_TAB:
      return ml3_session_focus(s, s->focus + 1), "key n";
    case GLFW_KEY_P:
      return ml3_session_focus(s, s->focus - 1), "key p";
    case GLFW_KEY_L:
      return w->picture->layout = (w->picture->layout + 1) % 3, "key l";
    case GLFW_KEY_T:
      return change_task(w, 1), "key t";
    case GLFW_KEY_B:
      return change_task(w, -1), "key b";
    case GLFW_KEY_U:
      return update(w, 0), "key u";
    case GLFW_KEY_O:
      return update(w, 1), "key o";
    case GLFW_KEY_X:
      return ml3_session_start_over(s), "key x";
    case GLFW_KEY_M:
      return toggle_map(w), "key m";
    case GLFW_KEY_G:
      return w->picture->plots = !w->picture->plots, "key g";
    case GLFW_KEY_C:
      return ml3_scene_next_camera(&w->picture->scene), "key c";
    case GLFW_KEY_H:
    case GLFW_KEY_F1:
      return w->help = !w->help, "key h";
    case GLFW_KEY_Q:
    case GLFW_KEY_ESCAPE:
      return glfwSetWindowShouldClose(w->handle, GLFW_TRUE), "key q";
    default:
      break;
  }
  if (key < GLFW_KEY_1 || key > GLFW_KEY_8) return NULL;
  return toggle_actor(w, key - GLFW_KEY_1), "key digit";
}

static void on_key(GLFWwindow *handle, int key, int code, int action, int mods) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  (void)code, (void)mods;
  if (action == GLFW_RELEASE) return;
  const char *event = answer(w, key);
  if (event) ml3_window_trace(w, event);
}

/* ---- mouse ---------------------------------------------------------------------------------------------------- */

/* The mouse in pixels of the frame, y upwards: a window's coordinates may be larger ones. */
static void mouse_in_frame(const ml3_window *w, double *x, double *y) {
  int width, height, across, up;
  glfwGetWindowSize(w->handle, &width, &height);
  glfwGetFramebufferSize(w->handle, &across, &up);
  *x = w->mouse_x * across / fmax(1, width);
  *y = up - w->mouse_y * up / fmax(1, height);
}

/* The mouse in the tile of the actor looked at: x and y from 0 to 1 (outside that: outside the tile), and its shape. */
static double in_tile(const ml3_window *w, double *x, double *y) {
  const mjrRect tile = ml3_picture_tile(w->picture, &w->session, w->session.focus, ml3_window_view(w));
  mouse_in_frame(w, x, y);
  *x = (*x - tile.left) / fmax(1, tile.width);
  *y = (*y - tile.bottom) / fmax(1, tile.height);
  return (double)tile.width / fmax(1, tile.height);
}

static void look_at_tile_under_mouse(ml3_window *w) {
  double x, y;
  mouse_in_frame(w, &x, &y);
  for (int k = 0; k < w->session.actors && w->picture->layout == ML3_VIEW_TILES; k++) {
    mjrRect t = ml3_picture_tile(w->picture, &w->session, k, ml3_window_view(w));
    if (k == w->session.focus || w->session.hidden[k] || x < t.left || x >= t.left + t.width || y < t.bottom ||
        y >= t.bottom + t.height)
      continue;
    ml3_session_focus(&w->session, k);
    ml3_window_draw(w); /* so that its scene is the one to pick in */
    return;
  }
}

/* Where the line of sight meets the plane of the hand. */
static bool follow_mouse(ml3_window *w) {
  double x, y, origin[3], direction[3], off[3], aspect = in_tile(w, &x, &y);
  ml3_scene_ray(&w->picture->scene, aspect, x, y, origin, direction);
  const double along = mju_dot3(direction, w->hand.normal);
  mju_sub3(off, w->hand.plane_point, origin);
  const double distance = fabs(along) > 1e-6 ? mju_dot3(off, w->hand.normal) / along : -1;
  if (distance <= 0) return false;
  mju_addScl3(w->hand.target, origin, direction, distance);
  return true;
}

/* A level plane where one looks down on it, else one across the line of sight. */
static void set_plane(ml3_hand *h, const double *through, const double *direction, bool level) {
  mju_copy3(h->plane_point, through);
  if (level && fabs(direction[2]) > 0.4)
    mju_copy3(h->normal, (double[3]){0, 0, 1});
  else
    mju_copy3(h->normal, direction);
  mju_copy3(h->target, through);
}

static void grasp(ml3_window *w, bool goal_here) {
  ml3_scene *scene = &w->picture->scene;
  ml3_hand *h = &w->hand;
  double x, y, at[3] = {0}, origin[3], direction[3];
  look_at_tile_under_mouse(w);
  const double aspect = in_tile(w, &x, &y);
  ml3_scene_ray(scene, aspect, x, y, origin, direction);
  *h = (ml3_hand){.hold = ML3_HOLD_CAMERA, .body = ml3_scene_pick(scene, aspect, x, y, at)};
  const bool alive = !w->session.source.episodes;

  if (alive && w->session.spec->move_goal && (goal_here || (h->body && scene->is_goal[h->body]))) {
    h->hold = ML3_HOLD_GOAL;
    if (goal_here && mju_norm3(at) == 0) mju_addScl3(at, origin, direction, scene->model->stat.extent);
    set_plane(h, at, direction, true);
    h->moved = goal_here;
    w->picture->pulling = false;
  } else if (alive && h->body && !scene->is_goal[h->body]) {
    h->stiffness = ml3_session_stiffness(&w->session, h->body, at, scene->model->stat.extent);
    if (h->stiffness <= 0) return;
    h->hold = ML3_HOLD_BODY;
    set_plane(h, at, direction, false);
    ml3_scene_to_body(scene, h->body, at, h->local);
  }
}

void ml3_window_apply_hand(ml3_window *w) {
  ml3_hand *h = &w->hand;
  ml3_picture *p = w->picture;
  p->pulling = h->hold == ML3_HOLD_BODY;
  if (h->hold == ML3_HOLD_GOAL && h->moved) ml3_session_move_goal(&w->session, h->target);
  h->moved = false;
  if (!p->pulling) return;
  double force[3];
  ml3_scene_to_world(&p->scene, h->body, h->local, p->pull_from);
  mju_copy3(p->pull_to, h->target);
  mju_sub3(force, p->pull_to, p->pull_from);
  mju_scl3(force, force, h->stiffness);
  ml3_session_push(&w->session, h->body, p->pull_from, force);
}

static void release(ml3_window *w) {
  static const char *const events[] = {"mouse nothing", "mouse orbit", "mouse goal", "mouse pull"};
  const ml3_hold held = w->hand.hold;
  if (held == ML3_HOLD_NOTHING) return;
  ml3_window_apply_hand(w);
  ml3_session_release(&w->session);
  w->hand = (ml3_hand){.hold = ML3_HOLD_NOTHING};
  w->picture->pulling = false;
  ml3_window_trace(w, events[held]);
}

static void on_button(GLFWwindow *handle, int button, int action, int mods) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  if (button == GLFW_MOUSE_BUTTON_RIGHT && action == GLFW_RELEASE) ml3_window_trace(w, "mouse pan");
  if (button != GLFW_MOUSE_BUTTON_LEFT) return;
  if (action == GLFW_PRESS)
    grasp(w, mods & GLFW_MOD_CONTROL);
  else
    release(w);
}

static void on_mouse(GLFWwindow *handle, double x, double y) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  int width, height;
  glfwGetWindowSize(handle, &width, &height);
  const double dx = (x - w->mouse_x) / fmax(1, height), dy = (y - w->mouse_y) / fmax(1, height);
  w->mouse_x = x, w->mouse_y = y;
  if (w->hand.hold == ML3_HOLD_CAMERA)
    ml3_scene_turn(&w->picture->scene, dx, dy);
  else if (w->hand.hold != ML3_HOLD_NOTHING)
    w->hand.moved = follow_mouse(w) || w->hand.moved;
  if (glfwGetMouseButton(handle, GLFW_MOUSE_BUTTON_RIGHT) == GLFW_PRESS) ml3_scene_shift(&w->picture->scene, dx, dy);
}

static void on_wheel(GLFWwindow *handle, double dx, double dy) {
  ml3_window *w = glfwGetWindowUserPointer(handle);
  (void)dx;
  ml3_scene_zoom(&w->picture->scene, 0.1 * dy);
  ml3_window_trace(w, "mouse wheel");
}

void ml3_window_listen(ml3_window *w) {
  glfwSetWindowUserPointer(w->handle, w);
  glfwGetCursorPos(w->handle, &w->mouse_x, &w->mouse_y); /* from here on by events: a button may be answered late */
  glfwSetKeyCallback(w->handle, on_key);
  glfwSetMouseButtonCallback(w->handle, on_button);
  glfwSetCursorPosCallback(w->handle, on_mouse);
  glfwSetScrollCallback(w->handle, on_wheel);
}
