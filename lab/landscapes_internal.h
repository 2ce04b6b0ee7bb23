/* What the files of landscapes share: landscapes.c (opening, the path of the updates, files), landscapes_parameters.c (over an
   optimizee's parameters) and landscapes_features.c (over features of the loss). */
#ifndef ML3_LAB_LANDSCAPES_INTERNAL_H
#define ML3_LAB_LANDSCAPES_INTERNAL_H

#include "lab/adapt_internal.h"
#include "lab/landscapes.h"
#include "metaloss/landscape.h"

typedef struct inspecting {
  ml3_lab_adapting adapting;
  ml3_lab_landscapes *found;
  const char *features; /* "X,Y" or NULL */
  int task_number, updates, points;
  bool random_directions;
  const ml3_lab_config *config; /* these are of what adapts */
  const ml3_problem *problem;
  const ml3_loss *loss;
  const ml3_meta *meta;
  ml3_meta_work *work;
  const ml3_real *task;
  ml3_real *theta;   /* [updates + 1][theta_size] the path of the updates */
  ml3_real *a, *b;   /* [theta_size] directions */
  ml3_random random; /* after the task was drawn */
} inspecting;

/* Draws a held-out task and lets an optimizee learn it: theta[0 .. updates]. */
int landscapes_learn(inspecting *s, int number, ml3_error *error);
const ml3_real *landscapes_theta(const inspecting *s, int k); /* theta_k */
const char *landscapes_descended(const inspecting *s);        /* what the updates descend */

/* NAME.csv. rows[height]: what y is there, where rows are not evenly spaced; or NULL. */
int landscapes_save(const inspecting *s, const char *name, const char *header, const ml3_landscape *l,
                    const double *rows, ml3_error *error);
/* Notes what was written. A picture that could not be made is no failure: the numbers are in the CSV. */
void landscapes_note(const inspecting *s, const char *name, int code, const ml3_error *plot);
/* Maps of learned and, where there is one, task loss side by side, with a path over them. */
void landscapes_maps(const inspecting *s, const char *name, const char *title, const char *x_label, const char *y_label,
                     const char *const *titles, const ml3_landscape *l, const double *path_x, const double *path_y,
                     int path_count);

int landscapes_check(const inspecting *s, ml3_error *error); /* that the features asked for are there */
int landscapes_line(inspecting *s, ml3_error *error);
int landscapes_plane(inspecting *s, ml3_error *error);
int landscapes_scalar(inspecting *s, ml3_error *error); /* for an optimizee of one parameter: line and map of tasks */
int landscapes_loss(inspecting *s, ml3_error *error);

#endif
