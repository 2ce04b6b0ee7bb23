/* Demonstrations in a checkpoint, so that nothing is planned or learned again when a run goes on: see demonstrations.h. */
#include "agents/problems/demonstrations.h"

#include <stdlib.h>

static const char LENGTHS[] = "problem.demonstration_lengths"; /* missing in older checkpoints, where each has all steps */

typedef struct part {
  const char *name;
  double *numbers;
  int count;
} part;

enum { PARTS = 4 };

static void list_parts(const ml3_demonstrations *d, part list[PARTS]) {
  const int rows = d->count * d->steps;
  list[0] = (part){"problem.demonstration_tasks", d->task, d->count * d->env->task_dim};
  list[1] = (part){"problem.demonstration_observations", d->obs, rows * d->env->obs_dim};
  list[2] = (part){"problem.demonstration_actions", d->action, rows * d->env->action_dim};
  list[3] = (part){"problem.demonstration_return", (double *)&d->episode_return, 1};
}

static int put_lengths(const ml3_demonstrations *d, ml3_nn_tensors *file, ml3_error *error) {
  int64_t *lengths = malloc((size_t)d->count * sizeof *lengths);
  if (!lengths) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the lengths of %d demonstrations", d->count);
  for (int i = 0; i < d->count; i++) lengths[i] = d->length[i];
  const int code = ml3_nn_tensors_put_ints(file, LENGTHS, d->count, lengths, error);
  free(lengths);
  return code;
}

static int get_lengths(ml3_demonstrations *d, const ml3_nn_tensors *file, ml3_error *error) {
  for (int i = 0; i < d->count; i++) d->length[i] = d->steps;
  if (!ml3_nn_tensors_size(file, LENGTHS)) return ML3_OK;
  int64_t *lengths = malloc((size_t)d->count * sizeof *lengths);
  if (!lengths) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the lengths of %d demonstrations", d->count);
  int code = ml3_nn_tensors_get_ints(file, LENGTHS, d->count, lengths, error);
  for (int i = 0; i < d->count && code == ML3_OK; i++) {
    if (lengths[i] < 1 || lengths[i] > d->steps)
      code = ml3_error_set(error, ML3_ERR_FORMAT, "demonstration %d has %lld steps; 1 to %d are possible", i,
                           (long long)lengths[i], d->steps);
    else
      d->length[i] = (int)lengths[i];
  }
  free(lengths);
  return code;
}

int ml3_demonstrations_put(const ml3_demonstrations *d, ml3_nn_tensors *file, ml3_error *error) {
  part list[PARTS];
  int code = ML3_OK;
  list_parts(d, list);
  for (int i = 0; i < PARTS && code == ML3_OK; i++)
    code = ml3_nn_tensors_put_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code == ML3_OK ? put_lengths(d, file, error) : code;
}

int ml3_demonstrations_get(ml3_demonstrations *d, const ml3_nn_tensors *file, ml3_error *error) {
  part list[PARTS];
  int code = ML3_OK;
  list_parts(d, list);
  for (int i = 0; i < PARTS && code == ML3_OK; i++)
    code = ml3_nn_tensors_get_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code == ML3_OK ? get_lengths(d, file, error) : code;
}
