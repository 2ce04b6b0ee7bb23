/* Costs for iLQR in plain numbers: goal tracking, energy, sums, the environment's reward. See ilqr_cost.h. */
#include "agents/control/ilqr_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ml3_ilqr_cost_free(ml3_ilqr_cost *cost) {
  if (cost->free && cost->user) cost->free(cost->user);
  *cost = (ml3_ilqr_cost){0};
}

/* ---- goal tracking and energy ------------------------------------------------------------------------------------ */

static double goal_evaluate(void *user, int step, const double *state, const double *action,
                            ml3_ilqr_expansion *e) {
  const ml3_ilqr_goal_cost *c = user;
  const size_t n = (size_t)c->state_dim, m = action ? (size_t)c->action_dim : 0;
  const double scale = action ? c->state_weight : c->final_weight;
  double cost = 0;
  (void)step;
  for (size_t i = 0; i < n; i++) {
    const double weight = scale * c->weights[i], error = state[i] - c->goal[i];
    cost += 0.5 * weight * error * error;
    if (!e) continue;
    e->ls[i] = weight * error;
    e->lss[i * n + i] = weight;
  }
  for (size_t i = 0; i < m; i++) {
    cost += 0.5 * c->action_weight * action[i] * action[i];
    if (!e) continue;
    e->lu[i] = c->action_weight * action[i];
    e->luu[i * m + i] = c->action_weight;
  }
  return cost;
}

ml3_ilqr_cost ml3_ilqr_goal(const ml3_ilqr_goal_cost *cost) {
  return (ml3_ilqr_cost){.evaluate = goal_evaluate, .user = (void *)cost};
}

void ml3_ilqr_goal_near(const ml3_env_spec *env, const double *state, double *goal) {
  static const double TURN = 2 * 3.14159265358979323846;
  for (int i = 0; i < env->state_dim; i++) {
    const ml3_env_field *f = &env->state[i];
    if (strcmp(f->unit, "rad") != 0 || !isinf(f->low) || !isinf(f->high)) continue;
    const double way = goal[i] - state[i], shortest = remainder(way, TURN);
    if (fabs(way) - fabs(shortest) > TURN / 10) goal[i] = state[i] + shortest;
  }
}

void ml3_ilqr_goal_weights(const ml3_env_spec *env, const double *goal, double *weights) {
  for (int i = 0; i < env->state_dim; i++) {
    const char *per = strrchr(env->state[i].unit, '/');
    weights[i] = per && per[1] == 's' && goal[i] == 0 ? 0.1 : 1;
  }
}

static double energy_evaluate(void *user, int step, const double *state, const double *action,
                              ml3_ilqr_expansion *e) {
  const ml3_ilqr_energy_cost *c = user;
  const size_t m = action ? (size_t)c->action_dim : 0;
  double cost = 0;
  (void)step, (void)state;
  for (size_t i = 0; i < m; i++) {
    cost += 0.5 * c->weight * action[i] * action[i];
    if (!e) continue;
    e->lu[i] = c->weight * action[i];
    e->luu[i * m + i] = c->weight;
  }
  return cost;
}

