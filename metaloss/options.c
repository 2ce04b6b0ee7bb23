/* The tables of keys of meta-training: see options.h. */
#include <stddef.h>
#include "metaloss/options.h"

#include "nn/mlp.h"

#define AT(field) offsetof(ml3_loss_options, field)
static const ml3_key loss_keys[] = {
    {"loss.inputs", ML3_KEY_NAMES, AT(inputs), "[]", 0, 0, NULL, NULL,
     "features that are inputs of the loss; force* stands for all that begin so; empty: all"},
    {"loss.base", ML3_KEY_TEXT, AT(base), "", 0, 0, NULL, NULL,
     "feature that is added to the value of the loss; empty: none"},
    {"loss.targets", ML3_KEY_NAMES, AT(targets), "[]", 0, 0, NULL, NULL,
     "features, such as actions, with a learned target h that depends on the others: a term 1/2 ||a - h||^2; force* "
     "stands for all that begin so"},
    {"loss.target_base", ML3_KEY_NAMES, AT(target_base), "[]", 0, 0, NULL, NULL,
     "features that are added to the learned targets, one for each; empty: none"},
    {"loss.target_factor", ML3_KEY_NAMES, AT(target_factor), "[]", 0, 0, NULL, NULL,
     "features that multiply the learned part of the targets, one for each; 0: no learned part; empty: none"},
    {"loss.only_targets", ML3_KEY_BOOL, AT(only_targets), "false", 0, 0, NULL, NULL,
     "the distance from loss.targets is the whole loss; otherwise a network of all inputs is added"},
    {"loss.hidden", ML3_KEY_NUMBERS, AT(hidden), "[64, 64]", 1, 4096, NULL, NULL,
     "widths of the learned loss's layers"},
    {"loss.activation", ML3_KEY_CHOICE, AT(activation), "elu", 0, 0, ML3_ACTIVATION_CHOICES, NULL,
     "of its hidden layers"},
    {"loss.output", ML3_KEY_CHOICE, AT(output), "identity", 0, 0, "identity|softplus", NULL, "of its last layer"},
    {"loss.bias", ML3_KEY_BOOL, AT(bias), "true", 0, 0, NULL, NULL, "biases in every layer"},
    {"loss.start", ML3_KEY_CHOICE, AT(start), "fan_in", 0, 0, "fan_in|xavier", NULL,
     "initial parameters: uniform within 1/sqrt(inputs of the layer), or Glorot's with biases 0"},
    {"loss.weighting", ML3_KEY_CHOICE, AT(weighting), "none", 0, 0, "none|softmax|sigmoid", NULL,
     "a second output weighs each row: by a softmax over the task's rows, or by a sigmoid"},
    {"loss.normalize", ML3_KEY_CHOICE, AT(normalize), "first", 0, 0, "none|first|running", NULL,
     "normalize the inputs by statistics of the first tasks, or by running statistics"},
};
#undef AT
const ml3_keys ml3_loss_keys = ML3_KEYS(loss_keys, ml3_loss_options);

