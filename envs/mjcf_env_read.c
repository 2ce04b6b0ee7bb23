/* From FILE.xml and FILE.yaml to an environment: see mjcf_env.h. The YAML is read by libyaml as a document of nodes that
   know their lines; every complaint names file and line, what was found and what is possible. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "envs/mjcf.h"
#include "envs/mjcf_actuators_internal.h"
#include "envs/mjcf_env_internal.h"
#include "envs/simulation.h"

enum { YAML_SIZE_MAX = 1 << 20, XML_SIZE_MAX = 1 << 26 };

/* ---- scalars and the goal -------------------------------------------------------------------------------------------------- */

static int read_summary(ml3_mjcf_reader *r, const yaml_node_t *n) {
  if (!ml3_mjcf_text_of(n)) return ml3_mjcf_wrong(r, n, "summary: expected a text");
  snprintf(r->f->summary, sizeof r->f->summary, "%s", ml3_mjcf_text_of(n));
  return ML3_OK;
}
static int read_horizon(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return ml3_mjcf_read_whole(r, n, "horizon", 1, 1000000, &r->f->spec.horizon);
}
static int read_frame_skip(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return ml3_mjcf_read_whole(r, n, "frame_skip", 1, 10000, &r->f->frame_skip);
}

static int read_goal_site(ml3_mjcf_reader *r, const yaml_node_t *n) {
  r->f->goal_site = ml3_mjcf_find_object(r, n, mjOBJ_SITE, ml3_mjcf_text_of(n));
  return r->f->goal_site < 0 ? ML3_ERR_FORMAT : ML3_OK;
}
static int read_tip(ml3_mjcf_reader *r, const yaml_node_t *n) {
  r->f->tip_site = ml3_mjcf_find_object(r, n, mjOBJ_SITE, ml3_mjcf_text_of(n));
  return r->f->tip_site < 0 ? ML3_ERR_FORMAT : ML3_OK;
}
static int read_radius(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return ml3_mjcf_read_number(r, n, "goal: radius", 1e-9, 1e9, &r->f->radius_m);
}
static int read_ends(ml3_mjcf_reader *r, const yaml_node_t *n) {
  const char *text = ml3_mjcf_text_of(n);
  bool yes = text && strcmp(text, "true") == 0, no = text && strcmp(text, "false") == 0;
  if (!yes && !no)
    return ml3_mjcf_wrong(r, n, "goal: ends is '%.60s'; expected true or false", text ? text : "not a single value");
  r->f->ends_at_goal = yes;
  return ML3_OK;
}

static int read_goal(ml3_mjcf_reader *r, const yaml_node_t *n) {
  static const ml3_mjcf_section keys[] = {
      {"site", read_goal_site}, {"tip", read_tip}, {"radius", read_radius}, {"ends", read_ends}};
  r->f->goal_site = r->f->tip_site = -1;
  int code = ml3_mjcf_read_sections(r, n, "goal", keys, sizeof keys / sizeof *keys);
  if (code != ML3_OK) return code;
  if (r->f->goal_site < 0 || r->f->tip_site < 0)
    return ml3_mjcf_wrong(r, n, "goal: needs `site`, where the goal is, and `tip`, the site that should get there");
  return ML3_OK;
}

/* ---- reward ------------------------------------------------------------------------------------------------------------------- */

static int read_weight(ml3_mjcf_reader *r, const yaml_node_t *n, mjcf_term term) {
  return ml3_mjcf_read_number(r, n, "reward: a weight", -1e9, 1e9, &r->f->weights[term]);
}
static int read_distance(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_DISTANCE);
}
static int read_control(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_CONTROL);
}
static int read_velocity(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_VELOCITY);
}
static int read_alive(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_ALIVE);
}
static int read_success(ml3_mjcf_reader *r, const yaml_node_t *n) {
  return read_weight(r, n, MJCF_SUCCESS);
}

