/* A line an iteration of iLQR: for people, as CSV, as JSON lines. */
#include <math.h>
#include <stdio.h>

#include "agents/control/ilqr.h"

int ml3_ilqr_log_text(void *file, const ml3_ilqr_iteration *i) {
  FILE *out = file;
  if (i->iteration == 0)
    fprintf(out, "iLQR %4d  cost %-14.8g the start\n", i->iteration, i->cost);
  else if (i->step > 0)
    fprintf(out,
            "iLQR %4d  cost %-14.8g expected %-10.3g actual %-10.3g step %-8.3g mu %-9.3g gradient %.3g\n",
            i->iteration, i->cost, i->expected, i->actual, i->step, i->regularization, i->gradient);
  else
    fprintf(out, "iLQR %4d  cost %-14.8g no step, mu %.3g\n", i->iteration, i->cost, i->regularization);
  return 0;
}

int ml3_ilqr_log_csv(void *file, const ml3_ilqr_iteration *i) {
  FILE *out = file;
  if (i->iteration == 0)
    fprintf(out,
            "iteration,cost,expected_decrease,actual_decrease,regularization,step,gradient,model_steps\n");
  fprintf(out, "%d,%.10g,%.6g,%.6g,%.6g,%.6g,%.6g,%ld\n", i->iteration, i->cost, i->expected, i->actual,
          i->regularization, i->step, i->gradient, i->model_steps);
  return 0;
}

static void field(FILE *out, const char *name, double value) {
  if (isfinite(value))
    fprintf(out, ", \"%s\": %.10g", name, value);
  else
    fprintf(out, ", \"%s\": null", name);
}

int ml3_ilqr_log_json(void *file, const ml3_ilqr_iteration *i) {
  FILE *out = file;
  fprintf(out, "{\"iteration\": %d", i->iteration);
  field(out, "cost", i->cost);
  field(out, "expected_decrease", i->expected);
  field(out, "actual_decrease", i->actual);
  field(out, "regularization", i->regularization);
  field(out, "step", i->step);
  field(out, "gradient", i->gradient);
  fprintf(out, ", \"model_steps\": %ld}\n", i->model_steps);
  return 0;
}
