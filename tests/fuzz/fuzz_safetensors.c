/* Tensor files, and what is read from them: a learned loss, a policy. Whatever can be read can be read again after it
   was written. */
#include <stdlib.h>
#include <string.h>

#include "agents/learn/policy.h"
#include "memory_files.h"
#include "metaloss/loss.h"
#include "nn/tensors_internal.h"

static void read_tensors(const ml3_nn_tensors *t) {
  for (int i = 0; i < t->count; i++) {
    const ml3_nn_tensor *x = &t->list[i];
    const size_t size = ml3_nn_tensors_size(t, x->name);
    ml3_real *data = malloc(size * sizeof *data + 1);
    int64_t *ints = malloc(size * sizeof *ints + 1);
    const bool whole = x->type == ML3_NN_I64;
    if (!data || !ints || size != x->count) abort();
    const int code = whole ? ml3_nn_tensors_get_ints(t, x->name, (int)size, ints, NULL)
                           : ml3_nn_tensors_get_raw(t, x->name, size, data, NULL);
    if (code != ML3_OK) abort();
    free(data);
    free(ints);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ml3_error error = {0};
  memory_file("fuzz", data, size);
  ml3_nn_tensors *t = ml3_nn_tensors_load("fuzz", &error);
  if (!t) {
    if (!error.message[0]) abort();
    return 0;
  }
  read_tensors(t);
  const bool has_spec = ml3_nn_tensors_text(t, "spec"), has_shape = ml3_nn_tensors_text(t, "shape");
  ml3_nn_tensors_free(t);

  if (has_spec) ml3_loss_free(ml3_loss_load("fuzz", &error));
  if (has_shape) {
    ml3_policy policy;
    ml3_real *theta;
    if (ml3_policy_open("fuzz", ml3_env_at(0), &policy, &theta, &error) == ML3_OK) {
      free(theta);
      ml3_policy_free(&policy);
    }
  }
  return 0;
}
