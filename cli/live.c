/* Live policies for the viewer: see live.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/problems/model_free.h"
#include "cli/console.h"
#include "cli/live_internal.h"
#include "lab/learners.h"
#include "lab/policies.h"
#include "lab/policy_open.h"

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int add(cli_live *l, cli_live_kind kind, const char *name, int updates) {
  const int k = l->source.actors;
  if (k >= ML3_VIEW_ACTORS) return -1;
  l->actors[k] = (cli_live_actor){.kind = kind, .name = name, .updates = updates};
  if (kind == ACTOR_POLICY) l->actors[k].theta = calloc((size_t)l->a.problem->theta_size, sizeof(ml3_real));
  l->source.actors++;
  return k;
}

static void add_learners(cli_live *l) {
  add(l, ACTOR_POLICY, l->rule, 0);
  add(l, ACTOR_POLICY, cli_live_baseline(l), 0);
  add(l, ACTOR_POLICY, "untrained", -1);
  if (ml3_goal_plan_possible(l->source.spec)) add(l, ACTOR_PLAN, "iLQR", -1);
  l->before_actor = add(l, ACTOR_POLICY, "one update earlier", 0);
  l->source.learners = 2;
  l->source.rule = cli_live_rule;
  l->source.update = cli_live_update;
  l->source.restart = cli_live_restart;
}

static void add_comparison(cli_live *l) {
  const ml3_compare_settings *s = &l->compare;
  for (int i = s->step_count - 1; i >= 0 && l->source.actors < ML3_VIEW_ACTORS - 3; i--)
    add(l, ACTOR_POLICY, l->rule, s->steps[i]);
  add(l, ACTOR_POLICY, "untrained", -1);
  add(l, ACTOR_POLICY, cli_live_baseline(l), s->steps[s->step_count - 1]);
  if (ml3_goal_plan_possible(l->source.spec)) add(l, ACTOR_PLAN, "iLQR", -1);
}

/* Not every problem has rollouts. */
static int check_shows(const ml3_lab_config *config, ml3_error *error) {
  const ml3_lab_problem_kind *kind = ml3_lab_problem_kind_find(config->problem, error);
  if (!kind) return ML3_ERR_ARGUMENT;
  if (kind->rollouts || kind == &ml3_lab_problem_model_free) return ML3_OK;
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

static int open_problem(cli_live *l, ml3_error *error) {
  const ml3_lab_config *config = &l->a.config;
  const int code = ml3_lab_adapting_make(&l->a, error);
  if (code != ML3_OK) return code;
  l->rule = ml3_lab_method_label(config);
  l->compare = ml3_lab_compare_settings_of(config);
  l->model_free = l->a.kind == &ml3_lab_problem_model_free;
  if (l->model_free) {
    const ml3_model_free_settings *m = ml3_model_free_settings_of(l->a.problem);
    l->policy = &m->policy, l->source.spec = m->env, l->source.horizon = m->horizon;
  } else {
    const ml3_model_based_settings *m = ml3_model_based_settings_of(l->a.problem);
    l->policy = &m->policy, l->source.spec = m->env, l->source.horizon = m->horizon;
  }
  if (!l->model_free && l->a.loss->spec.kind == ML3_LOSS_LEARNED)
    l->source.value = cli_live_value, l->source.value_at = cli_live_value_at;
  l->gradient = calloc((size_t)l->a.problem->theta_size, sizeof *l->gradient);
  return l->gradient ? make_room(l, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory to show the run");
}

static cli_live *new_live(ml3_error *error) {
  cli_live *l = calloc(1, sizeof *l);
  if (!l) {
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for policies to show");
    return NULL;
  }
  l->source.user = l;
  l->source.label = cli_live_label;
  l->source.act = cli_live_act;
  l->before_actor = -1;
  l->task_rate = NAN;
  return l;
}

cli_live *cli_live_of_run(const char *folder, const cli_options *options, cli_cast cast, ml3_error *error) {
  cli_live *l = new_live(error);
  if (!l) return NULL;
  l->cast = cast;
  int code = ml3_lab_adapting_open(&l->a, folder, NULL, &cli_messages, error);
  if (code == ML3_OK) code = cli_options_apply(options, &l->a.config, error);
  if (code == ML3_OK) code = check_shows(&l->a.config, error);
  if (code == ML3_OK) code = open_problem(l, error);
  if (code != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  l->source.start = cli_live_start_run;
  l->source.goal_moved = cli_live_goal_moved;
  if (cast == CLI_CAST_LEARNERS)
    add_learners(l);
  else
    add_comparison(l);
  for (int k = 0; k < l->source.actors; k++)
    if (l->actors[k].kind == ACTOR_POLICY && !l->actors[k].theta) {
      ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the policies of '%s'", folder);
      cli_live_free(l);
      return NULL;
    }
  snprintf(l->title, sizeof l->title, "ml3: %.60s, %.60s", folder, ml3_lab_problem_title(&l->a.config));
  return l;
}

static cli_live *live_of_spec(const ml3_env_spec *spec, const char *name, ml3_error *error) {
  cli_live *l = new_live(error);
  if (!l) return NULL;
  l->source.spec = spec;
  l->source.start = cli_live_start_environment;
  l->source.goal_moved = cli_live_goal_moved;
  if (make_room(l, error) != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  add(l, ACTOR_RANDOM, "random actions", -1);
  add(l, ACTOR_STILL, spec->choices ? "action 0" : "no action", -1);
  if (ml3_goal_plan_possible(spec)) add(l, ACTOR_PLAN, "iLQR", -1);
  snprintf(l->title, sizeof l->title, "ml3: %.100s", name);
  return l;
}

cli_live *cli_live_of_environment(const char *name, ml3_error *error) {
  const ml3_env_spec *spec = ml3_env_find(name, error);
  return spec ? live_of_spec(spec, name, error) : NULL;
}

/* ---- policies trained elsewhere ------------------------------------------------------------------------------------ */

/* One more actor: a policy that was found, in the environment that is shown. */
static int add_policy(cli_live *l, const ml3_lab_policy *p, ml3_error *error) {
  cli_live_actor *a = &l->actors[l->source.actors];
  const bool learned = p->in_run && ml3_lab_learner_kind(&p->config);
  *a = (cli_live_actor){
      .kind = ACTOR_LOADED, .name = learned ? ml3_lab_method_label(&p->config) : "policy", .updates = -1};
  l->source.actors++;
  if (!(a->policy = calloc(1, sizeof *a->policy)))
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for a policy");
  return ml3_policy_open(p->path, l->source.spec, a->policy, &a->theta, error);
}

int cli_live_add(cli_live *l, const char *folder, ml3_error *error) {
  ml3_lab_policy p;
  if (l->source.actors >= ML3_VIEW_ACTORS)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "there is no room for '%s': %d policies are shown", folder,
                         l->source.actors);
  int code = ml3_lab_policy_find(&p, folder, NULL, &cli_messages, error);
  if (code == ML3_OK && strcmp(p.config.environment, l->source.spec->name) != 0)
    code = ml3_error_set(error, ML3_ERR_ARGUMENT, "the policy of '%s' is for environment '%s'; '%s' is shown", folder,
                         p.config.environment, l->source.spec->name);
  return code == ML3_OK ? add_policy(l, &p, error) : code;
}

cli_live *cli_live_of_policy(const char *file, const char *environment, const cli_options *options, ml3_error *error) {
  ml3_lab_policy p;
  if (ml3_lab_policy_find(&p, file, environment, &cli_messages, error) != ML3_OK ||
      cli_options_apply(options, &p.config, error) != ML3_OK)
    return NULL;
  ml3_env_spec *narrow = ml3_lab_env_new(&p.config, error); /* the tasks that it has learned */
  cli_live *l = narrow ? live_of_spec(narrow, p.config.environment, error) : NULL;
  if (!l) return free(narrow), NULL;
  l->narrow = narrow;
  l->source.horizon = (int)p.config.horizon;
  if (add_policy(l, &p, error) != ML3_OK) {
    cli_live_free(l);
    return NULL;
  }
  const int k = l->source.actors - 1;
  const cli_live_actor first = l->actors[0];
  l->actors[0] = l->actors[k];
  l->actors[k] = first;
  snprintf(l->title, sizeof l->title, "ml3: %.60s, %.60s", file, p.config.environment);
  return l;
}

void cli_live_free(cli_live *l) {
  if (!l) return;
  for (int k = 0; k < l->source.actors; k++) {
    free(l->actors[k].theta);
    if (l->actors[k].policy) ml3_policy_free(l->actors[k].policy);
    free(l->actors[k].policy);
  }
  ml3_goal_plan_free(l->plan);
  ml3_env_free(l->probe);
  free(l->gradient);
  free(l->goal);
  ml3_lab_adapting_close(&l->a);
  cli_live_follow_end(l->follow);
  free(l->narrow);
  free(l);
}

const ml3_view_source *cli_live_source(const cli_live *l) {
  return &l->source;
}

const char *cli_live_title(const cli_live *l) {
  return l->title;
}
