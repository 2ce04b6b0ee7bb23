/* ml3 plan: iLQR on an environment, with a log of its iterations, a video of what came of it, and where its time goes. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agents/ilqr.h"
#include "agents/mpc.h"
#include "base/file.h"
#include "cli/experiment.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "viewer/viewer.h"

typedef struct own_options {
  const char *log, *video, *weights, *cost;
  double state_weight, action_weight, final_weight;
  int receding, seed, repeat, json, regularize_state;
} own_options;

typedef struct planning {
  const own_options *own;
  const ml3_env_spec *spec;
  int horizon;
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr_cost cost;
  ml3_ilqr_goal_cost tracking;
  double *start, *goal, *weights, *actions;
  ml3_ilqr_settings settings;
  ml3_episode *episode;
} planning;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what to plan ---------------------------------------------------------------------------------------------------- */

/* "1,0.1": a weight each state entry; all 1 where none are given. */
static int read_weights(planning *p, ml3_error *error) {
  const char *at = p->own->weights;
  for (int i = 0; i < p->spec->state_dim; i++) p->weights[i] = 1;
  for (int i = 0; at && i < p->spec->state_dim; i++) {
    char *end;
    p->weights[i] = strtod(at, &end);
    const bool last = i + 1 == p->spec->state_dim;
    if (end == at || *end != (last ? '\0' : ',') || !(p->weights[i] >= 0))
      return ml3_error_set(error, ML3_ERR_ARGUMENT,
                           "--weights is '%s'; expected %d numbers, 0 or more, with commas between them",
                           p->own->weights, p->spec->state_dim);
    at = end + 1;
  }
  return ML3_OK;
}

static int make_cost(planning *p, ml3_error *error) {
  const ml3_env_spec *spec = p->spec;
  const own_options *own = p->own;
  const bool can_track = spec->goal_dim == spec->state_dim;
  const bool track = strcmp(own->cost, "goal") == 0 || (strcmp(own->cost, "auto") == 0 && can_track);
  if (strcmp(own->cost, "auto") && strcmp(own->cost, "goal") && strcmp(own->cost, "reward"))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--cost is '%s'; expected auto, goal or reward", own->cost);
  if (track && !can_track)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the goal of '%s' is not a state; use --cost reward", spec->name);
  if (!track) {
    p->cost = ml3_ilqr_reward(p->env, own->action_weight, error);
    return p->cost.evaluate ? ML3_OK : ML3_ERR_MEMORY;
  }
  const int code = read_weights(p, error);
  if (code != ML3_OK) return code;
  ml3_env_goal(p->env, p->goal);
  p->tracking = (ml3_ilqr_goal_cost){.state_dim = spec->state_dim,
                                     .action_dim = spec->action_dim,
                                     .goal = p->goal,
                                     .weights = p->weights,
                                     .state_weight = own->state_weight,
                                     .action_weight = own->action_weight,
                                     .final_weight = own->final_weight};
  p->cost = ml3_ilqr_goal(&p->tracking);
  return ML3_OK;
}

static int open_all(planning *p, const cli_options *o, ml3_error *error) {
  cli_config config;
  cli_config_defaults(&config);
  int code = cli_options_apply(o, &config, error);
  if (code != ML3_OK) return code;
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which environment? `ml3 list` shows them");
  if (!(p->spec = ml3_env_find(o->argument, error))) return ML3_ERR_ARGUMENT;
  p->horizon = config.horizon ? (int)config.horizon : p->spec->horizon;
  const size_t n = (size_t)p->spec->state_dim, m = (size_t)p->spec->action_dim;
  if (!(p->env = ml3_env_new(p->spec, error)) || !(p->episode = ml3_episode_new(p->spec, p->horizon, error)))
    return error->code;
  p->start = calloc(3 * n + (size_t)p->horizon * m, sizeof *p->start);
  if (!p->start) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a plan");
  p->goal = p->start + n;
  p->weights = p->goal + n;
  p->actions = p->weights + n;
  if (p->own->seed >= 0) { /* a task of the distribution instead of the default one */
    ml3_random random = ml3_random_stream((uint64_t)p->own->seed, ML3_PURPOSE_TEST, 0, 0);
    ml3_env_sample_task(p->spec, &random, p->env->task);
    ml3_env_reset(p->env, p->env->task, &random);
  }
  ml3_env_get_state(p->env, p->start);
  p->settings = ml3_ilqr_defaults(p->horizon);
  p->settings.threads = config.threads > 0 ? (int)config.threads : 1;
  p->settings.regularize_state = p->own->regularize_state != 0;
  code = make_cost(p, error);
  if (code == ML3_OK && !(p->model = ml3_model_of_env(p->env, error))) code = error->code;
  return code;
}

