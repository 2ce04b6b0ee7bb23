/* policy.safetensors: theta, the normalisation of its inputs, and what shape they are for. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/learn/squashed.h"

static const char *const format_name = "ml3 policy 2";
static const char *const kind_names[] = {"deterministic", "gaussian", "gaussian_state", "categorical",
                                         "squashed_gaussian"};
enum { KINDS = sizeof kind_names / sizeof *kind_names };

const char *ml3_policy_kind_name(ml3_policy_kind kind) {
  return kind_names[kind];
}

/* The shape as text: two policies fit when theirs are the same. */
static char *shape_of(const ml3_policy *p) {
  json_t *hidden = json_array();
  for (int i = 0; i < p->net.depth; i++) json_array_append_new(hidden, json_integer(p->net.hidden[i]));
  json_t *json = json_pack("{s:s, s:i, s:i, s:i, s:o, s:s, s:b, s:s}", "kind", kind_names[p->kind], "observations",
                           p->obs_dim, "goal", p->goal_dim, "actions", p->choices ? p->choices : p->action_dim,
                           "hidden", hidden, "activation", ml3_activation_name(p->net.activation), "bias", (int)p->net.bias, "squash",
                           p->squash == ML3_SQUASH_TANH ? "tanh" : "clamp");
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  return text;
}

int ml3_policy_save(const ml3_policy *p, const ml3_real *theta, const char *path, ml3_error *error) {
  const int inputs = p->net.inputs, actions = p->action_dim;
  ml3_real shift[inputs], scale[inputs], low[actions], high[actions];
  int64_t minus[inputs];
  for (int i = 0; i < inputs; i++) {
    shift[i] = p->shift ? (ml3_real)p->shift[i] : 0;
    scale[i] = p->scale ? (ml3_real)p->scale[i] : 1;
    minus[i] = p->minus ? p->minus[i] : 0;
  }
  for (int i = 0; i < actions; i++) low[i] = (ml3_real)p->action[i].low, high[i] = (ml3_real)p->action[i].high;

  ml3_nn_tensors *t = ml3_nn_tensors_new();
  char *shape = shape_of(p);
  int code = t && shape ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  if (!code) code = ml3_nn_tensors_put_text(t, "format", format_name, error);
  if (!code) code = ml3_nn_tensors_put_text(t, "shape", shape, error);
  if (!code) code = ml3_nn_tensors_put(t, "theta", 0, ml3_policy_size(p), theta, error);
  if (!code) code = ml3_nn_tensors_put(t, "shift", 0, inputs, shift, error);
  if (!code) code = ml3_nn_tensors_put(t, "scale", 0, inputs, scale, error);
  if (!code) code = ml3_nn_tensors_put(t, "action_low", 0, actions, low, error);
  if (!code) code = ml3_nn_tensors_put(t, "action_high", 0, actions, high, error);
  if (!code) code = ml3_nn_tensors_put_ints(t, "clip_input", 1, &(int64_t){p->clip_input}, error);
  if (!code) code = ml3_nn_tensors_put_ints(t, "minus", inputs, minus, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  free(shape);
  ml3_nn_tensors_free(t);
  return code;
}

static int check(const ml3_nn_tensors *t, const ml3_policy *p, const char *path, ml3_error *error) {
  const char *format = ml3_nn_tensors_text(t, "format"), *found = ml3_nn_tensors_text(t, "shape");
  if (!format || strcmp(format, format_name) != 0 || !found)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a policy: its header does not say '%s'", path,
                         format_name);
  char *expected = shape_of(p);
  int code = ML3_OK;
  if (!expected)
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory to load '%s'", path);
  else if (strcmp(found, expected) != 0)
    code = ml3_error_set(error, ML3_ERR_FORMAT, "'%s' holds a policy of another shape: %.200s instead of %.200s", path,
                         found, expected);
  free(expected);
  return code;
}

