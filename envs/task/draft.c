/* Writing a first task: see draft.h. Every line that it writes says what it is for. */
#define _POSIX_C_SOURCE 200809L
#include "envs/task/draft.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mjcf_actuators_internal.h"

enum { NAME_SIZE = 160, LINE_WIDTH = 110 };

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static const char *raw_name(const mjModel *m, int type, int id) {
  const char *name = id >= 0 ? mj_id2name(m, type, id) : NULL;
  return name ? name : "";
}

/* A name as quantities write it: quoted where it is more than letters, digits, dots and underscores. False where it has none, or
   cannot be written. */
static bool word_of(const mjModel *m, int type, int id, char word[NAME_SIZE]) {
  const char *name = raw_name(m, type, id);
  bool plain = isalpha((unsigned char)*name) || *name == '_';
  if (!*name || strlen(name) > 100 || strpbrk(name, "'\n\r\t")) return false;
  for (const char *s = name; *s; s++) plain = plain && (isalnum((unsigned char)*s) || *s == '_' || *s == '.');
  snprintf(word, NAME_SIZE, plain ? "%s" : "'%s'", name);
  return true;
}

/* A text of YAML: in double quotes unless it is plain in any place. */
static void put_text(FILE *out, const char *text) {
  static const char *const taken[] = {"null", "true", "false", "yes", "no", "on", "off", "Null", "True", "False", NULL};
  bool plain = isalpha((unsigned char)*text);
  for (const char *s = text; *s; s++) plain = plain && (isalnum((unsigned char)*s) || strchr("_.-+*/ ()", *s));
  for (int i = 0; taken[i]; i++) plain = plain && strcmp(text, taken[i]) != 0;
  if (plain && text[strlen(text) - 1] != ' ') {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (const char *s = text; *s; s++) fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
  fputc('"', out);
}

/* An action's key: the actuator's name, or actuator_3 for one that has none. */
static void put_actuator(FILE *out, const mjModel *m, int actuator) {
  char number[32];
  const char *name = raw_name(m, mjOBJ_ACTUATOR, actuator);
  snprintf(number, sizeof number, "actuator_%d", actuator);
  put_text(out, *name ? name : number);
}

/* ---- sections ------------------------------------------------------------------------------------------------------- */

static void put_head(FILE *out, const ml3_draft *t, const char *model) {
  const double dt = t->model->opt.timestep * t->frame_skip;
  fprintf(out,
          "# A first task for this model, to be edited. `ml3 task --check` on this file says what each line of it is "
          "worth.\n"
          "summary: a first task, to be edited\nmodel: ");
  put_text(out, model);
  fprintf(out, "\nhorizon: %d  # steps until an episode is cut off: %.3g s\n", t->horizon, t->horizon * dt);
  fprintf(out, "frame_skip: %d  # of the model's time steps of %g s between two actions: %.3g actions a second\n\n",
          t->frame_skip, t->model->opt.timestep, 1 / dt);
}

/* Is an action the control itself, within +-1 and 0 at rest? */
static bool is_plain(const ml3_draft *t) {
  for (int c = 0; c < t->model->nu; c++)
    if (t->low[c] != -1 || t->high[c] != 1 || fabs(t->rest[c]) > 1e-9) return false;
  return !t->unbounded;
}

/* How far an action of 1 takes a control from its rest: half of the way to the nearer bound for a position servo, else the whole. */
static double scale_of(const ml3_draft *t, int actuator, int control) {
  const mjModel *m = t->model;
  const double up = t->high[control] - t->rest[control], down = t->rest[control] - t->low[control];
  const bool servo = m->actuator_biastype[actuator] == mjBIAS_AFFINE && m->actuator_biasprm[mjNBIAS * actuator + 1] < 0;
  const double width = fmax(up, down), near = fmin(up, down) > 0.05 * (up + down) ? fmin(up, down) : width;
  const double scale = ml3_draft_round(servo ? near / 2 : width);
  return scale > 0 ? scale : 1;
}

static void put_actions(FILE *out, const ml3_draft *t) {
  const mjModel *m = t->model;
  int first, mocaps = 0;
  if (m->nu == 0)
    fprintf(out, "actions:  # the model has no actuators: a mocap body is moved, 0.01 m a step by an action of 1\n");
  for (int b = 0; b < m->nbody && m->nu == 0; b++)
    if (m->body_mocapid[b] >= 0 && *raw_name(m, mjOBJ_BODY, b) && mocaps++ == 0) {
      char key[NAME_SIZE + 8];
      snprintf(key, sizeof key, "mocap %.120s", raw_name(m, mjOBJ_BODY, b));
      fputs("  ", out), put_text(out, key), fprintf(out, ": {position: 0.01}\n\n");
    }
  if (m->nu == 0) return;
  if (is_plain(t)) {
    fprintf(
        out,
        "# actions: each actuator is driven by a number within +-1 (`actions: [NAME, ...]` drives some of them)\n\n");
    return;
  }
  fprintf(out, "actions:  # a number within +-1 drives each: its control is offset + scale * action%s\n",
          t->unbounded ? " (some have no bounds in the model: see to their scales)" : "");
  for (int a = 0; a < ml3_actuators(m); a++) {
    if (ml3_controls(m, a, &first) == 0) continue;
    fputs("  ", out), put_actuator(out, m, a);
    fprintf(out, ": {offset: %.6g, scale: %g}\n", t->rest[first], scale_of(t, a, first));
  }
  fputc('\n', out);
}

/* Sensors that tell more than positions and velocities do. */
static bool tells_more(int type) {
  return type == mjSENS_TOUCH || type == mjSENS_ACCELEROMETER || type == mjSENS_VELOCIMETER || type == mjSENS_GYRO ||
         type == mjSENS_FORCE || type == mjSENS_TORQUE || type == mjSENS_RANGEFINDER;
}

static void put_item(FILE *out, const char *text, const char *comment) {
  fputs("  - ", out), put_text(out, text), fprintf(out, "%s%s\n", *comment ? "  # " : "", comment);
}

static void put_observation(FILE *out, const ml3_draft *t, const char *tip, const char *target) {
  const mjModel *m = t->model;
  char text[2 * NAME_SIZE + 32], name[NAME_SIZE];
  const int place = t->root >= 0 ? m->jnt_qposadr[t->root] : -1;
  fprintf(out, "observation:  # what a policy sees, in this order\n");
  if (place > 0) snprintf(text, sizeof text, "qpos[:%d]", place), put_item(out, text, "");
  snprintf(text, sizeof text, "qpos[%d:]", place + 2);
  if (place >= 0)
    put_item(out, text, "height, quaternion and joints of the robot; not where it is");
  else
    put_item(out, t->slide >= 0 && m->nq > 1 ? "qpos[1:]" : "qpos", t->slide >= 0 ? "not where it is" : "");
  put_item(out, "qvel", "");
  if (m->na) put_item(out, "act", "activations of actuators");
  if (*tip) snprintf(text, sizeof text, "offset %s %s", tip, target), put_item(out, text, "the way to the target");
  for (int s = 0; s < m->nsensor; s++)
    if (tells_more(m->sensor_type[s]) && word_of(m, mjOBJ_SENSOR, s, name))
      snprintf(text, sizeof text, "sensor %s", name), put_item(out, text, "");
  fputc('\n', out);
}

/* Where the robot is along that axis, as a quantity. */
static void place_of(const ml3_draft *t, char axis, char text[NAME_SIZE + 16]) {
  char name[NAME_SIZE];
  if (word_of(t->model, mjOBJ_BODY, t->trunk, name))
    snprintf(text, NAME_SIZE + 16, "body %s %c", name, axis);
  else
    snprintf(text, NAME_SIZE + 16, "qpos[%d]", t->model->jnt_qposadr[t->root] + axis - 'x');
}

static void put_control(FILE *out, const ml3_draft *t, double most) {
  if (t->model->nu > 0)
    fprintf(out, "  control: {of: action, norm: squared, weight: %g}  # at most %g: calm actions are worth more\n",
            -ml3_draft_round(most / t->model->nu), most);
}

/* A range, to three digits. */
static void put_range(FILE *out, const char *quantity, double low, double high) {
  fputs("    ", out), put_text(out, quantity);
  if (isfinite(high))
    fprintf(out, ": [%.3g, %.3g]\n", low, high);
  else
    fprintf(out, ": [%.3g, .inf]\n", low);
}

static void put_running(FILE *out, const ml3_draft *t) {
  char place[NAME_SIZE + 16], text[NAME_SIZE + 40], name[NAME_SIZE];
  const bool limits = t->height > 0.02;
  place_of(t, 'x', place);
  snprintf(text, sizeof text, "rate of %s", place);
  fprintf(out, "reward:  # the sum of these, each step\n  forward: {of: ");
  put_text(out, text);
  fprintf(out, ", weight: 1}  # m/s along x\n  alive: {weight: 0.5%s}  # for each step %s\n",
          limits ? ", while: upright" : "", limits ? "that it is upright" : "");
  put_control(out, t, 0.5);
  if (!limits) return;
  fprintf(out, "terminate:  # an episode ends when this does not hold\n  upright:\n");
  place_of(t, 'z', place);
  put_range(out, place, t->floor + t->height / 2, t->floor + 2 * t->height);
  snprintf(text, sizeof text, "framezaxis xbody %s z", word_of(t->model, mjOBJ_BODY, t->trunk, name) ? name : "");
  if (t->upright && *raw_name(t->model, mjOBJ_BODY, t->trunk)) put_range(out, text, 0.4, INFINITY);
}

static void put_reaching(FILE *out, const ml3_draft *t, const char *tip, const char *target) {
  char text[2 * NAME_SIZE + 32];
  if (t->target < 0)
    fprintf(out, "points:\n  target: [%g, %g, %g]  # m: a place near where the tip begins; move it\n\n", t->place[0],
            t->place[1], t->place[2]);
  snprintf(text, sizeof text, "distance %s %s", tip, target);
  fprintf(out, "reward:  # the sum of these, each step\n  reach: {of: ");
  put_text(out, text);
  fprintf(out, ", weight: -1}  # m\n");
  put_control(out, t, 0.1);
  fprintf(out, "success: {");
  put_text(out, text);
  fprintf(out, ": [0, 0.05]}\n");
}

static void put_reward(FILE *out, const ml3_draft *t, const char *tip, const char *target) {
  char name[NAME_SIZE], text[NAME_SIZE + 32];
  if (t->root >= 0) {
    put_running(out, t);
  } else if (*tip) {
    put_reaching(out, t, tip, target);
  } else {
    fprintf(out, "reward:  # the sum of these, each step; say here what the task is\n");
    snprintf(text, sizeof text, "rate of qpos %s", word_of(t->model, mjOBJ_JOINT, 0, name) ? name : "");
    if (t->slide >= 0)
      fputs("  forward: ", out), put_text(out, *raw_name(t->model, mjOBJ_JOINT, 0) ? text : "rate of qpos[0]"),
          fprintf(out, "  # m/s along x\n");
    if (t->model->nu > 0)
      put_control(out, t, 0.1);
    else
      fprintf(out, "  still: {of: qvel, norm: squared, weight: -0.01}\n");
  }
  fputc('\n', out);
}

static void put_reset(FILE *out, const ml3_draft *t) {
  const mjModel *m = t->model;
  const char *key = m->nkey > 0 ? raw_name(m, mjOBJ_KEY, 0) : "";
  const int joints = t->root >= 0 ? m->jnt_qposadr[t->root] + 7 : 0;
  fprintf(out, "reset:  # from the %s, with some noise\n", m->nkey > 0 ? "first keyframe" : "MJCF's positions");
  if (*key) fprintf(out, "  keyframe: "), put_text(out, key), fputc('\n', out);
  if (joints > 0 && joints < m->nq)
    fprintf(out, "  \"qpos[%d:]\": uniform %g\n", joints, t->noise);
  else if (joints == 0)
    fprintf(out, "  qpos: uniform %g\n", t->noise);
  fprintf(out, "  qvel: normal 0.01\n");
}

/* ---- what the model has --------------------------------------------------------------------------------------------- */

/* "# bodies: a, b, c", lines of it. */
static void put_list(FILE *out, const mjModel *m, const char *title, int type, int count, int from) {
  int used = fprintf(out, "# %s:", title) - 1, named = 0;
  char name[NAME_SIZE];
  for (int i = from; i < count; i++) {
    if (!word_of(m, type, i, name)) continue;
    if (used + (int)strlen(name) + 2 > LINE_WIDTH)
      used = fprintf(out, "%s\n#  ", named ? "," : "") - 1;
    else if (named)
      used += fprintf(out, ",");
    used += fprintf(out, " %s", name);
    named++;
  }
  fprintf(out, "%s\n", named ? "" : count > from ? " none that has a name" : " none");
}

static void put_names(FILE *out, const mjModel *m) {
  fprintf(out, "\n# What quantities can name:\n");
  put_list(out, m, "actuators", mjOBJ_ACTUATOR, ml3_actuators(m), 0);
  put_list(out, m, "joints", mjOBJ_JOINT, m->njnt, 0);
  put_list(out, m, "bodies", mjOBJ_BODY, m->nbody, 1);
  put_list(out, m, "sites", mjOBJ_SITE, m->nsite, 0);
  put_list(out, m, "sensors", mjOBJ_SENSOR, m->nsensor, 0);
  put_list(out, m, "keyframes", mjOBJ_KEY, m->nkey, 0);
}

char *ml3_task_draft(const char *xml_path, const char *model, ml3_error *error) {
  ml3_error own = {0}, *e = error ? error : &own;
  ml3_draft t;
  char *text = NULL, tip[NAME_SIZE + 8] = "", target[NAME_SIZE + 8] = "target", name[NAME_SIZE];
  size_t size;
  if (ml3_draft_open(&t, xml_path, e) != ML3_OK) return ml3_draft_close(&t), NULL;
  if (word_of(t.model, mjOBJ_SITE, t.tip, name)) snprintf(tip, sizeof tip, "site %s", name);
  if (word_of(t.model, mjOBJ_SITE, t.target, name)) snprintf(target, sizeof target, "site %s", name);
  FILE *out = open_memstream(&text, &size);
  if (out) {
    put_head(out, &t, model);
    put_actions(out, &t);
    put_observation(out, &t, tip, target);
    put_reward(out, &t, tip, target);
    put_reset(out, &t);
    put_names(out, t.model);
    fclose(out);
  }
  if (!text) ml3_error_set(e, ML3_ERR_MEMORY, "no memory for a first task");
  ml3_draft_close(&t);
  return text;
}
