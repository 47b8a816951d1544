"""Golden values of Spearman's rank correlation by SciPy, for src/statistics/spearman.ts.

    python reference/rank_correlation.py fixtures/evaluation
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

out = Path(sys.argv[1])
rng = np.random.default_rng(0)

pairs = [
    ([1, 2, 3], [1, 2, 3]),
    ([1, 2, 3, 4], [4, 3, 2, 1]),
    ([0.3, 0.3, 0.1, 0.9, 0.9], [1, 2, 2, 2, 5]),
    ([0, 0, 0, 1], [3, 1, 4, 1]),
    ([-1e9, 5, 1e-9, 0], [2, 2, -7, 2]),
]
for n in [9, 40, 300]:
    x = rng.normal(size=n)
    pairs.append((x.tolist(), (x + rng.normal(size=n)).tolist()))
    pairs.append((rng.integers(0, 5, n).tolist(), rng.integers(0, 3, n).tolist()))
correlation = [{"x": x, "y": y, "value": float(stats.spearmanr(x, y).statistic)} for x, y in pairs]


def spearman(x, y, axis):
    x, y = stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis)
    x, y = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    return (x * y).sum(axis=axis) / np.sqrt((x * x).sum(axis=axis) * (y * y).sum(axis=axis))


interval = []
for n, noise in [(40, 1), (200, 3)]:
    x = rng.normal(size=n).round(1)
    y = (x + noise * rng.normal(size=n)).round(1)
    # Of ten intervals by as many resamples as ours, the standard deviation says how far one may be from the truth.
    draws = [
        stats.bootstrap((x, y), spearman, paired=True, method="percentile", n_resamples=10_000, rng=rng).confidence_interval
        for _ in range(10)
    ]
    ends = np.array([[ci.low, ci.high] for ci in draws])
    low, high = ends.mean(axis=0).tolist()
    interval.append({"x": x.tolist(), "y": y.tolist(), "low": low, "high": high, "deviation": float(ends.std(axis=0, ddof=1).max())})

(out / "rank-correlation.json").write_text(json.dumps({"correlation": correlation, "interval": interval}, indent=1) + "\n")
