/* iLQR on swing-ups whose optimum another solver has found: Crocoddyl 3.1.0, the least cost of several starts
   (scripts/bench/ilqr_crocoddyl.py); and what must hold of any solution: threads, budgets, logs, receding horizon. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr.h"
#include "agents/control/mpc.h"
#include "envs/episode.h"

static const double PENDULUM_OPTIMUM = 16.162840945476237, CARTPOLE_OPTIMUM = 18.54359372907185;

/* ---- the pendulum: the environment, torque limits ------------------------------------------------------------------- */

enum { T = 100 };
static const double GOAL[2] = {3.14159265358979323846, 0}, WEIGHTS[2] = {1, 0.1};
static const ml3_ilqr_goal_cost tracking = {.state_dim = 2,
                                            .action_dim = 1,
                                            .goal = GOAL,
                                            .weights = WEIGHTS,
                                            .state_weight = 0.05,
                                            .action_weight = 0.05 * 0.01,
                                            .final_weight = 100};

typedef struct pendulum {
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr_cost cost;
} pendulum;

static pendulum make_pendulum(void) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("pendulum_swing_up", &error);
  cr_assert_not_null(spec, "%s", error.message);
  pendulum p = {.env = ml3_env_new(spec, &error), .cost = ml3_ilqr_goal(&tracking)};
  p.model = ml3_model_of_env(p.env, &error);
  cr_assert_not_null(p.model, "%s", error.message);
  return p;
}

static void free_pendulum(pendulum *p) {
  ml3_model_free(p->model);
  ml3_env_free(p->env);
}

static ml3_ilqr_report solve_pendulum(ml3_ilqr_settings settings, double *actions) {
  ml3_error error = {0};
  ml3_ilqr_report report = {0};
  const double hanging[2] = {0, 0};
  pendulum p = make_pendulum();
  ml3_ilqr *ilqr = ml3_ilqr_new(p.model, &p.cost, &settings, &error);
  cr_assert_not_null(ilqr, "%s", error.message);
  cr_assert_eq(ml3_ilqr_solve(ilqr, hanging, 0, actions, &report, &error), 0, "%s", error.message);
  ml3_ilqr_free(ilqr);
  free_pendulum(&p);
  return report;
}

Test(ilqr_swing_up, the_pendulum_costs_what_crocoddyl_found) {
  for (int kind = 0; kind < 4; kind++) {
    double actions[T] = {0};
    for (int t = 0; t < T && kind; t++) actions[t] = 3 * sin(6.283185307 * t / (10 + 10 * kind));
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.regularize_state = kind % 2;
    ml3_ilqr_report report = solve_pendulum(settings, actions);
    cr_expect(report.converged, "start %d: %s", kind, ml3_ilqr_end_text(report.end));
    cr_expect_float_eq(report.cost, PENDULUM_OPTIMUM, 0.01 * PENDULUM_OPTIMUM,
                       "start %d: cost %.9g, Crocoddyl %.9g", kind, report.cost, PENDULUM_OPTIMUM);
    for (int t = 0; t < T; t++) cr_expect_leq(fabs(actions[t]), 3);
  }
}

Test(ilqr_swing_up, threads_change_neither_bits_nor_counts) {
  double one[T] = {0}, many[T] = {0};
  ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
  const ml3_ilqr_report alone = solve_pendulum(settings, one);
  for (int threads = 2; threads <= 8; threads += 3) {
    settings.threads = threads;
    memset(many, 0, sizeof many);
    const ml3_ilqr_report together = solve_pendulum(settings, many);
    cr_expect_eq(memcmp(one, many, sizeof one), 0, "%d threads", threads);
    cr_expect_eq(memcmp(&alone, &together, sizeof alone), 0, "%d threads", threads);
  }
}

Test(ilqr_swing_up, a_budget_is_kept_to_the_step) {
  for (long budget = 0; budget < 3000; budget += 173) {
    double actions[T] = {0};
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.max_model_steps = budget ? budget : 1;
    const ml3_ilqr_report report = solve_pendulum(settings, actions);
    cr_expect_leq(report.model_steps, budget > T ? budget : T, "the start's rollout is always taken");
  }
}

static int stop_at_five(void *user, const ml3_ilqr_iteration *i) {
  double *cost = user;
  if (i->iteration == 0)
    cr_expect(isnan(i->actual));
  else if (i->step > 0)
    cr_expect_float_eq(*cost - i->cost, i->actual, 1e-12);
  *cost = i->cost;
  return i->iteration == 5;
}

