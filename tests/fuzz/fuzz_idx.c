/* Images and labels in IDX format. Three bytes say how many classes, how much pooling and where the images end and the
   labels begin. */
#include <stdlib.h>

#include "memory_files.h"
#include "metaloss/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ml3_error error = {0};
  if (size < 3) return 0;
  const int classes = data[0], pool = (int8_t)data[1];
  const uint8_t *bytes = data + 3;
  const size_t all = size - 3, labels = data[2] < all ? data[2] : all;
  memory_file("images", bytes, all - labels);
  memory_file("labels", bytes + all - labels, labels);
  ml3_dataset *d = ml3_idx_read("images", "labels", classes, pool, &error);
  if (!d && !error.message[0]) abort();
  for (int i = 0; d && i < d->rows; i++)
    if (d->y[i] < 0 || d->y[i] >= classes) abort();
  for (int i = 0; d && i < d->rows * d->inputs; i++)
    if (!(d->x[i] >= 0 && d->x[i] <= 1)) abort();
  ml3_dataset_free(d);
  return 0;
}
