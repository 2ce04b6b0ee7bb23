/* A run's configuration in YAML. What was understood is printed as YAML and read again: it must be understood then too,
   and print the same. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/config.h"
#include "memory_files.h"

static char texts[2][1 << 17];

static size_t print(const ml3_lab_config *config, char *text, size_t size) {
  FILE *out = fmemopen(text, size, "w");
  if (!out) abort();
  ml3_lab_config_print(config, out, false);
  const long length = ftell(out);
  fclose(out);
  return (size_t)length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static ml3_lab_config defaults;
  static bool begun;
  if (!begun) ml3_lab_config_defaults(&defaults);
  begun = true;

  ml3_error error = {0};
  ml3_lab_config config = defaults;
  memory_file("fuzz.yaml", data, size);
  if (ml3_lab_config_read(&config, "fuzz.yaml", &error) != ML3_OK) {
    if (!error.message[0]) abort();
    return 0;
  }
  if (size % 4 != 0) return 0; /* printing takes longer than reading */
  const size_t length = print(&config, texts[0], sizeof texts[0]);
  ml3_lab_config again = defaults;
  memory_file("fuzz.yaml", texts[0], length);
  if (ml3_lab_config_read(&again, "fuzz.yaml", &error) != ML3_OK) {
    fprintf(stderr, "what was printed cannot be read: %s\n", error.message);
    abort();
  }
  if (print(&again, texts[1], sizeof texts[1]) != length || memcmp(texts[0], texts[1], length) != 0) {
    fprintf(stderr, "printed, read and printed again it is another:\n%s\n%s\n", texts[0], texts[1]);
    abort();
  }
  return 0;
}
