/* Reading a configuration. YAML is read as events by libyaml: a reader made from a schema (libcyaml) reports errors to a
   log, without the nearest key or the range, and a user should see both. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "lab/config_internal.h"

typedef struct reader {
  yaml_parser_t parser;
  ml3_lab_config *config;
  const char *path;
  char where[320];
  ml3_error *error;
  const config_key *seen[ML3_LAB_KEYS_MAX];
  int count, lines[ML3_LAB_KEYS_MAX]; /* where they stand */
} reader;

static int next_event(reader *r, yaml_event_t *event) {
  if (yaml_parser_parse(&r->parser, event)) {
    snprintf(r->where, sizeof r->where, "%.250s:%d", r->path, (int)event->start_mark.line + 1);
    return ML3_OK;
  }
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: not YAML: %s", r->path, (int)r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "unreadable");
}

static int read_list(reader *r, const config_key *k) {
  config_empty(r->config, k);
  for (;;) {
    yaml_event_t event;
    int code = next_event(r, &event);
    if (code != ML3_OK) return code;
    yaml_event_type_t type = event.type;
    if (type == YAML_SCALAR_EVENT)
      code = config_append(r->config, r->where, k, (const char *)event.data.scalar.value, r->error);
    else if (type != YAML_SEQUENCE_END_EVENT)
      code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: %s is nested; expected a plain list", r->where, k->name);
    yaml_event_delete(&event);
    if (code != ML3_OK || type == YAML_SEQUENCE_END_EVENT) return code;
  }
}

static int read_mapping(reader *r, const char *prefix, int depth);

/* A section may stand in pieces, as in files of older versions; what a key that is given twice would be, nobody can tell. */
static int see(reader *r, const config_key *k, int line) {
  for (int i = 0; i < r->count; i++)
    if (r->seen[i] == k)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: %s stands twice, first in line %d; remove one", r->where,
                           k->name, r->lines[i]);
  r->seen[r->count] = k;
  r->lines[r->count++] = line;
  return ML3_OK;
}

/* The value of a key whose full name is `name`; `event` is its first event. */
static int read_value(reader *r, const char *name, const yaml_event_t *event, int depth) {
  if (event->type == YAML_MAPPING_START_EVENT) {
    if (depth >= 4) return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: '%s' is nested too deeply", r->where, name);
    return read_mapping(r, name, depth + 1);
  }
  const config_key *k = config_key_find(r->config, r->where, name, r->error);
  if (!k) return ML3_ERR_ARGUMENT;
  const ml3_lab_config before = *r->config;
  int code = see(r, k, (int)event->start_mark.line + 1);
  if (code != ML3_OK) return code;
  if (event->type == YAML_SCALAR_EVENT)
    code = config_assign(r->config, r->where, k, (const char *)event->data.scalar.value, r->error);
  else if (event->type == YAML_SEQUENCE_START_EVENT && config_is_list(k))
    code = read_list(r, k);
  else
    return config_wrong(r->error, r->where, k, "a list", "a single value");
  if (code == ML3_OK) config_note(r->config, k, &before);
  return code;
}

static int read_mapping(reader *r, const char *prefix, int depth) {
  for (;;) {
    yaml_event_t name, value;
    char full[2 * ML3_KEY_TEXT_MAX];
    int code = next_event(r, &name);
    if (code != ML3_OK) return code;
    bool end = name.type == YAML_MAPPING_END_EVENT;
    if (!end && name.type != YAML_SCALAR_EVENT)
      code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: expected `key: value`", r->where);
    else if (!end)
      snprintf(full, sizeof full, "%.250s%s%.250s", prefix, *prefix ? "." : "", (const char *)name.data.scalar.value);
    yaml_event_delete(&name);
    if (end || code != ML3_OK) return code;

    if ((code = next_event(r, &value)) != ML3_OK) return code;
    code = read_value(r, full, &value, depth);
    yaml_event_delete(&value);
    if (code != ML3_OK) return code;
  }
}

/* Behind the mapping: a file is one document. */
static int read_end(reader *r) {
  for (;;) {
    yaml_event_t event;
    int code = next_event(r, &event);
    if (code != ML3_OK) return code;
    yaml_event_type_t type = event.type;
    yaml_event_delete(&event);
    if (type == YAML_STREAM_END_EVENT) return ML3_OK;
    if (type != YAML_DOCUMENT_END_EVENT)
      return ml3_error_set(
          r->error, ML3_ERR_FORMAT,
          "%s: a second YAML document begins here; a configuration is one: remove the '---' before it, "
          "or keep it in a file of its own",
          r->where);
  }
}

static int read_document(reader *r) {
  for (;;) {
    yaml_event_t event;
    int code = next_event(r, &event);
    if (code != ML3_OK) return code;
    yaml_event_type_t type = event.type;
    yaml_event_delete(&event);
    if (type == YAML_MAPPING_START_EVENT) return (code = read_mapping(r, "", 0)) == ML3_OK ? read_end(r) : code;
    if (type == YAML_STREAM_END_EVENT) return ML3_OK; /* an empty file changes nothing */
    if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: expected `key: value` lines", r->where);
  }
}

/* A file with most of the keys in force is a run's: it has what an environment's defaults would say, and older ones have the
   keys of all problems. In another a key that does nothing is a mistake. */
static int check_seen(reader *r) {
  char where[320];
  int code = ML3_OK;
  r->config->whole = 2 * r->count > config_count_in_force(r->config);
  if (r->config->whole) return config_refresh(r->config), ML3_OK;
  for (int i = 0; i < r->count && code == ML3_OK; i++) {
    snprintf(where, sizeof where, "%.250s:%d", r->path, r->lines[i]);
    code = config_check_key(r->config, where, r->seen[i], r->error);
  }
  return code;
}

static int read_text(ml3_lab_config *config, const char *path, const char *text, size_t size, ml3_error *error) {
  reader r = {.config = config, .path = path, .error = error};
  int code = ML3_ERR_MEMORY;
  if (yaml_parser_initialize(&r.parser)) {
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    code = read_document(&r);
    if (code == ML3_OK) code = check_seen(&r);
    yaml_parser_delete(&r.parser);
  }
  return code;
}

int ml3_lab_config_read(ml3_lab_config *config, const char *path, ml3_error *error) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 20, &size, error);
  if (!text) return error ? error->code : ML3_ERR_IO;
  ml3_lab_config fresh = *config; /* a bad file changes nothing */
  fresh.layer++;
  const int code = read_text(&fresh, path, text, size, error);
  free(text);
  if (code == ML3_OK) *config = fresh;
  return code;
}
