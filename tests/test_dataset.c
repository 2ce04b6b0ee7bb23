/* Data sets: what is written comes back, and what is bad is refused with a sentence. tests/python/check_minari.py has Minari
   read and write them. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <hdf5.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataset_setup.h"
#include "envs/dataset.h"

static void expect_same(const ml3_episode *a, const ml3_episode *b) {
  const ml3_env_spec *spec = a->spec;
  const size_t t = (size_t)a->steps;
  cr_assert_eq(a->steps, b->steps);
  cr_expect_arr_eq(a->obs, b->obs, (t + 1) * (size_t)spec->obs_dim * sizeof(double));
  cr_expect_arr_eq(a->states, b->states, (t + 1) * (size_t)spec->state_dim * sizeof(double));
  cr_expect_arr_eq(a->actions, b->actions, t * (size_t)spec->action_dim * sizeof(double));
  cr_expect_arr_eq(a->rewards, b->rewards, t * sizeof(double));
  cr_expect_arr_eq(a->task, b->task, (size_t)spec->task_dim * sizeof(double));
  cr_expect_eq(a->episode_return, b->episode_return);
  cr_expect_eq(a->terminated, b->terminated);
  cr_expect_eq(a->success, b->success);
  cr_expect_eq(a->success_step, b->success_step);
  cr_expect_eq(a->final_distance, b->final_distance);
}

Test(dataset, comes_back_bit_for_bit) {
  write_set();
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_assert_str_eq(ml3_dataset_spec(d)->name, "reacher");
  cr_assert_eq(ml3_dataset_count(d), EPISODES);
  for (int k = 0; k < EPISODES; k++) {
    ml3_episode *written = play("reacher", k), *read = ml3_dataset_episode(d, k, &error);
    cr_assert_not_null(read, "%s", error.message);
    expect_same(written, read);
    ml3_episode_free(written);
    ml3_episode_free(read);
  }
  cr_assert_null(ml3_dataset_episode(d, EPISODES, &error));
  cr_assert_not_null(strstr(error.message, "there are 3"), "%s", error.message);
  ml3_dataset_close(d);
}

Test(dataset, keeps_apart_what_the_environment_ended_and_what_was_cut) {
  const ml3_env_spec *spec = ml3_env_find("mountain_car_continuous", NULL);
  ml3_env *env = ml3_env_new(spec, NULL);
  ml3_episode *e = ml3_episode_new(spec, 50, NULL);
  ml3_env_reset(env, NULL, NULL);
  ml3_env_set_state(env, (double[]){0.3, 0.07});
  ml3_episode_record(e, env, 50, false, act, &(player){spec, 0});
  cr_assert(e->terminated && e->steps < 50 && e->rewards[e->steps - 1] > 90);

  ml3_dataset_writer *w = ml3_dataset_create(path, spec, &info, &error);
  cr_assert_eq(ml3_dataset_append(w, e, &error), 0);
  cr_assert_eq(ml3_dataset_commit(w, &error), 0);
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  ml3_episode *read = ml3_dataset_episode(d, 0, &error);
  expect_same(e, read);
  ml3_episode_free(read);
  ml3_episode_free(e);
  ml3_dataset_close(d);
  ml3_env_free(env);
}

/* One whole number a step, as Minari has gymnasium.spaces.Discrete. */
Test(dataset, of_discrete_actions_comes_back_and_takes_no_other_numbers) {
  const ml3_env_spec *spec = ml3_env_find("acrobot", NULL);
  ml3_episode *written = play("acrobot", 2);
  ml3_dataset_writer *w = ml3_dataset_create(path, spec, &info, &error);
  cr_assert_eq(ml3_dataset_append(w, written, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_dataset_commit(w, &error), 0);
  json_t *root = json_load_file(json, 0, NULL);
  cr_expect_str_eq(json_string_value(json_object_get(root, "action_space")),
                   "{\"type\": \"Discrete\", \"dtype\": \"int64\", \"start\": 0, \"n\": 3}");
  json_decref(root);
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  ml3_episode *read = ml3_dataset_episode(d, 0, &error);
  cr_assert_not_null(read, "%s", error.message);
  expect_same(written, read);
  ml3_dataset_close(d);

  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(h5, "episode_0/actions", H5P_DEFAULT);
  hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  cr_expect_eq(H5Sget_simple_extent_ndims(space), 1);
  cr_expect_eq(H5Tget_class(type), H5T_INTEGER);
  int64_t choices[7] = {0, 1, 2, 0, 3};
  cr_assert_geq(H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, choices), 0);
  H5Tclose(type), H5Sclose(space), H5Dclose(set), H5Fclose(h5);
  d = ml3_dataset_open(path, NULL, &error);
  cr_assert_null(ml3_dataset_episode(d, 0, &error));
  cr_expect_not_null(strstr(error.message, "actions has 3 at step 4; expected whole numbers from 0 to 2"), "%s",
                     error.message);
  ml3_dataset_close(d);
  ml3_episode_free(written);
  ml3_episode_free(read);
}

