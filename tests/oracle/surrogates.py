#!/usr/bin/env python3
"""Hand-written surrogate losses of log r = log pi(a|s) - log pi_old(a|s) and advantages A, with their derivatives by log r.

    python3 surrogates.py >surrogates.json        # needs nothing but Python

    clipped   - mean min(r A, clamp(r, 0.8, 1.2) A)                                     Schulman et al. 2017
    drift     - mean (r A - f);  A >= 0: f = max(0, x - 2 tanh(x/2)),       x = (r - 1) A
                                 A < 0:  f = max(0, x - 0.6 tanh(x/0.6)),   x = log(r) A       Lu et al. 2022

Derivatives by hand, with dr/dlog r = r and d/dx (x - w tanh(x/w)) = tanh(x/w)^2, checked here against central differences.
"""
import json
from math import exp, tanh

LOG_RATIO = [0.0, 0.1, 0.5, -0.1, -0.6, 0.05, 0.9, -0.15, -1.2, 0.3, -0.3, 1.5]
ADVANTAGE = [1.3, 0.7, 1.1, 0.4, 2.0, -0.8, -1.5, -0.6, -1.9, 0.0, -2.4, 3.0]


def clipped(l, a):
    r = exp(l)
    inside = 0.8 < r < 1.2
    held = min(max(r, 0.8), 1.2) * a
    free = r * a
    return (-free, -free) if inside or free < held else (-held, 0.0)


def drift(l, a):
    r = exp(l)
    x, width, by_l = ((r - 1) * a, 2.0, r * a) if a >= 0 else (l * a, 0.6, a)
    f = x - width * tanh(x / width)
    return (-(r * a - f), -(r * a - tanh(x / width) ** 2 * by_l)) if f > 0 else (-r * a, -r * a)


out = {"log_ratio": LOG_RATIO, "advantage": ADVANTAGE}
for name, loss in (("clipped", clipped), ("drift", drift)):
    n, h = len(LOG_RATIO), 1e-6
    rows = [loss(l, a) for l, a in zip(LOG_RATIO, ADVANTAGE)]
    for (_, slope), l, a in zip(rows, LOG_RATIO, ADVANTAGE):
        assert abs((loss(l + h, a)[0] - loss(l - h, a)[0]) / (2 * h) - slope) < 1e-6, (name, l, a)
    out[name] = {"value": sum(v for v, _ in rows) / n, "gradient": [slope / n for _, slope in rows]}
print(json.dumps(out, indent=1))
