/* The ensemble as dynamics, and its file: see ensemble.h. Fitting is in ensemble_fit.c. */
#include "agents/control/ensemble.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/tensor_file.h"

ml3_ensemble_settings ml3_ensemble_defaults(void) {
  return (ml3_ensemble_settings){.members = 3, .hidden = {100, 30}, .depth = 2, .variance_min = 1e-3};
}

/* ---- graph ------------------------------------------------------------------------------------------------------- */

/* Where parts of the context begin. */
static int inputs_of(const ml3_ensemble *e) {
  return e->moving + e->dynamics.action_dim;
}
static int normalization_at(const ml3_ensemble *e) {
  return e->settings.members * ml3_mlp_size(&e->net);
}

int ml3_ensemble_moving(const ml3_ensemble *e, int i) {
  return e->settings.moving_count ? e->settings.moving[i] : i;
}

/* The entries of the state that move, [rows, k]. */
static ml3_node build_moving(const ml3_ensemble *e, ml3_nn_graph *g, ml3_node state) {
  ml3_node columns[e->moving];
  if (!e->settings.moving_count) return state;
  for (int i = 0; i < e->moving; i++) columns[i] = ml3_nn_slice_cols(g, state, e->settings.moving[i], 1);
  return ml3_nn_concat_cols(g, columns, e->moving);
}

/* The state with those entries changed. */
static ml3_node build_state(const ml3_ensemble *e, ml3_nn_graph *g, ml3_node state, ml3_node moved) {
  const int n = e->dynamics.state_dim;
  ml3_node columns[n];
  if (!e->settings.moving_count) return moved;
  for (int i = 0; i < n; i++) columns[i] = ml3_nn_slice_cols(g, state, i, 1);
  for (int i = 0; i < e->moving; i++) columns[e->settings.moving[i]] = ml3_nn_slice_cols(g, moved, i, 1);
  return ml3_nn_concat_cols(g, columns, n);
}

static ml3_node build_normalized(const ml3_ensemble *e, ml3_nn_graph *g, ml3_node context, ml3_node state,
                                 ml3_node action) {
  const int at = normalization_at(e), k = inputs_of(e);
  const ml3_node parts[2] = {build_moving(e, g, state), action};
  ml3_node x = ml3_nn_concat_cols(g, parts, 2);
  return ml3_nn_mul(g, ml3_nn_sub(g, x, ml3_nn_view(g, context, at, 1, k)), ml3_nn_view(g, context, at + k, 1, k));
}

/* mean and variance [rows, predicted], normalised. */
static void build_heads(const ml3_ensemble *e, ml3_nn_graph *g, int member, ml3_node context, ml3_node x,
                        ml3_node *mean, ml3_node *variance) {
  ml3_node both = ml3_mlp_build(g, &e->net, context, member * ml3_mlp_size(&e->net), x);
  *mean = ml3_nn_slice_cols(g, both, 0, e->predicted);
  *variance = ml3_nn_shift(g, ml3_nn_softplus(g, ml3_nn_slice_cols(g, both, e->predicted, e->predicted)),
                           e->settings.variance_min);
}

void ml3_ensemble_build_member(const ml3_ensemble *e, ml3_nn_graph *g, int member, ml3_node context, ml3_node state,
                               ml3_node action, ml3_node *mean, ml3_node *variance) {
  const int at = normalization_at(e) + 2 * inputs_of(e);
  ml3_node shift = ml3_nn_view(g, context, at, 1, e->predicted);
  ml3_node scale = ml3_nn_view(g, context, at + e->predicted, 1, e->predicted);
  build_heads(e, g, member, context, build_normalized(e, g, context, state, action), mean, variance);
  *mean = ml3_nn_add(g, ml3_nn_div(g, *mean, scale), shift);
  *variance = ml3_nn_div(g, *variance, ml3_nn_square(g, scale));
}

