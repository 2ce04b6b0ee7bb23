/* Samplers in checkpoints: every environment as it stands between two collections. See rollout.h. */
#include <stdlib.h>
#include <string.h>

#include "agents/learn/rollout_internal.h"

/* An environment's numbers: its full state, the present observation and what its episode has come to so far. */
enum { EPISODE, LENGTH, RETURN, PASSED, PLACE_NUMBERS };

static int place_size(const ml3_sampler *s) {
  return ml3_env_full_dim(s->places[0].env) + s->policy->net.inputs + PLACE_NUMBERS;
}

static void get_place(const ml3_sampler *s, int i, double *to) {
  const place *p = &s->places[i];
  const int inputs = s->policy->net.inputs;
  const double own[PLACE_NUMBERS] = {p->episode, p->length, p->episode_return, p->passed};
  memcpy(to, own, sizeof own);
  memcpy(to + PLACE_NUMBERS, s->obs + (size_t)i * (size_t)inputs, (size_t)inputs * sizeof *to);
  ml3_env_get_full(p->env, to + PLACE_NUMBERS + inputs);
}

static void set_place(ml3_sampler *s, int i, const double *from) {
  place *p = &s->places[i];
  const int inputs = s->policy->net.inputs;
  p->episode = (uint32_t)from[EPISODE], p->length = (int)from[LENGTH];
  p->episode_return = from[RETURN], p->passed = from[PASSED] != 0;
  p->fresh = false;
  memcpy(s->obs + (size_t)i * (size_t)inputs, from + PLACE_NUMBERS, (size_t)inputs * sizeof *from);
  ml3_env_set_full(p->env, from + PLACE_NUMBERS + inputs);
}

/* Key, collections, one task; and that task. */
enum { SAMPLER_NUMBERS = 3 };

int ml3_sampler_put(const ml3_sampler *s, ml3_nn_tensors *file, ml3_error *error) {
  const int size = place_size(s);
  const int64_t own[SAMPLER_NUMBERS] = {(int64_t)s->key, s->collections, s->one_task};
  double *all = malloc((size_t)s->envs * (size_t)size * sizeof *all);
  if (!all) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the state of %d environments", s->envs);
  ml3_sampler_look((ml3_sampler *)s);
  for (int i = 0; i < s->envs; i++) get_place(s, i, all + (size_t)i * (size_t)size);
  int code = ml3_nn_tensors_put_ints(file, "sampler", SAMPLER_NUMBERS, own, error);
  if (!code) code = ml3_nn_tensors_put_doubles(file, "sampler_task", s->spec->task_dim, s->task, error);
  if (!code) code = ml3_nn_tensors_put_doubles(file, "environments", s->envs * size, all, error);
  free(all);
  return code == ML3_OK ? ml3_env_failed(s->spec, error) : code;
}

int ml3_sampler_get(ml3_sampler *s, const ml3_nn_tensors *file, ml3_error *error) {
  const int size = place_size(s);
  int64_t own[SAMPLER_NUMBERS];
  double *all = malloc((size_t)s->envs * (size_t)size * sizeof *all);
  if (!all) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the state of %d environments", s->envs);
  int code = ml3_nn_tensors_get_ints(file, "sampler", SAMPLER_NUMBERS, own, error);
  if (!code) code = ml3_nn_tensors_get_doubles(file, "sampler_task", s->spec->task_dim, s->task, error);
  if (!code) code = ml3_nn_tensors_get_doubles(file, "environments", s->envs * size, all, error);
  for (int i = 0; i < s->envs && code == ML3_OK; i++) set_place(s, i, all + (size_t)i * (size_t)size);
  if (code == ML3_OK) s->key = (uint64_t)own[0], s->collections = (uint32_t)own[1], s->one_task = own[2] != 0;
  free(all);
  return code;
}
