/* Features without dimension: one row for each entry of the action of a time step. With mean_0 and sigma_0 of the policy that
   drew the action a, of one entry:

     shift      (mean - mean_0) / sigma_0                   0 where the policy is the one that drew, with a gradient
     spread     sqrt(2) (log sigma - log sigma_0)           the same of the deviation
     noise      (a - mean_0) / sigma_0
     advantage  standardised, of the time step (model_free.h)
     score, spread_score   noise A, (noise^2 - 1)/sqrt(2) A: A times the gradient of log pi by shift and by spread
     td, advantage_short, advantage_long   generalised advantages as well, by lambda 0, 0.7 and 1
     return     discounted rewards to go, standardised over the rows
     log_ratio, ratio      log of pi(a|s)/pi_0(a|s), and that: the entry's share, whose sum is the action's
     log_prob   log pi(a|s) of a/half, half the width of the entry's bounds
     time       share of the episode gone
     log_std    log(sigma_0 / half)
     updates    k / (k + 10) of the k updates that the policy has behind it

   and with states, for what a loss can know of one environment:

     mean           mean_0 / half
     reward, reward_change   of the time step, and since the one before, a second
     entry.NAME     1 in the rows of that entry of the action, else 0
     state.NAME     what the policy saw

   1/2 (shift^2 + spread^2) is the Kullback-Leibler divergence of the policy from the one that drew to second order, so that a
   Gauss-Newton step on targets for both is a step in the metric of Fisher's information; with score and spread_score as targets it
   is the natural policy gradient (Kakade 2001). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/advantage.h"
#include "agents/problems/model_free_internal.h"

enum {
  SHIFT,
  SPREAD,
  SCORE,
  SPREAD_SCORE,
  NOISE,
  ADVANTAGE,
  TD,
  ADVANTAGE_SHORT,
  ADVANTAGE_LONG,
  RETURN,
  LOG_RATIO,
  RATIO,
  LOG_PROB,
  TIME,
  LOG_STD,
  UPDATES,
  COLUMNS
};

static const char *const names[COLUMNS] = {[SHIFT] = "shift",
                                           [SPREAD] = "spread",
                                           [SCORE] = "score",
                                           [SPREAD_SCORE] = "spread_score",
                                           [NOISE] = "noise",
                                           [ADVANTAGE] = "advantage",
                                           [TD] = "td",
                                           [ADVANTAGE_SHORT] = "advantage_short",
                                           [ADVANTAGE_LONG] = "advantage_long",
                                           [RETURN] = "return",
                                           [LOG_RATIO] = "log_ratio",
                                           [RATIO] = "ratio",
                                           [LOG_PROB] = "log_prob",
                                           [TIME] = "time",
                                           [LOG_STD] = "log_std",
                                           [UPDATES] = "updates"};

/* Of one environment: these, an entry of the action each, and the policy's inputs. */
enum { MEAN, REWARD, REWARD_CHANGE, STATE_COLUMNS };
static const char *const state_names[STATE_COLUMNS] = {[MEAN] = "mean", [REWARD] = "reward", [REWARD_CHANGE] = "reward_change"};

static int column_count(const model_free *m) {
  return COLUMNS + (with_states(m) ? STATE_COLUMNS + actions(m) + inputs(m) : 0);
}

int ml3_model_free_name_entries(model_free *m, ml3_error *error) {
  const ml3_env_spec *env = m->settings.env;
  const int count = column_count(m);
  m->name_list = calloc((size_t)count, sizeof *m->name_list);
  m->names = calloc((size_t)count, sizeof *m->names);
  if (!m->name_list || !m->names)
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d names of features", count);
  for (int i = 0; i < count; i++) {
    const int k = i - COLUMNS - STATE_COLUMNS, seen = k - actions(m), goal = seen - env->obs_dim;
    if (i < COLUMNS)
      snprintf(m->names[i], NAME, "%s", names[i]);
    else if (k < 0)
      snprintf(m->names[i], NAME, "%s", state_names[i - COLUMNS]);
    else if (seen < 0)
      snprintf(m->names[i], NAME, "entry.%s", env->action[k].name);
    else
      snprintf(m->names[i], NAME, "state.%s", goal < 0 ? env->obs[seen].name : env->goal[goal].name);
    m->name_list[i] = m->names[i];
  }
  m->problem.features = count;
  m->problem.feature_names = m->name_list;
  return ML3_OK;
}

