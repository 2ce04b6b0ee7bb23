/* loss.safetensors: everything of a learned loss, each layer a tensor of its own so that any reader can use it. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/loss.h"

static const char *const format_name = "ml3 learned loss 2";
static const char *const kind_names[] = {"learned", "task", NULL};
static const char *const weighting_names[] = {"none", "softmax", "sigmoid", NULL};
static const char *const rate_names[] = {"fixed", "scalar", "parameter", "signed", NULL};

static int name_index(const char *const *names, const char *name) {
  for (int i = 0; names[i] && name; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static int activation_index(const char *name) {
  for (int i = ML3_IDENTITY; i <= ML3_SIGMOID; i++)
    if (name && strcmp(name, ml3_activation_name((ml3_activation)i)) == 0) return i;
  return -1;
}

/* ---- the spec as JSON -------------------------------------------------------------------------------- */

static json_t *whole_numbers(const int *values, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) json_array_append_new(list, json_integer(values ? values[i] : i));
  return list;
}

static bool any(const int *values, int count) {
  for (int i = 0; i < count; i++)
    if (values[i]) return true;
  return false;
}

static json_t *spec_to_json(const ml3_loss *loss) {
  const ml3_loss_spec *s = &loss->spec;
  const bool learned = s->kind == ML3_LOSS_LEARNED;
  const int features = ml3_loss_features(s), inputs = learned ? s->net.inputs : 0;
  json_t *names = json_array();
  for (int i = 0; i < features; i++) json_array_append_new(names, json_string(loss->names[i]));
  json_t *spec = json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:b, s:s, s:f, s:s, s:f, s:b, s:i, s:i, s:o, s:i}", "kind",
                   kind_names[s->kind], "features", names, "columns",
                   whole_numbers(features == inputs ? NULL : s->columns, inputs), "hidden",
                   whole_numbers(s->net.hidden, learned ? s->net.depth : 0), "activation",
                   ml3_activation_name(s->net.activation), "output", ml3_activation_name(s->net.output), "bias",
                   (int)s->net.bias, "weighting", weighting_names[s->weighting], "rate", s->rate, "learn_rate",
                   rate_names[s->learn_rate], "momentum", s->momentum, "learn_start", (int)s->learn_start, "theta_size",
                   s->theta_size, "base", s->base - 1, "targets", whole_numbers(s->targets, s->target_count),
                   "newton", s->newton);
  if (any(s->target_bases, s->target_count)) /* what files of before do not know is there only where it says something */
    json_object_set_new(spec, "target_bases", whole_numbers(s->target_bases, s->target_count));
  if (any(s->target_factors, s->target_count))
    json_object_set_new(spec, "target_factors", whole_numbers(s->target_factors, s->target_count));
  if (s->only_targets) json_object_set_new(spec, "only_targets", json_true());
  return spec;
}

static bool read_numbers(const json_t *list, int least, int max, int *values, int *count) {
  if (!json_is_array(list) || json_array_size(list) > (size_t)max) return false;
  *count = (int)json_array_size(list);
  for (int i = 0; i < *count; i++) {
    const json_t *x = json_array_get(list, (size_t)i);
    if (!json_is_integer(x) || json_integer_value(x) < least || json_integer_value(x) > ML3_MLP_MAX_WIDTH) return false;
    values[i] = (int)json_integer_value(x);
  }
  return true;
}

