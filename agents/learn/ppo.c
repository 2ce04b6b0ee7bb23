/* Proximal policy optimisation (Schulman et al. 2017), with the details of CleanRL's ppo_continuous_action (Huang et al.
   2022): orthogonal initial weights, a value net of the policy's shape, generalised advantages scaled to deviation 1 in
   every minibatch, clipped ratio and value, one global gradient norm, running normalisation of observations and rewards.
   Unlike there, an episode that the time limit cut counts on with the value of its last state, and where a rollout's rows do
   not divide into minibatches the first ones have a row more than the others: every row is used once an epoch. The advantage
   of a minibatch of one row is taken as it is.

     ratio = pi(a|s) / pi_old(a|s)
     loss  = mean max(-A ratio, -A clamp(ratio, 1 - clip, 1 + clip)) - entropy_weight entropy + value_weight value loss
     value loss = mean max((V - R)^2, (V_old + clamp(V - V_old, +-clip) - R)^2) / 2 */
#include "agents/learn/ppo.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/advantage.h"
#include "agents/learn/learner.h"
#include "nn/program.h"

#define AT(field) offsetof(ml3_ppo_options, field)
static const ml3_key keys[] = {
    {"learner.rate", ML3_KEY_REAL, AT(rate), "3e-4", 0, 1e3, NULL, NULL, "Adam's step size"},
    {"learner.anneal", ML3_KEY_BOOL, AT(anneal), "true", 0, 0, NULL, NULL, "decrease the step size linearly to 0"},
    {"learner.discount", ML3_KEY_REAL, AT(discount), "0.99", 1e-6, 1, NULL, NULL, "discount factor"},
    {"learner.lambda", ML3_KEY_REAL, AT(lambda), "0.95", 0, 1, NULL, NULL,
     "lambda of generalized advantage estimation"},
    {"learner.epochs", ML3_KEY_INT, AT(epochs), "10", 1, 1000, NULL, NULL, "epochs over each rollout"},
    {"learner.minibatches", ML3_KEY_INT, AT(minibatches), "32", 1, 65536, NULL, NULL, "minibatches of an epoch"},
    {"learner.clip", ML3_KEY_REAL, AT(clip), "0.2", 0, 10, NULL, NULL, "clip range of the probability ratio"},
    {"learner.clip_value", ML3_KEY_BOOL, AT(clip_value), "true", 0, 0, NULL, NULL, "clip the update of the value, too"},
    {"learner.entropy_weight", ML3_KEY_REAL, AT(entropy_weight), "0", 0, 1e3, NULL, NULL, ""},
    {"learner.value_weight", ML3_KEY_REAL, AT(value_weight), "0.5", 0, 1e3, NULL, NULL, "weight of the value loss"},
    {"learner.clip_norm", ML3_KEY_REAL, AT(clip_norm), "0.5", 0, 1e9, NULL, NULL,
     "largest norm of the gradient; 0: no clipping"},
    {"learner.normalize_reward", ML3_KEY_BOOL, AT(normalize_reward), "false", 0, 0, NULL, NULL,
     "divide rewards by the running standard deviation of the discounted return"},
};
#undef AT
const ml3_keys ml3_ppo_keys = ML3_KEYS(keys, ml3_ppo_options);

enum { CHUNK = 256 }; /* rows that the value program takes */
enum { GRADIENT, POLICY_LOSS, VALUE_LOSS, ENTROPY, OLD_KL, KL, CLIPPED, OUTPUTS };
enum { ROW_LOG_PROB, ROW_ADVANTAGE, ROW_RETURN, ROW_VALUE, ROW_NUMBERS };

/* The loss of a minibatch of so many rows, and its gradient. */
typedef struct piece {
  int rows;
  ml3_nn_program *program;
  ml3_nn_workspace *loss;
  ml3_node in_parameters, in_x, in_action, in_numbers[ROW_NUMBERS];
} piece;