/* A tensor of reals, which must be finite. */
static int get_finite(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *x, ml3_error *error) {
  int code = ml3_nn_tensors_get(t, name, size, x, error);
  for (size_t i = 0; i < size && !code; i++)
    if (!isfinite(x[i]))
      code = ml3_error_set(
          error, ML3_ERR_FORMAT,
          "entry %zu of tensor '%s' is %g; expected finite numbers (was it saved while training diverged?)", i, name,
          (double)x[i]);
  return code;
}

/* The bounds of actions are the environment's; those of the file must be numbers all the same, but where an action has none. */
static int check_bounds(const ml3_nn_tensors *t, const ml3_policy *p, ml3_error *error) {
  const size_t actions = (size_t)p->action_dim;
  ml3_real bounds[actions];
  for (size_t i = 0; i < actions; i++)
    if (!isfinite(p->action[i].low) || !isfinite(p->action[i].high)) return ML3_OK;
  int code = get_finite(t, "action_low", actions, bounds, error);
  return code ? code : get_finite(t, "action_high", actions, bounds, error);
}

int ml3_policy_load(ml3_policy *p, ml3_real *theta, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return error ? error->code : ML3_ERR_IO;
  const size_t inputs = (size_t)p->net.inputs;
  ml3_real shift[inputs], scale[inputs];
  int64_t clip = 0, minus[inputs];
  memset(minus, 0, sizeof minus);
  int code = check(t, p, path, error);
  bool right = code == ML3_OK;
  if (!code) code = get_finite(t, "shift", inputs, shift, error);
  if (!code) code = get_finite(t, "scale", inputs, scale, error);
  if (!code) code = check_bounds(t, p, error);
  if (!code) code = ml3_nn_tensors_get_ints(t, "clip_input", 1, &clip, error);
  if (!code && ml3_nn_tensors_size(t, "minus") > 0) /* files of before have none */
    code = ml3_nn_tensors_get_ints(t, "minus", (int)inputs, minus, error);
  if (!code) code = get_finite(t, "theta", (size_t)ml3_policy_size(p), theta, error);
  for (size_t i = 0; i < inputs && !code; i++)
    if (minus[i] < 0 || minus[i] > (int64_t)inputs)
      code = ml3_error_set(error, ML3_ERR_FORMAT, "input %zu is relative to %lld; there are %zu", i,
                           (long long)minus[i] - 1, inputs);
  if (code && right) ml3_error_prefix(error, "'%s'", path);
  if (!code) code = ml3_policy_reserve(p, error);
  for (size_t i = 0; i < inputs && !code; i++)
    p->shift[i] = shift[i], p->scale[i] = scale[i], p->minus[i] = (int)minus[i];
  if (!code) p->clip_input = clip != 0;
  ml3_nn_tensors_free(t);
  return code;
}

/* ---- a policy of any shape ------------------------------------------------------------------------------- */

/* Index of the text among names[count], or -1. */
static int index_of(const char *text, const char *const *names, int count) {
  for (int i = 0; text && i < count; i++) {
    if (strcmp(text, names[i]) == 0) return i;
  }
  return -1;
}

