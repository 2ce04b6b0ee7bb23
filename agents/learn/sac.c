/* Soft actor-critic (Haarnoja et al. 2018 and 2019) with what Stable-Baselines3 has made usual: a squashed Gaussian actor, twin
   critics with slow copies of them as targets, a learned temperature alpha, uniform replay. After each step of the environments
   gradient steps are made, each on a minibatch of (s, a, r, s', goes on):

     y             = r + discount goes_on (min_i Q'_i(s', a') - alpha log pi(a'|s')),   a' ~ pi(s')
     critics' loss = sum_i mean (Q_i(s, a) - y)^2 / 2
     actor's loss  = mean (alpha log pi(a~|s) - min_i Q_i(s, a~)),   a~ ~ pi(s), by the critics as they now are
     alpha's loss  = - log alpha (mean log pi(a~|s) + target entropy)
     Q'_i         += tau (Q_i - Q'_i)

   `goes on` is 0 where the episode terminated alone: a time limit does not end the value of what comes after it. Actions are shares
   of half their bounds' width. The learning is one thread's; all that it draws depends on (seed, gradient step). */
#include "agents/learn/sac.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/learner.h"
#include "agents/learn/replay.h"
#include "agents/learn/squashed.h"
#include "nn/program.h"

#define AT(field) offsetof(ml3_sac_options, field)
static const ml3_key keys[] = {
    {"learner.rate", ML3_KEY_REAL, AT(rate), "3e-4", 0, 1e3, NULL, NULL, "Adam's step size"},
    {"learner.discount", ML3_KEY_REAL, AT(discount), "0.99", 1e-6, 1, NULL, NULL, "discount factor"},
    {"learner.tau", ML3_KEY_REAL, AT(tau), "0.005", 0, 1, NULL, NULL,
     "rate of the exponential average of the target networks"},
    {"learner.batch", ML3_KEY_INT, AT(batch), "256", 1, 65536, NULL, NULL, "batch size"},
    {"learner.buffer", ML3_KEY_INT, AT(buffer), "1000000", 1, 1e9, NULL, NULL, "capacity of the replay buffer"},
    {"learner.learning_starts", ML3_KEY_INT, AT(learning_starts), "100", 0, 1e9, NULL, NULL,
     "environment steps with uniform actions before learning starts"},
    {"learner.gradient_steps", ML3_KEY_REAL, AT(gradient_steps), "1", 1e-6, 1000, NULL, NULL,
     "gradient steps for each environment step; 0.5: one for two"},
    {"learner.alpha", ML3_KEY_REAL, AT(alpha), "1", 1e-9, 1e6, NULL, NULL, "temperature, or its initial value"},
    {"learner.learn_alpha", ML3_KEY_BOOL, AT(learn_alpha), "true", 0, 0, NULL, NULL, "learn the temperature"},
    {"learner.target_entropy", ML3_KEY_REAL, AT(target_entropy), "0", -1e6, 1e6, NULL, NULL,
     "target entropy of the learned temperature; 0: minus the number of actions"},
    {"learner.critic_hidden", ML3_KEY_NUMBERS, AT(critic_hidden), "[256, 256]", 1, 4096, NULL, NULL,
     "widths of the critics' layers"},
};
#undef AT
const ml3_keys ml3_sac_keys = ML3_KEYS(keys, ml3_sac_options);

/* By the names of CleanRL; of the last gradient step. */
enum { Q1, Q2, Q1_LOSS, Q2_LOSS, Q_LOSS, ACTOR_LOSS, ALPHA, ALPHA_LOSS, ENTROPY };
static const char *const metrics[] = {[Q1] = "losses/qf1_values",    [Q2] = "losses/qf2_values",
                                      [Q1_LOSS] = "losses/qf1_loss", [Q2_LOSS] = "losses/qf2_loss",
                                      [Q_LOSS] = "losses/qf_loss",   [ACTOR_LOSS] = "losses/actor_loss",
                                      [ALPHA] = "losses/alpha",      [ALPHA_LOSS] = "losses/alpha_loss",
                                      [ENTROPY] = "losses/entropy",  NULL};

/* Outputs of the programs. */
enum { CRITIC_GRADIENT, OUT_Q1, OUT_Q2, OUT_Q1_LOSS, OUT_Q2_LOSS, CRITIC_OUTPUTS };
enum { ACTOR_GRADIENT, OUT_ACTOR_LOSS, OUT_LOG_PROB, ACTOR_OUTPUTS };

