/* Rollouts of a policy that draws its actions in N environments side by side: see rollout.h. */
#include "agents/learn/policy_categorical.h"
#include "agents/learn/rollout_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/squashed.h"
#include "base/threads.h"

/* ---- environments --------------------------------------------------------------------------------------------- */

static int compile(ml3_sampler *s, ml3_error *error) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the policy's program");
  s->in_theta = ml3_nn_input(g, 1, ml3_policy_size(s->policy));
  s->in_x = ml3_nn_input(g, s->envs, s->policy->net.inputs);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, s->policy, s->in_theta, s->in_x);
  const bool categorical = s->policy->choices > 0;
  const ml3_nn_output outputs[] = {{categorical ? at.log_probs : at.mean, 0}, {at.log_std, 0}};
  s->program = ml3_nn_compile(g, outputs, categorical ? 1 : 2, error);
  ml3_nn_graph_free(g);
  s->work = s->program ? ml3_nn_workspace_new(s->program, error) : NULL;
  return s->work ? ML3_OK : ml3_error_prefix(error, "the policy for '%s'", s->spec->name);
}

static int check(const ml3_env_spec *env, const ml3_policy *policy, int envs, int horizon, ml3_error *error) {
  if (policy->kind == ML3_POLICY_DETERMINISTIC)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "rollouts need a Gaussian policy; this one is deterministic (policy.kind)");
  if (policy->choices != env->choices)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the policy is for one of %d discrete actions; environment '%s' takes one of %d (0: numbers)",
                         policy->choices, env->name, env->choices);
  if (policy->obs_dim != env->obs_dim || policy->action_dim != env->action_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the policy takes %d observations and gives %d actions; environment '%s' has %d and %d",
                         policy->obs_dim, policy->action_dim, env->name, env->obs_dim, env->action_dim);
  if (envs < 1 || envs > 65536)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "rollouts in %d environments; 1 to 65536 are possible", envs);
  if (horizon < 0 || horizon > 1000000)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "horizon is %d; 0 (the environment's) to 1000000 are possible",
                         horizon);
  return ML3_OK;
}

ml3_sampler *ml3_sampler_new(const ml3_env_spec *env, const ml3_policy *policy, int envs, int horizon, int threads,
                             ml3_error *error) {
  if (check(env, policy, envs, horizon, error) != ML3_OK) return NULL;
  ml3_sampler *s = calloc(1, sizeof *s);
  const size_t n = (size_t)envs;
  if (s) {
    *s = (ml3_sampler){.spec = env,
                       .policy = policy,
                       .envs = envs,
                       .horizon = horizon ? horizon : env->horizon,
                       .threads = ml3_env_threads(env, threads) > 1 ? ml3_env_threads(env, threads) : 1};
    s->task = calloc((size_t)(env->task_dim + env->state_dim) + 1, sizeof *s->task);
    s->obs = calloc(n * (size_t)policy->net.inputs, sizeof *s->obs);
    s->action = calloc(n * (size_t)env->action_dim, sizeof *s->action);
    s->tasks = calloc(n * (size_t)env->task_dim + 1, sizeof *s->tasks);
    s->places = calloc(n, sizeof *s->places);
  }
  if (!s || !s->task || !s->obs || !s->action || !s->tasks || !s->places) {
    ml3_sampler_free(s);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d environments '%s'", envs, env->name);
    return NULL;
  }
  int code = compile(s, error);
  for (int i = 0; i < envs && code == ML3_OK; i++)
    if (!(s->places[i].env = ml3_env_new(env, error))) code = ML3_ERR_MEMORY;
  if (code == ML3_OK) {
    ml3_sampler_reset(s, NULL, 0);
    return s;
  }
  ml3_sampler_free(s);
  return NULL;
}

void ml3_sampler_free(ml3_sampler *s) {
  if (!s) return;
  for (int i = 0; i < s->envs && s->places; i++) ml3_env_free(s->places[i].env);
  ml3_nn_workspace_free(s->work);
  ml3_nn_program_free(s->program);
  free(s->task);
  free(s->obs);
  free(s->action);
  free(s->tasks);
  free(s->places);
  free(s);
}

