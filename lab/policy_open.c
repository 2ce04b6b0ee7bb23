/* Opening policies: see policy_open.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/policy_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/policies.h"
#include "lab/presets.h"
#include "lab/run_environment.h"

static bool has_file(const char *folder, const char *name) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(folder, name, path);
  return access(path, F_OK) == 0;
}

bool ml3_lab_run_is_policy(const char *folder) {
  return ml3_lab_run_is(folder) && has_file(folder, "policy.safetensors") && !has_file(folder, "loss.safetensors");
}

/* By its name, or of a run; `file` may lie beside a copy of it that has changed since. */
static int choose_environment(ml3_lab_config *config, const char *file, const char *environment,
                              const ml3_lab_callbacks *callbacks, ml3_error *error) {
  char assignment[ML3_KEY_TEXT_MAX + 16];
  if (ml3_lab_run_is(environment)) return ml3_lab_run_config(environment, config, callbacks, error);
  ml3_lab_config_defaults(config);
  config->callbacks = callbacks;
  if (!ml3_env_find(environment, error)) return error ? error->code : ML3_ERR_ARGUMENT;
  ml3_lab_run_environment_say_beside(file, environment, callbacks);
  snprintf(assignment, sizeof assignment, "environment=%.250s", environment);
  return ml3_lab_config_set(config, assignment, error);
}

int ml3_lab_policy_find(ml3_lab_policy *p, const char *file, const char *environment,
                        const ml3_lab_callbacks *callbacks, ml3_error *error) {
  char folder[ML3_LAB_PATH_MAX];
  const char *slash = strrchr(file, '/');
  const bool is_run = ml3_lab_run_is(file);
  memset(p, 0, sizeof *p);
  if (is_run) {
    snprintf(folder, sizeof folder, "%.900s", file);
    ml3_lab_run_path(file, "policy.safetensors", p->path);
  } else {
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file) : 1, slash ? file : ".");
    snprintf(p->path, sizeof p->path, "%.1000s", file);
  }
  if (access(p->path, R_OK) != 0)
    return ml3_error_set(error, ML3_ERR_IO,
                         "'%.300s' is no run with a policy.safetensors, and no FILE.safetensors; `ml3 train --set "
                         "method=ppo` or `ml3 adapt` make one",
                         file);
  if (!environment && !ml3_lab_run_is(folder))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%.300s' does not lie in the folder of a run; name the environment that it acts in", file);
  p->in_run = !environment;
  return environment ? choose_environment(&p->config, p->path, environment, callbacks, error)
                     : ml3_lab_run_config(folder, &p->config, callbacks, error);
}

int ml3_lab_policy_load(ml3_lab_policy *p, ml3_error *error) {
  if (!(p->env = ml3_lab_env_new(&p->config, error))) return error ? error->code : ML3_ERR_ARGUMENT;
  return ml3_policy_open(p->path, p->env, &p->policy, &p->theta, error);
}

void ml3_lab_policy_close(ml3_lab_policy *p) {
  ml3_policy_free(&p->policy);
  free(p->theta);
  free(p->env);
}
