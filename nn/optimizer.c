/* Optimizers over one flat vector, with PyTorch's conventions:

     momentum   m <- beta1 m + g,  p <- p - rate m
     Adam       m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,
                p <- p - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
     AdamW      p <- (1 - rate weight_decay) p, then Adam
     clipping   g <- g min(1, clip_norm / (norm + 1e-6))

   Kingma and Ba, "Adam", ICLR 2015, algorithm 1; Loshchilov and Hutter, "Decoupled weight decay
   regularization", ICLR 2019, algorithm 2. */
#include "nn/optimizer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nn/vector.h"

static const double pi = 3.14159265358979323846;

/* ---- settings ---------------------------------------------------------------------------------------- */

static int check_moments(const ml3_nn_optimizer_settings *s, ml3_error *error) {
  const bool adam = s->kind == ML3_NN_ADAM || s->kind == ML3_NN_ADAMW;

  if (s->kind != ML3_NN_SGD && !(s->beta1 >= 0 && s->beta1 < 1))
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "the optimizer's beta1 (momentum) is %g; it must be at least 0 and below 1, for example 0.9",
        s->beta1);
  if (adam && !(s->beta2 >= 0 && s->beta2 < 1))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's beta2 is %g; it must be at least 0 and below 1, for example 0.999",
                         s->beta2);
  /* A smaller epsilon would be zero in float, and an entry that never had a gradient would become 0/0. */
  if (adam && !(s->epsilon >= 1e-30 && isfinite(s->epsilon)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's epsilon is %g; it must be at least 1e-30, for example 1e-8",
                         s->epsilon);
  return ML3_OK;
}

static int check_schedule(const ml3_nn_optimizer_settings *s, ml3_error *error) {
  if (s->warmup_steps < 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's warm-up is %lld steps; it must be 0 (none) or more",
                         (long long)s->warmup_steps);
  if (s->schedule == ML3_NN_CONSTANT) return ML3_OK;

  if (!(s->final_rate >= 0 && isfinite(s->final_rate)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the optimizer's final rate is %g; it must be 0 or more",
                         s->final_rate);
  if (s->total_steps <= s->warmup_steps)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's schedule has %lld steps in total, of which %lld are warm-up; "
                         "the total must be greater",
                         (long long)s->total_steps, (long long)s->warmup_steps);
  return ML3_OK;
}

static int check_settings(const ml3_nn_optimizer_settings *s, ml3_error *error) {
  if ((int)s->kind < ML3_NN_SGD || s->kind > ML3_NN_ADAMW)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "there is no optimizer number %d; choose SGD, momentum, Adam or AdamW",
                         (int)s->kind);
  if ((int)s->schedule < ML3_NN_CONSTANT || s->schedule > ML3_NN_COSINE)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "there is no schedule number %d; choose constant, linear or cosine",
                         (int)s->schedule);
  if (!(s->rate > 0 && isfinite(s->rate)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's rate is %g; it must be a number above 0, for example 1e-3",
                         s->rate);
  if (!(s->clip_norm >= 0 && isfinite(s->clip_norm)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "the optimizer's clip norm is %g; it must be 0 (no clipping) or more", s->clip_norm);
  if (!(s->weight_decay >= 0 && isfinite(s->weight_decay)))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the optimizer's weight decay is %g; it must be 0 or more",
                         s->weight_decay);
  if (s->weight_decay > 0 && s->kind != ML3_NN_ADAMW)
    return ml3_error_set(
        error, ML3_ERR_ARGUMENT,
        "the optimizer's weight decay is %g, but only AdamW decays weights; choose AdamW or set it to 0",
        s->weight_decay);

  int code = check_moments(s, error);
  return code ? code : check_schedule(s, error);
}

/* ---- one update -------------------------------------------------------------------------------------- */

static void step_sgd(size_t size, ml3_real *restrict p, const ml3_real *restrict g, ml3_real rate) {
  for (size_t i = 0; i < size; i++) p[i] -= rate * g[i];
}

static void step_momentum(size_t size, ml3_real *restrict p, const ml3_real *restrict g, ml3_real *restrict m,
                          ml3_real beta, ml3_real clip, ml3_real rate) {
  for (size_t i = 0; i < size; i++) {
    m[i] = beta * m[i] + clip * g[i];
    p[i] -= rate * m[i];
  }
}

