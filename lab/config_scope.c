/* Which keys of a configuration are in force, by the rules beside the table of keys; and what they are when nothing has given
   them: the defaults of the table, of the kind of problem, of a policy that learns by itself, of the environment, each over
   the ones before. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agents/problems/model_based.h"
#include "lab/config_internal.h"
#include "lab/environments.h"
#include "lab/experiment.h"
#include "lab/problems.h"

/* ---- rules -------------------------------------------------------------------------------------------------------- */

/* Is `name` one of the words? They are parted by `separator`; "policy.*" stands for all that begin so. */
static bool among(const char *words, char separator, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = words; *at;) {
    const char *end = strchr(at, separator);
    const size_t n = end ? (size_t)(end - at) : strlen(at);
    if (n == length && strncmp(at, name, n) == 0) return true;
    if (n > 0 && at[n - 1] == '*' && strncmp(at, name, n - 1) == 0) return true;
    at += n + (end != NULL);
  }
  return false;
}

static const config_key *key_of(const char *name) {
  const config_key *k;
  for (int i = 0; (k = config_key_at(i)); i++)
    if (strcmp(k->name, name) == 0) return k;
  return NULL;
}

static void choice_of(const ml3_lab_config *c, const char *key, char *name, size_t size) {
  config_choice(c, key_of(key), name, size);
}

/* "extra.kind=advice|energy": is that key one of these? */
static bool holds(const ml3_lab_config *c, const char *when) {
  char key[64], now[64];
  const char *equals = strchr(when, '=');
  snprintf(key, sizeof key, "%.*s", (int)(equals - when), when);
  choice_of(c, key, now, sizeof now);
  return among(equals + 1, '|', now);
}

/* The first rule for k that excludes it by its problem, NULL: none. */
static const config_rule *foreign_by(const ml3_lab_config *c, const config_key *k) {
  const config_rule *r;
  for (int i = 0; (r = config_rule_at(i)); i++)
    if (r->problems && among(r->keys, ' ', k->name) && !among(r->problems, '|', c->problem)) return r;
  return NULL;
}

/* The first rule for k that makes it idle: another method, or another choice that it depends on. */
static const config_rule *idle_by(const ml3_lab_config *c, const config_key *k) {
  const config_rule *r;
  char method[64];
  choice_of(c, "method", method, sizeof method);
  for (int i = 0; (r = config_rule_at(i)); i++) {
    if (!among(r->keys, ' ', k->name)) continue;
    if (r->methods && !among(r->methods, '|', method)) return r;
    if (r->when && !holds(c, r->when)) return r;
  }
  return NULL;
}

bool config_in_force(const ml3_lab_config *c, const config_key *k) {
  return !foreign_by(c, k) && !idle_by(c, k);
}

int config_count_in_force(const ml3_lab_config *c) {
  const config_key *k;
  int count = 0;
  for (int i = 0; (k = config_key_at(i)); i++) count += config_in_force(c, k);
  return count;
}

/* ---- what is told --------------------------------------------------------------------------------------------------- */

/* "a|b|c" as "'a', 'b' or 'c'". */
static void put_alternatives(const char *names, char *text, size_t size) {
  size_t used = 0;
  for (const char *at = names; at && used < size;) {
    const char *end = strchr(at, '|');
    const int n = end ? (int)(end - at) : (int)strlen(at);
    const char *before = at == names ? "" : end ? ", " : " or ";
    used += (size_t)snprintf(text + used, size - used, "%s'%.*s'", before, n, at);
    at = end ? end + 1 : NULL;
  }
}

int config_check_key(const ml3_lab_config *c, const char *where, const config_key *k, ml3_error *error) {
  const config_rule *r, *foreign = foreign_by(c, k);
  char owners[160];
  if (!foreign) return ML3_OK;
  for (int i = 0; (r = config_rule_at(i)); i++) /* the narrowest that names it */
    if (r->problems && among(r->keys, ' ', k->name) && strlen(r->problems) < strlen(foreign->problems)) foreign = r;
  put_alternatives(foreign->problems, owners, sizeof owners);
  const char *nearest = config_key_nearest(c, k->name, false);
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "%s: %s is a key of problem %s, and the problem is '%s'%s%s%s; `ml3 config %s` lists the keys in force", where,
      k->name, owners, c->problem, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
      c->problem);
}

