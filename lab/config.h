/* The complete configuration of a run, and the one table from which defaults, YAML reading and writing, --set, range
   checks, suggestions and `ml3 config` all come. */
#ifndef ML3_LAB_CONFIG_H
#define ML3_LAB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* The choices of `method`, in order. From PPO on a policy learns by itself. */
enum { METHOD_LEARNED_LOSS, METHOD_MAML, METHOD_FOMAML, METHOD_META_SGD, METHOD_PPO, METHOD_REINFORCE, METHOD_RANDOM };

enum { ML3_LAB_LIST_MAX = 64, ML3_LAB_TEXT_MAX = 256, ML3_LAB_KEYS_MAX = 256 };

typedef struct ml3_lab_numbers {
  int count;
  double values[ML3_LAB_LIST_MAX];
} ml3_lab_numbers;

typedef struct ml3_lab_texts {
  int count;
  char values[ML3_LAB_LIST_MAX][64];
} ml3_lab_texts;

/* extra.expert, in the order of its choices. */
enum { ML3_LAB_EXPERT_ILQR, ML3_LAB_EXPERT_PPO };

/* extra.kind, in the order of its choices. */
enum {
  ML3_LAB_EXTRA_NONE,
  ML3_LAB_EXTRA_EXPLORATION_GOAL,
  ML3_LAB_EXTRA_KNOWN_PARAMETERS,
  ML3_LAB_EXTRA_DEMONSTRATION,
  ML3_LAB_EXTRA_PHYSICS,
  ML3_LAB_EXTRA_ENERGY,
  ML3_LAB_EXTRA_ADVICE
};

typedef struct ml3_lab_config {
  char problem[ML3_LAB_TEXT_MAX];
  char environment[ML3_LAB_TEXT_MAX];
  int64_t seed, threads, horizon;

  ml3_lab_numbers policy_hidden, policy_obs_scale;
  ml3_lab_texts policy_relative;
  int policy_activation, policy_squash;
  int policy_kind, policy_start;
  double policy_log_std, policy_output_gain;
  bool policy_bias, policy_goal, policy_normalize;

  int method;
  ml3_lab_numbers loss_hidden;
  char loss_base[ML3_LAB_TEXT_MAX];
  ml3_lab_texts loss_inputs, loss_targets;
  int loss_activation, loss_output, loss_start, loss_weighting;
  bool loss_bias;
  int loss_normalize, loss_products;

  int64_t inner_steps, inner_passes, inner_lifetime;
  double inner_rate, inner_momentum;
  int64_t inner_newton;
  int inner_learn_rate, inner_weights, inner_derivatives;
  ml3_lab_numbers inner_weight_list;
  bool inner_learn_start;

  int64_t outer_steps, outer_tasks, outer_epochs, outer_warmup;
  int outer_optimizer, outer_schedule;
  double outer_rate, outer_final_rate, outer_clip_norm, outer_task_clip_norm;
  int numerics;
  double outer_task_weight, outer_extra_weight, outer_target_weight;

  int cost_kind, extra_kind, extra_expert;
  int64_t cost_from_step, extra_until_step, extra_demonstrations, extra_expert_updates, extra_guided;
  ml3_lab_numbers extra_goal;
  double extra_expert_log_std;
  char extra_file[ML3_LAB_TEXT_MAX];
  double cost_velocity_weight, cost_action_weight;

  int dynamics_kind;
  int64_t dynamics_transitions, dynamics_hold, dynamics_every, dynamics_tasks, dynamics_members, dynamics_epochs;
  ml3_lab_numbers dynamics_hidden;
  bool dynamics_second_order;
  char dynamics_file[ML3_LAB_TEXT_MAX];

  ml3_lab_texts rollout_fixed;
  int64_t rollout_starts;
  bool rollout_detach_state, rollout_reuse;
  int64_t rollout_episodes, rollout_outer_episodes, rollout_judge_episodes;
  double rollout_near;
  double outer_clip, rollout_discount, rollout_lambda;
  int rollout_credit, rollout_baseline;

  int64_t extra_points;
  double extra_frequency, extra_step;

  ml3_lab_numbers model_hidden;
  int model_activation;
  bool model_bias;
  int64_t samples_inner, samples_outer;

  ml3_lab_numbers sine_train_amplitude, sine_train_phase, sine_train_x;
  ml3_lab_numbers sine_test_amplitude, sine_test_phase, sine_test_x;
  int sine_validate_on;
  bool sine_grid;
  ml3_lab_numbers shaped_start, shaped_goal;
  bool shaped_both_signs;
  double shaped_tolerance;

  int64_t classes_ways;
  ml3_lab_numbers classes_train, classes_validation, classes_test;
  char idx_images[ML3_LAB_TEXT_MAX], idx_labels[ML3_LAB_TEXT_MAX];
  int64_t idx_classes, idx_pool;

  char data[ML3_LAB_TEXT_MAX], table_task[ML3_LAB_TEXT_MAX];
  int table_kind;
  ml3_lab_texts table_inputs, table_targets;
  int64_t table_classes, table_split_seed;
  double table_validation_share, table_test_share;

  int64_t validation_every, validation_tasks, validation_steps, validation_patience;
  int validation_select;
  int64_t checkpoint_every;

  int64_t learner_updates, learner_envs, learner_steps, learner_task, learner_epochs, learner_minibatches;
  double learner_rate, learner_discount, learner_lambda, learner_clip, learner_entropy, learner_value_weight,
      learner_clip_norm;
  bool learner_anneal, learner_normalize_reward;

  int64_t test_tasks, test_ilqr_restarts;
  double test_reinforce_rate;
  ml3_lab_numbers test_steps;
  double test_rate;

  /* Not keys. */
  unsigned char given[ML3_LAB_KEYS_MAX]; /* by key: in which layer it was given; 0: it has its default */
  int layer;                             /* number of the last one: a file, or the options of a command line */
  bool whole;                            /* a file gave most of the keys in force: it lacks no environment's defaults */
  bool from_checkpoint;                  /* what a problem fits or plans when it is made will come from a checkpoint */
  char environment_run[1024];            /* the run (or folder of seeds) that keeps the environment; "": none does */
  char environment_copy
      [1024]; /* its copy of the environment's FILE.xml, which is used in place of that; "": there is none */
  const struct ml3_lab_callbacks *callbacks; /* for what is to be said while a problem is made; NULL: nothing is */
  const struct ml3_ranks *ranks;             /* that share out what is fitted; NULL: there is one */
  int cores;                                 /* of this process, where `threads` is 0; 0: all */
} ml3_lab_config;