/* names gets the array of the features' names, which is there as long as json. */
static bool spec_from_json(json_t *json, ml3_loss_spec *s, json_t **names) {
  json_t *columns, *hidden, *targets = NULL, *bases = NULL, *factors = NULL; /* files of before have none */
  const char *kind, *activation, *output, *weighting, *learn_rate;
  int bias, learn_start, base = -1, only_targets = 0; /* files of before have none */
  *s = (ml3_loss_spec){0};
  if (!json || json_unpack(json, "{s:s, s:o, s:o, s:o, s:s, s:s, s:b, s:s, s:f, s:s, s:f, s:b, s:i, s?i, s?o, s?o, s?o, s?b, s?i}", "kind",
                           &kind, "features", names, "columns", &columns, "hidden", &hidden, "activation", &activation,
                           "output", &output, "bias", &bias, "weighting", &weighting, "rate", &s->rate, "learn_rate",
                           &learn_rate, "momentum", &s->momentum, "learn_start", &learn_start, "theta_size",
                           &s->theta_size, "base", &base, "targets", &targets, "target_bases", &bases,
                           "target_factors", &factors, "only_targets", &only_targets, "newton", &s->newton) != 0)
    return false;

  const int which[5] = {name_index(kind_names, kind), name_index(weighting_names, weighting),
                        name_index(rate_names, learn_rate), activation_index(activation), activation_index(output)};
  for (int i = 0; i < 5; i++)
    if (which[i] < 0) return false;
  s->kind = (ml3_loss_kind)which[0];
  s->weighting = (ml3_weighting)which[1];
  s->learn_rate = (ml3_learn_rate)which[2];
  s->net = (ml3_mlp){.activation = (ml3_activation)which[3],
                     .output = (ml3_activation)which[4],
                     .outputs = s->weighting == ML3_WEIGHTING_NONE ? 1 : 2,
                     .bias = bias};
  s->learn_start = learn_start;
  s->base = base + 1;
  if (!json_is_array(*names) || json_array_size(*names) > ML3_LOSS_MAX_FEATURES) return false;
  s->features = (int)json_array_size(*names);
  if (targets && !read_numbers(targets, 0, ML3_LOSS_MAX_TARGETS, s->targets, &s->target_count)) return false;
  int base_count = s->target_count, factor_count = s->target_count;
  if (bases && !read_numbers(bases, 0, ML3_LOSS_MAX_TARGETS, s->target_bases, &base_count)) return false;
  if (factors && !read_numbers(factors, -1, ML3_LOSS_MAX_TARGETS, s->target_factors, &factor_count)) return false;
  if (base_count != s->target_count || factor_count != s->target_count) return false;
  s->only_targets = only_targets;
  return read_numbers(columns, 0, ML3_LOSS_MAX_FEATURES, s->columns, &s->net.inputs) &&
         read_numbers(hidden, 0, ML3_MLP_MAX_DEPTH, s->net.hidden, &s->net.depth);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* One part of phi: a name, a shape, where it is. */
typedef struct part {
  char name[24];
  int rows, cols; /* rows 0: a vector */
  int offset;
} part;

enum { PARTS_MAX = 4 * (ML3_MLP_MAX_DEPTH + 1) + 2 };

static part *add_part(part *p, const char *name, int layer, int rows, int cols, int *offset) {
  *p = (part){.rows = rows, .cols = cols, .offset = *offset};
  if (layer < 0)
    snprintf(p->name, sizeof p->name, "%s", name);
  else
    snprintf(p->name, sizeof p->name, "%s%d", name, layer);
  *offset += (rows ? rows : 1) * cols;
  return p + 1;
}

static part *add_layers(part *p, const ml3_mlp *net, const char *weight, const char *bias, int *offset) {
  int in = net->inputs;
  for (int i = 0; i <= net->depth; i++) {
    const int out = i == net->depth ? net->outputs : net->hidden[i];
    p = add_part(p, weight, i, out, in, offset);
    if (net->bias) p = add_part(p, bias, i, 0, out, offset);
    in = out;
  }
  return p;
}

static int list_parts(const ml3_loss_spec *s, part *parts) {
  int offset = 0;
  part *p = parts;
  const ml3_mlp h = ml3_loss_target_net(s);
  if (s->kind == ML3_LOSS_LEARNED && !s->only_targets) p = add_layers(p, &s->net, "weight", "bias", &offset);
  if (s->kind == ML3_LOSS_LEARNED && s->target_count) p = add_layers(p, &h, "target_weight", "target_bias", &offset);
  if (s->learn_start) p = add_part(p, "start", -1, 0, s->theta_size, &offset);
  const int rates = ml3_loss_rate_size(s);
  if (rates) p = add_part(p, s->learn_rate == ML3_RATE_SIGNED ? "rate" : "log_rate", -1, 0, rates, &offset);
  return (int)(p - parts);
}

int ml3_loss_save(const ml3_loss *loss, const char *path, ml3_error *error) {
  part parts[PARTS_MAX];
  const int count = list_parts(&loss->spec, parts);
  const bool learned = loss->spec.kind == ML3_LOSS_LEARNED;
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  json_t *json = spec_to_json(loss);
  char *spec = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  int code = t && spec ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);

  if (!code) code = ml3_nn_tensors_put_text(t, "format", format_name, error);
  if (!code) code = ml3_nn_tensors_put_text(t, "spec", spec, error);
  for (int i = 0; i < count && !code; i++)
    code = ml3_nn_tensors_put(t, parts[i].name, parts[i].rows, parts[i].cols, loss->phi + parts[i].offset, error);
  if (!code && learned) code = ml3_nn_tensors_put(t, "shift", 0, loss->spec.net.inputs, loss->shift, error);
  if (!code && learned) code = ml3_nn_tensors_put(t, "scale", 0, loss->spec.net.inputs, loss->scale, error);
  const int scaled = loss->scaled_inputs;
  if (!code && scaled) code = ml3_nn_tensors_put_doubles(t, "input_shift", scaled, loss->scaling, error);
  if (!code && scaled) code = ml3_nn_tensors_put_doubles(t, "input_scale", scaled, loss->scaling + scaled, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  free(spec);
  json_decref(json);
  ml3_nn_tensors_free(t);
  return code;
}

enum { SCALED_MAX = 65536 };

/* Files of before have none, as those of problems that measure none. */
static int read_scaling(const ml3_nn_tensors *t, ml3_loss *loss, ml3_error *error) {
  const size_t inputs = ml3_nn_tensors_size(t, "input_shift");
  if (inputs == 0) return ML3_OK;
  if (inputs > SCALED_MAX)
    return ml3_error_set(error, ML3_ERR_FORMAT, "tensor 'input_shift' has %zu entries; at most %d are possible", inputs,
                         SCALED_MAX);
  int code = ml3_loss_reserve_scaling(loss, (int)inputs, error);
  if (!code) code = ml3_nn_tensors_get_doubles(t, "input_shift", (int)inputs, loss->scaling, error);
  if (!code) code = ml3_nn_tensors_get_doubles(t, "input_scale", (int)inputs, loss->scaling + inputs, error);
  for (size_t i = 0; i < 2 * inputs && !code; i++)
    if (!isfinite(loss->scaling[i]))
      code = ml3_error_set(error, ML3_ERR_FORMAT, "tensor '%s' has %g at [%zu]; expected finite numbers",
                           i < inputs ? "input_shift" : "input_scale", loss->scaling[i], i % inputs);
  return code;
}

static int read_tensors(const ml3_nn_tensors *t, ml3_loss *loss, ml3_error *error) {
  part parts[PARTS_MAX];
  const int count = list_parts(&loss->spec, parts);
  int code = read_scaling(t, loss, error);
  for (int i = 0; i < count && !code; i++)
    code = ml3_nn_tensors_get(t, parts[i].name, (size_t)((parts[i].rows ? parts[i].rows : 1) * parts[i].cols),
                              loss->phi + parts[i].offset, error);
  if (code || loss->spec.kind != ML3_LOSS_LEARNED) return code;
  const size_t inputs = (size_t)loss->spec.net.inputs;
  code = ml3_nn_tensors_get(t, "shift", inputs, loss->shift, error);
  return code ? code : ml3_nn_tensors_get(t, "scale", inputs, loss->scale, error);
}

/* Every part is there in its size: before a file that says it is large is given the memory. */
static int check_parts(const ml3_nn_tensors *t, const ml3_loss_spec *spec, ml3_error *error) {
  part parts[PARTS_MAX];
  if (spec->theta_size < 0 || spec->theta_size > 1 << 28)
    return ml3_error_set(error, ML3_ERR_FORMAT, "its theta_size is %d; 0 to %d are possible", spec->theta_size, 1 << 28);
  const int count = list_parts(spec, parts);
  for (int i = 0; i < count; i++) {
    const size_t there = ml3_nn_tensors_size(t, parts[i].name);
    const size_t expected = (size_t)(parts[i].rows ? parts[i].rows : 1) * (size_t)parts[i].cols;
    if (there != expected)
      return ml3_error_set(error, ML3_ERR_FORMAT,
                           "tensor '%s' has %zu entries where %zu are expected; was it written with other sizes?", parts[i].name,
                           there, expected);
  }
  return ML3_OK;
}

static ml3_loss *read_loss(const ml3_nn_tensors *t, json_t *json, const char *path, ml3_error *error) {
  ml3_loss_spec spec;
  json_t *names;
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  const char *format = ml3_nn_tensors_text(t, "format");
  if (!format || strcmp(format, format_name) != 0 || !spec_from_json(json, &spec, &names)) {
    ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a learned loss: its header does not say '%s' and what it is",
                  path, format_name);
    return NULL;
  }
  ml3_loss *loss = check_parts(t, &spec, error) == ML3_OK ? ml3_loss_new(&spec, &unused, error) : NULL;
  if (loss && read_tensors(t, loss, error) == ML3_OK) {
    for (int i = 0; i < spec.features; i++) {
      const char *name = json_string_value(json_array_get(names, (size_t)i));
      if (name) snprintf(loss->names[i], sizeof loss->names[i], "%s", name);
    }
    return loss;
  }
  ml3_error_prefix(error, "'%s'", path);
  ml3_loss_free(loss);
  return NULL;
}

ml3_loss *ml3_loss_load(const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return NULL;
  const char *text = ml3_nn_tensors_text(t, "spec");
  json_t *json = text ? json_loads(text, 0, NULL) : NULL;
  ml3_loss *loss = read_loss(t, json, path, error);
  json_decref(json);
  ml3_nn_tensors_free(t);
  return loss;
}