typedef struct ppo {
  const ml3_ppo_options *settings;
  ml3_mlp value_net;
  piece pieces[2]; /* of rows / minibatches rows, and of one more where that leaves a remainder */
  int longer;      /* minibatches of pieces[1]: the remainder */
  ml3_nn_program *value_program;
  ml3_nn_workspace *value;
  ml3_node value_parameters, value_x;
  int rows;                                /* of a rollout */
  ml3_real *reward, *numbers[ROW_NUMBERS]; /* [rows] */
  ml3_real *last_value, *truncated_value;
  ml3_real *x, *action, *picked[ROW_NUMBERS]; /* the minibatch, of the longer kind */
  ml3_real *chunk;                            /* [CHUNK][inputs] */
  int *order;                                 /* [rows] */
  ml3_normalizer returns;                     /* of discounted returns, for rewards */
  double *running;                            /* [envs] */
  ml3_real *memory;
} ppo;

/* ---- programs ------------------------------------------------------------------------------------------------- */

static ml3_node build_policy_loss(ml3_nn_graph *g, const ml3_ppo_options *s, ml3_node advantage, ml3_node ratio) {
  ml3_node against = ml3_nn_neg(g, advantage);
  ml3_node clipped = ml3_nn_clamp(g, ratio, 1 - s->clip, 1 + s->clip);
  return ml3_nn_mean(g, ml3_nn_max(g, ml3_nn_mul(g, against, ratio), ml3_nn_mul(g, against, clipped)));
}

static ml3_node build_value_loss(ml3_nn_graph *g, const ml3_ppo_options *s, ml3_node value, ml3_node old,
                                 ml3_node target) {
  ml3_node plain = ml3_nn_square(g, ml3_nn_sub(g, value, target));
  if (!s->clip_value) return ml3_nn_scale(g, ml3_nn_mean(g, plain), 0.5);
  ml3_node step = ml3_nn_clamp(g, ml3_nn_sub(g, value, old), -s->clip, s->clip);
  ml3_node clipped = ml3_nn_square(g, ml3_nn_sub(g, ml3_nn_add(g, old, step), target));
  return ml3_nn_scale(g, ml3_nn_mean(g, ml3_nn_max(g, plain, clipped)), 0.5);
}

static int compile_loss(ml3_learner *l, const ppo *own, int rows, piece *in, ml3_error *error) {
  const ml3_ppo_options *s = own->settings;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for PPO");
  in->in_parameters = ml3_nn_input(g, 1, l->size);
  in->in_x = ml3_nn_input(g, rows, l->policy.net.inputs);
  in->in_action = ml3_nn_input(g, rows, l->policy.action_dim);
  for (int i = 0; i < ROW_NUMBERS; i++) in->in_numbers[i] = ml3_nn_input(g, rows, 1);

  const int theta_size = ml3_policy_size(&l->policy);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &l->policy, in->in_parameters, in->in_x);
  ml3_node value = ml3_mlp_build(g, &own->value_net, in->in_parameters, theta_size, in->in_x);
  ml3_node log_ratio = ml3_nn_sub(g, ml3_policy_build_log_prob(g, at, in->in_action), in->in_numbers[ROW_LOG_PROB]);
  ml3_node ratio = ml3_nn_exp(g, log_ratio), off = ml3_nn_shift(g, ratio, -1), gradient;
  ml3_node policy_loss = build_policy_loss(g, s, in->in_numbers[ROW_ADVANTAGE], ratio);
  ml3_node value_loss = build_value_loss(g, s, value, in->in_numbers[ROW_VALUE], in->in_numbers[ROW_RETURN]);
  ml3_node entropy = ml3_nn_mean(g, ml3_policy_build_entropy(g, at));
  ml3_node loss = ml3_nn_add(g, policy_loss, ml3_nn_scale(g, value_loss, s->value_weight));
  loss = ml3_nn_sub(g, loss, ml3_nn_scale(g, entropy, s->entropy_weight));
  ml3_nn_gradient(g, loss, &in->in_parameters, 1, &gradient);
  ml3_node limit = ml3_nn_constant(g, rows, 1, s->clip);
  const ml3_nn_output outputs[OUTPUTS] = {
      [GRADIENT] = {gradient, 0},
      [POLICY_LOSS] = {policy_loss, 0},
      [VALUE_LOSS] = {value_loss, 0},
      [ENTROPY] = {entropy, 0},
      [OLD_KL] = {ml3_nn_neg(g, ml3_nn_mean(g, log_ratio)), 0},
      [KL] = {ml3_nn_mean(g, ml3_nn_sub(g, off, log_ratio)), 0},
      [CLIPPED] = {ml3_nn_mean(g, ml3_nn_greater(g, ml3_nn_abs(g, off), limit)), 0}};
  in->rows = rows;
  in->program = ml3_nn_compile(g, outputs, OUTPUTS, error);
  ml3_nn_graph_free(g);
  in->loss = in->program ? ml3_nn_workspace_new(in->program, error) : NULL;
  return in->loss ? ML3_OK : ml3_error_prefix(error, "PPO's loss");
}