static int read_reward(ml3_mjcf_reader *r, const yaml_node_t *n) {
  static const ml3_mjcf_section keys[] = {{"distance", read_distance},
                                          {"control", read_control},
                                          {"velocity", read_velocity},
                                          {"alive", read_alive},
                                          {"success", read_success}};
  r->f->weights[MJCF_DISTANCE] = 0;
  return ml3_mjcf_read_sections(r, n, "reward", keys, sizeof keys / sizeof *keys);
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------------------- */

/* State, goal, and what the YAML leaves out. */
static int complete(ml3_mjcf_reader *r, const yaml_node_t *root) {
  mjcf_env_file *f = r->f;
  const mjModel *m = r->model;
  int code = ML3_OK;
  bool all = !ml3_mjcf_find(r, root, "actuators");
  for (int i = 0, first; i < ml3_actuators(m) && all && code == ML3_OK; i++)
    if (ml3_controls(m, i, &first) > 0) code = ml3_mjcf_add_actuator(r, root, i);
  if (code != ML3_OK) return code;
  if (f->spec.action_dim == 0) return ml3_mjcf_wrong(r, root, "the model has no actuators to act with");
  if (f->spec.obs_dim == 0) {
    for (int i = 0; i < 2 * m->njnt && code == ML3_OK; i++)
      code = ml3_mjcf_add_joint(r, root, i % m->njnt, i >= m->njnt);
    if (code == ML3_OK) code = ml3_mjcf_add_point(r, root, MJCF_TO_GOAL, 0, "to_goal");
    if (code != ML3_OK) return code;
  }

  int n = 0;
  for (int velocity = 0; velocity < 2; velocity++)
    for (int i = 0; i < m->njnt; i++)
      for (int k = 0; k < ml3_mjcf_joint_width(m, i, velocity); k++)
        f->state[n++] = ml3_mjcf_joint_field(r, i, k, velocity);
  for (int i = 0; i < m->na; i++)
    f->state[n++] = (ml3_env_field){ml3_mjcf_keep(r, "activation_%d", i), "1", -INFINITY, INFINITY};
  for (int k = 0; k < 3; k++)
    f->goal[k] = (ml3_env_field){ml3_mjcf_keep(r, "goal_%c", 'x' + k), "m", -INFINITY, INFINITY};
  return ML3_OK;
}

static int read_root(ml3_mjcf_reader *r) {
  static const ml3_mjcf_section keys[] = {
      {"summary", read_summary},
      {"horizon", read_horizon},
      {"frame_skip", read_frame_skip},
      {"goal", read_goal},
      {"actuators", ml3_mjcf_read_actuators},
      {"observation", ml3_mjcf_read_observation},
      {"reward", read_reward},
      {"limits", ml3_mjcf_read_limits},
      {"task", ml3_mjcf_read_task},
  };
  const yaml_node_t *root = yaml_document_get_root_node(&r->document);
  if (!root || root->type != YAML_MAPPING_NODE)
    return ml3_mjcf_wrong(r, root, "expected `key: value` lines, `goal:` among them");
  if (!ml3_mjcf_find(r, root, "goal"))
    return ml3_mjcf_wrong(
        r, root, "there is no `goal:`; it names `site`, where the goal is, and `tip`, the site that should get there");
  int code = ml3_mjcf_read_sections(r, root, "the environment", keys, sizeof keys / sizeof *keys);
  return code == ML3_OK ? complete(r, root) : code;
}

static int not_yaml(ml3_mjcf_reader *r, const yaml_parser_t *parser) {
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: not YAML: %s", r->path, (int)parser->problem_mark.line + 1,
                       parser->problem ? parser->problem : "unreadable");
}

