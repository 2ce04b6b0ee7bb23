/* Statistics for tables: intervals that are 95 % wide. */
#ifndef ML3_CLI_STATISTICS_H
#define ML3_CLI_STATISTICS_H

#include <stdint.h>

typedef struct cli_interval {
  double mean, low, high;
} cli_interval;

/* Percentile bootstrap of the mean (2000 resamples, stream named by seed); entries that are NaN are left out. */
cli_interval cli_mean_interval(const double *x, int n, uint64_t seed);

/* Wilson's score interval of a rate; successes may be fractional. */
cli_interval cli_rate_interval(double successes, int n);

/* Student's t interval of the mean of n independent values, n small; entries that are NaN are left out. */
cli_interval cli_sample_interval(const double *x, int n);

#endif
