/* Environments: one interface for all, analytic or MuJoCo.

     spec      what an environment is: names, units, bounds, task distribution, functions. Immutable, shared.
     instance  one simulation: its state and scratch. One a thread.

   A *task* is a vector of named physical parameters (start, goal, masses, lengths ...) with a sampling
   range each; task and seed together determine an episode. All arrays are double, contiguous and owned
   by the caller unless a comment says otherwise.

   Adding an environment: one file that ends in a `const ml3_env_spec`, one line in registry.c. */
#ifndef ML3_ENVS_ENV_H
#define ML3_ENVS_ENV_H

#include "base/error.h"
#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One entry of a state, observation, action or goal vector. */
typedef struct ml3_env_field {
  const char *name; /* "position" */
  const char *unit; /* "m", "rad/s", "1" for none */
  double low, high; /* bounds; -INFINITY and INFINITY where there are none. No observation is beyond its own; of the state
                       of a simulation they are those of its joints, and MuJoCo's limits give way a little */
} ml3_env_field;

/* One parameter of the task distribution: uniform in [low, high] when sampled, `value` when not. */
typedef struct ml3_env_parameter {
  const char *name;
  const char *unit;
  double value, low, high;
} ml3_env_parameter;

/* What one step returns. */
typedef struct ml3_env_result {
  double reward;
  bool terminated; /* the task itself ended: goal, failure */
  bool truncated;  /* the time limit was reached */
  int code;        /* ML3_OK; ML3_ENV_LOST_CONTACTS: the step is made, but not as it should have been; ML3_ERR_NUMERIC:
                      the action was no number or no choice (nothing happened), or the simulation diverged or MuJoCo gave
                      up (terminated; it is back where its task begins), and the reward is NAN. Errors are negative */
} ml3_env_result;

/* A step's code where MuJoCo had no room for some contacts or constraints and left them out: bodies may pass through each
   other. The model needs more room; ml3_env_warning_tell says of what. */
enum { ML3_ENV_LOST_CONTACTS = 1 };

/* What MuJoCo warns of. */
typedef enum ml3_env_warning {
  ML3_WARN_INERTIA,     /* a (nearly) singular inertia matrix */
  ML3_WARN_CONTACTS,    /* no room for a contact: left out */
  ML3_WARN_CONSTRAINTS, /* no room for a constraint, a contact's perhaps: left out */
  ML3_WARN_CONTROL,     /* a control that is too large: all are 0 */
  ML3_WARN_DIVERGED,    /* a position, velocity or acceleration that is no number, or too large */
  ML3_WARN_ERROR,       /* MuJoCo gave up: its stack was full, or it cannot do what was asked for */
  ML3_WARN_OTHER,
  ML3_WARN_KINDS
} ml3_env_warning;

/* How often, and MuJoCo's own sentence, which says what to raise: the first one of each kind. */
typedef struct ml3_env_warnings {
  long long counts[ML3_WARN_KINDS];
  char texts[ML3_WARN_KINDS][192];
  char failure[192]; /* the last one of ML3_WARN_DIVERGED or ML3_WARN_ERROR */
} ml3_env_warnings;

/* Two entries of the state as axes, and the level rectangle of the scene on which pictures draw them: entry `along_x`
   runs with the world's x from from[0] to to[0], entry `along_y` with its y from from[1] to to[1]. */
typedef struct ml3_env_plane {
  int along_x, along_y;   /* indices into the state */
  double low[2], high[2]; /* their ranges */
  double from[2], to[2];  /* where these lie, in m */
  double height;          /* the world's z, in m */
} ml3_env_plane;

/* The quadratic expansion of a step's cost, -reward, by x = [state, action]; k = state_dim + action_dim. */
typedef struct ml3_env_expansion {
  const double *a, *b;        /* given: the step's derivatives, as ml3_env_linearize makes them */
  double reward;              /* of the step */
  double *gradient, *hessian; /* [k], [k][k]: Gauss-Newton's, positive semidefinite */
} ml3_env_expansion;

typedef struct ml3_env ml3_env;
struct mjModel_; /* MuJoCo's mjModel */
struct ml3_env_lanes;

