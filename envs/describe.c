/* See describe.h. */
#include "envs/describe.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* JSON knows no infinity. */
static json_t *bound(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *describe_fields(const ml3_env_field *fields, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) {
    const ml3_env_field *f = &fields[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "name", f->name, "unit", f->unit, "low",
                                          bound(f->low), "high", bound(f->high)));
  }
  return list;
}

static json_t *describe_task(const ml3_env_spec *spec) {
  json_t *list = json_array();
  for (int i = 0; i < spec->task_dim; i++) {
    const ml3_env_parameter *p = &spec->task[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", p->name, "unit", p->unit, "value",
                                          bound(p->value), "low", bound(p->low), "high", bound(p->high)));
  }
  return list;
}

char *ml3_env_describe(const ml3_env_spec *spec) {
  json_t *root =
      json_pack("{s:s, s:s, s:f, s:i, s:i, s:b, s:o, s:o, s:o, s:o, s:o}", "name", spec->name, "summary", spec->summary,
                "dt_s", spec->dt_s, "horizon", spec->horizon, "choices", spec->choices, "scene",
                spec->scene_xml != NULL && spec->pose != NULL,
                "state", describe_fields(spec->state, spec->state_dim), "obs",
                describe_fields(spec->obs, spec->obs_dim), "action", describe_fields(spec->action, spec->action_dim),
                "goal", describe_fields(spec->goal, spec->goal_dim), "task", describe_task(spec));
  char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return text;
}

int ml3_env_gymnasium_id(const ml3_env_spec *spec, char *id, int size) {
  char name[128];
  size_t n = 0;
  bool upper = true;
  for (const char *c = spec->name; *c && n + 1 < sizeof name; c++) {
    bool letter = isalnum((unsigned char)*c);
    if (letter) name[n++] = (char)(upper ? toupper((unsigned char)*c) : *c);
    upper = !letter;
  }
  name[n] = '\0';
  return snprintf(id, (size_t)size, "ml3/%s-v0", name);
}