/* Behind the document there must be nothing. */
static int read_end(ml3_mjcf_reader *r, yaml_parser_t *parser) {
  yaml_document_t more;
  if (!yaml_parser_load(parser, &more)) return not_yaml(r, parser);
  const bool none = yaml_document_get_root_node(&more) == NULL;
  const int line = (int)more.start_mark.line + 1;
  yaml_document_delete(&more);
  if (none) return ML3_OK;
  return ml3_error_set(r->error, ML3_ERR_FORMAT,
                       "%s:%d: a second YAML document begins here; an environment is one: remove the '---' before it",
                       r->path, line);
}

static int read_yaml(ml3_mjcf_reader *r) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return ml3_error_set(r->error, ML3_ERR_MEMORY, "no memory for reading %s", r->path);
  yaml_parser_set_input_string(&parser, (const unsigned char *)r->f->yaml, strlen(r->f->yaml));
  int code;
  if (!yaml_parser_load(&parser, &r->document)) {
    code = not_yaml(r, &parser);
  } else {
    code = read_root(r);
    if (code == ML3_OK) code = read_end(r, &parser);
    yaml_document_delete(&r->document);
  }
  yaml_parser_delete(&parser);
  return code;
}

static int check_model(const mjcf_env_file *f, ml3_error *error) {
  const mjModel *m = f->model;
  if (m->njnt < 1)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s: the model has no joints: nothing can move", f->path);
  if (m->nq + m->nv + m->na > MJCF_FIELDS_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "%s: the state has %d numbers; at most %d are possible", f->path,
                         (int)(m->nq + m->nv + m->na), MJCF_FIELDS_MAX);
  return ML3_OK;
}

/* FILE.xml -> FILE.yaml. */
static void yaml_path(const char *xml, char *path, size_t size) {
  size_t n = strlen(xml);
  snprintf(path, size, "%.*s.yaml", (int)(n > 4 ? n - 4 : n), xml);
}

int ml3_mjcf_env_read(mjcf_env_file *f, ml3_error *error) {
  size_t size;
  ml3_error own = {0}, *e = error ? error : &own;
  ml3_mjcf_reader r = {.f = f, .error = e};
  yaml_path(f->path, r.path, sizeof r.path);

  f->words = malloc(MJCF_WORDS_SIZE);
  if (!f->words) return ml3_error_set(e, ML3_ERR_MEMORY, "no memory for the environment '%s'", f->path);
  if (!(f->xml = ml3_file_read(f->path, XML_SIZE_MAX, &size, e))) return e->code;
  if (!(f->yaml = ml3_file_read(r.path, YAML_SIZE_MAX, &size, e))) {
    ml3_error_prefix(e, "%.200s needs a YAML file beside it that names its goal, reward and tasks", f->path);
    return e->code;
  }
  if (!(f->model = ml3_mjcf_load(f->path, e))) return ml3_error_prefix(e, "%.200s", f->path);
  int code = check_model(f, e);
  if (code != ML3_OK) return code;

  const mjModel *m = r.model = f->model;
  f->frame_skip = 1;
  f->radius_m = 0.05;
  f->weights[MJCF_DISTANCE] = -1;
  f->spec = (ml3_env_spec){.name = f->name,
                           .summary = f->summary,
                           .horizon = 200,
                           .state_dim = m->nq + m->nv + m->na,
                           .goal_dim = 3,
                           .state = f->state,
                           .obs = f->obs,
                           .action = f->action,
                           .goal = f->goal,
                           .task = f->task};
  snprintf(f->summary, sizeof f->summary, "a model of yours, %.200s", f->path);
  if ((code = read_yaml(&r)) != ML3_OK) return code;
  f->spec.dt_s = m->opt.timestep * f->frame_skip;
  ml3_mjcf_env_functions(f);
  return ML3_OK;
}

void ml3_mjcf_env_free(mjcf_env_file *f) {
  if (!f) return;
  if (f->model) mj_deleteModel(f->model);
  free(f->path);
  free(f->name);
  free(f->xml);
  free(f->yaml);
  free(f->words);
  free(f);
}
