/* The checkpoint of a small trainer that has everything a checkpoint can hold: normalisation, lives, momentum. */
#include <stdio.h>
#include <stdlib.h>

#include "memory_files.h"
#include "metaloss/sine.h"
#include "metaloss/trainer.h"

static ml3_trainer *make(void) {
  ml3_error error = {0};
  const ml3_shaped_sine_settings sine = {.start = {0.1, 0.1}, .goal = {-5, 5}, .points = 4, .tolerance = 0.1};
  const ml3_trainer_settings s = {
      .meta = {.loss = {.net = {.inputs = 3, .outputs = 1, .depth = 1, .hidden = {2}, .activation = ML3_TANH},
                        .rate = 0.1,
                        .momentum = 0.5},
               .inner_steps = 1,
               .task_weight = 1},
      .optimizer = ml3_nn_adam(1e-3),
      .seed = 1,
      .threads = 1,
      .tasks = 2,
      .lifetime = 2,
      .normalize = ML3_NORMALIZE_RUNNING,
      .validation_tasks = 1};
  ml3_problem *problem = ml3_shaped_sine_new(&sine, &error);
  ml3_trainer *t = problem ? ml3_trainer_new(problem, &s, &error) : NULL;
  if (!t) fprintf(stderr, "no trainer: %s\n", error.message), abort();
  return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static ml3_trainer *trainer;
  if (!trainer) {
    trainer = make();
    if (getenv("ML3_FUZZ_SEED")) ml3_trainer_save(trainer, getenv("ML3_FUZZ_SEED"), NULL); /* for the corpus */
  }
  ml3_error error = {0};
  memory_file("fuzz", data, size);
  if (ml3_trainer_load(trainer, "fuzz", &error) != ML3_OK && !error.message[0]) abort();
  return 0;
}
