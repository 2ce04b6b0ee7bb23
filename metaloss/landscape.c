/* Losses over lines and planes: see landscape.h. */
#include "metaloss/landscape.h"

#include <math.h>
#include <stdlib.h>

#include "base/threads.h"

double ml3_landscape_at(double low, double high, int i, int count) {
  return count > 1 ? low + (high - low) * i / (count - 1) : low;
}

/* ---- directions --------------------------------------------------------------------------------------- */

static void normalise(const ml3_real *like, ml3_real *x, int n) {
  double of_like = 0, of_x = 0;
  for (int i = 0; i < n; i++) of_like += (double)like[i] * like[i], of_x += (double)x[i] * x[i];
  const double factor = of_x > 0 ? sqrt(of_like / of_x) : 0;
  for (int i = 0; i < n; i++) x[i] = (ml3_real)(factor * x[i]);
}

void ml3_landscape_direction(const ml3_problem *problem, const ml3_real *theta, ml3_random *random,
                             ml3_real *direction) {
  const ml3_mlp *net = problem->net;
  for (int i = 0; i < problem->theta_size; i++) direction[i] = (ml3_real)ml3_random_normal(random);
  if (!net) {
    normalise(theta, direction, problem->theta_size);
    return;
  }
  for (int layer = 0, in = net->inputs; layer <= net->depth; layer++) {
    const int out = layer == net->depth ? net->outputs : net->hidden[layer];
    for (int unit = 0; unit < out; unit++, theta += in, direction += in) normalise(theta, direction, in);
    for (int unit = 0; unit < out && net->bias; unit++, theta++) *direction++ = 0;
    in = out;
  }
}

/* ---- values ------------------------------------------------------------------------------------------- */

/* One row of the landscape; theta is room to work in. */
static int fill_row(ml3_meta_work *work, const ml3_problem *p, const ml3_loss *loss, const ml3_real *task,
                    const ml3_random *random, ml3_landscape *l, int row, ml3_real *theta, ml3_error *error) {
  const double y = ml3_landscape_at(l->y_low, l->y_high, row, l->height);
  for (int column = 0; column < l->width; column++) {
    const double x = ml3_landscape_at(l->x_low, l->x_high, column, l->width);
    double values[2] = {NAN, NAN};
    for (int i = 0; i < p->theta_size; i++) {
      double at = l->origin[i] + x * l->a[i];
      theta[i] = (ml3_real)(l->height > 1 ? at + y * l->b[i] : at);
    }
    for (int which = 0; which < 2; which++) {
      ml3_random same = *random;
      int code = which ? ml3_meta_task_gradient(work, task, theta, &same, &values[1], NULL, error)
                       : ml3_meta_inner_loss(work, loss, task, theta, &same, &values[0], error);
      if (code == ML3_ERR_NUMERIC)
        values[which] = NAN;
      else if (code != ML3_OK)
        return code;
    }
    l->learned[row * l->width + column] = values[0];
    l->task[row * l->width + column] = values[1];
  }
  return ML3_OK;
}

int ml3_landscape_fill(const ml3_meta *meta, const ml3_loss *loss, const ml3_real *task, const ml3_random *random,
                       int threads, ml3_landscape *l, ml3_error *error) {
  const ml3_problem *p = ml3_meta_problem(meta);
  int failed = ml3_meta_fits(meta, loss, error);
  if (failed != ML3_OK) return failed;
  if (l->width < 2 || l->height < 1 || ml3_meta_batch(meta) != 1)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "a landscape of %d x %d points; at least 2 x 1 are needed", l->width,
                         l->height);

#pragma omp parallel num_threads(ml3_threads(threads))
  {
    ml3_error local = {0};
    ml3_meta_work *work = ml3_meta_work_new(meta, &local);
    ml3_real *theta = calloc((size_t)p->theta_size, sizeof *theta);
    int code = work && theta ? ML3_OK : ml3_error_set(&local, ML3_ERR_MEMORY, "no memory for a landscape");
#pragma omp for schedule(dynamic, 1)
    for (int row = 0; row < l->height; row++)
      if (code == ML3_OK) code = fill_row(work, p, loss, task, random, l, row, theta, &local);
#pragma omp critical
    if (code != ML3_OK && failed == ML3_OK) {
      failed = code;
      if (error) *error = local;
    }
    ml3_meta_work_free(work);
    free(theta);
  }
  return failed;
}