ml3_ilqr_cost ml3_ilqr_energy(const ml3_ilqr_energy_cost *cost) {
  return (ml3_ilqr_cost){.evaluate = energy_evaluate, .user = (void *)cost};
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

enum { TERMS_MAX = 8 };

typedef struct sum {
  ml3_ilqr_cost terms[TERMS_MAX];
  int count;
  bool owned; /* terms' users were cloned for this sum */
  size_t n, m;
  double *scratch; /* one expansion */
} sum;

static void sum_free(void *user) {
  sum *s = user;
  for (int i = 0; i < s->count && s->owned; i++)
    if (s->terms[i].clone && s->terms[i].user) s->terms[i].free(s->terms[i].user);
  free(s->scratch);
  free(s);
}

static double sum_evaluate(void *user, int step, const double *state, const double *action,
                           ml3_ilqr_expansion *e) {
  const sum *s = user;
  const size_t n = s->n, m = s->m, size = n + m + n * n + m * m + m * n;
  double *x = s->scratch, total = 0;
  ml3_ilqr_expansion one = {x, x + n, x + n + m, x + n + m + n * n, x + n + m + n * n + m * m, NULL, NULL};
  if (e) one.a = e->a, one.b = e->b;
  for (int i = 0; i < s->count; i++) {
    if (e) memset(x, 0, size * sizeof *x);
    total += s->terms[i].evaluate(s->terms[i].user, step, state, action, e ? &one : NULL);
    if (!e) continue;
    for (size_t j = 0; j < n; j++) e->ls[j] += one.ls[j];
    for (size_t j = 0; j < n * n; j++) e->lss[j] += one.lss[j];
    for (size_t j = 0; j < m && action; j++) e->lu[j] += one.lu[j];
    for (size_t j = 0; j < m * m && action; j++) e->luu[j] += one.luu[j];
    for (size_t j = 0; j < m * n && action; j++) e->lus[j] += one.lus[j];
  }
  return total;
}

static sum *sum_new(const ml3_ilqr_cost *terms, int count, size_t n, size_t m) {
  sum *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  *s = (sum){.count = count, .n = n, .m = m};
  memcpy(s->terms, terms, (size_t)count * sizeof *terms);
  s->scratch = calloc(n + m + n * n + m * m + m * n, sizeof *s->scratch);
  if (s->scratch) return s;
  free(s);
  return NULL;
}

static void *sum_clone(void *user, ml3_error *error) {
  const sum *s = user;
  sum *copy = sum_new(s->terms, s->count, s->n, s->m);
  if (!copy) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a sum of costs");
    return NULL;
  }
  copy->owned = true;
  bool good = true;
  for (int i = 0; i < s->count; i++)
    if (s->terms[i].clone && !(copy->terms[i].user = s->terms[i].clone(s->terms[i].user, error)))
      good = false;
  if (good) return copy;
  sum_free(copy);
  return NULL;
}

ml3_ilqr_cost ml3_ilqr_sum(const ml3_ilqr_cost *terms, int count, int state_dim, int action_dim,
                           ml3_error *error) {
  if (count < 1 || count > TERMS_MAX) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "a sum of %d costs was asked for; 1 to %d are possible", count,
                  TERMS_MAX);
    return (ml3_ilqr_cost){0};
  }
  sum *s = sum_new(terms, count, (size_t)state_dim, (size_t)action_dim);
  if (!s) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a sum of costs");
    return (ml3_ilqr_cost){0};
  }
  return (ml3_ilqr_cost){.evaluate = sum_evaluate, .user = s, .clone = sum_clone, .free = sum_free};
}

/* ---- definiteness ------------------------------------------------------------------------------------------------ */

/* One Jacobi rotation that makes h[p][q] zero; v gathers the rotations in its columns. */
static void rotate(int k, double *h, double *v, int p, int q) {
  const double apq = h[p * k + q];
  if (apq == 0) return;
  const double theta = (h[q * k + q] - h[p * k + p]) / (2 * apq);
  const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
  const double c = 1 / sqrt(t * t + 1), s = t * c;
  for (int i = 0; i < k; i++) {
    const double hp = h[i * k + p], hq = h[i * k + q];
    h[i * k + p] = c * hp - s * hq;
    h[i * k + q] = s * hp + c * hq;
  }
  for (int i = 0; i < k; i++) {
    const double hp = h[p * k + i], hq = h[q * k + i], vp = v[i * k + p], vq = v[i * k + q];
    h[p * k + i] = c * hp - s * hq;
    h[q * k + i] = s * hp + c * hq;
    v[i * k + p] = c * vp - s * vq;
    v[i * k + q] = s * vp + c * vq;
  }
}

static bool is_diagonal(int k, const double *h) {
  double off = 0, on = 0;
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++) *(i == j ? &on : &off) += h[i * k + j] * h[i * k + j];
  return !(off > 1e-28 * on); /* true for what is not a number, too: that is found elsewhere */
}

