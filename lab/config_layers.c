/* Layers of a configuration: defaults of the tables, of the problem, of a policy that learns by itself and of the
   environment, each over the ones before; over them what files and settings give. In each of these the keys that
   decide which others are in force come first, wherever they stand. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "envs/gym.h"
#include "lab/callbacks.h"
#include "lab/config_internal.h"
#include "lab/environments.h"
#include "lab/learners.h"
#include "lab/methods.h"
#include "lab/problems.h"

static const char *const structural[] = {"problem", "environment", "method", "dynamics.kind"};

static bool is_structural(const char *name) {
  for (size_t i = 0; i < sizeof structural / sizeof *structural; i++)
    if (strcmp(structural[i], name) == 0) return true;
  return false;
}

/* ---- defaults
   ------------------------------------------------------------------------------------------------------- */

/* The next "key=value" of a line into key[64] and value[192]; false at its end. */
static bool next_setting(const char **at, char *key, char *value) {
  while (**at == ' ') ++*at;
  const size_t n = strcspn(*at, " "), name = strcspn(*at, "=");
  if (n == 0) return false;
  snprintf(key, 64, "%.*s", (int)name, *at);
  snprintf(value, 192, "%.*s", (int)(n - name - 1), *at + name + 1);
  *at += n;
  return true;
}

/* Those of a line, where no layer has given one. */
static void put_all(ml3_lab_config *c, const ml3_lab_scope *s, const char *line, unsigned char source) {
  char key[64], value[192];
  ml3_lab_slot slot;
  while (line && next_setting(&line, key, value)) {
    if (!ml3_lab_slot_find(s, key, &slot) || c->source[slot.number] >= ML3_LAB_FROM_LAYER) continue;
    if (ml3_key_set(slot.key, ml3_lab_slot_edit(c, &slot), value, "default", NULL) == ML3_OK)
      c->source[slot.number] = source;
  }
}

/* Keys of the line give way to it, though earlier layers gave them. */
static void release(ml3_lab_config *c, const ml3_lab_scope *s, const char *line) {
  char key[64], value[192];
  ml3_lab_slot slot;
  while (line && next_setting(&line, key, value))
    if (ml3_lab_slot_find(s, key, &slot)) c->source[slot.number] = ML3_LAB_FROM_TABLE;
}

/* Through a model, unless there is none: by rollouts alone, as where a policy learns by itself. */
static const char *default_problem(const ml3_lab_config *c) {
  ml3_error error = {0};
  const bool own_file = ml3_lab_is_own_environment(c->environment);
  const ml3_env_spec *env = own_file ? NULL : ml3_env_find(c->environment, NULL);
  if (ml3_lab_trains_policy(c)) return ml3_lab_problem_model_free.name;
  if (ML3_LAB_GET(c, dynamics)->kind) return ml3_lab_problem_model_based.name; /* learned */
  const bool none = env && !ml3_model_based_dynamics(env, &error) && error.code == ML3_ERR_UNAVAILABLE;
  return own_file || none ? ml3_lab_problem_model_free.name : ml3_lab_problem_model_based.name;
}

/* What no layer has given gets its default. */
static void refresh(ml3_lab_config *c) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  bool problem = false;
  ml3_lab_scope_of(c, &s);
  for (int i = 0; ml3_lab_slot_at(&s, i, &slot); i++) {
    if (c->source[i] >= ML3_LAB_FROM_LAYER) {
      problem = problem || strcmp(slot.key->name, "problem") == 0;
      continue;
    }
    ml3_key_set(slot.key, ml3_lab_slot_edit(c, &slot), slot.key->initial, "default", NULL);
    c->source[i] = ML3_LAB_FROM_TABLE;
  }
  if (!problem) snprintf(c->problem, sizeof c->problem, "%s", default_problem(c));
  ml3_lab_scope_of(c, &s);
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, NULL);
  put_all(c, &s, kind ? kind->defaults : NULL, ML3_LAB_FROM_PROBLEM);
  put_all(c, &s, ml3_lab_learner_defaults(c), ML3_LAB_FROM_METHOD);
  const ml3_env_spec *env = ml3_lab_is_own_environment(c->environment) ? NULL : ml3_env_find(c->environment, NULL);
  if (env && env->choices) put_all(c, &s, "policy.kind=categorical", ML3_LAB_FROM_ENVIRONMENT);
  if (!c->whole)
    put_all(c, &s, ml3_lab_environment_defaults(c->environment, c->problem, ml3_lab_learner_kind(c)),
            ML3_LAB_FROM_ENVIRONMENT);
}

