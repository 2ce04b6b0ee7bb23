/* Pictures without a display: as many as there should be, of the right size, not blank, the same again. */
#define _GNU_SOURCE /* mkstemps */
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
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  const ml3_view_options options = {.width = 192, .height = 108, .fps = 5, .plots = true, .labels = true};
  int frames[2];
  for (int i = 0; i < 2; i++) {
    ml3_error error = {0};
    snprintf(folders[i], sizeof folders[i], "%s/%d", base, i);
    cr_assert_eq(ml3_view_record(&source, folders[i], &options, NULL, NULL, &frames[i], &error), 0, "%s",
                 error.message);
  }
  cr_expect_eq(frames[0], 5 + 1 + 2 * 5, "%d frames", frames[0]);
  for (int f = 0; f < frames[0]; f++) {
    long size[2];
    unsigned long sums[2];
    for (int i = 0; i < 2; i++) {
      snprintf(path, sizeof path, "%s/frame_%06d.png", folders[i], f);
      sums[i] = sum_of(path, &size[i]);
    }
    cr_expect_gt(size[0], 3000, "frame %d looks blank: %ld bytes", f, size[0]);
    cr_expect(size[0] == size[1] && sums[0] == sums[1], "frame %d differs on a second run", f);
  }
  ml3_episode_free(episode);
  drop(base);
}

/* The picture at path, [height][width][3], by ffmpeg; NULL when it cannot be read. */
static unsigned char *pixels_of(const char *path, int width, int height) {
  char command[1024];
  size_t bytes = (size_t)width * (size_t)height * 3;
  unsigned char *rgb = malloc(bytes);
  snprintf(command, sizeof command, "ffmpeg -loglevel error -i %s -f rawvideo -pix_fmt rgb24 -", path);
  FILE *pipe = popen(command, "r");
  size_t got = pipe ? fread(rgb, 1, bytes, pipe) : 0;
  if (pipe) pclose(pipe);
  if (got == bytes) return rgb;
  free(rgb);
  return NULL;
}

static unsigned char *record_picture(ml3_episode *const *episodes, int count, const ml3_view_options *options) {
  ml3_error error = {0};
  char path[] = "/tmp/ml3_picture_XXXXXX.png";
  const ml3_view_source source = ml3_view_recorded(episodes, count);
  close(mkstemps(path, 4));
  cr_assert_eq(ml3_view_record(&source, path, options, NULL, NULL, NULL, &error), 0, "%s", error.message);
  unsigned char *rgb = pixels_of(path, options->width, options->height);
  cr_assert_not_null(rgb, "no picture in %s", path);
  unlink(path);
  return rgb;
}

/* How many pixels differ between two pictures in a part of their width. */
static int differing(const unsigned char *a, const unsigned char *b, int width, int height, int from, int to) {
  int count = 0;
  for (int y = 0; y < height; y++)
    for (int x = from; x < to; x++) count += memcmp(a + 3 * (y * width + x), b + 3 * (y * width + x), 3) != 0;
  return count;
}

/* A second rollout appears beside the first as a ghost; in tiles it has a half of its own. */
Test(record, ghosts_and_tiles_show_every_rollout) {
  enum { W = 192, H = 108 };
  ml3_view_options options = {.width = W, .height = H, .layout = ML3_VIEW_GHOSTS};
  ml3_episode *episodes[2] = {episode_of("mountain_car"), episode_of("mountain_car")};
  unsigned char *same = record_picture(episodes, 2, &options);
  episodes[1]->states[2 * episodes[1]->steps] = 0.4; /* elsewhere in the end */
  unsigned char *other = record_picture(episodes, 2, &options);
  cr_expect_gt(differing(same, other, W, H, W / 2, W), 10, "no ghost");
  cr_expect_lt(differing(same, other, W, H, 0, W / 2), 10, "the solid one has changed");

  options.layout = ML3_VIEW_TILES; /* one above the other or side by side: the first is there in both */
  unsigned char *tiles = record_picture(episodes, 2, &options);
  options.layout = ML3_VIEW_SINGLE;
  unsigned char *single = record_picture(episodes, 2, &options);
  cr_expect_gt(differing(tiles, single, W, H, 0, W), W * H / 4, "tiles look like a single picture");
  free(same), free(other), free(tiles), free(single);
  ml3_episode_free(episodes[0]);
  ml3_episode_free(episodes[1]);
}

