/* Planning: see plan.h. */
#define _POSIX_C_SOURCE 200809L
#include "lab/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/control/goal_plan.h"
#include "agents/control/mpc.h"
#include "agents/control/narrow.h"
#include "base/file.h"
#include "lab/config.h"
#include "lab/experiment.h"

typedef struct planning {
  const ml3_lab_plan_settings *own;
  ml3_lab_plan *plan;
  const ml3_env_spec *spec;
  ml3_env *env;
  ml3_model *model;
  ml3_ilqr_cost cost;
  ml3_ilqr_goal_cost tracking;
  double *start, *goal, *weights, *actions;
  ml3_ilqr_settings settings;
  ml3_ilqr_cost inner_cost; /* while it is being asked */
  FILE *log;                /* or NULL */
} planning;

/* ---- what to plan ---------------------------------------------------------------------------------------------------- */

/* Steps of a plan. */
static int ahead(const planning *p) {
  return p->own->ahead > 0 && p->own->ahead < p->plan->horizon ? p->own->ahead : p->plan->horizon;
}

/* "1,0.1": a weight each state entry; those of ml3_ilqr_goal_weights where none are given. */
static int read_weights(planning *p, ml3_error *error) {
  const char *at = p->own->weights;
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
  const ml3_lab_plan_settings *own = p->own;
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
  p->tracking = ml3_ilqr_goal_tracking(p->env, p->start, p->goal, p->weights);
  p->tracking.state_weight = own->state_weight;
  p->tracking.action_weight = own->action_weight;
  p->tracking.final_weight = own->final_weight;
  p->cost = ml3_ilqr_goal(&p->tracking);
  return read_weights(p, error);
}

static int open_all(planning *p, ml3_error *error) {
  const ml3_lab_plan_settings *own = p->own;
  ml3_lab_plan *plan = p->plan;
  ml3_lab_config config;
  ml3_lab_config_defaults(&config);
  int code = ml3_lab_config_override(&config, own->settings, own->count, own->callbacks, error);
  if (code != ML3_OK) return code;
  if (own->ahead < 0)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--ahead is %d; expected the number of steps of a plan, or 0: all",
                         own->ahead);
  if (!own->environment) return ml3_error_set(error, ML3_ERR_ARGUMENT, "which environment? `ml3 list` shows them");
  const ml3_env_spec *found = ml3_env_find(own->environment, error);
  if (!found) return ML3_ERR_ARGUMENT;
  if (!(p->spec = plan->spec = ml3_env_narrow(found, NULL, 0, error))) return error->code;
  const int horizon = plan->horizon = config.horizon ? (int)config.horizon : p->spec->horizon;
  const size_t n = (size_t)p->spec->state_dim, m = (size_t)p->spec->action_dim;
  if (ml3_env_need_state(p->spec, "a plan", error) != ML3_OK) return error->code;
  if (!(p->env = ml3_env_new(p->spec, error)) || !(plan->episode = ml3_episode_new(p->spec, horizon, error)))
    return error->code;
  p->start = calloc(3 * n + (size_t)horizon * m, sizeof *p->start);
  if (!p->start) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a plan");
  p->goal = p->start + n;
  p->weights = p->goal + n;
  p->actions = p->weights + n;
  if (own->task >= 0) { /* a task of the distribution instead of the default one */
    ml3_random random = ml3_random_stream((uint64_t)own->task, ML3_PURPOSE_TEST, 0, 0);
    ml3_env_sample_task(p->spec, &random, p->env->task);
    ml3_env_reset(p->env, p->env->task, &random);
  }
  ml3_env_get_state(p->env, p->start);
  p->settings = ml3_ilqr_defaults(ahead(p));
  p->settings.threads = config.threads > 0 ? (int)config.threads : 1;
  p->settings.regularize_state = own->regularize_state;
  code = make_cost(p, error);
  if (code == ML3_OK && !(p->model = ml3_model_of_env(p->env, error))) code = error->code;
  return code;
}

static void close_all(planning *p) {
  ml3_ilqr_cost_free(&p->cost);
  ml3_model_free(p->model);
  ml3_env_free(p->env);
  free(p->start);
}

/* ---- planning -------------------------------------------------------------------------------------------------------- */