ml3_feature_rows ml3_model_free_rows_of(const char *first, int count) {
  if (strcmp(first, names[0]) != 0) return ML3_ROWS_STEPS;
  return count > COLUMNS ? ML3_ROWS_ENTRIES_STATES : ML3_ROWS_ENTRIES;
}

/* log of half the width of each action entry's bounds: [1, actions]. */
static ml3_node build_log_half(const model_free *m, ml3_nn_graph *g) {
  ml3_node entries[actions(m)];
  for (int i = 0; i < actions(m); i++)
    entries[i] = ml3_nn_constant(g, 1, 1, log(ml3_policy_half_width(&m->settings.policy, i)));
  return ml3_nn_concat_cols(g, entries, actions(m));
}

/* (x - mean) / exp(log_std) */
static ml3_node build_standard(ml3_nn_graph *g, ml3_node x, ml3_node mean, ml3_node log_std) {
  return ml3_nn_mul(g, ml3_nn_sub(g, x, mean), ml3_nn_exp(g, ml3_nn_neg(g, log_std)));
}

/* A number of each time step, for all its entries: [rows, actions]. */
static ml3_node view_step(const model_free *m, ml3_nn_graph *g, int block, ml3_node data) {
  return ml3_nn_broadcast(g, ml3_block_view(g, m->inner[block], data), inner_rows(m), actions(m));
}

/* 1 in the rows of entry k, else 0: [rows, actions]. */
static ml3_node build_entry(const model_free *m, ml3_nn_graph *g, int k) {
  ml3_node entries[actions(m)];
  for (int i = 0; i < actions(m); i++) entries[i] = ml3_nn_constant(g, 1, 1, i == k);
  return ml3_nn_broadcast(g, ml3_nn_concat_cols(g, entries, actions(m)), inner_rows(m), actions(m));
}

/* The columns of one environment, [rows, actions] each. */
static void build_states(const model_free *m, ml3_nn_graph *g, ml3_node data, ml3_node mean_0, ml3_node *to) {
  const ml3_node x = ml3_block_view(g, m->inner[INNER_X], data);
  ml3_node half[actions(m)];
  for (int i = 0; i < actions(m); i++)
    half[i] = ml3_nn_constant(g, 1, 1, 1 / ml3_policy_half_width(&m->settings.policy, i));
  *to++ = ml3_nn_mul(g, mean_0, ml3_nn_broadcast(g, ml3_nn_concat_cols(g, half, actions(m)), inner_rows(m), actions(m)));
  *to++ = view_step(m, g, INNER_REWARD, data);
  *to++ = view_step(m, g, INNER_REWARD_CHANGE, data);
  for (int i = 0; i < actions(m); i++) *to++ = build_entry(m, g, i);
  for (int i = 0; i < inputs(m); i++)
    *to++ = ml3_nn_broadcast(g, ml3_nn_slice_cols(g, x, i, 1), inner_rows(m), actions(m));
}

ml3_node ml3_model_free_build_entries(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                      ml3_node context) {
  const model_free *m = self(p);
  const ml3_block *d = m->inner;
  const double log_sqrt_2pi = 0.91893853320467274178;
  const int rows = inner_rows(m), entries = actions(m);
  (void)context;
  const ml3_node action = ml3_block_view(g, d[INNER_ACTION], data), mean_0 = ml3_block_view(g, d[INNER_MEAN], data),
                 log_std_0 = ml3_block_view(g, d[INNER_LOG_STD], data);
  const ml3_policy_nodes now =
      ml3_policy_build_from_input(g, &m->settings.policy, theta, ml3_block_view(g, d[INNER_X], data));
  const ml3_node noise = build_standard(g, action, mean_0, log_std_0), squared = ml3_nn_square(g, noise);
  const ml3_node wider = ml3_nn_sub(g, now.log_std, log_std_0),
                 log_std = ml3_nn_sub(g, log_std_0, build_log_half(m, g));
  const ml3_node advantage = view_step(m, g, INNER_ADVANTAGE, data);
  const ml3_node off = ml3_nn_square(g, build_standard(g, action, now.mean, now.log_std));
  const ml3_node log_ratio = ml3_nn_sub(g, ml3_nn_scale(g, ml3_nn_sub(g, squared, off), 0.5), wider);
  const ml3_node log_prob_0 =
      ml3_nn_shift(g, ml3_nn_neg(g, ml3_nn_add(g, ml3_nn_scale(g, squared, 0.5), log_std)), -log_sqrt_2pi);
  const ml3_node spread_score = ml3_nn_mul(g, advantage, ml3_nn_scale(g, ml3_nn_shift(g, squared, -1), sqrt(0.5)));
  const ml3_node general[COLUMNS] = {
      [SHIFT] = build_standard(g, now.mean, mean_0, log_std_0),
      [SPREAD] = ml3_nn_scale(g, wider, sqrt(2)),
      [SCORE] = ml3_nn_mul(g, advantage, noise),
      [SPREAD_SCORE] = spread_score,
      [NOISE] = noise,
      [ADVANTAGE] = advantage,
      [TD] = view_step(m, g, INNER_TD, data),
      [ADVANTAGE_SHORT] = view_step(m, g, INNER_SHORT, data),
      [ADVANTAGE_LONG] = view_step(m, g, INNER_LONG, data),
      [RETURN] = view_step(m, g, INNER_RETURN, data),
      [LOG_RATIO] = log_ratio,
      [RATIO] = ml3_nn_exp(g, log_ratio),
      [LOG_PROB] = ml3_nn_add(g, log_ratio, log_prob_0),
      [TIME] = view_step(m, g, INNER_TIME, data),
      [LOG_STD] = log_std,
      [UPDATES] = view_step(m, g, INNER_AGE, data),
  };
  const int count = column_count(m);
  ml3_node all[count];
  memcpy(all, general, sizeof general);
  if (with_states(m)) build_states(m, g, data, mean_0, all + COLUMNS);
  for (int i = 0; i < count; i++) all[i] = ml3_nn_view(g, all[i], 0, rows * entries, 1);
  return ml3_nn_concat_cols(g, all, count);
}