void ml3_ilqr_make_semidefinite(int k, double *h, double *scratch) {
  enum { SWEEPS = 30 };
  double *d = scratch, *v = scratch + k * k;
  memcpy(d, h, (size_t)(k * k) * sizeof *h);
  for (int i = 0; i < k * k; i++) v[i] = i % (k + 1) == 0;
  for (int sweep = 0; sweep < SWEEPS && !is_diagonal(k, d); sweep++)
    for (int p = 0; p < k; p++)
      for (int q = p + 1; q < k; q++) rotate(k, d, v, p, q);

  double least = 0;
  for (int i = 0; i < k; i++) least = fmin(least, d[i * k + i]);
  if (!(least < 0)) return; /* as it was, to the last bit */
  for (int i = 0; i < k; i++)
    for (int j = 0; j < k; j++) {
      double entry = 0;
      for (int l = 0; l < k; l++) entry += v[i * k + l] * fmax(0, d[l * k + l]) * v[j * k + l];
      h[i * k + j] = entry;
    }
}

/* ---- the environment's reward -------------------------------------------------------------------------------------- */

static const double DIFFERENCE_STEP =
    1e-4; /* relative to 1 + |x|: the error of a second difference is least near it */

enum { REWARD_ENTRIES = 256 };

typedef struct reward {
  ml3_env *env;
  double action_weight;
  int n, m;
  double *x, *at, *step;          /* [k] the point asked for, where differences are taken, their steps; k = n + m */
  double *h, *gradient, *scratch; /* [k][k], [k], [2 k k] */
  double *a, *b;                  /* [n][n], [n][m] where nobody gives them */
} reward;

static void reward_free(void *user) {
  reward *r = user;
  ml3_env_free(r->env);
  free(r->x);
  free(r);
}

/* -reward at x = [state, action]. */
static double reward_at(const reward *r, const double *x) {
  ml3_env_set_state(r->env, x);
  return -ml3_env_step(r->env, x + r->n).reward;
}

/* The value with entries i and j moved. */
static double moved(const reward *r, int i, double hi, int j, double hj) {
  const double xi = r->at[i], xj = r->at[j];
  r->at[i] += hi;
  r->at[j] += hj;
  const double value = reward_at(r, r->at);
  r->at[j] = xj;
  r->at[i] = xi;
  return value;
}

/* Where differences are taken: at x, but with room for a step to both sides of an action, since beyond its bounds it is
   clipped. A step of 0: the entry cannot move. True when that is not x. */
static bool place_differences(const reward *r) {
  bool apart = false;
  for (int i = 0; i < r->n + r->m; i++) {
    r->at[i] = r->x[i];
    r->step[i] = DIFFERENCE_STEP * (1 + fabs(r->x[i]));
    if (i < r->n) continue;
    const ml3_env_field *f = &r->env->spec->action[i - r->n];
    r->step[i] = fmin(r->step[i], (f->high - f->low) / 2);
    r->at[i] = fmin(fmax(r->x[i], f->low + r->step[i]), f->high - r->step[i]);
    apart |= r->at[i] != r->x[i];
  }
  return apart;
}

/* h_ij = (f(+i+j) + f(-i-j) - f(+i) - f(-i) - f(+j) - f(-j) + 2 f) / (2 h_i h_j): of second order, with two values a pair
   instead of four (Abramowitz and Stegun, 25.3.27). The gradient at x is that at the differences' place, moved by h. */
static void difference(const reward *r, double value) {
  const int k = r->n + r->m;
  double *around = r->scratch; /* [k]: f(+i) + f(-i) - 2 f */
  const bool apart = place_differences(r);
  if (apart) value = reward_at(r, r->at);
  for (int i = 0; i < k; i++) {
    const double hi = r->step[i];
    if (!(hi > 0)) {
      around[i] = r->gradient[i] = 0;
      for (int j = 0; j < k; j++) r->h[i * k + j] = r->h[j * k + i] = 0;
      continue;
    }
    const double plus = moved(r, i, hi, i, 0), minus = moved(r, i, -hi, i, 0);
    around[i] = plus - 2 * value + minus;
    r->gradient[i] = (plus - minus) / (2 * hi);
    r->h[i * k + i] = around[i] / (hi * hi);
    for (int j = 0; j < i; j++) {
      const double hj = r->step[j];
      if (!(hj > 0)) continue;
      const double mixed = moved(r, i, hi, j, hj) - 2 * value + moved(r, i, -hi, j, -hj) - around[i] - around[j];
      r->h[i * k + j] = r->h[j * k + i] = mixed / (2 * hi * hj);
    }
  }
  for (int i = 0; i < k && apart; i++)
    for (int j = r->n; j < k; j++) r->gradient[i] += r->h[i * k + j] * (r->x[j] - r->at[j]);
}

