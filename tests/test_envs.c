/* The environment interface, the registry, batches and recorded episodes. */
#include "envs/batch.h"
#include "envs/env.h"
#include "envs/episode.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { STATE_MAX = 64, ACTION_MAX = 32, GOAL_MAX = 16, TASK_MAX = 32, OBS_MAX = 512, FULL_MAX = 1024 };

static const ml3_env_spec *car(void) {
  return ml3_env_find("mountain_car", NULL);
}

/* A policy that depends on the step only and saturates now and then. */
static void wave(void *user, int step, const double *obs, const double *state, double *action) {
  const ml3_env_spec *spec = user;
  (void)obs, (void)state;
  for (int i = 0; i < spec->action_dim; i++) action[i] = 1.2 * spec->action[i].high * sin(0.3 * step + i);
  if (spec->choices) action[0] = step / 3 % spec->choices;
}

/* ---- registry ---------------------------------------------------------------------------------------- */

Test(registry, finds_every_environment_by_its_name) {
  cr_assert_geq(ml3_env_count(), 2);
  for (int i = 0; i < ml3_env_count(); i++) cr_assert_eq(ml3_env_find(ml3_env_at(i)->name, NULL), ml3_env_at(i));
  cr_assert(ml3_env_at(-1) == NULL);
  cr_assert(ml3_env_at(ml3_env_count()) == NULL);
}

Test(registry, suggests_the_nearest_name) {
  ml3_error error = {0};
  cr_assert(ml3_env_find("mountian_car", &error) == NULL);
  cr_assert_eq(error.code, ML3_ERR_ARGUMENT);
  cr_assert_str_eq(error.message,
                   "unknown environment 'mountian_car'; did you mean 'mountain_car'? ml3 list shows all");
  cr_assert(ml3_env_find("zzz", &error) == NULL);
  cr_assert_str_eq(error.message, "unknown environment 'zzz'; ml3 list shows all");
}

/* ---- promises of the interface, kept by every environment ---------------------------------------------- */

Test(envs, describe_every_entry) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    const ml3_env_field *fields[] = {spec->state, spec->obs, spec->action, spec->goal};
    const int dims[] = {spec->state_dim, spec->obs_dim, spec->action_dim, spec->goal_dim};
    for (int f = 0; f < 4; f++) {
      for (int i = 0; i < dims[f]; i++) {
        cr_assert(fields[f][i].name && fields[f][i].unit && fields[f][i].low < fields[f][i].high, "%s %d %d",
                  spec->name, f, i);
      }
    }
    cr_assert(spec->scene_xml != NULL && spec->pose != NULL);
  }
}

Test(envs, sample_tasks_within_their_ranges) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_random random = ml3_random_stream(1, ML3_PURPOSE_TRAIN, 0, 0);
    double task[TASK_MAX], standard[TASK_MAX], moved = 0;
    ml3_env_default_task(spec, standard);
    for (int n = 0; n < 500; n++) {
      ml3_env_sample_task(spec, &random, task);
      for (int i = 0; i < spec->task_dim; i++) {
        cr_assert(task[i] >= spec->task[i].low && task[i] <= spec->task[i].high, "%s", spec->task[i].name);
        moved += fabs(task[i] - standard[i]);
      }
    }
    cr_assert(moved > 1 || spec->task_dim == 0);
    for (int i = 0; i < spec->task_dim; i++) cr_assert_eq(ml3_env_task_index(spec, spec->task[i].name), i);
    cr_assert_eq(ml3_env_task_index(spec, "colour"), -1);
  }
}