typedef struct sac {
  const ml3_sac_options *settings;
  ml3_mlp critic;
  int theta_size, critics_size; /* parameters are theta, both critics, log alpha */
  double target_entropy;
  ml3_nn_program *programs[2]; /* of the critics' loss, of the actor's */
  ml3_nn_workspace *critics_loss, *actor_loss;
  ml3_nn_optimizer critics_optimizer, alpha_optimizer;
  ml3_replay replay;
  ml3_replay_batch batch;
  ml3_real *noise, *next_noise; /* [batch][actions] */
  ml3_real *targets;            /* [critics_size] */
  ml3_real alpha;
  ml3_real *memory;
} sac;

/* ---- programs ------------------------------------------------------------------------------------------------- */

/* Inputs that are bound to memory once. */
static ml3_node input(ml3_nn_graph *g, int rows, int cols, const ml3_real *data, ml3_node *nodes,
                      const ml3_real **memory, int *count) {
  const ml3_node node = ml3_nn_input(g, rows, cols);
  nodes[*count] = node, memory[(*count)++] = data;
  return node;
}

static int compile(ml3_nn_graph *g, const ml3_nn_output *outputs, int count, const ml3_node *nodes,
                   const ml3_real *const *memory, int inputs, ml3_nn_program **program, ml3_nn_workspace **work,
                   ml3_error *error) {
  *program = ml3_nn_compile(g, outputs, count, error);
  ml3_nn_graph_free(g);
  *work = *program ? ml3_nn_workspace_new(*program, error) : NULL;
  for (int i = 0; i < inputs && *work; i++) ml3_nn_bind_input(*work, nodes[i], memory[i]);
  return *work ? ML3_OK : ml3_error_prefix(error, "SAC's loss");
}

/* Both critics at x_action: [rows, 1] each. */
static void build_critics(ml3_nn_graph *g, const sac *own, ml3_node parameters, ml3_node x_action, ml3_node q[2]) {
  for (int i = 0; i < 2; i++) q[i] = ml3_mlp_build(g, &own->critic, parameters, i * own->critics_size / 2, x_action);
}

/* An action drawn at x, and both critics' least value of it. */
static ml3_node build_value(ml3_nn_graph *g, const ml3_learner *l, ml3_node theta, ml3_node critics, ml3_node x,
                            ml3_node noise, ml3_node *log_prob) {
  ml3_node q[2];
  const ml3_squashed_draw drawn =
      ml3_squashed_build_draw(g, ml3_policy_build_from_input(g, &l->policy, theta, x), noise);
  build_critics(g, l->own, critics, ml3_nn_concat_cols(g, (const ml3_node[]){x, drawn.share}, 2), q);
  *log_prob = drawn.log_prob;
  return ml3_nn_min(g, q[0], q[1]);
}

static int compile_critics(ml3_learner *l, sac *own, ml3_error *error) {
  const int rows = (int)own->settings->batch, n = l->policy.net.inputs, actions = l->policy.action_dim;
  const ml3_real *memory[16];
  ml3_node at[16], q[2], log_prob, gradient;
  int count = 0;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for SAC");
  ml3_node theta = input(g, 1, own->theta_size, l->parameters, at, memory, &count);
  ml3_node critics = input(g, 1, own->critics_size, l->parameters + own->theta_size, at, memory, &count);
  ml3_node targets = input(g, 1, own->critics_size, own->targets, at, memory, &count);
  ml3_node alpha = input(g, 1, 1, &own->alpha, at, memory, &count);
  ml3_node x_action = input(g, rows, n + actions, own->batch.x_action, at, memory, &count);
  ml3_node reward = input(g, rows, 1, own->batch.reward, at, memory, &count);
  ml3_node goes_on = input(g, rows, 1, own->batch.goes_on, at, memory, &count);
  ml3_node next_x = input(g, rows, n, own->batch.next_x, at, memory, &count);
  ml3_node noise = input(g, rows, actions, own->next_noise, at, memory, &count);

  ml3_node next = build_value(g, l, theta, targets, next_x, noise, &log_prob);
  next = ml3_nn_sub(g, next, ml3_nn_mul(g, log_prob, alpha));
  ml3_node y = ml3_nn_add(g, reward, ml3_nn_scale(g, ml3_nn_mul(g, goes_on, next), own->settings->discount));
  build_critics(g, own, critics, x_action, q);
  ml3_node loss[2];
  for (int i = 0; i < 2; i++) loss[i] = ml3_nn_mean(g, ml3_nn_square(g, ml3_nn_sub(g, q[i], y)));
  ml3_nn_gradient(g, ml3_nn_scale(g, ml3_nn_add(g, loss[0], loss[1]), 0.5), &critics, 1, &gradient);
  const ml3_nn_output outputs[CRITIC_OUTPUTS] = {[CRITIC_GRADIENT] = {gradient, 0},
                                                 [OUT_Q1] = {ml3_nn_mean(g, q[0]), 0},
                                                 [OUT_Q2] = {ml3_nn_mean(g, q[1]), 0},
                                                 [OUT_Q1_LOSS] = {loss[0], 0},
                                                 [OUT_Q2_LOSS] = {loss[1], 0}};
  return compile(g, outputs, CRITIC_OUTPUTS, at, memory, count, &own->programs[0], &own->critics_loss, error);
}

