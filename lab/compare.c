/* Comparisons over seeds: see comparison.h. */
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "lab/compare_open.h"

static const char *const with_run[] = {"untrained", "learned_loss", "task_gradient", "ilqr", "ilqr_restarts"};
static const char *const with_environment[] = {"random", "ilqr", "ilqr_feedback", "ilqr_mpc"};

/* Methods at work. */
typedef struct comparing {
  const ml3_lab_compare_settings *settings;
  ml3_lab_comparison *comparison;
  const char *const *methods;
  int method_count;
} comparing;

/* Those that are asked for, or the usual ones, which are without iLQR where actions are discrete or states cannot be
   set. */
static int choose_methods(comparing *c, const ml3_arena *arena, ml3_error *error) {
  const bool has_run = arena->loss_count > 0, usual = c->settings->method_count == 0;
  enum { RUN = sizeof with_run / sizeof *with_run, ENVIRONMENT = sizeof with_environment / sizeof *with_environment };
  c->methods = c->settings->method_count ? c->settings->methods : has_run ? with_run : with_environment;
  c->method_count = c->settings->method_count ? c->settings->method_count : has_run ? RUN : ENVIRONMENT;
  const bool planned = !arena->env->choices && arena->env->set_state;
  while (usual && !planned && strncmp(c->methods[c->method_count - 1], "ilqr", 4) == 0) c->method_count--;
  for (int i = 0; i < c->method_count; i++)
    if (!ml3_method_find(c->methods[i], error)) return error->code;
  return ML3_OK;
}

const char *const *ml3_lab_compare_methods(bool has_run, int *count) {
  *count =
      has_run ? (int)(sizeof with_run / sizeof *with_run) : (int)(sizeof with_environment / sizeof *with_environment);
  return has_run ? with_run : with_environment;
}

/* Number `seed` of them; what the first one works with is kept. */
static int compare_seed(comparing *c, int seed, ml3_error *error) {
  ml3_lab_comparison *all = c->comparison;
  ml3_lab_compared *opened = calloc(1, sizeof *opened);
  if (!opened) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare");
  int code = ml3_lab_compared_open(opened, c->settings, seed, error);
  if (code == ML3_OK && seed == 0) code = choose_methods(c, &opened->arena, error);
  if (code == ML3_OK) code = ml3_compare_check(&opened->arena, c->methods, c->method_count, error);
  if (code == ML3_OK && seed == 0) {
    all->settings = opened->arena.settings;
    ml3_lab_begin(c->settings->callbacks, "comparing", all->settings.tasks);
  }
  ml3_compare *one = NULL;
  if (code == ML3_OK && !(one = ml3_compare_run(&opened->arena, c->methods, c->method_count, ml3_lab_work,
                                                (void *)c->settings->callbacks, error)))
    code = error->code;
  if (one && all->compare)
    code = ml3_compare_append(all->compare, one, error);
  else if (one)
    all->compare = one;
  if (code == ML3_OK && seed == 0) {
    opened->method_count = c->method_count;
    for (int i = 0; i < c->method_count; i++) opened->methods[i] = c->methods[i];
    all->first = opened;
    all->no_goal = opened->arena.env->no_goal;
    return ML3_OK;
  }
  ml3_lab_compared_close(opened);
  free(opened);
  return code;
}

ml3_lab_comparison *ml3_lab_compare(const ml3_lab_compare_settings *settings, ml3_error *error) {
  char pattern[1024];
  comparing c = {.settings = settings, .comparison = calloc(1, sizeof *c.comparison)};
  if (!c.comparison) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory to compare");
    return NULL;
  }
  ml3_lab_comparison *all = c.comparison;
  all->seeds = settings->seeds ? settings->seeds : 1;
  all->runs_differ = ml3_lab_names_each_seed(settings->name, pattern, sizeof pattern);
  all->reference = settings->reference;
  int code = ML3_OK;
  for (int seed = 0; seed < all->seeds && code == ML3_OK; seed++) code = compare_seed(&c, seed, error);
  ml3_lab_end(settings->callbacks);
  if (code == ML3_OK && ml3_lab_comparison_fill_rows(all) != ML3_OK)
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a table");
  if (code == ML3_OK && all->reference && !ml3_lab_comparison_reference(all))
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "the reference '%s' is none of the methods compared", all->reference);
  if (code == ML3_OK) return all;
  ml3_lab_comparison_free(all);
  return NULL;
}

int ml3_lab_comparison_rollouts(const ml3_lab_comparison *c, int task, ml3_episode **episodes, int capacity,
                                ml3_error *error) {
  const ml3_lab_compared *first = c->first;
  return ml3_compare_rollouts(&first->arena, first->methods, first->method_count, task, true, episodes, capacity,
                              error);
}

void ml3_lab_comparison_free(ml3_lab_comparison *c) {
  if (!c) return;
  if (c->first) ml3_lab_compared_close(c->first);
  free(c->first);
  ml3_compare_free(c->compare);
  free(c->rows);
  free(c);
}
