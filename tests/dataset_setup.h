/* What the tests of data sets share: a folder, a set of three episodes of the reacher in it, and ways to spoil it. */
#ifndef ML3_TESTS_DATASET_SETUP_H
#define ML3_TESTS_DATASET_SETUP_H

#include <criterion/criterion.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/dataset.h"

enum { EPISODES = 3 };

static char folder[32], path[64], file[128], json[128];
static ml3_error error;

static inline void make_folder(void) {
  strcpy(folder, "/tmp/ml3_dataset_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/reacher-random-v0", folder);
  snprintf(file, sizeof file, "%s/data/main_data.hdf5", path);
  snprintf(json, sizeof json, "%s/data/metadata.json", path);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static inline void drop_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
  cr_assert_eq(system(command), 0);
}

TestSuite(dataset, .init = make_folder, .fini = drop_folder, .timeout = 120);

/* ---- episodes ----------------------------------------------------------------------------------------------------- */

typedef struct player {
  const ml3_env_spec *spec;
  int number;
} player;

static inline void act(void *user, int step, const double *obs, const double *state, double *action) {
  const player *p = user;
  (void)obs, (void)state;
  ml3_random random = ml3_random_stream(1, ML3_PURPOSE_ACTION, (uint32_t)p->number, (uint32_t)step);
  for (int i = 0; i < p->spec->action_dim; i++) action[i] = ml3_random_uniform(&random, -1, 1);
  if (p->spec->choices) ml3_env_draw_action(p->spec, &random, action);
}

/* Number k of an environment, from a task of its own; the third one is short. */
static inline ml3_episode *play(const char *name, int k) {
  const ml3_env_spec *spec = ml3_env_find(name, NULL);
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_episode *e = ml3_episode_new(spec, spec->horizon, NULL);
  ml3_random random = ml3_random_stream(2, ML3_PURPOSE_RESET, (uint32_t)k, 0);
  double task[64];
  ml3_env_sample_task(spec, &random, task);
  ml3_env_reset(env, task, &random);
  ml3_episode_record(e, env, k == 2 ? 7 : spec->horizon, false, act, &(player){spec, k});
  ml3_env_free(env);
  return e;
}

static const ml3_dataset_info info = {"reacher-random-v0", "random", "Random actions.", NULL, false};

static inline void write_set(void) {
  ml3_dataset_writer *w = ml3_dataset_create(path, ml3_env_find("reacher", NULL), &info, &error);
  cr_assert_not_null(w, "%s", error.message);
  for (int k = 0; k < EPISODES; k++) {
    ml3_episode *e = play("reacher", k);
    cr_assert_eq(ml3_dataset_append(w, e, &error), 0, "%s", error.message);
    ml3_episode_free(e);
  }
  cr_assert_eq(ml3_dataset_commit(w, &error), 0, "%s", error.message);
}

/* Episode 1 of the set cannot be read, or the set not be opened, and the sentence has these words. */
static inline void expect_refusal(const char *words) {
  error = (ml3_error){0};
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  ml3_episode *e = d ? ml3_dataset_episode(d, 1, &error) : NULL;
  cr_expect_null(e, "'%s' was expected", words);
  cr_expect_not_null(strstr(error.message, words), "'%s' is not in: %s", words, error.message);
  cr_expect_not_null(strstr(error.message, folder), "no file is named: %s", error.message);
  ml3_episode_free(e);
  ml3_dataset_close(d);
}

/* Puts another array in the place of one of episode 1: numbers 0, 1, 2 ...; no rank removes it. */
static inline void replace(const char *name, int rank, hsize_t rows, hsize_t cols, double first) {
  double *numbers = calloc(rows * (rank > 1 ? cols : 1) + 1, sizeof *numbers);
  numbers[0] = first;
  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT), group = H5Gopen2(h5, "episode_1", H5P_DEFAULT);
  cr_assert(group >= 0);
  H5Ldelete(group, name, H5P_DEFAULT);
  if (rank) {
    hid_t space = H5Screate_simple(rank, (hsize_t[]){rows, cols}, NULL);
    hid_t set = H5Dcreate2(group, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Gclose(group);
  H5Fclose(h5);
  free(numbers);
}

static inline void put(const char *name, const char *text) {
  FILE *out = fopen(name, "w");
  cr_assert_not_null(out);
  fputs(text, out);
  fclose(out);
}

#endif
