/* The two kinds of problem as comparisons see them: see playable.h. */
#include "agents/problems/playable.h"

#include <string.h>

#include "agents/problems/model_based.h"
#include "agents/problems/model_free.h"

/* ---- model-based ------------------------------------------------------------------------------------------------- */

static bool get_model_based(const ml3_problem *p, const ml3_real *task, double *env_task, double *start) {
  ml3_model_based_start(p, task, 0, env_task, start);
  return true;
}

static int put_model_based(const ml3_problem *p, const double *env_task, const double *start, ml3_real *task,
                           ml3_error *error) {
  int code = ML3_OK;
  memset(task, 0, (size_t)p->task_size * sizeof *task);
  for (int i = 0; i < ml3_model_based_settings_of(p)->starts && code == ML3_OK; i++)
    code = ml3_model_based_set_start(p, task, i, env_task, start, error);
  return code;
}

ml3_playable ml3_model_based_playable(const ml3_problem *problem) {
  const ml3_model_based_settings *s = ml3_model_based_settings_of(problem);
  const double steps = (double)s->horizon * s->starts;
  return (ml3_playable){.problem = problem,
                        .env = s->env,
                        .policy = &s->policy,
                        .horizon = s->horizon,
                        .update_steps = steps,
                        .gradient_steps = steps,
                        .in_world = s->recorded,
                        .last_only = s->cost == ML3_COST_FINAL,
                        .get = get_model_based,
                        .put = put_model_based,
                        .set_parameters = ml3_model_based_set_parameters,
                        .judge = ml3_model_based_judge,
                        .value = ml3_model_based_value_steps};
}

/* ---- model-free -------------------------------------------------------------------------------------------------- */

static bool get_model_free(const ml3_problem *p, const ml3_real *task, double *env_task, double *start) {
  (void)start;
  ml3_model_free_task(p, task, env_task);
  return false;
}

static int put_model_free(const ml3_problem *p, const double *env_task, const double *start, ml3_real *task,
                          ml3_error *error) {
  (void)start; /* every episode draws its own */
  return ml3_model_free_set_task(p, env_task, task, error);
}

static void set_parameters_model_free(const ml3_problem *p, ml3_real *task, const double *env_task) {
  for (int i = 0; i < ml3_model_free_settings_of(p)->env->task_dim; i++) task[i] = (ml3_real)env_task[i];
}

ml3_playable ml3_model_free_playable(const ml3_problem *problem) {
  const ml3_model_free_settings *s = ml3_model_free_settings_of(problem);
  return (ml3_playable){.problem = problem,
                        .env = s->env,
                        .policy = &s->policy,
                        .horizon = s->horizon,
                        .update_steps = (double)s->horizon * s->rollouts,
                        .gradient_steps = (double)s->horizon * s->outer_rollouts,
                        .in_world = true,
                        .free_starts = true,
                        .get = get_model_free,
                        .put = put_model_free,
                        .set_parameters = set_parameters_model_free};
}