#define AT(field) offsetof(ml3_inner_options, field)
static const ml3_key inner_keys[] = {
    {"inner.steps", ML3_KEY_INT, AT(steps), "5", 1, 1000, NULL, NULL,
     "number of inner updates by the learned loss in meta-training"},
    {"inner.passes", ML3_KEY_INT, AT(passes), "1", 1, 100, NULL, NULL,
     "gradient steps on the same data in one update"},
    {"inner.rate", ML3_KEY_REAL, AT(rate), "0.1", 1e-12, 1e6, NULL, NULL,
     "inner step size, or its initial value where it is learned"},
    {"inner.learn_rate", ML3_KEY_CHOICE, AT(learn_rate), "scalar", 0, 0, "none|scalar|parameter|signed", NULL,
     "learn the step size: no; one number; one for each parameter of the optimizee; the same with any sign (always "
     "in meta_sgd)"},
    {"inner.newton", ML3_KEY_INT, AT(newton), "0", 0, 32, NULL, "method=learned_loss",
     "with loss.targets: updates are Gauss-Newton steps by so many iterations of conjugate gradients, inner.rate being "
     "relative to those, whatever the optimizee's depth; 0: plain descent"},
    {"inner.momentum", ML3_KEY_REAL, AT(momentum), "0", 0, 0.9999, NULL, NULL, "of the updates; 0: plain descent"},
    {"inner.learn_start", ML3_KEY_BOOL, AT(learn_start), "false", 0, 0, NULL, NULL,
     "learn the initial parameters of optimizees (always in maml, fomaml, meta_sgd)"},
    {"inner.lifetime", ML3_KEY_INT, AT(lifetime), "1", 1, 1e6, NULL, NULL,
     "outer steps for which a task and its optimizee are kept before they are replaced; 1: new ones in every outer "
     "step"},
    {"inner.weights", ML3_KEY_CHOICE, AT(weights), "all", 0, 0, "last|all|linear|list", NULL,
     "weights of the task losses after 1 .. inner.steps updates"},
    {"inner.weight_list", ML3_KEY_NUMBERS, AT(weight_list), "[]", 0, 1e6, NULL, "inner.weights=list",
     "a weight for each update, for `list`"},
    {"inner.derivatives", ML3_KEY_CHOICE, AT(derivatives), "exact", 0, 0, "exact|first_order|greedy", NULL,
     "through the chain of updates: all; none of second order by the parameters (always so in fomaml); each update "
     "answers only for the loss right after it"},
    {"loss.products", ML3_KEY_CHOICE, AT(products), "exact", 0, 0, "exact|fast", NULL,
     "large ones on a matrix unit (AMX): to float32's precision, or to 1.2e-5 in half the time"},
};
#undef AT
const ml3_keys ml3_inner_keys = ML3_KEYS(inner_keys, ml3_inner_options);

#define AT(field) offsetof(ml3_outer_options, field)
static const ml3_key outer_keys[] = {
    {"numerics", ML3_KEY_CHOICE, AT(numerics), "skip", 0, 0, "skip|stop|reduce", NULL,
     "a task of meta-training whose numbers become NaN or infinite: leave it out, end, or halve its inner step"},
    {"outer.steps", ML3_KEY_INT, AT(steps), "6000", 1, 1e9, NULL, NULL, "number of updates of the learned loss"},
    {"outer.tasks", ML3_KEY_INT, AT(tasks), "16", 1, 65536, NULL, NULL, "tasks of each outer step"},
    {"outer.gradient", ML3_KEY_CHOICE, AT(gradient), "exact", 0, 0, "exact|evolution", NULL,
     "through the inner updates; or estimated from perturbed losses (evolution strategies), for hundreds of updates"},
    {"outer.epochs", ML3_KEY_INT, AT(epochs), "1", 1, 1000, NULL, NULL,
     "updates by the same data, where problems collect them (model_free)"},
    {"outer.optimizer", ML3_KEY_CHOICE, AT(optimizer), "adam", 0, 0, "sgd|momentum|adam|adamw", NULL, ""},
    {"outer.rate", ML3_KEY_REAL, AT(rate), "1e-3", 0, 1e3, NULL, NULL, "outer step size"},
    {"outer.schedule", ML3_KEY_CHOICE, AT(schedule), "cosine", 0, 0, "constant|linear|cosine", NULL,
     "schedule of the outer step size, to outer.final_rate"},
    {"outer.final_rate", ML3_KEY_REAL, AT(final_rate), "0", 0, 1e3, NULL, NULL, ""},
    {"outer.warmup", ML3_KEY_INT, AT(warmup), "0", 0, 1e9, NULL, NULL, "steps of linear warm-up"},
    {"outer.clip_norm", ML3_KEY_REAL, AT(clip_norm), "1", 0, 1e9, NULL, NULL,
     "largest norm of the mean meta-gradient; 0: no clipping"},
    {"outer.task_clip_norm", ML3_KEY_REAL, AT(task_clip_norm), "0.5", 0, 1e9, NULL, "outer.gradient=exact",
     "largest norm of each task's meta-gradient; 0: no clipping"},
    {"outer.task_weight", ML3_KEY_REAL, AT(task_weight), "1", 0, 1e6, NULL, NULL, "beta: weight of the task loss"},
    {"outer.extra_weight", ML3_KEY_REAL, AT(extra_weight), "1.5", 0, 1e6, NULL, NULL,
     "gamma: weight of extra information"},
};
#undef AT
const ml3_keys ml3_outer_keys = ML3_KEYS(outer_keys, ml3_outer_options);

