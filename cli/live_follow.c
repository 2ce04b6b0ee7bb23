/* A training that goes on, in the viewer: its learning curves from metrics.csv, and policies of the best loss, or the policy,
   that it has kept so far. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/live_internal.h"
#include "lab/metrics.h"
#include "lab/policy_open.h"

struct cli_follow {
  char folder[ML3_LAB_PATH_MAX];
  bool policy; /* a policy is trained by itself; else a loss */
  struct timespec kept, logged;
  ml3_view_training training;
  double *points; /* what the curves of `training` point into */
};

/* Has RUN/name been written since *last? Notes when. */
static bool is_newer(const cli_follow *f, const char *name, struct timespec *last) {
  char path[ML3_LAB_PATH_MAX];
  struct stat info;
  ml3_lab_run_path(f->folder, name, path);
  if (stat(path, &info) != 0) return false;
  const bool newer = info.st_mtim.tv_sec != last->tv_sec || info.st_mtim.tv_nsec != last->tv_nsec;
  *last = info.st_mtim;
  return newer;
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

static void add_curve(cli_follow *f, const ml3_lab_metrics *m, const char *name, const char *title, double *x) {
  const int column = ml3_lab_metrics_find(m, name, NULL);
  const int count = column < 0 ? 0 : ml3_lab_metrics_points(m, column, x, x + m->rows);
  if (count == 0) return;
  f->training.curves[f->training.count++] = (ml3_view_curve){title, x, x + m->rows, count};
}

/* What cannot be read now, half a line say, is read the next time. */
static void read_curves(cli_follow *f) {
  ml3_lab_metrics m;
  if (ml3_lab_metrics_read(&m, f->folder, NULL) == ML3_OK && m.rows > 0) {
    double *points = calloc(4 * (size_t)m.rows, sizeof *points);
    if (points) {
      free(f->points);
      f->points = points;
      f->training.count = 0;
      f->training.steps = (long)m.values[(size_t)(m.rows - 1) * (size_t)m.columns];
      add_curve(f, &m, f->policy ? "charts/episodic_return" : "validation/task_loss",
                f->policy ? "return by environment steps" : "validation loss by outer step", points);
      add_curve(f, &m, f->policy ? "charts/success" : "validation/success",
                f->policy ? "success by environment steps" : "validation success by outer step", points + 2 * m.rows);
    }
  }
  ml3_lab_metrics_free(&m);
}

/* ---- policies ---------------------------------------------------------------------------------------------------- */

static bool reload_loss(cli_live *l) {
  char path[ML3_LAB_PATH_MAX];
  ml3_lab_run_path(l->follow->folder, "loss.safetensors", path);
  ml3_loss *loss = ml3_loss_load(path, NULL);
  if (!loss || ml3_meta_fits(l->a.meta, loss, NULL) != ML3_OK) return ml3_loss_free(loss), false;
  ml3_loss_free(l->a.loss);
  l->a.loss = loss;
  return true;
}

static bool reload_policy(cli_live *l) {
  char path[ML3_LAB_PATH_MAX];
  ml3_policy *policy = calloc(1, sizeof *policy);
  ml3_real *theta = NULL;
  ml3_lab_run_path(l->follow->folder, "policy.safetensors", path);
  if (!policy || ml3_policy_open(path, l->source.spec, policy, &theta, NULL) != ML3_OK) return free(policy), false;
  for (int k = 0; k < l->source.actors; k++) {
    cli_live_actor *a = &l->actors[k];
    if (a->kind != ACTOR_LOADED) continue;
    ml3_policy_free(a->policy);
    free(a->policy);
    free(a->theta);
    a->policy = policy, a->theta = theta;
    return true;
  }
  ml3_policy_free(policy);
  free(policy);
  free(theta);
  return false;
}

static bool refresh(void *user) {
  cli_live *l = user;
  cli_follow *f = l->follow;
  struct timespec never = {0};
  if (is_newer(f, "metrics.csv", &f->logged)) read_curves(f);
  f->training.finished = is_newer(f, "summary.json", &never);
  if (!is_newer(f, f->policy ? "policy.safetensors" : "loss.safetensors", &f->kept)) return false;
  return f->policy ? reload_policy(l) : reload_loss(l);
}

/* ---- following --------------------------------------------------------------------------------------------------- */

int cli_live_wait(const char *folder, ml3_error *error) {
  static const char *const kept[] = {"loss.safetensors", "policy.safetensors"};
  char path[ML3_LAB_PATH_MAX];
  if (!ml3_lab_run_is(folder))
    return ml3_error_set(error, ML3_ERR_ARGUMENT,
                         "--follow: '%s' is not a run folder; start `ml3 train --output %s` first", folder, folder);
  for (bool said = false; !cli_interrupted(); said = true) {
    for (int i = 0; i < 2; i++) {
      ml3_lab_run_path(folder, kept[i], path);
      if (access(path, R_OK) == 0) return ML3_OK;
    }
    if (!said) fprintf(stderr, "waiting until '%s' has kept its first loss or policy\n", folder);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }
  return ml3_error_set(error, ML3_ERR_INTERRUPTED, "interrupted while '%s' had nothing to show yet", folder);
}

int cli_live_follow(cli_live *l, const char *folder, ml3_error *error) {
  cli_follow *f = calloc(1, sizeof *f);
  if (!f) return ml3_error_set(error, ML3_ERR_MEMORY, "no memory to follow '%s'", folder);
  snprintf(f->folder, sizeof f->folder, "%s", folder);
  f->policy = ml3_lab_run_is_policy(folder);
  is_newer(f, f->policy ? "policy.safetensors" : "loss.safetensors", &f->kept);
  is_newer(f, "metrics.csv", &f->logged);
  read_curves(f);
  l->follow = f;
  l->source.refresh = refresh;
  l->source.training = &f->training;
  return ML3_OK;
}

void cli_live_follow_end(cli_follow *f) {
  if (f) free(f->points);
  free(f);
}
