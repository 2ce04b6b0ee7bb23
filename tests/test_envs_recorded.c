/* Point mass, reacher and walker as data against what their equations in C did: data/environments_of_c.json has names, bounds,
   tasks, and episodes with observation, reward, distance and success of every step. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "envs/env.h"

static const char *const names[] = {"pointmass", "pointmass_goal", "reacher_goal", "reacher_joints", "walker_goal"};
enum { COUNT = sizeof names / sizeof *names, ROOM = 1024 };

/* Absolute, and relative for what is above 1. On another release of MuJoCo the solver starts otherwise: there the walker, whose
   feet touch, is compared as its episode begins. */
static const double TOLERANCE = 1e-12, OTHER_TOLERANCE = 1e-6;

static json_t *recording(void) {
  json_error_t problem;
  json_t *root = json_load_file(ML3_TEST_DATA "/data/environments_of_c.json", 0, &problem);
  cr_assert(root != NULL, "%s", problem.text);
  return root;
}

static bool same_release(const json_t *root) {
  return strcmp(json_string_value(json_object_get(root, "mujoco")), ml3_env_simulator()) == 0;
}

static ml3_env *open_env(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  ml3_env *env = spec ? ml3_env_new(spec, &error) : NULL;
  cr_assert(env != NULL, "%s", error.message);
  return env;
}

