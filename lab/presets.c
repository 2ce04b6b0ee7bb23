/* Presets: see presets.h. */
#define _GNU_SOURCE /* dladdr */
#include "lab/presets.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/gym.h"
#include "lab/environments.h"
#include "lab/experiment.h"
#include "lab/problems.h"
#include "lab/run_environment.h"

const char *ml3_lab_own_file(char *path, size_t size) {
  static const char here;
  Dl_info where;
  if (dladdr(&here, &where) && where.dli_fname && strstr(where.dli_fname, "/libml3.")) {
    snprintf(path, size, "%s", where.dli_fname);
    return path;
  }
  const ssize_t n = readlink("/proc/self/exe", path, size - 1);
  path[n > 0 ? n : 0] = '\0';
  return n > 0 ? path : NULL;
}

bool ml3_lab_share_find(const char *kind, const char *name, char *path, size_t size) {
  /* The build's, links into the source, the installed one's, beside a program or a library; for a root without /proc, where packages
     put it. */
  static const char *const beside[] = {"/share/ml3", "/../share/ml3", "/../../share/ml3"};
  static const char *const in_system[] = {"/usr/share/ml3", "/usr/local/share/ml3"};
  char own[800];
  char *slash = ml3_lab_own_file(own, sizeof own) ? strrchr(own, '/') : NULL;
  if (slash) *slash = '\0';
  for (int i = 0; i < (slash ? 3 : 2); i++) {
    snprintf(path, size, "%s%s/%s%s%.200s", slash ? own : "", slash ? beside[i] : in_system[i], kind, name ? "/" : "",
             name ? name : "");
    if (access(path, R_OK) == 0) return true;
  }
  return false;
}

static int by_name(const void *a, const void *b) {
  return strcmp(a, b);
}

int ml3_lab_share_names(const char *kind, const char *ending, char names[][ML3_LAB_PRESET_NAME]) {
  char folder[1024];
  int count = 0;
  DIR *dir = ml3_lab_share_find(kind, NULL, folder, sizeof folder) ? opendir(folder) : NULL;
  for (struct dirent *e = dir ? readdir(dir) : NULL; e && count < ML3_LAB_PRESETS_MAX; e = readdir(dir)) {
    const size_t n = strlen(e->d_name), m = strlen(ending);
    if (e->d_name[0] == '.' || n <= m || n - m >= ML3_LAB_PRESET_NAME || strcmp(e->d_name + n - m, ending) != 0)
      continue;
    snprintf(names[count++], ML3_LAB_PRESET_NAME, "%.*s", (int)(n - m), e->d_name);
  }
  if (dir) closedir(dir);
  qsort(names, (size_t)count, ML3_LAB_PRESET_NAME, by_name);
  return count;
}

int ml3_lab_preset_names(char names[][ML3_LAB_PRESET_NAME]) {
  return ml3_lab_share_names("experiments", ".yaml", names);
}

/* The end of a text's first sentence, behind its full stop; NULL: it goes on. */
static char *sentence_end(char *text) {
  for (char *stop = strchr(text, '.'); stop; stop = strchr(stop + 1, '.'))
    if (stop[1] == ' ' || stop[1] == '\n') return stop + 1;
  return NULL;
}

/* The lines of the opening comment, joined, as far as its first sentence goes. */
static void read_sentence(FILE *in, char *text, size_t size) {
  char line[200], *end = NULL;
  size_t used = 0;
  while (!end && used + 1 < size && fgets(line, sizeof line, in) && strncmp(line, "# ", 2) == 0) {
    end = sentence_end(line);
    line[end ? (size_t)(end - line) : strcspn(line, "\n")] = '\0';
    used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", line + 2);
  }
}

const char *ml3_lab_preset_summary(const char *name, char *text, size_t size) {
  char path[1200], file[256];
  text[0] = '\0';
  snprintf(file, sizeof file, "%.200s.yaml", name);
  FILE *in = ml3_lab_share_find("experiments", file, path, sizeof path) ? fopen(path, "r") : NULL;
  if (!in) return text;
  read_sentence(in, text, size);
  fclose(in);
  return text;
}

