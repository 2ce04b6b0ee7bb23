/* Live policies for the viewer: see live.h. One task at a time; each actor is a policy with parameters of its own, an
   open-loop plan, or random actions. */
#define _POSIX_C_SOURCE 200809L
#include "cli/live.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/model_free.h"
#include "cli/live_plan.h"
#include "cli/policies.h"

typedef enum actor_kind { ACTOR_POLICY, ACTOR_LOADED, ACTOR_PLAN, ACTOR_RANDOM, ACTOR_STILL } actor_kind;

typedef struct actor {
  actor_kind kind;
  const char *name; /* "learned loss" */
  char label[96];
  int updates;        /* taken; -1: not told */
  ml3_real *theta;    /* a policy's parameters */
  ml3_policy *policy; /* of one that was trained elsewhere; else it is the run's */
} actor;

struct cli_live {
  ml3_view_source source;
  ml3_env *probe; /* in the present task, for goals and observations */
  char title[160];
  cli_cast cast;
  actor actors[ML3_VIEW_ACTORS];
  int before_actor; /* which is the pupil as it was one update ago, or -1 */

  /* of a run */
  ml3_problem *problem;
  ml3_loss *loss;
  const char *teacher; /* what the run has learned: "learned loss" */
  ml3_meta *meta;
  ml3_meta_work *work;
  ml3_compare_settings compare;
  const ml3_policy *policy;
  bool model_free;
  double task_rate;                            /* of the opponent; NAN until it is needed */
  ml3_random begin, random[ML3_VIEW_TEACHERS]; /* of the updates of each pupil */
  ml3_real *task, *theta_0, *gradient;
  double *goal;     /* [goal_dim] */
  cli_plan *plan;   /* iLQR's; NULL until it is needed */
  int plan_step;    /* where it begins */
  double *env_task; /* [task_dim] present */
  int number;       /* of the task */
};

/* Without a model the task's gradient is the policy gradient on fresh rollouts. */
static const char *opponent(const cli_live *l) {
  return l->model_free ? "REINFORCE" : "task gradient";
}

/* ---- learning ------------------------------------------------------------------------------------------------ */

static int task_rate(cli_live *l, ml3_error *error) {
  if (!isnan(l->task_rate)) return ML3_OK;
  return ml3_compare_task_rate(l->meta, &l->compare, &l->task_rate, error);
}

/* One update of theta by that teacher: the learned loss, or its opponent. */
static int update(cli_live *l, int teacher, ml3_real *theta, ml3_error *error) {
  if (teacher == 0) return ml3_meta_adapt(l->work, l->loss, l->task, theta, &l->random[0], NULL, error);
  int code = task_rate(l, error);
  if (code == ML3_OK) code = ml3_meta_task_gradient(l->work, l->task, theta, &l->random[1], NULL, l->gradient, error);
  for (int i = 0; i < l->problem->theta_size && code == ML3_OK; i++)
    theta[i] -= (ml3_real)l->task_rate * l->gradient[i];
  return code;
}

static void set_theta(cli_live *l, int k, const ml3_real *theta, int updates) {
  memcpy(l->actors[k].theta, theta, (size_t)l->problem->theta_size * sizeof *theta);
  l->actors[k].updates = updates;
}

static int teach(void *user, int teacher, ml3_error *error) {
  cli_live *l = user;
  actor *pupil = &l->actors[teacher];
  if (l->before_actor >= 0 && teacher == 0) set_theta(l, l->before_actor, pupil->theta, pupil->updates);
  int code = update(l, teacher, pupil->theta, error);
  if (code == ML3_OK) pupil->updates++;
  return code;
}

static const char *teacher_name(void *user, int teacher) {
  return teacher == 1 ? opponent(user) : ((cli_live *)user)->teacher;
}

/* Back to where that teacher lets its pupils begin. */
static void start_over(cli_live *l, int teacher, ml3_real *theta) {
  memcpy(theta, l->theta_0, (size_t)l->problem->theta_size * sizeof *theta);
  if (teacher == 0) ml3_meta_begin(l->work, l->loss, theta);
  l->random[teacher] = l->begin;
}

