/* See files.h. */
#define _POSIX_C_SOURCE 200809L
#include "envs/task/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "envs/mjcf.h"

enum { YAML_SIZE_MAX = 1 << 20, XML_SIZE_MAX = 1 << 26, EXTENDS_MAX = 16, PATH_SIZE = 2048 };

typedef struct opening {
  ml3_task *task;
  const char *chain[EXTENDS_MAX]; /* the YAMLs that are open, for a circle */
  int depth;
  ml3_error *error;
  const char *ready_path[2]; /* of files that have been read already: the MJCF and the YAML beside it */
  char *ready[2];            /* their texts, until they are taken */
} opening;

/* ---- built-in ------------------------------------------------------------------------------------------------------- */

static bool builtin_name(const char *name, char file[256]) {
  return snprintf(file, 256, "%s.yaml", name) < 256 && ml3_task_builtin_file(file) != NULL;
}

/* ---- texts ---------------------------------------------------------------------------------------------------------- */

static char *take_ready(opening *o, const char *path) {
  for (int i = 0; i < 2; i++)
    if (o->ready[i] && strcmp(o->ready_path[i], path) == 0) {
      char *text = o->ready[i];
      o->ready[i] = NULL;
      return text;
    }
  return NULL;
}

/* A file's text, kept with the task and added to its signature; NULL with a sentence. */
static const char *read_text(opening *o, const char *path, bool builtin, size_t limit) {
  size_t size;
  ml3_task *t = o->task;
  char *text = builtin ? strdup(ml3_task_builtin_file(path)) : take_ready(o, path);
  if (!text && !builtin) text = ml3_file_read(path, limit, &size, o->error);
  if (!text) {
    if (builtin) ml3_error_set(o->error, ML3_ERR_MEMORY, "no memory for the task '%s'", t->name);
    return NULL;
  }
  const char *kept = ml3_task_text(t, o->error, "%s", text);
  const char *all = kept ? ml3_task_text(t, o->error, "%s\n%s", t->signature ? t->signature : "", text) : NULL;
  free(text);
  t->signature = (char *)all;
  return all ? kept : NULL;
}

/* A path that a file names: relative to the file's folder; ${X} is an environment variable. */
static bool resolve(opening *o, const ml3_tree *at, char *path) {
  size_t n = 0;
  const char *slash = strrchr(at->file, '/'), *text = ml3_tree_text(at);
  char expanded[PATH_SIZE];
  if (!text || !*text) {
    ml3_tree_wrong(at, o->error, "expected the path of a file");
    return false;
  }
  for (const char *s = text; *s && n + 1 < sizeof expanded;) {
    const size_t length = strncmp(s, "${", 2) == 0 ? strcspn(s + 2, "}") : 0;
    if (!length || s[2 + length] != '}') {
      expanded[n++] = *s++;
      continue;
    }
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)length, s + 2);
    const char *value = getenv(name);
    if (!value || n + strlen(value) >= sizeof expanded) {
      ml3_tree_wrong(at, o->error, "the environment variable %s is not set; it names a folder of '%.100s'", name, text);
      return false;
    }
    memcpy(expanded + n, value, strlen(value));
    n += strlen(value);
    s += length + 3;
  }
  expanded[n] = '\0';
  const int used = *expanded == '/' || !slash
                       ? snprintf(path, PATH_SIZE, "%s", expanded)
                       : snprintf(path, PATH_SIZE, "%.*s/%s", (int)(slash - at->file), at->file, expanded);
  if (used >= 0 && used < PATH_SIZE) return true;
  ml3_tree_wrong(at, o->error, "the path is too long");
  return false;
}

/* ---- YAML ----------------------------------------------------------------------------------------------------------- */

static ml3_tree *open_yaml(opening *o, const char *path, bool builtin);

