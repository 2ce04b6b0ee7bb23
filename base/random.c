/* Philox streams: see random.h. */
#include "base/random.h"

#include <Random123/philox.h>
#include <math.h>

ml3_random ml3_random_stream(uint64_t seed, ml3_purpose purpose, uint32_t task, uint32_t step) {
  return (ml3_random){
      .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
      .counter = {0, step, task, (uint32_t)purpose},
      .used = 4,
  };
}

uint32_t ml3_random_bits(ml3_random *r) {
  if (r->used == 4) {
    philox4x32_ctr_t counter = {{r->counter[0], r->counter[1], r->counter[2], r->counter[3]}};
    philox4x32_key_t key = {{r->key[0], r->key[1]}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) r->block[i] = out.v[i];
    r->counter[0]++;
    r->used = 0;
  }
  return r->block[r->used++];
}

double ml3_random_uniform(ml3_random *r, double low, double high) {
  uint64_t a = ml3_random_bits(r) >> 5, b = ml3_random_bits(r) >> 6;
  double unit = ((double)a * 67108864.0 + (double)b) / 9007199254740992.0; /* [0, 1) */
  return low + (high - low) * unit;
}

double ml3_random_normal(ml3_random *r) {
  double radius = sqrt(-2.0 * log(1.0 - ml3_random_uniform(r, 0, 1)));
  return radius * cos(6.283185307179586477 * ml3_random_uniform(r, 0, 1));
}

uint32_t ml3_random_below(ml3_random *r, uint32_t n) {
  uint32_t limit = UINT32_MAX - UINT32_MAX % n, x;
  do x = ml3_random_bits(r);
  while (x >= limit);
  return x % n;
}
