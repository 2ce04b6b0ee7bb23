/* metadata.json of a data set. Spaces are JSON in a string there, and infinite bounds are written as Python writes them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/version.h"
#include "envs/dataset_internal.h"
#include "envs/describe.h"

/* The layout is that of Minari 0.5; later releases of 0.5 read it too. */
static const char MINARI_VERSION[] = "0.5.0";

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

/* Gymnasium's EnvSpec for python/'s environment, as its to_json gives it; freed by the caller. */
static char *env_spec(const ml3_env_spec *spec) {
  char id[160];
  ml3_env_gymnasium_id(spec, id, sizeof id);
  json_t *root = json_pack("{s:s, s:s, s:n, s:b, s:i, s:b, s:b, s:{s:s, s:s}, s:[], s:s}", "id", id, "entry_point",
                           "ml3:Env", "reward_threshold", "nondeterministic", 0, "max_episode_steps", spec->horizon,
                           "order_enforce", 1, "disable_env_checker", 0, "kwargs", "name", spec->name, "dtype",
                           "float64", "additional_wrappers", "vector_entry_point", "ml3:VectorEnv");
  char *text = root ? json_dumps(root, 0) : NULL;
  json_decref(root);
  return text;
}

static json_t *metadata(const ml3_env_spec *spec, const ml3_dataset_info *info, int episodes, long long steps,
                        long long bytes) {
  char *obs = box(spec->obs, spec->obs_dim), *action = box(spec->action, spec->action_dim), *env = env_spec(spec);
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

/* The environment of an EnvSpec by its id, or NULL. */
static const ml3_env_spec *find_env(const char *text) {
  json_t *root = text ? json_loads(text, 0, NULL) : NULL;
  const char *id = json_string_value(json_object_get(root, "id"));
  const ml3_env_spec *found = NULL;
  for (int i = 0; id && !found && i < ml3_env_count(); i++) {
    char own[160];
    ml3_env_gymnasium_id(ml3_env_at(i), own, sizeof own);
    if (strcmp(own, id) == 0) found = ml3_env_at(i);
  }
  json_decref(root);
  return found;
}

static int check(const char *path, const json_t *root, const ml3_env_spec **spec, ml3_error *error) {
  const char *format = json_string_value(json_object_get(root, "data_format"));
  const json_t *count = json_object_get(root, "total_episodes");
  if (format && strcmp(format, "hdf5") != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': data_format is '%s'; ml3 reads hdf5", path, format);
  if (!json_is_integer(count) || json_integer_value(count) < 0 || json_integer_value(count) > ML3_DATASET_EPISODES_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': total_episodes must be a whole number from 0 to %d", path,
                         ML3_DATASET_EPISODES_MAX);

  if (!*spec) *spec = find_env(json_string_value(json_object_get(root, "env_spec")));
  if (!*spec)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' names no environment of ml3; say whose episodes these are", path);
  return (int)json_integer_value(count);
}

int ml3_dataset_metadata_read(const char *path, const ml3_env_spec **spec, ml3_error *error) {
  size_t size;
  char *text = ml3_file_read(path, 16 << 20, &size, error);
  if (!text) return error ? error->code : ML3_ERR_IO;

  json_error_t problem;
  json_t *root = json_loadb(text, size, 0, &problem);
  free(text);
  int answer = json_is_object(root)
                   ? check(path, root, spec, error)
                   : ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a JSON object: %s", path, problem.text);
  json_decref(root);
  return answer;
}
