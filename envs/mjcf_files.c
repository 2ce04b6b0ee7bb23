/* See mjcf_files.h. First the XML files are followed from include to include; then every reference in them is tried at
   all places where MuJoCo may look for it. */
#define _POSIX_C_SOURCE 200809L
#include "envs/mjcf_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "envs/mjcf_scan.h"
#include "envs/task/tree.h"

enum { XML_SIZE_MAX = 1 << 26, FILES_MAX = 100000, PATH_SIZE = 8192, DIRS_MAX = 64 };

/* ---- paths ------------------------------------------------------------------------------------------------------ */

/* Without empty parts, "." and "..", by the letters alone. In place; the path is absolute. */
static void normalise(char *path) {
  char *to = path;
  for (char *from = path; *from;) {
    from += strspn(from, "/");
    const size_t n = strcspn(from, "/");
    if (n == 0) break;
    if (n == 2 && strncmp(from, "..", 2) == 0) {
      while (to > path && *--to != '/') {}
    } else if (n != 1 || *from != '.') {
      *to++ = '/';
      memmove(to, from, n);
      to += n;
    }
    from += n;
  }
  *to = '\0'; /* "" is the root */
}

/* FOLDER/path, or path itself where that is absolute; false when it is too long. */
static bool join(const char *folder, const char *path, char *joined) {
  const int n =
      *path == '/' ? snprintf(joined, PATH_SIZE, "%s", path) : snprintf(joined, PATH_SIZE, "%s/%s", folder, path);
  return n >= 0 && n < PATH_SIZE;
}

static void folder_of(const char *path, char *folder) {
  const char *slash = strrchr(path, '/');
  snprintf(folder, PATH_SIZE, "%.*s", slash ? (int)(slash - path) : 0, path);
}

/* The way from one folder to a path, both normal. */
static void relative_to(const char *folder, const char *path, char *way) {
  size_t common = 0, used = 0;
  for (size_t i = 0;; i++) {
    const bool ends = (folder[i] == '\0' || folder[i] == '/') && (path[i] == '\0' || path[i] == '/');
    if (ends) common = i;
    if (folder[i] != path[i] || folder[i] == '\0') break;
  }
  way[0] = '\0';
  for (const char *up = folder + common; (up = strchr(up, '/')) && used + 4 < PATH_SIZE; up++)
    used += (size_t)snprintf(way + used, PATH_SIZE - used, "../");
  const char *rest = path + common + (path[common] == '/');
  snprintf(way + used, PATH_SIZE - used, "%s", *rest || used ? rest : ".");
}

/* ---- the list --------------------------------------------------------------------------------------------------- */

typedef struct finder {
  ml3_mjcf_files *files;
  char *dirs[DIRS_MAX], *bases[DIRS_MAX]; /* meshdir and the like as they are written; folders of XML files */
  int dir_count, base_count, now;         /* now: the XML file that is being read */
  bool includes;                          /* the first round */
  ml3_error *error;
  int code;
} finder;

static int no_memory(finder *f) {
  return f->code = ml3_error_set(f->error, ML3_ERR_MEMORY, "no memory for the list of a model's files");
}

/* Into a small set of texts, unless it is there; more than it holds are left out. */
static void add_text(finder *f, char **texts, int *count, const char *text) {
  for (int i = 0; i < *count; i++)
    if (strcmp(texts[i], text) == 0) return;
  if (*count == DIRS_MAX) return;
  char *copy = strdup(text);
  if (!copy) {
    no_memory(f);
    return;
  }
  texts[(*count)++] = copy;
}

/* The regular file at an absolute path, unless it is listed. */
static void add_file(finder *f, const char *source, bool is_xml, int owner) {
  ml3_mjcf_files *all = f->files;
  struct stat info;
  char path[PATH_SIZE];
  if (f->code != ML3_OK || stat(source, &info) != 0 || !S_ISREG(info.st_mode)) return;
  snprintf(path, sizeof path, "%s", source);
  normalise(path);
  for (int i = 0; i < all->count; i++)
    if (strcmp(all->files[i].path, path) == 0) return;
  if (all->count == FILES_MAX) {
    f->code = ml3_error_set(f->error, ML3_ERR_FORMAT, "%s: the model is made of more than %d files",
                            all->files[0].source, FILES_MAX);
    return;
  }
  ml3_mjcf_file *grown = realloc(all->files, (size_t)(all->count + 1) * sizeof *grown);
  if (grown) all->files = grown;
  ml3_mjcf_file file = {.source = strdup(source), .path = strdup(path), .is_xml = is_xml};
  if (!grown || !file.source || !file.path) {
    free(file.source);
    free(file.path);
    no_memory(f);
    return;
  }
  file.owner = owner < 0 ? all->count : owner;
  all->files[all->count++] = file;
}

/* ---- references ------------------------------------------------------------------------------------------------- */

