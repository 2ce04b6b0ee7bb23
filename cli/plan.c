/* ml3 plan: iLQR on an environment, with a log of its iterations, a video of what came of it, and where its time goes. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/ilqr.h"
#include "agents/control/mpc.h"
#include "agents/control/narrow.h"
#include "base/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/plan_time.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "cli/console.h"
#include "lab/experiment.h"
#include "viewer/viewer.h"

typedef struct own_options {
  const char *log, *video, *weights, *cost;
  double state_weight, action_weight, final_weight;
  int receding, ahead, seed, repeat, json, regularize_state, force;
} own_options;

typedef struct planning {
  const own_options *own;
  ml3_env_spec *spec;
  int horizon;
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr_cost cost;
  ml3_ilqr_goal_cost tracking;
  double *start, *goal, *weights, *actions;
  ml3_ilqr_settings settings;
  ml3_episode *episode;
  ml3_ilqr_cost inner_cost; /* while it is being asked */
  FILE *log;                /* or NULL */
  bool quiet;
  cli_progress progress;
} planning;

/* ---- what to plan ---------------------------------------------------------------------------------------------------- */

/* Steps of a plan. */
static int ahead(const planning *p) {
  return p->own->ahead > 0 && p->own->ahead < p->horizon ? p->own->ahead : p->horizon;
}

/* "1,0.1": a weight each state entry; those of ml3_ilqr_goal_weights where none are given. */
static int read_weights(planning *p, ml3_error *error) {
  const char *at = p->own->weights;
  ml3_ilqr_goal_weights(p->spec, p->goal, p->weights);
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
  const bool can_track = ml3_env_goal_is_state(spec);
  const bool track = strcmp(own->cost, "goal") == 0 || (strcmp(own->cost, "auto") == 0 && can_track);
  if (strcmp(own->cost, "auto") && strcmp(own->cost, "goal") && strcmp(own->cost, "reward"))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--cost is '%s'; expected auto, goal or reward", own->cost);
  if (track && !can_track)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the goal of '%s' is not a state; use --cost reward", spec->name);
  if (!track) {
    p->cost = ml3_ilqr_reward(p->env, own->action_weight, error);
    return p->cost.evaluate ? ML3_OK : ML3_ERR_MEMORY;
  }
  ml3_env_goal(p->env, p->goal);
  ml3_ilqr_goal_near(spec, p->start, p->goal);
  const int code = read_weights(p, error);
  if (code != ML3_OK) return code;
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
  ml3_lab_config config;
  ml3_lab_config_defaults(&config);
  int code = cli_options_apply(o, &config, error);
  if (code != ML3_OK) return code;
  if (!o->argument) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which environment? `ml3 list` shows them");
  const ml3_env_spec *found = ml3_env_find(o->argument, error);
  if (!found) return ML3_ERR_ARGUMENT;
  if (!(p->spec = ml3_env_narrow(found, NULL, 0, error))) return error->code;
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
  p->settings = ml3_ilqr_defaults(ahead(p));
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
  free(p->spec);
}

