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

/* The 97.5 % quantile of Student's t with that many degrees of freedom: a table, then Cornish and Fisher's expansion, good
   to 1e-4 from there on. */
static double t_quantile(int freedom) {
  static const double table[10] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281};
  const double z = 1.959963984540054, n = freedom;
  if (freedom <= 10) return table[freedom - 1];
  return z + (pow(z, 3) + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
}

cli_interval cli_sample_interval(const double *x, int n) {
  double sum = 0, squares = 0;
  int count = 0;
  for (int i = 0; i < n; i++)
    if (!isnan(x[i])) sum += x[i], count++;
  if (count == 0) return (cli_interval){NAN, NAN, NAN};
  const double mean = sum / count;
  if (count == 1) return (cli_interval){mean, NAN, NAN};
  for (int i = 0; i < n; i++)
    if (!isnan(x[i])) squares += (x[i] - mean) * (x[i] - mean);
  const double half = t_quantile(count - 1) * sqrt(squares / (count - 1) / count);
  return (cli_interval){mean, mean - half, mean + half};
}
