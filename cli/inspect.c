/* ml3 inspect: landscapes of what an optimizee descends (lab/landscapes.h). */
#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "lab/landscapes.h"

int cli_inspect(int argc, const char **argv) {
  const char *directions = "updates";
  ml3_lab_landscape_settings s = {.points = 41};
  const struct poptOption own[] = {
      {"task", 't', POPT_ARG_INT, &s.task, 0, "index of the held-out task (0)", "N"},
      {"updates", 'n', POPT_ARG_INT, &s.updates, 0, "updates whose path is shown (inner.steps times inner.lifetime)",
       "N"},
      {"points", 'p', POPT_ARG_INT, &s.points, 0, "points along each side of a plane (41)", "N"},
      {"directions", 'd', POPT_ARG_STRING, &directions, 0,
       "directions of the plane: updates (one along the updates, one random), or random (two random ones around the last parameters)", "KIND"},
      {"features", 'f', POPT_ARG_STRING, &s.features, 0, "plot the learned loss over these two features", "X,Y"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN [OPTIONS]",
      "Plots the learned loss and the task loss as functions of the policy's parameters, along its updates and over\n"
      "a plane through them, and the learned loss over two of its input features (prediction and target).",
      "Writes landscape_*.csv, .png and .svg into the run's folder. Random directions are filter-normalised.");
  if (answer >= 0) return answer;
  ml3_error error = {0};
  ml3_lab_landscapes found = {0};
  cli_console console;
  cli_console_open(&console, "inspect", options.quiet);
  s.run = options.argument, s.settings = options.sets, s.count = options.set_count, s.callbacks = &console.callbacks;
  s.random_directions = strcmp(directions, "random") == 0;
  const int code = s.random_directions || strcmp(directions, "updates") == 0
                       ? ml3_lab_landscapes_draw(&s, &found, &error)
                       : ml3_error_set(&error, ML3_ERR_ARGUMENT,
                                       "--directions is '%s'; updates and random are possible", directions);
  for (int i = 0; i < found.count; i++)
    if (*found.files[i].no_picture)
      printf("%s/%s.csv; no picture: %s\n", found.folder, found.files[i].name, found.files[i].no_picture);
    else
      printf("%s/%s.png, .svg, .csv\n", found.folder, found.files[i].name);
  return cli_end("inspect", code, &error);
}