Test(ilqr_swing_up, an_observer_sees_every_iteration_and_may_stop) {
  double actions[T] = {0}, cost = 0;
  ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
  settings.observe = stop_at_five;
  settings.observe_user = &cost;
  const ml3_ilqr_report report = solve_pendulum(settings, actions);
  cr_expect_eq(report.iterations, 5);
  cr_expect_eq(report.cost, cost);
  cr_expect(!report.converged);
}

Test(ilqr_swing_up, logs_have_a_line_an_iteration) {
  static const ml3_ilqr_observer kinds[] = {ml3_ilqr_log_text, ml3_ilqr_log_csv, ml3_ilqr_log_json};
  for (int kind = 0; kind < 3; kind++) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    double actions[T] = {0};
    ml3_ilqr_settings settings = ml3_ilqr_defaults(T);
    settings.max_iterations = 4;
    settings.observe = kinds[kind];
    settings.observe_user = stream;
    solve_pendulum(settings, actions);
    fclose(stream);
    int lines = 0;
    for (char *at = text; *at; at++) lines += *at == '\n';
    cr_expect_eq(lines, kind == 1 ? 6 : 5, "%s", text);
    cr_expect_not_null(strstr(text, kind == 0 ? "expected" : "expected_decrease"));
    cr_expect_null(kind == 2 ? strstr(text, "nan") : NULL, "JSON has no nan: %s", text);
    free(text);
  }
}

/* ---- feedback and receding horizon ----------------------------------------------------------------------------------- */

/* Swings the pendulum up with a mass that the planner does not know; returns the final distance. */
static double swing(double mass_factor, int how) {
  ml3_error error = {0};
  pendulum p = make_pendulum();
  double task[16], state[2] = {0, 0}, actions[T] = {0};
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  ml3_env_default_task(p.env->spec, task);
  task[ml3_env_task_index(p.env->spec, "mass")] *= mass_factor;
  ml3_env_reset(p.env, task, &none);

  ml3_mpc_settings settings = ml3_mpc_defaults(T);
  settings.episode = T;
  ml3_ilqr *ilqr = ml3_ilqr_new(p.model, &p.cost, &settings.ilqr, &error);
  ml3_mpc *mpc = ml3_mpc_new(p.model, &p.cost, &settings, &error);
  cr_assert(ilqr && mpc, "%s", error.message);
  ml3_ilqr_solve(ilqr, state, 0, actions, NULL, &error);
  ml3_mpc_begin(mpc, NULL);
  for (int t = 0; t < T; t++) {
    double action = actions[t];
    ml3_env_get_state(p.env, state);
    if (how == 1) ml3_ilqr_act(ilqr, t, state, &action);
    if (how == 2) cr_expect_eq(ml3_mpc_act(mpc, t, state, &action, &error), 0, "%s", error.message);
    cr_expect_leq(fabs(action), 3);
    ml3_env_step(p.env, &action);
  }
  const double distance = ml3_env_distance(p.env);
  if (how == 2) {
    const ml3_mpc_report report = ml3_mpc_report_of(mpc);
    cr_expect_eq(report.plans, T);
    cr_expect_eq(report.failed, 0);
    cr_expect_gt(report.model_steps, T);
  }
  ml3_mpc_free(mpc);
  ml3_ilqr_free(ilqr);
  free_pendulum(&p);
  return distance;
}

Test(ilqr_swing_up, replanning_forgives_a_wrong_model) {
  for (int how = 0; how < 3; how++) cr_expect_lt(swing(1, how), 0.05, "the right model, way %d", how);
  const double open = swing(0.8, 0), again = swing(0.8, 2);
  cr_expect_gt(open, 0.3, "open loop misses with a mass 20 %% off: %g", open);
  cr_expect_lt(again, 0.1, "receding horizon does not: %g", again);
}

/* ---- the shortest way ------------------------------------------------------------------------------------------------ */

/* Plans one second from an angle at rest to the environment's goal; returns how far the plan turns, or NAN where it does not
   end there. */
