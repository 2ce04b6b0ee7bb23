/* Demonstrations in a checkpoint, so that nothing is planned or learned again when a run goes on: see demonstrations.h. */
#include "agents/demonstrations.h"

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

int ml3_demonstrations_put(const ml3_demonstrations *d, ml3_nn_tensors *file, ml3_error *error) {
  part list[PARTS];
  int code = ML3_OK;
  list_parts(d, list);
  for (int i = 0; i < PARTS && code == ML3_OK; i++)
    code = ml3_nn_tensors_put_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code;
}

int ml3_demonstrations_get(ml3_demonstrations *d, const ml3_nn_tensors *file, ml3_error *error) {
  part list[PARTS];
  int code = ML3_OK;
  list_parts(d, list);
  for (int i = 0; i < PARTS && code == ML3_OK; i++)
    code = ml3_nn_tensors_get_doubles(file, list[i].name, list[i].count, list[i].numbers, error);
  return code;
}
