/* The reacher against recorded steps of Gymnasium's Reacher-v5 (scripts/parity), and its own promises. */
#include "envs/env.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

enum { STATE = 8, OBS = 10, ACTION = 2 };

/* The recording was made with MuJoCo 4.0. Linked with that, states agree to the last bit. Releases differ in how the
   constraint solver starts, so after the elbow has met its stop (3 rad) they agree to the solver's tolerance only:
   3e-7 measured between 4.0 and 2.2.2. Before that, 1e-12 holds for all. */
static const double FREE_TOLERANCE = 1e-12, STOP_TOLERANCE = 1e-6, NEAR_STOP = 2.8;

static const ml3_env_spec *spec(void) {
  return ml3_env_find("reacher", NULL);
}

static json_t *recording(void) {
  json_error_t problem;
  json_t *root = json_load_file(ML3_TEST_DATA "/data/reacher_v5.json", 0, &problem);
  cr_assert(root != NULL, "%s", problem.text);
  return root;
}

static void numbers(const json_t *list, double *x, size_t n) {
  cr_assert_eq(json_array_size(list), n);
  for (size_t i = 0; i < n; i++) x[i] = json_number_value(json_array_get(list, i));
}

/* Row t of the member `name` of an episode. */
static void row(const json_t *episode, const char *name, size_t t, double *x, size_t n) {
  numbers(json_array_get(json_object_get(episode, name), t), x, n);
}

static double largest_difference(const double *a, const double *b, int n) {
  double worst = 0;
  for (int i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] - b[i]));
  return worst;
}

/* Plays one recorded episode. worst[0] gets the largest difference before the elbow has come near its stop,
   worst[1] the largest one after; returns whether it came near. */
static bool play(ml3_env *env, const json_t *episode, double worst[2]) {
  double state[STATE], obs[OBS], action[ACTION], expected[OBS];
  size_t steps = json_array_size(json_object_get(episode, "actions"));
  bool near = false;
  cr_assert_eq((int)steps, env->spec->horizon);
  ml3_env_reset(env, NULL, NULL);
  row(episode, "states", 0, state, STATE);
  ml3_env_set_state(env, state);

  for (size_t t = 0; t <= steps; t++) {
    row(episode, "obs", t, expected, OBS);
    ml3_env_observe(env, obs);
    double difference = largest_difference(obs, expected, OBS);
    row(episode, "states", t, expected, STATE);
    ml3_env_get_state(env, state);
    difference = fmax(difference, largest_difference(state, expected, STATE));
    worst[near] = fmax(worst[near], difference);
    if (t == steps) break;

    row(episode, "states", t + 1, expected, STATE);
    near = near || fabs(expected[1]) > NEAR_STOP;
    row(episode, "actions", t, action, ACTION);
    ml3_env_result result = ml3_env_step(env, action);
    double reward = json_real_value(json_array_get(json_object_get(episode, "rewards"), t));
    worst[near] = fmax(worst[near], fabs(result.reward - reward));
    cr_assert_not(result.terminated);
    cr_assert_eq(result.truncated, t + 1 == steps);
  }
  return near;
}

Test(reacher, steps_like_gymnasium_v5) {
  json_t *root = recording(), *episode;
  ml3_env *env = ml3_env_new(spec(), NULL);
  double worst[2] = {0};
  size_t k;
  int near = 0;
  json_array_foreach(json_object_get(root, "episodes"), k, episode) near += play(env, episode, worst);

  cr_assert_eq(k, 20);
  cr_assert(near > 0 && near < 20, "the recording must show both, %d episodes come near the stop", near);
  cr_assert_lt(worst[0], FREE_TOLERANCE, "differs by %g", worst[0]);
  cr_assert_lt(worst[1], STOP_TOLERANCE, "differs by %g at the elbow's stop", worst[1]);
  ml3_env_free(env);
  json_decref(root);
}

/* dt, horizon and bounds are not in the trajectories. */
Test(reacher, has_the_time_step_horizon_and_bounds_of_gymnasium_v5) {
  json_t *root = recording(), *constants = json_object_get(root, "constants");
  double range[2 * ACTION];
  double dt = json_number_value(json_object_get(constants, "timestep")) *
              json_number_value(json_object_get(constants, "frame_skip"));
  numbers(json_object_get(constants, "actuator_ctrlrange"), range, 2 * ACTION);

  cr_assert_eq(spec()->dt_s, dt);
  cr_assert_eq(spec()->horizon, (int)json_integer_value(json_object_get(constants, "horizon")));
  for (int i = 0; i < ACTION; i++) {
    cr_assert_eq(spec()->action[i].low, range[2 * i]);
    cr_assert_eq(spec()->action[i].high, range[2 * i + 1]);
  }
  json_decref(root);
}