static int compile_actor(ml3_learner *l, sac *own, ml3_error *error) {
  const int rows = (int)own->settings->batch;
  const ml3_real *memory[8];
  ml3_node at[8], log_prob, gradient;
  int count = 0;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for SAC");
  ml3_node theta = input(g, 1, own->theta_size, l->parameters, at, memory, &count);
  ml3_node critics = input(g, 1, own->critics_size, l->parameters + own->theta_size, at, memory, &count);
  ml3_node alpha = input(g, 1, 1, &own->alpha, at, memory, &count);
  ml3_node x = input(g, rows, l->policy.net.inputs, own->batch.x, at, memory, &count);
  ml3_node noise = input(g, rows, l->policy.action_dim, own->noise, at, memory, &count);

  ml3_node value = build_value(g, l, theta, critics, x, noise, &log_prob);
  ml3_node loss = ml3_nn_mean(g, ml3_nn_sub(g, ml3_nn_mul(g, log_prob, alpha), value));
  ml3_nn_gradient(g, loss, &theta, 1, &gradient);
  const ml3_nn_output outputs[ACTOR_OUTPUTS] = {
      [ACTOR_GRADIENT] = {gradient, 0}, [OUT_ACTOR_LOSS] = {loss, 0}, [OUT_LOG_PROB] = {ml3_nn_mean(g, log_prob), 0}};
  return compile(g, outputs, ACTOR_OUTPUTS, at, memory, count, &own->programs[1], &own->actor_loss, error);
}

/* ---- making --------------------------------------------------------------------------------------------------- */

static int check(const ml3_learner *l, const ml3_sac_options *s, ml3_error *error) {
  if (l->settings.normalize_obs)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "SAC learns from what it saw long ago, which a running normalisation would change; set "
                         "policy.normalize=false (policy.obs_scale can scale observations)");
  if (s->batch < 1 || s->batch > 65536 || !(s->gradient_steps > 0) || !(s->alpha > 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "SAC: batch %lld, gradient_steps %g and alpha %g must be above 0, and batch at most 65536",
                         (long long)s->batch, s->gradient_steps, s->alpha);
  if (s->critic_hidden.count > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learner.critic_hidden has %d layers; at most %d are possible",
                         s->critic_hidden.count, ML3_MLP_MAX_DEPTH);
  return ML3_OK;
}

static ml3_mlp critic_net(const ml3_learner *l, const ml3_sac_options *s) {
  ml3_mlp net = {.inputs = l->policy.net.inputs + l->policy.action_dim,
                 .outputs = 1,
                 .depth = s->critic_hidden.count,
                 .activation = l->policy.net.activation,
                 .bias = l->policy.net.bias,
                 .start = l->policy.net.start};
  for (int i = 0; i < net.depth; i++) net.hidden[i] = (int)s->critic_hidden.values[i];
  return net;
}

static ml3_real *part(ml3_real **at, size_t count) {
  ml3_real *here = *at;
  *at += count;
  return here;
}