/* By the ending of the file's name. */
static ml3_ilqr_observer observer_of(const char *path) {
  if (ml3_file_ends_in(path, ".csv")) return ml3_ilqr_log_csv;
  if (ml3_file_ends_in(path, ".json")) return ml3_ilqr_log_json;
  return ml3_ilqr_log_text;
}

/* Asked as often as a search is: derivatives by differences can take minutes. */
static double interruptible(void *user, int step, const double *state, const double *action, ml3_ilqr_expansion *e) {
  planning *p = user;
  const ml3_ilqr_cost *cost = &p->inner_cost;
  if (!ml3_lab_interrupted(p->own->callbacks)) return cost->evaluate(cost->user, step, state, action, e);
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
  ml3_lab_progress(p->own->callbacks, i->iteration, note);
  if (p->log) observer_of(p->own->log)(p->log, i);
  return ml3_lab_interrupted(p->own->callbacks);
}

static int solve(planning *p, ml3_error *error) {
  const ml3_lab_callbacks *callbacks = p->own->callbacks;
  const ml3_ilqr_cost cost = {
      .evaluate = interruptible, .user = p, .clone = clone_interruptible, .free = free_interruptible};
  p->inner_cost = p->cost;
  p->settings.observe = observe;
  p->settings.observe_user = p;
  ml3_lab_begin(callbacks, "planning", p->settings.max_iterations);
  ml3_ilqr *ilqr = ml3_ilqr_new(p->model, &cost, &p->settings, error);
  const int code = ilqr ? ml3_ilqr_solve(ilqr, p->start, 0, p->actions, &p->plan->report, error) : ML3_ERR_MEMORY;
  ml3_ilqr_free(ilqr);
  ml3_lab_end(callbacks);
  return ml3_lab_interrupted(callbacks) ? ml3_error_set(error, ML3_ERR_INTERRUPTED, "planning was interrupted") : code;
}

/* With the log, if one is asked for, which appears only when whole. */
static int solve_logged(planning *p, ml3_error *error) {
  ml3_file file;
  if (!p->own->log) return solve(p, error);
  int code = ml3_file_create(&file, p->own->log, error);
  if (code != ML3_OK) return code;
  p->log = file.stream;
  code = solve(p, error);
  if (code == ML3_OK) return ml3_file_commit(&file, error);
  ml3_file_abandon(&file);
  return code;
}

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

static int carry_out(planning *p, ml3_error *error) {
  ml3_lab_plan *plan = p->plan;
  ml3_mpc_settings settings = ml3_mpc_defaults(ahead(p));
  settings.ilqr.regularize_state = p->settings.regularize_state;
  settings.episode = plan->horizon;
  player player = {p, NULL};
  if (p->own->receding || ahead(p) < plan->horizon) {
    if (!(player.mpc = ml3_mpc_new(p->model, &p->cost, &settings, error))) return error->code;
    ml3_mpc_begin(player.mpc, NULL);
  }
  ml3_env_set_state(p->env, p->start);
  ml3_episode_record(plan->episode, p->env, plan->horizon, false, play, &player);
  snprintf(plan->episode->label, sizeof plan->episode->label, player.mpc ? "iLQR, receding horizon" : "iLQR");
  if (player.mpc) plan->receding_steps = ml3_mpc_report_of(player.mpc).model_steps;
  ml3_mpc_free(player.mpc);
  return ML3_OK;
}

int ml3_lab_plan_make(const ml3_lab_plan_settings *settings, ml3_lab_plan *plan, ml3_error *error) {
  planning p = {.own = settings, .plan = plan};
  ml3_error own = {0};
  if (!error) error = &own;
  *plan = (ml3_lab_plan){0};
  int code = open_all(&p, error);
  if (code == ML3_OK) code = solve_logged(&p, error);
  if (code == ML3_OK) code = carry_out(&p, error);
  if (code == ML3_OK && settings->repeat > 0)
    code = ml3_ilqr_time_solve(p.model, &p.cost, &p.settings, p.start, settings->repeat, &plan->time, error);
  if (code == ML3_OK) {
    const ml3_env_warnings warnings = ml3_env_tally(plan->spec);
    ml3_lab_warn(settings->callbacks, &warnings, NULL);
  }
  close_all(&p);
  return code;
}

void ml3_lab_plan_free(ml3_lab_plan *plan) {
  ml3_episode_free(plan->episode);
  free(plan->spec);
}