void ml3_lab_config_defaults(ml3_lab_config *config);

/* Reads a YAML file over what config holds. What nothing has given takes the defaults of the problem, the method and the
   environment, wherever in the file these stand. An unknown key, a wrong type, a value out of range and a key of another
   kind of problem are errors that name the file, the key, what was found and what is possible; a file with most of the keys
   in force, as runs have and older ones with every key, may hold keys that are not. */
int ml3_lab_config_read(ml3_lab_config *config, const char *path, ml3_error *error);

/* Settings "key=value" in one layer, in any order; a key of another kind of problem is an error. */
int ml3_lab_config_set_all(ml3_lab_config *config, const char *const *assignments, int count, ml3_error *error);
int ml3_lab_config_set(ml3_lab_config *config, const char *assignment, ml3_error *error); /* one, as a layer */

/* Number i of the keys that the last layer has given and that have no effect, as "loss.hidden, with method 'maml'", into
   text[size]; false behind the last. */
bool ml3_lab_config_idle(const ml3_lab_config *config, int i, char *text, size_t size);

/* The keys in force with their values, as YAML that ml3_lab_config_read takes; with comments when `help`. */
void ml3_lab_config_print(const ml3_lab_config *config, FILE *out, bool help);
char *ml3_lab_config_text(const ml3_lab_config *config); /* the same, without help, to be freed; NULL without memory */
int ml3_lab_config_write(const ml3_lab_config *config, const char *path, ml3_error *error);

/* What is to be known of key number i; false behind the last. choices: "a|b|c", or NULL. */
typedef struct ml3_lab_key_texts {
  const char *name, *choices, *help;
} ml3_lab_key_texts;
bool ml3_lab_config_key(int i, ml3_lab_key_texts *texts);

#endif
