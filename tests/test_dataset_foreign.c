/* Data sets that others made or changed: what their metadata say is compared with what is there, numbers that are none are told
   with their place, and shapes beyond memory are refused. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataset_setup.h"

/* ---- totals ------------------------------------------------------------------------------------------------------------- */

/* Another value in metadata.json. */
static void say(const char *key, json_t *value) {
  json_t *root = json_load_file(json, 0, NULL);
  cr_assert_not_null(root);
  json_object_set_new(root, key, value);
  cr_assert_eq(json_dump_file(root, json, 0), 0);
  json_decref(root);
}

Test(dataset, metadata_that_count_other_episodes_or_steps_than_are_there_are_refused) {
  write_set(); /* 50, 50 and 7 steps */
  say("total_episodes", json_integer(2));
  expect_refusal("has a group episode_2, though the metadata (total_episodes) count 2, from episode_0");
  say("total_episodes", json_integer(4));
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_null(ml3_dataset_episode(d, 3, &error));
  cr_expect_not_null(strstr(error.message, "the group episode_3 is missing, though the metadata count 4"));
  ml3_dataset_close(d);
  say("total_episodes", json_integer(3));
  say("total_steps", json_integer(108));
  expect_refusal("has 107 steps, though the metadata (total_steps) count 108");
  say("total_steps", json_real(107));
  expect_refusal("total_steps must be a whole number");
  say("total_steps", json_integer(107));
  cr_assert_not_null(d = ml3_dataset_open(path, NULL, &error), "%s", error.message);
  cr_expect_str_eq(ml3_dataset_id(d), "reacher-random-v0");
  ml3_dataset_close(d);
}

/* ---- whose episodes ----------------------------------------------------------------------------------------------------------- */

Test(dataset, an_environment_that_is_not_the_sets_own_is_refused) {
  write_set();
  cr_expect_null(ml3_dataset_open(path, ml3_env_find("reacher_goal", NULL), &error));
  cr_expect_eq(error.code, ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "says that these are episodes of 'reacher', not of 'reacher_goal'"), "%s",
                     error.message);

  say("env_spec", json_string("{\"id\": \"Reacher-v5\", \"entry_point\": \"gymnasium.envs.mujoco:Env\"}"));
  expect_refusal("names no environment of ml3; say whose episodes these are");
  ml3_dataset *d = ml3_dataset_open(path, ml3_env_find("reacher", NULL), &error); /* Gymnasium's, and it fits */
  cr_assert_not_null(d, "%s", error.message);
  ml3_dataset_close(d);
  say("env_spec", json_string("{\"id\": \"ml3/Reacher-v0\", \"entry_point\": \"another:Env\"}"));
  cr_assert_not_null(d = ml3_dataset_open(path, NULL, &error), "%s", error.message);
  ml3_dataset_close(d);
}

/* The set names the file by its whole path, so that it is found from another folder; where it has gone, it can be given. */
Test(dataset, of_a_users_model_finds_its_file_and_says_when_it_has_gone) {
  char command[512], model[128];
  snprintf(command, sizeof command,
           "cd %s && mkdir old new && cp " ML3_TEST_DATA "/../scripts/examples/cart_pole.* old", folder);
  cr_assert_eq(system(command), 0);
  cr_assert_eq(chdir(folder), 0);
  ml3_dataset_writer *w = ml3_dataset_create(path, ml3_env_find("old/cart_pole.xml", &error), &info, &error);
  cr_assert_not_null(w, "%s", error.message);
  ml3_episode *e = play("old/cart_pole.xml", 0);
  cr_assert_eq(ml3_dataset_append(w, e, &error), 0, "%s", error.message);
  cr_assert_eq(ml3_dataset_commit(w, &error), 0, "%s", error.message);
  ml3_episode_free(e);

  cr_assert_eq(chdir("/"), 0);
  ml3_dataset *d = ml3_dataset_open(path, NULL, &error);
  cr_assert_not_null(d, "%s", error.message);
  snprintf(model, sizeof model, "%s/old/cart_pole.xml", folder);
  cr_expect_str_eq(ml3_dataset_spec(d)->name, model);
  ml3_dataset_close(d);

  snprintf(command, sizeof command, "cd %s && mv old/* new", folder);
  cr_assert_eq(system(command), 0);
  snprintf(model, sizeof model, "%s/new/cart_pole.xml", folder);
  cr_assert_not_null(d = ml3_dataset_open(path, ml3_env_find(model, &error), &error), "%s", error.message);
  ml3_dataset_close(d);
  say("env_spec", json_string("{\"entry_point\": \"ml3:Env\", \"kwargs\": {\"name\": \"/nowhere/gone.xml\"}}"));
  cr_expect_null(ml3_dataset_open(path, NULL, &error));
  cr_expect_not_null(strstr(error.message, "says that these are episodes of '/nowhere/gone.xml', which is not here"),
                     "%s", error.message);
  cr_expect_null(ml3_dataset_open(path, ml3_env_find(model, &error), &error));
  cr_expect_not_null(strstr(error.message, "'/nowhere/gone.xml', not of"), "%s", error.message);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

/* Number `index` of an array of episode 1 becomes another one. */
static void spoil(const char *name, size_t index, double value) {
  char where[64];
  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT);
  snprintf(where, sizeof where, "episode_1/%s", name);
  hid_t set = H5Dopen2(h5, where, H5P_DEFAULT), space = H5Dget_space(set);
  double *numbers = calloc((size_t)H5Sget_simple_extent_npoints(space), sizeof *numbers);
  H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers);
  numbers[index] = value;
  cr_assert(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
  H5Sclose(space);
  H5Dclose(set);
  H5Fclose(h5);
  free(numbers);
}