static bool is_folder_key(const ml3_mjcf_attribute *a) {
  return strcmp(a->element, "compiler") == 0 &&
         (strcmp(a->name, "meshdir") == 0 || strcmp(a->name, "texturedir") == 0 || strcmp(a->name, "assetdir") == 0);
}

/* file, fileright, filename ...; plugins take files as values of their own keys. */
static bool is_file_key(const ml3_mjcf_attribute *a) {
  return strncmp(a->name, "file", 4) == 0 || (strcmp(a->element, "config") == 0 && strcmp(a->name, "value") == 0);
}

static bool is_include(const ml3_mjcf_attribute *a) {
  return strcmp(a->element, "include") == 0;
}
static bool is_model(const ml3_mjcf_attribute *a) {
  return strcmp(a->element, "model") == 0;
}

/* At all places where it may be. */
static void add_reference(finder *f, const ml3_mjcf_attribute *a) {
  const char *slash = strrchr(a->value, '/');
  const char *const names[] = {a->value, slash ? slash + 1 : NULL};
  const bool xml = is_include(a) || is_model(a);
  const int owner = is_model(a) ? -1 : f->files->files[f->now].owner;
  char folder[PATH_SIZE], path[PATH_SIZE];
  for (int n = 0; n < 2 && names[n] && *names[n]; n++)
    for (int b = 0; b < f->base_count; b++)
      for (int d = -1; d < f->dir_count; d++)
        if (join(f->bases[b], d < 0 ? "." : f->dirs[d], folder) && join(folder, names[n], path))
          add_file(f, path, xml, owner);
}

static void visit(void *user, const ml3_mjcf_attribute *a) {
  finder *f = user;
  if (f->includes && is_folder_key(a)) add_text(f, f->dirs, &f->dir_count, a->value);
  if (is_file_key(a) && f->includes == (is_include(a) || is_model(a))) add_reference(f, a);
}

/* Reads every XML file that is listed, and those that are meanwhile. */
static void follow(finder *f, bool includes) {
  f->includes = includes;
  for (f->now = 0; f->now < f->files->count && f->code == ML3_OK; f->now++) {
    const ml3_mjcf_file *file = &f->files->files[f->now];
    char folder[PATH_SIZE];
    size_t size;
    if (!file->is_xml) continue;
    folder_of(file->source, folder);
    add_text(f, f->bases, &f->base_count, folder);
    char *text = ml3_file_read(file->source, XML_SIZE_MAX, &size, f->error);
    if (!text) {
      f->code = f->error ? f->error->code : ML3_ERR_IO;
      return;
    }
    ml3_mjcf_scan(text, visit, f);
    free(text);
  }
}

static int find_root(finder *f) {
  ml3_mjcf_files *all = f->files;
  char root[PATH_SIZE], folder[PATH_SIZE];
  folder_of(all->files[0].path, root);
  for (int i = 1; i < all->count; i++) {
    size_t n = strlen(root);
    folder_of(all->files[i].path, folder);
    while (strncmp(folder, root, n) != 0 || (folder[n] != '\0' && folder[n] != '/'))
      while (root[--n] != '/') {} /* "" is above all */
    root[n] = '\0';
  }
  all->root = strdup(root);
  return all->root ? ML3_OK : no_memory(f);
}

/* ---- YAML ------------------------------------------------------------------------------------------------------------- */

/* A file that a YAML names by a relative path; what is built in, absolute or of an environment variable stays where it is. */
static bool beside(const char *yaml, const ml3_tree *root, const char *key, const char *ending, char *path) {
  const char *text = ml3_tree_text(ml3_tree_find(root, key));
  char folder[PATH_SIZE];
  folder_of(yaml, folder);
  return text && *text != '/' && !strchr(text, '$') && ml3_file_ends_in(text, ending) && join(folder, text, path);
}

/* A YAML, the model that it names, and those that it extends. */
static void add_yaml(finder *f, const char *yaml, int depth) {
  char path[PATH_SIZE];
  size_t size;
  const int before = f->files->count;
  add_file(f, yaml, false, 0);
  if (f->code != ML3_OK || f->files->count == before || depth > 16) return;
  char *text = ml3_file_read(yaml, XML_SIZE_MAX, &size, f->error);
  ml3_error unused = {0}; /* who opens the environment says what is wrong with it */
  ml3_tree *root = text ? ml3_tree_parse(yaml, text, &unused) : NULL;
  if (!text) f->code = f->error->code;
  if (root && beside(yaml, root, "model", ".xml", path)) add_file(f, path, true, -1);
  if (root && beside(yaml, root, "extends", ".yaml", path)) add_yaml(f, path, depth + 1);
  ml3_tree_free(root);
  free(text);
}

