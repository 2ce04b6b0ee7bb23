/* What the comparison's files share: compare_lineup.c (who takes part), compare.c and trial.c (the judge). */
#ifndef ML3_AGENTS_COMPARE_INTERNAL_H
#define ML3_AGENTS_COMPARE_INTERNAL_H

#include "agents/compare/compare.h"
#include "agents/compare/method.h"

enum { ML3_COMPARE_MAX_ENTRIES = ML3_COMPARE_MAX_METHODS + ML3_COMPARE_MAX_LOSSES * 4 };

/* What is reported of a trial, and the clock. */
struct ml3_trial_judge {
  double env_steps, seconds, begun;
  ml3_compare_points *points;
  ml3_episode *episode; /* scratch */
  ml3_episode **kept;   /* where episodes of points of interest go, or NULL */
  int *kept_count, kept_capacity;
  bool last_only; /* of them, the last point's alone */
  const char *label;
};

/* A method with the loss it runs with. */
typedef struct entry {
  const ml3_method *method;
  const ml3_compare_loss *loss;
  const ml3_playable *play;
  char label[64];
  void *shared;
  bool borrowed; /* shared is another entry's */
  double once_steps;
} entry;

typedef struct lineup {
  entry entries[ML3_COMPARE_MAX_ENTRIES];
  int count;
  char notes[512];
} lineup;

/* Prepares those methods, each with every loss where it needs one; ml3_compare_check has found that they can. Release it
   also after a failure. */
int ml3_compare_line_up(lineup *l, const ml3_arena *arena, const char *const *methods, int count, ml3_error *error);
void ml3_compare_release(lineup *l);

#endif
