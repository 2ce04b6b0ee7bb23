/* Checkpoints of learners: see learner.h. */
#include <stdio.h>
#include <string.h>

#include "agents/learn/learner.h"
#include "nn/checkpoint.h"

static const char *const format_name = "ml3 learner 1";

/* What must agree for a checkpoint to fit. */
static void fingerprint(const ml3_learner *l, char *text, size_t size) {
  const ml3_learner_settings *s = &l->settings;
  snprintf(text, size, "%s in %s, %d parameters, %d environments of %d steps, horizon %d, seed %llu", l->kind->name,
           s->env->name, l->size, s->envs, s->steps, s->horizon, (unsigned long long)s->seed);
}

enum { UPDATES, ENV_STEPS, OPTIMIZER_STEP, COUNTERS };

int ml3_normalizer_put(const ml3_normalizer *n, ml3_nn_tensors *file, const char *name, ml3_error *error) {
  double numbers[1 + 2 * n->size];
  numbers[0] = n->count;
  memcpy(numbers + 1, n->mean, (size_t)n->size * sizeof *numbers);
  memcpy(numbers + 1 + n->size, n->squares, (size_t)n->size * sizeof *numbers);
  return ml3_nn_tensors_put_doubles(file, name, 1 + 2 * n->size, numbers, error);
}

int ml3_normalizer_get(ml3_normalizer *n, const ml3_nn_tensors *file, const char *name, ml3_error *error) {
  double numbers[1 + 2 * n->size];
  int code = ml3_nn_tensors_get_doubles(file, name, 1 + 2 * n->size, numbers, error);
  if (code) return code;
  n->count = numbers[0];
  memcpy(n->mean, numbers + 1, (size_t)n->size * sizeof *numbers);
  memcpy(n->squares, numbers + 1 + n->size, (size_t)n->size * sizeof *numbers);
  return ML3_OK;
}

/* "NAME_moment1" ... of an optimizer. */
static const char *part(const char *name, const char *what, char text[64]) {
  snprintf(text, 64, "%s_%s", name, what);
  return text;
}

int ml3_optimizer_put(const ml3_nn_optimizer *o, ml3_nn_tensors *file, const char *name, ml3_error *error) {
  char text[64];
  int code = ml3_nn_tensors_put_ints(file, part(name, "step", text), 1, &o->step, error);
  if (!code) code = ml3_nn_tensors_put(file, part(name, "moment1", text), 0, (int)o->size, o->m, error);
  return code ? code : ml3_nn_tensors_put(file, part(name, "moment2", text), 0, (int)o->size, o->v, error);
}

int ml3_optimizer_get(ml3_nn_optimizer *o, const ml3_nn_tensors *file, const char *name, ml3_error *error) {
  char text[64];
  int code = ml3_nn_tensors_get_ints(file, part(name, "step", text), 1, &o->step, error);
  if (!code) code = ml3_nn_tensors_get(file, part(name, "moment1", text), o->size, o->m, error);
  return code ? code : ml3_nn_tensors_get(file, part(name, "moment2", text), o->size, o->v, error);
}

int ml3_learner_save(const ml3_learner *l, const char *path, ml3_error *error) {
  const int64_t counters[COUNTERS] = {l->updates, l->env_steps, l->optimizer.step};
  char print[512];
  fingerprint(l, print, sizeof print);
  ml3_nn_tensors *f = ml3_nn_tensors_new();
  int code = f ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the checkpoint '%s'", path);
  if (!code) code = ml3_nn_tensors_put_text(f, "format", format_name, error);
  if (!code) code = ml3_nn_tensors_put_text(f, "fits", print, error);
  if (!code) code = ml3_nn_tensors_put_ints(f, "counters", COUNTERS, counters, error);
  if (!code) code = ml3_nn_tensors_put(f, "parameters", 0, l->size, l->parameters, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment1", 0, (int)l->optimizer.size, l->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_put(f, "moment2", 0, (int)l->optimizer.size, l->optimizer.v, error);
  if (!code) code = ml3_normalizer_put(&l->normalizer, f, "seen", error);
  const int64_t diverged[2] = {l->diverged, l->diverged_updates};
  if (!code) code = ml3_nn_tensors_put_ints(f, "diverged", 2, diverged, error);
  if (!code) code = ml3_sampler_put(l->sampler, f, error);
  if (!code && l->kind->put) code = l->kind->put(l, f, error);
  if (!code) code = ml3_nn_checkpoint_save(f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}

static int load_tensors(ml3_learner *l, const ml3_nn_tensors *f, const char *path, ml3_error *error) {
  const char *format = ml3_nn_tensors_text(f, "format"), *fits = ml3_nn_tensors_text(f, "fits");
  const size_t size = (size_t)l->size;
  int64_t counters[COUNTERS];
  char print[512];
  fingerprint(l, print, sizeof print);
  if (!format || strcmp(format, format_name) != 0 || !fits)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a checkpoint of a learner", path);
  if (strcmp(fits, print) != 0)
    return ml3_error_set(error, ML3_ERR_FORMAT, "the checkpoint '%s' is of another run (%s); this one is: %s", path,
                         fits, print);

  int code = ml3_nn_tensors_get_ints(f, "counters", COUNTERS, counters, error);
  if (!code) code = ml3_nn_tensors_get(f, "parameters", size, l->parameters, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment1", l->optimizer.size, l->optimizer.m, error);
  if (!code) code = ml3_nn_tensors_get(f, "moment2", l->optimizer.size, l->optimizer.v, error);
  if (!code) code = ml3_normalizer_get(&l->normalizer, f, "seen", error);
  if (!code) code = ml3_sampler_get(l->sampler, f, error);
  if (!code && l->kind->get) code = l->kind->get(l, f, error);
  int64_t diverged[2] = {0}; /* files of before have none */
  if (!code && l->normalizer.count > 0) code = ml3_policy_reserve(&l->policy, error);
  if (!code && ml3_nn_tensors_size(f, "diverged")) code = ml3_nn_tensors_get_ints(f, "diverged", 2, diverged, error);
  if (code) return ml3_error_prefix(error, "checkpoint '%s'", path);
  l->updates = counters[UPDATES];
  l->env_steps = counters[ENV_STEPS];
  l->optimizer.step = counters[OPTIMIZER_STEP];
  l->diverged = diverged[0], l->diverged_updates = (int)(diverged[1] > 0 && diverged[1] < 1000 ? diverged[1] : 0);
  if (l->normalizer.count > 0) ml3_normalizer_apply(&l->normalizer, &l->policy);
  return ML3_OK;
}

int ml3_learner_load(ml3_learner *l, const char *path, ml3_error *error) {
  ml3_nn_tensors *f = ml3_nn_checkpoint_load(path, error);
  if (!f) return error ? error->code : ML3_ERR_IO;
  int code = load_tensors(l, f, path, error);
  ml3_nn_tensors_free(f);
  return code;
}