static void close_all(planning *p) {
  ml3_ilqr_cost_free(&p->cost);
  ml3_model_free(p->model);
  ml3_env_free(p->env);
  ml3_episode_free(p->episode);
  free(p->start);
}

/* ---- time ------------------------------------------------------------------------------------------------------------ */

/* Seconds that as many steps and linearisations of the model as a solve takes do by themselves, and as many costs and
   expansions, along the plan. */
typedef struct price {
  double model, cost;
} price;

static void roll_out(planning *p, double *states) {
  const size_t T = (size_t)p->horizon, n = (size_t)p->spec->state_dim, m = (size_t)p->spec->action_dim;
  memcpy(states, p->start, n * sizeof *states);
  p->model->start(p->model, p->start);
  for (size_t t = 0; t < T; t++) p->model->step(p->model, p->actions + t * m, states + (t + 1) * n);
}

static double evaluate(planning *p, const double *states, ml3_ilqr_expansion *e) {
  const size_t T = (size_t)p->horizon, n = (size_t)p->spec->state_dim, m = (size_t)p->spec->action_dim;
  double sum = 0;
  for (size_t t = 0; t <= T; t++)
    sum += p->cost.evaluate(p->cost.user, (int)t, states + t * n, t < T ? p->actions + t * m : NULL, e);
  return sum;
}

static price measure(planning *p, const ml3_ilqr_report *report) {
  const size_t T = (size_t)p->horizon, n = (size_t)p->spec->state_dim, m = (size_t)p->spec->action_dim;
  const long rollouts = report->rollout_steps / p->horizon, passes = report->linearizations / p->horizon;
  double *states = calloc((T + 1) * n + T * n * (n + m) + n + m + n * n + m * m + m * n, sizeof *states);
  price best = {INFINITY, INFINITY};
  if (!states) return best;
  double *a = states + (T + 1) * n, *b = a + T * n * n, *x = b + T * n * m;
  ml3_ilqr_expansion e = {x, x + n, x + n + m, x + n + m + n * n, x + n + m + n * n + m * m};
  volatile double sum = 0; /* the costs must be computed */
  for (int r = 0; r < p->own->repeat; r++) {
    double begun = now_s();
    for (long i = 0; i < rollouts; i++) roll_out(p, states);
    for (long i = 0; i < passes; i++) p->model->linearize(p->model, p->horizon, states, p->actions, a, b);
    best.model = fmin(best.model, now_s() - begun);
    begun = now_s();
    for (long i = 0; i < rollouts; i++) sum += evaluate(p, states, NULL);
    for (long i = 0; i < passes; i++) sum += evaluate(p, states, &e);
    best.cost = fmin(best.cost, now_s() - begun);
  }
  (void)sum;
  free(states);
  return best;
}

