/* Orthogonal initial weights (Saxe et al. 2013): rows, or columns where those are fewer, of length `gain` and at right
   angles, from Gaussian numbers by modified Gram-Schmidt. */
#include <math.h>
#include <stdlib.h>

#include "agents/learn/policy.h"

/* vectors[count][length], count <= length. */
static void orthonormalize(double *vectors, int count, int length) {
  for (int i = 0; i < count; i++) {
    double *v = vectors + (size_t)i * (size_t)length, norm = 0;
    for (int j = 0; j < i; j++) {
      const double *u = vectors + (size_t)j * (size_t)length;
      double dot = 0;
      for (int k = 0; k < length; k++) dot += u[k] * v[k];
      for (int k = 0; k < length; k++) v[k] -= dot * u[k];
    }
    for (int k = 0; k < length; k++) norm += v[k] * v[k];
    for (int k = 0; k < length; k++) v[k] /= sqrt(norm);
  }
}

static void fill(double *vectors, int out, int in, double gain, ml3_random *random, ml3_real *weight) {
  const bool wide = out <= in; /* rows are the vectors */
  const int count = wide ? out : in, length = wide ? in : out;
  for (int i = 0; i < count * length; i++) vectors[i] = ml3_random_normal(random);
  orthonormalize(vectors, count, length);
  for (int o = 0; o < out; o++)
    for (int i = 0; i < in; i++)
      weight[(size_t)o * (size_t)in + (size_t)i] =
          (ml3_real)(gain * (wide ? vectors[o * length + i] : vectors[i * length + o]));
}

int ml3_mlp_draw_orthogonal(const ml3_mlp *mlp, double gain, ml3_random *random, ml3_real *parameters,
                            ml3_error *error) {
  for (int layer = 0; layer <= mlp->depth; layer++) {
    const int in = layer ? mlp->hidden[layer - 1] : mlp->inputs,
              out = layer < mlp->depth ? mlp->hidden[layer] : mlp->outputs;
    double *vectors = malloc((size_t)in * (size_t)out * sizeof *vectors);
    if (!vectors)
      return ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the initial weights of a %d x %d layer", out, in);
    fill(vectors, out, in, layer < mlp->depth ? sqrt(2) : gain, random, parameters);
    free(vectors);
    parameters += in * out;
    for (int i = 0; i < out && mlp->bias; i++) *parameters++ = 0;
  }
  return ML3_OK;
}