static int compile_value(ml3_learner *l, ppo *own, ml3_error *error) {
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for PPO");
  own->value_parameters = ml3_nn_input(g, 1, l->size);
  own->value_x = ml3_nn_input(g, CHUNK, l->policy.net.inputs);
  const ml3_nn_output output = {
      ml3_mlp_build(g, &own->value_net, own->value_parameters, ml3_policy_size(&l->policy), own->value_x), 0};
  own->value_program = ml3_nn_compile(g, &output, 1, error);
  ml3_nn_graph_free(g);
  own->value = own->value_program ? ml3_nn_workspace_new(own->value_program, error) : NULL;
  return own->value ? ML3_OK : ml3_error_prefix(error, "PPO's value");
}

/* ---- making --------------------------------------------------------------------------------------------------- */

/* Parts of one block of memory, in the order they are asked for. */
static ml3_real *part(ml3_real **at, size_t count) {
  ml3_real *here = *at;
  *at += count;
  return here;
}

static bool allocate(ml3_learner *l, ppo *own) {
  const size_t rows = (size_t)own->rows, batch = rows / (size_t)own->settings->minibatches + (own->longer > 0);
  const size_t n = (size_t)l->policy.net.inputs, a = (size_t)l->policy.action_dim;
  const size_t envs = (size_t)l->settings.envs;
  ml3_real *at = own->memory =
      calloc((2 + ROW_NUMBERS) * rows + envs + batch * (n + a + ROW_NUMBERS) + CHUNK * n, sizeof *at);
  own->order = calloc(rows, sizeof *own->order);
  own->running = calloc(envs, sizeof *own->running);
  if (!at || !own->order || !own->running) return false;
  own->reward = part(&at, rows);
  own->truncated_value = part(&at, rows);
  for (int i = 0; i < ROW_NUMBERS; i++) own->numbers[i] = part(&at, rows);
  own->last_value = part(&at, envs);
  own->x = part(&at, batch * n);
  own->action = part(&at, batch * a);
  for (int i = 0; i < ROW_NUMBERS; i++) own->picked[i] = part(&at, batch);
  own->chunk = part(&at, CHUNK * n);
  return true;
}

static int draw(ml3_learner *l, ppo *own, ml3_error *error) {
  ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, 0, 1);
  int code = ml3_policy_draw_orthogonal(&l->policy, 0.01, &random, l->parameters, error);
  return code == ML3_OK
             ? ml3_mlp_draw_orthogonal(&own->value_net, 1, &random, l->parameters + ml3_policy_size(&l->policy), error)
             : code;
}