Test(envs, repeat_an_episode_bit_for_bit_from_the_same_task) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_episode *e[2];
    ml3_env *env = ml3_env_new(spec, NULL);
    double task[TASK_MAX];
    for (int i = 0; i < 2; i++) {
      ml3_random random = ml3_random_stream(3, ML3_PURPOSE_RESET, 4, 5);
      ml3_env_sample_task(spec, &random, task);
      ml3_env_reset(env, task, &random);
      e[i] = ml3_episode_new(spec, spec->horizon, NULL);
      ml3_episode_record(e[i], env, spec->horizon, false, wave, (void *)spec);
    }
    cr_assert_arr_eq(e[0]->states, e[1]->states, (size_t)((spec->horizon + 1) * spec->state_dim) * sizeof(double));
    cr_assert_arr_eq(e[0]->obs, e[1]->obs, (size_t)((spec->horizon + 1) * spec->obs_dim) * sizeof(double));
    cr_assert_arr_eq(e[0]->rewards, e[1]->rewards, (size_t)spec->horizon * sizeof(double));
    ml3_episode_free(e[0]);
    ml3_episode_free(e[1]);
    ml3_env_free(env);
  }
}

Test(envs, branch_from_a_state_they_were_given) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_env *a = ml3_env_new(spec, NULL), *b = ml3_env_new(spec, NULL);
    double state[STATE_MAX], copy[STATE_MAX], action[ACTION_MAX], next[2][STATE_MAX];
    for (int t = 0; t < 7; t++) {
      wave((void *)spec, t, NULL, NULL, action);
      ml3_env_step(a, action);
    }
    ml3_env_get_state(a, state);
    ml3_env_set_state(b, state);
    ml3_env_get_state(b, copy);
    cr_assert_arr_eq(state, copy, (size_t)spec->state_dim * sizeof(double));
    cr_assert_eq(b->steps, 0);

    ml3_env_step(a, action);
    ml3_env_step(b, action);
    ml3_env_get_state(a, next[0]);
    ml3_env_get_state(b, next[1]);
    for (int i = 0; i < spec->state_dim; i++) cr_assert_float_eq(next[0][i], next[1][i], 1e-6);
    ml3_env_free(a);
    ml3_env_free(b);
  }
}

Test(envs, truncate_at_the_horizon_and_stay_truncated) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_env *env = ml3_env_new(spec, NULL);
    const double still[ACTION_MAX] = {0};
    for (int t = 1; t <= spec->horizon + 3; t++) cr_assert_eq(ml3_env_step(env, still).truncated, t >= spec->horizon);
    ml3_env_free(env);
  }
}

Test(envs, survive_actions_that_are_no_numbers) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_env *env = ml3_env_new(spec, NULL);
    double bad[ACTION_MAX];
    for (int i = 0; i < ACTION_MAX; i++) bad[i] = i == 1 ? INFINITY : NAN;
    const double still[ACTION_MAX] = {0};
    double before[FULL_MAX], after[FULL_MAX];
    size_t size = (size_t)ml3_env_full_dim(env) * sizeof(double);
    ml3_env_step(env, still);
    ml3_env_get_full(env, before);

    ml3_env_result result = ml3_env_step(env, bad);
    ml3_env_get_full(env, after);
    cr_assert_eq(result.code, ML3_ERR_NUMERIC);
    cr_assert(isnan(result.reward));
    cr_assert_arr_eq(before, after, size, "%s was touched", spec->name);
    cr_assert(isfinite(ml3_env_step(env, still).reward), "%s does not go on", spec->name);
    ml3_env_free(env);
  }
}

Test(envs, say_in_a_steps_code_that_a_state_or_a_reward_is_no_number) {
  for (int i = 0; i < ml3_env_count(); i++) {
    const ml3_env_spec *spec = ml3_env_at(i);
    ml3_env *env = ml3_env_new(spec, NULL);
    double start[STATE_MAX], state[STATE_MAX], action[STATE_MAX] = {0};
    ml3_env_get_state(env, start);
    memcpy(state, start, sizeof state);
    state[0] = NAN;
    ml3_env_set_state(env, state);
    ml3_env_result result = ml3_env_step(env, action);
    cr_expect_eq(result.code, ML3_ERR_NUMERIC, "%s: from a state that is no number", spec->name);
    cr_expect(isnan(result.reward) && result.terminated, "%s", spec->name);
    ml3_env_get_state(env, state);
    cr_expect_arr_eq(state, start, (size_t)spec->state_dim * sizeof *state, "%s: where its task begins", spec->name);

    for (int k = 0; k < spec->action_dim; k++) action[k] = 1e308;
    result = ml3_env_step(env, action);
    cr_expect_eq(result.code == ML3_OK, (bool)isfinite(result.reward), "%s: code %d, reward %g", spec->name,
                 result.code, result.reward);
    ml3_env_free(env);
  }
}