static double turn_from(double angle) {
  enum { SECOND = 20 };
  ml3_error error = {0};
  pendulum p = make_pendulum();
  double state[2] = {angle, 0}, goal[2], actions[SECOND] = {0};
  ml3_env_goal(p.env, goal);
  ml3_ilqr_goal_near(p.env->spec, state, goal);
  ml3_ilqr_goal_cost near = tracking;
  near.goal = goal, near.state_weight = 1;
  const ml3_ilqr_cost cost = ml3_ilqr_goal(&near);
  const ml3_ilqr_settings settings = ml3_ilqr_defaults(SECOND);
  ml3_ilqr *ilqr = ml3_ilqr_new(p.model, &cost, &settings, &error);
  cr_assert_not_null(ilqr, "%s", error.message);
  cr_assert_eq(ml3_ilqr_solve(ilqr, state, 0, actions, NULL, &error), 0, "%s", error.message);
  const double *states = ml3_ilqr_states(ilqr);
  double farthest = 0;
  for (int t = 0; t <= SECOND; t++) farthest = fmax(farthest, fabs(states[2 * t] - angle));
  ml3_env_set_state(p.env, states + 2 * SECOND);
  if (ml3_env_distance(p.env) > 0.05) farthest = NAN;
  ml3_ilqr_free(ilqr);
  free_pendulum(&p);
  return farthest;
}

Test(ilqr_swing_up, an_angle_goes_the_shortest_way_to_its_goal) {
  const double pi = 3.14159265358979323846;
  const double starts[] = {-3, 3, 3 - 20 * pi, 3.2 + 40 * pi, -3.2};
  for (size_t k = 0; k < sizeof starts / sizeof *starts; k++) {
    const double turned = turn_from(starts[k]);
    cr_expect_lt(turned, 0.3, "from %g rad it turns %g rad", starts[k], turned);
  }
}

Test(ilqr_swing_up, goals_are_moved_by_whole_turns_and_only_where_angles_have_no_bounds) {
  const double pi = 3.14159265358979323846;
  ml3_error error = {0};
  const ml3_env_spec *pendulum = ml3_env_find("pendulum_swing_up", &error), *car = ml3_env_find("mountain_car", &error);
  const struct {
    double angle, goal;
  } cases[] = {{0, pi}, {0.3, pi}, {-0.3, pi}, {-1, -pi}, {-3, -pi}, {3, pi}, {12, 3 * pi}, {-12, -3 * pi}, {7, 3 * pi}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const double state[2] = {cases[k].angle, 20};
    double goal[2] = {pi, 0};
    ml3_ilqr_goal_near(pendulum, state, goal);
    cr_expect_float_eq(goal[0], cases[k].goal, 1e-12, "from %g: %g", cases[k].angle, goal[0]);
    cr_expect_eq(goal[1], 0);
    goal[0] = 0.4;
    ml3_ilqr_goal_near(car, state, goal);
    cr_expect_eq(goal[0], 0.4, "a position is no angle");
  }
}

Test(ilqr_swing_up, a_goal_is_a_state_where_its_entries_are_by_name) {
  ml3_error error = {0};
  cr_expect(ml3_env_goal_is_state(ml3_env_find("pendulum_swing_up", &error)));
  cr_expect(ml3_env_goal_is_state(ml3_env_find("pointmass", &error)));
  cr_expect(!ml3_env_goal_is_state(ml3_env_find("reacher", &error)));
  ml3_env_spec other = *ml3_env_find("pendulum_swing_up", &error);
  static const ml3_env_field place[2] = {{"goal_x", "m", -INFINITY, INFINITY}, {"goal_y", "m", -INFINITY, INFINITY}};
  other.goal = place;
  cr_expect(!ml3_env_goal_is_state(&other), "as many entries are not the same entries");
}

/* ---- the cart-pole of Crocoddyl's tutorial: dynamics and cost as graphs, nothing derived by hand --------------------------- */

enum { CART_T = 50 };

