/* Landscapes: the values are the losses at those parameters, the directions have the filters' norms. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "metaloss/landscape.h"
#include "metaloss_setup.h"

enum { N = 18, WIDTH = 5, HEIGHT = 3 };

Test(landscape, has_the_losses_at_its_points) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_meta_settings settings = make_settings(2, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, N);
  settings.loss.momentum = 0.5;
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  ml3_meta_work *work = ml3_meta_work_new(meta, &error);
  ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real task[64], theta[N], a[N], b[N], at[N];
  double learned[WIDTH * HEIGHT], of_task[WIDTH * HEIGHT];
  problem->sample(problem, ML3_SPLIT_TEST, &random, task, theta, NULL);
  ml3_landscape_direction(problem, theta, &random, a);
  ml3_landscape_direction(problem, theta, &random, b);
  ml3_landscape l = {.width = WIDTH,
                     .height = HEIGHT,
                     .x_low = -1,
                     .x_high = 1,
                     .y_low = 0,
                     .y_high = 0.5,
                     .origin = theta,
                     .a = a,
                     .b = b,
                     .learned = learned,
                     .task = of_task};
  cr_assert_eq(ml3_landscape_fill(meta, loss, task, &random, 2, &l, &error), 0, "%s", error.message);
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    const double x = -1 + 0.5 * (i % WIDTH), y = 0.25 * (i / WIDTH);
    double value, value_of_task;
    for (int j = 0; j < N; j++) at[j] = (ml3_real)(theta[j] + x * a[j] + y * b[j]);
    cr_assert_eq(ml3_meta_task_gradient(work, task, at, &random, &value_of_task, NULL, &error), 0);
    ml3_meta_begin(work, loss, at);
    cr_assert_eq(ml3_meta_adapt(work, loss, task, at, &random, &value, &error), 0);
    cr_expect_float_eq(learned[i], value, 1e-6);
    cr_expect_float_eq(of_task[i], value_of_task, 1e-6);
  }
  ml3_loss_free(loss);
  ml3_meta_work_free(work);
  ml3_meta_free(meta);
  problem->free(problem);
}

Test(landscape, leaves_a_hole_where_a_loss_is_not_finite) {
  ml3_error error = {0};
  ml3_problem *problem = make_problem(ML3_SQUASH_TANH, 1);
  ml3_meta_settings settings = make_settings(1, ML3_WEIGHTS_LAST, ML3_RATE_FIXED, N);
  ml3_meta *meta = ml3_meta_new(problem, &settings, &error);
  ml3_random random = ml3_random_stream(7, ML3_PURPOSE_USER, 0, 0);
  ml3_loss *loss = ml3_loss_new(&settings.loss, &random, &error);
  ml3_real task[64], theta[N], a[N] = {0};
  double learned[2], of_task[2];
  problem->sample(problem, ML3_SPLIT_TEST, &random, task, theta, NULL);
  ml3_landscape l = {
      .width = 2, .height = 1, .x_low = -1, .x_high = 1, .origin = theta, .a = a, .learned = learned, .task = of_task};
  task[0] = (ml3_real)NAN;
  a[0] = 1;
  cr_assert_eq(ml3_landscape_fill(meta, loss, task, &random, 1, &l, &error), 0, "%s", error.message);
  cr_expect(isnan(learned[0]) && isnan(of_task[1]));
  ml3_loss_free(loss);
  ml3_meta_free(meta);
  problem->free(problem);
}

Test(landscape, directions_have_the_norm_of_every_filter) {
  const ml3_mlp net = {.inputs = 3, .outputs = 2, .depth = 1, .hidden = {4}, .activation = ML3_TANH, .bias = true};
  const ml3_problem problem = {.theta_size = 4 * 4 + 2 * 5, .net = &net};
  ml3_real theta[26], d[26];
  ml3_random random = ml3_random_stream(8, ML3_PURPOSE_USER, 0, 0);
  ml3_mlp_init(&net, &random, theta);
  ml3_landscape_direction(&problem, theta, &random, d);
  for (int unit = 0; unit < 6; unit++) {
    const int at = unit < 4 ? 3 * unit : 16 + 4 * (unit - 4), in = unit < 4 ? 3 : 4;
    double of_theta = 0, of_d = 0;
    for (int i = at; i < at + in; i++) of_theta += (double)theta[i] * theta[i], of_d += (double)d[i] * d[i];
    cr_expect_float_eq(of_theta, of_d, 1e-5);
  }
  for (int i = 12; i < 16; i++) cr_expect_eq(d[i], 0);
  for (int i = 24; i < 26; i++) cr_expect_eq(d[i], 0);
}
