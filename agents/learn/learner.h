/* Learners that need no learned loss, under one loop: collect, update, evaluate. All are counted alike: an update is one
   call of ml3_learner_update, environment steps are those that its rollouts took.

   Adding one: a file with a `const ml3_learner_kind`, a line in the table of learner.c. */
#ifndef ML3_AGENTS_LEARNER_H
#define ML3_AGENTS_LEARNER_H

#include "agents/learn/rollout.h"
#include "nn/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is learned, where, and how. */
typedef struct ml3_learner_settings {
  const ml3_env_spec *env;
  void *owned;         /* freed with the learner, or when making it fails: the narrowed env; or NULL */
  const double *task;  /* [task_dim] the one to learn, from its starts; NULL: every episode draws its own. Copied */
  const double *start; /* [state_dim] of every episode; NULL: drawn. Copied */
  ml3_policy policy;   /* Gaussian; the initial normalisation */
  uint64_t seed;
  int envs, steps;       /* environments side by side, and steps of each, for an update */
  int horizon;           /* of an episode; 0: the environment's */
  int threads;           /* that step environments */
  int64_t updates;       /* in all, for the step size's schedule */
  bool normalize_obs;    /* running, as the rollouts go */
  bool normalize_reward; /* by the deviation of the discounted return, to +-10 */
  bool anneal;           /* step size to 0 at `updates` */
  double rate;           /* Adam's step size */
  double discount, lambda;
  double entropy_weight, clip_norm; /* clip_norm 0: none */
  int epochs, minibatches;          /* PPO: passes over a rollout, pieces of one */
  double clip, value_weight;        /* PPO: of the ratio; of the value's loss */
  bool clip_value;                  /* PPO: the value's step is clipped as well */
} ml3_learner_settings;

/* PPO's usual ones, for that environment and policy (CleanRL's ppo_continuous_action; Huang et al. 2022). */
ml3_learner_settings ml3_learner_defaults(const ml3_env_spec *env, const ml3_policy *policy);

/* What an update found; NAN where a learner has no such thing. */
typedef struct ml3_learner_report {
  int64_t updates, env_steps; /* done so far */
  int episodes;               /* that ended in this update's rollout, and their means */
  double episode_return, episode_length, distance;
  double success, passed; /* shares of episodes at the goal in their last state, and in any */
  int diverged;           /* episodes of this rollout that the simulation's divergence ended, in none of the means */
  double policy_loss, value_loss, entropy, old_approx_kl, approx_kl, clip_fraction, explained_variance, rate;
} ml3_learner_report;

typedef struct ml3_learner ml3_learner;

/* A kind of learner: a table of functions. */
typedef struct ml3_learner_kind {
  const char *name, *summary;
  bool collects;                                         /* false: it takes no steps */
  bool whole_episodes;                                   /* environments are reset before each collection */
  int (*create)(ml3_learner *learner, ml3_error *error); /* parameters, and learner->own */
  void (*destroy)(ml3_learner *learner);
  int (*update)(ml3_learner *learner, ml3_learner_report *report, ml3_error *error); /* from learner->rollout */
  bool uniform; /* judged by uniform actions instead of its policy's mean */
  /* What of learner->own a checkpoint needs; NULL: nothing. */
  int (*put)(const ml3_learner *learner, ml3_nn_tensors *file, ml3_error *error);
  int (*get)(ml3_learner *learner, const ml3_nn_tensors *file, ml3_error *error);
} ml3_learner_kind;

/* A learner at work. */
struct ml3_learner { /* read-only for callers */
  const ml3_learner_kind *kind;
  ml3_learner_settings settings;
  double *task;         /* [task_dim], or NULL */
  ml3_policy policy;    /* with its normalisation so far */
  int size;             /* of parameters */
  ml3_real *parameters; /* theta first, then what else is learned */
  ml3_nn_optimizer optimizer;
  ml3_normalizer normalizer;
  ml3_sampler *sampler;
  ml3_rollout *rollout;
  int64_t updates, env_steps;
  int64_t diverged;     /* episodes that ended because the simulation diverged, so far */
  int diverged_updates; /* the last updates in a row in which every environment diverged, and no episode ended otherwise */
  void *own;
};

const ml3_learner_kind *ml3_learner_at(int index); /* NULL behind the last */
/* The kind of that name; NULL with a sentence that names the nearest. */
const ml3_learner_kind *ml3_learner_find(const char *name, ml3_error *error);

/* Freed by ml3_learner_free. */
ml3_learner *ml3_learner_new(const ml3_learner_kind *kind, const ml3_learner_settings *settings, ml3_error *error);
void ml3_learner_free(ml3_learner *learner);

/* Collects envs x steps and learns from them. A parameter that is not finite gives ML3_ERR_NUMERIC and a sentence; a simulation
   that diverges ends that episode (rollout.h), and is ML3_ERR_NUMERIC only where for three updates in a row every environment
   diverged and no episode ended otherwise. */
int ml3_learner_update(ml3_learner *learner, ml3_learner_report *report, ml3_error *error);

/* Judges the policy's mean on a task (the learner's own when NULL): see ml3_judge. */
int ml3_learner_evaluate(const ml3_learner *learner, const double *task, int episodes, uint64_t key,
                         ml3_outcome *outcome, ml3_error *error);

/* Everything to go on with the same bits (parameters, optimizer, counters, normalisation, every environment as it stands), as
   nn/checkpoint.h writes it. Loading checks that the file is whole and of a learner like this one. */
int ml3_learner_save(const ml3_learner *learner, const char *path, ml3_error *error);
int ml3_learner_load(ml3_learner *learner, const char *path, ml3_error *error);

/* ---- for kinds -------------------------------------------------------------------------------------------- */

/* parameters[size] of zeros and the optimizer for them. */
int ml3_learner_allocate(ml3_learner *learner, int size, ml3_error *error);
/* One step of the optimizer; a gradient that is not finite is an error that names `what`. */
int ml3_learner_descend(ml3_learner *learner, const ml3_real *gradient, const char *what, ml3_error *error);
/* A normalizer under that name. */
int ml3_normalizer_put(const ml3_normalizer *normalizer, ml3_nn_tensors *file, const char *name, ml3_error *error);
int ml3_normalizer_get(ml3_normalizer *normalizer, const ml3_nn_tensors *file, const char *name, ml3_error *error);

extern const ml3_learner_kind ml3_learner_ppo, ml3_learner_reinforce, ml3_learner_random;

#ifdef __cplusplus
}
#endif

#endif
