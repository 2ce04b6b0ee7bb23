/* What `ml3 inspect` is made of: inspect.c (the verb, opening, files), inspect_parameters.c (over an optimizee's
   parameters) and inspect_features.c (over features of the loss). */
#ifndef ML3_CLI_INSPECT_INTERNAL_H
#define ML3_CLI_INSPECT_INTERNAL_H

#include "lab/experiment.h"
#include "metaloss/landscape.h"

typedef struct inspecting {
  ml3_lab_config config;
  const char *folder, *features; /* features: "X,Y" or NULL */
  char made[ML3_LAB_PATH_MAX];   /* the folder, where it is not the run's */
  ml3_problem *problem;
  ml3_loss *loss;
  ml3_meta *meta;
  ml3_meta_work *work;
  int task_number, updates, points;
  bool random_directions;
  ml3_real *task, *theta; /* theta[updates + 1][theta_size] the way that the updates take */
  ml3_real *a, *b;        /* [theta_size] directions */
  ml3_random random;      /* after the task was drawn */
} inspecting;

/* Draws a held-out task and lets an optimizee learn it: theta[0 .. updates]. */
int cli_inspect_learn(inspecting *s, int number, ml3_error *error);
const ml3_real *cli_inspect_theta(const inspecting *s, int k); /* theta_k */
const char *cli_inspect_descended(const inspecting *s);        /* what the updates descend */

double *cli_inspect_room(int count); /* zeros, the caller's to free; NULL when out of memory */
/* NAME.csv. rows[height]: what y is there, where rows are not evenly spaced; or NULL. */
int cli_inspect_save(const inspecting *s, const char *name, const char *header, const ml3_landscape *l,
                     const double *rows, ml3_error *error);
/* Says what was written. A picture that could not be made is a pity, not a failure: the numbers are in the CSV. */
void cli_inspect_tell(const inspecting *s, const char *name, int code, const ml3_error *plot);
/* Maps of learned and, where there is one, task loss side by side, with a path over them. */
void cli_inspect_maps(const inspecting *s, const char *name, const char *title, const char *x_label,
                      const char *y_label, const char *const *titles, const ml3_landscape *l, const double *path_x,
                      const double *path_y, int path_count);

int cli_inspect_check(const inspecting *s, ml3_error *error); /* that the features asked for are there */
int cli_inspect_line(inspecting *s, ml3_error *error);
int cli_inspect_plane(inspecting *s, ml3_error *error);
int cli_inspect_scalar(inspecting *s, ml3_error *error); /* for an optimizee of one parameter: line and map of tasks */
int cli_inspect_loss(inspecting *s, ml3_error *error);

#endif