/* What an environment is. */
typedef struct ml3_env_spec {
  const char *name;
  const char *summary; /* one line for `ml3 list` */
  double dt_s;         /* time between actions */
  int horizon;         /* steps until truncation */
  double step_ns;      /* of a processor, about, for a step in a batch: what threads are worth it by; 0: it is long */

  int state_dim, obs_dim, action_dim, goal_dim, task_dim;
  int choices; /* 0: actions are numbers between their bounds. n: discrete actions; action_dim is 1, and an action one of
                  the whole numbers 0 .. n - 1, which the bounds say too */
  const ml3_env_field *state, *obs, *action, *goal; /* [their dim] */
  const ml3_env_parameter *task;                    /* [task_dim] */
  int split;      /* of a task with splits: 0 train, 1 validation, 2 test, 3 out of distribution; each is a spec of its own */
  const struct ml3_env_spec *splits; /* [4] of them, this one among them; NULL: tasks are drawn alike for any purpose */
  bool no_goal;   /* nothing is to be reached: distance is 0, and success false */
  bool hides_task; /* neither policies nor losses may see what a task asks for; ml3_env_reveal shows it to experts */
  int term_count; /* named terms that the reward is made of; 0: it has none */
  const double *weights; /* [term_count] of the terms; NAN, or no array: as the task says */
  int threads; /* that may step instances at once; 0: any number. 1: only the thread that calls, as an interpreter needs it */
  int limit_count; /* named conditions, of which an episode ends when one does not hold; 0: it has none */

  /* Functions of an environment. `env->data` is theirs. Arguments have been checked. */
  int (*create)(ml3_env *env, ml3_error *error); /* allocates env->data */
  void (*destroy)(ml3_env *env);
  void (*change_task)(ml3_env *env);               /* before reset, and when the task changes otherwise; may be NULL */
  /* A task of the distribution; NULL: each parameter is uniform in its range. */
  void (*draw_task)(const struct ml3_env_spec *spec, ml3_random *random, double *task);
  void (*reset)(ml3_env *env, ml3_random *random); /* from env->task; random for what the task leaves open */
  void (*step)(ml3_env *env, const double *action, ml3_env_result *result); /* clips the (finite) action itself */
  /* For environments of others (foreign.h); NULL for all else. send begins the reset that is due (action NULL) or a step
     elsewhere, and returns at once. failed: ML3_OK, or the sentence of what an instance of this spec could not do. */
  void (*send)(ml3_env *env, const double *action);
  int (*failed)(const struct ml3_env_spec *spec, ml3_error *error);
  /* Its own picture of the present state, [height][width][3] bytes, top row first, valid until the next call; NULL: it draws
     none. The first one of an instance is of the state after a reset. */
  int (*draw)(ml3_env *env, const unsigned char **rgb, int *width, int *height, ml3_error *error);
  void (*observe)(const ml3_env *env, double *obs);
  void (*goal_now)(const ml3_env *env, double *goal);
  void (*get_state)(const ml3_env *env, double *state);
  void (*set_state)(ml3_env *env, const double *state); /* NULL: it cannot be set, as of an environment of others */
  /* All that going on with the same bits needs; all NULL where that is the state. */
  int (*full_dim)(const ml3_env *env);
  void (*get_full)(const ml3_env *env, double *full);
  void (*set_full)(ml3_env *env, const double *full);
  /* For batches of simulations; all NULL where working memory is small. borrow: the instance gives up its working memory and
     uses host's (NULL: has its own again, which can fail); what was in it is lost. keep and load: out of it and back into
     it, kept[kept_dim], as far as the next step, or get_full, needs it. */
  int (*borrow)(ml3_env *env, const ml3_env *host, ml3_error *error);
  int (*kept_dim)(const ml3_env *env);
  void (*keep)(const ml3_env *env, double *kept);
  void (*load)(ml3_env *env, const double *kept);
  /* For batches of formulas: a step of many instances at once; may be NULL. See lanes.h. */
  void (*step_lanes)(const struct ml3_env_lanes *lanes);
  double (*distance)(const ml3_env *env); /* to the goal, in the goal's unit */
  bool (*success)(const ml3_env *env);    /* is the goal reached in this state */
  /* values[term_count] of the last step, weighted: their sum is the reward; and a term's name. NULL where there are none. */
  void (*terms)(const ml3_env *env, double *values);
  const char *(*term_name)(const struct ml3_env_spec *spec, int term);
  /* Which conditions hold[limit_count] in this state; and a condition's name. NULL where there are none. */
  void (*limits)(const ml3_env *env, bool *hold);
  const char *(*limit_name)(const struct ml3_env_spec *spec, int limit);
  /* a[state_dim][state_dim] = ds'/ds and b[state_dim][action_dim] = ds'/du of one step from the present
     state under action; the state is unchanged afterwards. By a choice there is no derivative: b is 0. NULL: centred
     differences of step are used. */
  void (*linearize)(ml3_env *env, const double *action, double *a, double *b);

  /* Makes the step from the present state under action and fills the rest of the expansion; NULL: whoever needs it takes
     differences. */
  void (*expand)(ml3_env *env, const double *action, ml3_env_expansion *expansion);

  /* For pictures. The MJCF of the scene, as text; with `pose` an analytic environment says where its
     scene's joints are (qpos has the model's nq entries). A MuJoCo environment gives pose as well. What a task
     moves or resizes (a goal, a link) arrange does in the scene's model; may be NULL. */
  const char *scene_xml;
  void (*pose)(const ml3_env *env, double *qpos, int nq);
  void (*arrange)(const ml3_env *env, struct mjModel_ *scene);
  const ml3_env_plane *plane; /* where pictures show what varies with the state; NULL: nowhere */

  /* For the hand in a window; NULL where there is no such thing. move_goal changes env->task, and the state where
     the goal is a part of it, so that the goal is as near to the point of the scene as the task allows. push lets a
     force (N, world frame) act at a point of a body of the scene during the next steps, until the next push. */
  void (*move_goal)(ml3_env *env, const double *point);
  void (*push)(ml3_env *env, int body, const double *point, const double *force);

  const void *own; /* the environment's own; copies of the spec share it (a narrower task distribution is one) */

  /* Where all instances of this spec, on any thread, add up what they are warned of; NULL: nowhere. It belongs to who made
     the copy of the spec. */
  ml3_env_warnings *tally;
} ml3_env_spec;

