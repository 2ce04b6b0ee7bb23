/* An expert's episodes: see demonstrations.h. */
#include "agents/problems/demonstrations_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr.h"
#include "base/threads.h"

ml3_demonstrations *ml3_demonstrations_new(const ml3_env_spec *env, int count, int steps, ml3_error *error) {
  if (count < 1 || steps < 1) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "%d demonstrations of %d steps; at least one of each is needed", count,
                  steps);
    return NULL;
  }
  ml3_demonstrations *d = calloc(1, sizeof *d);
  const size_t n = (size_t)count, rows = n * (size_t)steps;
  if (d) {
    *d = (ml3_demonstrations){.env = env, .count = count, .steps = steps};
    d->task = calloc(n * (size_t)env->task_dim + 1, sizeof *d->task);
    d->obs = calloc(rows * (size_t)env->obs_dim, sizeof *d->obs);
    d->action = calloc(rows * (size_t)env->action_dim, sizeof *d->action);
    d->length = calloc(n, sizeof *d->length);
    for (size_t i = 0; d->length && i < n; i++) d->length[i] = steps;
  }
  if (d && d->task && d->obs && d->action && d->length) return d;
  ml3_demonstrations_free(d);
  ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d demonstrations of %d steps", count, steps);
  return NULL;
}

void ml3_demonstrations_free(ml3_demonstrations *d) {
  if (!d) return;
  free(d->task);
  free(d->obs);
  free(d->action);
  free(d->length);
  free(d);
}

void ml3_demonstrations_weigh(const ml3_demonstrations *d, int i, ml3_real *weights) {
  const int length = i < 0 ? 0 : d->length[i];
  for (int t = 0; t < d->steps; t++) weights[t] = t < length ? (ml3_real)sqrt((double)d->steps / length) : 0;
}

void ml3_demonstrations_begin(ml3_demonstrations *d, int i, uint64_t seed, ml3_env *env) {
  double *task = d->task + i * d->env->task_dim;
  ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_INIT, (uint32_t)i, 2);
  ml3_env_sample_task(d->env, &random, task);
  ml3_env_reset(env, task, &random);
}

/* ---- by iLQR -------------------------------------------------------------------------------------------------- */

enum { ITERATIONS = 100 };

/* Numbers that the cost of tracking the goal keeps. */
typedef struct tracked {
  double *goal, *weights, *state; /* state: where it begins */
  ml3_ilqr_goal_cost cost;
} tracked;

static ml3_ilqr_cost make_cost(const ml3_env *env, tracked *t, ml3_error *error) {
  const ml3_env_spec *spec = env->spec;
  if (!ml3_env_goal_is_state(spec)) return ml3_ilqr_reward(env, 1e-3, error);
  ml3_env_goal(env, t->goal);
  ml3_ilqr_goal_near(spec, t->state, t->goal);
  for (int i = 0; i < spec->state_dim; i++) t->weights[i] = strstr(spec->state[i].name, "velocity") ? 0.05 : 1;
  t->cost = (ml3_ilqr_goal_cost){.state_dim = spec->state_dim,
                                 .action_dim = spec->action_dim,
                                 .goal = t->goal,
                                 .weights = t->weights,
                                 .state_weight = 1,
                                 .action_weight = 1e-3,
                                 .final_weight = 10};
  return ml3_ilqr_goal(&t->cost);
}

/* What the threads share that plan. */
typedef struct planning {
  ml3_demonstrations *d;
  uint64_t seed;
  double *returns; /* [count] */
  int (*observe)(void *user, int planned);
  void *user;
  int planned, code;
  ml3_error *error;
} planning;

/* Tells how far planning is, of one plan more or none; the first failure, or the observer's wish, ends it. */
static int tell(planning *p, int more, int code, const ml3_error *error) {
  int end;
#pragma omp critical(ml3_demonstrations_planning)
  {
    if (p->code == ML3_OK && code != ML3_OK) {
      p->code = code;
      if (p->error) *p->error = *error;
    }
    if (p->code == ML3_OK) p->planned += more;
    if (p->code == ML3_OK && p->observe && p->observe(p->user, p->planned))
      p->code = ml3_error_set(p->error, ML3_ERR_INTERRUPTED,
                              "planning was interrupted after %d of %d demonstrations; nothing of it is kept", p->planned,
                              p->d->count);
    end = p->code;
  }
  return end;
}

static int on_iteration(void *user, const ml3_ilqr_iteration *iteration) {
  (void)iteration;
  return tell(user, 0, ML3_OK, NULL);
}

/* The plan for env's present task and state into actions[steps][m]. */
static int plan(planning *p, const ml3_env *env, int steps, double *actions, ml3_error *error) {
  const int n = env->spec->state_dim;
  double goal[n], weights[n], state[n];
  tracked tracked = {.goal = goal, .weights = weights, .state = state};
  ml3_ilqr_settings settings = ml3_ilqr_defaults(steps);
  settings.max_iterations = ITERATIONS;
  settings.threads = 1;
  settings.observe = on_iteration, settings.observe_user = p;
  ml3_env_get_state(env, tracked.state);
  ml3_model *model = ml3_model_of_env(env, error);
  ml3_ilqr_cost cost = model ? make_cost(env, &tracked, error) : (ml3_ilqr_cost){0};
  ml3_ilqr *ilqr = cost.evaluate ? ml3_ilqr_new(model, &cost, &settings, error) : NULL;
  int code = ilqr ? ml3_ilqr_solve(ilqr, tracked.state, 0, actions, NULL, error) : ML3_ERR_MEMORY;
  ml3_ilqr_free(ilqr);
  ml3_ilqr_cost_free(&cost);
  ml3_model_free(model);
  return code;
}

/* Draws task `i`, plans for it and notes what the plan's actions see. */
static int demonstrate(planning *p, int i, ml3_error *error) {
  ml3_demonstrations *d = p->d;
  const ml3_env_spec *spec = d->env;
  double *actions = d->action + i * d->steps * spec->action_dim;
  ml3_env *env = ml3_env_new(spec, error);
  if (!env) return error->code;
  ml3_demonstrations_begin(d, i, p->seed, env);
  int code = plan(p, env, d->steps, actions, error); /* env stays where it begins */
  for (int t = 0; t < d->steps && code == ML3_OK; t++) {
    ml3_env_observe(env, d->obs + (i * d->steps + t) * spec->obs_dim);
    p->returns[i] += ml3_env_step(env, actions + t * spec->action_dim).reward;
  }
  ml3_env_free(env);
  return code;
}

ml3_demonstrations *ml3_demonstrations_plan(const ml3_env_spec *env, int count, int steps, uint64_t seed, int threads,
                                            int (*observe)(void *user, int planned), void *user, ml3_error *error) {
  planning p = {.seed = seed, .observe = observe, .user = user, .error = error};
  if (!(p.d = ml3_demonstrations_new(env, count, steps, error))) return NULL;
  if (!(p.returns = calloc((size_t)count, sizeof *p.returns)))
    p.code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the returns of %d demonstrations", count);
#pragma omp parallel for num_threads(ml3_threads(threads)) schedule(dynamic, 1)
  for (int i = 0; i < count; i++) {
    ml3_error own = {0};
    if (tell(&p, 0, ML3_OK, NULL) == ML3_OK) tell(&p, 1, demonstrate(&p, i, &own), &own);
  }
  for (int i = 0; i < count && p.code == ML3_OK; i++) p.d->episode_return += p.returns[i] / count;
  free(p.returns);
  if (p.code == ML3_OK) return p.d;
  ml3_demonstrations_free(p.d);
  return NULL;
}