/* The joint Hessian h[n + m][n + m] and gradient into an expansion's parts. */
static void scatter(int n, int m, const double *gradient, const double *h, ml3_ilqr_expansion *e) {
  const int k = n + m;
  memcpy(e->ls, gradient, (size_t)n * sizeof *gradient);
  memcpy(e->lu, gradient + n, (size_t)m * sizeof *gradient);
  for (int i = 0; i < n; i++) memcpy(e->lss + i * n, h + i * k, (size_t)n * sizeof *h);
  for (int i = 0; i < m; i++) {
    memcpy(e->lus + i * n, h + (n + i) * k, (size_t)n * sizeof *h);
    memcpy(e->luu + i * m, h + (n + i) * k + n, (size_t)m * sizeof *h);
  }
}

/* The expansion that the environment has; its value. */
static double expand(const reward *r, const double *action, const ml3_ilqr_expansion *e) {
  ml3_env_set_state(r->env, r->x);
  if (!e->a) ml3_env_linearize(r->env, action, r->a, r->b);
  ml3_env_expansion x = {.a = e->a ? e->a : r->a, .b = e->a ? e->b : r->b, .gradient = r->gradient, .hessian = r->h};
  ml3_env_expand(r->env, action, &x);
  return -x.reward;
}

static double reward_evaluate(void *user, int step, const double *state, const double *action,
                              ml3_ilqr_expansion *e) {
  const reward *r = user;
  (void)step;
  if (!action) return 0;
  memcpy(r->x, state, (size_t)r->n * sizeof *state);
  memcpy(r->x + r->n, action, (size_t)r->m * sizeof *action);
  const bool known = e && r->env->spec->expand;
  const double value = known ? expand(r, action, e) : reward_at(r, r->x);
  double energy = 0;
  for (int i = 0; i < r->m; i++) energy += 0.5 * r->action_weight * action[i] * action[i];
  if (e) {
    if (!known) {
      difference(r, value);
      ml3_ilqr_make_semidefinite(r->n + r->m, r->h, r->scratch);
    }
    scatter(r->n, r->m, r->gradient, r->h, e);
    for (int i = 0; i < r->m; i++) {
      e->lu[i] += r->action_weight * action[i];
      e->luu[i * r->m + i] += r->action_weight;
    }
  }
  return value + energy;
}

static reward *reward_new(const ml3_env *env, double action_weight, ml3_error *error) {
  const int n = env->spec->state_dim, m = env->spec->action_dim;
  const size_t k = (size_t)(n + m);
  if (n + m > REWARD_ENTRIES && !env->spec->expand) {
    ml3_error_set(error, ML3_ERR_UNAVAILABLE,
                  "the reward of '%s' cannot be a cost of iLQR: second differences of its %d state and action entries take "
                  "%ld simulator steps a time step; at most %d entries are possible",
                  env->spec->name, n + m, 1L + (n + m) + (long)(n + m) * (n + m), REWARD_ENTRIES);
    return NULL;
  }
  reward *r = calloc(1, sizeof *r);
  if (!r || !(r->x = calloc(4 * k + 4 * k * k, sizeof *r->x))) {
    free(r);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the reward of '%s' as a cost", env->spec->name);
    return NULL;
  }
  r->at = r->x + k;
  r->step = r->at + k;
  r->gradient = r->step + k;
  r->h = r->gradient + k;
  r->scratch = r->h + k * k;
  r->a = r->scratch + 2 * k * k;
  r->b = r->a + n * n;
  r->n = n, r->m = m, r->action_weight = action_weight;
  if (!(r->env = ml3_env_new(env->spec, error))) {
    reward_free(r);
    return NULL;
  }
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_reset(r->env, env->task, &random);
  return r;
}

static void *reward_clone(void *user, ml3_error *error) {
  const reward *r = user;
  return reward_new(r->env, r->action_weight, error);
}

ml3_ilqr_cost ml3_ilqr_reward(const ml3_env *env, double action_weight, ml3_error *error) {
  reward *r = reward_new(env, action_weight, error);
  if (!r) return (ml3_ilqr_cost){0};
  return (ml3_ilqr_cost){.evaluate = reward_evaluate, .user = r, .clone = reward_clone, .free = reward_free};
}
