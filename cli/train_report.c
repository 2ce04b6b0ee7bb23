/* See train_report.h. The learning curve is drawn before the run gets its summary.json: a run that has one is whole. */
#include "cli/train_report.h"

#include <math.h>
#include <stdio.h>

#include "cli/ranks.h"
#include "lab/curves.h"

static void save_curve(void *user, const char *folder) {
  ml3_error error = {0};
  (void)user;
  if (ml3_lab_learning_curve(folder, &error) != ML3_OK) fprintf(stderr, "ml3 train: no plot: %s\n", error.message);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

/* A share in percent, to two digits; what is below a hundredth of a percent is noise. */
static const char *percent(double share, char *text, size_t size) {
  snprintf(text, size, share < 1e-4 ? "below 0.01 %%" : "%.2g %%", 100 * share);
  return text;
}

/* ", median distance 0.02, model error 1.2 % after one step, 0.004 at the horizon", as far as there is such. */
static const char *more_of(const ml3_lab_validation *v, bool has_distance, char *text, size_t size) {
  int used = 0;
  *text = '\0';
  if (has_distance) used = snprintf(text, size, ", median distance %.3g", v->median_distance);
  char error[32];
  if (isfinite(v->model_step_error))
    used += snprintf(text + used, size - (size_t)used, ", model error %s of a step's change",
                     percent(v->model_step_error, error, sizeof error));
  if (isfinite(v->model_step_error) && v->model_horizon_error >= 1e-4)
    used += snprintf(text + used, size - (size_t)used, ", %.2g at the horizon", v->model_horizon_error);
  if (v->failed > 0) snprintf(text + used, size - (size_t)used, "; %d of these %d tasks failed", v->failed, v->tasks);
  return text;
}

static void begin_training(void *user, const char *folder) {
  cli_train_console *c = user;
  if (!c->console.quiet) fprintf(stderr, "run folder: %s\n", folder);
  snprintf(c->folder, sizeof c->folder, "%s", folder);
  cli_ranks_keep(c->ranks, c->folder);
}

static void print_validation(void *user, const ml3_lab_validation *v) {
  cli_train_console *c = user;
  char more[160], success[32] = "n/a";
  if (v->has_success) snprintf(success, sizeof success, "%.1f %%", 100 * v->success);
  cli_progress_say(&c->console.progress, "outer step %lld: validation objective %.4g, task loss %.4g, success %s%s%s",
                   (long long)v->step, v->objective, v->task_loss, success,
                   more_of(v, v->has_distance, more, sizeof more), v->is_best ? ", the best so far" : "");
}

void cli_train_console_open(cli_train_console *c, const ml3_ranks *ranks, bool quiet, bool verbose) {
  *c = (cli_train_console){.ranks = ranks};
  cli_console_open(&c->console, "train", quiet);
  ml3_lab_callbacks *callbacks = &c->console.callbacks;
  callbacks->training = begin_training;
  callbacks->learned = save_curve;
  if (verbose) callbacks->validation = print_validation, callbacks->detail = callbacks->message;
}

static void print_policy(const ml3_lab_result *r) {
  printf("%s: return %.2f", r->folder, r->episode_return);
  if (!r->no_goal)
    printf(", success %.1f %% at the end, %.1f %% at any step, distance %.4f", 100 * r->success, 100 * r->passed,
           r->distance);
  else
    printf(", success n/a");
  printf(" on %d episodes after %lld updates, ", r->judged, (long long)r->steps);
  printf("%lld environment steps, %.0f a second\n", (long long)r->env_steps, r->steps_per_second);
  if (r->diverged || r->judged_diverged)
    printf(
        "the simulation diverged, and ended the episode, %lld times in training and in %d of the %d episodes judged\n",
        (long long)r->diverged, r->judged_diverged, r->judged);
}

void cli_train_print(const ml3_lab_result *r) {
  char more[160];
  if (r->is_policy) {
    print_policy(r);
    return;
  }
  printf("%s: best at outer step %lld: ", r->folder, (long long)r->best.step);
  if (*r->success_name) printf("%s %.1f %%, ", r->success_name, 100 * r->best.success);
  printf("task loss %.4g after %d updates on %d validation tasks%s\n", r->best.task_loss, r->updates, r->best.tasks,
         more_of(&r->best, r->best.has_distance, more, sizeof more));
}
