/* A problem of your own: fit a line y = a x + b to few points of which a third are wrong.

   Least squares suffers from the wrong points. Here a loss of the residual is meta-trained so that ten steps down it,
   on the bad points, bring the line near the true one: the network finds a robust loss by itself. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "metaloss/trainer.h"

enum { POINTS = 16, STEPS = 10, TEST_TASKS = 200 };

/* A task is four rows: x, y as observed, other x, and the true y there. */
enum { ROW_X, ROW_Y, ROW_CLEAN_X, ROW_CLEAN_Y, ROWS };

static ml3_node row(ml3_nn_graph *g, ml3_node data, int i) {
  return ml3_nn_view(g, data, i * POINTS, POINTS, 1);
}

/* f(x) - y, for theta = (a, b). */
static ml3_node residual(ml3_nn_graph *g, ml3_node theta, ml3_node x, ml3_node y) {
  ml3_node a = ml3_nn_slice_cols(g, theta, 0, 1), b = ml3_nn_slice_cols(g, theta, 1, 1);
  return ml3_nn_sub(g, ml3_nn_add(g, ml3_nn_mul(g, x, a), b), y);
}

/* What the learned loss sees of each point: its residual. */
static ml3_node features(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  return residual(g, theta, row(g, data, ROW_X), row(g, data, ROW_Y));
}

/* What it is trained for: the distance to the true line, which only meta-training knows. */
static ml3_node task_loss(const ml3_problem *p, ml3_nn_graph *g, ml3_node theta, ml3_node data, ml3_node context) {
  (void)p, (void)context;
  ml3_node r = residual(g, theta, row(g, data, ROW_CLEAN_X), row(g, data, ROW_CLEAN_Y));
  return ml3_nn_mean(g, ml3_nn_square(g, r));
}

static int sample(const ml3_problem *p, ml3_split split, ml3_random *random, ml3_real *task, ml3_real *theta,
                  ml3_error *error) {
  (void)p, (void)split, (void)error;
  const double a = ml3_random_uniform(random, -2, 2), b = ml3_random_uniform(random, -1, 1);
  for (int i = 0; i < POINTS; i++) {
    const double x = ml3_random_uniform(random, -1, 1), clean_x = ml3_random_uniform(random, -1, 1);
    const int wrong = ml3_random_uniform(random, 0, 1) < 1.0 / 3;
    const double error = wrong ? ml3_random_uniform(random, 2, 8) : 0.1 * ml3_random_normal(random);
    task[ROW_X * POINTS + i] = (ml3_real)x;
    task[ROW_Y * POINTS + i] = (ml3_real)(a * x + b + error);
    task[ROW_CLEAN_X * POINTS + i] = (ml3_real)clean_x;
    task[ROW_CLEAN_Y * POINTS + i] = (ml3_real)(a * clean_x + b);
  }
  theta[0] = theta[1] = 0;
  return ML3_OK;
}

static const char *const feature_names[] = {"residual"};

static const ml3_problem problem = {.name = "robust_line",
                                    .theta_size = 2,
                                    .task_size = ROWS * POINTS,
                                    .inner_size = ROWS * POINTS,
                                    .outer_size = ROWS * POINTS,
                                    .features = 1,
                                    .feature_names = feature_names,
                                    .build_features = features,
                                    .build_task_loss = task_loss,
                                    .sample = sample};

/* ---- judging -------------------------------------------------------------------------------------------------------- */

static double clean_error(const ml3_real *task, double a, double b) {
  double sum = 0;
  for (int i = 0; i < POINTS; i++) {
    const double r = a * task[ROW_CLEAN_X * POINTS + i] + b - task[ROW_CLEAN_Y * POINTS + i];
    sum += r * r / POINTS;
  }
  return sum;
}

static double least_squares_error(const ml3_real *task) {
  double x = 0, y = 0, xx = 0, xy = 0;
  for (int i = 0; i < POINTS; i++) {
    const double xi = task[ROW_X * POINTS + i], yi = task[ROW_Y * POINTS + i];
    x += xi, y += yi, xx += xi * xi, xy += xi * yi;
  }
  const double a = (POINTS * xy - x * y) / (POINTS * xx - x * x);
  return clean_error(task, a, (y - a * x) / POINTS);
}

/* Mean errors on tasks that training has not seen. */
static int judge(const ml3_trainer *trainer, double *learned, double *squares, ml3_error *error) {
  ml3_meta_work *work = ml3_meta_work_new(ml3_trainer_meta(trainer), error);
  int code = work ? ML3_OK : error->code;
  *learned = *squares = 0;
  for (int i = 0; i < TEST_TASKS && code == ML3_OK; i++) {
    ml3_real task[ROWS * POINTS], theta[2];
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_TEST, (uint32_t)i, 0);
    code = problem.sample(&problem, ML3_SPLIT_TEST, &random, task, theta, error);
    ml3_meta_begin(work, ml3_trainer_best_loss(trainer), theta);
    for (int k = 0; k < STEPS && code == ML3_OK; k++)
      code = ml3_meta_adapt(work, ml3_trainer_best_loss(trainer), task, theta, &random, NULL, error);
    *learned += clean_error(task, theta[0], theta[1]) / TEST_TASKS;
    *squares += least_squares_error(task) / TEST_TASKS;
  }
  ml3_meta_work_free(work);
  return code;
}

int main(int argc, char **argv) {
  const int outer_steps = argc > 1 ? atoi(argv[1]) : 500;
  const ml3_mlp net = {.inputs = 1, .outputs = 1, .depth = 2, .hidden = {32, 32}, .activation = ML3_TANH, .bias = true};
  const ml3_trainer_settings settings = {.meta = {.loss = {.net = net, .rate = 0.3, .learn_rate = ML3_RATE_SCALAR},
                                                  .inner_steps = STEPS,
                                                  .weights = ML3_WEIGHTS_ALL,
                                                  .task_weight = 1},
                                         .optimizer = ml3_nn_adam(3e-3),
                                         .threads = 1,
                                         .tasks = 16,
                                         .task_clip_norm = 1,
                                         .normalize = ML3_NORMALIZE_FIRST,
                                         .validation_tasks = 64};
  ml3_error error = {0};
  ml3_trainer_report report;
  double learned = 0, squares = 0;

  ml3_trainer *trainer = ml3_trainer_new(&problem, &settings, &error);
  int code = trainer ? ML3_OK : error.code;
  for (int i = 0; i < outer_steps && code == ML3_OK; i++) {
    code = ml3_trainer_step(trainer, &report, &error);
    if (code == ML3_OK && (i + 1) % 50 == 0) code = ml3_trainer_validate(trainer, &report, &error);
  }
  if (code == ML3_OK) code = judge(trainer, &learned, &squares, &error);
  if (code == ML3_OK) {
    printf("mean squared distance to the true line, %d unseen tasks\n", TEST_TASKS);
    printf("  least squares                  %.4f\n", squares);
    printf("  learned loss, %d steps down it %.4f\n", STEPS, learned);
    for (int r = -2; r <= 8; r++)
      printf("  loss of residual %+d: %+.3f\n", r, ml3_loss_value(ml3_trainer_best_loss(trainer), (double[]){r}));
  } else {
    fprintf(stderr, "%s\n", error.message);
  }
  ml3_trainer_free(trainer);
  return code == ML3_OK ? 0 : 1;
}
