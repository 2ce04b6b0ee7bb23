/* Tables. The first byte says which columns are asked for and how. */
#include <math.h>
#include <stdlib.h>

#include "memory_files.h"
#include "metaloss/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const inputs[] = {"a", "b"}, *const targets[] = {"y", "z"};
  ml3_error error = {0};
  if (size < 1) return 0;
  const int how = data[0];
  const ml3_csv_columns columns = {.inputs = inputs,
                                   .input_count = how & 1 ? 2 : 0,
                                   .targets = targets,
                                   .target_count = how & 2 ? 2 : 1,
                                   .task = how & 4 ? "t" : NULL,
                                   .classification = how & 8,
                                   .classes = how & 16 ? 3 : 0};
  memory_file("fuzz.csv", data + 1, size - 1);
  ml3_dataset *d = ml3_csv_read("fuzz.csv", &columns, &error);
  if (!d && !error.message[0]) abort();
  if (d) {
    for (int i = 0; i < d->rows * d->inputs; i++)
      if (!isfinite(d->x[i])) abort();
    for (int i = 0; i < d->rows * d->outputs; i++)
      if (!isfinite(d->y[i]) || (d->classes && (d->y[i] < 0 || d->y[i] >= d->classes))) abort();
    for (int i = 0; i < d->rows && d->group; i++)
      if (d->group[i] < 0 || d->group[i] >= d->groups) abort();
  }
  ml3_dataset_free(d);
  return 0;
}
