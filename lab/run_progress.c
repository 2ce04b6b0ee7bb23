/* See run_progress.h. */
#include "lab/run_progress.h"

#include <string.h>

#include "lab/json.h"
#include "lab/learners.h"
#include "metaloss/options.h"
#include "nn/checkpoint.h"

/* What a run counts: outer steps, or updates of a policy by itself. */
typedef struct counted {
  const char *key, *name, *in_summary;
  int64_t planned;
} counted;

int64_t ml3_lab_run_steps(const ml3_lab_config *c) {
  return ml3_lab_trains_policy(c) ? ML3_LAB_GET(c, learner)->updates : ML3_LAB_GET(c, outer)->steps;
}

static counted counted_of(const ml3_lab_config *c) {
  const int64_t steps = ml3_lab_run_steps(c);
  return ml3_lab_trains_policy(c) ? (counted){"learner.updates", "update", "updates", steps}
                                  : (counted){"outer.steps", "outer step", "outer_steps", steps};
}

/* A run that was killed between its last step and its summary still has to be concluded. */
static bool summary_is_of(const char *folder, const char *key, int64_t done) {
  json_t *summary = ml3_lab_json_summary(folder);
  const json_t *steps = json_object_get(summary, key);
  const bool is = json_is_integer(steps) && json_integer_value(steps) == (json_int_t)done;
  json_decref(summary);
  return is;
}

int ml3_lab_run_may_resume(const char *folder, const ml3_lab_config *config, const ml3_lab_run_progress *progress,
                           ml3_error *error) {
  const counted c = counted_of(config);
  const long long done = (long long)progress->done;
  if (progress->done > c.planned)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s' is at %s %lld already, past %s=%lld; it can only go on to more, with --set %s=N", folder,
                         c.name, done, c.key, (long long)c.planned, c.key);
  if (progress->done < c.planned && !progress->stale) return ML3_OK;
  if (!summary_is_of(folder, c.in_summary, progress->done)) return ML3_OK;
  if (progress->done < c.planned)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "'%s' is finished: it stopped at %s %lld of %lld, since %lld validations brought nothing "
                         "better; a larger validation.patience lets it go on",
                         folder, c.name, done, (long long)c.planned,
                         (long long)ML3_LAB_GET(config, validation)->patience);
  return ml3_error_set(error, ML3_ERR_ARGUMENT,
                       "'%s' is finished: it has made %lld of %lld %ss; --set %s=N with more lets it go on", folder,
                       done, (long long)c.planned, c.name, c.key);
}

bool ml3_lab_run_is_finished(const char *folder, const ml3_lab_config *config) {
  const counted c = counted_of(config);
  json_t *summary = ml3_lab_json_summary(folder);
  const json_t *steps = json_object_get(summary, c.in_summary);
  const json_t *patience = json_object_get(summary, "stopped_by_patience");
  const bool all = json_is_integer(steps) && json_integer_value(steps) == (json_int_t)c.planned;
  const bool stale =
      json_is_integer(patience) && json_integer_value(patience) == ML3_LAB_GET(config, validation)->patience;
  json_decref(summary);
  return all || stale;
}

int64_t ml3_lab_run_steps_done(const char *folder) {
  char path[ML3_LAB_PATH_MAX], found[ML3_LAB_PATH_MAX];
  ml3_error damage = {0};
  int64_t counters[64] = {0};
  ml3_lab_run_path(folder, "checkpoint", path);
  if (ml3_nn_checkpoint_find(path, found, sizeof found, &damage, NULL) != ML3_OK) return 0;
  ml3_nn_tensors *f = ml3_nn_checkpoint_load(found, NULL);
  const size_t count = f ? ml3_nn_tensors_size(f, "counters") : 0; /* the first is the step */
  if (count > 0 && count <= sizeof counters / sizeof *counters &&
      ml3_nn_tensors_get_ints(f, "counters", (int)count, counters, NULL) != ML3_OK)
    counters[0] = 0;
  ml3_nn_tensors_free(f);
  return counters[0];
}
