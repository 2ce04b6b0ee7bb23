/* Bootstrap, Wilson and Student intervals, a permutation test: see statistics.h. */
#include "lab/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

static const double pi = 3.14159265358979323846;

enum { RESAMPLES = 2000, PERMUTATIONS = 10000, EXACT_UNITS = 16 };

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

ml3_lab_interval ml3_lab_mean_interval(const double *x, int n, uint64_t seed) {
  return ml3_lab_group_interval(x, 1, n, seed);
}

/* Puts the numbers of each group that are not NaN together, counts[groups] of them; returns how many there are in all. */
static int gather(const double *x, int groups, int size, double *kept, int *counts, double *sum) {
  int all = 0;
  *sum = 0;
  for (int g = 0; g < groups; g++) {
    counts[g] = 0;
    for (int i = 0; i < size; i++) {
      if (isnan(x[g * size + i])) continue;
      kept[g * size + counts[g]++] = x[g * size + i];
      *sum += x[g * size + i];
      all++;
    }
  }
  return all;
}

ml3_lab_interval ml3_lab_group_interval(const double *x, int groups, int size, uint64_t seed) {
  ml3_lab_interval r = {NAN, NAN, NAN};
  const size_t all = (size_t)groups * (size_t)size;
  double *kept = malloc((all + RESAMPLES) * sizeof *kept), *means = kept ? kept + all : NULL, sum;
  int *counts = malloc((size_t)groups * sizeof *counts);
  const int count = kept && counts ? gather(x, groups, size, kept, counts, &sum) : 0;
  if (count) {
    ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_USER, 0, 0);
    for (int b = 0; b < RESAMPLES; b++) {
      double total = 0;
      int drawn = 0;
      do {
        for (int k = 0; k < groups; k++) {
          const int g = groups > 1 ? (int)ml3_random_below(&random, (uint32_t)groups) : 0;
          for (int i = 0; i < counts[g]; i++, drawn++)
            total += kept[g * size + (int)ml3_random_below(&random, (uint32_t)counts[g])];
        }
      } while (drawn == 0); /* groups without a number were drawn alone */
      means[b] = total / drawn;
    }
    qsort(means, RESAMPLES, sizeof *means, compare);
    r = (ml3_lab_interval){sum / count, means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]};
  }
  free(kept);
  free(counts);
  return r;
}

ml3_lab_interval ml3_lab_rate_interval(double successes, double n) {
  const double z = 1.959963984540054, rate = successes / n, z2 = z * z / n;
  const double centre = (rate + z2 / 2) / (1 + z2);
  const double half = z * sqrt(rate * (1 - rate) / n + z2 / (4 * n)) / (1 + z2);
  return (ml3_lab_interval){rate, fmax(0, centre - half), fmin(1, centre + half)};
}

ml3_lab_interval ml3_lab_success_interval(const double *x, int groups, int size, uint64_t seed) {
  const int all = groups * size;
  bool alike = x[0] == 0 || x[0] == 1;
  for (int i = 1; i < all && alike; i++) alike = x[i] == x[0];
  return alike ? ml3_lab_rate_interval(x[0] * all, all) : ml3_lab_group_interval(x, groups, size, seed);
}

double ml3_lab_median(const double *x, int n) {
  double *sorted = malloc((size_t)n * sizeof *sorted);
  if (!sorted) return NAN;
  memcpy(sorted, x, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, compare);
  const double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  free(sorted);
  return median;
}

/* ---- few independent values: Student's t ------------------------------------------------------------------------- */

/* P(|t| <= tan(angle) sqrt(n)) for n degrees of freedom: a finite sum, exact for whole n (Abramowitz and Stegun, 26.7.3
   and 26.7.4), so that no incomplete beta function, and no library for it, is needed. */
static double t_within(double angle, int n) {
  const double c = cos(angle), s = sin(angle);
  double term = n % 2 ? c : 1, sum = 0;
  for (int k = n % 2 ? 3 : 2; k <= n && term > 1e-18; k += 2) { /* term: that of cos^(k - 2) */
    sum += term;
    term *= c * c * (k - 1) / k;
  }
  return n % 2 ? 2 / pi * (angle + s * sum) : s * sum;
}

double ml3_lab_t_quantile(int n) {
  double low = 0, high = pi / 2;
  for (int i = 0; i < 64; i++) {
    const double middle = (low + high) / 2;
    if (t_within(middle, n) < 0.95)
      low = middle;
    else
      high = middle;
  }
  return tan(low) * sqrt(n);
}

