/* A learned loss in a program of your own: it is a file, and a function of rows of features with a gradient.

     use_loss LOSS.safetensors       a loss that `ml3 train sine` has learned

   The model is none of ml3's: y = w0 sin x + w1 cos x, with its gradient written by hand. The loss is descended in place
   of the squared error; the error itself is only looked at. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metaloss/loss.h"

enum { POINTS = 40, STEPS = 200 };
enum { X, PREDICTION, TARGET, LOSS, COLUMNS };
static const char *const names[] = {"x", "prediction", "target", "loss"}; /* loss: (prediction - target)^2 */

static double model(const double *w, double x) {
  return w[0] * sin(x) + w[1] * cos(x);
}

int main(int argc, char **argv) {
  ml3_error error = {0};
  if (argc != 2) {
    fprintf(stderr, "usage: use_loss LOSS.safetensors\n");
    return 2;
  }
  ml3_loss *loss = ml3_loss_load(argv[1], &error);
  ml3_loss_function *f = loss ? ml3_loss_function_new(loss, POINTS, &error) : NULL;
  if (!f) {
    fprintf(stderr, "%s\n", error.message);
    ml3_loss_free(loss);
    return 1;
  }

  /* The file names what the loss wants to see of each point. */
  const int columns = ml3_loss_features(&loss->spec);
  int column[COLUMNS] = {-1, -1, -1, -1};
  for (int c = 0; c < columns; c++)
    for (int k = 0; k < COLUMNS; k++)
      if (strcmp(loss->names[c], names[k]) == 0) column[k] = c;
  if (columns != COLUMNS || column[X] < 0 || column[PREDICTION] < 0 || column[TARGET] < 0 || column[LOSS] < 0) {
    fprintf(stderr, "%s: this loss is not one of x, prediction, target and their squared error\n", argv[1]);
    return 1;
  }

  const double rate = ml3_loss_rate(loss); /* its step size is learned too */
  double w[2] = {0, 0}, first = 0, last = 0;
  for (int step = 0; step <= STEPS; step++) {
    ml3_real features[POINTS * COLUMNS], gradient[POINTS * COLUMNS];
    double squared = 0, slope[2] = {0, 0};
    for (int i = 0; i < POINTS; i++) {
      const double x = -2 + 4.0 * i / (POINTS - 1), y = 1.5 * sin(x - 0.5);
      features[i * COLUMNS + column[X]] = (ml3_real)x;
      features[i * COLUMNS + column[PREDICTION]] = (ml3_real)model(w, x);
      features[i * COLUMNS + column[TARGET]] = (ml3_real)y;
      features[i * COLUMNS + column[LOSS]] = (ml3_real)pow(model(w, x) - y, 2);
      squared += pow(model(w, x) - y, 2) / POINTS;
    }
    ml3_loss_function_run(f, features, NULL, NULL, gradient);
    for (int i = 0; i < POINTS; i++) { /* the chain rule: dL/dw = sum dL/dprediction dprediction/dw */
      const double x = -2 + 4.0 * i / (POINTS - 1), off = model(w, x) - 1.5 * sin(x - 0.5);
      const double slope_here = gradient[i * COLUMNS + column[PREDICTION]] + gradient[i * COLUMNS + column[LOSS]] * 2 * off;
      slope[0] += slope_here * sin(x);
      slope[1] += slope_here * cos(x);
    }
    if (step % 50 == 0) printf("step %3d: squared error %.4f, w = %.3f, %.3f\n", step, squared, w[0], w[1]);
    if (step == 0) first = squared;
    last = squared;
    w[0] -= rate * slope[0], w[1] -= rate * slope[1];
  }
  printf("the squared error went from %.4f to %.4f; nobody asked for that but the learned loss\n", first, last);
  ml3_loss_function_free(f);
  ml3_loss_free(loss);
  return 0;
}
