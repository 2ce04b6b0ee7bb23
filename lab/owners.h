/* Settings of owners, for a while: each moves beside its owner's code. */
#ifndef ML3_LAB_OWNERS_H
#define ML3_LAB_OWNERS_H

#include "base/keys.h"

typedef struct ml3_policy_options {
  ml3_key_numbers hidden, obs_scale;
  ml3_key_names relative;
  int activation, squash, kind, start;
  double log_std, output_gain;
  bool bias, goal, normalize;
} ml3_policy_options;

typedef struct ml3_loss_options {
  ml3_key_numbers hidden;
  char base[ML3_KEY_TEXT_MAX];
  ml3_key_names inputs, targets;
  int activation, output, start, weighting, normalize, products;
  bool bias;
} ml3_loss_options;

typedef struct ml3_inner_options {
  int64_t steps, passes, lifetime, newton;
  double rate, momentum;
  int learn_rate, weights, derivatives;
  ml3_key_numbers weight_list;
  bool learn_start;
} ml3_inner_options;

typedef struct ml3_outer_options {
  int64_t steps, tasks, epochs, warmup;
  int optimizer, schedule;
  double rate, final_rate, clip_norm, task_clip_norm, task_weight, extra_weight;
} ml3_outer_options;

typedef struct ml3_extra_options {
  int kind, expert;
  ml3_key_numbers goal;
  int64_t until_step, demonstrations, expert_updates, guided;
  double expert_log_std;
  char file[ML3_KEY_TEXT_MAX];
} ml3_extra_options;

typedef struct ml3_model_based_options {
  int cost_kind;
  int64_t cost_from_step, starts;
  double cost_velocity_weight, cost_action_weight, near;
  bool detach_state;
} ml3_model_based_options;

typedef struct ml3_dynamics_options {
  int kind;
  int64_t transitions, hold, every, tasks, members, epochs;
  ml3_key_numbers hidden;
  bool second_order;
  char file[ML3_KEY_TEXT_MAX];
} ml3_dynamics_options;

typedef struct ml3_rollout_options {
  ml3_key_names fixed;
  int64_t episodes;
} ml3_rollout_options;

typedef struct ml3_model_free_options {
  int64_t outer_episodes, judge_episodes;
  bool reuse;
  double discount, lambda, clip, target_weight;
  int credit, baseline;
} ml3_model_free_options;

typedef struct ml3_supervised_options {
  ml3_key_numbers model_hidden;
  int model_activation;
  bool model_bias;
  int64_t samples_inner, samples_outer, extra_points;
  double extra_frequency, extra_step;
} ml3_supervised_options;

typedef struct ml3_sine_options {
  ml3_key_numbers train_amplitude, train_phase, train_x, test_amplitude, test_phase, test_x;
  int validate_on;
  bool grid;
} ml3_sine_options;

typedef struct ml3_shaped_sine_options {
  ml3_key_numbers start, goal;
  bool both_signs;
  double tolerance;
} ml3_shaped_sine_options;

typedef struct ml3_classes_options {
  int64_t ways;
  ml3_key_numbers train, validation, test;
} ml3_classes_options;

typedef struct ml3_idx_options {
  char images[ML3_KEY_TEXT_MAX], labels[ML3_KEY_TEXT_MAX];
  int64_t classes, pool;
} ml3_idx_options;

typedef struct ml3_table_options {
  char task[ML3_KEY_TEXT_MAX], data[ML3_KEY_TEXT_MAX];
  int kind;
  ml3_key_names inputs, targets;
  int64_t classes, split_seed;
  double validation_share, test_share;
} ml3_table_options;

typedef struct ml3_validation_options {
  int64_t every, tasks, steps, patience;
  int select;
} ml3_validation_options;

typedef struct ml3_learner_options {
  int64_t updates, envs, steps, task, epochs, minibatches;
  double rate, discount, lambda, clip, entropy, value_weight, clip_norm;
  bool anneal, normalize_reward;
} ml3_learner_options;

typedef struct ml3_test_options {
  int64_t tasks;
  ml3_key_numbers steps;
} ml3_test_options;

typedef struct ml3_meta_test_options {
  double rate;
} ml3_meta_test_options;

typedef struct ml3_compare_options {
  int64_t ilqr_restarts;
  double reinforce_rate;
} ml3_compare_options;

#endif