static int allocate(ml3_learner *l, sac *own, ml3_error *error) {
  const ml3_sac_options *s = own->settings;
  const size_t rows = (size_t)s->batch, n = (size_t)l->policy.net.inputs, a = (size_t)l->policy.action_dim;
  const int64_t all = l->settings.updates * l->settings.envs * l->settings.steps; /* more are never seen */
  const ml3_nn_optimizer_settings adam = ml3_nn_adam(s->rate);
  ml3_real *at = own->memory = calloc(rows * (3 * n + 3 * a + 2) + (size_t)own->critics_size, sizeof *at);
  if (!at) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for SAC");
  own->batch.x = part(&at, rows * n);
  own->batch.x_action = part(&at, rows * (n + a));
  own->batch.next_x = part(&at, rows * n);
  own->batch.reward = part(&at, rows);
  own->batch.goes_on = part(&at, rows);
  own->noise = part(&at, rows * a);
  own->next_noise = part(&at, rows * a);
  own->targets = part(&at, (size_t)own->critics_size);
  int code = ml3_replay_init(&own->replay, &l->policy, s->buffer < all ? s->buffer : all, error);
  if (!code) code = ml3_learner_allocate(l, own->theta_size + own->critics_size + 1, own->theta_size, &adam, error);
  if (!code) code = ml3_nn_optimizer_init(&own->critics_optimizer, &adam, (size_t)own->critics_size, error);
  return code ? code : ml3_nn_optimizer_init(&own->alpha_optimizer, &adam, 1, error);
}

static void draw_parameters(ml3_learner *l, sac *own) {
  ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, 0, 1);
  ml3_real *critics = l->parameters + own->theta_size;
  ml3_policy_draw(&l->policy, &random, l->parameters);
  for (int i = 0; i < 2; i++) ml3_mlp_init(&own->critic, &random, critics + i * own->critics_size / 2);
  critics[own->critics_size] = (ml3_real)log(own->settings->alpha);
  memcpy(own->targets, critics, (size_t)own->critics_size * sizeof *critics);
}

static int create(ml3_learner *l, ml3_error *error) {
  const ml3_sac_options *s = l->settings.own;
  int code = check(l, s, error);
  if (code != ML3_OK) return code;
  sac *own = l->own = calloc(1, sizeof *own);
  if (!own) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for SAC");
  own->settings = s;
  own->critic = critic_net(l, s);
  if ((code = ml3_mlp_check(&own->critic, "critic", error)) != ML3_OK) return code;
  own->theta_size = ml3_policy_size(&l->policy);
  own->critics_size = 2 * ml3_mlp_size(&own->critic);
  own->target_entropy = s->target_entropy != 0 ? s->target_entropy : -l->policy.action_dim;
  code = allocate(l, own, error);
  if (code == ML3_OK) code = compile_critics(l, own, error);
  if (code == ML3_OK) code = compile_actor(l, own, error);
  if (code == ML3_OK) draw_parameters(l, own);
  return code;
}

static void destroy(ml3_learner *l) {
  sac *own = l->own;
  if (!own) return;
  ml3_nn_workspace_free(own->critics_loss);
  ml3_nn_workspace_free(own->actor_loss);
  for (int i = 0; i < 2; i++) ml3_nn_program_free(own->programs[i]);
  ml3_nn_optimizer_free(&own->critics_optimizer);
  ml3_nn_optimizer_free(&own->alpha_optimizer);
  ml3_replay_free(&own->replay);
  free(own->memory);
  free(own);
}

/* ---- an update ---------------------------------------------------------------------------------------------------- */

static bool explores(const ml3_learner *l) {
  return l->env_steps < ((const sac *)l->own)->settings->learning_starts;
}

/* The minibatch and the noise of gradient step number l->optimizer.step. */
static void draw_batch(const ml3_learner *l, const sac *own) {
  const int64_t step = l->optimizer.step, count = own->settings->batch * l->policy.action_dim;
  ml3_random random =
      ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, (uint32_t)step, 2 + (uint32_t)(step >> 32));
  ml3_replay_draw(&own->replay, &random, (int)own->settings->batch, &own->batch);
  for (int64_t i = 0; i < count; i++) own->next_noise[i] = (ml3_real)ml3_random_normal(&random);
  for (int64_t i = 0; i < count; i++) own->noise[i] = (ml3_real)ml3_random_normal(&random);
}

static void move_targets(const ml3_learner *l, const sac *own) {
  const ml3_real *restrict critics = l->parameters + own->theta_size, tau = (ml3_real)own->settings->tau;
  ml3_real *restrict targets = own->targets;
  for (int i = 0; i < own->critics_size; i++) targets[i] += tau * (critics[i] - targets[i]);
}

/* alpha's loss is by the actor's draw and by alpha as it was before. */
static int learn_alpha(ml3_learner *l, sac *own, double log_prob, ml3_error *error) {
  const ml3_real gradient = (ml3_real) - (log_prob + own->target_entropy);
  ml3_real *log_alpha = l->parameters + own->theta_size + own->critics_size;
  if (!own->settings->learn_alpha) return ML3_OK;
  return ml3_learner_descend(l, &own->alpha_optimizer, log_alpha, &gradient, "the temperature's loss", error);
}