/* The policy of that shape, for that environment. */
static int from_shape(const json_t *shape, const ml3_env_spec *env, ml3_policy *p, ml3_error *error) {
  const char *activations[ML3_SIGMOID + 1], *squash = json_string_value(json_object_get(shape, "squash"));
  for (int i = 0; i <= ML3_SIGMOID; i++) activations[i] = ml3_activation_name((ml3_activation)i);
  int activation = index_of(json_string_value(json_object_get(shape, "activation")), activations, ML3_SIGMOID + 1);
  int kind = index_of(json_string_value(json_object_get(shape, "kind")), kind_names, KINDS);
  const json_t *widths = json_object_get(shape, "hidden");
  int hidden[ML3_MLP_MAX_DEPTH] = {0}, depth = (int)json_array_size(widths);
  if (activation < 0 || kind < 0 || depth > ML3_MLP_MAX_DEPTH)
    return ml3_error_set(error, ML3_ERR_FORMAT, "its shape is not one of a policy of this version");
  for (int i = 0; i < depth; i++) hidden[i] = (int)json_integer_value(json_array_get(widths, (size_t)i));

  bool bias = json_is_true(json_object_get(shape, "bias"));
  int code = ml3_policy_expects(env, (ml3_policy_kind)kind, error);
  if (!code) code = ml3_policy_init(p, env, hidden, depth, (ml3_activation)activation, bias, error);
  if (!code && kind == ML3_POLICY_SQUASHED)
    code = ml3_policy_make_squashed(p, error);
  else if (!code && kind != ML3_POLICY_DETERMINISTIC && kind != ML3_POLICY_CATEGORICAL)
    code = ml3_policy_make_gaussian(p, (ml3_policy_kind)kind, 0, error);
  if (!code && json_integer_value(json_object_get(shape, "goal")) > 0) code = ml3_policy_add_goal(p, env, error);
  if (!code) p->squash = squash && strcmp(squash, "tanh") == 0 ? ML3_SQUASH_TANH : ML3_SQUASH_CLAMP;
  return code;
}

int ml3_policy_open(const char *path, const ml3_env_spec *env, ml3_policy *p, ml3_real **theta, ml3_error *error) {
  *theta = NULL;
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return error ? error->code : ML3_ERR_IO;
  const char *format = ml3_nn_tensors_text(t, "format"), *text = ml3_nn_tensors_text(t, "shape");
  json_t *shape = format && text && strcmp(format, format_name) == 0 ? json_loads(text, 0, NULL) : NULL;
  int code = json_is_object(shape) ? from_shape(shape, env, p, error)
                                   : ml3_error_set(error, ML3_ERR_FORMAT,
                                                   "it is not a policy: its header does not say '%s'", format_name);
  if (code) ml3_error_prefix(error, "'%s'", path);
  json_decref(shape);
  ml3_nn_tensors_free(t);
  if (code) return code;

  *theta = calloc((size_t)ml3_policy_size(p), sizeof **theta);
  if (!*theta) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to load '%s'", path);
  code = ml3_policy_load(p, *theta, path, error);
  if (code) {
    free(*theta), *theta = NULL;
    ml3_policy_free(p);
  }
  return code;
}

enum { NAME = 64 };

static void scaling_names(const char *prefix, char shift[NAME], char scale[NAME]) {
  snprintf(shift, NAME, "%sshift", prefix);
  snprintf(scale, NAME, "%sscale", prefix);
}

int ml3_policy_put_scaling(const ml3_policy *p, const char *prefix, ml3_nn_tensors *file, ml3_error *error) {
  char shift[NAME], scale[NAME];
  const int inputs = p->net.inputs;
  double zeros[inputs], ones[inputs]; /* of a policy that has none */
  for (int i = 0; i < inputs; i++) zeros[i] = 0, ones[i] = 1;
  scaling_names(prefix, shift, scale);
  const int code = ml3_nn_tensors_put_doubles(file, shift, inputs, p->shift ? p->shift : zeros, error);
  return code == ML3_OK ? ml3_nn_tensors_put_doubles(file, scale, inputs, p->scale ? p->scale : ones, error) : code;
}

int ml3_policy_get_scaling(ml3_policy *p, const char *prefix, const ml3_nn_tensors *file, ml3_error *error) {
  char shift[NAME], scale[NAME];
  scaling_names(prefix, shift, scale);
  int code = ml3_policy_reserve(p, error);
  if (code == ML3_OK) code = ml3_nn_tensors_get_doubles(file, shift, p->net.inputs, p->shift, error);
  return code == ML3_OK ? ml3_nn_tensors_get_doubles(file, scale, p->net.inputs, p->scale, error) : code;
}
