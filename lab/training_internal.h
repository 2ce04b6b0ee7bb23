/* What the files of a training share: training.c (starting, the loop), training_ranks.c (what several ranks agree on), and what
   can learn: training_loss.c (a learned loss or start), training_policy.c (a policy by a learner). */
#ifndef ML3_LAB_TRAINING_INTERNAL_H
#define ML3_LAB_TRAINING_INTERNAL_H

#include <jansson.h>

#include "agents/learn/learner.h"
#include "lab/experiment.h"
#include "lab/log.h"
#include "lab/run_environment.h"
#include "lab/run_progress.h"
#include "lab/training.h"

typedef struct training training;

/* Something that learns: a table of functions. Where several ranks train, all call each alike, but for those marked: these
   are called by the first, which writes. */
typedef struct training_kind {
  const char *step_name;      /* "outer step" */
  const char *const *metrics; /* [metric_count] columns of metrics.csv; `open` may add more to them */
  int metric_count;
  int (*open)(training *t, ml3_error *error); /* from t->config; what it leaves after a failure is closed */
  void (*close)(training *t);
  int (*save)(const training *t, const char *path, ml3_error *error); /* a checkpoint */
  int (*load)(training *t, const char *path, ml3_error *error);
  ml3_lab_run_progress (*progress)(const training *t);
  int64_t (*logged)(const training *t);                     /* the step of a line of metrics.csv now */
  const ml3_env_spec *(*env)(const training *t);            /* whose warnings count; or NULL */
  int (*step)(training *t, ml3_error *error);               /* one, and its metrics */
  int (*validate)(training *t, ml3_error *error);           /* NULL: there is no such thing */
  void (*describe)(const training *t);                      /* NULL, or details for those who want them */
  void (*note)(const training *t, char *text, size_t size); /* for the progress line */

  int (*keep)(training *t, ml3_error *error); /* the first rank: what was learned, into the folder */
  /* The first rank: the result, and what summary.json says: an empty object to fill. */
  int (*summarize)(training *t, ml3_lab_result *result, json_t *summary, ml3_error *error);
} training_kind;

/* A training at work. */
struct training {
  ml3_lab_config config;
  int64_t steps, validate_every; /* of the configuration: all steps, and those between validations */
  const training_kind *kind;
  ml3_lab_callbacks callbacks; /* of a rank that does not write: folder and interruption alone */
  char folder[ML3_LAB_PATH_MAX];
  ml3_lab_run_environment *kept;              /* what the run is to keep of its environment; NULL: nothing */
  ml3_lab_log *log;                           /* NULL on ranks that do not write */
  const char *columns[ML3_LAB_LOG_NAMES_MAX]; /* of metrics.csv */
  int column_count;
  const ml3_ranks *ranks;    /* NULL: one process */
  bool lost;                 /* a rank is gone, or this one alone has failed */
  int speaker;               /* the rank that tells what all have failed at */
  double begun_s, saved_s;   /* by ml3_clock_s; of ml3_lab_checkpoint_due */
  unsigned said_warnings;    /* kinds, as bits */
  ml3_env_warnings warnings; /* of all ranks, when the loop has ended */

  /* of a learned loss or start */
  ml3_problem *problem;
  ml3_trainer *trainer;
  ml3_trainer_settings trainer_settings;
  bool acts; /* the problem takes steps of an environment or a model */
  bool told_trouble;
  double objective; /* of the last step */

  /* of a policy */
  ml3_learner *learner;
  int64_t begun_env_steps;
  double last_return;
};

extern const training_kind training_loss, training_policy;

/* Of several ranks the first one writes and speaks. */
static inline bool training_writes(const training *t) {
  return !t->ranks || t->ranks->rank == 0;
}

/* A line of metrics.csv, and for the callback: values[column_count]. */
int training_write_metrics(training *t, const double *values, ml3_error *error);

/* ---- training_ranks.c: one process agrees with itself ---- */

/* What this rank alone has tried: when that fails, the others cannot know. */
int training_alone(training *t, int code);
/* What the first rank found out holds for all. */
int training_agree(training *t, int code, ml3_error *error);
/* All or none: how every rank has started, and whether by the same numbers (sum, at that step); the folder is the first one's. */
int training_start_together(training *t, int code, uint32_t sum, int64_t step, ml3_error *error);
/* Sums up what MuJoCo warned of on all ranks, which call this together. */
int training_sum_warnings(training *t, ml3_error *error);

#endif
