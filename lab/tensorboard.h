/* A TensorBoard event file, written by hand: records of the TFRecord format, each a protobuf `Event`.

     record   length (8 bytes, little-endian), masked CRC-32C of those, data, masked CRC-32C of the data
     masked   ((crc >> 15) | (crc << 17)) + 0xa282ead8

   Source: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto, summary.proto. */
#ifndef ML3_LAB_TENSORBOARD_H
#define ML3_LAB_TENSORBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct ml3_lab_tensorboard ml3_lab_tensorboard;

/* Makes FOLDER/events.out.tfevents.TIME.ml3. With keep > 0 the folder's newest one is cut off behind that step and goes on
   instead (a resumed run): *goes_on. Whoever reads it meanwhile sees nothing of this: the same records come again. NULL with
   a message. */
ml3_lab_tensorboard *ml3_lab_tensorboard_open(const char *folder, int64_t keep, bool *goes_on, ml3_error *error);
/* The folder's newest event file, into path[size]; false when there is none. */
bool ml3_lab_tensorboard_find(const char *folder, char *path, size_t size);

/* One event: the finite values of names[count], as scalars. */
int ml3_lab_tensorboard_scalars(ml3_lab_tensorboard *t, int64_t step, const char *const *names, const double *values,
                                int count, ml3_error *error);
/* A text for the tab TEXT (Markdown). */
int ml3_lab_tensorboard_text(ml3_lab_tensorboard *t, const char *name, const char *text, ml3_error *error);

int ml3_lab_tensorboard_flush(ml3_lab_tensorboard *t, ml3_error *error);
void ml3_lab_tensorboard_close(ml3_lab_tensorboard *t); /* t may be NULL */

/* CRC-32C (Castagnoli) of data[size], and as records store it. */
uint32_t ml3_lab_crc32c(const void *data, size_t size);
uint32_t ml3_lab_crc32c_masked(const void *data, size_t size);

#endif
