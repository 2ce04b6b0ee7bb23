/* Bootstrap and Wilson intervals: see statistics.h. */
#include "cli/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"

enum { RESAMPLES = 2000 };

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

cli_interval cli_mean_interval(const double *x, int n, uint64_t seed) {
  cli_interval r = {NAN, NAN, NAN};
  double *kept = malloc(((size_t)n + RESAMPLES) * sizeof *kept), *means = kept + n, sum = 0;
  int count = 0;
  if (!kept) return r;
  for (int i = 0; i < n; i++)
    if (!isnan(x[i])) sum += kept[count++] = x[i];
  if (count) {
    ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_USER, 0, 0);
    for (int b = 0; b < RESAMPLES; b++) {
      means[b] = 0;
      for (int i = 0; i < count; i++) means[b] += kept[ml3_random_below(&random, (uint32_t)count)] / count;
    }
    qsort(means, RESAMPLES, sizeof *means, compare);
    r = (cli_interval){sum / count, means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]};
  }
  free(kept);
  return r;
}

cli_interval cli_rate_interval(double successes, int n) {
  const double z = 1.959963984540054, rate = successes / n, z2 = z * z / n;
  double centre = (rate + z2 / 2) / (1 + z2), half = z * sqrt(rate * (1 - rate) / n + z2 / (4 * n)) / (1 + z2);
  return (cli_interval){rate, fmax(0, centre - half), fmin(1, centre + half)};
}