/* An expert's action as shift: (what it would do - mean_0) / sigma_0. */
ml3_node ml3_model_free_build_entry_targets(const ml3_problem *p, ml3_nn_graph *g, ml3_node data) {
  const model_free *m = self(p);
  const ml3_block *d = m->inner;
  const ml3_node advice = ml3_block_view(g, d[INNER_TARGETS], data), mean_0 = ml3_block_view(g, d[INNER_MEAN], data);
  const ml3_node shift = build_standard(g, advice, mean_0, ml3_block_view(g, d[INNER_LOG_STD], data));
  return ml3_nn_view(g, shift, 0, inner_rows(m) * actions(m), 1);
}

static void put_rewards(const model_free *m, const ml3_rollout *r, ml3_real *inner) {
  ml3_real *reward = ml3_block_in(m->inner[INNER_REWARD], inner);
  ml3_real *change = ml3_block_in(m->inner[INNER_REWARD_CHANGE], inner);
  for (int t = 0; t < r->steps; t++)
    for (int i = 0; i < r->envs; i++) {
      const size_t at = (size_t)t * (size_t)r->envs + (size_t)i, before = at - (size_t)r->envs;
      const bool first = t == 0 || r->end[before] != ML3_GOES_ON;
      reward[at] = r->reward[at];
      change[at] = first ? 0 : (ml3_real)((r->reward[at] - r->reward[before]) / m->settings.env->dt_s);
    }
}

void ml3_model_free_put_entries(const model_free *m, const ml3_rollout *r, ml3_real *inner) {
  const ml3_block *d = m->inner;
  const size_t rows = (size_t)r->envs * (size_t)r->steps, numbers = rows * (size_t)r->action_dim;
  ml3_real *mean = ml3_block_in(d[INNER_MEAN], inner), *log_std = ml3_block_in(d[INNER_LOG_STD], inner);
  ml3_real *reward_to_go = ml3_block_in(d[INNER_RETURN], inner), *time = ml3_block_in(d[INNER_TIME], inner);
  for (size_t i = 0; i < numbers; i++) mean[i] = r->mean[i], log_std[i] = r->log_std[i];
  ml3_rewards_to_go(r, r->reward, m->settings.discount, reward_to_go);
  ml3_standardize(reward_to_go, rows);
  if (with_states(m)) put_rewards(m, r, inner);
  for (int i = 0; i < r->envs; i++)
    for (int t = 0, gone = 0; t < r->steps; t++, gone++) {
      const size_t at = (size_t)t * (size_t)r->envs + (size_t)i;
      time[at] = (ml3_real)gone / (ml3_real)m->settings.horizon;
      if (r->end[at] != ML3_GOES_ON) gone = -1;
    }
}

void ml3_model_free_put_age(const ml3_problem *p, int64_t updates, ml3_real *inner) {
  *ml3_block_in(self(p)->inner[INNER_AGE], inner) = (ml3_real)((double)updates / ((double)updates + 10));
}
