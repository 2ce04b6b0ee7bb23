/* Learners that need no learned loss, under one loop: collect, update, evaluate. All are counted alike: an update is one
   call of ml3_learner_update, environment steps are those that its rollouts took.

   Adding one: a file with its settings, their table of keys and a `const ml3_learner_kind`, and its name in learners.h. */
#ifndef ML3_AGENTS_LEARNER_H
#define ML3_AGENTS_LEARNER_H

#include "agents/learn/learners.h"
#include "agents/learn/rollout.h"
#include "base/keys.h"
#include "nn/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is learned, where, and how: of every learner. */
typedef struct ml3_learner_settings {
  const ml3_env_spec *env;
  void *owned;         /* freed with the learner, or when making it fails: the narrowed env; or NULL */
  const double *task;  /* [task_dim] the one to learn, from its starts; NULL: every episode draws its own. Copied */
  const double *start; /* [state_dim] of every episode; NULL: drawn. Copied */
  ml3_policy policy;   /* its shape and initial normalisation; Gaussian or categorical, or what the learner makes of it.
                          Copied */
  uint64_t seed;
  int envs, steps;    /* environments side by side, and steps of each, for an update */
  int horizon;        /* of an episode; 0: the environment's */
  int threads;        /* that step environments */
  int64_t updates;    /* in all: for the schedule of a step size */
  bool normalize_obs; /* running, as the rollouts go */
  const void
      *own; /* the learner's own settings, of the struct that kind->keys is about. Copied; NULL: their initial values */
} ml3_learner_settings;

enum { ML3_LEARNER_METRICS_MAX = 16 };

/* What an update found; NAN where there is no such thing. */
typedef struct ml3_learner_report {
  int64_t updates, env_steps; /* done so far */
  int episodes;               /* that ended in this update's rollouts, and their means */
  double episode_return, episode_length, distance;
  double success, passed; /* shares of episodes at the goal in their last state, and in any */
  int diverged;           /* episodes of this update that the simulation's divergence ended, in none of the means */
  double rate;            /* step size of the policy's optimizer */
  double own[ML3_LEARNER_METRICS_MAX]; /* by the order of kind->metrics */
} ml3_learner_report;

typedef struct ml3_learner ml3_learner;

/* A kind of learner: what it is called, its keys, and a table of functions. */
typedef struct ml3_learner_kind {
  const char *name, *label; /* for users to type; for tables and plots */
  const char *summary;
  const ml3_keys *keys; /* of its own settings; NULL: it has none */
  const char
      *defaults; /* "key=value key=value": what others' keys (policy.*, learner.envs ...) are where nothing is said */
  const char *const *metrics; /* names of report->own[], up to NULL; NULL: there are none */
  bool collects;              /* false: it takes no steps */
  bool whole_episodes;        /* environments are reset before each collection */
  bool stepwise;              /* learns after each step of the environments instead of after all of an update's */
  bool uniform;               /* judged by uniform actions instead of its policy's mean */
  int (*policy)(ml3_policy *policy,
                ml3_error *error); /* makes it of the kind that it learns; NULL: as it is */
  int (*create)(ml3_learner *learner, ml3_error *error); /* parameters, and learner->own */
  void (*destroy)(ml3_learner *learner);
  bool (*explores)(const ml3_learner *learner); /* are the next actions uniform? NULL: never */
  int (*update)(ml3_learner *learner, ml3_learner_report *report, ml3_error *error); /* from learner->rollout */
  /* What of learner->own a checkpoint needs; NULL: nothing. */
  int (*put)(const ml3_learner *learner, ml3_nn_tensors *file, ml3_error *error);
  int (*get)(ml3_learner *learner, const ml3_nn_tensors *file, ml3_error *error);
} ml3_learner_kind;

/* A learner at work. */
struct ml3_learner { /* read-only for callers */
  const ml3_learner_kind *kind;
  ml3_learner_settings settings; /* settings.own: its copy */
  double *task;                  /* [task_dim], or NULL */
  ml3_policy policy;             /* with its normalisation so far */
  int size;                      /* of parameters */
  ml3_real *parameters;          /* theta first, then what else is learned */
  ml3_nn_optimizer optimizer;    /* of the first optimizer.size parameters: all, or the policy's */
  ml3_normalizer normalizer;
  ml3_sampler *sampler;
  ml3_rollout *rollout;
  void *own_settings; /* what settings.own points to */
  int64_t updates, env_steps;
  int64_t diverged;     /* episodes that ended because the simulation diverged, so far */
  int diverged_updates; /* the last updates in a row in which every environment diverged, and no episode ended otherwise */
  void *own;
};

