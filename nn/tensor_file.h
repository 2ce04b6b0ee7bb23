/* Named tensors in a file of the safetensors format: 8 bytes header length, a JSON header, raw data,
   little-endian. Readable by Python's `safetensors`. The header's "__metadata__" holds strings. */
#ifndef ML3_NN_TENSOR_FILE_H
#define ML3_NN_TENSOR_FILE_H

#include "base/error.h"
#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ml3_nn_tensors ml3_nn_tensors; /* a file's content in memory */

ml3_nn_tensors *ml3_nn_tensors_new(void); /* NULL when out of memory */
void ml3_nn_tensors_free(ml3_nn_tensors *t); /* may be NULL */

/* Adds a copy of data[rows*cols] as F32 or F64 by ml3_real; rows 0 means a vector of cols. Replaces a tensor
   of the same name. */
int ml3_nn_tensors_put(ml3_nn_tensors *t, const char *name, int rows, int cols, const ml3_real *data,
                       ml3_error *error);
/* 64-bit integers, for counters. */
int ml3_nn_tensors_put_ints(ml3_nn_tensors *t, const char *name, int count, const int64_t *data,
                            ml3_error *error);
/* F64, whatever ml3_real is. */
int ml3_nn_tensors_put_doubles(ml3_nn_tensors *t, const char *name, int count, const double *data, ml3_error *error);
int ml3_nn_tensors_put_text(ml3_nn_tensors *t, const char *key, const char *value, ml3_error *error);

/* Reads into data[size], converting from F64, F32, F16 and BF16. The tensor must have exactly size entries, and they must be
   finite as ml3_real: NaN, infinity and what overflows are refused with file, tensor and index. */
int ml3_nn_tensors_get(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *data,
                       ml3_error *error);
/* The same, whatever the entries are. */
int ml3_nn_tensors_get_raw(const ml3_nn_tensors *t, const char *name, size_t size, ml3_real *data, ml3_error *error);
int ml3_nn_tensors_get_ints(const ml3_nn_tensors *t, const char *name, int count, int64_t *data,
                            ml3_error *error);
/* Of a tensor that is F64; its entries must be finite. */
int ml3_nn_tensors_get_doubles(const ml3_nn_tensors *t, const char *name, int count, double *data, ml3_error *error);
/* The string, or NULL when there is none of that key. Owned by t. */
const char *ml3_nn_tensors_text(const ml3_nn_tensors *t, const char *key);
/* Number of entries of a tensor, or 0 when there is none of that name. */
size_t ml3_nn_tensors_size(const ml3_nn_tensors *t, const char *name);

/* Writes atomically. */
int ml3_nn_tensors_save(const ml3_nn_tensors *t, const char *path, ml3_error *error);
/* A damaged, truncated or foreign file is rejected with a sentence that names the file and what is wrong. */
ml3_nn_tensors *ml3_nn_tensors_load(const char *path, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