Test(envs, name_environment_step_and_action_where_an_action_is_no_number) {
  ml3_error error = {0};
  ml3_env_result result;
  ml3_env *env = ml3_env_new(ml3_env_find("reacher", NULL), NULL);
  for (int t = 0; t < 3; t++) cr_assert_eq(ml3_env_step_checked(env, (double[]){0, 0}, &result, &error), ML3_OK);
  cr_assert_eq(ml3_env_step_checked(env, (double[]){0, NAN}, &result, &error), ML3_ERR_NUMERIC);
  cr_assert_str_eq(error.message,
                   "environment 'reacher', step 3: action 1 (elbow) is nan; a finite number is "
                   "needed, and nothing was stepped");
  ml3_env_free(env);
}

/* From a full state, and from a clone, an episode goes on with the same bits: task, time limit and warm start come
   along. */
Test(envs, go_on_from_a_full_state_with_the_same_bits) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    ml3_env *a = ml3_env_new(spec, NULL), *b = ml3_env_new(spec, NULL);
    ml3_random random = ml3_random_stream(9, ML3_PURPOSE_RESET, 1, 2);
    double task[TASK_MAX], action[ACTION_MAX], obs[3][OBS_MAX], full[FULL_MAX];
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(a, task, &random);
    for (int t = 0; t < 9; t++) {
      wave((void *)spec, t, NULL, NULL, action);
      ml3_env_step(a, action);
    }
    cr_assert_leq(ml3_env_full_dim(a), FULL_MAX);
    ml3_env_get_full(a, full);
    ml3_env_set_full(b, full);
    ml3_env *c = ml3_env_clone(a, NULL);
    ml3_env *const all[3] = {a, b, c};
    for (int t = 9; t < 25; t++) {
      ml3_env_result result[3];
      wave((void *)spec, t, NULL, NULL, action);
      for (int i = 0; i < 3; i++) {
        ml3_env_observe(all[i], obs[i]);
        result[i] = ml3_env_step(all[i], action);
        cr_assert_arr_eq(obs[0], obs[i], (size_t)spec->obs_dim * sizeof(double), "%s step %d", spec->name, t);
        cr_assert_eq(result[0].reward, result[i].reward, "%s step %d", spec->name, t);
      }
    }
    for (int i = 0; i < 3; i++) {
      cr_assert_eq(all[i]->steps, 25);
      ml3_env_free(all[i]);
    }
  }
}

/* Gymnasium's car rounds its state to single precision; what meets the ground, or an object, has a kink there. */
static bool has_kinks(const ml3_env_spec *spec) {
  static const char *const names[] = {"mountain_car_continuous", "walker", "ant", "half_cheetah", "hopper", "humanoid", "pusher"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strncmp(spec->name, names[i], strlen(names[i])) == 0) return true; /* and their families */
  return false;
}

/* Exact where exact is promised, and the same through MuJoCo: against centred differences of the step with another
   step size. Left out are kinks, and discrete actions (test_envs_classic.c). */