void ml3_lab_config_defaults(ml3_lab_config *config) {
  *config = (ml3_lab_config){.problem = "model_based"};
  refresh(config);
}

/* ---- what a structural key changes
   ---------------------------------------------------------------------------------- */

/* The value of one key for another; false where that cannot have it. */
static bool copy_value(const ml3_key *key, void *options, const ml3_key *from, const void *from_options) {
  char text[2048] = "";
  const size_t size = key->type == ML3_KEY_TEXT ? ML3_KEY_TEXT_MAX : sizeof(ml3_key_names);
  if (key->type != from->type) return false;
  if (key->type == ML3_KEY_TEXT || key->type == ML3_KEY_NAMES) /* what is printed of these has quotes */
    return memcpy((char *)options + key->offset, (const char *)from_options + from->offset, size), true;
  FILE *out = fmemopen(text, sizeof text, "w");
  if (!out) return false;
  ml3_key_print(from, from_options, out);
  fclose(out);
  return ml3_key_set(key, options, text, "default", NULL) == ML3_OK;
}

/* A key that comes into force keeps the value that layers gave to one of the same name, which was in force before. */
static void carry(ml3_lab_config *c, const ml3_lab_config *before) {
  ml3_lab_scope now, then;
  ml3_lab_slot slot, old;
  ml3_lab_scope_of(c, &now);
  ml3_lab_scope_of(before, &then);
  for (int i = 0; ml3_lab_slot_at(&now, i, &slot); i++) {
    if (!slot.force || !ml3_lab_slot_find(&then, slot.key->name, &old)) continue;
    if (!old.force || old.number == i || before->source[old.number] < ML3_LAB_FROM_LAYER) continue;
    if (copy_value(slot.key, ml3_lab_slot_edit(c, &slot), old.key, ml3_lab_slot_get(before, &old)))
      c->source[i] = before->source[old.number];
  }
}

/* A problem's and a learner's defaults also take the place of what earlier layers gave. */
static void settle(ml3_lab_config *c, const ml3_lab_config *before) {
  ml3_lab_scope s;
  if (strcmp(c->problem, before->problem) == 0 && strcmp(c->environment, before->environment) == 0 &&
      c->method == before->method && ML3_LAB_GET(c, dynamics)->kind == ML3_LAB_GET(before, dynamics)->kind)
    return;
  refresh(c);
  carry(c, before);
  ml3_lab_scope_of(c, &s);
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, NULL);
  const char *learner = ml3_lab_learner_defaults(c);
  if (kind && strcmp(c->problem, before->problem) != 0) release(c, &s, kind->defaults);
  if (learner != ml3_lab_learner_defaults(before)) release(c, &s, learner);
  refresh(c);
}

/* ---- layers
   ----------------------------------------------------------------------------------------------------------- */

static int assign(ml3_lab_config *c, const ml3_lab_slot *slot, const ml3_lab_setting *g, const char *where,
                  ml3_error *error) {
  const ml3_key *key = slot->key;
  void *options = ml3_lab_slot_edit(c, slot);
  if (!g->value && !ml3_key_is_list(key)) return ml3_key_wrong(key, "a list", "a single value", where, error);
  if (g->value && g->line && ml3_key_is_list(key)) return ml3_key_wrong(key, g->value, "a list", where, error);
  if (g->value && strcmp(key->name, "problem") == 0 && !ml3_lab_problem_kind_find(g->value, error))
    return ml3_error_prefix(error, "%s", where), ML3_ERR_ARGUMENT;
  if (g->value && strcmp(key->name, "environment") == 0 && strcmp(c->environment, g->value) != 0)
    c->environment_copy[0] = c->environment_run[0] = '\0'; /* a copy is of the one that was named */
  if (g->value) return ml3_key_set(key, options, g->value, where, error);
  int code = ML3_OK;
  ml3_key_clear(key, options);
  for (int i = 0; i < g->count && code == ML3_OK; i++) code = ml3_key_append(key, options, g->items[i], where, error);
  return code;
}

/* reward.NAME: the weight of a term of the reward, an entry "NAME=WEIGHT" of the list rollout.reward. */
static const char *term_of(const char *name) {
  return strncmp(name, "reward.", 7) == 0 ? name + 7 : NULL;
}

