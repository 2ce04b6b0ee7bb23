/* The learned loss: parameters, value, graph, file. */
#include "metaloss/loss.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ------------------------------------------------------------------------------------- */

static int rate_size(const ml3_loss_spec *spec) {
  if (spec->learn_rate == ML3_RATE_FIXED) return 0;
  return spec->learn_rate == ML3_RATE_SCALAR ? 1 : spec->theta_size;
}

static int check(const ml3_loss_spec *spec, ml3_error *error) {
  if (ml3_mlp_check(&spec->net, "learned loss", error) != ML3_OK) return error ? error->code : ML3_ERR_ARGUMENT;
  if (spec->net.outputs != 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: it has %d outputs; it must have one", spec->net.outputs);
  if (!(spec->rate > 0) || !isfinite(spec->rate))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "learned loss: the inner step size is %g; it must be positive",
                         spec->rate);
  if (spec->learn_rate == ML3_RATE_PARAMETER && spec->theta_size < 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "learned loss: a step size a parameter needs the number of parameters of the optimizee");
  return ML3_OK;
}

ml3_loss *ml3_loss_new(const ml3_loss_spec *spec, ml3_random *random, ml3_error *error) {
  if (check(spec, error) != ML3_OK) return NULL;

  ml3_loss *loss = calloc(1, sizeof *loss);
  int net = ml3_mlp_size(&spec->net), rates = rate_size(spec);
  if (loss) {
    loss->spec = *spec;
    loss->size = net + rates;
    loss->phi = calloc((size_t)loss->size, sizeof *loss->phi);
    loss->shift = calloc((size_t)spec->net.inputs, sizeof *loss->shift);
    loss->scale = calloc((size_t)spec->net.inputs, sizeof *loss->scale);
  }
  if (!loss || !loss->phi || !loss->shift || !loss->scale) {
    ml3_loss_free(loss);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a learned loss of %d parameters", net + rates);
    return NULL;
  }
  ml3_mlp_init(&spec->net, random, loss->phi);
  for (int i = 0; i < rates; i++) loss->phi[net + i] = (ml3_real)log(spec->rate);
  for (int i = 0; i < spec->net.inputs; i++) loss->scale[i] = 1;
  return loss;
}

void ml3_loss_free(ml3_loss *loss) {
  if (!loss) return;
  free(loss->phi);
  free(loss->shift);
  free(loss->scale);
  free(loss);
}

/* ---- value and graph ------------------------------------------------------------------------------- */

double ml3_loss_rate(const ml3_loss *loss) {
  int rates = rate_size(&loss->spec);
  if (rates == 0) return loss->spec.rate;
  double sum = 0;
  for (int i = 0; i < rates; i++) sum += exp((double)loss->phi[loss->size - rates + i]);
  return sum / rates;
}

double ml3_loss_value(const ml3_loss *loss, const double *features) {
  double x[ML3_MLP_MAX_WIDTH], y;
  for (int i = 0; i < loss->spec.net.inputs; i++) x[i] = (features[i] - loss->shift[i]) * loss->scale[i];
  ml3_mlp_forward(&loss->spec.net, loss->phi, x, &y);
  return y;
}

ml3_node ml3_loss_build(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi, ml3_node shift, ml3_node scale,
                        ml3_node features) {
  ml3_node x = ml3_nn_mul(g, ml3_nn_sub(g, features, shift), scale);
  return ml3_mlp_build(g, &spec->net, phi, 0, x);
}

ml3_node ml3_loss_build_rate(ml3_nn_graph *g, const ml3_loss_spec *spec, ml3_node phi) {
  int rates = rate_size(spec);
  if (rates == 0) return ml3_nn_constant(g, 1, 1, spec->rate);
  return ml3_nn_exp(g, ml3_nn_view(g, phi, ml3_mlp_size(&spec->net), 1, rates));
}

/* ---- file -------------------------------------------------------------------------------------------- */

static const char *const format_name = "ml3 learned loss 1";