Test(envs, linearize_like_centred_differences) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    if (has_kinks(spec)) continue;
    if (spec->choices) continue;
    const int n = spec->state_dim, m = spec->action_dim;
    ml3_env *env = ml3_env_new(spec, NULL);
    ml3_random random = ml3_random_stream(10, ML3_PURPOSE_RESET, 1, 2);
    double task[TASK_MAX], state[STATE_MAX], u[ACTION_MAX], a[STATE_MAX * STATE_MAX], b[STATE_MAX * ACTION_MAX], side[2][STATE_MAX];
    ml3_env_sample_task(spec, &random, task);
    ml3_env_reset(env, task, &random);
    for (int i = 0; i < m; i++) u[i] = 0.4 * spec->action[i].high;
    ml3_env_step(env, u);
    ml3_env_get_state(env, state);
    ml3_env_set_state(env, state);
    ml3_env_linearize(env, u, a, b);
    for (int j = 0; j < n + m; j++) {
      double *x = j < n ? &state[j] : &u[j - n], x0 = *x, h = 1e-5;
      for (int s = 0; s < 2; s++) {
        *x = x0 + (s ? h : -h);
        ml3_env_set_state(env, state);
        ml3_env_step(env, u);
        ml3_env_get_state(env, side[s]);
      }
      *x = x0;
      for (int i = 0; i < n; i++) {
        double found = j < n ? a[i * n + j] : b[i * m + j - n];
        cr_assert_float_eq(found, (side[1][i] - side[0][i]) / (2 * h), 1e-7, "%s d%d/d%d", spec->name, i, j);
      }
    }
    ml3_env_free(env);
  }
}

/* At an action's bound, beyond which it is clipped, the derivative is the one from within, and beyond it 0. The car that
   rounds its state to single precision, kinks and discrete actions are left out as above. */