int config_check_method(const ml3_lab_config *c, ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, error);
  char method[64];
  if (!kind) return ML3_ERR_ARGUMENT;
  if (!ml3_lab_trains_policy(c) || ml3_lab_problem_acts(kind)) return ML3_OK;
  choice_of(c, "method", method, sizeof method);
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "method is '%s', which learns in an environment, and problem '%s' has none; name one: `ml3 train "
      "ENVIRONMENT --set method=%s` (`ml3 list environments`)",
      method, c->problem, method);
}

bool ml3_lab_config_idle(const ml3_lab_config *c, int i, char *text, size_t size) {
  const config_key *k;
  for (int n = 0; (k = config_key_at(n)); n++) {
    const config_rule *r = c->given[n] == c->layer && c->layer ? idle_by(c, k) : NULL;
    char method[64];
    if (!r || i-- > 0) continue;
    choice_of(c, "method", method, sizeof method);
    if (r->methods && !among(r->methods, '|', method))
      snprintf(text, size, "%s, with method '%s'", k->name, method);
    else
      snprintf(text, size, "%s, which needs %s", k->name, r->when);
    return true;
  }
  return false;
}

/* ---- defaults ------------------------------------------------------------------------------------------------------- */

/* What a policy that learns by itself starts from. */
static const char *const policy_defaults =
    "policy.kind=gaussian policy.log_std=0 policy.hidden=[64,64] policy.activation=tanh policy.bias=true "
    "policy.squash=clamp policy.obs_scale=[]";

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

/* Those of a line, where nothing was given. */
static void put_all(ml3_lab_config *c, const char *line) {
  char key[64], value[192];
  while (line && next_setting(&line, key, value)) {
    const config_key *k = key_of(key);
    if (k && !c->given[config_key_number(k)]) config_put(c, "default", k, value, NULL);
  }
}

/* Keys of the line that earlier layers gave give way. */
static void release(ml3_lab_config *c, const char *line) {
  char key[64], value[192];
  while (line && next_setting(&line, key, value)) {
    const config_key *k = key_of(key);
    if (k && c->given[config_key_number(k)] < c->layer) c->given[config_key_number(k)] = 0;
  }
}

static bool is_given(const ml3_lab_config *c, const char *key) {
  return c->given[config_key_number(key_of(key))] != 0;
}

/* Through a model, unless there is none: by rollouts alone, as where a policy learns by itself. */
static const char *default_problem(const ml3_lab_config *c) {
  ml3_error error = {0};
  const bool own_file = ml3_lab_is_mjcf(c->environment);
  const ml3_env_spec *env = own_file ? NULL : ml3_env_find(c->environment, NULL);
  if (ml3_lab_trains_policy(c)) return ml3_lab_problem_model_free.name;
  if (ML3_LAB_GET(c, dynamics)->kind) return ml3_lab_problem_model_based.name; /* learned */
  const bool none = env && !ml3_model_based_dynamics(env, &error) && error.code == ML3_ERR_UNAVAILABLE;
  return own_file || none ? ml3_lab_problem_model_free.name : ml3_lab_problem_model_based.name;
}

void config_refresh(ml3_lab_config *c) {
  const config_key *k;
  for (int i = 0; (k = config_key_at(i)); i++)
    if (!c->given[i]) config_put(c, "default", k, k->initial, NULL);
  if (!is_given(c, "problem")) snprintf(c->problem, sizeof c->problem, "%s", default_problem(c));
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(c->problem, NULL);
  put_all(c, kind ? kind->defaults : NULL);
  if (ml3_lab_trains_policy(c)) put_all(c, policy_defaults);
  if (!c->whole) put_all(c, ml3_lab_environment_defaults(c->environment, c->problem, c->method));
}

void config_note(ml3_lab_config *c, const config_key *k, const ml3_lab_config *before) {
  c->given[config_key_number(k)] = (unsigned char)c->layer;
  const bool problem = strcmp(c->problem, before->problem) != 0,
             learner = ml3_lab_trains_policy(c) && !ml3_lab_trains_policy(before);
  const ml3_lab_problem_kind *kind = problem ? ml3_lab_problem_kind_find(c->problem, NULL) : NULL;
  if (kind) release(c, kind->defaults);
  if (learner) release(c, policy_defaults);
  if (problem || c->method != before->method || ML3_LAB_GET(c, dynamics)->kind != ML3_LAB_GET(before, dynamics)->kind ||
      strcmp(c->environment, before->environment) != 0)
    config_refresh(c);
}
