/* Tasks y = A sin(x - phase): see sine.h. */
#include "metaloss/sine.h"

#include <math.h>
#include <stdlib.h>

static double draw(ml3_random *random, ml3_range range) {
  return ml3_random_uniform(random, range.low, range.high);
}

static void fill(const ml3_sine_settings *s, ml3_range range, double amplitude, double phase, ml3_random *random,
                 ml3_samples *to) {
  for (int i = 0; i < to->points; i++) {
    double share = to->points > 1 ? (double)i / (to->points - 1) : 0.5;
    double x = s->grid ? range.low + share * (range.high - range.low) : draw(random, range);
    to->x[i] = (ml3_real)x;
    to->y[i] = (ml3_real)(amplitude * sin(x - phase));
  }
}

static void draw_task(const void *user, ml3_split split, ml3_random *random, ml3_samples *inner, ml3_samples *outer,
                      ml3_samples *extra) {
  const ml3_sine_settings *s = user;
  bool test = split == ML3_SPLIT_TEST || (split == ML3_SPLIT_VALIDATION && s->validate_on_test_range);
  const ml3_sine_range *range = test ? &s->test : &s->train;
  double amplitude = draw(random, range->amplitude), phase = draw(random, range->phase);
  fill(s, range->x, amplitude, phase, random, inner);
  fill(s, range->x, amplitude, phase, random, outer);
  fill(s, s->test.x, amplitude, phase, random, extra);
}

static int check(ml3_range r, const char *what, ml3_error *error) {
  if (isfinite(r.low) && isfinite(r.high) && r.low <= r.high) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT, "the sine's %s is from %g to %g; expected rising numbers", what, r.low,
                       r.high);
}

ml3_problem *ml3_sine_new(const ml3_sine_settings *settings, const ml3_supervised_settings *supervised,
                          ml3_error *error) {
  const ml3_sine_range *ranges[2] = {&settings->train, &settings->test};
  for (int i = 0; i < 2; i++)
    if (check(ranges[i]->amplitude, "amplitude", error) || check(ranges[i]->phase, "phase", error) ||
        check(ranges[i]->x, "x", error))
      return NULL;
  if (supervised->model.inputs != 1 || supervised->model.outputs != 1 || supervised->classification) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "the sine is regression with one input and one output");
    return NULL;
  }
  ml3_sine_settings *own = malloc(sizeof *own);
  if (!own) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the sine");
    return NULL;
  }
  *own = *settings;
  const ml3_sample_source source = {.draw = draw_task, .free = free, .user = own};
  return ml3_supervised_new(supervised, &source, error);
}