/* An instance. Fields are read-only for callers. */
struct ml3_env {
  const ml3_env_spec *spec;
  double *task; /* [task_dim], the present task */
  int steps;    /* since reset */
  void *data;   /* the environment's own */
  ml3_env_warnings warnings; /* since it was made; all 0 where there is no simulation */
};

/* ---- registry ------------------------------------------------------------------------------ */

int ml3_env_count(void); /* built-in environments */
const ml3_env_spec *ml3_env_at(int index); /* number index of the built-in ones, from 0 to the count; NULL without memory */
const char *ml3_env_name(int index);       /* its name alone, which is cheaper: a task as data is compiled when it is asked for */

/* The spec of that name; NULL with a message that names the nearest one. FILE.xml is a user's MJCF with FILE.yaml beside it, FILE.yaml
   a task over a model that it names (docs/tasks.md); their specs stay to the end of the process. A split may follow: NAME:ood. */
const ml3_env_spec *ml3_env_find(const char *name, ml3_error *error);

/* Is that the name of a user's own environment: FILE.xml, or a FILE.yaml with keys of a task (and not of a configuration)? */
bool ml3_env_is_file(const char *name);

/* The same for a file that is called by another name than its path: the copy of a model, by the model's. */
const ml3_env_spec *ml3_env_open(const char *path, const char *name, ml3_error *error);

/* The version of the MuJoCo that simulates, as it says itself: "4.0.0". */
const char *ml3_env_simulator(void);

/* A copy of the spec whose goal is all of the task's parameters, for policies that may know what is hidden: experts at meta-train
   time, an upper reference. Tasks are those of its own distribution. The caller frees it; NULL without memory. */
ml3_env_spec *ml3_env_reveal(const ml3_env_spec *spec);

/* ---- instances ----------------------------------------------------------------------------- */

/* Vectors of one step stand on the stack, wherever they are needed: entries of a state, an observation, an action, a goal, a
   task. */
enum { ML3_ENV_MAX_ENTRIES = 1 << 16 };
int ml3_env_check_sizes(const ml3_env_spec *spec, ml3_error *error); /* ML3_OK, or a sentence; ml3_env_new asks it */

/* A new instance with the default task, reset from seed 0. Freed by ml3_env_free. */
ml3_env *ml3_env_new(const ml3_env_spec *spec, ml3_error *error);
void ml3_env_free(ml3_env *env);

/* Another instance in the same full state. */
ml3_env *ml3_env_clone(const ml3_env *env, ml3_error *error);

/* Starts an episode. task[task_dim] or NULL for the parameters' default values; random NULL: a stream of seed 0. */
void ml3_env_reset(ml3_env *env, const double *task, ml3_random *random);

/* One step. Truncation by spec->horizon is added here. Stepping on after the end is allowed (planners
   do); `truncated` then stays true. An action that is no finite number, or none of the choices, leaves everything as it
   was: result.code. Where the simulation diverges or the reward is no finite number, result.code says so, and the task
   begins again. */
ml3_env_result ml3_env_step(ml3_env *env, const double *action);

/* The same; a negative result.code is returned, with a sentence that names environment, step and action. */
int ml3_env_step_checked(ml3_env *env, const double *action, ml3_env_result *result, ml3_error *error);

/* Begins elsewhere what the next ml3_env_step with that action, or (NULL) the next look after ml3_env_reset, then waits for:
   so one thread keeps many worker processes busy. Does nothing where an environment has no such thing. */
void ml3_env_send(ml3_env *env, const double *action);