static json_t *spec_to_json(const ml3_loss_spec *s) {
  json_t *hidden = json_array();
  for (int i = 0; i < s->net.depth; i++) json_array_append_new(hidden, json_integer(s->net.hidden[i]));
  return json_pack("{s:i, s:o, s:s, s:s, s:b, s:f, s:i, s:i}", "inputs", s->net.inputs, "hidden", hidden,
                   "activation", ml3_activation_name(s->net.activation), "output",
                   ml3_activation_name(s->net.output), "bias", (int)s->net.bias, "rate", s->rate, "learn_rate",
                   (int)s->learn_rate, "theta_size", s->theta_size);
}

static bool activation_from_name(const char *name, ml3_activation *activation) {
  for (int i = ML3_IDENTITY; i <= ML3_SIGMOID; i++)
    if (strcmp(name, ml3_activation_name((ml3_activation)i)) == 0) {
      *activation = (ml3_activation)i;
      return true;
    }
  return false;
}

static bool spec_from_json(const char *text, ml3_loss_spec *s) {
  json_t *json = text ? json_loads(text, 0, NULL) : NULL, *hidden;
  const char *activation, *output;
  int bias, learn_rate;
  *s = (ml3_loss_spec){.net.outputs = 1};
  bool ok = json && json_unpack(json, "{s:i, s:o, s:s, s:s, s:b, s:f, s:i, s:i}", "inputs", &s->net.inputs, "hidden",
                                &hidden, "activation", &activation, "output", &output, "bias", &bias, "rate",
                                &s->rate, "learn_rate", &learn_rate, "theta_size", &s->theta_size) == 0;
  ok = ok && json_is_array(hidden) && json_array_size(hidden) <= ML3_MLP_MAX_DEPTH &&
       activation_from_name(activation, &s->net.activation) && activation_from_name(output, &s->net.output) &&
       learn_rate >= ML3_RATE_FIXED && learn_rate <= ML3_RATE_PARAMETER;
  if (ok) {
    s->net.depth = (int)json_array_size(hidden);
    for (int i = 0; i < s->net.depth; i++)
      s->net.hidden[i] = (int)json_integer_value(json_array_get(hidden, (size_t)i));
    s->net.bias = bias;
    s->learn_rate = (ml3_learn_rate)learn_rate;
  }
  json_decref(json);
  return ok;
}

int ml3_loss_save(const ml3_loss *loss, const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  json_t *json = spec_to_json(&loss->spec);
  char *spec = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  int code = t && spec ? ML3_OK : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to save '%s'", path);
  int inputs = loss->spec.net.inputs;

  if (!code) code = ml3_nn_tensors_put_text(t, "format", format_name, error);
  if (!code) code = ml3_nn_tensors_put_text(t, "spec", spec, error);
  if (!code) code = ml3_nn_tensors_put(t, "phi", 0, loss->size, loss->phi, error);
  if (!code) code = ml3_nn_tensors_put(t, "shift", 0, inputs, loss->shift, error);
  if (!code) code = ml3_nn_tensors_put(t, "scale", 0, inputs, loss->scale, error);
  if (!code) code = ml3_nn_tensors_save(t, path, error);
  free(spec);
  json_decref(json);
  ml3_nn_tensors_free(t);
  return code;
}

ml3_loss *ml3_loss_load(const char *path, ml3_error *error) {
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  if (!t) return NULL;

  ml3_loss *loss = NULL;
  ml3_loss_spec spec;
  ml3_random unused = ml3_random_stream(0, ML3_PURPOSE_INIT, 0, 0);
  const char *format = ml3_nn_tensors_text(t, "format");
  if (!format || strcmp(format, format_name) != 0 || !spec_from_json(ml3_nn_tensors_text(t, "spec"), &spec))
    ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is not a learned loss: its header does not say '%s'", path, format_name);
  else if (!(loss = ml3_loss_new(&spec, &unused, error)))
    ml3_error_prefix(error, "'%s'", path);
  else if (ml3_nn_tensors_get(t, "phi", (size_t)loss->size, loss->phi, error) != ML3_OK ||
           ml3_nn_tensors_get(t, "shift", (size_t)spec.net.inputs, loss->shift, error) != ML3_OK ||
           ml3_nn_tensors_get(t, "scale", (size_t)spec.net.inputs, loss->scale, error) != ML3_OK) {
    ml3_error_prefix(error, "'%s'", path);
    ml3_loss_free(loss);
    loss = NULL;
  }
  ml3_nn_tensors_free(t);
  return loss;
}
