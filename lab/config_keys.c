/* The keys of a configuration: the one table behind defaults, reading, writing, checks, suggestions and help. Keys of a
   section stand together, for each section is written once. Behind it: which problems and methods they belong to. */
#include <stddef.h>
#include <string.h>

#include "lab/config_internal.h"

#define AT(field)   offsetof(ml3_lab_config, field)
#define ACTIVATIONS "identity|tanh|relu|elu|softplus|sigmoid"

static const config_key keys[] = {
    {"problem", KEY_TEXT, AT(problem), "model_based", 1, 0, NULL, "what is learned: a kind of `ml3 list`"},
    {"environment", KEY_TEXT, AT(environment), "mountain_car", 1, 0, NULL, "see `ml3 list`"},
    {"seed", KEY_INT, AT(seed), "0", 0, 9e15, NULL, "same seed, same bits, by one build, MuJoCo and instruction set"},
    {"threads", KEY_INT, AT(threads), "0", 0, 1024, NULL, "tasks at a time; 0: all cores, or OMP_NUM_THREADS"},
    {"numerics", KEY_CHOICE, AT(numerics), "skip", 0, 0, "skip|stop|reduce",
     "a task of meta-training whose numbers become NaN or infinite: leave it out, end, or halve its inner step"},
    {"horizon", KEY_INT, AT(horizon), "0", 0, 10000, NULL, "steps of a rollout; 0: the environment's"},
    {"policy.kind", KEY_CHOICE, AT(policy.kind), "deterministic", 0, 0, "deterministic|gaussian|gaussian_state",
     "gaussian: deviations are parameters; gaussian_state: they depend on the state"},
    {"policy.log_std", KEY_REAL, AT(policy.log_std), "-0.5", -5, 2, NULL,
     "where the logarithm of the deviation starts"},
    {"policy.goal", KEY_BOOL, AT(policy.goal), "false", 0, 0, NULL, "the goal is an input, behind the observation"},
    {"policy.normalize", KEY_BOOL, AT(policy.normalize), "true", 0, 0, NULL,
     "Gaussian policies: inputs to mean 0 and deviation 1, by what initial policies see; with learners: running"},
    {"policy.hidden", KEY_LIST, AT(policy.hidden), "[64, 64]", 1, 4096, NULL, "widths of the hidden layers"},
    {"policy.activation", KEY_CHOICE, AT(policy.activation), "tanh", 0, 0, ACTIVATIONS, "of the hidden layers"},
    {"policy.start", KEY_CHOICE, AT(policy.start), "fan_in", 0, 0, "fan_in|xavier",
     "initial parameters, as loss.start"},
    {"policy.bias", KEY_BOOL, AT(policy.bias), "true", 0, 0, NULL, "biases in every layer"},
    {"policy.squash", KEY_CHOICE, AT(policy.squash), "tanh", 0, 0, "clamp|tanh",
     "how the output is kept within the action's bounds"},
    {"policy.obs_scale", KEY_LIST, AT(policy.obs_scale), "[]", -1e6, 1e6, NULL,
     "one factor an observation; empty: all 1"},
    {"policy.relative", KEY_TEXTS, AT(policy.relative), "[]", 0, 0, NULL,
     "pairs of observations, [x, goal_x]: policies see the first less the second instead of the first"},
    {"policy.output_gain", KEY_REAL, AT(policy.output_gain), "1", 0, 100, NULL,
     "initial parameters of the last layer times this: below 1 policies begin gently"},
    {"method", KEY_CHOICE, AT(method), "learned_loss", 0, 0, "learned_loss|maml|fomaml|meta_sgd|ppo|reinforce|random",
     "what is meta-learned: a loss; a start (MAML, exact or first order); a start and a step size a parameter "
     "(Meta-SGD); "
     "or one policy that learns by itself (learner.*)"},
    {"loss.inputs", KEY_TEXTS, AT(loss.inputs), "[]", 0, 0, NULL,
     "names of the features that it sees; force* means all that begin so; empty: all"},
    {"loss.base", KEY_TEXT, AT(loss.base), "", 0, 0, NULL, "name of a feature that is added to its value; none: \"\""},
    {"loss.targets", KEY_TEXTS, AT(loss.targets), "[]", 0, 0, NULL,
     "names of features, such as actions, that it draws to a value learned from the others, by 1/2 ||a - h||^2; force* "
     "means all "
     "that begin so"},
    {"loss.hidden", KEY_LIST, AT(loss.hidden), "[64, 64]", 1, 4096, NULL, "widths of the learned loss's layers"},
    {"loss.activation", KEY_CHOICE, AT(loss.activation), "elu", 0, 0, ACTIVATIONS, "of its hidden layers"},
    {"loss.output", KEY_CHOICE, AT(loss.output), "identity", 0, 0, "identity|softplus", "of its last layer"},
    {"loss.bias", KEY_BOOL, AT(loss.bias), "true", 0, 0, NULL, "biases in every layer"},
    {"loss.start", KEY_CHOICE, AT(loss.start), "fan_in", 0, 0, "fan_in|xavier",
     "initial parameters: uniform within 1/sqrt(inputs of the layer), or Glorot's with biases 0"},
    {"loss.weighting", KEY_CHOICE, AT(loss.weighting), "none", 0, 0, "none|softmax|sigmoid",
     "a second output says how much each row counts: relative to the task's others, or by itself"},
    {"loss.normalize", KEY_CHOICE, AT(loss.normalize), "first", 0, 0, "none|first|running",
     "shift and scale its inputs by what the first tasks show, or by all seen so far"},
    {"loss.products", KEY_CHOICE, AT(loss.products), "exact", 0, 0, "exact|fast",
     "large ones on a matrix unit (AMX): to float32's precision, or to 1.2e-5 in half the time"},
    {"inner.steps", KEY_INT, AT(inner.steps), "5", 1, 1000, NULL, "updates by the learned loss while meta-training"},
    {"inner.passes", KEY_INT, AT(inner.passes), "1", 1, 100, NULL,
     "steps of descent by the same data that make an update"},
    {"inner.rate", KEY_REAL, AT(inner.rate), "0.1", 1e-12, 1e6, NULL, "their step size, or where a learned one starts"},
    {"inner.learn_rate", KEY_CHOICE, AT(inner.learn_rate), "scalar", 0, 0, "none|scalar|parameter|signed",
     "learn the step size: no, one number, one a parameter of the optimizee, the same of any sign (always so in "
     "meta_sgd)"},
    {"inner.newton", KEY_INT, AT(inner.newton), "0", 0, 32, NULL,
     "with loss.targets: updates are Gauss-Newton steps by so many iterations of conjugate gradients, inner.rate being "
     "relative to those, whatever the optimizee's depth; 0: plain descent"},
    {"inner.momentum", KEY_REAL, AT(inner.momentum), "0", 0, 0.9999, NULL, "of the updates; 0: plain descent"},
    {"inner.learn_start", KEY_BOOL, AT(inner.learn_start), "false", 0, 0, NULL,
     "learn where optimizees start (always so in maml, fomaml, meta_sgd)"},
    {"inner.lifetime", KEY_INT, AT(inner.lifetime), "1", 1, 1e6, NULL,
     "outer steps that a task and its optimizee live, going on from where the last left them; 1: fresh ones each"},
    {"inner.weights", KEY_CHOICE, AT(inner.weights), "all", 0, 0, "last|all|linear|list",
     "which of the losses after 1 .. steps updates count"},
    {"inner.weight_list", KEY_LIST, AT(inner.weight_list), "[]", 0, 1e6, NULL, "a weight for each update, for `list`"},
    {"inner.derivatives", KEY_CHOICE, AT(inner.derivatives), "exact", 0, 0, "exact|first_order|greedy",
     "through the chain of updates: all; none of second order by the parameters (always so in fomaml); each update "
     "answers "
     "only for the loss right after it"},
    {"outer.steps", KEY_INT, AT(outer.steps), "6000", 1, 1e9, NULL, "updates of the learned loss"},
    {"outer.tasks", KEY_INT, AT(outer.tasks), "16", 1, 65536, NULL, "tasks an update"},
    {"outer.epochs", KEY_INT, AT(outer.epochs), "1", 1, 1000, NULL,
     "updates by the same data, where problems collect them (model_free)"},
    {"outer.clip", KEY_REAL, AT(model_free.clip), "0.2", 1e-6, 10, NULL,
     "model_free, in several epochs: how far a probability's ratio may move from the policy that drew"},
    {"outer.optimizer", KEY_CHOICE, AT(outer.optimizer), "adam", 0, 0, "sgd|momentum|adam|adamw", ""},
    {"outer.rate", KEY_REAL, AT(outer.rate), "1e-3", 0, 1e3, NULL, "its step size"},
    {"outer.schedule", KEY_CHOICE, AT(outer.schedule), "cosine", 0, 0, "constant|linear|cosine",
     "of the step size, to final_rate"},
    {"outer.final_rate", KEY_REAL, AT(outer.final_rate), "0", 0, 1e3, NULL, ""},
    {"outer.warmup", KEY_INT, AT(outer.warmup), "0", 0, 1e9, NULL, "steps of linear warm-up"},
    {"outer.clip_norm", KEY_REAL, AT(outer.clip_norm), "1", 0, 1e9, NULL, "of the mean meta-gradient; 0: none"},
    {"outer.task_clip_norm", KEY_REAL, AT(outer.task_clip_norm), "0.5", 0, 1e9, NULL,
     "of each task's meta-gradient; 0: none"},
    {"outer.task_weight", KEY_REAL, AT(outer.task_weight), "1", 0, 1e6, NULL, "beta: weight of the task loss"},
    {"outer.extra_weight", KEY_REAL, AT(outer.extra_weight), "1.5", 0, 1e6, NULL, "gamma: weight of extra information"},
    {"outer.target_weight", KEY_REAL, AT(model_free.target_weight), "0", 0, 1e6, NULL,
     "of how far loss.targets are off an expert's advice, in all states of an update"},
    {"cost.kind", KEY_CHOICE, AT(model_based.cost_kind), "trajectory", 0, 0, "trajectory|final|reach",
     "distance to the goal over the rollout, at its end, or mean distance of places from a step on"},
    {"cost.from_step", KEY_INT, AT(model_based.cost_from_step), "0", 0, 10000, NULL,
     "trajectory, reach: the first state that counts"},
    {"cost.velocity_weight", KEY_REAL, AT(model_based.cost_velocity_weight), "0", 0, 1e6, NULL,
     "reach: of squared velocities there"},
    {"cost.action_weight", KEY_REAL, AT(model_based.cost_action_weight), "0", 0, 1e6, NULL,
     "reach: of squared actions, in half bounds"},
    {"extra.kind", KEY_CHOICE, AT(extra.kind), "none", 0, 0,
     "none|exploration_goal|known_parameters|demonstration|physics|energy|advice",
     "extra information while meta-training"},
    {"extra.goal", KEY_LIST, AT(extra.goal), "[]", -1e9, 1e9, NULL, "a state to pass by first"},
    {"extra.until_step", KEY_INT, AT(extra.until_step), "15", 1, 10000, NULL, "states before this one are drawn to it"},
    {"extra.demonstrations", KEY_INT, AT(extra.demonstrations), "64", 1, 65536, NULL,
     "demonstration: tasks that an expert shows, or the first of extra.file"},
    {"extra.expert", KEY_CHOICE, AT(extra.expert), "ilqr", 0, 0, "ilqr|ppo",
     "who shows or advises: plans for each task, or one policy that learns all of them at once, by learner.*"},
    {"extra.expert_updates", KEY_INT, AT(extra.expert_updates), "500", 1, 1e9, NULL, "of that policy"},
    {"extra.expert_log_std", KEY_REAL, AT(extra.expert_log_std), "-1", -10, 5, NULL,
     "where its log-std starts: 0 wanders more, and then knows more of what is off its path; -1 shows better how to "
     "stop"},
    {"extra.file", KEY_TEXT, AT(extra.file), "", 0, 0, NULL,
     "instead of extra.expert; demonstration: a data set (HDF5) of episodes; advice: a policy.safetensors"},
    {"extra.guided", KEY_INT, AT(extra.guided), "0", 0, 4096, NULL,
     "advice: of rollout.episodes, in how many the expert itself acts while meta-training"},
    {"extra.points", KEY_INT, AT(supervised.extra_points), "50", 1, 100000, NULL,
     "demonstration, physics: samples of it"},
    {"extra.frequency", KEY_REAL, AT(supervised.extra_frequency), "1", 0, 1e6, NULL, "physics: w of y'' = -w^2 y"},
    {"extra.step", KEY_REAL, AT(supervised.extra_step), "0.5", 1e-6, 1e6, NULL, "physics: h of its differences"},
    {"model.hidden", KEY_LIST, AT(supervised.model_hidden), "[100, 10]", 1, 4096, NULL,
     "supervised problems: widths of the hidden layers"},
    {"model.activation", KEY_CHOICE, AT(supervised.model_activation), "relu", 0, 0, ACTIVATIONS,
     "of the hidden layers"},
    {"model.bias", KEY_BOOL, AT(supervised.model_bias), "true", 0, 0, NULL, "biases in every layer"},
    {"samples.inner", KEY_INT, AT(supervised.samples_inner), "100", 1, 100000, NULL,
     "samples of a task that the model learns from"},
    {"samples.outer", KEY_INT, AT(supervised.samples_outer), "0", 0, 100000, NULL,
     "other samples of it, for the task loss and the judgement; 0: the same"},
    {"sine.train_amplitude", KEY_LIST, AT(sine.train_amplitude), "[1, 1]", -1e6, 1e6, NULL,
     "y = amplitude sin(x - phase): from, to"},
    {"sine.train_phase", KEY_LIST, AT(sine.train_phase), "[3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, ""},
    {"sine.train_x", KEY_LIST, AT(sine.train_x), "[-2, 2]", -1e6, 1e6, NULL, ""},
    {"sine.test_amplitude", KEY_LIST, AT(sine.test_amplitude), "[0.2, 5]", -1e6, 1e6, NULL, ""},
    {"sine.test_phase", KEY_LIST, AT(sine.test_phase), "[-3.14159265359, 3.14159265359]", -1e6, 1e6, NULL, ""},
    {"sine.test_x", KEY_LIST, AT(sine.test_x), "[-5, 5]", -1e6, 1e6, NULL, ""},
    {"sine.validate_on", KEY_CHOICE, AT(sine.validate_on), "test", 0, 0, "train|test",
     "the range that validation tasks are drawn from"},
    {"sine.grid", KEY_BOOL, AT(sine.grid), "true", 0, 0, NULL, "x evenly over its range; else at random"},
    {"shaped_sine.start", KEY_LIST, AT(shaped_sine.start), "[0.1, 0.1]", -1e6, 1e6, NULL,
     "theta_0 of sin(theta x): from, to"},
    {"shaped_sine.both_signs", KEY_BOOL, AT(shaped_sine.both_signs), "false", 0, 0, NULL,
     "theta_0 gets a sign by chance"},
    {"shaped_sine.goal", KEY_LIST, AT(shaped_sine.goal), "[-5, 5]", -1e6, 1e6, NULL, "the theta to find: from, to"},
    {"shaped_sine.tolerance", KEY_REAL, AT(shaped_sine.tolerance), "0.5", 0, 1e6, NULL,
     "success: theta as close to the goal"},
    {"classes.ways", KEY_INT, AT(classes.ways), "2", 2, 1000, NULL, "digits, idx: classes of a task"},
    {"classes.train", KEY_LIST, AT(classes.train), "[0, 1, 2, 3, 4, 5]", 0, 999, NULL,
     "classes of meta-training tasks"},
    {"classes.validation", KEY_LIST, AT(classes.validation), "[]", 0, 999, NULL,
     "of validation tasks; empty: those of training"},
    {"classes.test", KEY_LIST, AT(classes.test), "[6, 7, 8, 9]", 0, 999, NULL, "of test tasks"},
    {"idx.images", KEY_TEXT, AT(idx.images), "", 0, 0, NULL, "file in MNIST's format"},
    {"idx.labels", KEY_TEXT, AT(idx.labels), "", 0, 0, NULL, "file in MNIST's format"},
    {"idx.classes", KEY_INT, AT(idx.classes), "10", 2, 256, NULL, "labels are below this"},
    {"idx.pool", KEY_INT, AT(idx.pool), "1", 1, 256, NULL, "blocks of so many pixels each way become one"},
    {"data", KEY_TEXT, AT(table.data), "", 0, 0, NULL, "table: the CSV file; its first line names the columns"},
    {"table.kind", KEY_CHOICE, AT(table.kind), "regression", 0, 0, "regression|classification", "what is predicted"},
    {"table.inputs", KEY_TEXTS, AT(table.inputs), "[]", 0, 0, NULL,
     "columns; empty: all with a name but targets and task"},
    {"table.targets", KEY_TEXTS, AT(table.targets), "[]", 0, 0, NULL, "columns to predict; classification: one"},
    {"table.task", KEY_TEXT, AT(table.task), "", 0, 0, NULL,
     "column that tells tasks apart; none: tasks are random rows"},
    {"table.classes", KEY_INT, AT(table.classes), "0", 0, 1000, NULL,
     "labels are 0 .. classes - 1; 0: whatever there is"},
    {"table.validation_share", KEY_REAL, AT(table.validation_share), "0.2", 0, 1, NULL, "of the tasks, or rows"},
    {"table.test_share", KEY_REAL, AT(table.test_share), "0.2", 0, 1, NULL, "of the tasks, or rows"},
    {"table.split_seed", KEY_INT, AT(table.split_seed), "0", 0, 9e15, NULL, "which of them"},
    {"dynamics.kind", KEY_CHOICE, AT(dynamics.kind), "analytic", 0, 0, "analytic|ensemble",
     "model_based: the model that rollouts go through; ensemble: learned from transitions"},
    {"dynamics.transitions", KEY_INT, AT(dynamics.transitions), "3000", 10, 1e7, NULL,
     "number of the first, of random actions"},
    {"dynamics.hold", KEY_INT, AT(dynamics.hold), "5", 1, 10000, NULL, "steps that each of their actions is held for"},
    {"dynamics.every", KEY_INT, AT(dynamics.every), "0", 0, 1e9, NULL,
     "outer steps between rounds of new ones, of the current policies, and of fitting again; 0: never"},
    {"dynamics.tasks", KEY_INT, AT(dynamics.tasks), "8", 1, 65536, NULL,
     "tasks of a round, each with a rollout before and after every update"},
    {"dynamics.members", KEY_INT, AT(dynamics.members), "3", 1, 32, NULL, "networks of the ensemble"},
    {"dynamics.hidden", KEY_LIST, AT(dynamics.hidden), "[100, 30]", 1, 4096, NULL, "widths of their hidden layers"},
    {"dynamics.second_order", KEY_BOOL, AT(dynamics.second_order), "false", 0, 0, NULL,
     "they predict changes of velocities alone; positions follow from those"},
    {"dynamics.epochs", KEY_INT, AT(dynamics.epochs), "500", 1, 1e6, NULL,
     "of fitting, at most; it stops when transitions left out are predicted no better"},
    {"dynamics.file", KEY_TEXT, AT(dynamics.file), "", 0, 0, NULL,
     "an ensemble.safetensors to begin with instead; a run's own is taken when the run is opened"},
    {"rollout.fixed", KEY_TEXTS, AT(rollout.fixed), "[]", 0, 0, NULL,
     "task parameters that keep their default values instead of being drawn: [mass, start_x]"},
    {"rollout.starts", KEY_INT, AT(model_based.starts), "1", 1, 4096, NULL, "start states a task"},
    {"rollout.detach_state", KEY_BOOL, AT(model_based.detach_state), "true", 0, 0, NULL,
     "inner step: actions carry the gradient, states are data"},
    {"rollout.near", KEY_REAL, AT(model_based.near), "0.05", 1e-9, 1e9, NULL,
     "model_based: the loss also sees tanh(way to the goal / near), finely near 0"},
    {"rollout.episodes", KEY_INT, AT(rollout.episodes), "8", 1, 4096, NULL,
     "model_free: for an update; so in comparisons, of REINFORCE"},
    {"rollout.outer_episodes", KEY_INT, AT(model_free.outer_episodes), "8", 1, 4096, NULL,
     "model_free: for the task loss after it"},
    {"rollout.reuse", KEY_BOOL, AT(model_free.reuse), "false", 0, 0, NULL,
     "model_free: the episodes of an update are also those for the task loss of the policy that made them"},
    {"rollout.judge_episodes", KEY_INT, AT(model_free.judge_episodes), "4", 1, 4096, NULL,
     "starts from which a policy is judged"},
    {"rollout.discount", KEY_REAL, AT(model_free.discount), "0.97", 1e-6, 1, NULL, "model_free: of rewards to go"},
    {"rollout.baseline", KEY_CHOICE, AT(model_free.baseline), "linear", 0, 0, "linear|episodes",
     "model_free: what advantages are over: a fit by state and time, or the other episodes at that step"},
    {"rollout.lambda", KEY_REAL, AT(model_free.lambda), "0.95", 0, 1, NULL,
     "model_free: of generalised advantages by the linear one"},
    {"rollout.credit", KEY_CHOICE, AT(model_free.credit), "advantage", 0, 0, "advantage|reward_to_go",
     "model_free: what the learned loss sees of rewards"},
    {"validation.every", KEY_INT, AT(validation.every), "100", 1, 1e9, NULL, "outer steps"},
    {"validation.tasks", KEY_INT, AT(validation.tasks), "64", 1, 65536, NULL,
     "held-out tasks that choose the best loss"},
    {"validation.patience", KEY_INT, AT(validation.patience), "0", 0, 1e9, NULL,
     "validations without a new best after which training ends; 0: never"},
    {"validation.steps", KEY_INT, AT(validation.steps), "0", 0, 1000, NULL, "updates in validation; 0: inner.steps"},
    {"validation.select", KEY_CHOICE, AT(validation.select), "success", 0, 0, "loss|success|task_loss|distance",
     "what is best; distance: the median one; task_loss: as judged after the last update (model_free: minus the "
     "return)"},
    {"checkpoint.every", KEY_INT, AT(checkpoint_every), "500", 1, 1e9, NULL,
     "outer steps, or updates of a policy; after a minute at the latest"},
    {"learner.updates", KEY_INT, AT(learner.updates), "100", 1, 1e9, NULL, "of a policy by ppo, reinforce ..."},
    {"learner.envs", KEY_INT, AT(learner.envs), "8", 1, 65536, NULL, "environments side by side"},
    {"learner.steps", KEY_INT, AT(learner.steps), "256", 1, 1000000, NULL, "of each, an update"},
    {"learner.task", KEY_INT, AT(learner.task), "-1", -1, 65535, NULL,
     "-1: a new task every episode; else the number of a held-out one"},
    {"learner.rate", KEY_REAL, AT(learner.rate), "3e-4", 0, 1e3, NULL, "Adam's step size"},
    {"learner.anneal", KEY_BOOL, AT(learner.anneal), "true", 0, 0, NULL, "to 0 at the last update"},
    {"learner.discount", KEY_REAL, AT(learner.discount), "0.99", 1e-6, 1, NULL, "of rewards to go"},
    {"learner.lambda", KEY_REAL, AT(learner.lambda), "0.95", 0, 1, NULL, "ppo: of generalised advantages"},
    {"learner.epochs", KEY_INT, AT(learner.epochs), "10", 1, 1000, NULL, "ppo: passes over a rollout"},
    {"learner.minibatches", KEY_INT, AT(learner.minibatches), "32", 1, 65536, NULL, "ppo: pieces of one"},
    {"learner.clip", KEY_REAL, AT(learner.clip), "0.2", 0, 10, NULL, "ppo: how far a probability's ratio may move"},
    {"learner.entropy_weight", KEY_REAL, AT(learner.entropy), "0", 0, 1e3, NULL, ""},
    {"learner.value_weight", KEY_REAL, AT(learner.value_weight), "0.5", 0, 1e3, NULL, "ppo: of the value net's loss"},
    {"learner.clip_norm", KEY_REAL, AT(learner.clip_norm), "0.5", 0, 1e9, NULL, "of the gradient; 0: none"},
    {"learner.normalize_reward", KEY_BOOL, AT(learner.normalize_reward), "false", 0, 0, NULL,
     "ppo: by the deviation of the discounted return"},
    {"test.tasks", KEY_INT, AT(test.tasks), "100", 1, 65536, NULL, "held-out initial policies and starts"},
    {"test.steps", KEY_LIST, AT(test.steps), "[1, 2, 5]", 1, 1000, NULL, "updates after which methods are judged"},
    {"test.rate", KEY_REAL, AT(meta_test.rate), "0", 0, 1e6, NULL,
     "supervised problems: step size of the task's own loss, besides its best one; 0: inner.rate"},
    {"test.ilqr_restarts", KEY_INT, AT(compare.ilqr_restarts), "10", 0, 1000, NULL,
     "random starts besides zero controls"},
    {"test.reinforce_rate", KEY_REAL, AT(compare.reinforce_rate), "0.01", 0, 1e3, NULL,
     "Adam's step size of REINFORCE in comparisons"},
};

enum { KEYS = sizeof keys / sizeof *keys };
_Static_assert((int)KEYS <= (int)ML3_LAB_KEYS_MAX, "more keys than ML3_LAB_KEYS_MAX");

/* ---- whose they are ---------------------------------------------------------------------------------------------- */

#define RL         "model_based|model_free"
#define SUPERVISED "sine|digits|idx|table"
#define META       "learned_loss|maml|fomaml|meta_sgd"

/* learner.* are also PPO's where it shows what it has learned (extra.expert) or is compared with. */
static const config_rule rules[] = {
    {"environment horizon policy.* learner.* rollout.* test.ilqr_restarts test.reinforce_rate", RL, NULL, NULL},
    {"numerics inner.* outer.* cost.* extra.* dynamics.* validation.* loss.products test.rate", NULL, META, NULL},
    {"loss.inputs loss.base loss.targets loss.hidden loss.activation loss.output loss.bias loss.start loss.weighting "
     "loss.normalize inner.newton outer.target_weight",
     NULL, "learned_loss", NULL},
    {"inner.weight_list", NULL, NULL, "inner.weights=list"},
    {"outer.clip outer.target_weight extra.guided", "model_free", NULL, NULL},
    {"cost.* dynamics.* rollout.starts rollout.detach_state rollout.near", "model_based", META, NULL},
    {"cost.from_step", NULL, NULL, "cost.kind=trajectory|reach"},
    {"cost.velocity_weight cost.action_weight", NULL, NULL, "cost.kind=reach"},
    {"dynamics.transitions dynamics.hold dynamics.every dynamics.tasks dynamics.members dynamics.hidden "
     "dynamics.second_order dynamics.epochs dynamics.file",
     NULL, NULL, "dynamics.kind=ensemble"},
    {"extra.goal extra.until_step", RL, NULL, "extra.kind=exploration_goal"},
    {"extra.demonstrations", RL, NULL, "extra.kind=demonstration"},
    {"extra.expert extra.file", RL, NULL, "extra.kind=demonstration|advice"},
    {"extra.expert_updates extra.expert_log_std", RL, NULL, "extra.kind=demonstration|advice"},
    {"extra.guided", NULL, NULL, "extra.kind=advice"},
    {"extra.points", SUPERVISED, NULL, "extra.kind=demonstration|physics"},
    {"extra.frequency extra.step", SUPERVISED, NULL, "extra.kind=physics"},
    {"rollout.outer_episodes rollout.reuse rollout.judge_episodes rollout.discount rollout.baseline rollout.lambda "
     "rollout.credit",
     "model_free", META, NULL},
    {"learner.lambda learner.epochs learner.minibatches learner.clip learner.value_weight learner.normalize_reward",
     NULL, META "|ppo", NULL},
    {"model.* samples.outer", SUPERVISED, NULL, NULL},
    {"samples.inner test.rate", SUPERVISED "|shaped_sine", NULL, NULL},
    {"sine.*", "sine", NULL, NULL},
    {"shaped_sine.*", "shaped_sine", NULL, NULL},
    {"classes.*", "digits|idx", NULL, NULL},
    {"idx.*", "idx", NULL, NULL},
    {"data table.*", "table", NULL, NULL},
};

enum { RULES = sizeof rules / sizeof *rules };

const config_rule *config_rule_at(int i) {
  return i >= 0 && i < RULES ? &rules[i] : NULL;
}

/* ---- looking up --------------------------------------------------------------------------------------------------- */

const config_key *config_key_at(int i) {
  return i >= 0 && i < KEYS ? &keys[i] : NULL;
}

int config_key_number(const config_key *k) {
  return (int)(k - keys);
}

const config_key *config_key_find(const ml3_lab_config *c, const char *where, const char *name, ml3_error *error) {
  const char *nearest = NULL;
  for (int i = 0; i < KEYS; i++)
    if (strcmp(keys[i].name, name) == 0) return &keys[i];
  for (int all = 0; all < 2 && !nearest; all++) nearest = config_key_nearest(c, name, all);
  const config_key *meant = nearest ? config_key_find(c, where, nearest, NULL) : NULL;
  ml3_error foreign = {0};
  if (meant && config_check_key(c, where, meant, &foreign) != ML3_OK)
    ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: unknown key '%s'; did you mean '%s'? But %s", where, name, nearest,
                  foreign.message + strlen(where) + 2);
  else
    ml3_error_set(error, ML3_ERR_ARGUMENT, "%s: unknown key '%s'%s%s%s; `ml3 config %s` lists all keys", where, name,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", c->problem);
  return NULL;
}

const char *config_key_nearest(const ml3_lab_config *c, const char *name, bool all) {
  const char *names[KEYS], *last = strrchr(name, '.');
  int count = 0;
  for (int i = 0; i < KEYS; i++)
    if (all || config_in_force(c, &keys[i])) names[count++] = keys[i].name;
  const char *nearest = ml3_error_nearest(name, names, count);
  for (int i = 0; i < count && !nearest; i++) { /* the right word in the wrong section */
    const char *own = strrchr(names[i], '.');
    if (strcmp(own ? own + 1 : names[i], last ? last + 1 : name) == 0) nearest = names[i];
  }
  return nearest;
}

bool ml3_lab_config_key(int i, ml3_lab_key_texts *texts) {
  const config_key *k = config_key_at(i);
  if (!k) return false;
  *texts = (ml3_lab_key_texts){k->name, k->type == KEY_BOOL ? "true|false" : k->choices, k->help};
  return true;
}
