/* Landscapes of a run: what an optimizee descends, beside the task loss (metaloss/landscape.h), as tables and pictures.

     landscape_line      along the updates that the learned loss makes: theta_0 + x (theta_K - theta_0)
     landscape_plane     through these, or around theta_K, with random filter-normalised directions
     landscape_features  the learned loss itself over two of its features: prediction and target where it has them
     landscape_scalar    an optimizee of one parameter: over it, for tasks sorted by their goal

   each as CSV, PNG and SVG in the run's folder (for the zoo in runs/inspect-NAME). */
#ifndef ML3_LAB_LANDSCAPES_H
#define ML3_LAB_LANDSCAPES_H

#include <stdbool.h>

#include "base/error.h"
#include "lab/callbacks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of what, and how. */
typedef struct ml3_lab_landscape_settings {
  const char *run;             /* its folder, or zoo:NAME */
  const char *const *settings; /* [count] "key=value" over the run's experiment; NULL when count is 0 */
  int count;
  int task;               /* number of the held-out task */
  int updates;            /* whose path is drawn; 0: inner.steps times inner.lifetime */
  int points;             /* along each side of a plane; 0: 41 */
  bool random_directions; /* of the plane: two around where the updates end; else one along them and one across */
  const char *features;   /* "X,Y": the two to draw the learned loss over; NULL: chosen */
  const ml3_lab_callbacks *callbacks;
} ml3_lab_landscape_settings;

/* What was written: FOLDER/NAME.csv, and .png and .svg where there is a picture. */
typedef struct ml3_lab_landscapes {
  char folder[1024];
  int count;
  struct {
    const char *name;
    char no_picture[640]; /* why; "": there is one */
  } files[4];
} ml3_lab_landscapes;

/* Draws them and writes their tables, as settings say; `found` names the files. Nothing is printed. */
int ml3_lab_landscapes_draw(const ml3_lab_landscape_settings *settings, ml3_lab_landscapes *found, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
