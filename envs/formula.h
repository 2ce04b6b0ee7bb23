/* What environments that are written as formulas have in common. Their data are numbers: first the state, behind it what else they
   keep, which a reset sets to 0. Their task begins with the state to start from, behind it the goal. Internal. */
#ifndef ML3_ENVS_FORMULA_H
#define ML3_ENVS_FORMULA_H

#include "envs/env.h"

enum { ML3_FORMULA_NUMBERS = 4 }; /* room for data */

static inline double ml3_clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

int ml3_formula_create(ml3_env *env, ml3_error *error);
void ml3_formula_destroy(ml3_env *env);
void ml3_formula_reset(ml3_env *env, ml3_random *random); /* the task says it all */
void ml3_formula_get_state(const ml3_env *env, double *state);
void ml3_formula_set_state(ml3_env *env, const double *state);
void ml3_formula_goal(const ml3_env *env, double *goal);

/* Functions of a specification. */
#define ML3_FORMULA_DATA                                                                            \
  .create = ml3_formula_create, .destroy = ml3_formula_destroy, .get_state = ml3_formula_get_state, \
  .set_state = ml3_formula_set_state

/* Task parameters: one that tasks do not change, one within +-BY of 0. */
#define ML3_FIXED(NAME, UNIT, VALUE) \
  { .name = NAME, .unit = UNIT, .value = VALUE, .low = VALUE, .high = VALUE }
#define ML3_AROUND_0(NAME, UNIT, BY) \
  { .name = NAME, .unit = UNIT, .value = 0, .low = -(BY), .high = BY }

#endif
