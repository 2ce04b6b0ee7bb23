/* Every environment's picture against one that a person has looked at (tests/golden/NAME.png), with room for another driver's
   edges; and the same picture after a hundred contexts, without growing.
   ML3_GOLDEN=write build/tests/test_viewer_golden writes the pictures anew. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "viewer/frame.h"

enum { W = 160, H = 120, BYTES = W * H * 3, BLOCK = 8 };

/* Steps of that share of the strongest action. */
static void draw(ml3_frame *frame, ml3_env *env, int steps, double share, unsigned char *rgb) {
  ml3_error error = {0};
  const ml3_env_spec *spec = env->spec;
  double state[256], action[64];
  for (int i = 0; i < spec->action_dim; i++)
    action[i] = share * (isfinite(spec->action[i].high) ? spec->action[i].high : 1);
  for (int i = 0; i < steps; i++) ml3_env_step(env, action);
  ml3_env_get_state(env, state);
  cr_assert_eq(ml3_frame_draw(frame, env->task, state, rgb, &error), 0, "%s: %s", spec->name, error.message);
}

static bool read_png(const char *path, unsigned char *rgb) {
  char command[1024];
  snprintf(command, sizeof command, "ffmpeg -loglevel error -i '%s' -f rawvideo -pix_fmt rgb24 -", path);
  FILE *pipe = popen(command, "r");
  size_t got = pipe ? fread(rgb, 1, BYTES, pipe) : 0;
  if (pipe) pclose(pipe);
  return got == BYTES;
}

static void write_png(const char *path, const unsigned char *rgb) {
  char command[1024];
  snprintf(command, sizeof command,
           "ffmpeg -loglevel error -y -f rawvideo -pixel_format rgb24 -video_size %dx%d -i - -frames:v 1 '%s'", W, H,
           path);
  FILE *pipe = popen(command, "w");
  cr_assert_not_null(pipe);
  fwrite(rgb, 1, BYTES, pipe);
  cr_assert_eq(pclose(pipe), 0);
}

/* The largest difference of mean colour in a block of pixels, and the mean difference of all. */
static void compare(const unsigned char *a, const unsigned char *b, double *block, double *mean) {
  *block = *mean = 0;
  for (int y = 0; y < H; y += BLOCK)
    for (int x = 0; x < W; x += BLOCK)
      for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int i = 0; i < BLOCK * BLOCK; i++) {
          int at = 3 * ((y + i / BLOCK) * W + x + i % BLOCK) + c;
          sum += a[at] - b[at];
          *mean += fabs((double)a[at] - b[at]) / BYTES;
        }
        *block = fmax(*block, fabs(sum) / (BLOCK * BLOCK));
      }
}

/* An action to that side, as share of its upper bound: of discrete ones the first or the last. */
static double action_to(const ml3_env_spec *spec, double side) {
  return !spec->choices ? side : side < 0 ? 0 : 1;
}

static const double BLOCK_LIMIT = 16, MEAN_LIMIT = 3;

static void check_environment(const ml3_env_spec *spec) {
  static unsigned char now[BYTES], later[BYTES], golden[BYTES];
  const char *write = getenv("ML3_GOLDEN");
  ml3_error error = {0};
  char path[512];
  double block, mean;
  ml3_env *env = ml3_env_new(spec, &error);
  ml3_frame *frame = env ? ml3_frame_new(spec, W, H, &error) : NULL;
  cr_assert_not_null(frame, "%s: %s", spec->name, error.message);

  draw(frame, env, 10, action_to(spec, 0.5), now);
  snprintf(path, sizeof path, "%s/golden/%s.png", ML3_TEST_DATA, spec->name);
  if (write && strcmp(write, "write") == 0) write_png(path, now);
  cr_assert(read_png(path, golden), "no picture of '%s': run this test with ML3_GOLDEN=write and look at %s",
            spec->name, path);
  compare(now, golden, &block, &mean);
  cr_expect_lt(block, BLOCK_LIMIT, "%s: a block of pixels is off by %.1f of 255", spec->name, block);
  cr_expect_lt(mean, MEAN_LIMIT, "%s: pixels are off by %.2f of 255", spec->name, mean);

  /* The limits must not be so wide that nothing is seen: what has moved is beyond them. */
  double most = 0;
  for (int i = 0; i < 3; i++) {
    draw(frame, env, 10, action_to(spec, i % 2 ? 0.5 : -1), later);
    compare(golden, later, &block, &mean);
    most = fmax(most, block);
  }
  cr_expect_gt(most, BLOCK_LIMIT, "%s: later it looks the same: %.1f", spec->name, most);
  ml3_frame_free(frame);
  ml3_env_free(env);
}

/* Variants of an environment share its scene. */
static bool seen_before(int i) {
  for (int k = 0; k < i; k++)
    if (strcmp(ml3_env_at(k)->scene_xml, ml3_env_at(i)->scene_xml) == 0) return true;
  return false;
}

Test(golden, every_environment_looks_as_it_did) {
  for (int i = 0; i < ml3_env_count(); i++)
    if (ml3_env_at(i)->scene_xml && ml3_env_at(i)->pose && !seen_before(i)) check_environment(ml3_env_at(i));
}

static long resident_kb(void) {
  long total = 0, resident = 0;
  malloc_trim(0); /* what is free is not kept */
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

#ifdef __SANITIZE_ADDRESS__
enum { OPENS = 20 }; /* its own leak detection sees to the rest, and keeps memory besides */
#else
enum { OPENS = 100 };
#endif

/* A driver that compiles nothing: opening is all that counts here. What it keeps is there after a few; a leak of ours would be a texture or a model each time, megabytes. */
Test(golden, a_hundred_contexts_leave_nothing_behind) {
  ml3_error error = {0};
  const ml3_env_spec *spec = ml3_env_find("reacher", NULL);
  long before = 0;
  setenv("GALLIUM_DRIVER", "softpipe", 1);
  for (int i = 0; i < OPENS; i++) {
    unsigned char rgb[32 * 24 * 3];
    double state[64];
    ml3_env *env = ml3_env_new(spec, &error);
    ml3_frame *frame = ml3_frame_new(spec, 32, 24, &error);
    cr_assert_not_null(frame, "context %d: %s", i, error.message);
    ml3_env_get_state(env, state);
    if (i % 20 == 0) cr_assert_eq(ml3_frame_draw(frame, env->task, state, rgb, &error), 0);
    ml3_frame_free(frame);
    ml3_env_free(env);
    if (i == 29) before = resident_kb();
  }
  if (OPENS < 100) return;
  const long grown = resident_kb() - before;
  cr_log_info("70 contexts: %ld kB more", grown);
  cr_expect_lt(grown, 70 * 300, "70 contexts more have kept %ld kB", grown);
}