/* Solves again and again from zero controls; prints the least time an iteration took and what its own parts take. */
static int time_solves(planning *p, const ml3_ilqr_report *report, ml3_error *error) {
  const size_t size = (size_t)p->horizon * (size_t)p->spec->action_dim;
  double *actions = calloc(size, sizeof *actions), best = INFINITY;
  p->settings.observe = NULL;
  ml3_ilqr *ilqr = ml3_ilqr_new(p->model, &p->cost, &p->settings, error);
  int code = ilqr && actions ? ML3_OK : ML3_ERR_MEMORY;
  for (int r = 0; r < p->own->repeat && code == ML3_OK; r++) {
    memset(actions, 0, size * sizeof *actions);
    const double begun = now_s();
    code = ml3_ilqr_solve(ilqr, p->start, 0, actions, NULL, error);
    best = fmin(best, now_s() - begun);
  }
  if (code == ML3_OK) {
    const price x = measure(p, report);
    const double own = x.model, cost = x.cost;
    if (p->own->json)
      printf(
          "{\"engine\": \"ml3\", \"problem\": \"%s\", \"horizon\": %d, \"threads\": %d, \"cost\": %.12g, "
          "\"iterations\": %d, "
          "\"us_iteration\": %.3f, \"us_dynamics\": %.3f, \"us_cost\": %.3f, \"ratio\": %.4f, \"ratio_with_cost\": "
          "%.4f}\n",
          p->spec->name, p->horizon, p->settings.threads, report->cost, report->iterations,
          1e6 * best / report->iterations, 1e6 * own / report->iterations, 1e6 * cost / report->iterations, best / own,
          best / (own + cost));
    else
      printf(
          "an iteration takes %.3g us; its rollouts and derivatives of the model %.3g us, of the cost %.3g us: %.2f "
          "and %.2f "
          "times those\n",
          1e6 * best / report->iterations, 1e6 * own / report->iterations, 1e6 * cost / report->iterations, best / own,
          best / (own + cost));
  }
  ml3_ilqr_free(ilqr);
  free(actions);
  return code;
}

/* ---- planning -------------------------------------------------------------------------------------------------------- */

typedef struct player {
  planning *planning;
  ml3_mpc *mpc;
} player;

static void play(void *user, int step, const double *obs, const double *state, double *action) {
  player *p = user;
  const size_t m = (size_t)p->planning->spec->action_dim;
  (void)obs;
  if (p->mpc)
    ml3_mpc_act(p->mpc, step, state, action, NULL);
  else
    memcpy(action, p->planning->actions + (size_t)step * m, m * sizeof *action);
}

/* By the ending of the file's name. */
static ml3_ilqr_observer observer_of(const char *path) {
  const size_t n = strlen(path);
  if (n > 4 && strcmp(path + n - 4, ".csv") == 0) return ml3_ilqr_log_csv;
  if (n > 5 && strcmp(path + n - 5, ".json") == 0) return ml3_ilqr_log_json;
  return ml3_ilqr_log_text;
}

static int solve(planning *p, ml3_ilqr_report *report, ml3_error *error) {
  ml3_ilqr *ilqr = ml3_ilqr_new(p->model, &p->cost, &p->settings, error);
  const int code = ilqr ? ml3_ilqr_solve(ilqr, p->start, 0, p->actions, report, error) : ML3_ERR_MEMORY;
  ml3_ilqr_free(ilqr);
  return code;
}

/* With the log, if one is asked for, which appears only when whole. */
static int solve_logged(planning *p, ml3_ilqr_report *report, ml3_error *error) {
  ml3_file file;
  if (!p->own->log) return solve(p, report, error);
  int code = ml3_file_create(&file, p->own->log, error);
  if (code != ML3_OK) return code;
  p->settings.observe = observer_of(p->own->log);
  p->settings.observe_user = file.stream;
  code = solve(p, report, error);
  if (code == ML3_OK) return ml3_file_commit(&file, error);
  ml3_file_abandon(&file);
  return code;
}

