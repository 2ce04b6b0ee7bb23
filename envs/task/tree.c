/* libyaml's document, copied into a tree that can be changed: see tree.h. */
#define _POSIX_C_SOURCE 200809L
#include "envs/task/tree.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, NODES_MAX = 200000 }; /* aliases can grow without bounds */

/* ---- complaints ----------------------------------------------------------------------------------------------------- */

int ml3_tree_wrong(const ml3_tree *at, ml3_error *error, const char *format, ...) {
  char text[460];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return ml3_error_set(error, ML3_ERR_FORMAT, "%.150s:%d: %s", at->file, at->line, text);
}

const char *ml3_tree_suggestion(const char *word, const char *const *names, int count, char text[96]) {
  const char *nearest = ml3_error_nearest(word, names, count);
  text[0] = '\0';
  if (nearest) snprintf(text, 96, "; did you mean '%.60s'?", nearest);
  return text;
}

/* ---- parsing -------------------------------------------------------------------------------------------------------- */

typedef struct parsing {
  yaml_document_t document;
  const char *file;
  int nodes;
  ml3_error *error;
} parsing;

void ml3_tree_free(ml3_tree *t) {
  if (!t) return;
  for (int i = 0; i < t->count; i++) {
    if (t->keys) ml3_tree_free(t->keys[i]);
    ml3_tree_free(t->items[i]);
  }
  free(t->text);
  free(t->keys);
  free(t->items);
  free(t);
}

static ml3_tree *copy_node(parsing *p, int index, int depth);

/* The children of a list or mapping; false with a sentence. */
static bool copy_children(parsing *p, const yaml_node_t *n, ml3_tree *t, int depth) {
  const bool map = n->type == YAML_MAPPING_NODE;
  const int count = map ? (int)(n->data.mapping.pairs.top - n->data.mapping.pairs.start)
                        : (int)(n->data.sequence.items.top - n->data.sequence.items.start);
  t->items = calloc((size_t)count + 1, sizeof(ml3_tree *));
  t->keys = map ? calloc((size_t)count + 1, sizeof(ml3_tree *)) : NULL;
  if (!t->items || (map && !t->keys)) {
    ml3_error_set(p->error, ML3_ERR_MEMORY, "no memory for reading %s", p->file);
    return false;
  }
  for (int i = 0; i < count; i++, t->count++) {
    if (map && !(t->keys[i] = copy_node(p, n->data.mapping.pairs.start[i].key, depth + 1))) return false;
    t->items[i] = copy_node(p, map ? n->data.mapping.pairs.start[i].value : n->data.sequence.items.start[i], depth + 1);
    if (!t->items[i]) {
      if (map) ml3_tree_free(t->keys[i]);
      return false;
    }
    if (!map) continue;
    if (t->keys[i]->kind != ML3_TREE_TEXT)
      ml3_tree_wrong(t->keys[i], p->error, "a list or a mapping is no key; expected `key: value`");
    else if (ml3_tree_index(t, t->keys[i]->text) >= 0)
      ml3_tree_wrong(t->keys[i], p->error, "'%.60s' is given twice", t->keys[i]->text);
    else
      continue;
    t->count++;
    return false;
  }
  return true;
}

static ml3_tree *copy_node(parsing *p, int index, int depth) {
  const yaml_node_t *n = yaml_document_get_node(&p->document, index);
  ml3_tree *t = calloc(1, sizeof *t);
  if (!t) {
    ml3_error_set(p->error, ML3_ERR_MEMORY, "no memory for reading %s", p->file);
    return NULL;
  }
  t->file = p->file;
  t->line = (int)n->start_mark.line + 1;
  bool good = true;
  if (depth > DEPTH_MAX || p->nodes++ > NODES_MAX) {
    ml3_tree_wrong(t, p->error, depth > DEPTH_MAX ? "nested more than %d deep" : "more than %d values",
                   depth > DEPTH_MAX ? DEPTH_MAX : NODES_MAX);
    good = false;
  } else if (n->type == YAML_SCALAR_NODE) {
    t->kind = ML3_TREE_TEXT;
    t->quoted = n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    t->text = strdup((const char *)n->data.scalar.value);
    if (!t->text) ml3_error_set(p->error, ML3_ERR_MEMORY, "no memory for reading %s", p->file);
    good = t->text != NULL;
  } else {
    t->kind = n->type == YAML_MAPPING_NODE ? ML3_TREE_MAP : ML3_TREE_LIST;
    good = copy_children(p, n, t, depth);
  }
  if (good) return t;
  ml3_tree_free(t);
  return NULL;
}

