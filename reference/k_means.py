"""k-means by scikit-learn 1.9.1 (Lloyd's algorithm in float64, from given first centres).

    python reference/k_means.py fixtures

Writes `evaluation/k-means.json`: points, first centres, and scikit-learn's clusters and inertia. In the last case a first centre is far from
all points, so that its cluster is empty in the first round.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans


def case(seed: int, count: int, width: int, k: int, is_one_far: bool = False) -> dict:
    random = np.random.default_rng(seed)
    middles = random.normal(scale=2, size=(k, width))
    points = np.round(middles[random.integers(k, size=count)] + random.normal(size=(count, width)), 3)
    start = points[random.choice(count, size=k, replace=False)].copy()
    if is_one_far:
        start[0] = 1000
    fitted = KMeans(n_clusters=k, init=start, n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(points)
    return dict(
        points=points.tolist(),
        start=start.tolist(),
        labels=fitted.labels_.tolist(),
        centres=fitted.cluster_centers_.tolist(),
        inertia=fitted.inertia_,
    )


def main(fixtures: Path) -> None:
    cases = [case(1, 60, 2, 4), case(2, 80, 5, 6), case(3, 50, 3, 8), case(4, 40, 2, 5, is_one_far=True)]
    (fixtures / "evaluation" / "k-means.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
