/* One table of keys: see config.h. YAML is read as events by libyaml: a reader made from a schema (libcyaml) reports
   errors to a log, without the nearest key or the range, and a user should see both. */
#define _POSIX_C_SOURCE 200809L
#include "cli/config.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "cli/problems.h"

typedef enum key_type { KEY_TEXT, KEY_INT, KEY_REAL, KEY_BOOL, KEY_CHOICE, KEY_LIST, KEY_TEXTS } key_type;

typedef struct key {
  const char *name;
  key_type type;
  size_t offset;
  const char *initial; /* as it would be written */
  double low, high;    /* of numbers, also those in lists; of texts: least length */
  const char *choices; /* "a|b|c" */
  const char *help;
} key;

#define AT(field) offsetof(cli_config, field)
#define ACTIVATIONS "identity|tanh|relu|elu|softplus|sigmoid"

static const key keys[] = {
    {"problem", KEY_TEXT, AT(problem), "model_based", 1, 0, NULL, "what is learned: a kind of `ml3 list`"},
    {"environment", KEY_TEXT, AT(environment), "mountain_car", 1, 0, NULL, "see `ml3 list`"},
    {"seed", KEY_INT, AT(seed), "0", 0, 9e15, NULL, "same seed, same bits"},
    {"threads", KEY_INT, AT(threads), "0", 0, 1024, NULL, "tasks at a time; 0: all cores"},
    {"numerics", KEY_CHOICE, AT(numerics), "skip", 0, 0, "skip|stop|reduce",
     "a task of meta-training whose numbers become NaN or infinite: leave it out, end, or halve its inner step"},
    {"horizon", KEY_INT, AT(horizon), "0", 0, 10000, NULL, "steps of a rollout; 0: the environment's"},
    {"policy.kind", KEY_CHOICE, AT(policy_kind), "deterministic", 0, 0, "deterministic|gaussian|gaussian_state",
     "gaussian: deviations are parameters; gaussian_state: they depend on the state"},
    {"policy.log_std", KEY_REAL, AT(policy_log_std), "-0.5", -5, 2, NULL, "where the logarithm of the deviation starts"},
    {"policy.goal", KEY_BOOL, AT(policy_goal), "false", 0, 0, NULL, "the goal is an input, behind the observation"},
    {"policy.normalize", KEY_BOOL, AT(policy_normalize), "true", 0, 0, NULL,
     "Gaussian policies: inputs to mean 0 and deviation 1, by what initial policies see; with learners: running"},
    {"policy.hidden", KEY_LIST, AT(policy_hidden), "[200]", 1, 4096, NULL, "widths of the hidden layers"},
    {"policy.activation", KEY_CHOICE, AT(policy_activation), "identity", 0, 0, ACTIVATIONS, "of the hidden layers"},
    {"policy.start", KEY_CHOICE, AT(policy_start), "fan_in", 0, 0, "fan_in|xavier", "initial parameters, as loss.start"},
    {"policy.bias", KEY_BOOL, AT(policy_bias), "false", 0, 0, NULL, "biases in every layer"},
    {"policy.squash", KEY_CHOICE, AT(policy_squash), "tanh", 0, 0, "clamp|tanh",
     "how the output is kept within the action's bounds"},
    {"policy.obs_scale", KEY_LIST, AT(policy_obs_scale), "[0.2, 1]", -1e6, 1e6, NULL,
     "one factor an observation; empty: all 1"},
    {"policy.relative", KEY_TEXTS, AT(policy_relative), "[]", 0, 0, NULL,
     "pairs of observations, [x, goal_x]: policies see the first less the second instead of the first"},
    {"policy.output_gain", KEY_REAL, AT(policy_output_gain), "1", 0, 100, NULL,
     "initial parameters of the last layer times this: below 1 policies begin gently"},
    {"method", KEY_CHOICE, AT(method), "learned_loss", 0, 0, "learned_loss|maml|fomaml|meta_sgd|ppo|reinforce|random",
     "what is meta-learned: a loss; a start (MAML, exact or first order); a start and a step size a parameter (Meta-SGD); "
     "or one policy that learns by itself (learner.*)"},
    {"loss.inputs", KEY_TEXTS, AT(loss_inputs), "[]", 0, 0, NULL, "names of the features that it sees; force* means all that begin so; empty: all"},
    {"loss.base", KEY_TEXT, AT(loss_base), "", 0, 0, NULL, "name of a feature that is added to its value; none: \"\""},
    {"loss.targets", KEY_TEXTS, AT(loss_targets), "[]", 0, 0, NULL,
     "names of features, such as actions, that it draws to a value learned from the others, by 1/2 ||a - h||^2; force* means all "
     "that begin so"},
    {"loss.hidden", KEY_LIST, AT(loss_hidden), "[64, 64]", 1, 4096, NULL, "widths of the learned loss's layers"},
    {"loss.activation", KEY_CHOICE, AT(loss_activation), "elu", 0, 0, ACTIVATIONS, "of its hidden layers"},
    {"loss.output", KEY_CHOICE, AT(loss_output), "identity", 0, 0, "identity|softplus", "of its last layer"},
    {"loss.bias", KEY_BOOL, AT(loss_bias), "true", 0, 0, NULL, "biases in every layer"},
    {"loss.start", KEY_CHOICE, AT(loss_start), "fan_in", 0, 0, "fan_in|xavier",
     "initial parameters: uniform within 1/sqrt(inputs of the layer), or Glorot's with biases 0"},
    {"loss.weighting", KEY_CHOICE, AT(loss_weighting), "none", 0, 0, "none|softmax|sigmoid",
     "a second output says how much each row counts: relative to the task's others, or by itself"},
    {"loss.normalize", KEY_CHOICE, AT(loss_normalize), "first", 0, 0, "none|first|running",
     "shift and scale its inputs by what the first tasks show, or by all seen so far"},
    {"loss.products", KEY_CHOICE, AT(loss_products), "exact", 0, 0, "exact|fast",
     "large ones on a matrix unit (AMX): to float32's precision, or to 1.2e-5 in half the time"},
    {"inner.steps", KEY_INT, AT(inner_steps), "5", 1, 1000, NULL, "updates by the learned loss while meta-training"},
    {"inner.passes", KEY_INT, AT(inner_passes), "1", 1, 100, NULL, "steps of descent by the same data that make an update"},
    {"inner.rate", KEY_REAL, AT(inner_rate), "0.1", 1e-12, 1e6, NULL, "their step size, or where a learned one starts"},
    {"inner.learn_rate", KEY_CHOICE, AT(inner_learn_rate), "scalar", 0, 0, "none|scalar|parameter|signed",
     "learn the step size: no, one number, one a parameter of the optimizee, the same of any sign (always so in meta_sgd)"},
    {"inner.momentum", KEY_REAL, AT(inner_momentum), "0", 0, 0.9999, NULL, "of the updates; 0: plain descent"},
    {"inner.learn_start", KEY_BOOL, AT(inner_learn_start), "false", 0, 0, NULL,
     "learn where optimizees start (always so in maml, fomaml, meta_sgd)"},
    {"inner.lifetime", KEY_INT, AT(inner_lifetime), "1", 1, 1e6, NULL,
     "outer steps that a task and its optimizee live, going on from where the last left them; 1: fresh ones each"},
    {"inner.weights", KEY_CHOICE, AT(inner_weights), "all", 0, 0, "last|all|linear|list",
     "which of the losses after 1 .. steps updates count"},
    {"inner.weight_list", KEY_LIST, AT(inner_weight_list), "[]", 0, 1e6, NULL, "a weight for each update, for `list`"},
    {"inner.derivatives", KEY_CHOICE, AT(inner_derivatives), "exact", 0, 0, "exact|first_order|greedy",
     "through the chain of updates: all; none of second order by the parameters (always so in fomaml); each update answers "
     "only for the loss right after it"},
    {"outer.steps", KEY_INT, AT(outer_steps), "6000", 1, 1e9, NULL, "updates of the learned loss"},
    {"outer.tasks", KEY_INT, AT(outer_tasks), "16", 1, 65536, NULL, "tasks an update"},
    {"outer.epochs", KEY_INT, AT(outer_epochs), "1", 1, 1000, NULL,
     "updates by the same data, where problems collect them (model_free)"},
    {"outer.clip", KEY_REAL, AT(outer_clip), "0.2", 1e-6, 10, NULL,
     "model_free, in several epochs: how far a probability's ratio may move from the policy that drew"},
    {"outer.optimizer", KEY_CHOICE, AT(outer_optimizer), "adam", 0, 0, "sgd|momentum|adam|adamw", ""},
    {"outer.rate", KEY_REAL, AT(outer_rate), "1e-3", 0, 1e3, NULL, "its step size"},
    {"outer.schedule", KEY_CHOICE, AT(outer_schedule), "cosine", 0, 0, "constant|linear|cosine",
     "of the step size, to final_rate"},
    {"outer.final_rate", KEY_REAL, AT(outer_final_rate), "0", 0, 1e3, NULL, ""},
    {"outer.warmup", KEY_INT, AT(outer_warmup), "0", 0, 1e9, NULL, "steps of linear warm-up"},
    {"outer.clip_norm", KEY_REAL, AT(outer_clip_norm), "1", 0, 1e9, NULL, "of the mean meta-gradient; 0: none"},
    {"outer.task_clip_norm", KEY_REAL, AT(outer_task_clip_norm), "0.5", 0, 1e9, NULL,
     "of each task's meta-gradient; 0: none"},
    {"outer.task_weight", KEY_REAL, AT(outer_task_weight), "1", 0, 1e6, NULL, "beta: weight of the task loss"},
    {"outer.extra_weight", KEY_REAL, AT(outer_extra_weight), "1.5", 0, 1e6, NULL, "gamma: weight of extra information"},
    {"cost.kind", KEY_CHOICE, AT(cost_kind), "trajectory", 0, 0, "trajectory|final|reach",
     "distance to the goal over the rollout, at its end, or mean distance of places from a step on"},
    {"cost.from_step", KEY_INT, AT(cost_from_step), "15", 0, 10000, NULL, "trajectory, reach: the first state that counts"},
    {"cost.velocity_weight", KEY_REAL, AT(cost_velocity_weight), "0", 0, 1e6, NULL, "reach: of squared velocities there"},
    {"cost.action_weight", KEY_REAL, AT(cost_action_weight), "0", 0, 1e6, NULL, "reach: of squared actions, in half bounds"},
    {"extra.kind", KEY_CHOICE, AT(extra_kind), "exploration_goal", 0, 0,
     "none|exploration_goal|known_parameters|demonstration|physics|energy", "extra information while meta-training"},
    {"extra.goal", KEY_LIST, AT(extra_goal), "[-0.947, -0.0055]", -1e9, 1e9, NULL, "a state to pass by first"},
    {"extra.until_step", KEY_INT, AT(extra_until_step), "15", 1, 10000, NULL, "states before this one are drawn to it"},
    {"extra.points", KEY_INT, AT(extra_points), "50", 1, 100000, NULL, "demonstration, physics: samples of it"},
    {"extra.frequency", KEY_REAL, AT(extra_frequency), "1", 0, 1e6, NULL, "physics: w of y'' = -w^2 y"},
    {"extra.step", KEY_REAL, AT(extra_step), "0.5", 1e-6, 1e6, NULL, "physics: h of its differences"},
    {"model.hidden", KEY_LIST, AT(model_hidden), "[100, 10]", 1, 4096, NULL, "supervised problems: widths of the hidden layers"},
    {"model.activation", KEY_CHOICE, AT(model_activation), "relu", 0, 0, ACTIVATIONS, "of the hidden layers"},
    {"model.bias", KEY_BOOL, AT(model_bias), "true", 0, 0, NULL, "biases in every layer"},
    {"samples.inner", KEY_INT, AT(samples_inner), "100", 1, 100000, NULL, "samples of a task that the model learns from"},
    {"samples.outer", KEY_INT, AT(samples_outer), "0", 0, 100000, NULL,
     "other samples of it, for the task loss and the judgement; 0: the same"},
    {"sine.train_amplitude", KEY_LIST, AT(sine_train_amplitude), "[1, 1]", -1e6, 1e6, NULL, "y = amplitude sin(x - phase): from, to"},
    {"sine.train_phase", KEY_LIST, AT(sine_train_phase), "[3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, ""},
    {"sine.train_x", KEY_LIST, AT(sine_train_x), "[-2, 2]", -1e6, 1e6, NULL, ""},
    {"sine.test_amplitude", KEY_LIST, AT(sine_test_amplitude), "[0.2, 5]", -1e6, 1e6, NULL, ""},
    {"sine.test_phase", KEY_LIST, AT(sine_test_phase), "[-3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, ""},
    {"sine.test_x", KEY_LIST, AT(sine_test_x), "[-5, 5]", -1e6, 1e6, NULL, ""},
    {"sine.validate_on", KEY_CHOICE, AT(sine_validate_on), "test", 0, 0, "train|test",
     "the range that validation tasks are drawn from"},
    {"sine.grid", KEY_BOOL, AT(sine_grid), "true", 0, 0, NULL, "x evenly over its range; else at random"},
    {"shaped_sine.start", KEY_LIST, AT(shaped_start), "[0.1, 0.1]", -1e6, 1e6, NULL, "theta_0 of sin(theta x): from, to"},
    {"shaped_sine.both_signs", KEY_BOOL, AT(shaped_both_signs), "false", 0, 0, NULL, "theta_0 gets a sign by chance"},
    {"shaped_sine.goal", KEY_LIST, AT(shaped_goal), "[-5, 5]", -1e6, 1e6, NULL, "the theta to find: from, to"},
    {"shaped_sine.tolerance", KEY_REAL, AT(shaped_tolerance), "0.5", 0, 1e6, NULL, "success: theta as close to the goal"},
    {"classes.ways", KEY_INT, AT(classes_ways), "2", 2, 1000, NULL, "digits, idx: classes of a task"},
    {"classes.train", KEY_LIST, AT(classes_train), "[0, 1, 2, 3, 4, 5]", 0, 999, NULL, "classes of meta-training tasks"},
    {"classes.validation", KEY_LIST, AT(classes_validation), "[]", 0, 999, NULL, "of validation tasks; empty: those of training"},
    {"classes.test", KEY_LIST, AT(classes_test), "[6, 7, 8, 9]", 0, 999, NULL, "of test tasks"},
    {"idx.images", KEY_TEXT, AT(idx_images), "", 0, 0, NULL, "file in MNIST's format"},
    {"idx.labels", KEY_TEXT, AT(idx_labels), "", 0, 0, NULL, "file in MNIST's format"},
    {"idx.classes", KEY_INT, AT(idx_classes), "10", 2, 256, NULL, "labels are below this"},
    {"idx.pool", KEY_INT, AT(idx_pool), "1", 1, 256, NULL, "blocks of so many pixels each way become one"},
    {"data", KEY_TEXT, AT(data), "", 0, 0, NULL, "table: the CSV file; its first line names the columns"},
    {"table.kind", KEY_CHOICE, AT(table_kind), "regression", 0, 0, "regression|classification", "what is predicted"},
    {"table.inputs", KEY_TEXTS, AT(table_inputs), "[]", 0, 0, NULL, "columns; empty: all but targets and task"},
    {"table.targets", KEY_TEXTS, AT(table_targets), "[]", 0, 0, NULL, "columns to predict; classification: one"},
    {"table.task", KEY_TEXT, AT(table_task), "", 0, 0, NULL, "column that tells tasks apart; none: tasks are random rows"},
    {"table.classes", KEY_INT, AT(table_classes), "0", 0, 1000, NULL, "labels are 0 .. classes - 1; 0: whatever there is"},
    {"table.validation_share", KEY_REAL, AT(table_validation_share), "0.2", 0, 1, NULL, "of the tasks, or rows"},
    {"table.test_share", KEY_REAL, AT(table_test_share), "0.2", 0, 1, NULL, "of the tasks, or rows"},
    {"table.split_seed", KEY_INT, AT(table_split_seed), "0", 0, 9e15, NULL, "which of them"},
    {"dynamics.kind", KEY_CHOICE, AT(dynamics_kind), "analytic", 0, 0, "analytic|ensemble",
     "model_based: the model that rollouts go through; ensemble: learned from transitions"},
    {"dynamics.transitions", KEY_INT, AT(dynamics_transitions), "3000", 10, 1e7, NULL, "number of the first, of random actions"},
    {"dynamics.hold", KEY_INT, AT(dynamics_hold), "5", 1, 10000, NULL, "steps that each of their actions is held for"},
    {"dynamics.every", KEY_INT, AT(dynamics_every), "0", 0, 1e9, NULL,
     "outer steps between rounds of new ones, of the current policies, and of fitting again; 0: never"},
    {"dynamics.tasks", KEY_INT, AT(dynamics_tasks), "8", 1, 65536, NULL, "tasks of a round, each with a rollout before and after every update"},
    {"dynamics.members", KEY_INT, AT(dynamics_members), "3", 1, 32, NULL, "networks of the ensemble"},
    {"dynamics.hidden", KEY_LIST, AT(dynamics_hidden), "[100, 30]", 1, 4096, NULL, "widths of their hidden layers"},
    {"dynamics.second_order", KEY_BOOL, AT(dynamics_second_order), "false", 0, 0, NULL,
     "they predict changes of velocities alone; positions follow from those"},
    {"dynamics.epochs", KEY_INT, AT(dynamics_epochs), "500", 1, 1e6, NULL, "of fitting, at most; it stops when transitions left out are predicted no better"},
    {"dynamics.file", KEY_TEXT, AT(dynamics_file), "", 0, 0, NULL,
     "an ensemble.safetensors to begin with instead; a run's own is taken when the run is opened"},
    {"rollout.fixed", KEY_TEXTS, AT(rollout_fixed), "[]", 0, 0, NULL,
     "task parameters that keep their default values instead of being drawn: [mass, start_x]"},
    {"rollout.starts", KEY_INT, AT(rollout_starts), "1", 1, 4096, NULL, "start states a task"},
    {"rollout.detach_state", KEY_BOOL, AT(rollout_detach_state), "true", 0, 0, NULL,
     "inner step: actions carry the gradient, states are data"},
    {"rollout.near", KEY_REAL, AT(rollout_near), "0.05", 1e-9, 1e9, NULL,
     "model_based: the loss also sees tanh(way to the goal / near), finely near 0"},
    {"extra.demonstrations", KEY_INT, AT(extra_demonstrations), "64", 1, 65536, NULL, "tasks that an expert shows, iLQR or the first of extra.file"},
    {"extra.file", KEY_TEXT, AT(extra_file), "", 0, 0, NULL, "demonstrations: a data set (HDF5) of an expert's episodes; none: iLQR plans them"},
    {"rollout.episodes", KEY_INT, AT(rollout_episodes), "8", 1, 4096, NULL, "model_free: for an update"},
    {"rollout.outer_episodes", KEY_INT, AT(rollout_outer_episodes), "8", 1, 4096, NULL, "model_free: for the task loss after it"},
    {"rollout.reuse", KEY_BOOL, AT(rollout_reuse), "false", 0, 0, NULL,
     "model_free: the episodes of an update are also those for the task loss of the policy that made them"},
    {"rollout.judge_episodes", KEY_INT, AT(rollout_judge_episodes), "4", 1, 4096, NULL, "starts from which a policy is judged"},
    {"rollout.discount", KEY_REAL, AT(rollout_discount), "0.97", 1e-6, 1, NULL, "model_free: of rewards to go"},
    {"rollout.baseline", KEY_CHOICE, AT(rollout_baseline), "linear", 0, 0, "linear|episodes",
     "model_free: what advantages are over: a fit by state and time, or the other episodes at that step"},
    {"rollout.lambda", KEY_REAL, AT(rollout_lambda), "0.95", 0, 1, NULL, "model_free: of generalised advantages by the linear one"},
    {"rollout.credit", KEY_CHOICE, AT(rollout_credit), "advantage", 0, 0, "advantage|reward_to_go",
     "model_free: what the learned loss sees of rewards"},
    {"validation.every", KEY_INT, AT(validation_every), "100", 1, 1e9, NULL, "outer steps"},
    {"validation.tasks", KEY_INT, AT(validation_tasks), "64", 1, 65536, NULL, "held-out tasks that choose the best loss"},
    {"validation.patience", KEY_INT, AT(validation_patience), "0", 0, 1e9, NULL,
     "validations without a new best after which training ends; 0: never"},
    {"validation.steps", KEY_INT, AT(validation_steps), "0", 0, 1000, NULL, "updates in validation; 0: inner.steps"},
    {"validation.select", KEY_CHOICE, AT(validation_select), "success", 0, 0, "loss|success|task_loss|distance",
     "what is best; distance: the median one; task_loss: as judged after the last update (model_free: minus the return)"},
    {"checkpoint.every", KEY_INT, AT(checkpoint_every), "500", 1, 1e9, NULL, "outer steps, or updates of a policy; after a minute at the latest"},
    {"learner.updates", KEY_INT, AT(learner_updates), "100", 1, 1e9, NULL, "of a policy by ppo, reinforce ..."},
    {"learner.envs", KEY_INT, AT(learner_envs), "8", 1, 65536, NULL, "environments side by side"},
    {"learner.steps", KEY_INT, AT(learner_steps), "256", 1, 1000000, NULL, "of each, an update"},
    {"learner.task", KEY_INT, AT(learner_task), "-1", -1, 65535, NULL,
     "-1: a new task every episode; else the number of a held-out one"},
    {"learner.rate", KEY_REAL, AT(learner_rate), "3e-4", 0, 1e3, NULL, "Adam's step size"},
    {"learner.anneal", KEY_BOOL, AT(learner_anneal), "true", 0, 0, NULL, "to 0 at the last update"},
    {"learner.discount", KEY_REAL, AT(learner_discount), "0.99", 1e-6, 1, NULL, "of rewards to go"},
    {"learner.lambda", KEY_REAL, AT(learner_lambda), "0.95", 0, 1, NULL, "ppo: of generalised advantages"},
    {"learner.epochs", KEY_INT, AT(learner_epochs), "10", 1, 1000, NULL, "ppo: passes over a rollout"},
    {"learner.minibatches", KEY_INT, AT(learner_minibatches), "32", 1, 65536, NULL, "ppo: pieces of one"},
    {"learner.clip", KEY_REAL, AT(learner_clip), "0.2", 0, 10, NULL, "ppo: how far a probability's ratio may move"},
    {"learner.entropy_weight", KEY_REAL, AT(learner_entropy), "0", 0, 1e3, NULL, ""},
    {"learner.value_weight", KEY_REAL, AT(learner_value_weight), "0.5", 0, 1e3, NULL, "ppo: of the value net's loss"},
    {"learner.clip_norm", KEY_REAL, AT(learner_clip_norm), "0.5", 0, 1e9, NULL, "of the gradient; 0: none"},
    {"learner.normalize_reward", KEY_BOOL, AT(learner_normalize_reward), "false", 0, 0, NULL,
     "ppo: by the deviation of the discounted return"},
    {"test.tasks", KEY_INT, AT(test_tasks), "100", 1, 65536, NULL, "held-out initial policies and starts"},
    {"test.steps", KEY_LIST, AT(test_steps), "[1, 2, 5]", 1, 1000, NULL, "updates after which methods are judged"},
    {"test.rate", KEY_REAL, AT(test_rate), "0", 0, 1e6, NULL,
     "supervised problems: step size of the task's own loss, besides its best one; 0: inner.rate"},
    {"test.ilqr_restarts", KEY_INT, AT(test_ilqr_restarts), "10", 0, 1000, NULL, "random starts besides zero controls"},
    {"test.reinforce_rate", KEY_REAL, AT(test_reinforce_rate), "0.01", 0, 1e3, NULL, "Adam's step size of REINFORCE in comparisons"},
};

/* What a policy that learns by itself starts from, unless keys after `method` say otherwise. */
static const char *const policy_defaults =
    "policy.kind=gaussian policy.log_std=0 policy.hidden=[64,64] policy.activation=tanh policy.bias=true policy.squash=clamp "
    "policy.obs_scale=[]";

enum { KEYS = sizeof keys / sizeof *keys };
/* ---- values ------------------------------------------------------------------------------------------- */

static int wrong(ml3_error *error, const char *where, const key *k, const char *value, const char *expected) {
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s is '%s'; expected %s", where, k->name, value, expected);
}

static int read_number(const char *where, const key *k, const char *text, bool whole, double *x, ml3_error *error) {
  char *end, expected[96];
  errno = 0;
  *x = strtod(text, &end);
  bool number = end != text && *end == '\0' && isfinite(*x);
  if (number && (!whole || *x == floor(*x)) && *x >= k->low && *x <= k->high) return ML3_OK;
  snprintf(expected, sizeof expected, "%s from %g to %g", whole ? "a whole number" : "a number", k->low, k->high);
  return wrong(error, where, k, text, expected);
}

/* Which of "a|b|c" text is, or -1. */
static int choice_index(const char *choices, const char *text) {
  size_t n = strlen(text);
  int index = 0;
  for (const char *at = choices; at; index++) {
    const char *bar = strchr(at, '|');
    size_t length = bar ? (size_t)(bar - at) : strlen(at);
    if (length == n && strncmp(at, text, n) == 0) return index;
    at = bar ? bar + 1 : NULL;
  }
  return -1;
}

static void choice_name(const char *choices, int index, char *name, size_t size) {
  const char *at = choices;
  for (; index > 0; index--) at = strchr(at, '|') + 1;
  snprintf(name, size, "%.*s", (int)strcspn(at, "|"), at);
}

/* What a YAML file can hold. */
static bool is_utf8(const char *text) {
  json_t *string = json_string(text);
  json_decref(string);
  return string != NULL;
}

/* "key=value key=value" */
static int assign_all(cli_config *c, const char *assignments, ml3_error *error) {
  char text[1024];
  snprintf(text, sizeof text, "%s", assignments ? assignments : "");
  for (char *save = NULL, *item = strtok_r(text, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
    int code = cli_config_set(c, item, error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

/* Another kind of problem brings its own defaults. */
static int assign_problem(cli_config *c, const char *where, const char *name, ml3_error *error) {
  const cli_problem_kind *kind = cli_problem_kind_find(name, error);
  if (!kind) return ml3_error_prefix(error, "%s", where), ML3_ERR_ARGUMENT;
  snprintf(c->problem, sizeof c->problem, "%s", name);
  return assign_all(c, kind->defaults, error);
}

static int assign_scalar(cli_config *c, const char *where, const key *k, const char *text, ml3_error *error) {
  void *field = (char *)c + k->offset;
  double x;
  int code = ML3_OK, choice;
  switch (k->type) {
    case KEY_TEXT:
      if (strlen(text) < k->low || strlen(text) >= CLI_TEXT_MAX || !is_utf8(text))
        return wrong(error, where, k, text, "a text of at most 255 characters, in UTF-8");
      if (k->offset == AT(problem) && strcmp(field, text) != 0) return assign_problem(c, where, text, error);
      strcpy(field, text);
      break;
    case KEY_INT:
      if ((code = read_number(where, k, text, true, &x, error)) == ML3_OK) *(int64_t *)field = (int64_t)x;
      break;
    case KEY_REAL:
      if ((code = read_number(where, k, text, false, &x, error)) == ML3_OK) *(double *)field = x;
      break;
    case KEY_BOOL:
      if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) return wrong(error, where, k, text, "true or false");
      *(bool *)field = text[0] == 't';
      break;
    case KEY_CHOICE:
      choice = choice_index(k->choices, text);
      if (choice < 0) {
        char expected[160];
        snprintf(expected, sizeof expected, "one of %s", k->choices);
        return wrong(error, where, k, text, expected);
      }
      if (k->offset == AT(method) && *(int *)field < METHOD_PPO && choice >= METHOD_PPO) code = assign_all(c, policy_defaults, error);
      *(int *)field = choice;
      break;
    case KEY_LIST:
      return wrong(error, where, k, text, "a list such as [1, 2]");
    case KEY_TEXTS:
      return wrong(error, where, k, text, "a list such as [height, weight]");
  }
  return code;
}

static int append_text(cli_texts *list, const char *where, const key *k, const char *text, ml3_error *error) {
  if (list->count == CLI_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, k->name, CLI_LIST_MAX);
  if (strlen(text) == 0 || strlen(text) >= sizeof *list->values || !is_utf8(text))
    return wrong(error, where, k, text, "names of 1 to 63 characters, in UTF-8");
  strcpy(list->values[list->count++], text);
  return ML3_OK;
}

static bool is_list(const key *k) {
  return k->type == KEY_LIST || k->type == KEY_TEXTS;
}

static void empty_list(cli_config *c, const key *k) {
  void *field = (char *)c + k->offset;
  if (k->type == KEY_TEXTS)
    ((cli_texts *)field)->count = 0;
  else
    ((cli_numbers *)field)->count = 0;
}

static int append(cli_config *c, const char *where, const key *k, const char *text, ml3_error *error) {
  if (k->type == KEY_TEXTS) return append_text((cli_texts *)((char *)c + k->offset), where, k, text, error);
  cli_numbers *list = (cli_numbers *)((char *)c + k->offset);
  double x;
  if (list->count == CLI_LIST_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: %s has more than %d entries", where, k->name, CLI_LIST_MAX);
  bool whole = k->low >= 1; /* widths and steps */
  int code = read_number(where, k, text, whole, &x, error);
  if (code == ML3_OK) list->values[list->count++] = x;
  return code;
}

static const key *find_key(const char *where, const char *name, ml3_error *error) {
  const char *names[KEYS];
  for (int i = 0; i < KEYS; i++) {
    if (strcmp(keys[i].name, name) == 0) return &keys[i];
    names[i] = keys[i].name;
  }
  const char *nearest = ml3_error_nearest(name, names, KEYS);
  const char *last = strrchr(name, '.');
  for (int i = 0; i < KEYS && !nearest; i++) { /* the right word in the wrong section */
    const char *own = strrchr(keys[i].name, '.');
    if (strcmp(own ? own + 1 : keys[i].name, last ? last + 1 : name) == 0) nearest = keys[i].name;
  }
  ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: unknown key '%s'%s%s%s; `ml3 config` lists all keys", where, name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  return NULL;
}
/* ---- reading YAML --------------------------------------------------------------------------------------- */

typedef struct reader {
  yaml_parser_t parser;
  cli_config *config;
  const char *path;
  char where[320];
  ml3_error *error;
} reader;

static int next_event(reader *r, yaml_event_t *event) {
  if (yaml_parser_parse(&r->parser, event)) {
    snprintf(r->where, sizeof r->where, "%.250s:%d", r->path, (int)event->start_mark.line + 1);
    return ML3_OK;
  }
  return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s:%d: not YAML: %s", r->path, (int)r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "unreadable");
}

static int read_list(reader *r, const key *k) {
  empty_list(r->config, k);
  for (;;) {
    yaml_event_t event;
    int code = next_event(r, &event);
    if (code != ML3_OK) return code;
    yaml_event_type_t type = event.type;
    if (type == YAML_SCALAR_EVENT)
      code = append(r->config, r->where, k, (const char *)event.data.scalar.value, r->error);
    else if (type != YAML_SEQUENCE_END_EVENT)
      code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: %s is nested; expected a plain list", r->where,
                           k->name);
    yaml_event_delete(&event);
    if (code != ML3_OK || type == YAML_SEQUENCE_END_EVENT) return code;
  }
}

static int read_mapping(reader *r, const char *prefix, int depth);

/* The value of a key whose full name is `name`; `event` is its first event. */
static int read_value(reader *r, const char *name, const yaml_event_t *event, int depth) {
  if (event->type == YAML_MAPPING_START_EVENT) {
    if (depth >= 4) return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: '%s' is nested too deeply", r->where, name);
    return read_mapping(r, name, depth + 1);
  }
  const key *k = find_key(r->where, name, r->error);
  if (!k) return ML3_ERR_ARGUMENT;
  if (event->type == YAML_SCALAR_EVENT)
    return assign_scalar(r->config, r->where, k, (const char *)event->data.scalar.value, r->error);
  if (event->type == YAML_SEQUENCE_START_EVENT && is_list(k)) return read_list(r, k);
  return wrong(r->error, r->where, k, "a list", "a single value");
}

static int read_mapping(reader *r, const char *prefix, int depth) {
  for (;;) {
    yaml_event_t name, value;
    char full[2 * CLI_TEXT_MAX];
    int code = next_event(r, &name);
    if (code != ML3_OK) return code;
    bool end = name.type == YAML_MAPPING_END_EVENT;
    if (!end && name.type != YAML_SCALAR_EVENT)
      code = ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: expected `key: value`", r->where);
    else if (!end)
      snprintf(full, sizeof full, "%.250s%s%.250s", prefix, *prefix ? "." : "", (const char *)name.data.scalar.value);
    yaml_event_delete(&name);
    if (end || code != ML3_OK) return code;

    if ((code = next_event(r, &value)) != ML3_OK) return code;
    code = read_value(r, full, &value, depth);
    yaml_event_delete(&value);
    if (code != ML3_OK) return code;
  }
}

static int read_document(reader *r) {
  for (;;) {
    yaml_event_t event;
    int code = next_event(r, &event);
    if (code != ML3_OK) return code;
    yaml_event_type_t type = event.type;
    yaml_event_delete(&event);
    if (type == YAML_MAPPING_START_EVENT) return read_mapping(r, "", 0);
    if (type == YAML_STREAM_END_EVENT) return ML3_OK; /* an empty file changes nothing */
    if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT)
      return ml3_error_set(r->error, ML3_ERR_FORMAT, "%s: expected `key: value` lines", r->where);
  }
}

static int read_text(cli_config *config, const char *path, const char *text, size_t size, ml3_error *error) {
  reader r = {.config = config, .path = path, .error = error};
  int code = ML3_ERR_MEMORY;
  if (yaml_parser_initialize(&r.parser)) {
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    code = read_document(&r);
    yaml_parser_delete(&r.parser);
  }
  return code;
}

int cli_config_read(cli_config *config, const char *path, ml3_error *error) {
  size_t size;
  char *text = ml3_file_read(path, 1 << 20, &size, error);
  if (!text) return error ? error->code : ML3_ERR_IO;
  cli_config first = *config, fresh = *config;           /* a bad file changes nothing */
  int code = read_text(&first, path, text, size, error); /* tells the problem, whose defaults come first */
  if (code == ML3_OK && strcmp(first.problem, fresh.problem) != 0)
    code = assign_problem(&fresh, path, first.problem, error);
  if (code == ML3_OK && first.method >= METHOD_PPO && fresh.method < METHOD_PPO) { /* so do those of a method */
    code = assign_all(&fresh, policy_defaults, error);
    fresh.method = first.method;
  }
  if (code == ML3_OK) code = read_text(&fresh, path, text, size, error);
  free(text);
  if (code == ML3_OK) *config = fresh;
  return code;
}

/* ---- setting, printing ------------------------------------------------------------------------------------ */

int cli_config_set(cli_config *config, const char *assignment, ml3_error *error) {
  char text[1024], *value = NULL;
  snprintf(text, sizeof text, "%s", assignment);
  if (strlen(assignment) < sizeof text) value = strchr(text, '=');
  if (!value) return ml3_error_set(error, ML3_ERR_ARGUMENT, "--set %.200s: expected key=value", assignment);
  *value++ = '\0';
  const key *k = find_key("--set", text, error);
  if (!k) return ML3_ERR_ARGUMENT;
  if (!is_list(k)) return assign_scalar(config, "--set", k, value, error);

  cli_config fresh = *config;
  empty_list(&fresh, k);
  const char *separators = k->type == KEY_LIST ? "[], " : "[],"; /* names may have spaces within */
  for (char *save = NULL, *item = strtok_r(value, separators, &save); item;
       item = strtok_r(NULL, separators, &save)) {
    int code = append(&fresh, "--set", k, item + strspn(item, " "), error);
    if (code != ML3_OK) return code;
  }
  *config = fresh;
  return ML3_OK;
}

void cli_config_defaults(cli_config *config) {
  *config = (cli_config){.problem = "model_based"};
  for (int i = 0; i < KEYS; i++) {
    char assignment[512];
    snprintf(assignment, sizeof assignment, "%s=%s", keys[i].name, keys[i].initial);
    cli_config_set(config, assignment, NULL);
  }
}

/* As a double-quoted text of YAML. Line breaks and what YAML forbids are escaped: C0 and C1 controls, U+2028, U+2029,
   U+FEFF, U+FFFE and U+FFFF. */
static void print_text(const char *text, const char *before, FILE *out) {
  fprintf(out, "%s\"", before);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    const bool three = c[1] && c[2];
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f)
      fprintf(out, "\\x%02X", *c);
    else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
      fprintf(out, "\\x%02X", *++c);
    else if (three && ((*c == 0xe2 && c[1] == 0x80 && (c[2] & 0xfe) == 0xa8) || (*c == 0xef && c[1] == 0xbb && c[2] == 0xbf) ||
                       (*c == 0xef && c[1] == 0xbf && c[2] >= 0xbe)))
      fprintf(out, "\\u%04X", (*c & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu)), c += 2;
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

static void print_value(const cli_config *c, const key *k, FILE *out) {
  const void *field = (const char *)c + k->offset;
  const cli_numbers *list = field;
  const cli_texts *texts = field;
  char name[64];
  switch (k->type) {
    case KEY_TEXT:
      print_text(field, "", out);
      break;
    case KEY_INT:
      fprintf(out, "%lld", (long long)*(const int64_t *)field);
      break;
    case KEY_REAL:
      fprintf(out, "%.12g", *(const double *)field);
      break;
    case KEY_BOOL:
      fputs(*(const bool *)field ? "true" : "false", out);
      break;
    case KEY_CHOICE:
      choice_name(k->choices, *(const int *)field, name, sizeof name);
      fputs(name, out);
      break;
    case KEY_LIST:
      fputc('[', out);
      for (int i = 0; i < list->count; i++) fprintf(out, "%s%.12g", i ? ", " : "", list->values[i]);
      fputc(']', out);
      break;
    case KEY_TEXTS:
      fputc('[', out);
      for (int i = 0; i < texts->count; i++) print_text(texts->values[i], i ? ", " : "", out);
      fputc(']', out);
      break;
  }
}

void cli_config_print(const cli_config *config, FILE *out, bool help) {
  char section[64] = "";
  for (int i = 0; i < KEYS; i++) {
    const key *k = &keys[i];
    const char *dot = strchr(k->name, '.');
    if (dot && strncmp(section, k->name, (size_t)(dot - k->name + 1)) != 0) {
      snprintf(section, sizeof section, "%.*s", (int)(dot - k->name + 1), k->name);
      fprintf(out, "%.*s:\n", (int)(dot - k->name), k->name);
    }
    fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : k->name);
    print_value(config, k, out);
    if (help && (*k->help || k->choices))
      fprintf(out, "  # %s%s%s", k->help, *k->help && k->choices ? ": " : "", k->choices ? k->choices : "");
    fputc('\n', out);
  }
}

char *cli_config_text(const cli_config *config) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  cli_config_print(config, out, false);
  fclose(out);
  return text;
}

int cli_config_write(const cli_config *config, const char *path, ml3_error *error) {
  ml3_file file;
  int code = ml3_file_create(&file, path, error);
  if (code != ML3_OK) return code;
  cli_config_print(config, file.stream, false);
  return ml3_file_commit(&file, error);
}

bool cli_config_key(int i, cli_key_texts *texts) {
  if (i < 0 || i >= KEYS) return false;
  const key *k = &keys[i];
  *texts = (cli_key_texts){k->name, k->type == KEY_BOOL ? "true|false" : k->choices, k->help};
  return true;
}
