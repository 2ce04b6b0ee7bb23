/* Many runs: see train_many.h. What each would do is tried first, so that a mistake is an error before anything is written. */
#define _POSIX_C_SOURCE 200809L
#include "cli/train_many.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/console.h"
#include "cli/seeds.h"
#include "cli/sweep.h"
#include "lab/experiment.h"
#include "lab/run_environment.h"

int cli_many_check(const cli_many *m, bool *is_many, ml3_error *error) {
  *is_many = m->seeds != 0 || m->sweeps || m->search != 0 || m->over;
  if (m->seeds < 0 || m->seeds > CLI_SEEDS_MAX)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--seeds is %d; 1 to %d are possible", m->seeds, CLI_SEEDS_MAX);
  if (m->sweeps && (m->search || m->over))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--sweep is a grid, --search draws at random: use either");
  if (m->search && !m->over)
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--search %d needs ranges to search: --over KEY=log:LOW..HIGH or --over KEY=VALUE,VALUE",
                         m->search);
  if (m->over && !m->search)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "--over is for a random search: --search N says how many points");
  return ML3_OK;
}

/* The configuration that the options name, or that of `file` in the folder that goes on. */
static int read_config(const cli_many *m, const char *what, const char *file, ml3_lab_config *config,
                       ml3_error *error) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(m->resume ? m->resume : "", file, path);
  if (m->resume && access(path, R_OK) != 0)
    return ml3_error_set(error, ML3_ERR_IO, "'%s' is not a folder of %s: it has no %s", m->resume, what, file);
  ml3_lab_config_defaults(config);
  int code = m->resume ? ml3_lab_config_read(config, path, error) : cli_options_begin(m->options, config, error);
  if (code == ML3_OK && m->resume) code = ml3_lab_run_environment_find(m->resume, config, error);
  if (code == ML3_OK && m->resume) code = cli_options_apply(m->options, config, error);
  config->callbacks = &cli_messages;
  if (code == ML3_OK) ml3_lab_run_environment_say(config, config->callbacks);
  return code;
}

/* The folder of all, which keeps the environment. */
static int make_folder(const cli_many *m, const ml3_lab_config *config, char *folder, ml3_error *error) {
  snprintf(folder, ML3_LAB_PATH_MAX, "%.900s", m->resume ? m->resume : "");
  const int code = m->resume ? ML3_OK : ml3_lab_run_create(m->output, config, m->force, folder, error);
  return code == ML3_OK ? ml3_lab_run_environment_ensure(config, folder, m->resume != NULL, error) : code;
}

static int train_seeds(const cli_many *m, ml3_error *error) {
  ml3_lab_config config;
  char folder[ML3_LAB_PATH_MAX];
  int code = read_config(m, "seeds", "seeds.yaml", &config, error);
  if (code == ML3_OK) code = ml3_lab_try(&config, error);
  if (code == ML3_OK) code = make_folder(m, &config, folder, error);
  if (code != ML3_OK) return code;
  if (!m->options->quiet) fprintf(stderr, "folder of seeds: %s\n", folder);
  const cli_seeds seeds = {.config = &config,
                           .sets = m->options->sets,
                           .set_count = m->options->set_count,
                           .of = {.folder = folder, .first = (long long)config.seed, .count = m->seeds},
                           .resume = m->resume != NULL};
  return cli_seeds_train(&seeds, m->log_formats, m->options->quiet, error);
}

static int train_points(const cli_many *m, ml3_lab_points *points, ml3_error *error) {
  ml3_lab_config config;
  char folder[ML3_LAB_PATH_MAX], file[32];
  /* A search is named by the seed of its configuration, so that one that goes on draws the same points. */
  snprintf(file, sizeof file, "%s.yaml", m->search ? "search" : "sweep");
  int code = m->sweeps ? ml3_lab_points_grid(points, m->sweeps, "--sweep", error) : ML3_OK;
  if (code == ML3_OK) code = read_config(m, m->search ? "a search" : "a sweep", file, &config, error);
  if (code == ML3_OK && m->search)
    code = ml3_lab_points_draw(points, m->over, m->search, (uint64_t)config.seed, "--over", error);
  for (int i = 0; code == ML3_OK && i < points->count; i++) {
    ml3_lab_config one = config;
    code = ml3_lab_points_apply(points, i, &one, NULL, error);
    if (code == ML3_OK) code = ml3_lab_try(&one, error);
  }
  if (code == ML3_OK) code = make_folder(m, &config, folder, error);
  if (code == ML3_OK) code = ml3_lab_run_environment_find(folder, &config, error); /* one for all points */
  if (code != ML3_OK) return code;
  if (!m->options->quiet) fprintf(stderr, "folder of the %s: %s\n", cli_sweep_name(points), folder);
  const cli_sweep sweep = {.points = points,
                           .config = &config,
                           .seeds = m->seeds ? m->seeds : 1,
                           .sets = m->options->sets,
                           .set_count = m->options->set_count,
                           .folder = folder,
                           .log_formats = m->log_formats,
                           .resume = m->resume != NULL,
                           .quiet = m->options->quiet};
  return cli_sweep_train(&sweep, error);
}

int cli_many_train(const cli_many *m, ml3_error *error) {
  if (!m->sweeps && !m->search) return train_seeds(m, error);
  ml3_lab_points *points = malloc(sizeof *points);
  const int code =
      points ? train_points(m, points, error) : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for points");
  free(points);
  return code;
}