/* Keys that every learner has. */
typedef struct ml3_learner_options {
  int64_t updates, envs, steps, task;
} ml3_learner_options;
extern const ml3_keys ml3_learner_keys;

const ml3_learner_kind *ml3_learner_at(int index); /* in the order of learners.h; NULL behind the last */
int ml3_learner_index(const ml3_learner_kind *kind); /* where it is in that order */
/* The kind of that name; NULL with a sentence that names the nearest. */
const ml3_learner_kind *ml3_learner_find(const char *name, ml3_error *error);

/* Usual ones for that environment and policy, with the learner's own at their initial values. */
ml3_learner_settings ml3_learner_defaults(const ml3_env_spec *env, const ml3_policy *policy);

/* Freed by ml3_learner_free. */
ml3_learner *ml3_learner_new(const ml3_learner_kind *kind, const ml3_learner_settings *settings, ml3_error *error);
void ml3_learner_free(ml3_learner *learner);

/* Collects envs x steps and learns from them. A parameter that is not finite gives ML3_ERR_NUMERIC and a sentence; a simulation
   that diverges ends that episode (rollout.h), and is ML3_ERR_NUMERIC only where for three updates in a row every
   environment diverged and no episode ended otherwise. */
int ml3_learner_update(ml3_learner *learner, ml3_learner_report *report, ml3_error *error);

/* The number of that name among kind->metrics; NAN where there is none. */
double ml3_learner_metric(const ml3_learner_kind *kind, const ml3_learner_report *report, const char *name);

/* Judges the policy's mean on a task (the learner's own when NULL): see ml3_judge. */
int ml3_learner_evaluate(const ml3_learner *learner, const double *task, int episodes, uint64_t key,
                         ml3_outcome *outcome, ml3_error *error);

/* Everything to go on with the same bits (parameters, optimizer, counters, normalisation, every environment as it stands), as
   nn/checkpoint.h writes it. Loading checks that the file is whole and of a learner like this one. */
int ml3_learner_save(const ml3_learner *learner, const char *path, ml3_error *error);
int ml3_learner_load(ml3_learner *learner, const char *path, ml3_error *error);

/* ---- for kinds -------------------------------------------------------------------------------------------- */

/* parameters[size] of zeros, and the optimizer for the first `optimized` of them. */
int ml3_learner_allocate(ml3_learner *learner, int size, int optimized, const ml3_nn_optimizer_settings *settings,
                         ml3_error *error);
/* One step of an optimizer (the learner's, or one of the kind's own) on parameters[optimizer->size]; a gradient that is not
   finite is an error that names `what`. */
int ml3_learner_descend(ml3_learner *learner, ml3_nn_optimizer *optimizer, ml3_real *parameters,
                        const ml3_real *gradient, const char *what, ml3_error *error);
/* A normalizer under that name. */
int ml3_normalizer_put(const ml3_normalizer *normalizer, ml3_nn_tensors *file, const char *name, ml3_error *error);
int ml3_normalizer_get(ml3_normalizer *normalizer, const ml3_nn_tensors *file, const char *name, ml3_error *error);
/* An optimizer's moments and steps under names that begin with `name`. */
int ml3_optimizer_put(const ml3_nn_optimizer *optimizer, ml3_nn_tensors *file, const char *name, ml3_error *error);
int ml3_optimizer_get(ml3_nn_optimizer *optimizer, const ml3_nn_tensors *file, const char *name, ml3_error *error);

/* What learners that follow the gradient of the policy they act by have alike: metrics, and others' keys. */
enum {
  ML3_METRIC_POLICY_LOSS,
  ML3_METRIC_VALUE_LOSS,
  ML3_METRIC_ENTROPY,
  ML3_METRIC_OLD_KL,
  ML3_METRIC_KL,
  ML3_METRIC_CLIPPED,
  ML3_METRIC_EXPLAINED
};
extern const char *const ml3_on_policy_metrics[];
extern const char ml3_on_policy_defaults[];

#define ML3_LEARNER_DECLARE(name) extern const ml3_learner_kind ml3_learner_##name;
ML3_LEARNERS(ML3_LEARNER_DECLARE)

#ifdef __cplusplus
}
#endif

#endif