#define AT(field) offsetof(ml3_evolution_options, field)
static const ml3_key evolution_keys[] = {
    {"evolution.pairs", ML3_KEY_INT, AT(pairs), "32", 1, 65536, NULL, "outer.gradient=evolution",
     "perturbations +eps and -eps of the loss in an outer step; all see the same outer.tasks tasks"},
    {"evolution.deviation", ML3_KEY_REAL, AT(deviation), "0.02", 1e-9, 1e3, NULL, "outer.gradient=evolution",
     "standard deviation of a perturbation"},
    {"evolution.shape", ML3_KEY_CHOICE, AT(shape), "ranks", 0, 0, "ranks|none", "outer.gradient=evolution",
     "weight of a perturbation: the rank of its value in the outer step, or the value"},
};
#undef AT
const ml3_keys ml3_evolution_keys = ML3_KEYS(evolution_keys, ml3_evolution_options);

#define AT(field) offsetof(ml3_validation_options, field)
static const ml3_key validation_keys[] = {
    {"validation.every", ML3_KEY_INT, AT(every), "100", 1, 1e9, NULL, NULL, "outer steps"},
    {"validation.tasks", ML3_KEY_INT, AT(tasks), "64", 1, 65536, NULL, NULL,
     "number of validation tasks, which choose the best loss"},
    {"validation.patience", ML3_KEY_INT, AT(patience), "0", 0, 1e9, NULL, NULL,
     "validations without a new best after which training ends; 0: never"},
    {"validation.steps", ML3_KEY_INT, AT(steps), "0", 0, 1000, NULL, NULL, "updates in validation; 0: inner.steps"},
    {"validation.select", ML3_KEY_CHOICE, AT(select), "success", 0, 0, "loss|success|task_loss|distance", NULL,
     "what is best; distance: the median one; task_loss: as judged after the last update (model_free: minus the "
     "return)"},
};
#undef AT
const ml3_keys ml3_validation_keys = ML3_KEYS(validation_keys, ml3_validation_options);

#define AT(field) offsetof(ml3_test_options, field)
static const ml3_key test_keys[] = {
    {"test.tasks", ML3_KEY_INT, AT(tasks), "100", 1, 65536, NULL, NULL,
     "number of held-out tasks: initial policies and start states"},
    {"test.steps", ML3_KEY_NUMBERS, AT(steps), "[1, 2, 5]", 1, 1000, NULL, NULL,
     "numbers of updates after which methods are evaluated"},
};
#undef AT
const ml3_keys ml3_test_keys = ML3_KEYS(test_keys, ml3_test_options);

#define AT(field) offsetof(ml3_meta_test_options, field)
static const ml3_key meta_test_keys[] = {
    {"test.rate", ML3_KEY_REAL, AT(rate), "0", 0, 1e6, NULL, NULL,
     "supervised problems: step size of the task's own loss, besides its best one; 0: inner.rate"},
};
#undef AT
const ml3_keys ml3_meta_test_keys = ML3_KEYS(meta_test_keys, ml3_meta_test_options);