static double real(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

static size_t numbers(const json_t *object, const char *key, double *x) {
  const json_t *list = json_object_get(object, key);
  const size_t n = json_array_size(list);
  cr_assert(n < ROOM);
  for (size_t i = 0; i < n; i++) x[i] = json_number_value(json_array_get(list, i));
  return n;
}

/* How far n numbers are off those of that key. */
static double off(const json_t *object, const char *key, const double *x, int n) {
  double expected[ROOM], worst = 0;
  cr_assert_eq(numbers(object, key, expected), (size_t)n, "%s", key);
  for (int i = 0; i < n; i++) {
    const double by = fabs(x[i] - expected[i]) / fmax(1, fabs(expected[i]));
    worst = isfinite(by) ? fmax(worst, by) : INFINITY;
  }
  return worst;
}

static double observation_off(const ml3_env *env, const json_t *object, const char *key) {
  double obs[ROOM];
  ml3_env_observe(env, obs);
  return off(object, key, obs, env->spec->obs_dim);
}

static double goal_off(const ml3_env *env, const json_t *object, const char *key) {
  double goal[ROOM];
  ml3_env_goal(env, goal);
  return off(object, key, goal, env->spec->goal_dim);
}

static double step_off(ml3_env *env, const json_t *step, bool begins) {
  double action[ROOM], worst = 0;
  if (!begins) {
    numbers(step, "action", action);
    const ml3_env_result result = ml3_env_step(env, action);
    cr_expect(result.code == ML3_OK && !result.terminated);
    worst = fabs(result.reward - real(step, "reward"));
  }
  worst = fmax(worst, observation_off(env, step, "obs"));
  worst = fmax(worst, fabs(ml3_env_distance(env) - real(step, "distance")));
  cr_expect_eq(ml3_env_success(env), json_is_true(json_object_get(step, "success")));
  return worst;
}

Test(recorded, step_as_their_equations_in_c_did) {
  json_t *root = recording();
  const bool same = same_release(root);
  for (int i = 0; i < COUNT; i++) {
    ml3_env *env = open_env(names[i]);
    const double tolerance = same ? TOLERANCE : OTHER_TOLERANCE;
    const json_t *episode, *step;
    size_t k, t;
    json_array_foreach(json_object_get(json_object_get(root, names[i]), "episodes"), k, episode) {
      double task[ROOM];
      numbers(episode, "task", task);
      ml3_env_reset(env, task, NULL);
      double worst = goal_off(env, episode, "goal");
      json_array_foreach(json_object_get(episode, "steps"), t, step) {
        if (!same && t > 0 && strcmp(names[i], "walker_goal") == 0) break;
        worst = fmax(worst, step_off(env, step, t == 0));
        if (!(worst <= tolerance)) break;
      }
      cr_expect(worst <= tolerance, "%s, episode %zu: off by %g at step %zu", names[i], k, worst, t);
    }
    cr_expect_eq(k, 4);
    ml3_env_free(env);
  }
  json_decref(root);
}

/* From the state alone: what is seen of it, the next step, and the step's derivative, by sums over its entries. (The walker's is
   one of differences through contacts, which are solved to a tolerance.) */
Test(recorded, go_on_from_a_state_and_linearize_as_their_equations_in_c_did) {
  json_t *root = recording();
  const bool same = same_release(root);
  for (int i = 0; i < COUNT; i++) {
    ml3_env *env = open_env(names[i]);
    const int n = env->spec->state_dim, m = env->spec->action_dim;
    double task[ROOM], state[ROOM], action[ROOM], a[n * n], b[n * m], sums[2];
    const json_t *episode;
    size_t k;
    if (!same && strcmp(names[i], "walker_goal") == 0) {
      ml3_env_free(env);
      continue;
    }
    json_array_foreach(json_object_get(json_object_get(root, names[i]), "episodes"), k, episode) {
      numbers(episode, "task", task);
      numbers(episode, "state", state);
      ml3_env_reset(env, task, NULL);
      ml3_env_set_state(env, state);
      double worst = observation_off(env, episode, "placed");
      for (int j = 0; j < m; j++) action[j] = 0.3 - 0.1 * j;
      ml3_env_linearize(env, action, a, b);
      sums[0] = sums[1] = 0;
      for (int j = 0; j < n * n; j++) sums[0] += a[j] * sin(j);
      for (int j = 0; j < n * m; j++) sums[1] += b[j] * sin(j);
      const double linear = off(episode, "linearized", sums, 2);
      const double reward = ml3_env_step(env, action).reward;
      worst = fmax(worst, fmax(fabs(reward - real(episode, "reward")), observation_off(env, episode, "next")));
      cr_expect(worst <= (same ? TOLERANCE : OTHER_TOLERANCE), "%s, episode %zu: off by %g", names[i], k, worst);
      cr_expect(linear <= (i + 1 < COUNT ? 1e-8 : 1e-4), "%s, episode %zu: its derivative is off by %g", names[i], k,
                linear);
    }
    ml3_env_free(env);
  }
  json_decref(root);
}

/* The goal where a hand puts it, within what is allowed, and the task that it is then. */
Test(recorded, have_their_goals_moved_as_their_equations_in_c_had) {
  const double point[3] = {0.07, -0.11, 0.3}, far[3] = {-3, 7, 0};
  json_t *root = recording();
  for (int i = 0; i < COUNT; i++) {
    ml3_env *env = open_env(names[i]);
    const json_t *episode;
    size_t k;
    json_array_foreach(json_object_get(json_object_get(root, names[i]), "episodes"), k, episode) {
      double task[ROOM], state[ROOM];
      numbers(episode, "task", task);
      numbers(episode, "state", state);
      ml3_env_reset(env, task, NULL);
      ml3_env_set_state(env, state);
      cr_assert(ml3_env_move_goal(env, point));
      const double moved =
          fmax(goal_off(env, episode, "moved"), off(episode, "moved_task", env->task, env->spec->task_dim));
      cr_assert(ml3_env_move_goal(env, far));
      const double moved_far = goal_off(env, episode, "moved_far");
      cr_expect(moved <= TOLERANCE && moved_far <= TOLERANCE, "%s: off by %g and %g", names[i], moved, moved_far);
    }
    ml3_env_free(env);
  }
  json_decref(root);
}

static void expect_fields(const char *name, const json_t *expected, const ml3_env_field *fields, int count) {
  cr_assert_eq(json_array_size(expected), (size_t)count, "%s", name);
  for (int i = 0; i < count; i++) {
    const json_t *e = json_array_get(expected, (size_t)i);
    const bool bounded = json_object_get(e, "low") != NULL;
    cr_expect_str_eq(fields[i].name, json_string_value(json_object_get(e, "name")), "%s", name);
    cr_expect_eq(fields[i].low, bounded ? real(e, "low") : -INFINITY, "%s: %s", name, fields[i].name);
    cr_expect_eq(fields[i].high, bounded ? real(e, "high") : INFINITY, "%s: %s", name, fields[i].name);
  }
}

Test(recorded, have_the_names_bounds_and_ranges_of_their_equations_in_c) {
  json_t *root = recording();
  for (int i = 0; i < COUNT; i++) {
    const ml3_env_spec *spec = ml3_env_find(names[i], NULL);
    const json_t *e = json_object_get(root, names[i]), *plane = json_object_get(e, "plane"), *p;
    size_t k;
    cr_expect_float_eq(spec->dt_s, real(e, "dt"), 1e-15);
    cr_expect_eq(spec->horizon, (int)real(e, "horizon"));
    expect_fields(names[i], json_object_get(e, "obs_fields"), spec->obs, spec->obs_dim);
    expect_fields(names[i], json_object_get(e, "goal_fields"), spec->goal, spec->goal_dim);
    expect_fields(names[i], json_object_get(e, "action_fields"), spec->action, spec->action_dim);
    cr_assert_eq(json_array_size(json_object_get(e, "parameters")), (size_t)spec->task_dim);
    json_array_foreach(json_object_get(e, "parameters"), k, p) {
      cr_expect_str_eq(spec->task[k].name, json_string_value(json_object_get(p, "name")));
      cr_expect_str_eq(spec->task[k].unit, json_string_value(json_object_get(p, "unit")), "%s", spec->task[k].name);
      cr_expect(spec->task[k].value == real(p, "value") && spec->task[k].low == real(p, "low") &&
                    spec->task[k].high == real(p, "high"),
                "%s: %s", names[i], spec->task[k].name);
    }
    cr_assert_eq(plane != NULL, spec->plane != NULL, "%s", names[i]);
    if (!plane) continue;
    const ml3_env_plane *q = spec->plane;
    const double found[10] = {q->along_x, q->along_y, q->low[0],  q->low[1], q->high[0],
                              q->high[1], q->from[0], q->from[1], q->to[0],  q->to[1]};
    cr_expect_leq(off(e, "plane", found, 10), 1e-15, "%s", names[i]);
  }
  json_decref(root);
}