/* Pupils before their first lesson. */
static void forget(void *user) {
  cli_live *l = user;
  for (int t = 0; t < l->source.teachers; t++) {
    start_over(l, t, l->actors[t].theta);
    l->actors[t].updates = 0;
  }
  if (l->before_actor >= 0) set_theta(l, l->before_actor, l->actors[0].theta, 0);
}

/* Those who stay as they are, with a number of updates behind them; then the pupils. */
static int train_all(cli_live *l, ml3_error *error) {
  int code = ML3_OK;
  for (int k = l->source.teachers; k < l->source.actors && code == ML3_OK; k++) {
    actor *a = &l->actors[k];
    const int teacher = a->name != l->teacher;
    if (a->kind != ACTOR_POLICY || k == l->before_actor) continue;
    start_over(l, a->updates < 0 ? 1 : teacher, a->theta);
    for (int i = 0; i < a->updates && code == ML3_OK; i++) code = update(l, teacher, a->theta, error);
  }
  forget(l);
  return code;
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

/* What the task is now; its goal in the environment's numbers, for policies that are told it. A plan for another is none. */
static void note_task(cli_live *l, const double *env_task) {
  ml3_random none = ml3_random_stream(0, ML3_PURPOSE_RESET, 0, 0);
  memcpy(l->env_task, env_task, (size_t)l->source.spec->task_dim * sizeof *env_task);
  cli_plan_free(l->plan);
  l->plan = NULL;
  ml3_env_reset(l->probe, env_task, &none);
  ml3_env_goal(l->probe, l->goal);
}

static int start_run(void *user, int task, double *env_task, double *state, ml3_error *error) {
  cli_live *l = user;
  ml3_random random = ml3_random_stream(l->compare.seed, ML3_PURPOSE_TEST, (uint32_t)task, 0);
  l->number = task;
  l->problem->sample(l->problem, ML3_SPLIT_TEST, &random, l->task, l->theta_0);
  l->begin = random;
  if (l->model_free) {
    ml3_env *env = ml3_env_new(l->source.spec, error);
    if (!env) return error ? error->code : ML3_ERR_MEMORY;
    ml3_model_free_task(l->problem, l->task, env_task);
    ml3_env_reset(env, env_task, &random);
    ml3_env_get_state(env, state);
    ml3_env_free(env);
  } else {
    ml3_model_based_start(l->problem, l->task, 0, env_task, state);
  }
  note_task(l, env_task);
  return train_all(l, error);
}

/* The task that is learned has the goal where the hand has put it. */
static void goal_moved(void *user, const double *env_task, const double *state) {
  cli_live *l = user;
  note_task(l, env_task);
  if (l->problem && !l->model_free) ml3_model_based_set_start(l->problem, l->task, 0, env_task, state);
}

/* ---- acting ------------------------------------------------------------------------------------------------------ */

/* Planned when it is first asked for, and again from where it is after the goal was moved. */
static void act_by_plan(cli_live *l, int step, const double *state, double *action) {
  const ml3_env_spec *spec = l->source.spec;
  const int horizon = l->source.horizon > 0 ? l->source.horizon : spec->horizon;
  if (!l->plan || step < l->plan_step) {
    ml3_random random = ml3_random_stream(0, ML3_PURPOSE_BASELINE, (uint32_t)l->number, 0);
    cli_plan_free(l->plan);
    l->plan_step = step;
    l->plan = cli_plan_new(spec, l->env_task, state, horizon - step > 5 ? horizon - step : 5,
                           step == 0 ? l->compare.ilqr_restarts : 0, &random, NULL);
  }
  if (l->plan)
    cli_plan_act(l->plan, step - l->plan_step, state, action);
  else
    memset(action, 0, (size_t)spec->action_dim * sizeof *action);
}

/* The same at the same step, however often it is asked. */
static void act_at_random(const cli_live *l, int step, double *action) {
  const ml3_env_spec *spec = l->source.spec;
  ml3_random random = ml3_random_stream(0, ML3_PURPOSE_ACTION, (uint32_t)l->number, (uint32_t)step);
  for (int i = 0; i < spec->action_dim; i++) {
    const ml3_env_field *f = &spec->action[i];
    action[i] = ml3_random_uniform(&random, isfinite(f->low) ? f->low : -1, isfinite(f->high) ? f->high : 1);
  }
}

static void act_by_policy(const cli_live *l, int k, const double *obs, double *action) {
  const actor *a = &l->actors[k];
  ml3_policy_act(a->policy ? a->policy : l->policy, a->theta, obs, l->goal, action);
}

static void act(void *user, int k, int step, const double *obs, const double *state, double *action) {
  cli_live *l = user;
  switch (l->actors[k].kind) {
    case ACTOR_POLICY:
    case ACTOR_LOADED:
      act_by_policy(l, k, obs, action);
      break;
    case ACTOR_PLAN:
      act_by_plan(l, step, state, action);
      break;
    case ACTOR_RANDOM:
      act_at_random(l, step, action);
      break;
    case ACTOR_STILL:
      memset(action, 0, (size_t)l->source.spec->action_dim * sizeof *action);
      break;
  }
}

static const char *label(void *user, int k) {
  actor *a = &((cli_live *)user)->actors[k];
  if (a->updates < 0) return a->name;
  snprintf(a->label, sizeof a->label, "%s, %d update%s", a->name, a->updates, a->updates == 1 ? "" : "s");
  return a->label;
}

/* ---- the learned loss -------------------------------------------------------------------------------------------- */

static const double *last_state(const ml3_episode *e) {
  return e->states + (size_t)e->steps * (size_t)e->spec->state_dim;
}

static void value(void *user, int k, ml3_episode *e) {
  cli_live *l = user;
  (void)k;
  ml3_model_based_value_steps(l->problem, l->task, l->loss, e);
}

static double value_at(void *user, int k, const ml3_episode *e, const double *state) {
  cli_live *l = user;
  double action[ML3_POLICY_MAX_ACTIONS] = {0};
  double obs[ML3_POLICY_MAX_OBS];
  ml3_env_set_state(l->probe, state);
  ml3_env_observe(l->probe, obs);
  if (l->actors[k].theta) act_by_policy(l, k, obs, action);
  return ml3_model_based_value(l->problem, l->task, l->loss, e->steps / 2, state, action, last_state(e));
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int add(cli_live *l, actor_kind kind, const char *name, int updates) {
  const int k = l->source.actors;
  if (k >= ML3_VIEW_ACTORS) return -1;
  l->actors[k] = (actor){.kind = kind, .name = name, .updates = updates};
  if (kind == ACTOR_POLICY) l->actors[k].theta = calloc((size_t)l->problem->theta_size, sizeof(ml3_real));
  l->source.actors++;
  return k;
}

static void add_lesson(cli_live *l) {
  add(l, ACTOR_POLICY, l->teacher, 0);
  add(l, ACTOR_POLICY, opponent(l), 0);
  add(l, ACTOR_POLICY, "untrained", -1);
  if (cli_plan_possible(l->source.spec)) add(l, ACTOR_PLAN, "iLQR", -1);
  l->before_actor = add(l, ACTOR_POLICY, "before", 0);
  l->source.teachers = 2;
  l->source.teacher = teacher_name;
  l->source.teach = teach;
  l->source.forget = forget;
}

static void add_comparison(cli_live *l) {
  const ml3_compare_settings *s = &l->compare;
  for (int i = s->step_count - 1; i >= 0 && l->source.actors < ML3_VIEW_ACTORS - 3; i--)
    add(l, ACTOR_POLICY, l->teacher, s->steps[i]);
  add(l, ACTOR_POLICY, "untrained", -1);
  add(l, ACTOR_POLICY, opponent(l), s->steps[s->step_count - 1]);
  if (cli_plan_possible(l->source.spec)) add(l, ACTOR_PLAN, "iLQR", -1);
}

/* Not every problem has rollouts. */
static int check_shows(const cli_config *config, ml3_error *error) {
  const cli_problem_kind *kind = cli_problem_kind_find(config->problem, error);
  if (!kind) return ML3_ERR_ARGUMENT;
  if (kind->rollouts || kind == &cli_problem_model_free) return ML3_OK;
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "problem '%s' has no rollouts to look at; `ml3 adapt` and `ml3 compare` show what its loss does",
                       kind->name);
}

static int make_room(cli_live *l, ml3_error *error) {
  l->goal = calloc((size_t)l->source.spec->goal_dim + (size_t)l->source.spec->task_dim + 1, sizeof *l->goal);
  if (!l->goal) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for policies to show");
  l->env_task = l->goal + l->source.spec->goal_dim;
  l->probe = ml3_env_new(l->source.spec, error);
  return l->probe ? ML3_OK : ML3_ERR_MEMORY;
}

static int open_problem(cli_live *l, const cli_config *config, ml3_error *error) {
  if (!(l->problem = cli_problem_new_at_test(config, error))) return error->code;
  ml3_trainer_settings settings;
  int code = cli_trainer_settings(config, l->problem, &settings, error);
  if (code != ML3_OK) return code;
  l->teacher = cli_method_label(config);
  settings.meta.loss = l->loss->spec;
  if (!(l->meta = ml3_meta_new(l->problem, &settings.meta, error))) return error->code;
  if (!(l->work = ml3_meta_work_new(l->meta, error))) return error->code;
  l->compare = cli_compare_settings(config);
  l->model_free = strcmp(config->problem, "model_free") == 0;
  if (l->model_free) {
    const ml3_model_free_settings *m = ml3_model_free_settings_of(l->problem);
    l->policy = &m->policy;
    l->source.spec = m->env;
    l->source.horizon = m->horizon;
  } else {
    const ml3_model_based_settings *m = ml3_model_based_settings_of(l->problem);
    l->policy = &m->policy;
    l->source.spec = m->env;
    l->source.horizon = m->horizon;
    if (l->loss->spec.kind == ML3_LOSS_LEARNED) {
      l->source.value = value;
      l->source.value_at = value_at;
    }
  }
  l->task = calloc((size_t)l->problem->task_size, sizeof *l->task);
  l->theta_0 = calloc((size_t)l->problem->theta_size, sizeof *l->theta_0);
  l->gradient = calloc((size_t)l->problem->theta_size, sizeof *l->gradient);
  if (l->task && l->theta_0 && l->gradient) return make_room(l, error);
  return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to show the run");
}

static cli_live *new_live(ml3_error *error) {
  cli_live *l = calloc(1, sizeof *l);
  if (!l) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for policies to show");
    return NULL;
  }
  l->source.user = l;
  l->source.label = label;
  l->source.act = act;
  l->before_actor = -1;
  l->task_rate = NAN;
  return l;
}

