/* Statistics for tables: intervals that are 95 % wide, and a paired test. Deterministic: resamples are drawn from Philox
   streams. Samples come in groups [groups][size], such as tasks of seeds; entries that are NaN are left out. */
#ifndef ML3_CLI_STATISTICS_H
#define ML3_CLI_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_interval {
  double mean, low, high;
} cli_interval;

/* Percentile bootstrap of the mean (2000 resamples, stream named by seed). */
cli_interval cli_mean_interval(const double *x, int n, uint64_t seed);

/* The same in two levels where there are several groups: groups are resampled, then samples within each. */
cli_interval cli_group_interval(const double *x, int groups, int size, uint64_t seed);

/* Wilson's score interval of a rate; successes may be fractional. */
cli_interval cli_rate_interval(double successes, int n);

/* Student's t interval of the mean of n independent values, n small; entries that are NaN are left out. */
cli_interval cli_sample_interval(const double *x, int n);

/* Paired permutation test, two-sided: how likely a mean difference as large as that between x and y is when the signs of the
   differences are chance. A unit is a pair, or with by_group a group's mean difference. All sign patterns where there are
   at most 16 units, else 10000 random ones, the observed one counted among them. 1 when nothing differs. */
double cli_paired_test(const double *x, const double *y, int groups, int size, bool by_group, uint64_t seed);

#endif
