/* metadata.json of a data set. Spaces are JSON in a string there, and infinite bounds are written as Python writes them. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/version.h"
#include "envs/dataset_internal.h"
#include "envs/describe.h"

/* The layout is that of Minari 0.5; later releases of 0.5 read it too. */
static const char MINARI_VERSION[] = "0.5.0";

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool is_model(const char *name) {
  const size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".xml") == 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* A bound as Python's json has it, into text[32]. */
static void print_bound(char *text, double x) {
  if (isinf(x))
    strcpy(text, x < 0 ? "-Infinity" : "Infinity");
  else
    snprintf(text, 32, "%.17g", x);
}

static void append(char *text, size_t size, const char *more) {
  size_t used = strlen(text);
  snprintf(text + used, size - used, "%s", more);
}

/* A gymnasium.spaces.Box as Minari serializes it; freed by the caller. */
static char *box(const ml3_env_field *fields, int count) {
  size_t size = 128 + (size_t)count * 2 * 32;
  char *text = malloc(size), bound[32];
  if (!text) return NULL;

  snprintf(text, size, "{\"type\": \"Box\", \"dtype\": \"float64\", \"shape\": [%d]", count);
  for (int side = 0; side < 2; side++) {
    append(text, size, side ? "], \"high\": [" : ", \"low\": [");
    for (int i = 0; i < count; i++) {
      if (i) append(text, size, ", ");
      print_bound(bound, side ? fields[i].high : fields[i].low);
      append(text, size, bound);
    }
  }
  append(text, size, "]}");
  return text;
}

/* A gymnasium.spaces.Discrete in the same way. */
static char *discrete(int choices) {
  char *text = malloc(96);
  if (text) snprintf(text, 96, "{\"type\": \"Discrete\", \"dtype\": \"int64\", \"start\": 0, \"n\": %d}", choices);
  return text;
}

/* Gymnasium's EnvSpec for python/'s environment, as its to_json gives it; freed by the caller. */
static char *env_spec(const ml3_env_spec *spec) {
  char id[160], *whole = is_model(spec->name) ? realpath(spec->name, NULL) : NULL; /* it is found from any folder */
  ml3_env_gymnasium_id(spec, id, sizeof id);
  json_t *root = json_pack("{s:s, s:s, s:n, s:b, s:i, s:b, s:b, s:{s:s, s:s}, s:[], s:s}", "id", id, "entry_point",
                           "ml3:Env", "reward_threshold", "nondeterministic", 0, "max_episode_steps", spec->horizon,
                           "order_enforce", 1, "disable_env_checker", 0, "kwargs", "name", whole ? whole : spec->name,
                           "dtype", "float64", "additional_wrappers", "vector_entry_point", "ml3:VectorEnv");
  free(whole);
  char *text = root ? json_dumps(root, 0) : NULL;
  json_decref(root);
  return text;
}

static json_t *metadata(const ml3_env_spec *spec, const ml3_dataset_info *info, int episodes, long long steps,
                        long long bytes) {
  char *obs = box(spec->obs, spec->obs_dim), *env = env_spec(spec);
  char *action = spec->choices ? discrete(spec->choices) : box(spec->action, spec->action_dim);
  json_t *root = NULL;
  if (obs && action && env)
    root = json_pack("{s:s, s:s, s:i, s:I, s:s, s:f, s:s, s:s, s:s, s:s*, s:s*, s:s}", "dataset_id", info->id,
                     "minari_version", MINARI_VERSION, "total_episodes", episodes, "total_steps", (json_int_t)steps,
                     "data_format", "hdf5", "dataset_size", round((double)bytes / 1e5) / 10, "observation_space", obs,
                     "action_space", action, "env_spec", env, "algorithm_name", info->algorithm, "description",
                     info->description, "ml3_version", ml3_version());
  if (root && info->author) json_object_set_new(root, "author", json_pack("[s]", info->author));
  free(obs);
  free(action);
  free(env);
  return root;
}

