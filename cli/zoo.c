/* The zoo: see zoo.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/zoo.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool find(const char *name, const char *file, char *path, size_t size) {
  char within[300];
  snprintf(within, sizeof within, "%.120s%s%s", name, *file ? "/" : "", file);
  return cli_share_find("zoo", within, path, size);
}

int cli_zoo_names(char names[][CLI_PRESET_NAME]) {
  char path[1200];
  int kept = 0;
  const int count = cli_share_names("zoo", "", names);
  for (int i = 0; i < count; i++)
    if (find(names[i], "loss.safetensors", path, sizeof path)) memmove(names[kept++], names[i], CLI_PRESET_NAME);
  return kept;
}

const char *cli_zoo_summary(const char *name, char *line, size_t size) {
  char path[1200];
  line[0] = '\0';
  FILE *in = find(name, "README.md", path, sizeof path) ? fopen(path, "r") : NULL;
  if (!in || !fgets(line, (int)size, in)) line[0] = '\0';
  if (in) fclose(in);
  line[strcspn(line, "\n")] = '\0';
  return line + strspn(line, "# ");
}

static int tell_unknown(const char *name, ml3_error *error) {
  char names[CLI_PRESETS_MAX][CLI_PRESET_NAME];
  const char *candidates[CLI_PRESETS_MAX];
  const int count = cli_zoo_names(names);
  for (int i = 0; i < count; i++) candidates[i] = names[i];
  const char *nearest = ml3_error_nearest(name, candidates, count);
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "the zoo has no loss '%.120s'%s%s%s; `ml3 list zoo` shows all", name,
                       nearest ? "; did you mean 'zoo:" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

bool cli_zoo_is(const char *argument) {
  return strncmp(argument, "zoo:", 4) == 0;
}

const char *cli_zoo_folder(const char *argument, char *path, ml3_error *error) {
  const char *name = argument + 4;
  if (!cli_zoo_is(argument)) return argument;
  if (!*name || strchr(name, '/') || !find(name, "loss.safetensors", path, CLI_PATH_MAX)) {
    tell_unknown(name, error);
    return NULL;
  }
  find(name, "", path, CLI_PATH_MAX);
  return path;
}

int cli_loss_open(const char *name, cli_config *config, ml3_loss **loss, ml3_error *error) {
  char path[CLI_PATH_MAX];
  struct stat info;
  *loss = NULL;
  const char *where = cli_zoo_folder(name, path, error);
  if (!where) return error->code;
  if (stat(where, &info) != 0)
    return ml3_error_set(error, ML3_ERR_IO,
                         "there is no loss '%.500s'; a run's folder, a file and zoo:NAME are possible", name);
  if (S_ISDIR(info.st_mode)) return cli_run_open(where, config, loss, error);
  cli_config_defaults(config);
  *loss = ml3_loss_load(where, error);
  return *loss ? ML3_OK : error->code;
}