Test(reacher, samples_targets_uniformly_in_the_disc) {
  enum { N = 4000 };
  ml3_env *env = ml3_env_new(spec(), NULL);
  ml3_random random = ml3_random_stream(7, ML3_PURPOSE_TRAIN, 0, 0);
  double task[16], goal[2], sum[2] = {0};
  int inner = 0;
  for (int i = 0; i < N; i++) {
    ml3_env_sample_task(spec(), &random, task);
    ml3_env_reset(env, task, &random);
    ml3_env_goal(env, goal);
    double radius = hypot(goal[0], goal[1]);
    cr_assert_leq(radius, 0.2);
    inner += radius < 0.1;
    sum[0] += goal[0], sum[1] += goal[1];
  }
  /* half the radius holds a quarter of the area; three standard deviations are 0.02 and 0.005 */
  cr_assert_float_eq((double)inner / N, 0.25, 0.02);
  cr_assert_float_eq(sum[0] / N, 0, 0.005);
  cr_assert_float_eq(sum[1] / N, 0, 0.005);
  ml3_env_free(env);
}

Test(reacher, clips_its_torques_but_charges_for_the_action_given) {
  ml3_env *a = ml3_env_new(spec(), NULL), *b = ml3_env_new(spec(), NULL);
  double sa[STATE], sb[STATE];
  ml3_env_result ra = ml3_env_step(a, (double[]){1, -1}), rb = ml3_env_step(b, (double[]){3, -2});
  ml3_env_get_state(a, sa);
  ml3_env_get_state(b, sb);
  cr_assert_arr_eq(sa, sb, sizeof sa);
  cr_assert_float_eq(ra.reward - rb.reward, 9 + 4 - 2, 1e-12);
  ml3_env_free(a);
  ml3_env_free(b);
}

Test(reacher, is_successful_within_two_centimetres) {
  ml3_env *env = ml3_env_new(spec(), NULL);
  ml3_env_set_state(env, (double[STATE]){0, 0, 0.191, 0}); /* the fingertip is at 0.21 */
  cr_assert(ml3_env_success(env));
  cr_assert_float_eq(ml3_env_distance(env), 0.019, 1e-12);
  ml3_env_set_state(env, (double[STATE]){0, 0, 0.189, 0});
  cr_assert_not(ml3_env_success(env));
  ml3_env_free(env);
}

/* A disagreement with the differences of another step size would show a kink or a wrong column. */
Test(reacher, linearizes_like_the_differences_of_its_step_and_leaves_no_trace) {
  enum { N = STATE + ACTION };
  const double x0[N] = {0.3, 1.2, 0.1, 0.05, 2, -3, 0, 0, 0.5, -0.3}, h = 1e-5;
  ml3_env *env = ml3_env_new(spec(), NULL), *twin = ml3_env_new(spec(), NULL);
  double a[STATE * STATE], b[STATE * ACTION], side[2][STATE], obs[OBS], again[OBS];

  ml3_env_set_state(env, x0);
  ml3_env_step(env, x0 + STATE);
  ml3_env_observe(env, obs);
  ml3_env_linearize(env, x0 + STATE, a, b);
  ml3_env_observe(env, again);
  cr_assert_arr_eq(obs, again, sizeof obs);

  ml3_env_set_state(env, x0);
  ml3_env_linearize(env, x0 + STATE, a, b);
  for (int j = 0; j < N; j++) {
    for (int s = 0; s < 2; s++) {
      double x[N];
      memcpy(x, x0, sizeof x);
      x[j] += s ? h : -h;
      ml3_env_set_state(twin, x);
      ml3_env_step(twin, x + STATE);
      ml3_env_get_state(twin, side[s]);
    }
    for (int i = 0; i < STATE; i++) {
      double found = j < STATE ? a[i * STATE + j] : b[i * ACTION + j - STATE];
      cr_assert_float_eq(found, (side[1][i] - side[0][i]) / (2 * h), 1e-7, "d state %d / d input %d", i, j);
    }
  }
  ml3_env_free(env);
  ml3_env_free(twin);
}