/* What `extends` names, with `over` above it. Consumes over. */
static ml3_tree *extend(opening *o, ml3_tree *over, const ml3_tree *base) {
  char path[PATH_SIZE], file[256];
  const char *text = ml3_tree_text(base);
  bool found = false, builtin = false;
  if (text && !ml3_file_ends_in(text, ".yaml")) {
    found = builtin = builtin_name(text, file);
    if (!found)
      ml3_tree_wrong(base, o->error, "extends: there is no built-in task '%.60s'; expected one, or FILE.yaml", text);
  } else if (text && ml3_task_builtin_file(text) && !strchr(base->file, '/') && ml3_task_builtin_file(base->file)) {
    found = builtin = true;
    snprintf(file, sizeof file, "%s", text);
  } else {
    found = resolve(o, base, path);
  }
  ml3_tree *under = found ? open_yaml(o, builtin ? file : path, builtin) : NULL;
  if (!under) {
    ml3_tree_free(over);
    return NULL;
  }
  return ml3_tree_merge(under, over, o->error);
}

/* A YAML with all that it extends. */
static ml3_tree *open_yaml(opening *o, const char *path, bool builtin) {
  const char *kept = ml3_task_text(o->task, o->error, "%s", path);
  if (!kept) return NULL;
  for (int i = 0; i < o->depth; i++)
    if (strcmp(o->chain[i], kept) == 0) {
      ml3_error_set(o->error, ML3_ERR_FORMAT, "%.200s:1: extends: the files go round in a circle", kept);
      return NULL;
    }
  if (o->depth == EXTENDS_MAX) {
    ml3_error_set(o->error, ML3_ERR_FORMAT, "%.200s:1: extends: more than %d files", kept, EXTENDS_MAX);
    return NULL;
  }
  const char *text = read_text(o, kept, builtin, YAML_SIZE_MAX);
  ml3_tree *tree = text ? ml3_tree_parse(kept, text, o->error) : NULL;
  if (!tree) return NULL;
  const int k = ml3_tree_index(tree, "extends");
  if (k < 0) return tree;
  ml3_tree *base = tree->items[k];
  ml3_tree_free(tree->keys[k]);
  tree->count--;
  for (int i = k; i < tree->count; i++) tree->keys[i] = tree->keys[i + 1], tree->items[i] = tree->items[i + 1];
  o->chain[o->depth++] = kept;
  tree = extend(o, tree, base);
  o->depth--;
  ml3_tree_free(base);
  return tree;
}

/* ---- MJCF ----------------------------------------------------------------------------------------------------------- */

/* The MJCF with what `worldbody` adds to it: sites and the like. */
static const char *with_more(opening *o, const ml3_tree *root, const char *xml) {
  const ml3_tree *more = ml3_tree_find(root, "worldbody");
  const char *end = NULL;
  if (!more) return xml;
  for (const char *s = xml; (s = strstr(s, "</mujoco>")); s++) end = s;
  if (!ml3_tree_text(more) || !end) {
    ml3_tree_wrong(more, o->error, "worldbody: expected MJCF as a text, such as '<site name=\"goal\"/>'");
    return NULL;
  }
  return ml3_task_text(o->task, o->error, "%.*s<worldbody>%s</worldbody>%s", (int)(end - xml), xml, more->text, end);
}

