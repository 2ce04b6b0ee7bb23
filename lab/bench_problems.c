#include "lab/bench_problems.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_based.h"

void ml3_lab_bench_fill(ml3_real *x, int n, double scale, double offset) {
  for (int k = 0; k < n; k++) x[k] = (ml3_real)(scale * sin(k + 1 + offset));
}

/* ---- mountain car: the library's own problem -------------------------------------------------------------- */

static ml3_problem *make_mountain_car(ml3_error *error) {
  static const double extra_goal[2] = {-0.947, -0.0055};
  const ml3_env_spec *env = ml3_env_find("mountain_car", error);
  const int hidden[1] = {200};
  ml3_model_based_settings s = {.env = env,
                                .horizon = 35,
                                .starts = 1,
                                .cost = ML3_COST_TRAJECTORY,
                                .cost_from_step = 15,
                                .extra = true,
                                .extra_goal = extra_goal,
                                .extra_until_step = 15};
  if (!env || ml3_policy_init(&s.policy, env, hidden, 1, ML3_IDENTITY, false, error) != ML3_OK) return NULL;
  ml3_problem *problem = ml3_model_based_new(&s, error);
  ml3_policy_free(&s.policy);
  return problem;
}

static void set_mountain_car(int number, ml3_real *task) {
  task[0] = (ml3_real)(-0.55 + 0.002 * number);
  task[2] = (ml3_real)0.5;
  task[3] = (ml3_real)1.0375;
}

/* ---- reacher: rollouts through an ensemble, whose parameters are the problem's context ----------------------- */

enum { HORIZON = 65, MEMBERS = 3 };

static const ml3_mlp reacher_policy = {
    .inputs = 8, .outputs = 2, .depth = 2, .hidden = {64, 64}, .activation = ML3_TANH, .bias = true};
static const ml3_mlp reacher_member = {
    .inputs = 6, .outputs = 2, .depth = 2, .hidden = {100, 30}, .activation = ML3_TANH, .bias = true};

typedef struct rollout {
  ml3_node states[HORIZON + 1], actions[HORIZON], goal; /* [1,4], [1,2], [1,4] */
} rollout;

/* [s, more] with velocities divided by 8. */
static ml3_node scaled(ml3_nn_graph *g, ml3_node s, ml3_node more) {
  ml3_node parts[3] = {ml3_nn_slice_cols(g, s, 0, 2), ml3_nn_scale(g, ml3_nn_slice_cols(g, s, 2, 2), 0.125), more};
  return ml3_nn_concat_cols(g, parts, 3);
}

static ml3_node reacher_step(ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  const int size = ml3_mlp_size(&reacher_member);
  ml3_node input = scaled(g, state, action), push = ML3_NN_NONE;
  for (int i = 0; i < MEMBERS; i++) {
    ml3_node one = ml3_mlp_build(g, &reacher_member, context, i * size, input);
    push = i ? ml3_nn_add(g, push, one) : one;
  }
  ml3_node v = ml3_nn_add(g, ml3_nn_slice_cols(g, state, 2, 2), ml3_nn_scale(g, push, 1.0 / MEMBERS));
  ml3_node q = ml3_nn_add(g, ml3_nn_slice_cols(g, state, 0, 2), ml3_nn_scale(g, v, 0.01));
  ml3_node next[2] = {ml3_nn_clamp(g, q, -3, 3), ml3_nn_clamp(g, v, -4, 4)};
  return ml3_nn_concat_cols(g, next, 2);
}

static rollout reacher_rollout(ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  rollout r = {.goal = ml3_nn_view(g, data, 4, 1, 4)};
  r.states[0] = ml3_nn_view(g, data, 0, 1, 4);
  for (int t = 0; t < HORIZON; t++) {
    ml3_node input = scaled(g, ml3_nn_stop_gradient(g, r.states[t]), r.goal);
    r.actions[t] = ml3_nn_clamp(g, ml3_mlp_build(g, &reacher_policy, theta, 0, input), -1, 1);
    r.states[t + 1] = reacher_step(g, context, r.states[t], r.actions[t]);
  }
  return r;
}

static ml3_node reacher_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data,
                                 ml3_node context) {
  rollout r = reacher_rollout(g, theta, data, context);
  ml3_node distance = ml3_nn_norm(g, ml3_nn_sub(g, r.states[HORIZON], r.goal));
  ml3_node parts[3] = {ml3_nn_stop_gradient(g, ml3_nn_concat_rows(g, r.states, HORIZON)),
                       ml3_nn_concat_rows(g, r.actions, HORIZON),
                       ml3_nn_broadcast(g, ml3_nn_stop_gradient(g, distance), HORIZON, 1)};
  (void)p;
  return ml3_nn_concat_cols(g, parts, 3);
}

static ml3_node mean_row_norm(ml3_nn_graph *g, ml3_node x) {
  return ml3_nn_mean(g, ml3_nn_sqrt(g, ml3_nn_sum_cols(g, ml3_nn_square(g, x))));
}

static ml3_node reacher_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  rollout r = reacher_rollout(g, theta, data, context);
  ml3_node all = ml3_nn_concat_rows(g, r.states, HORIZON + 1);
  ml3_node off = ml3_nn_sub(g, ml3_nn_slice_cols(g, all, 0, 2), ml3_nn_view(g, data, 4, 1, 2));
  ml3_node end = ml3_nn_scale(g, ml3_nn_norm(g, ml3_nn_slice_rows(g, off, HORIZON, 1)), 10);
  ml3_node speed = ml3_nn_scale(g, mean_row_norm(g, ml3_nn_slice_cols(g, all, 2, 2)), 1e-4);
  (void)p;
  return ml3_nn_add(g, ml3_nn_add(g, end, mean_row_norm(g, off)), speed);
}

