/* What a run logs: the same numbers in metrics.csv, the TensorBoard event file and the JSON lines, and the same bits
   whatever is logged. The event file is read here by an own reader of the record format. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>

#include "command.h"

TestSuite(ml3_lab_log, .init = make_folder, .fini = drop_folder, .timeout = 120);

/* ---- a reader of event files -------------------------------------------------------------------------------------- */

static uint32_t crc32c(const unsigned char *data, size_t size) {
  static uint32_t table[256];
  for (uint32_t i = 0; i < 256 && !table[255]; i++) {
    table[i] = i;
    for (int bit = 0; bit < 8; bit++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78u : table[i] >> 1;
  }
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
  return crc ^ 0xffffffffu;
}

static uint64_t little_endian(const unsigned char *at, int size) {
  uint64_t x = 0;
  for (int i = size; i-- > 0;) x = x << 8 | at[i];
  return x;
}

static void expect_checksum(const unsigned char *data, size_t size) {
  const uint32_t stored = (uint32_t)little_endian(data + size, 4) - 0xa282ead8u;
  cr_assert_eq(stored << 15 | stored >> 17, crc32c(data, size), "a record's checksum is wrong");
}

static uint64_t varint(const unsigned char **at) {
  uint64_t x = 0;
  for (int shift = 0;; shift += 7) {
    x |= (uint64_t)(**at & 127) << shift;
    if (!(*(*at)++ & 128)) return x;
  }
}

typedef struct field {
  int number;
  uint64_t value; /* or length */
  const unsigned char *data;
} field;

static field next_field(const unsigned char **at) {
  const uint64_t key = varint(at);
  field f = {.number = (int)(key >> 3), .data = *at};
  if ((key & 7) == 0) f.value = varint(at);
  if ((key & 7) == 1) f.value = little_endian(*at, 8), *at += 8;
  if ((key & 7) == 5) f.value = little_endian(*at, 4), *at += 4;
  if ((key & 7) == 2) f.value = varint(at), f.data = *at, *at += f.value;
  return f;
}

typedef struct scalar {
  char name[64];
  int64_t step;
  float value;
} scalar;

typedef struct events {
  scalar scalars[4096];
  int count, records, starts;
  char version[32];
} events;

static void read_value(events *e, int64_t step, field message) {
  scalar *s = &e->scalars[e->count];
  bool found = false;
  for (const unsigned char *at = message.data; at < message.data + message.value;) {
    const field f = next_field(&at);
    const uint32_t bits = (uint32_t)f.value;
    if (f.number == 1) snprintf(s->name, sizeof s->name, "%.*s", (int)f.value, (const char *)f.data);
    if (f.number == 2) memcpy(&s->value, &bits, sizeof bits), found = true;
  }
  s->step = step;
  e->count += found;
}

static void read_event(events *e, const unsigned char *data, size_t size) {
  int64_t step = 0;
  for (const unsigned char *at = data; at < data + size;) {
    const field f = next_field(&at);
    if (f.number == 2) step = (int64_t)f.value;
    if (f.number == 3) snprintf(e->version, sizeof e->version, "%.*s", (int)f.value, (const char *)f.data);
    if (f.number == 7) e->starts++;
    if (f.number != 5) continue;
    for (const unsigned char *inner = f.data; inner < f.data + f.value;) read_value(e, step, next_field(&inner));
  }
}

/* Reads all event files of a run, in order. */
static void read_events(events *e, const char *run) {
  char pattern[128];
  glob_t found;
  *e = (events){0};
  snprintf(pattern, sizeof pattern, "%s/%s/events.out.tfevents.*", folder, run);
  cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "no event file");
  for (size_t i = 0; i < found.gl_pathc; i++) {
    FILE *in = fopen(found.gl_pathv[i], "rb");
    unsigned char *data = malloc(1 << 20);
    const size_t size = fread(data, 1, 1 << 20, in);
    fclose(in);
    for (size_t at = 0; at < size; e->records++) {
      const size_t length = (size_t)little_endian(data + at, 8);
      cr_assert_leq(at + length + 16, size, "a record is cut off");
      expect_checksum(data + at, 8);
      expect_checksum(data + at + 12, length);
      read_event(e, data + at + 12, length);
      at += length + 16;
    }
    free(data);
  }
  globfree(&found);
}