static const char *key_of(const ml3_lab_setting *g) {
  return term_of(g->name) ? "rollout.reward" : g->name;
}

static int assign_term(ml3_lab_config *c, const ml3_lab_slot *slot, const ml3_lab_setting *g, const char *where,
                       ml3_error *error) {
  const size_t n = strlen(term_of(g->name));
  char entry[ML3_KEY_NAME_MAX];
  ml3_key_names *list = (ml3_key_names *)((char *)ml3_lab_slot_edit(c, slot) + slot->key->offset);
  if (!g->value || snprintf(entry, sizeof entry, "%s=%s", term_of(g->name), g->value) >= (int)sizeof entry)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %.60s: expected the weight of a term, a number", where, g->name);
  for (int i = 0; i < list->count; i++)
    if (strncmp(list->values[i], entry, n + 1) == 0) return strcpy(list->values[i], entry), ML3_OK;
  return ml3_key_append(slot->key, ml3_lab_slot_edit(c, slot), entry, where, error);
}

static void put_where(const char *file, const ml3_lab_setting *g, char where[320]) {
  if (file)
    snprintf(where, 320, "%.250s:%d", file, g->line);
  else
    snprintf(where, 320, "--set");
}

/* env.KEY: a setting of an environment of Gymnasium, which is a part of its name. */
static const char *setting_of_environment(const char *name) {
  return strncmp(name, "env.", 4) == 0 ? name + 4 : NULL;
}

static int assign_to_environment(ml3_lab_config *c, const ml3_lab_scope *s, const ml3_lab_setting *g, const char *where,
                                 ml3_error *error) {
  char changed[ML3_KEY_TEXT_MAX];
  ml3_lab_slot slot;
  if (!ml3_gym_is(c->environment))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "%s: %.60s is a setting of Gymnasium's environments (gym:ID), and the environment is '%.100s'",
                         where, g->name, c->environment);
  if (!g->value) return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %.60s: expected one value", where, g->name);
  if (ml3_gym_set(c->environment, setting_of_environment(g->name), g->value, changed, sizeof changed, error) != ML3_OK)
    return ml3_error_prefix(error, "%s", where), ML3_ERR_ARGUMENT;
  strcpy(c->environment, changed);
  if (ml3_lab_slot_find(s, "environment", &slot))
    c->source[slot.number] = (unsigned char)(ML3_LAB_FROM_LAYER + c->layer);
  return ML3_OK;
}

