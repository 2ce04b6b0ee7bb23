/* The zoo: see zoo.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/zoo.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool find(const char *name, const char *file, char *path, size_t size) {
  char within[300];
  snprintf(within, sizeof within, "%.120s%s%s", name, *file ? "/" : "", file);
  return ml3_lab_share_find("zoo", within, path, size);
}

int ml3_lab_zoo_names(char names[][ML3_LAB_PRESET_NAME]) {
  char path[1200];
  int kept = 0;
  const int count = ml3_lab_share_names("zoo", "", names);
  for (int i = 0; i < count; i++)
    if (find(names[i], "loss.safetensors", path, sizeof path)) memmove(names[kept++], names[i], ML3_LAB_PRESET_NAME);
  return kept;
}

const char *ml3_lab_zoo_summary(const char *name, char *line, size_t size) {
  char path[1200];
  line[0] = '\0';
  FILE *in = find(name, "README.md", path, sizeof path) ? fopen(path, "r") : NULL;
  if (!in || !fgets(line, (int)size, in)) line[0] = '\0';
  if (in) fclose(in);
  line[strcspn(line, "\n")] = '\0';
  return line + strspn(line, "# ");
}

static int unknown(const char *name, ml3_error *error) {
  char names[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME];
  const char *candidates[ML3_LAB_PRESETS_MAX];
  const int count = ml3_lab_zoo_names(names);
  for (int i = 0; i < count; i++) candidates[i] = names[i];
  const char *nearest = ml3_error_nearest(name, candidates, count);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "the zoo has no loss '%.120s'%s%s%s; `ml3 list zoo` shows all", name,
                       nearest ? "; did you mean 'zoo:" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

bool ml3_lab_zoo_is(const char *argument) {
  return strncmp(argument, "zoo:", 4) == 0;
}

const char *ml3_lab_zoo_folder(const char *argument, char *path, ml3_error *error) {
  const char *name = argument + 4;
  if (!ml3_lab_zoo_is(argument)) return argument;
  if (!*name || strchr(name, '/') || !find(name, "loss.safetensors", path, ML3_LAB_PATH_MAX)) {
    unknown(name, error);
    return NULL;
  }
  find(name, "", path, ML3_LAB_PATH_MAX);
  return path;
}

int ml3_lab_loss_open(const char *name, ml3_lab_config *config, ml3_loss **loss, const ml3_lab_callbacks *callbacks,
                      ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  struct stat info;
  *loss = NULL;
  const char *where = ml3_lab_zoo_folder(name, path, error);
  if (!where) return error->code;
  if (stat(where, &info) != 0)
    return ml3_error_set(error, ML3_ERR_IO,
                         "there is no loss '%.500s'; a run's folder, a file and zoo:NAME are possible", name);
  if (S_ISDIR(info.st_mode)) return ml3_lab_run_open(where, config, loss, callbacks, error);
  ml3_lab_config_defaults(config);
  *loss = ml3_loss_load(where, error);
  return *loss ? ML3_OK : error->code;
}