static ml3_node cartpole_step(const ml3_dynamics *d, ml3_nn_graph *g, ml3_node context, ml3_node state,
                              ml3_node action) {
  const double m1 = 1, m2 = 0.1, l = 0.5, gravity = 9.81, dt = 0.05;
  ml3_node x[4], next[4];
  (void)d, (void)context;
  for (int i = 0; i < 4; i++) x[i] = ml3_nn_slice_cols(g, state, i, 1);
  ml3_node s = ml3_nn_sin(g, x[1]), c = ml3_nn_cos(g, x[1]), cs = ml3_nn_mul(g, c, s),
           w2 = ml3_nn_square(g, x[3]);
  ml3_node mu = ml3_nn_shift(g, ml3_nn_scale(g, ml3_nn_square(g, s), m2), m1);
  ml3_node pull =
      ml3_nn_sub(g, ml3_nn_scale(g, cs, m2 * gravity), ml3_nn_scale(g, ml3_nn_mul(g, s, w2), m2 * l));
  ml3_node cart = ml3_nn_div(g, ml3_nn_add(g, action, pull), mu);
  ml3_node turn = ml3_nn_add(g, ml3_nn_scale(g, ml3_nn_mul(g, c, action), 1 / l),
                             ml3_nn_scale(g, s, (m1 + m2) * gravity / l));
  ml3_node pole = ml3_nn_div(g, ml3_nn_sub(g, turn, ml3_nn_scale(g, ml3_nn_mul(g, cs, w2), m2)), mu);
  next[2] = ml3_nn_add(g, x[2], ml3_nn_scale(g, cart, dt));
  next[3] = ml3_nn_add(g, x[3], ml3_nn_scale(g, pole, dt));
  next[0] = ml3_nn_add(g, x[0], ml3_nn_scale(g, next[2], dt));
  next[1] = ml3_nn_add(g, x[1], ml3_nn_scale(g, next[3], dt));
  return ml3_nn_concat_cols(g, next, 4);
}
static const ml3_dynamics cartpole = {
    .environment = "cartpole", .state_dim = 4, .action_dim = 1, .step = cartpole_step};
static const ml3_env_field cart_action[1] = {{"force", "N", -1e6, 1e6}};
static const ml3_env_spec cart_spec = {
    .name = "cartpole", .state_dim = 4, .action_dim = 1, .action = cart_action};

static ml3_node residuals(ml3_nn_graph *g, const double *weights, double scale, ml3_node state,
                          ml3_node action) {
  ml3_node angle = ml3_nn_slice_cols(g, state, 1, 1);
  ml3_node parts[6] = {ml3_nn_sin(g, angle),
                       ml3_nn_shift(g, ml3_nn_neg(g, ml3_nn_cos(g, angle)), 1),
                       ml3_nn_slice_cols(g, state, 0, 1),
                       ml3_nn_slice_cols(g, state, 2, 1),
                       ml3_nn_slice_cols(g, state, 3, 1),
                       action};
  const int count = action == ML3_NN_NONE ? 5 : 6;
  for (int i = 0; i < count; i++) parts[i] = ml3_nn_scale(g, parts[i], weights[i]);
  return ml3_nn_scale(g, ml3_nn_concat_cols(g, parts, count), sqrt(scale));
}
static ml3_node cart_cost(void *user, ml3_nn_graph *g, const ml3_node *inputs, ml3_node state,
                          ml3_node action) {
  static const double weights[6] = {1, 1, 0.1, 0.001, 0.001, 1};
  (void)user, (void)inputs;
  return residuals(g, weights, 0.05, state, action);
}
static ml3_node cart_final(void *user, ml3_nn_graph *g, const ml3_node *inputs, ml3_node state) {
  static const double weights[6] = {100, 100, 1, 0.1, 0.01, 0.0001};
  (void)user, (void)inputs;
  return residuals(g, weights, 1, state, ML3_NN_NONE);
}

Test(ilqr_swing_up, the_cartpole_costs_what_crocoddyl_found) {
  ml3_error error = {0};
  const ml3_ilqr_graph_cost spec = {
      .state_dim = 4, .action_dim = 1, .build = cart_cost, .build_final = cart_final, .least_squares = true};
  ml3_model *model = ml3_model_of_dynamics(&cartpole, NULL, &cart_spec, &error);
  ml3_ilqr_cost cost = ml3_ilqr_graph(&spec, &error);
  cr_assert(model && cost.evaluate, "%s", error.message);
  for (int threads = 1; threads <= 2; threads++) {
    ml3_ilqr_settings settings = ml3_ilqr_defaults(CART_T);
    settings.threads = threads;
    ml3_ilqr *ilqr = ml3_ilqr_new(model, &cost, &settings, &error);
    cr_assert_not_null(ilqr, "%s", error.message);
    const double start[4] = {0, 3.14, 0, 0};
    double actions[CART_T] = {0};
    ml3_ilqr_report report;
    cr_assert_eq(ml3_ilqr_solve(ilqr, start, 0, actions, &report, &error), 0, "%s", error.message);
    cr_expect(report.converged, "%s", ml3_ilqr_end_text(report.end));
    cr_expect_float_eq(report.cost, CARTPOLE_OPTIMUM, 0.01 * CARTPOLE_OPTIMUM,
                       "cost %.9g after %d, Crocoddyl %.9g", report.cost, report.iterations,
                       CARTPOLE_OPTIMUM);
    ml3_ilqr_free(ilqr);
  }
  ml3_ilqr_cost_free(&cost);
  ml3_model_free(model);
}
