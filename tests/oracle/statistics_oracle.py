#!/usr/bin/env python3
"""Numbers for the intervals and tests of cli/statistics.h, by SciPy in float64: writes statistics.json beside itself.

Bootstrap and random sign flips draw from the project's streams (philox.py); all else is SciPy's own, or found by solving the
equation that defines it.
"""
import json, math, pathlib

import numpy as np
from scipy import optimize, stats

from philox import Stream, USER

Z = stats.norm.ppf(0.975)
rng = np.random.default_rng(20)


def bootstrap(x, seed, resamples=2000):
    """x [groups][size] with NaN: groups are drawn, then values within each; the 51st and the 1950th mean."""
    stream, kept, means = Stream(seed, USER), [[v for v in g if not math.isnan(v)] for g in x], []
    while len(means) < resamples:
        drawn = []
        while not drawn:
            for _ in x:
                g = kept[stream.below(len(x)) if len(x) > 1 else 0]
                drawn += [g[stream.below(len(g))] for _ in g]
        means.append(math.fsum(drawn) / len(drawn))
    means.sort()
    return np.mean([v for g in kept for v in g]), means[50], means[1949]


def wilson(share, n):
    """The ends of the rates p whose score test does not reject: (share - p)^2 = z^2 p (1 - p) / n."""
    f = lambda p: (share - p) ** 2 - Z ** 2 * p * (1 - p) / n
    low = 0 if share == 0 else optimize.brentq(f, 0, min(share, 1 - 1e-9), xtol=1e-15)
    high = 1 if share == 1 else optimize.brentq(f, max(share, 1e-9), 1, xtol=1e-15)
    return share, low, high


def student(x, positive):
    x = np.array(x)[~np.isnan(x)]
    mean, error = np.mean(x), stats.sem(x)
    low, high = (stats.t.interval(0.95, len(x) - 1, mean, error) if not positive
                 else np.exp(stats.t.interval(0.95, len(x) - 1, math.log(mean), error / mean)))
    return mean, low, high


def shares(x, trials):
    mean, variance, n = np.mean(x), stats.sem(x) ** 2, len(x)
    if variance == 0: return wilson(mean, n * trials)
    return wilson(mean, mean * (1 - mean) / variance * (Z / stats.t.ppf(0.975, n - 1)) ** 2)


def paired(x, y, groups, by_group, seed):
    d = np.array(x) - np.array(y)
    if by_group: d = np.nanmean(d.reshape(groups, -1), axis=1)
    d = d[~np.isnan(d)]
    if len(d) <= 16:
        return stats.permutation_test((d, ), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    stream, extreme = Stream(seed, USER, 1), 1
    for _ in range(9999):
        total, bits = 0.0, 0
        for i, v in enumerate(d):
            if i % 32 == 0: bits = stream.bits()
            total += -v if bits & 1 else v
            bits >>= 1
        extreme += abs(total) >= abs(d.sum()) - 1e-12 * np.abs(d).sum()
    return extreme / 10000


def listed(x):
    return [None if math.isnan(v) else float(v) for v in np.ravel(x)]


def interval(r):
    return [float(v) for v in r]


def cases():
    quantiles = [[n, stats.t.ppf(0.975, n)] for n in [*range(1, 41), 60, 100, 101, 999]]
    rates = [[k, n, *interval(stats.binomtest(k, n).proportion_ci(method="wilson"))] for k, n in
             [(0, 1), (1, 1), (0, 20), (20, 20), (7, 20), (96, 100), (1, 1000)]]
    rates += [[k, n, *wilson(k / n, n)[1:]] for k, n in [(0.25, 0.5), (2.5, 7.5)]]
    grouped = []
    for groups, size, seed in [(1, 7, 0), (1, 40, 3), (4, 6, 1), (5, 3, 1 << 40)]:
        x = rng.normal(3, 2, (groups, size)) + 3 * rng.normal(size=(groups, 1))
        if groups == 4: x[1, 2:] = x[3] = math.nan  # a group with nothing in it is drawn alone sometimes
        grouped.append({"x": listed(x), "groups": groups, "seed": seed, "interval": interval(bootstrap(x, seed))})
    samples = [{"x": listed(x), "positive": positive, "interval": interval(student(x, positive))} for x, positive in
               [([1.5, -2.0], False), (rng.normal(-1, 3, 12), False), ([1, math.nan, 4, 2.5], False), (rng.normal(0, 1, 31), False),
                ([2.2, 2.0, 3.5, 1.9, 40], True), ([0.01, 3], True), ([0, 0, 1e-3, math.nan, 2], True)]]
    successes = [{"x": x, "trials": trials, "interval": interval(shares(x, trials))} for x, trials in
                 [([0.25, 0.5], 4), ([1, 1, 1], 20), ([0, 0], 1), ([0.9, 1, 1, 0.95, 1], 20), ([0.5, 0.5, 0.5], 2), ([0.958, 0.967, 0.961], 4), ([0, 1, 1], 1)]]
    tests = []
    for groups, size, by_group, shift in [(1, 5, False, 0.9), (1, 11, False, 0.3), (3, 8, False, 0.3), (6, 8, True, 0.2),
                                          (1, 45, False, 0.2), (1, 30, False, 2)]:
        x = rng.normal(0, 1, groups * size)
        y = x * 0.6 + rng.normal(shift, 0.6, groups * size)
        if size == 8: x[3] = y[11] = math.nan
        tests.append({"x": listed(x), "y": listed(y), "groups": groups, "by_group": by_group, "seed": 5,
                      "p": float(paired(x, y, groups, by_group, 5))})
    medians = [{"x": x, "median": float(np.median(x))} for x in ([3.0], [4.0, 1.0], [5.0, 1.0, 2.0], [0.5, 9.0, -3.0, 2.0])]
    return {"t_quantile": quantiles, "rate": rates, "group": grouped, "sample": samples, "share": successes, "paired": tests,
            "median": medians}


pathlib.Path(__file__).with_name("statistics.json").write_text(json.dumps(cases(), indent=1) + "\n")
