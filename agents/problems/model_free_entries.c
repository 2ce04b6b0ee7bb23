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

int ml3_model_free_name_entries(model_free *m, ml3_error *error) {
  m->name_list = calloc(COLUMNS, sizeof *m->name_list);
  if (!m->name_list) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for %d names of features", COLUMNS);
  for (int i = 0; i < COLUMNS; i++) m->name_list[i] = names[i];
  m->problem.features = COLUMNS;
  m->problem.feature_names = m->name_list;
  return ML3_OK;
}

bool ml3_model_free_are_entries(const char *first) {
  return strcmp(first, names[0]) == 0;
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
  ml3_node all[COLUMNS] = {
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
  for (int i = 0; i < COLUMNS; i++) all[i] = ml3_nn_view(g, all[i], 0, rows * entries, 1);
  return ml3_nn_concat_cols(g, all, COLUMNS);
}

void ml3_model_free_put_entries(const model_free *m, const ml3_rollout *r, ml3_real *inner) {
  const ml3_block *d = m->inner;
  const size_t rows = (size_t)r->envs * (size_t)r->steps, numbers = rows * (size_t)r->action_dim;
  ml3_real *mean = ml3_block_in(d[INNER_MEAN], inner), *log_std = ml3_block_in(d[INNER_LOG_STD], inner);
  ml3_real *reward_to_go = ml3_block_in(d[INNER_RETURN], inner), *time = ml3_block_in(d[INNER_TIME], inner);
  for (size_t i = 0; i < numbers; i++) mean[i] = r->mean[i], log_std[i] = r->log_std[i];
  ml3_rewards_to_go(r, r->reward, m->settings.discount, reward_to_go);
  ml3_standardize(reward_to_go, rows);
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