/* The structural ones, or all others. */
static int assign_some(ml3_lab_config *c, const char *file, const ml3_lab_setting *settings, int count, bool first,
                       ml3_error *error) {
  ml3_lab_scope s;
  ml3_lab_scope_of(c, &s);
  for (int i = 0; i < count; i++) {
    const ml3_lab_setting *g = &settings[i];
    ml3_lab_slot slot;
    char where[320];
    if (setting_of_environment(g->name) || is_structural(g->name) != first) continue;
    put_where(file, g, where);
    int code = ml3_lab_key_find(c, &s, where, key_of(g), &slot, error);
    if (code == ML3_OK) code = (term_of(g->name) ? assign_term : assign)(c, &slot, g, where, error);
    if (code != ML3_OK) return code;
    c->source[slot.number] = (unsigned char)(ML3_LAB_FROM_LAYER + c->layer);
  }
  for (int i = 0; i < count && first; i++) { /* once the environment is known */
    char where[320];
    put_where(file, &settings[i], where);
    const bool its = setting_of_environment(settings[i].name) != NULL;
    const int code = its ? assign_to_environment(c, &s, &settings[i], where, error) : ML3_OK;
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* A file with most of the keys in force is a run's: it has what an environment's defaults would say, and older ones
   have the keys of all problems. In another a key that does nothing is a mistake. */
static bool is_whole(const ml3_lab_config *c, int count) {
  ml3_lab_scope s;
  ml3_lab_slot slot;
  int in_force = 0;
  ml3_lab_scope_of(c, &s);
  for (int i = 0; ml3_lab_slot_at(&s, i, &slot); i++) in_force += ml3_lab_slot_in_force(c, &s, &slot);
  return 2 * count > in_force;
}

static int check_all(const ml3_lab_config *c, const char *file, const ml3_lab_setting *settings, int count,
                     ml3_error *error) {
  ml3_lab_scope s;
  char where[320];
  ml3_lab_scope_of(c, &s);
  for (int i = 0; i < count; i++) {
    if (setting_of_environment(settings[i].name)) continue;
    put_where(file, &settings[i], where);
    const int code = ml3_lab_key_check(c, &s, where, key_of(&settings[i]), error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

static int check_method(const ml3_lab_config *c, ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, error);
  if (!kind) return ML3_ERR_ARGUMENT;
  if (!ml3_lab_trains_policy(c) || ml3_lab_problem_acts(kind)) return ML3_OK;
  const char *method = ml3_lab_method_name(c);
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "method is '%s', which learns in an environment, and problem '%s' has none; name one: `ml3 train "
      "ENVIRONMENT --set method=%s` (`ml3 list environments`)",
      method, c->problem, method);
}

int ml3_lab_config_apply(ml3_lab_config *config, const char *file, const ml3_lab_setting *settings, int count,
                         ml3_error *error) {
  ml3_lab_config fresh = *config;
  if (fresh.layer + 1 < ML3_LAB_LAYERS_MAX) fresh.layer++;
  ml3_lab_config_name_layer(&fresh, file ? file : "--set");
  int code = assign_some(&fresh, file, settings, count, true, error);
  if (code != ML3_OK) return code;
  settle(&fresh, config);
  code = assign_some(&fresh, file, settings, count, false, error);
  if (code != ML3_OK) return code;
  if (file) fresh.whole = is_whole(&fresh, count);
  if (!file) code = check_method(&fresh, error);
  if (code == ML3_OK && !(file && fresh.whole)) code = check_all(&fresh, file, settings, count, error);
  if (code != ML3_OK) return code;
  if (file) refresh(&fresh); /* a whole one lacks no environment's defaults */
  *config = fresh;
  return ML3_OK;
}

void ml3_lab_config_name_layer(ml3_lab_config *config, const char *name) {
  snprintf(config->layers[config->layer], ML3_LAB_LAYER_NAME, "%s", name);
}

/* "key=value" parted, in a copy. */
static int part(const char *assignment, char **copy, ml3_lab_setting *g, ml3_error *error) {
  enum { LONGEST = 1024 };
  char *equals = NULL;
  *copy = strdup(assignment);
  if (!*copy) return ml3_error_set(error, ML3_ERR_MEMORY, "--set %.200s: no memory", assignment);
  if (strlen(assignment) < LONGEST) equals = strchr(*copy, '=');
  if (!equals) return ml3_error_set(error, ML3_ERR_ARGUMENT, "--set %.200s: expected key=value", assignment);
  *equals = '\0';
  *g = (ml3_lab_setting){.name = *copy, .value = equals + 1};
  return ML3_OK;
}

int ml3_lab_config_set_all(ml3_lab_config *config, const char *const *assignments, int count, ml3_error *error) {
  ml3_lab_setting *settings = calloc((size_t)count + 1, sizeof *settings);
  char **copies = calloc((size_t)count + 1, sizeof *copies);
  int code = settings && copies ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "--set: no memory");
  for (int i = 0; i < count && code == ML3_OK; i++) code = part(assignments[i], &copies[i], &settings[i], error);
  if (code == ML3_OK) code = ml3_lab_config_apply(config, NULL, settings, count, error);
  for (int i = 0; i < count && copies; i++) free(copies[i]);
  free(copies);
  free(settings);
  return code;
}

static void say_idle(const ml3_lab_config *config, const ml3_lab_callbacks *callbacks) {
  char text[160];
  for (int i = 0; callbacks && callbacks->idle && ml3_lab_config_idle(config, i, text, sizeof text); i++)
    callbacks->idle(callbacks->user, text);
}

int ml3_lab_config_override(ml3_lab_config *config, const char *const *assignments, int count,
                            const ml3_lab_callbacks *callbacks, ml3_error *error) {
  const int code = ml3_lab_config_set_all(config, assignments, count, error);
  if (code == ML3_OK && count) say_idle(config, callbacks);
  return code;
}

bool ml3_lab_config_foreign(const ml3_lab_config *config, const char *assignment) {
  char name[ML3_KEY_NAME_MAX];
  ml3_lab_scope s;
  ml3_lab_scope_of(config, &s);
  snprintf(name, sizeof name, "%.*s", (int)strcspn(assignment, "="), assignment);
  return ml3_lab_key_foreign(&s, name);
}

int ml3_lab_config_set(ml3_lab_config *config, const char *assignment, ml3_error *error) {
  return ml3_lab_config_set_all(config, &assignment, 1, error);
}
