/* Single pictures of states. */
#include <criterion/criterion.h>
#include <string.h>

#include "viewer/frame.h"

enum { W = 64, H = 48, BYTES = W * H * 3 };

/* The default task with the state after a reset. */
static void first_state(const ml3_env_spec *spec, double *task, double *state) {
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_env_default_task(spec, task);
  ml3_env_get_state(env, state);
  ml3_env_free(env);
}

static unsigned brightness(const unsigned char *rgb, int row) {
  unsigned sum = 0;
  for (int i = 0; i < 3 * W; i++) sum += rgb[row * 3 * W + i];
  return sum;
}

Test(frame, shows_the_state_it_is_given) {
  static unsigned char first[BYTES], second[BYTES], again[BYTES];
  ml3_error error = {0};
  double task[64], state[64];
  const ml3_env_spec *spec = ml3_env_find("mountain_car", NULL);
  ml3_frame *frame = ml3_frame_new(spec, W, H, &error);
  cr_assert_not_null(frame, "%s", error.message);
  first_state(spec, task, state);

  cr_assert_eq(ml3_frame_draw(frame, task, state, first, &error), 0, "%s", error.message);
  state[0] = 0.4;
  cr_assert_eq(ml3_frame_draw(frame, task, state, second, &error), 0);
  cr_assert(memcmp(first, second, BYTES) != 0, "another place, the same picture");
  state[0] = -0.55;
  cr_assert_eq(ml3_frame_draw(frame, task, state, again, &error), 0);
  cr_assert_arr_eq(first, again, BYTES);
  cr_assert_neq(brightness(first, 0), brightness(first, H - 1), "sky and ground look the same");
  ml3_frame_free(frame);
}

Test(frame, two_at_once_do_not_disturb_each_other) {
  static unsigned char alone[BYTES], beside[BYTES], car_picture[BYTES], after[BYTES];
  ml3_error error = {0};
  double task[64], state[64], car_task[64], car_state[64];
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL), *car_spec = ml3_env_find("mountain_car", NULL);
  first_state(spec, task, state);
  first_state(car_spec, car_task, car_state);

  ml3_frame *frame = ml3_frame_new(spec, W, H, &error);
  cr_assert_not_null(frame, "%s", error.message);
  cr_assert_eq(ml3_frame_draw(frame, task, state, alone, &error), 0);
  ml3_frame *car = ml3_frame_new(car_spec, W, H, &error);
  cr_assert_not_null(car, "%s", error.message);
  cr_assert_eq(ml3_frame_draw(car, car_task, car_state, car_picture, &error), 0);
  cr_assert_eq(ml3_frame_draw(frame, task, state, beside, &error), 0);
  ml3_frame_free(car);
  cr_assert_eq(ml3_frame_draw(frame, task, state, after, &error), 0, "%s", error.message);

  cr_assert(memcmp(alone, car_picture, BYTES) != 0);
  cr_assert_arr_eq(alone, beside, BYTES);
  cr_assert_arr_eq(alone, after, BYTES);
  ml3_frame_free(frame);
}

Test(frame, refuses_sizes_that_cannot_be) {
  ml3_error error = {0};
  cr_assert_null(ml3_frame_new(ml3_env_find("reacher", NULL), 64, 0, &error));
  cr_assert_not_null(strstr(error.message, "64 x 0"), "%s", error.message);
}