/* Where the time of a solve goes, as JSON or as a sentence. */
static int print_time(planning *p, ml3_error *error) {
  cli_plan_time t;
  const int code = cli_plan_measure(p->model, &p->cost, &p->settings, p->start, p->own->repeat, &t, error);
  if (code != ML3_OK) return code;
  const double us = 1e6 / t.iterations, both = t.model_s + t.cost_s;
  if (p->own->json)
    printf(
        "{\"engine\": \"ml3\", \"problem\": \"%s\", \"horizon\": %d, \"cost\": %.12g, \"iterations\": %d, "
        "\"us_iteration\": %.3f, \"us_dynamics\": %.3f, \"us_cost\": %.3f, \"ratio\": %.4f, \"ratio_with_cost\": "
        "%.4f, \"steps\": %ld, \"linearizations\": %ld, \"costs\": %ld, \"expansions\": %ld}\n",
        p->spec->name, p->horizon, t.cost, t.iterations, us * t.solve_s, us * t.model_s, us * t.cost_s,
        t.solve_s / t.model_s, t.solve_s / both, t.steps, t.linearizations, t.costs, t.expansions);
  else
    printf(
        "an iteration takes %.3g us; its own steps and derivatives of the model, replayed, %.3g us, of the cost %.3g "
        "us: %.2f and %.2f times those\n",
        us * t.solve_s, us * t.model_s, us * t.cost_s, t.solve_s / t.model_s, t.solve_s / both);
  return ML3_OK;
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

/* Told as a search for its end: derivatives by differences can take minutes. */
static double interruptible(void *user, int step, const double *state, const double *action, ml3_ilqr_expansion *e) {
  const ml3_ilqr_cost *cost = &((planning *)user)->inner_cost;
  if (!cli_interrupted()) return cost->evaluate(cost->user, step, state, action, e);
  if (e) e->ls[0] = NAN;
  return NAN;
}

static void *clone_interruptible(void *user, ml3_error *error) {
  planning *p = user, *copy = malloc(sizeof *copy);
  if (!copy) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a cost");
    return NULL;
  }
  *copy = *p;
  if (!p->inner_cost.clone || (copy->inner_cost.user = p->inner_cost.clone(p->inner_cost.user, error))) return copy;
  free(copy);
  return NULL;
}

static void free_interruptible(void *user) {
  planning *p = user;
  if (p->inner_cost.clone) p->inner_cost.free(p->inner_cost.user);
  free(p);
}

/* The log, and progress. */
static int observe(void *user, const ml3_ilqr_iteration *i) {
  planning *p = user;
  char note[48];
  snprintf(note, sizeof note, "cost %.6g", i->cost);
  cli_progress_update(&p->progress, i->iteration, note);
  if (p->log) observer_of(p->own->log)(p->log, i);
  return cli_interrupted();
}

static int solve(planning *p, ml3_ilqr_report *report, ml3_error *error) {
  const ml3_ilqr_cost cost = {
      .evaluate = interruptible, .user = p, .clone = clone_interruptible, .free = free_interruptible};
  p->inner_cost = p->cost;
  p->settings.observe = observe;
  p->settings.observe_user = p;
  cli_progress_begin(&p->progress, "planning", p->settings.max_iterations, p->quiet || p->own->json);
  ml3_ilqr *ilqr = ml3_ilqr_new(p->model, &cost, &p->settings, error);
  const int code = ilqr ? ml3_ilqr_solve(ilqr, p->start, 0, p->actions, report, error) : ML3_ERR_MEMORY;
  ml3_ilqr_free(ilqr);
  cli_progress_end(&p->progress);
  return cli_interrupted() ? ml3_error_set(error, ML3_ERR_INTERRUPTED, "planning was interrupted") : code;
}

/* With the log, if one is asked for, which appears only when whole. */
static int solve_logged(planning *p, ml3_ilqr_report *report, ml3_error *error) {
  ml3_file file;
  if (!p->own->log) return solve(p, report, error);
  int code = ml3_file_create(&file, p->own->log, error);
  if (code != ML3_OK) return code;
  p->log = file.stream;
  code = solve(p, report, error);
  if (code == ML3_OK) return ml3_file_commit(&file, error);
  ml3_file_abandon(&file);
  return code;
}

/* How good it is, and why the search ended where that is not convergence. */
static void print_solution(const ml3_env_spec *spec, const ml3_ilqr_report *r) {
  printf("%s: cost %.8g after %d iteration%s, %ld model steps, ", spec->name, r->cost, r->iterations,
         r->iterations == 1 ? "" : "s", r->model_steps);
  if (r->converged)
    printf("converged\n");
  else
    printf("not converged: %s (a further decrease of %.3g is expected)\n", ml3_ilqr_end_text(r->end),
           r->expected_decrease);
}

