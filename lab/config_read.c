/* Reading a configuration. YAML comes as libyaml's document: a reader made from a schema (libcyaml) reports errors
   to a log, without the nearest key or the range, and a user should see both. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "lab/config_internal.h"

enum { NAME_LENGTH = 2 * ML3_KEY_TEXT_MAX, DEPTH_MAX = 4 };

typedef struct reader {
  yaml_document_t document;
  const char *path;
  ml3_error *error;
  int count;
  ml3_lab_setting settings[ML3_LAB_KEYS_MAX];
  char names[ML3_LAB_KEYS_MAX][NAME_LENGTH];
  const char
      *items[ML3_LAB_KEYS_MAX][ML3_KEY_LIST_MAX + 1]; /* one more than there may be: that is an error of the key */
} reader;

static int line_of(const yaml_node_t *node) {
  return (int)node->start_mark.line + 1;
}

static int read_list(reader *r, const yaml_node_t *node, ml3_lab_setting *g) {
  const yaml_node_item_t *item = node->data.sequence.items.start;
  g->items = r->items[r->count];
  for (; item < node->data.sequence.items.top && g->count <= ML3_KEY_LIST_MAX; item++) {
    const yaml_node_t *one = yaml_document_get_node(&r->document, *item);
    if (one->type != YAML_SCALAR_NODE)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: %s is nested; expected a plain list", r->path,
                           line_of(one), g->name);
    r->items[r->count][g->count++] = (const char *)one->data.scalar.value;
  }
  return ML3_OK;
}

/* A section may stand in pieces, as in files of older versions; what a key that is given twice would be, nobody can
   tell. */
static int check_once(const reader *r, const char *name, int line) {
  for (int i = 0; i < r->count; i++)
    if (strcmp(r->names[i], name) == 0)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: %s stands twice, first in line %d; remove one", r->path,
                           line, name, r->settings[i].line);
  return ML3_OK;
}

static int read_setting(reader *r, const char *name, const yaml_node_t *node) {
  const int line = line_of(node);
  const char *idle = ml3_lab_key_retired(name);
  if (idle && node->type == YAML_SCALAR_NODE && strcmp((const char *)node->data.scalar.value, idle) == 0) return ML3_OK;
  int code = check_once(r, name, line);
  if (code != ML3_OK) return code;
  if (r->count == ML3_LAB_KEYS_MAX)
    return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: more keys than there are", r->path, line);
  ml3_lab_setting *g = &r->settings[r->count];
  memcpy(r->names[r->count], name, NAME_LENGTH);
  *g = (ml3_lab_setting){.name = r->names[r->count], .line = line};
  if (node->type == YAML_SCALAR_NODE)
    g->value = (const char *)node->data.scalar.value;
  else if ((code = read_list(r, node, g)) != ML3_OK)
    return code;
  r->count++;
  return ML3_OK;
}

static int read_mapping(reader *r, const yaml_node_t *node, const char *prefix, int depth) {
  const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
  for (; pair < node->data.mapping.pairs.top; pair++) {
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key),
                      *value = yaml_document_get_node(&r->document, pair->value);
    char name[NAME_LENGTH] = "";
    int code;
    if (key->type != YAML_SCALAR_NODE)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: expected `key: value`", r->path, line_of(key));
    snprintf(name, sizeof name, "%.250s%s%.250s", prefix, *prefix ? "." : "", (const char *)key->data.scalar.value);
    if (value->type != YAML_MAPPING_NODE)
      code = read_setting(r, name, value);
    else if (depth < DEPTH_MAX)
      code = read_mapping(r, value, name, depth + 1);
    else
      code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: '%s' is nested too deeply", r->path, line_of(value), name);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* ---- documents
   -------------------------------------------------------------------------------------------------------- */

static int load(reader *r, yaml_parser_t *parser, yaml_document_t *document) {
  if (yaml_parser_load(parser, document)) return ML3_OK;
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: not YAML: %s", r->path, (int)parser->problem_mark.line + 1,
                       parser->problem ? parser->problem : "unreadable");
}

/* Behind the first document: a file is one. */
static int check_end(reader *r, yaml_parser_t *parser) {
  yaml_document_t second;
  const int code = load(r, parser, &second);
  if (code != ML3_OK) return code;
  const bool one = !yaml_document_get_root_node(&second);
  const int line = (int)second.start_mark.line + 1;
  yaml_document_delete(&second);
  if (one) return ML3_OK;
  return ml3_error_set(r->error, ML3_ERR_FORMAT,
                       "%s:%d: a second YAML document begins here; a configuration is one: remove the '---' before it, "
                       "or keep it in a file "
                       "of its own",
                       r->path, line);
}

static int read_document(reader *r, yaml_parser_t *parser, ml3_lab_config *config) {
  int code = load(r, parser, &r->document);
  if (code != ML3_OK) return code;
  const yaml_node_t *root = yaml_document_get_root_node(&r->document); /* an empty file changes nothing */
  if (root && root->type != YAML_MAPPING_NODE)
    code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: expected `key: value` lines", r->path, line_of(root));
  if (code == ML3_OK && root) code = read_mapping(r, root, "", 0);
  if (code == ML3_OK && root) code = check_end(r, parser);
  if (code == ML3_OK) code = ml3_lab_config_apply(config, r->path, r->settings, r->count, r->error);
  yaml_document_delete(&r->document);
  return code;
}

int ml3_lab_config_read(ml3_lab_config *config, const char *path, ml3_error *error) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 20, &size, error);
  if (!text) return error ? error->code : ML3_ERR_IO;
  reader *r = calloc(1, sizeof *r);
  yaml_parser_t parser;
  int code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to read '%s'", path);
  if (r && yaml_parser_initialize(&parser)) {
    r->path = path, r->error = error;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    code = read_document(r, &parser, config);
    yaml_parser_delete(&parser);
  }
  free(r);
  free(text);
  return code;
}
