/* Statistics for tables: intervals that are 95 % wide, and a paired test. Deterministic: resamples are drawn from Philox
   streams. Samples come in groups [groups][size], such as tasks of seeds; entries that are NaN are left out. */
#ifndef ML3_LAB_STATISTICS_H
#define ML3_LAB_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A mean and the ends of its interval. */
typedef struct ml3_lab_interval {
  double mean, low, high;
} ml3_lab_interval;

/* Percentile bootstrap of the mean (2000 resamples, stream named by seed). */
ml3_lab_interval ml3_lab_mean_interval(const double *x, int n, uint64_t seed);

/* The same in two levels where there are several groups: groups are resampled, then samples within each. */
ml3_lab_interval ml3_lab_group_interval(const double *x, int groups, int size, uint64_t seed);

/* Wilson's score interval of a rate; successes and n may be fractional. */
ml3_lab_interval ml3_lab_rate_interval(double successes, double n);

/* The mean of successes (0, 1 or shares): ml3_lab_group_interval, but Wilson's where all are 0 or all are 1, of which the
   bootstrap would see no spread at all. */
ml3_lab_interval ml3_lab_success_interval(const double *x, int groups, int size, uint64_t seed);

/* The median of n numbers, none of them NaN: of an even number the mean of the two in the middle. NAN without memory. */
double ml3_lab_median(const double *x, int n);

/* The 97.5 % quantile of Student's t with n degrees of freedom, n > 0: exact. */
double ml3_lab_t_quantile(int n);

/* What a quantity can be. */
typedef enum ml3_lab_range { ML3_LAB_REAL, ML3_LAB_POSITIVE /* 0 and above */ } ml3_lab_range;

/* ML3_LAB_POSITIVE unless a value is below 0: for losses, which are squared errors here and minus a return there. */
ml3_lab_range ml3_lab_range_of(const double *x, int n);

/* The mean of n independent values, n small, by Student's t; entries that are NaN are left out; of one value there is no
   interval (NAN). Of a quantity that is never below 0 neither is the interval: it is Student's of the mean's logarithm,
   whose standard error is that of the mean over the mean (delta method), so mean * exp(-+ t error / mean). */
ml3_lab_interval ml3_lab_sample_interval(const double *x, int n, ml3_lab_range range);

/* The same of shares, such as the success of seeds with `trials` tasks each (1: not known): within 0 and 1. Wilson's
   interval with the effective number of trials, mean (1 - mean) / (standard error)^2 times (z / t)^2 for the few values
   that it is estimated from; with the n * trials that there were where all values are alike. (Korn and Graubard 1998; Franco
   et al. 2019, J. Survey Statistics and Methodology 7(3).) */
ml3_lab_interval ml3_lab_share_interval(const double *x, int n, int trials);

/* Paired permutation test, two-sided: how likely a mean difference as large as that between x and y is when the signs of the
   differences are chance. A unit is a pair, or with by_group a group's mean difference. All sign patterns where there are
   at most 16 units, else 10000 random ones, the observed one counted among them. 1 when nothing differs. */
double ml3_lab_paired_test(const double *x, const double *y, int groups, int size, bool by_group, uint64_t seed);

#ifdef __cplusplus
}
#endif

#endif