Test(envs, linearize_one_sidedly_where_an_action_is_at_its_bound) {
  for (int k = 0; k < ml3_env_count(); k++) {
    const ml3_env_spec *spec = ml3_env_at(k);
    if (has_kinks(spec)) continue;
    if (spec->choices) continue;
    const int n = spec->state_dim, m = spec->action_dim;
    ml3_env *env = ml3_env_new(spec, NULL);
    for (int sign = -1; sign <= 1; sign += 2) {
      double state[STATE_MAX], u[ACTION_MAX], a[STATE_MAX * STATE_MAX], b[STATE_MAX * ACTION_MAX], at[3][STATE_MAX];
      ml3_env_get_state(env, state);
      for (int i = 0; i < m; i++) u[i] = sign > 0 ? spec->action[i].high : spec->action[i].low;
      ml3_env_set_state(env, state);
      ml3_env_linearize(env, u, a, b);
      for (int j = 0; j < m; j++) {
        const double bound = u[j], h = 1e-4 * fabs(bound);
        for (int s = 0; s < 3; s++) {
          u[j] = bound - sign * s * h;
          ml3_env_set_state(env, state);
          ml3_env_step(env, u);
          ml3_env_get_state(env, at[s]);
        }
        u[j] = bound;
        for (int i = 0; i < n; i++) {
          const double slope = sign * (3 * at[0][i] - 4 * at[1][i] + at[2][i]) / (2 * h);
          cr_expect_float_eq(b[i * m + j], slope, 1e-6 * (1 + fabs(slope)), "%s d%d/du%d at %g: %.9g, not %.9g", spec->name,
                             i, j, bound, b[i * m + j], slope);
        }
      }
      for (int i = 0; i < m; i++) u[i] *= 1.5;
      ml3_env_set_state(env, state);
      ml3_env_linearize(env, u, a, b);
      for (int i = 0; i < n * m; i++) cr_expect_eq(b[i], 0, "%s beyond its bounds: %g", spec->name, b[i]);
      ml3_env_set_state(env, state);
    }
    ml3_env_free(env);
  }
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

enum { ROWS = 5, STEPS = 60 };

typedef struct trace {
  ml3_real obs[STEPS + 1][ROWS * OBS_MAX], final_obs[STEPS][ROWS * OBS_MAX], rewards[STEPS][ROWS];
  bool truncated[STEPS][ROWS], terminated[STEPS][ROWS];
} trace;

static void run_batch(const ml3_env_spec *spec, int threads, trace *t) {
  ml3_env_spec long_steps = *spec;
  long_steps.step_ns = 0; /* else formulas take one thread */
  ml3_env_batch *batch = ml3_env_batch_new(&long_steps, ROWS, threads, 11, true, NULL);
  memset(t, 0, sizeof *t);
  ml3_env_batch_reset(batch, t->obs[0]);
  for (int s = 0; s < STEPS; s++) {
    ml3_real actions[ROWS * ACTION_MAX];
    for (int i = 0; i < ROWS * spec->action_dim; i++) actions[i] = (ml3_real)(spec->choices ? i % 2 : 0.2 * sin(0.4 * s + i));
    ml3_env_batch_step(batch, actions, t->obs[s + 1], t->rewards[s], t->terminated[s], t->truncated[s], t->final_obs[s],
                       NULL);
  }
  ml3_env_batch_free(batch);
}

Test(batch, has_the_same_bits_on_any_number_of_threads) {
  static trace one, many;
  for (int k = 0; k < ml3_env_count(); k++) {
    run_batch(ml3_env_at(k), 1, &one);
    for (int threads = 2; threads <= 4; threads += 2) {
      run_batch(ml3_env_at(k), threads, &many);
      cr_assert_eq(memcmp(&one, &many, sizeof one), 0, "%s on %d threads", ml3_env_at(k)->name, threads);
    }
  }
}

Test(batch, resets_an_environment_that_ended_at_once) {
  static trace t;
  const ml3_env_spec *spec = car();
  run_batch(spec, 1, &t);

  for (int i = 0; i < ROWS; i++) {
    for (int s = 0; s < STEPS; s++) cr_assert_eq(t.truncated[s][i], s + 1 == spec->horizon);
    const ml3_real *first = t.obs[spec->horizon] + 2 * i, *last = t.final_obs[spec->horizon - 1] + 2 * i;
    cr_assert(first[0] >= (ml3_real)-0.6 && first[0] <= (ml3_real)-0.4 && fabs((double)first[1]) <= 0.05);
    double reward = -hypot((double)last[0] - 0.5, (double)last[1] - 1.0375);
    cr_assert_float_eq((double)t.rewards[spec->horizon - 1][i], reward, 1e-6);
    cr_assert_neq(first[0], t.obs[0][2 * i], "the new episode has a task of its own");
  }
}

Test(batch, refuses_an_empty_batch) {
  ml3_error error = {0};
  cr_assert(ml3_env_batch_new(car(), 0, 1, 0, false, &error) == NULL);
  cr_assert_eq(error.code, ML3_ERR_ARGUMENT);
}

/* ---- episodes ---------------------------------------------------------------------------------------------- */

/* Pushes with the velocity: the textbook way out of the valley. */
static void swing(void *user, int step, const double *obs, const double *state, double *action) {
  (void)user, (void)step, (void)obs;
  action[0] = state[1] < 0 ? -0.25 : 0.25;
}

Test(episode, notes_when_the_goal_is_reached) {
  ml3_env *env = ml3_env_new(car(), NULL);
  ml3_episode *all = ml3_episode_new(car(), 100, NULL), *until = ml3_episode_new(car(), 100, NULL);
  ml3_episode_record(all, env, 100, false, swing, NULL);
  ml3_env_reset(env, NULL, NULL);
  ml3_episode_record(until, env, 100, true, swing, NULL);

  cr_assert(all->success);
  cr_assert_eq(all->steps, 100);
  cr_assert_eq(until->steps, all->success_step);
  cr_assert_eq(until->final_distance, 0);
  cr_assert_geq(until->states[2 * until->steps], 0.5);
  cr_assert_lt(until->states[2 * until->steps - 2], 0.5);
  cr_assert(isnan(all->loss[0]));
  double sum = 0;
  for (int t = 0; t < until->steps; t++) sum += until->rewards[t];
  cr_assert_eq(until->episode_return, sum);
  ml3_episode_free(all);
  ml3_episode_free(until);
  ml3_env_free(env);
}

Test(episode, never_writes_beyond_its_capacity) {
  ml3_env *env = ml3_env_new(car(), NULL);
  ml3_episode *e = ml3_episode_new(car(), 4, NULL);
  ml3_episode_record(e, env, 50, false, swing, NULL);
  cr_assert_eq(e->steps, 4);
  cr_assert(ml3_episode_new(car(), 0, NULL) == NULL);
  ml3_episode_free(e);
  ml3_env_free(env);
}
