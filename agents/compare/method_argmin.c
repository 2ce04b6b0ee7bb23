/* The action that minimises a learned loss, acting by itself: no update, no rollout. Only of losses that say which action they would
   rather see, as a function of state and goal: targets for the mean of every action, made of nothing else. A loss that teaches no
   better than this distils a policy. */
#include <stdlib.h>
#include <string.h>

#include "agents/compare/method.h"
#include "agents/problems/model_free.h"

/* Where the inputs of h come from, in its order. */
typedef struct argmin {
  ml3_mlp h;
  int *inputs;  /* [h.inputs] inputs of the loss's network */
  int *sources; /* [h.inputs] a policy's input, or behind those an entry of the goal */
} argmin;

static void release(void *shared) {
  argmin *a = shared;
  if (!a) return;
  free(a->inputs);
  free(a);
}

static bool is_target(const ml3_loss_spec *s, int column) {
  for (int i = 0; i < s->target_count; i++)
    if (s->targets[i] == column) return true;
  return false;
}

static int column_of(const ml3_loss_spec *s, int input) {
  return ml3_loss_features(s) == s->net.inputs ? input : s->columns[input];
}

/* The first column whose name begins so; -1: none. */
static int first_of(const ml3_problem *p, const char *prefix) {
  for (int i = 0; i < p->features; i++)
    if (strncmp(p->feature_names[i], prefix, strlen(prefix)) == 0) return i;
  return -1;
}

static int refuse(const ml3_compare_loss *loss, const char *why, ml3_error *error) {
  return ml3_error_set(
      error, ML3_ERR_ARGUMENT,
      "'argmin' acts by the targets of a loss for all mean actions, made of state and goal alone; %s %s", loss->label,
      why);
}

/* Sources of h's inputs, or a sentence. */
static int find_sources(argmin *a, const ml3_problem *p, const ml3_policy *policy, const ml3_compare_loss *loss,
                        ml3_error *error) {
  const ml3_loss_spec *s = &loss->loss->spec;
  const int state = first_of(p, "state."), goal = first_of(p, "goal."), mean = first_of(p, "mean.");
  int count = 0;
  if (s->target_count != policy->action_dim || mean < 0) return refuse(loss, "has other targets", error);
  for (int i = 0; i < s->target_count; i++)
    if (s->targets[i] != mean + i || s->target_bases[i] || s->target_factors[i])
      return refuse(loss, "has other targets", error);
  for (int i = 0; i < s->net.inputs; i++) {
    const int column = column_of(s, i);
    if (is_target(s, column)) continue;
    const bool of_state = state >= 0 && column >= state && column < state + policy->net.inputs;
    if (!of_state && (goal < 0 || strncmp(p->feature_names[column], "goal.", 5) != 0))
      return refuse(loss, "sees more", error);
    a->inputs[count] = i;
    a->sources[count++] = of_state ? column - state : policy->net.inputs + column - goal;
  }
  return ML3_OK;
}

static int prepare(const ml3_method *method, const ml3_arena *arena, const ml3_compare_loss *loss, void **shared,
                   double *steps, char *note, size_t note_size, ml3_error *error) {
  const ml3_playable *play = loss->play.problem ? &loss->play : &arena->play;
  const ml3_loss_spec *s = &loss->loss->spec;
  (void)method, (void)steps, (void)note, (void)note_size;
  if (s->kind != ML3_LOSS_LEARNED || !s->target_count || !play->free_starts || !play->problem->feature_names)
    return refuse(loss, "has none", error);
  argmin *a = calloc(1, sizeof *a);
  if (a) a->inputs = calloc(2 * (size_t)s->net.inputs, sizeof *a->inputs);
  if (!a || !a->inputs) {
    release(a);
    return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the inputs of a loss");
  }
  a->h = ml3_loss_target_net(s);
  a->sources = a->inputs + s->net.inputs;
  const int code = find_sources(a, play->problem, play->policy, loss, error);
  if (code == ML3_OK)
    *shared = a;
  else
    release(a);
  return code;
}

static void act(void *user, int step, const double *obs, const double *state, double *action) {
  const ml3_trial *t = user;
  const argmin *a = t->shared;
  const ml3_loss *loss = t->loss->loss;
  const ml3_policy *policy = t->play->policy;
  double goal[t->arena->env->goal_dim + 1], x[a->h.inputs];
  ml3_real seen[policy->net.inputs];
  (void)step, (void)state;
  if (t->arena->env->goal_dim) ml3_env_goal(t->world, goal);
  ml3_policy_input(policy, obs, goal, seen);
  for (int i = 0; i < a->h.inputs; i++) {
    const int from = a->sources[i], input = a->inputs[i];
    const double value = from < policy->net.inputs ? (double)seen[from] : goal[from - policy->net.inputs];
    x[i] = (value - (double)loss->shift[input]) * (double)loss->scale[input];
  }
  ml3_mlp_forward(&a->h, loss->phi + ml3_loss_value_net_size(&loss->spec), x, action);
}

static int run(const ml3_method *method, ml3_trial *t, ml3_error *error) {
  (void)method;
  return ml3_trial_report_policy(t, 0, true, act, t, error);
}

const ml3_method ml3_method_argmin = {
    .name = "argmin",
    .label = "%s, its minimiser",
    .summary = "act by the minimizer of a learned loss with targets, without an update",
    .needs = ML3_NEEDS_PROBLEM | ML3_NEEDS_LOSS,
    .prepare = prepare,
    .release = release,
    .run = run};