static int carry_out(planning *p, const ml3_ilqr_report *plan, ml3_error *error) {
  ml3_mpc_settings settings = ml3_mpc_defaults(ahead(p));
  const bool receding = p->own->receding || ahead(p) < p->horizon;
  settings.ilqr.regularize_state = p->settings.regularize_state;
  settings.episode = p->horizon;
  player player = {p, NULL};
  if (receding) {
    if (!(player.mpc = ml3_mpc_new(p->model, &p->cost, &settings, error))) return error->code;
    ml3_mpc_begin(player.mpc, NULL);
  }
  ml3_env_set_state(p->env, p->start);
  ml3_episode_record(p->episode, p->env, p->horizon, false, play, &player);
  const ml3_episode *e = p->episode;
  snprintf(p->episode->label, sizeof e->label, receding ? "iLQR, receding horizon" : "iLQR");
  if (!p->own->json) {
    print_solution(p->spec, plan);
    if (player.mpc) printf("receding horizon: %ld model steps\n", ml3_mpc_report_of(player.mpc).model_steps);
    printf("carried out: return %.6g, final distance %.4g, %s", e->episode_return, e->final_distance,
           e->success ? "success" : "no success");
    if (e->passed && !e->success) printf(" at the end (the goal was passed at step %d)", e->success_step);
    printf("\n");
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
      {"ahead", '\0', POPT_ARG_INT, &own.ahead, 0, "that, N steps ahead each time (to the episode's end)", "N"},
      {"cost", '\0', POPT_ARG_STRING, &own.cost, 0, "goal, reward, or auto: goal where that is a state", "KIND"},
      {"weights", '\0', POPT_ARG_STRING, &own.weights, 0,
       "goal: a weight each state entry (1, of rates 0.1 where they shall be 0)", "W,W,..."},
      {"state-weight", '\0', POPT_ARG_DOUBLE, &own.state_weight, 0, "goal: of each step's distance (1)", "X"},
      {"final-weight", '\0', POPT_ARG_DOUBLE, &own.final_weight, 0, "goal: of the last state's (100)", "X"},
      {"action-weight", '\0', POPT_ARG_DOUBLE, &own.action_weight, 0, "of the actions' energy (0.001)", "X"},
      {"regularize-state", '\0', POPT_ARG_NONE, &own.regularize_state, 0, "mu on the value's Hessian, not the action's",
       NULL},
      {"task", 't', POPT_ARG_INT, &own.seed, 0, "a task of the distribution, by number (the default task)", "N"},
      {"video", '\0', POPT_ARG_STRING, &own.video, 0, "what came of it, as video", "FILE"},
      CLI_FORCE_OPTION(&own.force),
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
  planning p = {.own = &own, .quiet = options.quiet};
  ml3_error error = {0};
  ml3_ilqr_report report = {0};
  int code = ml3_file_may_write(own.log, "--log", own.force, &error);
  if (code == ML3_OK) code = ml3_file_may_write(own.video, "--video", own.force, &error);
  if (code == ML3_OK) code = open_all(&p, &options, &error);
  if (code == ML3_OK) code = solve_logged(&p, &report, &error);
  if (code == ML3_OK) code = carry_out(&p, &report, &error);
  if (code == ML3_OK && own.repeat > 0) code = print_time(&p, &error);
  if (code == ML3_OK && own.video) {
    const ml3_view_options view = {.plots = true, .labels = true};
    const ml3_view_source source = ml3_view_recorded(&p.episode, 1);
    code = ml3_view_record(&source, own.video, &view, on_frame, NULL, NULL, &error);
  }
  const ml3_env_warnings warnings = ml3_env_tally(p.spec);
  if (code == ML3_OK) cli_console_warn("plan", &warnings);
  close_all(&p);
  return cli_end("plan", code, &error);
}