int ml3_mjcf_files_find(ml3_mjcf_files *files, const char *model, ml3_error *error) {
  ml3_error own = {0};
  finder f = {.files = files, .error = error ? error : &own};
  char here[PATH_SIZE], source[PATH_SIZE];
  const size_t length = strlen(model);
  const bool yaml = ml3_file_ends_in(model, ".yaml");
  *files = (ml3_mjcf_files){0};
  if (!getcwd(here, sizeof here) || !join(here, model, source) || length < 5)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.200s' is too long", model);
  if (!yaml) {
    add_file(&f, source, true, 0);
    snprintf(source + strlen(source) - 4, 6, ".yaml");
  }
  add_yaml(&f, source, 0);
  if (yaml && f.files->count == 1) { /* the model beside it, if there is one */
    snprintf(source + strlen(source) - 5, 5, ".xml");
    add_file(&f, source, true, -1);
  }
  if (f.code == ML3_OK && files->count < 2 - yaml)
    f.code = ml3_error_set(error, ML3_ERR_IO, "'%.200s' or the YAML beside it is not there", model);
  if (f.code == ML3_OK) follow(&f, true);
  if (f.code == ML3_OK) follow(&f, false);
  if (f.code == ML3_OK) find_root(&f);
  for (int i = 0; i < f.dir_count; i++) free(f.dirs[i]);
  for (int i = 0; i < f.base_count; i++) free(f.bases[i]);
  return f.code;
}

void ml3_mjcf_files_free(ml3_mjcf_files *files) {
  for (int i = 0; i < files->count; i++) {
    free(files->files[i].source);
    free(files->files[i].path);
  }
  free(files->files);
  free(files->root);
  *files = (ml3_mjcf_files){0};
}

const char *ml3_mjcf_files_relative(const ml3_mjcf_files *files, int i) {
  return files->files[i].path + strlen(files->root) + 1;
}

/* ---- absolute references ----------------------------------------------------------------------------------------- */

/* Where assets of a model are, from its compiler elements, and the text that is being written. */
typedef struct writer {
  const ml3_mjcf_files *files;
  char meshes[PATH_SIZE], textures[PATH_SIZE]; /* normal */
  char base[PATH_SIZE];                        /* the model's folder, normal */
  bool strip;
  const char *text;
  size_t done;
  FILE *out;
} writer;

static void set_folder(const writer *w, char *folder, const char *value) {
  if (join(w->base, value, folder)) normalise(folder);
}

static void read_compiler(void *user, const ml3_mjcf_attribute *a) {
  writer *w = user;
  if (strcmp(a->element, "compiler") != 0) return;
  const bool both = strcmp(a->name, "assetdir") == 0;
  if (both || strcmp(a->name, "meshdir") == 0) set_folder(w, w->meshes, a->value);
  if (both || strcmp(a->name, "texturedir") == 0) set_folder(w, w->textures, a->value);
  if (strcmp(a->name, "strippath") == 0) w->strip = strcmp(a->value, "true") == 0;
}

static bool is_below(const char *path, const char *root) {
  const size_t n = strlen(root);
  return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void put_escaped(const char *text, FILE *out) {
  for (; *text; text++) {
    if (*text == '&')
      fputs("&amp;", out);
    else if (*text == '<')
      fputs("&lt;", out);
    else if (*text == '"')
      fputs("&quot;", out);
    else if (*text == '\'')
      fputs("&apos;", out);
    else
      fputc(*text, out);
  }
}

static void rewrite(void *user, const ml3_mjcf_attribute *a) {
  writer *w = user;
  char path[PATH_SIZE], way[PATH_SIZE];
  const bool folder = is_folder_key(a), file = is_file_key(a);
  if (*a->value != '/' || (!folder && !file) || (file && w->strip && !is_include(a))) return;
  snprintf(path, sizeof path, "%s", a->value);
  normalise(path);
  if (!is_below(path, w->files->root)) return; /* not among what is copied */
  const bool beside = folder || is_include(a) || is_model(a);
  relative_to(beside ? w->base : strcmp(a->element, "texture") == 0 ? w->textures : w->meshes, path, way);
  fwrite(w->text + w->done, 1, a->begin - w->done, w->out);
  put_escaped(way, w->out);
  w->done = a->end;
}

char *ml3_mjcf_files_relocate(const ml3_mjcf_files *files, int i, const char *text) {
  writer w = {.files = files, .text = text};
  char *written = NULL;
  size_t size = 0;
  const int owner = files->files[i].owner;
  folder_of(files->files[owner].path, w.base);
  snprintf(w.meshes, sizeof w.meshes, "%s", w.base);
  snprintf(w.textures, sizeof w.textures, "%s", w.base);
  for (int j = 0; j < files->count; j++) {
    char *other = files->files[j].is_xml && files->files[j].owner == owner
                      ? ml3_file_read(files->files[j].source, XML_SIZE_MAX, &size, NULL)
                      : NULL;
    if (other) ml3_mjcf_scan(other, read_compiler, &w);
    free(other);
  }
  if (!(w.out = open_memstream(&written, &size))) return NULL;
  ml3_mjcf_scan(text, rewrite, &w);
  fputs(text + w.done, w.out);
  return fclose(w.out) == 0 ? written : (free(written), NULL);
}