Test(dataset, opens_by_its_folder_its_data_folder_and_its_file) {
  char data[128];
  snprintf(data, sizeof data, "%s/data", path);
  write_set();
  const char *const names[] = {path, data, file};
  for (int i = 0; i < 3; i++) {
    ml3_dataset *d = ml3_dataset_open(names[i], ml3_env_find("reacher", NULL), &error);
    cr_assert_not_null(d, "%s: %s", names[i], error.message);
    ml3_dataset_close(d);
  }
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static bool folder_is_empty(void) {
  char command[64];
  snprintf(command, sizeof command, "test -z \"$(ls -A %s)\"", folder);
  return system(command) == 0;
}

Test(dataset, appears_whole_or_not_at_all) {
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL);
  ml3_dataset_writer *w = ml3_dataset_create(path, spec, &info, &error);
  cr_assert_not_null(w, "%s", error.message);
  cr_assert_neq(access(path, F_OK), 0, "it is there before the commit");
  ml3_dataset_abandon(w);
  cr_assert(folder_is_empty());

  write_set();
  cr_assert_null(ml3_dataset_create(path, spec, &info, &error));
  cr_assert_not_null(strstr(error.message, "exists already"), "%s", error.message);

  ml3_dataset_info again = info;
  again.replace = true;
  cr_assert_null(ml3_dataset_create(folder, spec, &again, &error));
  cr_assert_not_null(strstr(error.message, "is no data set"), "%s", error.message);
}

Test(dataset, refuses_what_cannot_be_written) {
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL);
  static const char *const bad_ids[] = {"", "reacher", "reacher-v", "-v0", "a b-v0", "/a-v0", "a/-v0", "a//b-v0", "a-v0/"};
  for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
    cr_expect_null(ml3_dataset_create(path, spec, &(ml3_dataset_info){.id = bad_ids[i]}, &error), "%s", bad_ids[i]);
    cr_expect_not_null(strstr(error.message, "name-v0"), "%s", error.message);
  }
  cr_expect_null(ml3_dataset_create("/proc/none/set", spec, &info, &error));
  cr_expect_not_null(strstr(error.message, "cannot make the folder"), "%s", error.message);

  ml3_dataset_writer *w = ml3_dataset_create(path, spec, &info, &error);
  ml3_episode *other = play("mountain_car", 0), *empty = ml3_episode_new(spec, 1, NULL);
  cr_expect_neq(ml3_dataset_append(w, other, &error), 0);
  cr_expect_not_null(strstr(error.message, "'mountain_car' does not belong"), "%s", error.message);
  cr_expect_neq(ml3_dataset_append(w, empty, &error), 0);
  cr_expect_not_null(strstr(error.message, "has 0 steps"), "%s", error.message);
  ml3_dataset_abandon(w);
  ml3_episode_free(other);
  ml3_episode_free(empty);
  cr_expect(folder_is_empty());
}

/* ---- bad files ---------------------------------------------------------------------------------------------------- */

Test(dataset, arrays_that_do_not_fit_are_told_by_name_and_shape) {
  write_set();
  replace("observations", 0, 0, 0, 0);
  expect_refusal("episode_1/observations is missing");
  replace("observations", 2, 51, 9, 0);
  expect_refusal("episode_1/observations has the shape 51 x 9; expected 51 x 10");
  replace("observations", 2, 51, 10, NAN);
  expect_refusal("episode_1/observations is nan at step 0");
  replace("observations", 2, 51, 10, 0);
  replace("actions", 2, 51, 2, 0);
  expect_refusal("episode_1/actions has the shape 51 x 2; expected 50 x 2");
  replace("actions", 2, 50, 2, 0);
  replace("infos/state", 2, 50, 8, 0);
  expect_refusal("episode_1/infos/state has the shape 50 x 8");
  replace("terminations", 1, 50, 0, 1);
  expect_refusal("episode_1/terminations");
  replace("rewards", 2, 50, 1, 0);
  expect_refusal("episode_1/rewards has the shape 50 x 1; expected one axis");
  replace("rewards", 1, 0, 0, 0);
  expect_refusal("episode_1/rewards is empty");
  replace("rewards", 0, 0, 0, 0);
  expect_refusal("episode_1/rewards is missing");
}

Test(dataset, states_may_be_missing) {
  write_set();
  replace("infos", 0, 0, 0, 0);
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  ml3_episode *e = ml3_dataset_episode(d, 1, &error);
  cr_assert_not_null(e, "%s", error.message);
  cr_expect(isnan(e->states[0]) && isnan(e->final_distance) && !e->success);
  ml3_episode_free(e);
  ml3_dataset_close(d);
}