void ml3_task_draw_start(const ml3_env_spec *env, ml3_random *random, double *task) {
  for (int i = 0; i < env->task_dim; i++)
    if (strncmp(env->task[i].name, "start_", 6) == 0)
      task[i] = ml3_random_uniform(random, env->task[i].low, env->task[i].high);
}

static void observe(ml3_sampler *s, int i) {
  double *row = s->obs + (size_t)i * (size_t)s->policy->net.inputs;
  ml3_env_observe(s->places[i].env, row);
  if (s->policy->goal_dim) ml3_env_goal(s->places[i].env, row + s->policy->obs_dim);
}

/* What is observed of it comes later: another process may be at it. */
static void begin_episode(ml3_sampler *s, int i) {
  place *p = &s->places[i];
  double *task = s->tasks + (size_t)i * (size_t)s->spec->task_dim;
  ml3_random random = ml3_random_stream(s->key, ML3_PURPOSE_RESET, (uint32_t)i, p->episode++);
  if (s->one_task) {
    memcpy(task, s->task, (size_t)s->spec->task_dim * sizeof *task);
    if (!s->one_start) ml3_task_draw_start(s->spec, &random, task);
  } else {
    ml3_env_sample_task(s->spec, &random, task);
  }
  ml3_env_reset(p->env, task, &random);
  if (s->one_start) ml3_env_set_state(p->env, s->task + s->spec->task_dim);
  p->length = 0;
  p->episode_return = 0;
  p->passed = false;
  p->fresh = true;
}

static void observe_fresh(ml3_sampler *s, int i) {
  if (s->places[i].fresh) observe(s, i);
  s->places[i].fresh = false;
}

void ml3_sampler_reset(ml3_sampler *s, const double *task, uint64_t key) {
  s->key = key;
  s->collections = 0;
  s->one_task = task != NULL;
  if (task) memcpy(s->task, task, (size_t)s->spec->task_dim * sizeof *task);
  for (int i = 0; i < s->envs; i++) {
    s->places[i].episode = 0;
    begin_episode(s, i);
  }
}

void ml3_sampler_look(ml3_sampler *s) {
  for (int i = 0; i < s->envs; i++)
    if (s->places[i].fresh) ml3_env_send(s->places[i].env, NULL);
  for (int i = 0; i < s->envs; i++) observe_fresh(s, i);
}

void ml3_sampler_start_at(ml3_sampler *s, const double *start) {
  s->one_start = start != NULL;
  if (start) memcpy(s->task + s->spec->task_dim, start, (size_t)s->spec->state_dim * sizeof *start);
}

void ml3_sampler_goal(ml3_sampler *s, const double *task, double *goal) {
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  if (!s->spec->goal_dim) return;
  ml3_env_reset(s->places[0].env, task, &unused);
  ml3_env_goal(s->places[0].env, goal);
}

/* ---- collecting -------------------------------------------------------------------------------------------------- */

static void put_input(const ml3_sampler *s, int i, ml3_real *x) {
  const double *row = s->obs + (size_t)i * (size_t)s->policy->net.inputs;
  ml3_policy_input(s->policy, row, row + s->policy->obs_dim, x);
}

void ml3_sampler_explore(ml3_sampler *s, bool uniform) {
  s->uniform = uniform;
}

/* An action uniform within its bounds; log-probability as of a squashed policy's shares in [-1, 1]. */
static double draw_uniform(ml3_sampler *s, int i, ml3_real *action) {
  const ml3_policy *p = s->policy;
  for (int k = 0; k < p->action_dim; k++) {
    const double low = p->action[k].low, high = p->action[k].high;
    action[k] = (ml3_real)ml3_random_uniform(&s->places[i].noise, low, high);
    s->action[i * p->action_dim + k] = fmin(fmax((double)action[k], low), high);
  }
  return -p->action_dim * 0.69314718055994530942;
}