/* In { } and [ ] YAML takes a bracket or a colon for its own. */
static void not_yaml(const parsing *p, const yaml_parser_t *parser) {
  const char *problem = parser->problem ? parser->problem : "unreadable";
  const bool flow = strstr(problem, "','") || strstr(problem, "unexpected ':'");
  ml3_error_set(p->error, ML3_ERR_FORMAT, "%.150s:%d: not YAML: %s%s", p->file, (int)parser->problem_mark.line + 1,
                problem, flow ? "; within [ ] and { } put quotes around a text that has brackets: 'qpos[1:]'" : "");
}

/* Behind the document there must be nothing. */
static bool is_last(const parsing *p, yaml_parser_t *parser) {
  yaml_document_t more;
  if (!yaml_parser_load(parser, &more)) {
    not_yaml(p, parser);
    return false;
  }
  const bool none = yaml_document_get_root_node(&more) == NULL;
  if (!none)
    ml3_error_set(p->error, ML3_ERR_FORMAT,
                  "%.150s:%d: a second YAML document begins here; an environment is one: remove the '---' before it",
                  p->file, (int)more.start_mark.line + 1);
  yaml_document_delete(&more);
  return none;
}

ml3_tree *ml3_tree_parse(const char *file, const char *text, ml3_error *error) {
  yaml_parser_t parser;
  parsing p = {.file = file, .error = error};
  ml3_tree *tree = NULL;
  if (!yaml_parser_initialize(&parser)) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for reading %s", file);
    return NULL;
  }
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  if (!yaml_parser_load(&parser, &p.document)) {
    not_yaml(&p, &parser);
  } else {
    const yaml_node_t *root = yaml_document_get_root_node(&p.document);
    if (!root || root->type != YAML_MAPPING_NODE)
      ml3_error_set(error, ML3_ERR_FORMAT, "%.150s:1: expected `key: value` lines, such as `reward: {alive: 1}`", file);
    else
      tree = copy_node(&p, 1, 0);
    yaml_document_delete(&p.document);
  }
  if (tree && !is_last(&p, &parser)) {
    ml3_tree_free(tree);
    tree = NULL;
  }
  yaml_parser_delete(&parser);
  return tree;
}

/* ---- merging -------------------------------------------------------------------------------------------------------- */

static bool is_null(const ml3_tree *t) {
  return t->kind == ML3_TREE_TEXT && !t->quoted &&
         (strcmp(t->text, "null") == 0 || strcmp(t->text, "~") == 0 || !*t->text);
}

static void remove_pair(ml3_tree *map, int i) {
  ml3_tree_free(map->keys[i]);
  ml3_tree_free(map->items[i]);
  map->count--;
  for (; i < map->count; i++) map->keys[i] = map->keys[i + 1], map->items[i] = map->items[i + 1];
}

/* One more pair, behind the others; false without memory. */
static bool add_pair(ml3_tree *map, ml3_tree *key, ml3_tree *item) {
  const size_t size = (size_t)map->count + 1;
  ml3_tree **keys = realloc(map->keys, size * sizeof *keys);
  if (keys) map->keys = keys;
  ml3_tree **items = realloc(map->items, size * sizeof *items);
  if (items) map->items = items;
  if (!keys || !items) return false;
  map->keys[map->count] = key;
  map->items[map->count++] = item;
  return true;
}