static int check(const ml3_ppo_options *s, int rows, ml3_error *error) {
  if (!(s->discount > 0 && s->discount <= 1) || !(s->lambda >= 0 && s->lambda <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "PPO: discount %g and lambda %g must be within 0 and 1", s->discount,
                         s->lambda);
  if (s->minibatches < 1 || s->minibatches > rows || s->epochs < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "PPO: %lld epochs of %lld minibatches; a rollout has %d steps",
                         (long long)s->epochs, (long long)s->minibatches, rows);
  return ML3_OK;
}

static ml3_nn_optimizer_settings adam_of(const ml3_learner *l, const ml3_ppo_options *s) {
  ml3_nn_optimizer_settings adam = ml3_nn_adam(s->rate);
  adam.epsilon = 1e-5;
  adam.clip_norm = s->clip_norm;
  adam.total_steps = l->settings.updates * s->epochs * s->minibatches;
  if (s->anneal) adam.schedule = ML3_NN_LINEAR;
  return adam;
}

static int create(ml3_learner *l, ml3_error *error) {
  const ml3_ppo_options *s = l->settings.own;
  const int rows = l->settings.envs * l->settings.steps;
  int code = check(s, rows, error);
  if (code != ML3_OK) return code;
  ppo *own = l->own = calloc(1, sizeof *own);
  if (!own) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for PPO");
  const int batch = rows / (int)s->minibatches;
  own->settings = s;
  own->rows = rows;
  own->longer = rows % (int)s->minibatches;
  own->value_net = l->policy.net;
  own->value_net.outputs = 1;
  if ((code = ml3_normalizer_init(&own->returns, 1, error)) != ML3_OK) return code;
  const int size = ml3_policy_size(&l->policy) + ml3_mlp_size(&own->value_net);
  const ml3_nn_optimizer_settings adam = adam_of(l, s);
  code = ml3_learner_allocate(l, size, size, &adam, error);
  if (code == ML3_OK && !allocate(l, own))
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for PPO's rollouts of %d steps", rows);
  if (code == ML3_OK) code = compile_loss(l, own, batch, &own->pieces[0], error);
  if (code == ML3_OK && own->longer) code = compile_loss(l, own, batch + 1, &own->pieces[1], error);
  if (code == ML3_OK) code = compile_value(l, own, error);
  return code == ML3_OK ? draw(l, own, error) : code;
}

static void destroy(ml3_learner *l) {
  ppo *own = l->own;
  if (!own) return;
  for (int i = 0; i < 2; i++) ml3_nn_workspace_free(own->pieces[i].loss), ml3_nn_program_free(own->pieces[i].program);
  ml3_nn_workspace_free(own->value);
  ml3_nn_program_free(own->value_program);
  ml3_normalizer_free(&own->returns);
  free(own->memory);
  free(own->order);
  free(own->running);
  free(own);
}

/* ---- an update ---------------------------------------------------------------------------------------------------- */

/* Rewards over the deviation of the discounted return so far, as gymnasium's NormalizeReward, within +-10. */
static void normalize_rewards(ml3_learner *l, ppo *own) {
  const ml3_rollout *r = l->rollout;
  for (int t = 0; t < r->steps; t++) {
    const size_t row = (size_t)t * (size_t)r->envs;
    for (int i = 0; i < r->envs; i++)
      own->running[i] = own->running[i] * own->settings->discount + r->reward[row + (size_t)i];
    ml3_normalizer_add(&own->returns, own->running, r->envs);
    const double scale = 1 / sqrt(own->returns.squares[0] / own->returns.count + 1e-8);
    for (int i = 0; i < r->envs; i++) {
      own->reward[row + (size_t)i] = (ml3_real)fmin(fmax(r->reward[row + (size_t)i] * scale, -10), 10);
      if (r->end[row + (size_t)i] != ML3_GOES_ON) own->running[i] = 0;
    }
  }
}

/* V of up to CHUNK inputs at a time; take: only where that says so (NULL: all). */
static void evaluate(ml3_learner *l, ppo *own, const ml3_real *x, const unsigned char *take, int count,
                     ml3_real *value) {
  const size_t n = (size_t)l->policy.net.inputs;
  int rows[CHUNK], filled = 0;
  ml3_nn_bind_input(own->value, own->value_parameters, l->parameters);
  ml3_nn_bind_input(own->value, own->value_x, own->chunk);
  for (int i = 0; i <= count; i++) {
    if (filled == CHUNK || (i == count && filled)) {
      ml3_nn_run(own->value, 0);
      for (int k = 0; k < filled; k++) value[rows[k]] = ml3_nn_output_at(own->value, 0)[k];
      filled = 0;
    }
    if (i == count || (take && take[i] != ML3_TRUNCATED)) continue;
    memcpy(own->chunk + (size_t)filled * n, x + (size_t)i * n, n * sizeof *x);
    rows[filled++] = i;
  }
}

static void prepare(ml3_learner *l, ppo *own) {
  const ml3_rollout *r = l->rollout;
  const size_t rows = (size_t)own->rows;
  memcpy(own->numbers[ROW_LOG_PROB], r->log_prob, rows * sizeof(ml3_real));
  if (own->settings->normalize_reward)
    normalize_rewards(l, own);
  else
    memcpy(own->reward, r->reward, rows * sizeof(ml3_real));
  evaluate(l, own, r->x, NULL, own->rows, own->numbers[ROW_VALUE]);
  evaluate(l, own, r->last_x, NULL, r->envs, own->last_value);
  evaluate(l, own, r->truncated_x, r->end, own->rows, own->truncated_value);
  ml3_generalized_advantages(r, own->reward, own->numbers[ROW_VALUE], own->last_value, own->truncated_value,
                             own->settings->discount, own->settings->lambda, own->numbers[ROW_ADVANTAGE],
                             own->numbers[ROW_RETURN]);
}

static void shuffle(int *order, int n, ml3_random *random) {
  for (int i = 0; i < n; i++) order[i] = i;
  for (int i = n - 1; i > 0; i--) {
    const int j = (int)ml3_random_below(random, (uint32_t)i + 1), keep = order[i];
    order[i] = order[j], order[j] = keep;
  }
}

static void pick(const ml3_learner *l, ppo *own, const int *rows, int count) {
  const ml3_rollout *r = l->rollout;
  const size_t n = (size_t)r->inputs, a = (size_t)r->action_dim;
  for (int k = 0; k < count; k++) {
    const size_t from = (size_t)rows[k], to = (size_t)k;
    memcpy(own->x + to * n, r->x + from * n, n * sizeof(ml3_real));
    memcpy(own->action + to * a, r->action + from * a, a * sizeof(ml3_real));
    for (int i = 0; i < ROW_NUMBERS; i++) own->picked[i][to] = own->numbers[i][from];
  }
  ml3_standardize(own->picked[ROW_ADVANTAGE], (size_t)count);
}

static void bind_minibatch(const ml3_learner *l, const ppo *own, const piece *in) {
  if (!in->loss) return;
  ml3_nn_bind_input(in->loss, in->in_parameters, l->parameters);
  ml3_nn_bind_input(in->loss, in->in_x, own->x);
  ml3_nn_bind_input(in->loss, in->in_action, own->action);
  for (int i = 0; i < ROW_NUMBERS; i++) ml3_nn_bind_input(in->loss, in->in_numbers[i], own->picked[i]);
}

/* 1 - Var(R - V) / Var(R): how well the value net knew the returns. */
static double explained_variance(const ppo *own) {
  double mean[2] = {0}, squares[2] = {0};
  for (int i = 0; i < own->rows; i++) {
    const double target = own->numbers[ROW_RETURN][i], off = target - own->numbers[ROW_VALUE][i];
    mean[0] += target / own->rows, mean[1] += off / own->rows;
  }
  for (int i = 0; i < own->rows; i++) {
    const double target = own->numbers[ROW_RETURN][i], off = target - own->numbers[ROW_VALUE][i];
    squares[0] += (target - mean[0]) * (target - mean[0]), squares[1] += (off - mean[1]) * (off - mean[1]);
  }
  return squares[0] > 0 ? 1 - squares[1] / squares[0] : NAN;
}

/* One pass over the rollout in an order of its own, a step of the optimizer a minibatch. *clipped: sum over the rows of whose
   ratio was clipped; *last: the minibatch that came last. */
static int run_epoch(ml3_learner *l, ppo *own, int epoch, double *clipped, const piece **last, ml3_error *error) {
  const ml3_ppo_options *s = own->settings;
  ml3_random random =
      ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, (uint32_t)l->updates, (uint32_t)epoch + 2);
  const int *rows = own->order;
  shuffle(own->order, own->rows, &random);
  for (int i = 0; i < s->minibatches; i++) {
    const piece *in = &own->pieces[i < own->longer];
    pick(l, own, rows, in->rows);
    rows += in->rows;
    ml3_nn_run(in->loss, 0);
    *clipped += in->rows * ml3_nn_output_at(in->loss, CLIPPED)[0];
    *last = in;
    const int code =
        ml3_learner_descend(l, &l->optimizer, l->parameters, ml3_nn_output_at(in->loss, GRADIENT), "the loss", error);
    if (code != ML3_OK) return code;
  }
  return ML3_OK;
}

