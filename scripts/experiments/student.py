"""Means over seeds with a 95 % interval by Student's t."""
import math, statistics

T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # 97.5 %, by degrees of freedom


def interval(values):
    """Mean, half of the 95 % interval: nan for a single value."""
    n, mean = len(values), statistics.mean(values)
    return mean, T.get(n - 1, 1.96) * statistics.stdev(values) / math.sqrt(n) if n > 1 else math.nan