ml3_tree *ml3_tree_merge(ml3_tree *base, ml3_tree *over, ml3_error *error) {
  if (base->kind != ML3_TREE_MAP || over->kind != ML3_TREE_MAP) {
    ml3_tree_free(base);
    return over;
  }
  bool good = true;
  for (int i = 0; i < over->count && good; i++) {
    const int at = ml3_tree_index(base, over->keys[i]->text);
    ml3_tree *key = over->keys[i], *item = over->items[i];
    if (is_null(item)) {
      if (at >= 0) remove_pair(base, at);
      continue;
    }
    over->items[i] = NULL;
    if (at >= 0) {
      base->items[at] = ml3_tree_merge(base->items[at], item, error);
      good = base->items[at] != NULL;
      if (!good) remove_pair(base, at);
      continue;
    }
    over->keys[i] = NULL;
    good = add_pair(base, key, item);
    if (good) continue;
    ml3_tree_free(key);
    ml3_tree_free(item);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for reading %s", over->file);
  }
  ml3_tree_free(over);
  if (good) return base;
  ml3_tree_free(base);
  return NULL;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

int ml3_tree_index(const ml3_tree *map, const char *key) {
  if (!map || map->kind != ML3_TREE_MAP) return -1;
  for (int i = 0; i < map->count; i++)
    if (map->keys[i] && map->keys[i]->text && strcmp(map->keys[i]->text, key) == 0) return i;
  return -1;
}

const ml3_tree *ml3_tree_find(const ml3_tree *map, const char *key) {
  const int i = ml3_tree_index(map, key);
  return i < 0 ? NULL : map->items[i];
}

const char *ml3_tree_text(const ml3_tree *t) {
  return t && t->kind == ML3_TREE_TEXT ? t->text : NULL;
}

/* YAML's infinities, and numbers as C reads them. */
static bool parse_number(const ml3_tree *at, double *x) {
  const char *text = ml3_tree_text(at);
  char *end = NULL;
  if (!text || at->quoted || !*text) return false;
  if (strcmp(text, ".inf") == 0 || strcmp(text, "+.inf") == 0) return *x = INFINITY, true;
  if (strcmp(text, "-.inf") == 0) return *x = -INFINITY, true;
  *x = strtod(text, &end);
  return !*end && isfinite(*x);
}

static const char *as_text(const ml3_tree *at) {
  return ml3_tree_text(at) ? at->text : "not a single value";
}

int ml3_tree_number(const ml3_tree *at, const char *what, double low, double high, double *x, ml3_error *error) {
  if (parse_number(at, x) && *x >= low && *x <= high) return ML3_OK;
  if (low <= -1e300) return ml3_tree_wrong(at, error, "%s is '%.60s'; expected a number", what, as_text(at));
  return ml3_tree_wrong(at, error, "%s is '%.60s'; expected a number from %g to %g", what, as_text(at), low, high);
}

int ml3_tree_whole(const ml3_tree *at, const char *what, int low, int high, int *x, ml3_error *error) {
  double value = 0;
  int code = ml3_tree_number(at, what, low, high, &value, error);
  if (code != ML3_OK) return code;
  if (value != floor(value)) return ml3_tree_wrong(at, error, "%s is %g; expected a whole number", what, value);
  *x = (int)value;
  return ML3_OK;
}

int ml3_tree_range(const ml3_tree *at, const char *what, double *low, double *high, ml3_error *error) {
  if (at->kind != ML3_TREE_LIST || at->count != 2 || !parse_number(at->items[0], low) ||
      !parse_number(at->items[1], high))
    return ml3_tree_wrong(at, error, "%s: expected [low, high]", what);
  if (*low > *high)
    return ml3_tree_wrong(at, error, "%s: [%g, %g] has its low end above its high one", what, *low, *high);
  return ML3_OK;
}

int ml3_tree_boolean(const ml3_tree *at, const char *what, bool *x, ml3_error *error) {
  const char *text = as_text(at);
  *x = strcmp(text, "true") == 0;
  if (*x || strcmp(text, "false") == 0) return ML3_OK;
  return ml3_tree_wrong(at, error, "%s is '%.60s'; expected true or false", what, text);
}

int ml3_tree_keys(const ml3_tree *map, const char *what, const char *const *names, int count, ml3_error *error) {
  char hint[96];
  if (map->kind != ML3_TREE_MAP) return ml3_tree_wrong(map, error, "%s: expected `key: value` lines", what);
  for (int i = 0; i < map->count; i++) {
    const char *key = map->keys[i]->text;
    int k = 0;
    while (k < count && strcmp(key, names[k]) != 0) k++;
    if (k == count)
      return ml3_tree_wrong(map->keys[i], error, "%s: unknown key '%.60s'%s", what, key,
                            ml3_tree_suggestion(key, names, count, hint));
  }
  return ML3_OK;
}
