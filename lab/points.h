/* Configurations to try: a grid of every combination of some keys' values, or points drawn at random from ranges (Bergstra and
   Bengio 2012). Point i is the same whenever it is asked for: what is drawn is named by seed and point. */
#ifndef ML3_LAB_POINTS_H
#define ML3_LAB_POINTS_H

#include "lab/config.h"

enum { ML3_LAB_AXES_MAX = 16, ML3_LAB_AXIS_VALUES_MAX = 64, ML3_LAB_POINTS_MAX = 1000, ML3_LAB_POINT_NAME = 512 };

typedef enum ml3_lab_axis_kind {
  ML3_LAB_AXIS_VALUES,  /* one of a list */
  ML3_LAB_AXIS_LINEAR,  /* uniform between two numbers */
  ML3_LAB_AXIS_LOG,     /* its logarithm uniform */
  ML3_LAB_AXIS_INTEGER, /* a uniform whole number, both ends included */
} ml3_lab_axis_kind;

typedef struct ml3_lab_axis {
  char key[64];
  ml3_lab_axis_kind kind;
  char values[ML3_LAB_AXIS_VALUES_MAX][64]; /* of a list */
  int count;
  double low, high; /* of a range */
} ml3_lab_axis;

typedef struct ml3_lab_points {
  ml3_lab_axis axes[ML3_LAB_AXES_MAX];
  int axis_count, count; /* count: points */
  bool drawn;            /* at random, by seed; else a grid, the last axis fastest */
  uint64_t seed;
  const char *where; /* what errors begin with, such as the option that the texts came from; kept */
} ml3_lab_points;

/* Every combination. texts[...], ended by NULL: "key=value,value" (values that are lists in brackets), one an axis. */
int ml3_lab_points_grid(ml3_lab_points *points, const char *const *texts, const char *where, ml3_error *error);

/* `count` points at random. An axis may be a range as well: "key=log:1e-4..1e-2", "key=linear:0..1", "key=integer:1..8". */
int ml3_lab_points_draw(ml3_lab_points *points, const char *const *texts, int count, uint64_t seed, const char *where,
                        ml3_error *error);

/* The value of an axis at point i, into value[64]. */
void ml3_lab_points_value(const ml3_lab_points *points, int i, int axis, char *value);

/* Changes config to point i; name[ML3_LAB_POINT_NAME] (may be NULL) gets what its folder is called: "key=value,key=value", or
   "point-007" where points are drawn. */
int ml3_lab_points_apply(const ml3_lab_points *points, int i, ml3_lab_config *config, char *name, ml3_error *error);

#endif