Test(dataset, bad_metadata_is_told) {
  write_set();
  put(json, "{\"total_episodes\": 3");
  expect_refusal("is not a JSON object");
  put(json, "[]");
  expect_refusal("is not a JSON object");
  put(json, "{\"total_episodes\": -1}");
  expect_refusal("total_episodes must be a whole number");
  put(json, "{\"total_episodes\": 3, \"data_format\": \"arrow\"}");
  expect_refusal("data_format is 'arrow'; ml3 reads hdf5");
  put(json, "{\"total_episodes\": 3, \"env_spec\": \"{\\\"id\\\": \\\"Ant-v5\\\"}\"}");
  expect_refusal("names no environment of ml3");
  unlink(json);
  expect_refusal("cannot read");
}

Test(dataset, a_group_that_is_missing_is_told) {
  write_set();
  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT);
  H5Ldelete(h5, "episode_1", H5P_DEFAULT);
  H5Fclose(h5);
  expect_refusal("the group episode_1 is missing, though the metadata count 3 episodes");
}

Test(dataset, what_is_no_hdf5_or_cut_short_is_told) {
  struct stat whole;
  expect_refusal("there is no data set");
  write_set();
  cr_assert_eq(stat(file, &whole), 0);
  cr_assert_eq(truncate(file, whole.st_size / 2), 0);
  expect_refusal("is not a whole HDF5 file; HDF5 says: truncated file");
  put(file, "this is text");
  expect_refusal("is not a whole HDF5 file");
  put(file, "");
  expect_refusal("is not a whole HDF5 file");
  unlink(file);
  expect_refusal("is no data set");
}

/* Found by fuzzing: files of which HDF5 1.10.8 believes sizes that it should not. It reads beyond its buffers then, which is
   seen where that memory ends: nothing large is freed here before. */
Test(dataset, files_that_hdf5_crashes_on_are_refused) {
  static const char *const names[] = {"type", "layout"};
  char command[128];
  snprintf(command, sizeof command, "mkdir -p %s/data", path);
  cr_assert_eq(system(command), 0);
  put(json, "{\"total_episodes\": 2}");
  for (int i = 0; i < 2; i++) {
    char copy[512];
    snprintf(copy, sizeof copy, "cp %s/data/damaged_%s.hdf5 %s", ML3_TEST_DATA, names[i], file);
    cr_assert_eq(system(copy), 0);
    cr_expect_null(ml3_dataset_open(path, ml3_env_find("mountain_car", NULL), &error), "%s", names[i]);
    cr_expect_not_null(strstr(error.message, "is damaged: HDF5 crashes on it"), "%s: %s", names[i], error.message);
  }
}

/* A child reads, so that a signal or a hang is counted. Checksums find all damage but that to what nobody reads. */
Test(dataset, random_damage_is_refused_or_harmless) {
  enum { TRIALS = 100 };
  write_set();
  FILE *in = fopen(file, "rb");
  static unsigned char bytes[1 << 20], damaged[1 << 20];
  size_t size = fread(bytes, 1, sizeof bytes, in);
  fclose(in);
  cr_assert(size > 10000 && size < sizeof bytes);

  ml3_episode *written[EPISODES];
  for (int k = 0; k < EPISODES; k++) written[k] = play("reacher", k);
  int refused = 0, read = 0, signals = 0, silent = 0, other = 0;
  for (int trial = 0; trial < TRIALS; trial++) {
    ml3_random random = ml3_random_stream(3, ML3_PURPOSE_USER, (uint32_t)trial, 0);
    memcpy(damaged, bytes, size);
    for (int i = 0; i < 20; i++)
      damaged[ml3_random_below(&random, (uint32_t)size)] = (unsigned char)ml3_random_bits(&random);
    FILE *out = fopen(file, "wb");
    fwrite(damaged, 1, size, out);
    fclose(out);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
      alarm(10);
      ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
      bool all = d != NULL;
      for (int k = 0; d && k < EPISODES; k++) {
        ml3_episode *e = ml3_dataset_episode(d, k, &error);
        all = all && e;
        if (e && memcmp(e->obs, written[k]->obs, ((size_t)e->steps + 1) * 10 * sizeof(double))) _exit(3);
        ml3_episode_free(e);
      }
      _exit(all ? 0 : error.message[0] ? 1 : 2);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
      signals++;
    else if (WEXITSTATUS(status) == 0)
      read++;
    else if (WEXITSTATUS(status) == 1)
      refused++;
  }
  for (int k = 0; k < EPISODES; k++) ml3_episode_free(written[k]);
  cr_assert_eq(silent, 0, "%d were refused without a sentence", silent);
  cr_assert_eq(other, 0, "%d gave other numbers", other);
  cr_assert_eq(signals, 0, "%d of %d ended with a signal", signals, TRIALS);
  cr_assert(refused > TRIALS / 2 && refused + read == TRIALS, "%d refused, %d read", refused, read);
}