/* Columns kept within the state's bounds, where there are any; the gradient passes straight through. */
static ml3_node build_bounded(const ml3_ensemble *e, ml3_nn_graph *g, ml3_node state) {
  const int n = e->dynamics.state_dim;
  ml3_node columns[n];
  bool bounded = false;
  for (int i = 0; i < n; i++) {
    const ml3_env_field *f = &e->spec->state[i];
    columns[i] = ml3_nn_slice_cols(g, state, i, 1);
    if (!isfinite(f->low) || !isfinite(f->high)) continue;
    columns[i] = ml3_nn_straight_through(g, ml3_nn_clamp(g, columns[i], f->low, f->high), columns[i]);
    bounded = true;
  }
  return bounded ? ml3_nn_concat_cols(g, columns, n) : state;
}

static ml3_node step(const ml3_dynamics *dynamics, ml3_nn_graph *g, ml3_node context, ml3_node state, ml3_node action) {
  const ml3_ensemble *e = dynamics->user;
  ml3_node change = ML3_NN_NONE;
  for (int i = 0; i < e->settings.members; i++) {
    ml3_node mean, variance;
    ml3_ensemble_build_member(e, g, i, context, state, action, &mean, &variance);
    change = i ? ml3_nn_add(g, change, mean) : mean;
  }
  change = ml3_nn_scale(g, change, 1.0 / e->settings.members);
  ml3_node now = build_moving(e, g, state);
  if (!e->settings.second_order) return build_bounded(e, g, build_state(e, g, state, ml3_nn_add(g, now, change)));

  const int half = e->predicted;
  ml3_node v = ml3_nn_add(g, ml3_nn_slice_cols(g, now, half, half), change);
  ml3_node q = ml3_nn_add(g, ml3_nn_slice_cols(g, now, 0, half), ml3_nn_scale(g, v, e->spec->dt_s));
  const ml3_node next[2] = {q, v};
  return build_bounded(e, g, build_state(e, g, state, ml3_nn_concat_cols(g, next, 2)));
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static int moving_of(const ml3_env_spec *spec, const ml3_ensemble_settings *s) {
  return s->moving_count ? s->moving_count : spec->state_dim;
}

static int check(const ml3_env_spec *spec, const ml3_ensemble_settings *s, ml3_error *error) {
  if (s->members < 1 || s->members > ML3_ENSEMBLE_MAX_MEMBERS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "an ensemble has 1 to %d members, not %d", ML3_ENSEMBLE_MAX_MEMBERS,
                         s->members);
  if (s->depth < 0 || s->depth > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "ensemble: %d hidden layers; 0 to %d are possible", s->depth,
                         ML3_MLP_MAX_DEPTH);
  int code = ml3_env_check_sizes(spec, error);
  if (code != ML3_OK) return code;
  if (s->moving_count < 0 || s->moving_count > spec->state_dim)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "ensemble: %d entries of the state move; '%s' has %d",
                         s->moving_count, spec->name, spec->state_dim);
  for (int i = 0; i < s->moving_count; i++)
    if (s->moving[i] < 0 || s->moving[i] >= spec->state_dim)
      return ml3_error_set(error, ML3_ERR_ARGUMENT, "ensemble: entry %d of the state is to move; '%s' has %d",
                           s->moving[i], spec->name, spec->state_dim);
  const int moving = moving_of(spec, s);
  if (s->second_order && moving % 2)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "a second-order ensemble takes the state in halves; of '%s' %d entries move", spec->name,
                         moving);
  if (!(s->variance_min > 0))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "ensemble: the least variance must be above 0, not %g",
                         s->variance_min);
  return ML3_OK;
}

/* A member's network, from settings that are well. */
static ml3_mlp net_of(const ml3_env_spec *spec, const ml3_ensemble_settings *s) {
  const int moving = moving_of(spec, s);
  ml3_mlp net = {.inputs = moving + spec->action_dim,
                 .outputs = 2 * (s->second_order ? moving / 2 : moving),
                 .depth = s->depth,
                 .activation = ML3_TANH,
                 .output = ML3_IDENTITY,
                 .bias = true};
  memcpy(net.hidden, s->hidden, sizeof net.hidden);
  return net;
}