/* Draws environment i's action from what the policy's program gave; returns its log-probability. */
static double draw_action(ml3_sampler *s, int i, ml3_real *action) {
  const ml3_real *mean = ml3_nn_output_at(s->work, 0);
  const int n = s->policy->action_dim, choices = s->policy->choices;
  const bool squashed = s->policy->kind == ML3_POLICY_SQUASHED;
  if (s->uniform) return draw_uniform(s, i, action);
  double sum = 0;
  if (choices) {
    const ml3_real *log_probs = mean + i * choices;
    const int k = ml3_categorical_draw(log_probs, choices, &s->places[i].noise);
    s->action[i] = action[0] = (ml3_real)k;
    return (double)log_probs[k];
  }
  const ml3_real *log_std = ml3_nn_output_at(s->work, 1);
  for (int k = 0; k < n; k++) {
    const double z = ml3_random_normal(&s->places[i].noise), log_sigma = log_std[i * n + k];
    const double u = mean[i * n + k] + exp(log_sigma) * z;
    action[k] = (ml3_real)(squashed ? ml3_squashed_action(s->policy, k, u) : u);
    if (squashed) sum -= ml3_squashed_log_derivative(u);
    s->action[i * n + k] = fmin(fmax((double)action[k], s->policy->action[k].low), s->policy->action[k].high);
    sum -= 0.5 * z * z + log_sigma + 0.91893853320467274178;
  }
  return sum;
}

static void keep_state(const place *p, ml3_real *to, int n) {
  double state[n];
  ml3_env_get_state(p->env, state);
  for (int k = 0; k < n; k++) to[k] = (ml3_real)state[k];
}

static void keep_obs(const ml3_sampler *s, ml3_rollout *r, int t) {
  const size_t n = (size_t)r->obs_dim, inputs = (size_t)s->policy->net.inputs;
  for (size_t i = 0; i < (size_t)s->envs; i++)
    memcpy(r->obs + ((size_t)t * (size_t)s->envs + i) * n, s->obs + i * inputs, n * sizeof *r->obs);
}

/* Is every number that a step gave one? */
static bool is_usable(const ml3_sampler *s, int i, const ml3_env_result *result) {
  const int n = s->policy->net.inputs;
  const double *row = s->obs + (size_t)i * (size_t)n;
  double sum = result->reward;
  for (int k = 0; k < n; k++) sum += row[k] * 0; /* one that is not finite makes it NAN */
  return result->code >= 0 && isfinite(sum);     /* above 0: the step is made, such as without some contacts */
}

/* The episode ends where it was before the step. */
static void end_diverged(ml3_sampler *s, int i, ml3_rollout *r, size_t at) {
  const size_t n = (size_t)r->inputs;
  place *p = &s->places[i];
  r->reward[at] = 0;
  r->end[at] = ML3_TRUNCATED;
  memcpy(r->truncated_x + at * n, r->x + at * n, n * sizeof *r->x);
  if (r->state) memset(r->state + at * (size_t)r->state_dim, 0, (size_t)r->state_dim * sizeof *r->state);
  p->ended = false;
  p->diverged = p->broke = true;
  begin_episode(s, i);
}

/* Steps environment i of row `at` = t * envs + i, and begins a new episode where that ended the old one. */
static void step_place(ml3_sampler *s, int i, ml3_rollout *r, size_t at) {
  place *p = &s->places[i];
  ml3_env_result result = ml3_env_step(p->env, s->action + (size_t)i * (size_t)s->policy->action_dim);
  observe(s, i);
  p->diverged = false;
  if (!is_usable(s, i, &result)) {
    end_diverged(s, i, r, at);
    return;
  }
  const bool there = ml3_env_success(p->env);
  p->length++;
  p->episode_return += result.reward;
  p->passed = p->passed || there;
  r->reward[at] = (ml3_real)result.reward;
  const bool cut = result.truncated && p->env->steps < s->spec->horizon; /* by an environment of others */
  p->ended = result.terminated || cut || p->length >= s->horizon;
  r->end[at] = result.terminated ? ML3_TERMINATED : p->ended ? ML3_TRUNCATED : ML3_GOES_ON;
  if (r->state) keep_state(p, r->state + at * (size_t)r->state_dim, r->state_dim);
  if (!p->ended) return;
  put_input(s, i, r->truncated_x + at * (size_t)r->inputs);
  p->ended_return = p->episode_return;
  p->ended_length = p->length;
  p->ended_success = there;
  p->ended_passed = p->passed;
  p->ended_distance = ml3_env_distance(p->env);
  begin_episode(s, i);
  ml3_env_send(p->env, NULL);
}