cli_live *cli_live_of_run(const char *folder, const cli_options *options, cli_cast cast, ml3_error *error) {
  cli_config config;
  cli_live *l = new_live(error);
  if (!l) return NULL;
  l->cast = cast;
  int code = cli_run_open(folder, &config, &l->loss, error);
  if (code == ML3_OK) code = cli_options_apply(options, &config, error);
  if (code == ML3_OK) code = check_shows(&config, error);
  if (code == ML3_OK) code = open_problem(l, &config, error);
  if (code != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  l->source.start = start_run;
  l->source.goal_moved = goal_moved;
  if (cast == CLI_CAST_LESSON)
    add_lesson(l);
  else
    add_comparison(l);
  for (int k = 0; k < l->source.actors; k++)
    if (l->actors[k].kind == ACTOR_POLICY && !l->actors[k].theta) {
      ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the policies of '%s'", folder);
      cli_live_free(l);
      return NULL;
    }
  snprintf(l->title, sizeof l->title, "ml3: %.60s, %.60s", folder, cli_problem_title(&config));
  return l;
}

static int start_environment(void *user, int task, double *env_task, double *state, ml3_error *error) {
  cli_live *l = user;
  ml3_random reset = ml3_random_stream(0, ML3_PURPOSE_RESET, (uint32_t)task, 0);
  ml3_env *env = ml3_env_new(l->source.spec, error);
  if (!env) return error ? error->code : ML3_ERR_MEMORY;
  l->number = task;
  ml3_env_sample_task(l->source.spec, &reset, env_task);
  ml3_env_reset(env, env_task, &reset);
  ml3_env_get_state(env, state);
  ml3_env_free(env);
  note_task(l, env_task);
  return ML3_OK;
}

cli_live *cli_live_of_environment(const char *name, ml3_error *error) {
  const ml3_env_spec *spec = ml3_env_find(name, error);
  cli_live *l = spec ? new_live(error) : NULL;
  if (!l) return NULL;
  l->source.spec = spec;
  l->source.start = start_environment;
  l->source.goal_moved = goal_moved;
  if (make_room(l, error) != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  add(l, ACTOR_RANDOM, "random actions", -1);
  add(l, ACTOR_STILL, "no action", -1);
  if (cli_plan_possible(spec)) add(l, ACTOR_PLAN, "iLQR", -1);
  snprintf(l->title, sizeof l->title, "ml3: %.100s", name);
  return l;
}

/* ---- policies trained elsewhere ------------------------------------------------------------------------------------ */

static bool has_file(const char *folder, const char *name) {
  char path[CLI_PATH_MAX];
  cli_run_path(folder, name, path);
  return access(path, F_OK) == 0;
}

/* One more actor: the policy of that run. */
int cli_live_add(cli_live *l, const char *folder, ml3_error *error) {
  char path[CLI_PATH_MAX];
  cli_config config;
  const int k = l->source.actors;
  if (k >= ML3_VIEW_ACTORS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no room for '%s': %d policies are shown", folder, k);
  if (!cli_run_is(folder) || !has_file(folder, "policy.safetensors"))
    return ml3_error_set(
        error, ML3_ERR_IO,
        "'%s' is no run with a policy.safetensors; `ml3 train --set method=ppo` or `ml3 adapt` make one", folder);
  cli_config_defaults(&config);
  cli_run_path(folder, "config.yaml", path);
  int code = cli_config_read(&config, path, error);
  if (code == ML3_OK && strcmp(config.environment, l->source.spec->name) != 0)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "the policy of '%s' is for environment '%s'; '%s' is shown", folder,
                         config.environment, l->source.spec->name);
  actor *a = &l->actors[k];
  *a = (actor){.kind = ACTOR_LOADED, .name = cli_method_label(&config), .updates = -1};
  l->source.actors++;
  if (code == ML3_OK && !(a->policy = calloc(1, sizeof *a->policy)))
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a policy");
  if (code == ML3_OK) code = cli_policy_init(&config, l->source.spec, a->policy, error);
  if (code == ML3_OK && !(a->theta = calloc((size_t)ml3_policy_size(a->policy), sizeof *a->theta)))
    code = ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a policy");
  cli_run_path(folder, "policy.safetensors", path);
  return code == ML3_OK ? ml3_policy_load(a->policy, a->theta, path, error) : code;
}

cli_live *cli_live_of_policy(const char *folder, ml3_error *error) {
  char path[CLI_PATH_MAX];
  cli_config config;
  cli_config_defaults(&config);
  cli_run_path(folder, "config.yaml", path);
  if (cli_config_read(&config, path, error) != ML3_OK) return NULL;
  cli_live *l = cli_live_of_environment(config.environment, error);
  if (!l) return NULL;
  if (cli_live_add(l, folder, error) != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  const int k = l->source.actors - 1;
  const actor first = l->actors[0];
  l->actors[0] = l->actors[k];
  l->actors[k] = first;
  snprintf(l->title, sizeof l->title, "ml3: %.60s, %.60s", folder, config.environment);
  return l;
}

bool cli_live_is_policy(const char *folder) {
  return cli_run_is(folder) && has_file(folder, "policy.safetensors") && !has_file(folder, "loss.safetensors");
}

void cli_live_free(cli_live *l) {
  if (!l) return;
  for (int k = 0; k < l->source.actors; k++) {
    free(l->actors[k].theta);
    free(l->actors[k].policy);
  }
  cli_plan_free(l->plan);
  ml3_env_free(l->probe);
  free(l->task);
  free(l->theta_0);
  free(l->gradient);
  free(l->goal);
  ml3_meta_work_free(l->work);
  ml3_meta_free(l->meta);
  if (l->problem) l->problem->free(l->problem);
  ml3_loss_free(l->loss);
  free(l);
}

const ml3_view_source *cli_live_source(const cli_live *l) {
  return &l->source;
}

const char *cli_live_title(const cli_live *l) {
  return l->title;
}
