/* Checkpoints as files (nn/checkpoint.h), and what `ml3 train --resume` makes of damaged ones, full disks and folders that
   cannot be written. */
#define _DEFAULT_SOURCE
#include <sys/mount.h>

#include "command.h"
#include "nn/checkpoint.h"

TestSuite(checkpoint, .init = make_folder, .fini = drop_folder, .timeout = 300);

/* ---- the file ----------------------------------------------------------------------------------------------- */

static char path[64], previous[80];

static void save(int number) {
  ml3_error error = {0};
  const ml3_real numbers[3] = {(ml3_real)number, 2, 3};
  const double doubles[2] = {1.0 / 3, number};
  const int64_t counters[2] = {number, -1};
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  snprintf(path, sizeof path, "%s/checkpoint", folder);
  snprintf(previous, sizeof previous, "%s.previous", path);
  ml3_nn_tensors_put(t, "numbers", 0, 3, numbers, &error);
  ml3_nn_tensors_put_doubles(t, "doubles", 2, doubles, &error);
  ml3_nn_tensors_put_ints(t, "counters", 2, counters, &error);
  ml3_nn_tensors_put_text(t, "format", "a test", &error);
  cr_assert_eq(ml3_nn_checkpoint_save(t, path, &error), ML3_OK, "%s", error.message);
  ml3_nn_tensors_free(t);
}

/* The number of the checkpoint in a file; -1 with a sentence. */
static int number_in(const char *file, ml3_error *error) {
  int64_t counters[2] = {-1, 0};
  ml3_nn_tensors *t = ml3_nn_checkpoint_load(file, error);
  if (t) ml3_nn_tensors_get_ints(t, "counters", 2, counters, error);
  ml3_nn_tensors_free(t);
  return (int)counters[0];
}

static int found_number(ml3_error *damage, ml3_error *error) {
  char found[128];
  return ml3_nn_checkpoint_find(path, found, sizeof found, damage, error) == ML3_OK ? number_in(found, error) : -1;
}

Test(checkpoint, the_one_before_is_kept) {
  ml3_error error = {0}, damage = {0};
  save(1);
  cr_expect_eq(number_in(path, &error), 1, "%s", error.message);
  save(2);
  save(3);
  cr_expect_eq(number_in(path, &error), 3, "%s", error.message);
  cr_expect_eq(number_in(previous, &error), 2, "%s", error.message);
  cr_expect_eq(found_number(&damage, &error), 3, "%s", error.message);
  cr_expect_eq(damage.code, ML3_OK);
}

static unsigned char *read_bytes(const char *name, size_t *size) {
  FILE *file = fopen(name, "rb");
  unsigned char *bytes = malloc(65536);
  *size = fread(bytes, 1, 65536, file);
  fclose(file);
  return bytes;
}