/* Nothing has that name: an error with the nearest of all that could have been meant. */
static int unknown(const char *name, ml3_error *error) {
  const char *candidates[3 * ML3_LAB_PRESETS_MAX];
  char presets[ML3_LAB_PRESETS_MAX][ML3_LAB_PRESET_NAME];
  int count = 0, preset_count = ml3_lab_preset_names(presets);
  for (int i = 0; i < preset_count; i++) candidates[count++] = presets[i];
  for (int i = 0; ml3_lab_problem_kind_at(i) && i < ML3_LAB_PRESETS_MAX; i++)
    candidates[count++] = ml3_lab_problem_kind_at(i)->name;
  for (int i = 0; i < ml3_env_count() && i < ML3_LAB_PRESETS_MAX; i++) candidates[count++] = ml3_env_name(i);
  const char *nearest = ml3_error_nearest(name, candidates, count);
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "no preset, problem or environment has the name '%.200s'%s%s%s; `ml3 list` shows all", name,
                       nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* A file in the folder of a run, or of seeds, takes the environment that is kept there. */
static int read_file(ml3_lab_config *config, const char *path, ml3_error *error) {
  char folder[1024];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
  const int code = ml3_lab_config_read(config, path, error);
  return code == ML3_OK ? ml3_lab_run_environment_find(folder, config, error) : code;
}

/* What an argument stands for, as a layer of that name. */
static int name_layer(ml3_lab_config *config, int code, const char *kind, const char *name) {
  char layer[ML3_LAB_LAYER_NAME];
  snprintf(layer, sizeof layer, "%s %.64s", kind, name);
  if (code == ML3_OK) ml3_lab_config_name_layer(config, layer);
  return code;
}

/* The environment alone, or with what is meta-trained in it. */
static int begin_in(ml3_lab_config *config, const char *environment, bool alone, ml3_error *error) {
  enum { SETTINGS_MAX = 40 };
  const char *settings = alone ? NULL : ml3_lab_environment_settings(environment), *each[SETTINGS_MAX];
  char text[1280], *save = NULL;
  int count = 0;
  snprintf(text, sizeof text, "environment=%.255s %s", environment, settings ? settings : "");
  for (char *one = strtok_r(text, " ", &save); one && count < SETTINGS_MAX; one = strtok_r(NULL, " ", &save))
    each[count++] = one;
  return name_layer(config, ml3_lab_config_set_all(config, each, count, error), "environment", environment);
}

int ml3_lab_preset_apply(ml3_lab_config *config, const char *name, ml3_error *error) {
  char path[1200], file[256], assignment[ML3_KEY_TEXT_MAX];
  if (!name) return ML3_OK;
  if (ml3_gym_is(name)) return begin_in(config, name, true, error);
  if (ml3_env_is_file(name)) {
    if (!ml3_env_find(name, error)) return error->code;
    snprintf(assignment, sizeof assignment, "environment=%.200s", name);
    return ml3_lab_config_set(config, assignment, error);
  }
  if (strchr(name, '/') || strstr(name, ".yaml") || strstr(name, ".yml")) return read_file(config, name, error);
  snprintf(file, sizeof file, "%.200s.yaml", name);
  if (ml3_lab_share_find("experiments", file, path, sizeof path))
    return name_layer(config, ml3_lab_config_read(config, path, error), "preset", name);
  if (ml3_lab_problem_kind_find(name, NULL))
    snprintf(assignment, sizeof assignment, "problem=%.200s", name);
  else if (ml3_env_find(name, NULL))
    snprintf(assignment, sizeof assignment, "environment=%.200s", name);
  else
    return unknown(name, error);
  return name_layer(config, ml3_lab_config_set(config, assignment, error), "name", name);
}

/* Do the settings ask for what no preset of an environment is made for? */
static bool ask_otherwise(const char *const *settings, int count) {
  bool otherwise = false;
  for (int i = 0; i < count; i++) {
    ml3_lab_config asked;
    if (strncmp(settings[i], "problem=", 8) == 0) otherwise = true;
    if (strncmp(settings[i], "method=", 7) != 0) continue;
    ml3_lab_config_defaults(&asked);
    if (ml3_lab_config_set(&asked, settings[i], NULL) == ML3_OK) otherwise = ml3_lab_trains_policy(&asked) || otherwise;
  }
  return otherwise;
}

/* The name of an environment of Gymnasium with its settings, so that Python is started once. */
static int add_settings(const char *name, const char *const *settings, int count, char *changed, ml3_error *error) {
  snprintf(changed, ML3_KEY_TEXT_MAX, "%s", name);
  for (int i = 0; i < count; i++) {
    char now[ML3_KEY_TEXT_MAX], key[ML3_KEY_TEXT_MAX];
    const char *equals = strchr(settings[i], '=');
    if (strncmp(settings[i], "env.", 4) != 0 || !equals) continue;
    snprintf(now, sizeof now, "%s", changed);
    snprintf(key, sizeof key, "%.*s", (int)(equals - settings[i]) - 4, settings[i] + 4);
    const int code = ml3_gym_set(now, key, equals + 1, changed, ML3_KEY_TEXT_MAX, error);
    if (code != ML3_OK) return ml3_error_prefix(error, "--set"), code;
  }
  return ML3_OK;
}

int ml3_lab_preset_begin(ml3_lab_config *config, const char *name, const char *const *settings, int count,
                         const ml3_lab_callbacks *callbacks, ml3_error *error) {
  char path[1200], file[256];
  char gym[ML3_KEY_TEXT_MAX];
  const bool is_gym = name && ml3_gym_is(name);
  if (is_gym && add_settings(name, settings, count, gym, error) != ML3_OK) return ML3_ERR_ARGUMENT;
  if (is_gym && !ml3_env_find(name = gym, error)) return error ? error->code : ML3_ERR_UNAVAILABLE;
  const bool environment = is_gym || (name && !ml3_env_is_file(name) && ml3_env_find(name, NULL));
  const bool otherwise = environment && ask_otherwise(settings, count);
  const char *preset = environment ? ml3_lab_environment_preset(name) : NULL;
  ml3_lab_config_defaults(config);
  snprintf(file, sizeof file, "%.200s.yaml", name ? name : "");
  const bool own =
      environment && (otherwise || (!preset && !ml3_lab_share_find("experiments", file, path, sizeof path)));
  const int code =
      own ? begin_in(config, name, otherwise, error) : ml3_lab_preset_apply(config, preset ? preset : name, error);
  return code == ML3_OK ? ml3_lab_config_override(config, settings, count, callbacks, error) : code;
}
