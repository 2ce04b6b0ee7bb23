/* See build.h. The program itself is known by a checksum: its version alone would hide a change. */
#include "lab/build.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/real.h"
#include "envs/env.h"
#include "lab/json.h"
#include "lab/presets.h"
#include "lab/run_folder.h"
#include "lab/tensorboard.h"
#include "nn/machine.h"

typedef enum build_part { VERSION, PRECISION, BUILD, COMPILER, MUJOCO, OPENBLAS, INSTRUCTIONS, PARTS } build_part;
enum { PART_TEXT = 64 };
static const char *const keys[PARTS] = {"ml3",    "precision", "build",          "compiler",
                                        "mujoco", "openblas",  "instruction_set"};

static void describe(char parts[PARTS][PART_TEXT]) {
  size_t size;
  char path[800], *program = NULL;
  if (ml3_lab_own_file(path, sizeof path)) program = ml3_file_read(path, (size_t)1 << 30, &size, NULL);
  snprintf(parts[VERSION], PART_TEXT, "%s", ML3_VERSION);
  snprintf(parts[PRECISION], PART_TEXT, "%s", ML3_REAL_NAME);
  snprintf(parts[BUILD], PART_TEXT, program ? "%08x" : "unknown", program ? ml3_lab_crc32c(program, size) : 0);
#ifdef __clang__
  snprintf(parts[COMPILER], PART_TEXT, "clang %s", __clang_version__);
#else
  snprintf(parts[COMPILER], PART_TEXT, "gcc %s", __VERSION__);
#endif
  snprintf(parts[MUJOCO], PART_TEXT, "%s", ml3_env_simulator());
  snprintf(parts[OPENBLAS], PART_TEXT, "%s", ml3_nn_blas_core());
  snprintf(parts[INSTRUCTIONS], PART_TEXT, "%s", ml3_nn_instruction_set());
  free(program);
}

void ml3_lab_build_text(char *text, size_t size) {
  char parts[PARTS][PART_TEXT];
  describe(parts);
  snprintf(text, size, "ml3 %s (%s precision)\nbuild %s, %s\nMuJoCo %s, OpenBLAS for %s, instruction set %s\n",
           parts[VERSION], parts[PRECISION], parts[BUILD], parts[COMPILER], parts[MUJOCO], parts[OPENBLAS],
           parts[INSTRUCTIONS]);
}

/* "openblas was Haswell and is Prescott" for all that differ, into text[size]; "" when nothing does. */
static void put_difference(const json_t *before, char parts[PARTS][PART_TEXT], char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < PARTS; i++) {
    const char *was = json_string_value(json_object_get(before, keys[i]));
    if (!was || strcmp(was, parts[i]) == 0 || used >= size) continue;
    used += (size_t)snprintf(text + used, size - used, "%s%s was %.40s and is %.40s", used ? ", " : "", keys[i], was,
                             parts[i]);
  }
}

int ml3_lab_build_keep(const char *folder, int64_t step, bool resumed, const ml3_lab_callbacks *callbacks,
                       ml3_error *error) {
  char path[ML3_LAB_PATH_MAX], parts[PARTS][PART_TEXT], difference[512];
  ml3_lab_run_path(folder, "build.json", path);
  describe(parts);
  json_t *builds = resumed ? json_load_file(path, 0, NULL) : NULL; /* runs of older versions have none */
  if (!json_is_array(builds)) json_decref(builds), builds = json_array();
  const json_t *last = json_array_get(builds, json_array_size(builds) - 1);
  put_difference(last, parts, difference, sizeof difference);
  if (last && !*difference) return json_decref(builds), ML3_OK;
  if (last)
    ml3_lab_message(callbacks,
                    "'%s' goes on from step %lld by something else than it was trained by (%s): its bits may be others "
                    "than without the stop",
                    folder, (long long)step, difference);
  json_t *now = json_pack("{s:I}", "from_step", (json_int_t)step);
  for (int i = 0; i < PARTS && now; i++) json_object_set_new(now, keys[i], json_string(parts[i]));
  int code = now && json_array_append_new(builds, now) == 0
                 ? ml3_lab_json_save(builds, path, error)
                 : ml3_error_set(error, ML3_ERR_MEMORY, "no memory for '%s'", path);
  json_decref(builds);
  return code;
}
