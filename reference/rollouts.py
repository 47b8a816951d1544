"""Golden weights of O1-Pruner by NumPy, from its published formulas (Luo et al. 2025), for src/rollouts/rules/.

    python reference/rollouts.py fixtures/rollouts
"""

import json
import sys
from pathlib import Path

import numpy as np

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def pruner_weights(lengths, correct, alpha, lowest, highest):
    lengths, correct = np.asarray(lengths, float), np.asarray(correct, float)
    by_length = lengths.mean() / lengths - 1
    by_accuracy = alpha * (correct - correct.mean())
    return np.clip(by_length + by_accuracy, lowest, highest)


cases = []
for alpha, lowest, highest, problems, samples in [(5, -2, 4, 40, 12), (2, -2, 4, 10, 8), (0, -1, 1, 6, 3)]:
    groups = []
    for _ in range(problems):
        lengths = np.maximum(1, rng.lognormal(4, 0.8, samples)).astype(int)
        correct = rng.random(samples) < rng.choice([0, 0.1, 0.5, 0.9, 1])
        weights = pruner_weights(lengths, correct, alpha, lowest, highest)
        groups.append({"tokens": lengths.tolist(), "correct": correct.tolist(), "weights": weights.tolist()})
    # The first two of each problem, as if they had been drawn.
    taken = np.concatenate([group["weights"][:2] for group in groups])
    standardized = (taken - np.mean(taken)) / np.std(taken)
    cases.append({
        "alpha": alpha, "lowest": lowest, "highest": highest, "groups": groups, "standardized": standardized.tolist(),
    })

(out / "o1-pruner.json").write_text(json.dumps(cases) + "\n")