/* The members' parameters fit a tensor, with room for the normalisation; and not more than `most` of them. */
static int check_net(const ml3_env_spec *spec, const ml3_ensemble_settings *s, int64_t most, ml3_error *error) {
  int code = check(spec, s, error);
  if (code != ML3_OK) return code;
  const ml3_mlp net = net_of(spec, s);
  if ((code = ml3_mlp_check(&net, "ensemble", error)) != ML3_OK) return code;
  const int64_t size = ml3_mlp_size(&net);
  if (s->members * size <= most) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "an ensemble of %d members has %lld parameters each; %lld in all are possible",
                       s->members, (long long)size, (long long)most);
}

ml3_ensemble *ml3_ensemble_new(const ml3_env_spec *spec, const ml3_ensemble_settings *settings, uint64_t seed,
                               ml3_error *error) {
  if (check_net(spec, settings, 1 << 29, error) != ML3_OK) return NULL;
  ml3_ensemble *e = calloc(1, sizeof *e);
  if (!e) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an ensemble");
    return NULL;
  }
  e->settings = *settings;
  e->spec = spec;
  e->moving = moving_of(spec, settings);
  e->predicted = settings->second_order ? e->moving / 2 : e->moving;
  e->net = net_of(spec, settings);
  e->dynamics = (ml3_dynamics){.environment = spec->name,
                               .state_dim = spec->state_dim,
                               .action_dim = spec->action_dim,
                               .context_size = normalization_at(e) + 2 * e->net.inputs + 2 * e->predicted,
                               .step = step,
                               .user = e};
  e->context = calloc((size_t)e->dynamics.context_size, sizeof *e->context);
  e->entries = calloc((size_t)settings->moving_count + 1, sizeof *e->entries);
  if (!e->context || !e->entries) {
    ml3_ensemble_free(e);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for an ensemble");
    return NULL;
  }
  for (int i = 0; i < settings->moving_count; i++) e->entries[i] = settings->moving[i];
  e->settings.moving = e->entries;
  for (int i = 0; i < settings->members; i++) {
    ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_BASELINE, (uint32_t)i, 1);
    ml3_mlp_init(&e->net, &random, e->context + i * ml3_mlp_size(&e->net));
  }
  ml3_real *scale = e->context + normalization_at(e) + e->net.inputs;
  for (int i = 0; i < e->net.inputs; i++) scale[i] = 1;
  for (int i = 0; i < e->predicted; i++) scale[e->net.inputs + e->predicted + i] = 1;
  return e;
}

void ml3_ensemble_free(ml3_ensemble *e) {
  if (!e) return;
  free(e->context);
  free(e->entries);
  free(e);
}

/* ---- file -------------------------------------------------------------------------------------------------------- */

/* What the shapes follow from: state, action, members, second order, depth, widths. */
enum { SHAPE = 5 + ML3_MLP_MAX_DEPTH };
static void shape_of(const ml3_ensemble *e, int64_t shape[SHAPE]) {
  const ml3_ensemble_settings *s = &e->settings;
  const int64_t first[5] = {e->dynamics.state_dim, e->dynamics.action_dim, s->members, s->second_order, s->depth};
  memcpy(shape, first, sizeof first);
  for (int i = 0; i < ML3_MLP_MAX_DEPTH; i++) shape[5 + i] = i < s->depth ? s->hidden[i] : 0;
}