static ml3_nn_adam_step adam_constants(const ml3_nn_optimizer_settings *s, int64_t t, double rate, double clip) {
  const double correction1 = 1 - pow(s->beta1, (double)t), correction2 = 1 - pow(s->beta2, (double)t);
  const double decay = s->kind == ML3_NN_ADAMW ? rate * s->weight_decay : 0;

  return (ml3_nn_adam_step){
      .keep = (ml3_real)(1 - decay),
      .beta1 = (ml3_real)s->beta1,
      .one_minus_beta1 = (ml3_real)(1 - s->beta1),
      .beta2 = (ml3_real)s->beta2,
      .one_minus_beta2 = (ml3_real)(1 - s->beta2),
      .rate = (ml3_real)(rate / correction1),
      .root_scale = (ml3_real)(1 / sqrt(correction2)),
      .epsilon = (ml3_real)s->epsilon,
      .clip = (ml3_real)clip,
  };
}

/* ---- public ------------------------------------------------------------------------------------------ */

ml3_nn_optimizer_settings ml3_nn_adam(double rate) {
  return (ml3_nn_optimizer_settings){
      .kind = ML3_NN_ADAM,
      .rate = rate,
      .beta1 = 0.9,
      .beta2 = 0.999,
      .epsilon = 1e-8,
  };
}

int ml3_nn_optimizer_init(ml3_nn_optimizer *o, const ml3_nn_optimizer_settings *settings, size_t size,
                          ml3_error *error) {
  *o = (ml3_nn_optimizer){0};
  int code = check_settings(settings, error);
  if (code) return code;
  if (size == 0) return ml3_error_set(error, ML3_ERR_ARGUMENT, "an optimizer needs at least one parameter");

  /* Both moments whatever the kind: a checkpoint has one form. */
  o->m = calloc(size, sizeof *o->m);
  o->v = calloc(size, sizeof *o->v);
  if (!o->m || !o->v) {
    ml3_nn_optimizer_free(o);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the optimizer's state of %zu parameters",
                         size);
  }
  o->settings = *settings;
  o->size = size;
  return ML3_OK;
}

void ml3_nn_optimizer_free(ml3_nn_optimizer *o) {
  free(o->m);
  free(o->v);
  *o = (ml3_nn_optimizer){0};
}

double ml3_nn_optimizer_update(ml3_nn_optimizer *o, ml3_real *parameters, const ml3_real *gradient) {
  const ml3_nn_optimizer_settings *s = &o->settings;
  const double norm = sqrt(ml3_nn_sum_squares(gradient, o->size));
  if (!isfinite(norm)) return norm;

  const double rate = ml3_nn_optimizer_rate(s, o->step);
  const double clip = s->clip_norm > 0 ? fmin(1, s->clip_norm / (norm + 1e-6)) : 1;
  o->step++;

  switch (s->kind) {
    case ML3_NN_SGD:
      step_sgd(o->size, parameters, gradient, (ml3_real)(rate * clip));
      break;
    case ML3_NN_MOMENTUM:
      step_momentum(o->size, parameters, gradient, o->m, (ml3_real)s->beta1, (ml3_real)clip, (ml3_real)rate);
      break;
    case ML3_NN_ADAM:
    case ML3_NN_ADAMW: {
      const ml3_nn_adam_step step = adam_constants(s, o->step, rate, clip);
      ml3_nn_adam_update(o->size, parameters, gradient, o->m, o->v, &step);
      break;
    }
  }
  return norm;
}

double ml3_nn_optimizer_rate(const ml3_nn_optimizer_settings *s, int64_t step) {
  /* From 0 in equal parts; the first update already moves, the last of the warm-up has the full rate. */
  if (step < s->warmup_steps) return s->rate * (double)(step + 1) / (double)s->warmup_steps;
  if (s->schedule == ML3_NN_CONSTANT) return s->rate;

  const double along = fmin(1, (double)(step - s->warmup_steps) / (double)(s->total_steps - s->warmup_steps));
  const double remaining = s->schedule == ML3_NN_LINEAR ? 1 - along : 0.5 * (1 + cos(pi * along));
  return s->final_rate + (s->rate - s->final_rate) * remaining;
}
