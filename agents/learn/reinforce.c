/* REINFORCE (Williams 1992) with a baseline: one step of Adam an update, on whole episodes, along

     - mean A_t grad log pi(a_t|s_t) - entropy_weight grad entropy

   with A_t the reward-to-go minus its mean over the other episodes at the same step, scaled to deviation 1: the estimate
   that the learned loss is meta-trained with. Episodes longer than `steps` are cut there. */
#include "agents/learn/reinforce.h"

#include <stddef.h>
#include <stdlib.h>

#include "agents/learn/advantage.h"
#include "agents/learn/learner.h"
#include "nn/program.h"

#define AT(field) offsetof(ml3_reinforce_options, field)
static const ml3_key keys[] = {
    {"learner.rate", ML3_KEY_REAL, AT(rate), "3e-4", 0, 1e3, NULL, NULL, "Adam's step size"},
    {"learner.anneal", ML3_KEY_BOOL, AT(anneal), "true", 0, 0, NULL, NULL, "decrease the step size linearly to 0"},
    {"learner.discount", ML3_KEY_REAL, AT(discount), "0.99", 1e-6, 1, NULL, NULL, "discount factor"},
    {"learner.entropy_weight", ML3_KEY_REAL, AT(entropy_weight), "0", 0, 1e3, NULL, NULL, ""},
    {"learner.clip_norm", ML3_KEY_REAL, AT(clip_norm), "0.5", 0, 1e9, NULL, NULL,
     "largest norm of the gradient; 0: no clipping"},
};
#undef AT
const ml3_keys ml3_reinforce_keys = ML3_KEYS(keys, ml3_reinforce_options);

enum { POLICY_LOSS, ENTROPY, GRADIENT };

typedef struct reinforce {
  const ml3_reinforce_options *settings;
  ml3_nn_program *program;
  ml3_nn_workspace *work;
  ml3_node in_theta, in_x, in_action, in_advantage;
  ml3_real *advantage; /* [steps][envs] */
} reinforce;

static int compile(ml3_learner *l, reinforce *own, ml3_error *error) {
  const int rows = l->settings.envs * l->settings.steps;
  ml3_nn_graph *g = ml3_nn_graph_new();
  if (!g) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for REINFORCE");
  own->in_theta = ml3_nn_input(g, 1, l->size);
  own->in_x = ml3_nn_input(g, rows, l->policy.net.inputs);
  own->in_action = ml3_nn_input(g, rows, l->policy.action_dim);
  own->in_advantage = ml3_nn_input(g, rows, 1);
  ml3_policy_nodes at = ml3_policy_build_from_input(g, &l->policy, own->in_theta, own->in_x);
  ml3_node log_prob = ml3_policy_build_log_prob(g, at, own->in_action), gradient;
  ml3_node policy_loss = ml3_nn_neg(g, ml3_nn_mean(g, ml3_nn_mul(g, own->in_advantage, log_prob)));
  ml3_node entropy = ml3_nn_mean(g, ml3_policy_build_entropy(g, at));
  ml3_node loss = ml3_nn_sub(g, policy_loss, ml3_nn_scale(g, entropy, own->settings->entropy_weight));
  ml3_nn_gradient(g, loss, &own->in_theta, 1, &gradient);
  const ml3_nn_output outputs[] = {{policy_loss, 0}, {entropy, 0}, {gradient, 0}};
  own->program = ml3_nn_compile(g, outputs, 3, error);
  ml3_nn_graph_free(g);
  own->work = own->program ? ml3_nn_workspace_new(own->program, error) : NULL;
  return own->work ? ML3_OK : ml3_error_prefix(error, "REINFORCE");
}

static int create(ml3_learner *l, ml3_error *error) {
  const ml3_reinforce_options *s = l->settings.own;
  if (!(s->discount > 0 && s->discount <= 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "REINFORCE: discount %g must be within 0 and 1", s->discount);
  reinforce *own = l->own = calloc(1, sizeof *own);
  if (!own) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for REINFORCE");
  own->settings = s;
  own->advantage = calloc((size_t)l->settings.envs * (size_t)l->settings.steps, sizeof *own->advantage);
  if (!own->advantage) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for REINFORCE");
  ml3_nn_optimizer_settings adam = ml3_nn_adam(s->rate);
  adam.epsilon = 1e-5;
  adam.clip_norm = s->clip_norm;
  adam.total_steps = l->settings.updates;
  if (s->anneal) adam.schedule = ML3_NN_LINEAR;
  const int size = ml3_policy_size(&l->policy);
  int code = ml3_learner_allocate(l, size, size, &adam, error);
  if (code == ML3_OK) code = compile(l, own, error);
  ml3_random random = ml3_random_stream(l->settings.seed, ML3_PURPOSE_BASELINE, 0, 1);
  if (code == ML3_OK) ml3_policy_draw(&l->policy, &random, l->parameters);
  return code;
}

static void destroy(ml3_learner *l) {
  reinforce *own = l->own;
  if (!own) return;
  ml3_nn_workspace_free(own->work);
  ml3_nn_program_free(own->program);
  free(own->advantage);
  free(own);
}

static int update(ml3_learner *l, ml3_learner_report *report, ml3_error *error) {
  reinforce *own = l->own;
  const ml3_rollout *r = l->rollout;
  ml3_rewards_to_go(r, r->reward, own->settings->discount, own->advantage);
  ml3_subtract_others(r, own->advantage);
  ml3_standardize(own->advantage, (size_t)r->envs * (size_t)r->steps);
  ml3_nn_bind_input(own->work, own->in_theta, l->parameters);
  ml3_nn_bind_input(own->work, own->in_x, r->x);
  ml3_nn_bind_input(own->work, own->in_action, r->action);
  ml3_nn_bind_input(own->work, own->in_advantage, own->advantage);
  ml3_nn_run(own->work, 0);
  report->own[ML3_METRIC_POLICY_LOSS] = ml3_nn_output_at(own->work, POLICY_LOSS)[0];
  report->own[ML3_METRIC_ENTROPY] = ml3_nn_output_at(own->work, ENTROPY)[0];
  return ml3_learner_descend(l, &l->optimizer, l->parameters, ml3_nn_output_at(own->work, GRADIENT),
                             "the policy's loss", error);
}

const ml3_learner_kind ml3_learner_reinforce = {.name = "reinforce",
                                                .label = "REINFORCE",
                                                .keys = &ml3_reinforce_keys,
                                                .defaults = ml3_on_policy_defaults,
                                                .metrics = ml3_on_policy_metrics,
                                                .summary = "REINFORCE with a baseline, one Adam step an update",
                                                .collects = true,
                                                .whole_episodes = true,
                                                .create = create,
                                                .destroy = destroy,
                                                .update = update};
