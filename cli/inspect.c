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
      {"task", 't', POPT_ARG_INT, &s.task, 0, "number of the held-out task (0)", "N"},
      {"updates", 'n', POPT_ARG_INT, &s.updates, 0, "updates whose way is shown (inner.steps times inner.lifetime)",
       "N"},
      {"points", 'p', POPT_ARG_INT, &s.points, 0, "points along each side of a plane (41)", "N"},
      {"directions", 'd', POPT_ARG_STRING, &directions, 0,
       "of the plane: updates (one along them, one random across), or random (two, around where they end)", "KIND"},
      {"features", 'f', POPT_ARG_STRING, &s.features, 0, "two features to show the learned loss over", "X,Y"},
      POPT_TABLEEND};
  cli_options options = {0};
  int answer = cli_options_read(
      &options, argc, argv, own, "RUN [OPTIONS]",
      "Draws the landscape of what an optimizee descends beside the task loss: along its updates, over a\n"
      "plane through them, and the learned loss over two of its features (prediction and target).",
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