static void write_bytes(const char *name, const unsigned char *bytes, size_t size) {
  FILE *file = fopen(name, "wb");
  cr_assert_eq(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

Test(checkpoint, no_changed_byte_goes_unseen) {
  size_t size;
  save(7);
  unsigned char *bytes = read_bytes(path, &size);
  for (size_t i = 0; i < size; i++)
    for (int bit = 0; bit < 8; bit += 3) {
      ml3_error error = {0};
      bytes[i] ^= (unsigned char)(1 << bit);
      write_bytes(path, bytes, size);
      ml3_nn_tensors *t = ml3_nn_checkpoint_load(path, &error);
      bytes[i] ^= (unsigned char)(1 << bit);
      if (t) /* white space in the header may become other white space */
        cr_expect(bytes[i] == ' ', "byte %zu, bit %d: read all the same", i, bit);
      else
        cr_expect_not_null(strstr(error.message, path), "byte %zu: %s", i, error.message);
      ml3_nn_tensors_free(t);
    }
  free(bytes);
}

Test(checkpoint, a_truncated_newest_falls_back_to_the_one_before) {
  size_t size;
  save(1);
  save(2);
  unsigned char *bytes = read_bytes(path, &size);
  for (size_t cut = 0; cut < size; cut++) {
    ml3_error error = {0}, damage = {0};
    write_bytes(path, bytes, cut);
    cr_expect_eq(found_number(&damage, &error), 1, "cut at %zu: %s", cut, error.message);
    cr_expect(damage.code != ML3_OK && strstr(damage.message, path), "cut at %zu: %s", cut, damage.message);
  }
  free(bytes);
}

Test(checkpoint, a_missing_newest_falls_back_and_two_bad_ones_are_an_error) {
  ml3_error error = {0}, damage = {0};
  save(1);
  save(2);
  cr_assert_eq(unlink(path), 0);
  cr_expect_eq(found_number(&damage, &error), 1, "%s", error.message);
  cr_expect_not_null(strstr(damage.message, path), "%s", damage.message);
  write_file("checkpoint.previous", "neither");
  cr_expect_eq(found_number(&damage, &error), -1);
  cr_expect_not_null(strstr(error.message, previous), "%s", error.message);
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

/* A whole run of 20 steps and one stopped at 10 with checkpoints of 5 and 10. */
#define STEPS "--set outer.schedule=constant --set checkpoint.every=5 " TINY

static void train_both(void) {
  cr_assert_eq(ml3("train -o whole " STEPS "--set outer.steps=20"), 0, "%s", output);
  cr_assert_eq(ml3("train -o run " STEPS "--set outer.steps=10"), 0, "%s", output);
}

static void expect_as_whole(void) {
  cr_assert_eq(ml3("train --resume run --quiet --set outer.steps=20"), 0, "%s", output);
  cr_expect_eq(
      shell("for f in checkpoint loss.safetensors metrics.csv; do cmp whole/$f run/$f || exit 1; done\n"
            "for r in whole run; do grep -v seconds $r/summary.json >$r.summary; done; cmp whole.summary run.summary"),
      0);
}

Test(checkpoint, a_run_with_a_damaged_newest_goes_on_from_the_one_before_and_says_so) {
  train_both();
  cr_assert_eq(shell("head -c 900 run/checkpoint >cut && mv cut run/checkpoint"), 0);
  expect_as_whole();
  cr_expect(
      strstr(output, "run/checkpoint'") && strstr(output, "going on from the one before, 'run/checkpoint.previous'"),
      "%s", output);
  cr_expect(exists("run/checkpoint.damaged"));
}

Test(checkpoint, a_run_killed_before_its_first_begins_at_its_first_step) {
  train_both();
  cr_assert_eq(shell("rm run/checkpoint*"), 0);
  expect_as_whole();
  cr_expect_not_null(strstr(output, "no checkpoint yet"), "%s", output);
}

Test(checkpoint, what_a_killed_run_left_half_written_is_removed) {
  train_both();
  cr_assert_eq(
      shell("touch run/checkpoint.tmp-aB3xYz run/metrics.csv.tmp-000000 run/checkpoint.tmp-aB3xYz~ run/my.tmpfile"), 0);
  expect_as_whole();
  cr_expect_eq(shell("! ls run | grep -q 'tmp-' && test -e run/my.tmpfile"), 0);
}

/* A folder of its own on a small disk; false where mounting is not allowed. */
static bool mount_disk(const char *options) {
  char where[64];
  snprintf(where, sizeof where, "%s/disk", folder);
  mkdir(where, 0755);
  return mount("tmpfs", where, "tmpfs", 0, options) == 0;
}

Test(checkpoint, a_full_disk_keeps_the_last_good_one) {
  if (!mount_disk("size=128k")) cr_skip_test("no right to mount a small disk");
  cr_expect_eq(ml3("train -o disk/run " STEPS "--set outer.steps=5 --log none"), 0, "%s", output);
  cr_expect_eq(shell("sha256sum disk/run/checkpoint disk/run/loss.safetensors >sums; dd if=/dev/zero of=disk/fill "
                     "bs=1k 2>/dev/null"),
               1);
  cr_expect_eq(ml3("train --resume disk/run --quiet --set outer.steps=4000 --log none"), 1, "%s", output);
  cr_expect(strstr(output, "No space left") && strstr(output, "cannot write 'disk/run/"), "%s", output);
  cr_expect_eq(shell("sha256sum --quiet -c sums; c=$?; rm disk/fill; exit $c"), 0);
  cr_expect_eq(ml3("train --resume disk/run --quiet --set outer.steps=10 --log none"), 0, "%s", output);
  cr_expect_eq(shell("umount disk"), 0);
}

Test(checkpoint, a_folder_on_a_read_only_disk_is_told_and_stays_as_it_is) {
  if (!mount_disk("size=4m")) cr_skip_test("no right to mount a small disk");
  cr_expect_eq(ml3("train -o disk/run " STEPS "--set outer.steps=5"), 0, "%s", output);
  cr_expect_eq(shell("sha256sum disk/run/* >sums; mount -o remount,ro disk"), 0);
  cr_expect_eq(ml3("train --resume disk/run --quiet --set outer.steps=10"), 1, "%s", output);
  cr_expect(strstr(output, "cannot write 'disk/run/") && strstr(output, "Read-only"), "%s", output);
  cr_expect_eq(shell("sha256sum --quiet -c sums"), 0);
  cr_expect_eq(shell("umount disk"), 0);
}

/* ---- learners --------------------------------------------------------------------------------------------------- */

#define PPO "--set learner.epochs=2 --set learner.minibatches=3 --set learner.anneal=false"

static void learner_resumes(const char *method, const char *environment, const char *own) {
  char line[600];
  const char *const sets =
      "--quiet --set learner.envs=3 --set learner.steps=37 --set policy.hidden=[4] --set checkpoint.every=2 --set horizon=25";
  snprintf(line, sizeof line, "train %s --set method=%s -o whole --force --set learner.updates=8 %s %s", environment,
           method, sets, own);
  cr_assert_eq(ml3(line), 0, "%s", output);
  snprintf(line, sizeof line, "train %s --set method=%s -o run --force --set learner.updates=5 %s %s", environment, method,
           sets, own);
  cr_assert_eq(ml3(line), 0, "%s", output);
  cr_assert_eq(ml3("train --resume run --quiet --set learner.updates=8"), 0, "%s", output);
  cr_expect_eq(shell("for f in checkpoint policy.safetensors; do cmp whole/$f run/$f || exit 1; done\n"
                     "for r in whole run; do grep -v second $r/summary.json >$r.summary; cut -d, -f1-8,10- "
                     "$r/metrics.csv >$r.metrics; done\n"
                     "cmp whole.summary run.summary && cmp whole.metrics run.metrics"),
               0, "%s in %s", method, environment);
}

Test(checkpoint, learners_go_on_with_the_same_bits) {
  learner_resumes("ppo", "reacher", PPO);
  learner_resumes("reinforce", "reacher", "--set learner.anneal=false");
  learner_resumes("random", "reacher", "");
}

/* Replay, both critics and their targets, the temperature and the policy: all of it is in the checkpoint. */
Test(checkpoint, sac_resumes_with_the_same_bits) {
  learner_resumes("sac", "pendulum",
                  "--set learner.critic_hidden=[8] --set learner.batch=16 --set learner.buffer=300 --set learner.learning_starts=60");
}

Test(checkpoint, ppo_goes_on_with_the_same_bits_in_every_environment) {
  static const char *const names[] = {
      "mountain_car", "mountain_car_continuous", "pointmass", "pointmass_goal", "reacher_goal", "pendulum_swing_up", "walker_goal"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) learner_resumes("ppo", names[i], PPO);
}