static int step(ml3_learner *l, sac *own, ml3_error *error) {
  ml3_real *critics = l->parameters + own->theta_size;
  draw_batch(l, own);
  own->alpha = (ml3_real)exp((double)critics[own->critics_size]);
  ml3_nn_run(own->critics_loss, 0);
  int code = ml3_learner_descend(l, &own->critics_optimizer, critics,
                                 ml3_nn_output_at(own->critics_loss, CRITIC_GRADIENT), "the critics' loss", error);
  if (code != ML3_OK) return code;
  ml3_nn_run(own->actor_loss, 0);
  code = ml3_learner_descend(l, &l->optimizer, l->parameters, ml3_nn_output_at(own->actor_loss, ACTOR_GRADIENT),
                             "the actor's loss", error);
  if (code == ML3_OK) code = learn_alpha(l, own, ml3_nn_output_at(own->actor_loss, OUT_LOG_PROB)[0], error);
  move_targets(l, own);
  return code;
}

static void report_step(const ml3_learner *l, const sac *own, double *report) {
  const ml3_nn_workspace *critics = own->critics_loss, *actor = own->actor_loss;
  const double log_prob = ml3_nn_output_at(actor, OUT_LOG_PROB)[0];
  report[Q1] = ml3_nn_output_at(critics, OUT_Q1)[0];
  report[Q2] = ml3_nn_output_at(critics, OUT_Q2)[0];
  report[Q1_LOSS] = ml3_nn_output_at(critics, OUT_Q1_LOSS)[0];
  report[Q2_LOSS] = ml3_nn_output_at(critics, OUT_Q2_LOSS)[0];
  report[Q_LOSS] = (report[Q1_LOSS] + report[Q2_LOSS]) / 2;
  report[ACTOR_LOSS] = ml3_nn_output_at(actor, OUT_ACTOR_LOSS)[0];
  report[ALPHA] = exp((double)l->parameters[l->size - 1]);
  report[ALPHA_LOSS] = -log((double)own->alpha) * (log_prob + own->target_entropy);
  report[ENTROPY] = -log_prob;
}

/* What the environments just did goes into the replay buffer; then as many gradient steps as are due by now. */
static int update(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  sac *own = l->own;
  const ml3_sac_options *s = own->settings;
  ml3_replay_add(&own->replay, &l->policy, l->rollout);
  const double due = floor((double)(l->env_steps - s->learning_starts) * s->gradient_steps);
  const bool any = (double)l->optimizer.step < due;
  while ((double)l->optimizer.step < due) {
    const int code = step(l, own, error);
    if (code != ML3_OK) return code;
  }
  if (any) report_step(l, own, report->own);
  return ML3_OK;
}

/* ---- checkpoints ---------------------------------------------------------------------------------------------------- */

static int put_own(const ml3_learner *l, ml3_nn_tensors *file, ml3_error *error) {
  const sac *own = l->own;
  int code = ml3_nn_tensors_put(file, "targets", 0, own->critics_size, own->targets, error);
  if (!code) code = ml3_optimizer_put(&own->critics_optimizer, file, "critics", error);
  if (!code) code = ml3_optimizer_put(&own->alpha_optimizer, file, "alpha", error);
  return code ? code : ml3_replay_put(&own->replay, file, error);
}

static int get_own(ml3_learner *l, const ml3_nn_tensors *file, ml3_error *error) {
  sac *own = l->own;
  int code = ml3_nn_tensors_get(file, "targets", (size_t)own->critics_size, own->targets, error);
  if (!code) code = ml3_optimizer_get(&own->critics_optimizer, file, "critics", error);
  if (!code) code = ml3_optimizer_get(&own->alpha_optimizer, file, "alpha", error);
  return code ? code : ml3_replay_get(&own->replay, file, error);
}

const ml3_learner_kind ml3_learner_sac = {
    .name = "sac",
    .label = "SAC",
    .summary = "soft actor-critic: off-policy, from a replay buffer",
    .keys = &ml3_sac_keys,
    .defaults =
        "learner.envs=1 learner.steps=500 policy.kind=gaussian policy.hidden=[256,256] policy.activation=relu "
        "policy.bias=true policy.squash=tanh policy.normalize=false policy.obs_scale=[]",
    .metrics = metrics,
    .collects = true,
    .stepwise = true,
    .policy = ml3_policy_make_squashed,
    .create = create,
    .destroy = destroy,
    .explores = explores,
    .update = update,
    .put = put_own,
    .get = get_own};