static int update(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  ppo *own = l->own;
  const piece *last = NULL;
  double clipped = 0;
  prepare(l, own);
  for (int i = 0; i < 2; i++) bind_minibatch(l, own, &own->pieces[i]);
  for (int epoch = 0; epoch < own->settings->epochs; epoch++) {
    const int code = run_epoch(l, own, epoch, &clipped, &last, error);
    if (code != ML3_OK) return code;
  }
  /* of the last minibatch, as CleanRL logs them */
  report->own[ML3_METRIC_POLICY_LOSS] = ml3_nn_output_at(last->loss, POLICY_LOSS)[0];
  report->own[ML3_METRIC_VALUE_LOSS] = ml3_nn_output_at(last->loss, VALUE_LOSS)[0];
  report->own[ML3_METRIC_ENTROPY] = ml3_nn_output_at(last->loss, ENTROPY)[0];
  report->own[ML3_METRIC_OLD_KL] = ml3_nn_output_at(last->loss, OLD_KL)[0];
  report->own[ML3_METRIC_KL] = ml3_nn_output_at(last->loss, KL)[0];
  report->own[ML3_METRIC_CLIPPED] = clipped / ((double)own->settings->epochs * own->rows);
  report->own[ML3_METRIC_EXPLAINED] = explained_variance(own);
  return ML3_OK;
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------- */

static int put_own(const ml3_learner *l, ml3_nn_tensors *file, ml3_error *error) {
  const ppo *own = l->own;
  int code = ml3_normalizer_put(&own->returns, file, "returns", error);
  return code ? code : ml3_nn_tensors_put_doubles(file, "running_returns", l->settings.envs, own->running, error);
}

static int get_own(ml3_learner *l, const ml3_nn_tensors *file, ml3_error *error) {
  ppo *own = l->own;
  int code = ml3_normalizer_get(&own->returns, file, "returns", error);
  return code ? code : ml3_nn_tensors_get_doubles(file, "running_returns", l->settings.envs, own->running, error);
}

const ml3_learner_kind ml3_learner_ppo = {.name = "ppo",
                                          .label = "PPO",
                                          .keys = &ml3_ppo_keys,
                                          .defaults = ml3_on_policy_defaults,
                                          .metrics = ml3_on_policy_metrics,
                                          .summary = "proximal policy optimisation",
                                          .collects = true,
                                          .create = create,
                                          .destroy = destroy,
                                          .update = update,
                                          .put = put_own,
                                          .get = get_own};