static double scalar_at(const events *e, const char *name, int64_t step) {
  for (int i = 0; i < e->count; i++)
    if (e->scalars[i].step == step && strcmp(e->scalars[i].name, name) == 0) return e->scalars[i].value;
  return NAN;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

Test(ml3_lab_log, the_checksum_is_castagnoli) {
  cr_expect_eq(crc32c((const unsigned char *)"123456789", 9), 0xe3069283u); /* RFC 3720, appendix B.4's polynomial */
}

Test(ml3_lab_log, event_file_and_json_lines_hold_the_numbers_of_the_csv) {
  static events e;
  cr_assert_eq(ml3("train -o run --log tensorboard,json " TINY "--set outer.steps=10"), 0, "%s", output);
  read_events(&e, "run");
  cr_expect_str_eq(e.version, "brain.Event:2");
  cr_expect_eq(e.starts, 0);

  char path[128], line[1024];
  snprintf(path, sizeof path, "%s/run/metrics.csv", folder);
  FILE *csv = fopen(path, "r");
  snprintf(path, sizeof path, "%s/run/metrics.jsonl", folder);
  FILE *lines = fopen(path, "r");
  cr_assert(csv && lines && fgets(line, sizeof line, csv));
  cr_expect_eq(strncmp(line, "outer_step,losses/objective,losses/gradient_norm,", 49), 0, "%s", line);
  int steps = 0;
  while (fgets(line, sizeof line, csv)) {
    long step;
    double objective;
    char json_line[1024];
    cr_assert(fgets(json_line, sizeof json_line, lines), "fewer JSON lines than rows");
    json_t *json = json_loads(json_line, 0, NULL);
    cr_assert_not_null(json, "not JSON: %s", json_line);
    if (sscanf(line, "%ld,%lf", &step, &objective) == 2) {
      steps++;
      cr_expect_eq(json_integer_value(json_object_get(json, "step")), step);
      cr_expect_float_eq(json_number_value(json_object_get(json, "losses/objective")), objective, 1e-7);
      /* a float of the double whose nine digits are in the CSV */
      cr_expect_float_eq(scalar_at(&e, "losses/objective", step), objective, 2e-7 * fabs(objective), "step %ld", step);
    }
    json_decref(json);
  }
  cr_expect_eq(steps, 10);
  cr_expect(!isnan(scalar_at(&e, "validation/success", 5)) && !isnan(scalar_at(&e, "charts/SPS", 10)));
  fclose(csv);
  fclose(lines);
}

/* Meta-training through a model: ten steps of 2 tasks, 2 updates and the losses after each, 35 steps; and 32 tasks that inputs
   are normalised by. */
Test(ml3_lab_log, meta_training_counts_steps_of_environment_and_model) {
  cr_assert_eq(ml3("train mountain_car -o run --log json " TINY
                   "--set outer.steps=10 --set inner.steps=2 --set inner.weights=all --set rollout.starts=1"),
               0, "%s", output);
  cr_expect_eq(shell("grep -q '\"env_steps\": 0,' run/summary.json && grep -q '\"model_steps\": 3920,' run/summary.json && "
                     "grep -q '\"seconds\": ' run/summary.json"),
               0);
  cr_expect_eq(shell("head -1 run/metrics.csv | grep -q 'global_step,charts/model_steps$' && "
                     "tail -1 run/metrics.csv | grep -q ',0,3920$' && tail -1 run/metrics.jsonl | grep -q charts/SPS"),
               0);
  cr_assert_eq(ml3("train mountain_car -o policy --log json --quiet --set method=ppo --set learner.updates=2"), 0, "%s", output);
  cr_expect_eq(shell("grep -o charts/SPS policy/metrics.jsonl | wc -l | grep -qx $(wc -l <policy/metrics.jsonl)"), 0,
               "once a line");
}

Test(ml3_lab_log, the_bits_are_the_same_whatever_is_logged) {
  cr_assert_eq(ml3("train -o all --log tensorboard,json " TINY "--set outer.steps=10"), 0, "%s", output);
  cr_assert_eq(ml3("train -o none --log none " TINY "--set outer.steps=10"), 0, "%s", output);
  cr_expect_eq(shell("cmp all/checkpoint none/checkpoint && cmp all/metrics.csv none/metrics.csv"), 0);
  cr_expect_neq(shell("ls none/events* none/metrics.jsonl 2>/dev/null"), 0, "--log none wrote more than metrics.csv");
}

Test(ml3_lab_log, a_resumed_run_drops_what_was_said_of_later_steps) {
  static events e;
  const char *const train = "train --log tensorboard,json --set outer.schedule=constant " TINY;
  char arguments[512];
  snprintf(arguments, sizeof arguments, "%s -o whole --set outer.steps=20", train);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  snprintf(arguments, sizeof arguments, "%s -o run --set outer.steps=10", train);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  cr_assert_eq(shell("cp run/checkpoint kept"), 0);
  const char *const resume = "train --resume run --log tensorboard,json --quiet --set outer.steps=";
  snprintf(arguments, sizeof arguments, "%s15", resume);
  cr_assert_eq(ml3(arguments), 0, "%s", output);
  cr_assert_eq(shell("cp kept run/checkpoint"), 0); /* as if it had been killed at 15, with the checkpoint of 10 */
  snprintf(arguments, sizeof arguments, "%s20", resume);
  cr_assert_eq(ml3(arguments), 0, "%s", output);

  cr_expect_eq(shell("grep -c '^[0-9]*,[0-9]' run/metrics.csv | grep -qx 20"), 0, "a row a step");
  cr_expect_eq(shell("for run in whole run; do grep -v validation $run/metrics.jsonl | "
                     "sed -E 's/, \"(time|charts.SPS)\": [^,}]*//g' >$run.lines; done; cmp whole.lines run.lines"),
               0, "the JSON lines differ from those of a run that was not interrupted");
  cr_expect_eq(shell("test $(ls run/events* | wc -l) = 1"), 0, "the event file goes on");
  static events whole;
  read_events(&e, "run");
  read_events(&whole, "whole");
  cr_expect_eq(e.records, whole.records);
  for (int i = 0; i < whole.count; i++)
    if (strcmp(whole.scalars[i].name, "charts/SPS") != 0)
      cr_expect_eq(scalar_at(&e, whole.scalars[i].name, whole.scalars[i].step), whole.scalars[i].value, "%s at %ld",
                   whole.scalars[i].name, (long)whole.scalars[i].step);
}

Test(ml3_lab_log, a_resumed_run_is_logged_as_it_was_before) {
  cr_assert_eq(ml3("train -o run --log json " TINY "--set outer.steps=5"), 0, "%s", output);
  cr_assert_eq(ml3("train --resume run --quiet --set outer.steps=10"), 0, "%s", output);
  cr_expect_eq(shell("grep -q '\"step\": 10' run/metrics.jsonl && ! ls run/events* 2>/dev/null"), 0);
}

Test(ml3_lab_log, a_new_run_in_an_old_folder_begins_new_logs) {
  static events e;
  cr_assert_eq(ml3("train -o run --log tensorboard,json " TINY "--set outer.steps=10"), 0, "%s", output);
  cr_assert_eq(ml3("train -o run --force " TINY "--set outer.steps=5"), 0, "%s", output);
  read_events(&e, "run");
  cr_expect(isnan(scalar_at(&e, "losses/objective", 6)), "the other run's event file is still there");
  cr_expect(!exists("run/metrics.jsonl"));
}

Test(ml3_lab_log, a_full_disk_is_told_and_leaves_what_was_whole) {
  cr_assert_eq(ml3("train -o run " TINY "--set outer.steps=5"), 0, "%s", output);
  cr_assert_eq(shell("sha256sum run/loss.safetensors run/config.yaml >sums"), 0);
  char line[1024]; /* where coverage is counted, its counts are files too: not in those of other processes */
  snprintf(line, sizeof line,
           "ulimit -f 1; GCOV_PREFIX=$PWD %s train --resume run " TINY "--set outer.steps=4000 >log 2>&1", ML3_COMMAND);
  cr_expect_eq(shell(line), 1);
  cr_expect_eq(shell("grep -q \"cannot write 'run/.*File too large\" log"), 0);
  cr_expect_eq(shell("sha256sum --quiet -c sums && ! ls run | grep -E 'tmp|[.][A-Za-z0-9]{6}$'"), 0);
}

Test(ml3_lab_log, an_unknown_format_is_told) {
  expect("train --log tensorbord", 2, "did you mean 'tensorboard'?");
  cr_expect(!exists("runs"));
}