int ml3_ensemble_save(const ml3_ensemble *e, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  if (!t) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  int64_t shape[SHAPE];
  const ml3_real least = (ml3_real)e->settings.variance_min;
  shape_of(e, shape);
  int code = ml3_nn_tensors_put_text(t, "format", "ml3 ensemble 1", error);
  if (!code) code = ml3_nn_tensors_put_text(t, "environment", e->spec->name, error);
  if (!code) code = ml3_nn_tensors_put_ints(t, "shape", SHAPE, shape, error);
  int64_t moving[e->settings.moving_count + 1];
  for (int i = 0; i < e->settings.moving_count; i++) moving[i] = e->settings.moving[i];
  if (!code && e->settings.moving_count)
    code = ml3_nn_tensors_put_ints(t, "moving", e->settings.moving_count, moving, error);
  if (!code) code = ml3_nn_tensors_put(t, "variance_min", 0, 1, &least, error);
  if (!code) code = ml3_nn_tensors_put(t, "context", 0, e->dynamics.context_size, e->context, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  ml3_nn_tensors_free(t);
  return code;
}

/* Into entries[state_dim]. Files of before, and those of whole states, have none. */
static bool read_moving(const ml3_nn_tensors *t, const ml3_env_spec *spec, int *entries, ml3_ensemble_settings *s,
                        ml3_error *error) {
  int64_t moving[spec->state_dim];
  const size_t count = ml3_nn_tensors_size(t, "moving");
  if (count == 0) return true;
  if (count > (size_t)spec->state_dim)
    return ml3_error_set(error, ML3_ERR_FORMAT, "the ensemble moves %zu entries of a state of %d", count,
                         spec->state_dim),
           false;
  if (ml3_nn_tensors_get_ints(t, "moving", (int)count, moving, error) != ML3_OK) return false;
  for (size_t i = 0; i < count; i++) {
    if (moving[i] < 0 || moving[i] >= spec->state_dim)
      return ml3_error_set(error, ML3_ERR_FORMAT, "the ensemble moves entry %lld of a state of %d",
                           (long long)moving[i], spec->state_dim),
             false;
    entries[i] = (int)moving[i];
  }
  s->moving = entries;
  s->moving_count = (int)count;
  return true;
}

static ml3_ensemble *read_tensors(const ml3_env_spec *spec, const ml3_nn_tensors *t, ml3_error *error) {
  int64_t shape[SHAPE];
  ml3_real least = 0;
  if (ml3_env_check_sizes(spec, error) != ML3_OK) return NULL;
  const char *format = ml3_nn_tensors_text(t, "format");
  if (!format || strcmp(format, "ml3 ensemble 1") != 0) {
    ml3_error_set(error, ML3_ERR_FORMAT, "the file is no ensemble");
    return NULL;
  }
  if (ml3_nn_tensors_get_ints(t, "shape", SHAPE, shape, error) ||
      ml3_nn_tensors_get(t, "variance_min", 1, &least, error))
    return NULL;
  if (shape[0] != spec->state_dim || shape[1] != spec->action_dim) {
    ml3_error_set(error, ML3_ERR_ARGUMENT,
                  "the ensemble has %lld state and %lld action entries, environment '%s' has %d and %d",
                  (long long)shape[0], (long long)shape[1], spec->name, spec->state_dim, spec->action_dim);
    return NULL;
  }
  for (int i = 2; i < SHAPE; i++)
    if (shape[i] < 0 || shape[i] > ML3_MLP_MAX_WIDTH) {
      ml3_error_set(error, ML3_ERR_FORMAT, "the ensemble's shape has %lld in place %d", (long long)shape[i], i);
      return NULL;
    }
  ml3_ensemble_settings s = {
      .members = (int)shape[2], .second_order = shape[3] != 0, .depth = (int)shape[4], .variance_min = least};
  for (int i = 0; i < ML3_MLP_MAX_DEPTH; i++) s.hidden[i] = (int)shape[5 + i];
  int entries[spec->state_dim];
  if (!read_moving(t, spec, entries, &s, error)) return NULL;
  if (check_net(spec, &s, (int64_t)ml3_nn_tensors_size(t, "context"), error) != ML3_OK) return NULL; /* before it has memory */
  ml3_ensemble *e = ml3_ensemble_new(spec, &s, 0, error);
  if (e && ml3_nn_tensors_get(t, "context", (size_t)e->dynamics.context_size, e->context, error)) {
    ml3_ensemble_free(e);
    return NULL;
  }
  return e;
}

ml3_ensemble *ml3_ensemble_load(const ml3_env_spec *spec, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return NULL;
  ml3_ensemble *e = read_tensors(spec, t, error);
  if (!e) ml3_error_prefix(error, "'%s'", path);
  ml3_nn_tensors_free(t);
  return e;
}
