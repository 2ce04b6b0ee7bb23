/* Checkpoints: tensors in a file that can be trusted. Written whole or not at all and to the disk, with a checksum over all
   of it, and the one before is kept beside it as PATH.previous: whenever the machine stops, one of the two can be used. */
#ifndef ML3_NN_CHECKPOINT_H
#define ML3_NN_CHECKPOINT_H

#include "nn/tensor_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Adds the checksum and writes; what was at path becomes PATH.previous. On failure both are as they were. */
int ml3_nn_checkpoint_save(ml3_nn_tensors *tensors, const char *path, ml3_error *error);

/* Reads one that ml3_nn_checkpoint_save has written; damage anywhere is ML3_ERR_FORMAT and a sentence. */
ml3_nn_tensors *ml3_nn_checkpoint_load(const char *path, ml3_error *error);

/* Which of the two is to be loaded: found[size] gets path, or PATH.previous when the newest is damaged or missing; *damage
   then says in a sentence what is wrong with it, else its code is ML3_OK. An error when neither is whole, ML3_ERR_IO when
   neither is there. */
int ml3_nn_checkpoint_find(const char *path, char *found, size_t size, ml3_error *damage, ml3_error *error);

#ifdef __cplusplus
}
#endif

#endif
