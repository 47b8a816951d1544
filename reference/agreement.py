"""Golden values of agreement and of logistic regression by scikit-learn and krippendorff, for src/statistics.

    python reference/agreement.py fixtures/evaluation
"""

import json
import sys
from pathlib import Path

import krippendorff
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, f1_score

out = Path(sys.argv[1])
rng = np.random.default_rng(0)

pairs = [([1, 2, 3, 4], [1, 2, 3, 4]), ([1, 2, 3, 4], [4, 3, 2, 1]), ([1, 1, 4], [1, 4, 4]), ([0, 5, 5, 2], [1, 5, 4, 2])]
for n, levels in [(12, 4), (60, 4), (200, 6), (300, 2)]:
    truth = rng.integers(1, levels + 1, n)
    noisy = np.clip(truth + rng.integers(-1, 2, n), 1, levels)
    pairs.append((truth.tolist(), noisy.tolist()))
    pairs.append((truth.tolist(), rng.integers(1, levels + 1, n).tolist()))
kappa = [{"a": a, "b": b, "value": float(cohen_kappa_score(a, b, weights="quadratic", labels=range(0, 7)))} for a, b in pairs]

f1 = []
for a, b in pairs:
    # A failure is a class that is never right, and not one of those whose mean is taken.
    for share in [0, 0.2]:
        given = [None if rng.random() < share else value for value in b]
        labels = sorted(set(a) | {value for value in given if value is not None})
        predicted = [-1 if value is None else value for value in given]
        value = f1_score(a, predicted, labels=labels, average="macro", zero_division=0)
        f1.append({"right": a, "given": given, "value": float(value)})

alpha = []
for n, raters, levels, missing in [(4, 2, 4, 0), (30, 2, 4, 0), (30, 3, 4, 0.3), (200, 4, 6, 0.5), (50, 2, 3, 0.2)]:
    truth = rng.integers(1, levels + 1, n)
    data = np.stack([np.clip(truth + rng.integers(-1, 2, n), 1, levels) for _ in range(raters)]).astype(float)
    data[rng.random(data.shape) < missing] = np.nan
    value = krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal")
    alpha.append({"items": [[None if np.isnan(x) else int(x) for x in row] for row in data.T], "value": float(value)})

regressions = []
for n, size, penalty in [(40, 6, 1.0), (200, 30, 1.0), (120, 200, 0.1)]:
    dense = rng.poisson(0.3, (n, size))
    labels = rng.random(n) < 1 / (1 + np.exp(-(dense @ rng.normal(size=size) - 1)))
    model = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=100_000).fit(dense, labels)
    weights, intercept = model.coef_[0], model.intercept_[0]
    margins = np.where(labels, 1, -1) * (dense @ weights + intercept)
    loss = np.logaddexp(0, -margins).sum() + penalty / 2 * (weights**2).sum()
    regressions.append(
        {
            "size": size,
            "penalty": penalty,
            "rows": [{"features": np.flatnonzero(row).tolist(), "values": row[row > 0].tolist()} for row in dense],
            "labels": labels.tolist(),
            "loss": float(loss),
            "intercept": float(intercept),
            "probabilities": model.predict_proba(dense)[:, 1].tolist(),
        }
    )

golden = {"kappa": kappa, "f1": f1, "alpha": alpha, "logistic": regressions}
(out / "agreement.json").write_text(json.dumps(golden) + "\n")