static void set_reacher(int number, ml3_real *task) {
  task[4] = (ml3_real)(0.5 + 0.01 * number);
  task[5] = (ml3_real)(1.4 - 0.01 * number);
}

/* ---- sine: y = model(x) on 100 points ------------------------------------------------------------------------ */

enum { POINTS = 100 };

static const ml3_mlp sine_model = {
    .inputs = 1, .outputs = 1, .depth = 2, .hidden = {100, 10}, .activation = ML3_RELU, .bias = true};

static ml3_node sine_features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  ml3_node x = ml3_nn_view(g, data, 0, POINTS, 1), y = ml3_nn_view(g, data, POINTS, POINTS, 1);
  ml3_node both[2] = {ml3_mlp_build(g, &sine_model, theta, 0, x), y};
  (void)p, (void)context;
  return ml3_nn_concat_cols(g, both, 2);
}

static ml3_node sine_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  ml3_node x = ml3_nn_view(g, data, 0, POINTS, 1), y = ml3_nn_view(g, data, POINTS, POINTS, 1);
  (void)p, (void)context;
  return ml3_nn_mean(g, ml3_nn_square(g, ml3_nn_sub(g, ml3_mlp_build(g, &sine_model, theta, 0, x), y)));
}

static void set_sine(int number, ml3_real *task) {
  for (int i = 0; i < POINTS; i++) {
    const double x = -2 + 4.0 * i / (POINTS - 1);
    task[i] = (ml3_real)x;
    task[POINTS + i] = (ml3_real)((1 + 0.05 * number) * sin(x - 3.14159265358979323846 - 0.02 * number));
  }
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

static void free_problem(ml3_problem *p) {
  free(p->user);
  free(p);
}

/* A copy of the sizes and functions in `is`, with `context_size` numbers of context in `user`. */
static ml3_problem *make_problem(const ml3_problem *is, ml3_error *error) {
  ml3_problem *p = malloc(sizeof *p);
  ml3_real *context = calloc((size_t)is->context_size + 1, sizeof *context);
  if (!p || !context) {
    free(p);
    free(context);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the problem '%s'", is->name);
    return NULL;
  }
  *p = *is;
  p->inner_size = p->outer_size = p->task_size;
  p->context = p->user = context;
  p->free = free_problem;
  return p;
}

static ml3_problem *make_reacher(ml3_error *error) {
  const int size = ml3_mlp_size(&reacher_member);
  ml3_problem *p = make_problem(&(ml3_problem){.name = "reacher",
                                               .theta_size = ml3_mlp_size(&reacher_policy),
                                               .task_size = 8,
                                               .context_size = MEMBERS * size,
                                               .features = 7,
                                               .build_features = reacher_features,
                                               .build_task_loss = reacher_loss},
                                error);
  for (int i = 0; p && i < MEMBERS; i++) ml3_lab_bench_fill((ml3_real *)p->user + i * size, size, 0.15, 10 * i);
  return p;
}

static ml3_problem *make_sine(ml3_error *error) {
  return make_problem(&(ml3_problem){.name = "sine",
                                     .theta_size = ml3_mlp_size(&sine_model),
                                     .task_size = 2 * POINTS,
                                     .features = 2,
                                     .build_features = sine_features,
                                     .build_task_loss = sine_loss},
                      error);
}

static const ml3_lab_bench_case cases[] = {
    {.name = "mountain_car",
     .outer_rate = 1e-3,
     .policy_scale = 0.3,
     .loss = {.net = {.inputs = 4, .outputs = 1, .depth = 2, .hidden = {400, 400}, .activation = ML3_ELU, .bias = true},
              .rate = 1e-3},
     .loss_scale = 0.05,
     .extra_weight = 1,
     .make = make_mountain_car,
     .set_task = set_mountain_car},
    {.name = "reacher",
     .outer_rate = 1e-2,
     .policy_scale = 0.2,
     .loss = {.net = {.inputs = 7,
                      .outputs = 1,
                      .depth = 2,
                      .hidden = {400, 400},
                      .activation = ML3_ELU,
                      .output = ML3_SOFTPLUS,
                      .bias = true},
              .rate = 1e-4},
     .loss_scale = 0.05,
     .input_scale = {1, 1, 0.125, 0.125, 1, 1, 1},
     .make = make_reacher,
     .set_task = set_reacher},
    {.name = "sine",
     .outer_rate = 1e-3,
     .policy_scale = 0.3,
     .loss = {.net = {.inputs = 2,
                      .outputs = 1,
                      .depth = 2,
                      .hidden = {50, 50},
                      .activation = ML3_RELU,
                      .output = ML3_SOFTPLUS},
              .rate = 1e-3},
     .loss_scale = 0.2,
     .loss_offset = 0.3,
     .make = make_sine,
     .set_task = set_sine},
};

const ml3_lab_bench_case *ml3_lab_bench_find(const char *name, ml3_error *error) {
  enum { COUNT = sizeof cases / sizeof *cases };
  for (int i = 0; i < COUNT; i++)
    if (strcmp(cases[i].name, name) == 0) return &cases[i];
  ml3_error_set(error, ML3_ERR_ARGUMENT, "--problem is '%s'; mountain_car, reacher and sine can be timed", name);
  return NULL;
}