/* Did an instance of an environment of others fail? ML3_OK, or the sentence; the failure stays. Whoever steps environments
   in a loop asks after it. */
int ml3_env_failed(const ml3_env_spec *spec, ml3_error *error);

/* How many of `threads` (0: as many as there are) may step instances of that spec at once. */
int ml3_env_threads(const ml3_env_spec *spec, int threads);

/* The sentence for a step's negative result.code; `what` names the environment ("environment 'reacher'"), step counts
   from 0, `said` is warnings.failure of the instance, or NULL. */
int ml3_env_step_error(const ml3_env_spec *spec, const char *what, int step, const double *action, const char *said,
                       ml3_error *error);

void ml3_env_observe(const ml3_env *env, double *obs);     /* obs[obs_dim] */
void ml3_env_goal(const ml3_env *env, double *goal);       /* goal[goal_dim] */
void ml3_env_get_state(const ml3_env *env, double *state); /* state[state_dim] */
void ml3_env_set_state(ml3_env *env, const double *state); /* task and step count are kept; nothing where it cannot be */

/* The full state: task, step count and all that going on with the same bits needs (a simulation's time and warm start
   too). full[ml3_env_full_dim]; fits every instance of the same spec. */
int ml3_env_full_dim(const ml3_env *env);
void ml3_env_get_full(const ml3_env *env, double *full);
void ml3_env_set_full(ml3_env *env, const double *full);

double ml3_env_distance(const ml3_env *env); /* to the goal, in the goal's unit */
bool ml3_env_success(const ml3_env *env); /* is the goal reached in this state */

/* a[state_dim * state_dim], b[state_dim * action_dim], row-major; exact where the environment can,
   differences otherwise: centred, or one-sided where an action is at its bound (beyond it: 0). NAN throughout where
   MuJoCo gave up or diverged: warnings.failure says why. The state stays as it is. */
void ml3_env_linearize(ml3_env *env, const double *action, double *a, double *b);

/* The expansion of the step from the present state under action, whose a and b are given: false where the environment has
   none. All is NAN where the simulation diverged. A state must be set before the instance is used again. */
bool ml3_env_expand(ml3_env *env, const double *action, ml3_env_expansion *expansion);

/* The kind's name in files ("lost_contacts"), and a sentence of how often and what helps, or "" where there was none. */
const char *ml3_env_warning_name(ml3_env_warning kind);
const char *ml3_env_warning_tell(const ml3_env_warnings *warnings, ml3_env_warning kind, char *text, size_t size);

/* Adds to a sum what another has counted. */
void ml3_env_warnings_add(ml3_env_warnings *sum, const ml3_env_warnings *more);

/* A copy of what a spec's tally has now, which instances on other threads may be adding to; 0 where it has none. */
ml3_env_warnings ml3_env_tally(const ml3_env_spec *spec);

/* For environments: MuJoCo warned `count` times, in those words. */
void ml3_env_warn(ml3_env *env, ml3_env_warning kind, int count, const char *text);

/* For the hand in a window: point[3] and force[3] in the scene's world. False where the environment has no such thing. */
bool ml3_env_move_goal(ml3_env *env, const double *point);
bool ml3_env_push(ml3_env *env, int body, const double *point, const double *force);

/* Can a number of an action be that? Where it cannot, a step is refused. */
bool ml3_env_takes(const ml3_env_spec *spec, double action);

/* A uniform action: within its bounds (+-1 where there are none), or one of the choices. action[action_dim]. */
void ml3_env_draw_action(const ml3_env_spec *spec, ml3_random *random, double *action);

/* For what needs derivatives by actions, such as iLQR: ML3_OK, or a sentence that `what` cannot be with discrete ones. */
int ml3_env_need_continuous(const ml3_env_spec *spec, const char *what, ml3_error *error);

/* For what sets states, such as a plan: ML3_OK, or a sentence that `what` cannot be, since those of the environment cannot. */
int ml3_env_need_state(const ml3_env_spec *spec, const char *what, ml3_error *error);

/* A task drawn from the ranges. task[task_dim]. */
void ml3_env_sample_task(const ml3_env_spec *spec, ml3_random *random, double *task);
/* The same from another split, where the environment has some and is not one of them itself, as NAME:ood is. */
void ml3_env_sample_split(const ml3_env_spec *spec, int split, ml3_random *random, double *task);

/* The default task. */
void ml3_env_default_task(const ml3_env_spec *spec, double *task);

/* Is the goal a state: the same entries, by name? */
bool ml3_env_goal_is_state(const ml3_env_spec *spec);

/* Index of the task parameter of that name, or -1. */
int ml3_env_task_index(const ml3_env_spec *spec, const char *name);

#ifdef __cplusplus
}
#endif

#endif
