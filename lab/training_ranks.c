/* What the ranks of a training agree on. The first one has the clock, the files and the person before it. */
#include <stdlib.h>
#include <string.h>

#include "lab/training_internal.h"

int training_alone(training *t, int code) {
  t->lost = t->lost || (t->ranks && code != ML3_OK);
  return code;
}

int training_agree(training *t, int code, ml3_error *error) {
  int shared = code;
  const int lost = ml3_ranks_broadcast(t->ranks, 0, &shared, sizeof shared, error);
  return code != ML3_OK ? code : lost != ML3_OK ? lost : shared;
}

/* How a rank has started. */
typedef struct started {
  int64_t code, step;
  uint32_t sum;
} started;

/* The first of the ranks that failed answers for all. Codes alone, or the same numbers as well. */
static int compare_starts(training *t, const started *own, ml3_error *error) {
  const int count = t->ranks->count;
  started all[count + 1];
  memset(all, 0, sizeof all);
  all[t->ranks->rank] = *own;
  ml3_error lost = {0};
  if (training_alone(t, ml3_ranks_share(t->ranks, all, count, sizeof *all, &lost)) != ML3_OK)
    return own->code != ML3_OK ? (int)own->code : ml3_error_set(error, lost.code, "%s", lost.message);
  for (int i = 0; i < count; i++) {
    if (all[i].code != ML3_OK) return t->speaker = i, (int)all[i].code;
    if (all[i].step != all[0].step || all[i].sum != all[0].sum)
      return ml3_error_set(error, ML3_ERR_FORMAT,
                           "rank %d begins with other numbers than rank 0: another configuration, build, checkpoint or "
                           "kind of processor; ranks need the same of each",
                           i);
  }
  return ML3_OK;
}

int training_start_together(training *t, int code, uint32_t sum, int64_t step, ml3_error *error) {
  if (!t->ranks) return code;
  const started own = {.code = code, .step = step, .sum = sum};
  code = compare_starts(t, &own, error);
  if (code != ML3_OK) return code;
  return training_alone(t, ml3_ranks_broadcast(t->ranks, 0, t->folder, sizeof t->folder, error));
}

int ml3_lab_train_agree(const ml3_ranks *ranks, int code, ml3_lab_result *result, ml3_error *error) {
  if (!ranks) return code;
  training t = {.ranks = ranks};
  const started own = {.code = code};
  code = compare_starts(&t, &own, error);
  if (result) result->speaker = t.speaker, result->lost = t.lost;
  return code;
}

int training_sum_warnings(training *t, ml3_error *error) {
  const int count = t->ranks ? t->ranks->count : 1;
  ml3_env_warnings *all = calloc((size_t)count, sizeof *all);
  t->warnings = (ml3_env_warnings){0};
  if (!all) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the warnings of %d ranks", count);
  all[t->ranks ? t->ranks->rank : 0] = ml3_env_tally(t->kind->env(t));
  const int code = t->ranks ? training_alone(t, ml3_ranks_share(t->ranks, all, count, sizeof *all, error)) : ML3_OK;
  for (int i = 0; i < count && code == ML3_OK; i++) ml3_env_warnings_add(&t->warnings, &all[i]);
  free(all);
  return code;
}