int ml3_dataset_metadata_write(const char *path, const ml3_env_spec *spec, const ml3_dataset_info *info, int episodes,
                               long long steps, long long bytes, ml3_error *error) {
  json_t *root = metadata(spec, info, episodes, steps, bytes);
  if (!root)
    return ml3_error_set(error, ML3_ERR_FORMAT,
                         "'%s' cannot be written: its texts must be UTF-8, and memory is needed", path);
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code == ML3_OK) {
    json_dumpf(root, file.stream, JSON_INDENT(2));
    code = ml3_file_commit(&file, error);
  }
  json_decref(root);
  return code;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

/* The name of ml3's environment in an EnvSpec: by its id, or where python/ makes it, by what that is given. NULL: another's. */
static const char *name_of(const json_t *spec) {
  const char *id = text_of(spec, "id"), *made_by = text_of(spec, "entry_point");
  if (made_by && strncmp(made_by, "ml3:", 4) == 0) return text_of(json_object_get(spec, "kwargs"), "name");
  for (int i = 0; id && i < ml3_env_count(); i++) {
    char own[160];
    const ml3_env_spec *spec = ml3_env_at(i);
    if (spec) ml3_env_gymnasium_id(spec, own, sizeof own);
    if (spec && strcmp(own, id) == 0) return spec->name;
  }
  return NULL;
}

/* A user's file may have been moved since. */
static bool same_environment(const char *a, const char *b) {
  return strcmp(a, b) == 0 || (is_model(a) && is_model(b) && strcmp(last_part(a), last_part(b)) == 0);
}

/* *spec beside the name, which may be NULL. */
static int settle(const char *path, const char *name, const ml3_env_spec **spec, ml3_error *error) {
  ml3_error own = {0};
  if (!name && *spec) return ML3_OK;
  if (!name)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' names no environment of ml3; say whose episodes these are", path);
  if (*spec && same_environment((*spec)->name, name)) return ML3_OK;
  if (*spec)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s' says that these are episodes of '%s', not of '%s'", path, name,
                         (*spec)->name);
  *spec = ml3_env_find(name, &own);
  if (*spec) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_FORMAT,
                       "'%s' says that these are episodes of '%s', which is not here; say where it is now (%s)", path,
                       name, own.message);
}

static int check(const char *path, const json_t *root, const ml3_env_spec **spec, ml3_dataset_metadata *metadata,
                 ml3_error *error) {
  const char *format = text_of(root, "data_format"), *env = text_of(root, "env_spec"), *id = text_of(root, "dataset_id");
  const json_t *count = json_object_get(root, "total_episodes"), *steps = json_object_get(root, "total_steps");
  if (format && strcmp(format, "hdf5") != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': data_format is '%s'; ml3 reads hdf5", path, format);
  if (!json_is_integer(count) || json_integer_value(count) < 0 || json_integer_value(count) > ML3_DATASET_EPISODES_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': total_episodes must be a whole number from 0 to %d", path,
                         ML3_DATASET_EPISODES_MAX);
  if (steps && (!json_is_integer(steps) || json_integer_value(steps) < 0))
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': total_steps must be a whole number from 0", path);
  metadata->episodes = (int)json_integer_value(count);
  metadata->steps = steps ? (long long)json_integer_value(steps) : -1;
  snprintf(metadata->id, sizeof metadata->id, "%s", id ? id : "");

  json_t *env_spec = env ? json_loads(env, 0, NULL) : NULL;
  const int code = settle(path, name_of(env_spec), spec, error);
  json_decref(env_spec);
  return code;
}

int ml3_dataset_metadata_read(const char *path, const ml3_env_spec **spec, ml3_dataset_metadata *metadata,
                              ml3_error *error) {
  size_t size;
  char *text = ml3_file_read(path, 16 << 20, &size, error);
  if (!text) return error ? error->code : ML3_ERR_IO;

  json_error_t problem;
  json_t *root = json_loadb(text, size, 0, &problem);
  free(text);
  int answer = json_is_object(root)
                   ? check(path, root, spec, metadata, error)
                   : ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a JSON object: %s", path, problem.text);
  json_decref(root);
  return answer;
}
