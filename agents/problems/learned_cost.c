/* A learned loss as a cost for iLQR: see learned_cost.h. */
#include "agents/problems/learned_cost.h"

#include <stdlib.h>

/* inputs: phi, shift, scale, the features that are held constant (at least one number, so that there is an input). */
static ml3_node build_learned(void *user, ml3_nn_graph *g, const ml3_node *inputs, ml3_node state, ml3_node action) {
  const ml3_loss *loss = user;
  const int rest = loss->spec.net.inputs - ml3_nn_cols(g, state) - ml3_nn_cols(g, action);
  ml3_node columns[3] = {state, action, ML3_NN_NONE};
  if (rest > 0) columns[2] = ml3_nn_view(g, inputs[3], 0, 1, rest);
  ml3_node features = ml3_nn_concat_cols(g, columns, rest > 0 ? 3 : 2);
  return ml3_loss_build(g, &loss->spec, inputs[0], inputs[1], inputs[2], features);
}

ml3_ilqr_cost ml3_ilqr_learned(const ml3_loss *loss, int state_dim, int action_dim, const double *rest,
                               double action_weight, ml3_error *error) {
  const int features = loss->spec.net.inputs, others = features - state_dim - action_dim;
  if (others < 0) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "the learned loss takes %d features; a state and an action are %d", features,
                  state_dim + action_dim);
    return (ml3_ilqr_cost){0};
  }
  if (loss->spec.net.activation == ML3_RELU && loss->spec.net.depth > 0) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "a learned loss with ReLU layers has no second derivative for iLQR; train one with "
                  "loss.activation tanh, "
                  "elu or softplus");
    return (ml3_ilqr_cost){0};
  }
  ml3_real *kept = calloc((size_t)others + 1, sizeof *kept);
  if (!kept) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a cost");
    return (ml3_ilqr_cost){0};
  }
  for (int i = 0; i < others; i++) kept[i] = (ml3_real)rest[i];
  const ml3_ilqr_graph_cost spec = {.state_dim = state_dim,
                                    .action_dim = action_dim,
                                    .build = build_learned,
                                    .user = (void *)loss,
                                    .inputs = 4,
                                    .input_size = {loss->size, features, features, others + 1},
                                    .input = {loss->phi, loss->shift, loss->scale, kept},
                                    .action_weight = action_weight,
                                    .owned = kept};
  return ml3_ilqr_graph(&spec, error);
}