Test(record, a_camera_that_is_not_there_is_told_with_those_that_are) {
  ml3_error error = {0};
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  const ml3_view_options options = {.width = 64, .height = 64, .camera = "moon"};
  cr_expect_eq(ml3_view_record(&source, "/tmp/ml3_moon.png", &options, NULL, NULL, NULL, &error), ML3_ERR_ARGUMENT);
  cr_expect_not_null(strstr(error.message, "side"), "%s", error.message);
  cr_expect_not_null(strstr(error.message, "track"), "%s", error.message);
  ml3_episode_free(episode);
}

Test(record, every_camera_shows_something_else) {
  enum { W = 96, H = 54 };
  ml3_episode *episode = episode_of("mountain_car");
  const char *const cameras[] = {"side", "flag", "free", "track"};
  unsigned char *pictures[4];
  for (int i = 0; i < 4; i++) {
    const ml3_view_options options = {.width = W, .height = H, .camera = cameras[i]};
    pictures[i] = record_picture(&episode, 1, &options);
    for (int j = 0; j < i; j++)
      cr_expect_gt(differing(pictures[i], pictures[j], W, H, 0, W), W * H / 10, "%s and %s", cameras[i], cameras[j]);
  }
  for (int i = 0; i < 4; i++) free(pictures[i]);
  ml3_episode_free(episode);
}

Test(record, a_map_without_a_learned_loss_is_refused) {
  ml3_error error = {0};
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  const ml3_view_options options = {.width = 64, .height = 64, .map = true};
  cr_expect_eq(ml3_view_record(&source, "/tmp/ml3_no_map.png", &options, NULL, NULL, NULL, &error),
               ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "learned loss"), "%s", error.message);
  ml3_episode_free(episode);
}

/* A loss that rises to the right: the plane before the hill is dark at its left and light at its right. */
static double rising(void *user, int actor, const ml3_episode *episode, const double *state) {
  (void)user, (void)actor, (void)episode;
  return state[0];
}

Test(record, the_map_shows_the_loss_over_the_plane) {
  enum { W = 160, H = 90 };
  ml3_error error = {0};
  ml3_episode *episode = episode_of("mountain_car");
  ml3_view_source source = ml3_view_recorded(&episode, 1);
  source.value_at = rising;
  const ml3_view_options options = {.width = W, .height = H, .map = true};
  char path[] = "/tmp/ml3_map_XXXXXX.png";
  close(mkstemps(path, 4));
  cr_assert_eq(ml3_view_record(&source, path, &options, NULL, NULL, NULL, &error), 0, "%s", error.message);
  unsigned char *rgb = pixels_of(path, W, H);
  cr_assert_not_null(rgb);
  const unsigned char *left = rgb + 3 * (H * 3 / 4 * W + W * 39 / 100),
                      *right = rgb + 3 * (H * 3 / 4 * W + W * 67 / 100);
  cr_expect_lt(left[1] + 60, right[1], "green is %d at the low end and %d at the high end", left[1], right[1]);
  cr_expect_gt(right[0], right[2] + 60, "the high end is not yellow: %d %d %d", right[0], right[1], right[2]);
  unlink(path);
  free(rgb);
  ml3_episode_free(episode);
}

Test(record, what_cannot_be_written_is_told_and_leaves_nothing) {
  ml3_error error = {0};
  struct stat info;
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  const ml3_view_options options = {.width = 64, .height = 64};
  cr_expect_eq(ml3_view_record(&source, "/proc/nothing.mp4", &options, NULL, NULL, NULL, &error), ML3_ERR_IO);
  cr_expect_not_null(strstr(error.message, "/proc/nothing.mp4"), "%s", error.message);
  const ml3_view_options odd = {.width = 65, .height = 64};
  cr_expect_eq(ml3_view_record(&source, "/tmp/ml3_odd.mp4", &odd, NULL, NULL, NULL, &error), ML3_ERR_ARGUMENT);
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
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  const ml3_view_options options = {.width = 64, .height = 64};
  cr_expect_eq(ml3_view_record(&source, "/tmp/ml3_stopped.mp4", &options, stop_at_three, NULL, NULL, &error),
               ML3_ERR_INTERRUPTED);
  cr_expect_neq(stat("/tmp/ml3_stopped.mp4", &info), 0);
  ml3_episode_free(episode);
}

Test(window, without_a_display_is_a_sentence) {
  ml3_error error = {0};
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  ml3_episode *episode = episode_of("mountain_car");
  const ml3_view_source source = ml3_view_recorded(&episode, 1);
  cr_expect_eq(ml3_view_window(&source, NULL, &error), ML3_ERR_UNAVAILABLE);
  cr_expect_not_null(strstr(error.message, "ml3 record"), "%s", error.message);
  ml3_episode_free(episode);
}
