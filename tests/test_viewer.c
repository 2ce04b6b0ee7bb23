/* Pictures without a display: as many as there should be, of the right size, not blank, the same again. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "viewer/viewer.h"

static void swing(void *user, int step, const double *obs, const double *state, double *action) {
  (void)user, (void)step, (void)state;
  action[0] = obs[1] >= 0 ? 0.25 : -0.25;
}

static ml3_episode *episode_of(const char *name) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find(name, &error);
  cr_assert_not_null(spec, "%s", error.message);
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_episode *episode = ml3_episode_new(spec, 10, &error);
  ml3_episode_record(episode, env, 10, false, swing, NULL);
  ml3_env_free(env);
  return episode;
}

static unsigned long sum_of(const char *path, long *size) {
  FILE *file = fopen(path, "rb");
  unsigned long sum = 5381;
  *size = 0;
  if (!file) return 0;
  for (int c = fgetc(file); c != EOF; c = fgetc(file)) sum = sum * 33 + (unsigned long)c, ++*size;
  fclose(file);
  return sum;
}

static void drop(const char *folder) {
  char command[256];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_assert_eq(system(command), 0);
}

Test(record, frames_are_whole_and_the_same_again) {
  char base[] = "/tmp/ml3_frames_XXXXXX", folders[2][64], path[256];
  cr_assert_not_null(mkdtemp(base));
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_options options = {.width = 320, .height = 180, .fps = 10, .plots = true, .labels = true};
  int frames[2];
  for (int i = 0; i < 2; i++) {
    ml3_error error = {0};
    snprintf(folders[i], sizeof folders[i], "%s/%d", base, i);
    cr_assert_eq(ml3_view_record(&episode, 1, folders[i], &options, NULL, NULL, &frames[i], &error), 0, "%s", error.message);
  }
  cr_expect_eq(frames[0], 10 + 1 + 5, "%d frames", frames[0]);
  for (int f = 0; f < frames[0]; f++) {
    long size[2];
    unsigned long sums[2];
    for (int i = 0; i < 2; i++) {
      snprintf(path, sizeof path, "%s/frame_%06d.png", folders[i], f);
      sums[i] = sum_of(path, &size[i]);
    }
    cr_expect_gt(size[0], 5000, "frame %d looks blank: %ld bytes", f, size[0]);
    cr_expect(size[0] == size[1] && sums[0] == sums[1], "frame %d differs on a second run", f);
  }
  ml3_episode_free(episode);
  drop(base);
}

Test(record, what_cannot_be_written_is_told_and_leaves_nothing) {
  ml3_error error = {0};
  struct stat info;
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_options options = {.width = 64, .height = 64};
  cr_expect_eq(ml3_view_record(&episode, 1, "/proc/nothing.mp4", &options, NULL, NULL, NULL, &error), ML3_ERR_IO);
  cr_expect_not_null(strstr(error.message, "/proc/nothing.mp4"), "%s", error.message);
  const ml3_view_options odd = {.width = 65, .height = 64};
  cr_expect_eq(ml3_view_record(&episode, 1, "/tmp/ml3_odd.mp4", &odd, NULL, NULL, NULL, &error), ML3_ERR_ARGUMENT);
  cr_expect_neq(stat("/tmp/ml3_odd.mp4", &info), 0);
  ml3_episode_free(episode);
}

static int stop_at_three(void *user, int done, int total) {
  (void)user, (void)total;
  return done == 3;
}

Test(record, an_interrupted_video_leaves_nothing) {
  ml3_error error = {0};
  struct stat info;
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_options options = {.width = 64, .height = 64};
  cr_expect_eq(ml3_view_record(&episode, 1, "/tmp/ml3_stopped.mp4", &options, stop_at_three, NULL, NULL, &error),
               ML3_ERR_INTERRUPTED);
  cr_expect_neq(stat("/tmp/ml3_stopped.mp4", &info), 0);
  ml3_episode_free(episode);
}

Test(window, without_a_display_is_a_sentence) {
  ml3_error error = {0};
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  ml3_episode *episode = episode_of("mountain_car");
  cr_expect_eq(ml3_view_window(&episode, 1, NULL, &error), ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "ml3 record"), "%s", error.message);
  ml3_episode_free(episode);
}