Test(dataset, numbers_that_are_none_are_told_with_set_episode_array_and_place) {
  write_set();
  spoil("observations", 3 * 10 + 7, NAN);
  expect_refusal("main_data.hdf5': episode_1/observations is nan at step 3, entry 7; expected finite numbers");
  spoil("observations", 3 * 10 + 7, 0);
  spoil("actions", 49 * 2, INFINITY);
  expect_refusal("main_data.hdf5': episode_1/actions is inf at step 49, entry 0; expected finite numbers");
  spoil("actions", 49 * 2, 0);
  spoil("infos/state", 50 * 8 + 1, -INFINITY);
  expect_refusal("main_data.hdf5': episode_1/infos/state is -inf at step 50, entry 1; expected finite numbers");
  spoil("infos/state", 50 * 8 + 1, 0);
  spoil("rewards", 12, NAN);
  expect_refusal("main_data.hdf5': episode_1/rewards is nan at step 12; expected finite numbers");
}

Test(dataset, attributes_that_are_no_numbers_are_told) {
  write_set();
  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT);
  hid_t group = H5Gopen2(h5, "episode_1", H5P_DEFAULT), attribute = H5Aopen(group, "options/task/goal_angle", H5P_DEFAULT);
  cr_assert(H5Awrite(attribute, H5T_NATIVE_DOUBLE, &(double){NAN}) >= 0);
  H5Aclose(attribute);
  H5Gclose(group);
  H5Fclose(h5);
  expect_refusal("episode_1/options/task/goal_angle is not one finite number");
}

/* ---- shapes --------------------------------------------------------------------------------------------------------------- */

/* An array of episode 1 gets that shape; nothing is written into it, so that the file stays small. */
static void reshape(const char *name, int rank, const hsize_t *dims) {
  const hsize_t chunk[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                             1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  hid_t h5 = H5Fopen(file, H5F_ACC_RDWR, H5P_DEFAULT), group = H5Gopen2(h5, "episode_1", H5P_DEFAULT);
  hid_t space = H5Screate_simple(rank, dims, NULL), settings = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(settings, rank, chunk);
  H5Ldelete(group, name, H5P_DEFAULT);
  hid_t set = H5Dcreate2(group, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, settings, H5P_DEFAULT);
  cr_assert(set >= 0);
  H5Dclose(set);
  H5Pclose(settings);
  H5Sclose(space);
  H5Gclose(group);
  H5Fclose(h5);
}

Test(dataset, shapes_beyond_memory_are_told) {
  hsize_t many[32];
  for (int i = 0; i < 32; i++) many[i] = 1;
  write_set();
  reshape("observations", 2, (hsize_t[]){51, (hsize_t)1 << 40});
  expect_refusal("episode_1/observations has the shape 51 x 1099511627776; expected 51 x 10");
  reshape("observations", 2, (hsize_t[]){(hsize_t)1 << 60, 10});
  expect_refusal("episode_1/observations has the shape 1152921504606846976 x 10; expected 51 x 10");
  reshape("observations", 32, many);
  expect_refusal("episode_1/observations has the shape 1 x 1 x");
  reshape("rewards", 1, (hsize_t[]){(hsize_t)1 << 60});
  expect_refusal("episode_1/rewards has the shape 1152921504606846976; expected one axis of at most 10000000 steps");
  reshape("rewards", 1, (hsize_t[]){20000000});
  expect_refusal("episode_1/rewards has the shape 20000000; expected one axis of at most 10000000 steps");
}
