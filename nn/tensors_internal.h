/* What tensors.c (in memory) and tensor_file.c (in files) share. Not for users. */
#ifndef ML3_NN_TENSORS_INTERNAL_H
#define ML3_NN_TENSORS_INTERNAL_H

#include <jansson.h>

#include "nn/tensor_file.h"

enum { ML3_NN_MAX_RANK = 8 };

/* The wide ones first: in this order they go into a file, and so are aligned there. */
typedef enum ml3_nn_dtype {
  ML3_NN_F64,
  ML3_NN_I64,
  ML3_NN_F32,
  ML3_NN_F16,  /* IEEE 754 binary16: read, and written again as it was read */
  ML3_NN_BF16, /* the upper half of a binary32; the same */
  ML3_NN_DTYPES
} ml3_nn_dtype;

extern const char ml3_nn_metadata_key[]; /* the header's entry that holds text */

/* Its name in a file; the bytes of one entry. */
const char *ml3_nn_dtype_name(ml3_nn_dtype type);
size_t ml3_nn_dtype_bytes(ml3_nn_dtype type);

typedef struct ml3_nn_tensor {
  char *name;
  ml3_nn_dtype type;
  int rank;
  size_t shape[ML3_NN_MAX_RANK];
  size_t count; /* of entries */
  void *data;
} ml3_nn_tensor;

struct ml3_nn_tensors {
  ml3_nn_tensor *list;
  int count, capacity;
  json_t *text; /* object of strings */
  char *source; /* path it was loaded from, or NULL */
};

/* Appends copies of name and data; x says the rest. The name must be new. */
int ml3_nn_tensors_append(ml3_nn_tensors *t, const char *name, ml3_nn_tensor x, const void *data,
                          ml3_error *error);

/* Writes atomically; `previous` (may be NULL): what was at path is kept under that name. In tensor_file.c. */
int ml3_nn_tensors_write(const ml3_nn_tensors *t, const char *path, const char *previous, ml3_error *error);

/* Text from a file or a caller, fit for a message: short and without control characters. */
typedef struct ml3_nn_shown {
  char text[84];
} ml3_nn_shown;

ml3_nn_shown ml3_nn_show(const char *text);

char *ml3_nn_copy_string(const char *s); /* NULL when out of memory */

#endif