/* Number of values that are there, their mean, and the mean's standard error. */
static int describe(const double *x, int n, double *mean, double *error) {
  double sum = 0, squares = 0;
  int count = 0;
  for (int i = 0; i < n; i++)
    if (!isnan(x[i])) sum += x[i], count++;
  *mean = count ? sum / count : NAN;
  for (int i = 0; i < n; i++)
    if (!isnan(x[i])) squares += (x[i] - *mean) * (x[i] - *mean);
  *error = count > 1 ? sqrt(squares / (count - 1) / count) : NAN;
  return count;
}

ml3_lab_range ml3_lab_range_of(const double *x, int n) {
  for (int i = 0; i < n; i++)
    if (x[i] < 0) return ML3_LAB_REAL;
  return ML3_LAB_POSITIVE;
}

ml3_lab_interval ml3_lab_sample_interval(const double *x, int n, ml3_lab_range range) {
  double mean, error;
  const int count = describe(x, n, &mean, &error);
  if (count < 2 || !isfinite(error)) return (ml3_lab_interval){mean, NAN, NAN};
  const double half = ml3_lab_t_quantile(count - 1) * error;
  if (range == ML3_LAB_REAL) return (ml3_lab_interval){mean, mean - half, mean + half};
  if (mean == 0) return (ml3_lab_interval){0, 0, 0};
  return (ml3_lab_interval){mean, mean * exp(-half / mean), mean * exp(half / mean)};
}

ml3_lab_interval ml3_lab_share_interval(const double *x, int n, int trials) {
  const double z = 1.959963984540054;
  double mean, error;
  const int count = describe(x, n, &mean, &error);
  if (count < 2 || !isfinite(error)) return (ml3_lab_interval){mean, NAN, NAN};
  const double t = ml3_lab_t_quantile(count - 1);
  double effective = mean * (1 - mean) / (error * error) * z * z / (t * t);
  if (error < 1e-12) effective = (double)count * (trials > 1 ? trials : 1); /* no spread is seen */
  ml3_lab_interval r = ml3_lab_rate_interval(mean * effective, effective);
  r.mean = mean;
  return r;
}

/* ---- paired permutation test ---------------------------------------------------------------------------------------- */

/* Differences that are numbers, one a pair or one a group. */
static int differences(const double *x, const double *y, int groups, int size, bool by_group, double *d) {
  int units = 0;
  for (int g = 0; g < groups; g++) {
    double sum = 0;
    int count = 0;
    for (int i = g * size; i < (g + 1) * size; i++) {
      if (isnan(x[i] - y[i])) continue;
      if (!by_group) d[units++] = x[i] - y[i];
      sum += x[i] - y[i];
      count++;
    }
    if (by_group && count) d[units++] = sum / count;
  }
  return units;
}

static double exact_share(const double *d, int units, double observed) {
  long extreme = 0, all = 1L << units;
  for (long signs = 0; signs < all; signs++) {
    double sum = 0;
    for (int i = 0; i < units; i++) sum += signs >> i & 1 ? -d[i] : d[i];
    extreme += fabs(sum) >= observed;
  }
  return (double)extreme / (double)all;
}

static double random_share(const double *d, int units, double observed, uint64_t seed) {
  ml3_random random = ml3_random_stream(seed, ML3_PURPOSE_USER, 1, 0);
  int extreme = 1;
  for (int trial = 1; trial < PERMUTATIONS; trial++) {
    double sum = 0;
    uint32_t bits = 0;
    for (int i = 0; i < units; i++, bits >>= 1) {
      if (i % 32 == 0) bits = ml3_random_bits(&random);
      sum += bits & 1 ? -d[i] : d[i];
    }
    extreme += fabs(sum) >= observed;
  }
  return (double)extreme / PERMUTATIONS;
}

double ml3_lab_paired_test(const double *x, const double *y, int groups, int size, bool by_group, uint64_t seed) {
  double *d = malloc((size_t)groups * (size_t)size * sizeof *d), sum = 0, scale = 0;
  if (!d) return NAN;
  const int units = differences(x, y, groups, size, by_group, d);
  for (int i = 0; i < units; i++) sum += d[i], scale += fabs(d[i]);
  double p = 1;
  const double observed = fabs(sum) - 1e-12 * scale; /* as large in spite of rounding */
  if (scale > 0) p = units <= EXACT_UNITS ? exact_share(d, units, observed) : random_share(d, units, observed, seed);
  free(d);
  return p;
}