/* Step t of all environments. Actions that are sent first keep other processes busy while one is waited for. */
static void step_all(ml3_sampler *s, ml3_rollout *r, int t) {
  const size_t n = (size_t)s->envs, actions = (size_t)r->action_dim, first = (size_t)t * n;
  const bool sends = s->spec->send != NULL;
  for (int i = 0; i < s->envs && sends; i++) {
    r->log_prob[first + (size_t)i] = (ml3_real)draw_action(s, i, r->action + (first + (size_t)i) * actions);
    ml3_env_send(s->places[i].env, s->action + (size_t)i * actions);
  }
#pragma omp parallel for num_threads(ml3_threads(s->threads)) schedule(static) if (s->threads > 1 && !sends)
  for (int i = 0; i < s->envs; i++) {
    const size_t at = first + (size_t)i;
    if (!sends) r->log_prob[at] = (ml3_real)draw_action(s, i, r->action + at * actions);
    step_place(s, i, r, at);
    if (!sends) observe_fresh(s, i);
  }
  for (int i = 0; i < s->envs && sends; i++) observe_fresh(s, i);
}

static void count_ended(const ml3_sampler *s, ml3_rollout *r) {
  for (int i = 0; i < s->envs; i++) {
    const place *p = &s->places[i];
    r->diverged += p->diverged;
    if (!p->ended) continue;
    r->episodes++;
    r->episode_return += p->ended_return;
    r->episode_length += p->ended_length;
    r->success += p->ended_success;
    r->passed += p->ended_passed;
    r->distance += p->ended_distance;
  }
}

static int bad_number(const ml3_sampler *s, const ml3_rollout *r, int t, ml3_error *error) {
  for (int i = 0; i < s->envs; i++) {
    const size_t at = (size_t)t * (size_t)s->envs + (size_t)i;
    if (!isfinite(r->log_prob[at]) || !isfinite(r->action[at * (size_t)r->action_dim]))
      return ml3_error_set(error, ML3_ERR_NUMERIC, "environment '%s': the policy's action is not finite at step %d",
                           s->spec->name, t);
  }
  return ML3_OK;
}

int ml3_sampler_collect(ml3_sampler *s, const ml3_real *theta, ml3_normalizer *normalizer, ml3_policy *policy,
                        ml3_rollout *r, ml3_error *error) {
  const size_t n = (size_t)s->envs, inputs = (size_t)r->inputs, actions = (size_t)r->action_dim;
  r->episodes = r->diverged = r->diverged_envs = 0;
  r->episode_return = r->episode_length = r->success = r->passed = r->distance = 0;
  for (int i = 0; i < s->envs; i++) {
    s->places[i].noise = ml3_random_stream(s->key, ML3_PURPOSE_ACTION, (uint32_t)i, s->collections);
    s->places[i].broke = false;
  }
  s->collections++;
  ml3_nn_bind_input(s->work, s->in_theta, theta);
  ml3_sampler_look(s);

  for (int t = 0; t < r->steps; t++) {
    ml3_real *x = r->x + (size_t)t * n * inputs;
    if (normalizer) ml3_normalizer_add(normalizer, s->obs, s->envs), ml3_normalizer_apply(normalizer, policy);
    for (int i = 0; i < s->envs; i++) put_input(s, i, x + (size_t)i * inputs);
    if (r->obs) keep_obs(s, r, t);
    ml3_nn_bind_input(s->work, s->in_x, x);
    ml3_nn_run(s->work, 0);
    if (r->mean) {
      memcpy(r->mean + (size_t)t * n * actions, ml3_nn_output_at(s->work, 0), n * actions * sizeof *r->mean);
      memcpy(r->log_std + (size_t)t * n * actions, ml3_nn_output_at(s->work, 1), n * actions * sizeof *r->log_std);
    }
    step_all(s, r, t);
    count_ended(s, r);
    int code = ml3_env_failed(s->spec, error);
    if (code == ML3_OK) code = bad_number(s, r, t, error);
    if (code != ML3_OK) return code;
  }
  for (int i = 0; i < s->envs; i++) {
    put_input(s, i, r->last_x + (size_t)i * inputs);
    r->diverged_envs += s->places[i].broke;
  }
  const double count = r->episodes; /* 0 / 0: NAN */
  r->episode_return /= count, r->episode_length /= count, r->distance /= count;
  r->success /= count, r->passed /= count;
  return ML3_OK;
}
