"""Means over seeds with 95 % intervals, as lab/statistics.h has them."""
import math, statistics

Z = 1.959963984540054


def t_quantile(n):
    """97.5 % of Student's t with n degrees of freedom: bisection of its distribution function, a finite sum for whole n
    (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    def within(angle):
        term, total = math.cos(angle) if n % 2 else 1, 0
        for k in range(3 if n % 2 else 2, n + 1, 2):
            total += term
            term *= math.cos(angle) ** 2 * (k - 1) / k
        return 2 / math.pi * (angle + math.sin(angle) * total) if n % 2 else math.sin(angle) * total
    low, high = 0, math.pi / 2
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) < 0.95 else (low, middle)
    return math.tan(low) * math.sqrt(n)


def interval(values):
    """Mean, low, high of a quantity that may be anything; nan for a single value, or where a seed has none."""
    mean, half = statistics.mean(values), _half(values)
    return mean, mean - half, mean + half


def positive_interval(values):
    """The same of what is never below 0, such as a distance or a squared error: Student's t of the mean's logarithm."""
    mean = statistics.mean(values)
    share = _half(values) / mean if mean else 0
    return mean, mean * math.exp(-share), mean * math.exp(share)


def share_interval(values, trials):
    """The same of shares between 0 and 1 with so many trials each: Wilson's interval with the effective number of trials, or
    with all of them where the values are alike."""
    n, mean, half = len(values), statistics.mean(values), _half(values)
    if math.isnan(half): return mean, math.nan, math.nan
    effective = mean * (1 - mean) / half ** 2 * Z ** 2 if half > 1e-12 else n * trials
    z2 = Z ** 2 / effective
    centre = (mean + z2 / 2) / (1 + z2)
    around = Z * math.sqrt(mean * (1 - mean) / effective + z2 / (4 * effective)) / (1 + z2)
    return mean, max(0, centre - around), min(1, centre + around)


def failed_as_infinite(distance):
    """A failed trial's distance is not a number; in a median it is as far off as can be."""
    return math.inf if math.isnan(distance) else distance


def finite_mean(values):
    """The mean of those that are finite: a failed trial has no return."""
    finite = [x for x in values if math.isfinite(x)]
    return statistics.mean(finite) if finite else math.nan


def _half(values):
    n = len(values)
    known = n > 1 and all(map(math.isfinite, values))
    return t_quantile(n - 1) * statistics.stdev(values) / math.sqrt(n) if known else math.nan
