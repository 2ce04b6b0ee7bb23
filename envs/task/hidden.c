/* `hidden:`: what neither policies nor losses may see, and whether an observation tells it all the same. */
#include <stdio.h>
#include <string.h>

#include "envs/task/task.h"

static void hand_on(bool *marked, const ml3_latch *latches, int count) {
  for (int i = 0; i < count; i++)
    for (int k = 0; k < latches[i].n; k++)
      marked[latches[i].to + k] = marked[latches[i].to + k] || marked[latches[i].from + k];
}

/* Parameters that neither policies nor losses may see: the goal is none of their inputs, and observations may not tell them. */
int ml3_task_read_hidden(ml3_task_reader *r) {
  ml3_task *t = r->task;
  const ml3_tree *at = ml3_tree_find(r->root, "hidden");
  if (!at) return ML3_OK;
  if (at->kind != ML3_TREE_LIST) return ml3_tree_wrong(at, r->error, "hidden: expected a list of task parameters");
  bool *marked = ml3_task_allocate(t, (size_t)t->step.size + 1, sizeof *marked, r->error);
  const char **names = ml3_task_allocate(t, (size_t)t->task_dim + 1, sizeof *names, r->error);
  if (!marked || !names) return ML3_ERR_MEMORY;
  for (int i = 0; i < t->task_dim; i++) names[i] = t->parameters[i].name;
  for (int i = 0; i < at->count; i++) {
    char name[160], hint[96];
    snprintf(name, sizeof name, "%s", ml3_tree_text(at->items[i]) ? at->items[i]->text : "");
    for (char *s = name; *s; s++) *s = *s == ' ' ? '_' : *s;
    int k = 0;
    while (k < t->task_dim && strcmp(names[k], name) != 0) k++;
    if (k == t->task_dim)
      return ml3_tree_wrong(at->items[i], r->error, "hidden: the task has no parameter '%.60s'%s", name,
                            ml3_tree_suggestion(name, names, t->task_dim, hint));
    marked[t->parameter.reg + k] = true;
  }
  /* Latches hand on what was found in the step before. */
  for (int pass = 0; pass <= r->step.latch_count + r->step.start_count; pass++) {
    ml3_program_spread(&t->step, marked);
    hand_on(marked, t->latches, r->step.latch_count);
    hand_on(marked, t->starts, r->step.start_count);
  }
  for (int i = 0; i < t->observation.n; i++)
    if (marked[t->observation.reg + i])
      return ml3_tree_wrong(at, r->error, "hidden: the observation '%s' tells what is hidden", t->obs[i].name);
  t->hides_goal = at->count > 0;
  return ML3_OK;
}
