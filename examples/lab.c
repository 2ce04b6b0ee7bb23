/* Experiments in a program of your own, without the command: trains a learned loss, goes on with it, evaluates the fresh
   policies that learn by it, and compares it with other methods.

     lab FOLDER       a new folder for the run */
#include <stdio.h>

#include "lab/comparison.h"
#include "lab/evaluate.h"
#include "lab/training.h"

static void say(void *user, const char *sentence) {
  fprintf(user, "ml3: %s\n", sentence);
}

static void show(void *user, const ml3_lab_validation *v) {
  fprintf(user, "outer step %lld: success %.0f %%%s\n", (long long)v->step, 100 * v->success, v->is_best ? ", the best" : "");
}

/* Trains what `name` stands for, or goes on with it where it is a run. */
static int train(const char *name, const char *output, const char *steps, ml3_error *error) {
  const char *const settings[] = {steps, "outer.tasks=2", "validation.tasks=4", "validation.every=2"};
  const ml3_lab_callbacks callbacks = {.user = stdout, .message = say, .validation = show};
  const ml3_lab_train_settings how = {.output = output, .resume = output ? NULL : name, .callbacks = &callbacks};
  ml3_experiment *experiment = ml3_lab_experiment_new(name, settings, 4, &callbacks, error);
  const int code = experiment ? ml3_lab_train(experiment, &how, NULL, error) : error->code;
  ml3_lab_experiment_free(experiment);
  return code;
}

static int evaluate(const char *run, ml3_error *error) {
  ml3_lab_evaluation e;
  const int code = ml3_lab_evaluate(&(ml3_lab_evaluate_settings){.what = run, .tasks = 5}, &e, error);
  if (code != ML3_OK) return code;
  printf("after %d updates, on %d held-out tasks: return %.1f (95 %%: %.1f to %.1f)\n", e.updates, e.tasks,
         e.episode_return.mean, e.episode_return.low, e.episode_return.high);
  ml3_lab_evaluation_free(&e);
  return ML3_OK;
}

static int compare(const char *run, ml3_error *error) {
  const char *const sets[] = {"test.tasks=5"}, *const methods[] = {"untrained", "learned_loss", "task_gradient"};
  ml3_lab_comparison *c = ml3_lab_compare(
      &(ml3_lab_compare_settings){.name = run, .sets = sets, .set_count = 1, .methods = methods, .method_count = 3}, error);
  double x[5]; /* of each task */
  for (int i = 0; c && i < c->count; i++) {
    ml3_lab_comparison_values(c, &c->rows[i], ML3_LAB_RETURN, x);
    printf("%-28s return %.1f\n", c->rows[i].name, ml3_lab_comparison_interval(c, ML3_LAB_RETURN, x).mean);
  }
  ml3_lab_comparison_free(c); /* may be NULL */
  return c ? ML3_OK : error->code;
}

int main(int argc, char **argv) {
  ml3_error error = {0};
  const char *run = argc == 2 ? argv[1] : "";
  const bool done = *run && !train("mountain_car", run, "outer.steps=4", &error) &&
                    !train(run, NULL, "outer.steps=6", &error) && !evaluate(run, &error) && !compare(run, &error);
  if (!done) fprintf(stderr, "%s\n", *run ? error.message : "usage: lab FOLDER");
  return done ? 0 : 1;
}