static int carry_out(planning *p, const ml3_ilqr_report *plan, ml3_error *error) {
  ml3_mpc_settings settings = ml3_mpc_defaults(p->horizon);
  settings.ilqr.regularize_state = p->settings.regularize_state;
  settings.episode = p->horizon;
  player player = {p, NULL};
  if (p->own->receding) {
    if (!(player.mpc = ml3_mpc_new(p->model, &p->cost, &settings, error))) return error->code;
    ml3_mpc_begin(player.mpc, NULL);
  }
  ml3_env_set_state(p->env, p->start);
  ml3_episode_record(p->episode, p->env, p->horizon, false, play, &player);
  const ml3_episode *e = p->episode;
  snprintf(p->episode->label, sizeof e->label, p->own->receding ? "iLQR, receding horizon" : "iLQR");
  if (!p->own->json) {
    printf("%s: cost %.8g after %d iterations%s, %ld model steps\n", p->spec->name, plan->cost, plan->iterations,
           plan->converged ? "" : " (not converged)", plan->model_steps);
    if (player.mpc) printf("receding horizon: %ld model steps\n", ml3_mpc_report_of(player.mpc).model_steps);
    printf("carried out: return %.6g, final distance %.4g, %s\n", e->episode_return, e->final_distance,
           e->success ? "success" : "no success");
  }
  ml3_mpc_free(player.mpc);
  return ML3_OK;
}

static int on_frame(void *user, int done, int total) {
  (void)user, (void)done, (void)total;
  return cli_interrupted();
}

int cli_plan(int argc, const char **argv) {
  own_options own = {.cost = "auto", .state_weight = 1, .action_weight = 1e-3, .final_weight = 100, .seed = -1};
  const struct poptOption table[] = {
      {"log", '\0', POPT_ARG_STRING, &own.log, 0,
       "a line an iteration: FILE.csv, FILE.json (a JSON object a line), or text", "FILE"},
      {"receding", 'r', POPT_ARG_NONE, &own.receding, 0, "plan again at every step", NULL},
      {"cost", '\0', POPT_ARG_STRING, &own.cost, 0, "goal, reward, or auto: goal where that is a state", "KIND"},
      {"weights", '\0', POPT_ARG_STRING, &own.weights, 0, "goal: a weight each state entry (all 1)", "W,W,..."},
      {"state-weight", '\0', POPT_ARG_DOUBLE, &own.state_weight, 0, "goal: of each step's distance (1)", "X"},
      {"final-weight", '\0', POPT_ARG_DOUBLE, &own.final_weight, 0, "goal: of the last state's (100)", "X"},
      {"action-weight", '\0', POPT_ARG_DOUBLE, &own.action_weight, 0, "of the actions' energy (0.001)", "X"},
      {"regularize-state", '\0', POPT_ARG_NONE, &own.regularize_state, 0, "mu on the value's Hessian, not the action's",
       NULL},
      {"task", 't', POPT_ARG_INT, &own.seed, 0, "a task of the distribution, by number (the default task)", "N"},
      {"video", '\0', POPT_ARG_STRING, &own.video, 0, "what came of it, as video", "FILE"},
      {"time", '\0', POPT_ARG_INT, &own.repeat, 0, "solve N times and tell where the time goes", "N"},
      {"json", '\0', POPT_ARG_NONE, &own.json, 0, "that as JSON, and nothing else", NULL},
      POPT_TABLEEND};
  cli_options options = {0};
  const int answer = cli_options_read(
      &options, argc, argv, table, "ENVIRONMENT [OPTIONS]",
      "Plans by control-limited iLQR from zero controls in the environment's own simulator and carries the plan\n"
      "out. horizon and threads may be --set; the bits do not depend on threads.",
      NULL);
  if (answer >= 0) return answer;
  planning p = {.own = &own};
  ml3_error error = {0};
  ml3_ilqr_report report = {0};
  int code = open_all(&p, &options, &error);
  if (code == ML3_OK) code = solve_logged(&p, &report, &error);
  if (code == ML3_OK) code = carry_out(&p, &report, &error);
  if (code == ML3_OK && own.repeat > 0) code = time_solves(&p, &report, &error);
  if (code == ML3_OK && own.video) {
    const ml3_view_options view = {.plots = true, .labels = true};
    const ml3_view_source source = ml3_view_recorded(&p.episode, 1);
    code = ml3_view_record(&source, own.video, &view, on_frame, NULL, NULL, &error);
  }
  close_all(&p);
  if (code == ML3_ERR_ARGUMENT) return cli_fail("plan", &error), CLI_USAGE;
  return code == ML3_OK ? CLI_DONE : cli_fail("plan", &error);
}