static int open_model(opening *o, const ml3_tree *root, const char *path, bool builtin) {
  ml3_task *t = o->task;
  const ml3_tree *model = ml3_tree_find(root, "model");
  char found[PATH_SIZE];
  if (model && ml3_tree_text(model) && ml3_task_builtin_file(model->text) && ml3_task_builtin_file(model->file)) {
    const char *text = read_text(o, model->text, true, XML_SIZE_MAX); /* one of the library's */
    t->specs[0].scene_xml = text ? with_more(o, root, text) : NULL;
  } else {
    if (builtin) return ml3_error_set(o->error, ML3_ERR_FORMAT, "%s: the task names no model of the library", path);
    if (ml3_tree_find(root, "worldbody"))
      return ml3_tree_wrong(ml3_tree_find(root, "worldbody"), o->error,
                            "worldbody: it is added to models of the library alone; write it into the MJCF");
    if (model && !resolve(o, model, found)) return o->error->code;
    if (!model) {
      const size_t n = strlen(path) - (ml3_file_ends_in(path, ".xml") ? 4 : 5);
      if (snprintf(found, sizeof found, "%.*s.xml", (int)n, path) >= (int)sizeof found)
        return ml3_error_set(o->error, ML3_ERR_ARGUMENT, "%.200s: the path is too long", path);
    }
    if (!read_text(o, found, false, XML_SIZE_MAX)) return o->error->code;
    t->specs[0].scene_xml = t->xml_path = (char *)ml3_task_text(t, o->error, "%s", found);
  }
  if (!t->specs[0].scene_xml) return o->error->code;
  t->model = ml3_mjcf_load(t->specs[0].scene_xml, o->error);
  return t->model ? ML3_OK : ml3_error_prefix(o->error, "%.200s", t->xml_path ? t->xml_path : path);
}

/* FILE.xml and the YAML beside it; the model first, since one that is not there is the plainest mistake. */
static int read_both(opening *o, const char *xml, const char *yaml) {
  size_t size;
  o->ready_path[0] = xml, o->ready_path[1] = yaml;
  if (!(o->ready[0] = ml3_file_read(xml, XML_SIZE_MAX, &size, o->error))) return o->error->code;
  if ((o->ready[1] = ml3_file_read(yaml, YAML_SIZE_MAX, &size, o->error))) return ML3_OK;
  return ml3_error_prefix(
      o->error, "%.200s needs a YAML file beside it that says what its task is (ml3 task %.100s writes a first one)",
      xml, xml);
}

static ml3_tree *open_files(opening *o, const char *path) {
  char file[256], yaml[PATH_SIZE];
  const bool xml = ml3_file_ends_in(path, ".xml");
  const bool builtin = !xml && !ml3_file_ends_in(path, ".yaml") && builtin_name(path, file);
  snprintf(yaml, sizeof yaml, "%.*s%s", (int)strlen(path) - (xml ? 4 : 0), path, xml ? ".yaml" : "");
  if (xml && read_both(o, path, yaml) != ML3_OK) return NULL;
  ml3_tree *root = open_yaml(o, builtin ? file : yaml, builtin);
  if (!root) return NULL;
  if (open_model(o, root, path, builtin) == ML3_OK) return root;
  ml3_tree_free(root);
  return NULL;
}

ml3_tree *ml3_task_open_files(ml3_task *t, const char *path, ml3_error *error) {
  opening o = {.task = t, .error = error};
  ml3_tree *root = open_files(&o, path);
  free(o.ready[0]);
  free(o.ready[1]);
  return root;
}

bool ml3_task_is(const char *path) {
  static const char *const keys[] = {"extends",   "observation", "actions",    "actuators",
                                     "terminate", "reset",       "frame_skip", "points"};
  char file[PATH_SIZE];
  size_t size;
  ml3_error unused = {0};
  bool found = false;
  const char *colon = strrchr(path, ':');
  snprintf(file, sizeof file, "%.*s", (int)(colon ? (size_t)(colon - path) : strlen(path)), path);
  char *text = ml3_file_read(file, YAML_SIZE_MAX, &size, &unused);
  ml3_tree *tree = text ? ml3_tree_parse(file, text, &unused) : NULL;
  if (tree) found = ml3_tree_text(ml3_tree_find(tree, "model")) != NULL; /* a section of a configuration is a mapping */
  for (size_t i = 0; tree && i < sizeof keys / sizeof *keys; i++) found = found || ml3_tree_index(tree, keys[i]) >= 0;
  ml3_tree_free(tree);
  free(text);
  return found;
}
