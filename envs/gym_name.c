/* Names of Gymnasium's environments with their arguments: see gym_internal.h and gym.h. */
#include "envs/gym_internal.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/gym.h"

/* One "KEY=VALUE" of a list that `&` parts; false at its end. */
typedef struct pair {
  const char *key, *value;
  int key_length, value_length;
} pair;

static bool next_pair(const char **at, pair *p) {
  const int n = (int)strcspn(*at, "&#");
  if (n == 0) return false;
  const int key = (int)strcspn(*at, "=");
  *p = (pair){*at, *at + (key < n ? key + 1 : n), key < n ? key : n, key < n ? n - key - 1 : 0};
  *at += n + ((*at)[n] == '&');
  return true;
}

/* A value as Python would have it: JSON, True, False, None; or else a text. */
static json_t *value_of(const char *text, int length) {
  static const char *const words[][2] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
  char word[256];
  snprintf(word, sizeof word, "%.*s", length, text);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(word, words[i][0]) == 0) snprintf(word, sizeof word, "%s", words[i][1]);
  json_t *value = json_loads(word, JSON_DECODE_ANY, NULL);
  return value ? value : json_string(word);
}

static int read_kwargs(const char *at, char **kwargs, ml3_error *error) {
  json_t *all = json_object();
  for (pair p; next_pair(&at, &p);) {
    char key[128];
    snprintf(key, sizeof key, "%.*s", p.key_length, p.key);
    json_object_set_new(all, key, value_of(p.value, p.value_length));
  }
  *kwargs = all ? json_dumps(all, JSON_SORT_KEYS) : NULL;
  json_decref(all);
  return *kwargs ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the arguments of an environment");
}

static int read_option(const char *name, const pair *p, gym_name *parts, ml3_error *error) {
  char key[32], text[32], *end;
  snprintf(key, sizeof key, "%.*s", p->key_length, p->key);
  snprintf(text, sizeof text, "%.*s", p->value_length, p->value);
  const double value = strtod(text, &end);
  const bool timeout = strcmp(key, "timeout_s") == 0, whole = value == (int)value;
  const bool workers = strcmp(key, "workers") == 0, horizon = strcmp(key, "horizon") == 0;
  if (!timeout && !workers && !horizon)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "environment '%.150s': unknown setting env.%s; env.kwargs.KEY, env.timeout_s, env.workers and "
                         "env.horizon are possible",
                         name, key);
  if (*end || !*text || !(value >= (timeout ? 1e-3 : 0)) || value > 1e6 || (!timeout && !whole))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%.150s': env.%s is '%s'; expected %s", name, key, text,
                         timeout ? "seconds, more than 0" : "a whole number from 0 to 1000000");
  if (timeout) parts->timeout_s = value;
  if (workers) parts->workers = (int)value;
  if (horizon) parts->horizon = (int)value;
  return ML3_OK;
}

int gym_name_read(const char *name, gym_name *parts, char **kwargs, ml3_error *error) {
  static const double TIMEOUT_S = 60;
  const char *id = name + strlen("gym:"), *question = strchr(id, '?'), *hash = strchr(id, '#');
  *parts = (gym_name){.timeout_s = TIMEOUT_S};
  snprintf(parts->id, sizeof parts->id, "%.*s", (int)strcspn(id, "?#"), id);
  if (!*parts->id)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "environment '%.150s': expected gym:ID, such as gym:Pendulum-v1",
                         name);
  int code = read_kwargs(question && (!hash || question < hash) ? question + 1 : "", kwargs, error);
  const char *at = hash ? hash + 1 : "";
  for (pair p; code == ML3_OK && next_pair(&at, &p);) code = read_option(name, &p, parts, error);
  return code;
}

/* The list with one pair changed, or behind it. */
static void put_pairs(const char *list, const char *mark, const char *key, const char *value, char *text, size_t size) {
  size_t used = strlen(text);
  bool found = !key, first = true;
  for (pair p; next_pair(&list, &p);) {
    const bool same = key && (int)strlen(key) == p.key_length && strncmp(key, p.key, strlen(key)) == 0;
    used += (size_t)snprintf(text + used, used < size ? size - used : 0, "%s%.*s=%.*s", first ? mark : "&",
                             p.key_length, p.key, same ? (int)strlen(value) : p.value_length, same ? value : p.value);
    if (used > size) used = size;
    found = found || same, first = false;
  }
  if (!found) snprintf(text + used, size - used, "%s%s=%s", first ? mark : "&", key, value);
}

int ml3_gym_set(const char *name, const char *key, const char *value, char *changed, size_t size, ml3_error *error) {
  const bool kwarg = strncmp(key, "kwargs.", 7) == 0;
  const char *question = strchr(name, '?'), *hash = strchr(name, '#');
  gym_name parts;
  pair p = {key, value, (int)strlen(key), (int)strlen(value)};
  if (!kwarg && read_option(name, &p, &parts, error) != ML3_OK) return ML3_ERR_ARGUMENT;
  if (kwarg && strpbrk(value, "&#"))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "env.%.60s is '%.100s', which has & or # in it; these part arguments",
                         key, value);
  snprintf(changed, size, "%.*s", (int)strcspn(name, "?#"), name);
  put_pairs(question && (!hash || question < hash) ? question + 1 : "", "?", kwarg ? key + 7 : NULL, value, changed,
            size);
  put_pairs(hash ? hash + 1 : "", "#", kwarg ? NULL : key, value, changed, size);
  if (strlen(changed) + 1 < size) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "env.%.60s: the name of the environment gets longer than %zu characters", key, size - 1);
}
