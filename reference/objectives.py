"""Preference objectives and divergences by TRL 1.16.0 on the tiny Llama (CPU).

    python reference/objectives.py fixtures/reference/objectives

Writes `divergences.json`: TRL's generalized Jensen-Shannon divergence of random logits, by row and as the mean of the
rows, with the gradient of the mean by the student's logits.
"""

import json
import sys
from pathlib import Path

import torch
from trl.experimental.gkd import GKDTrainer

ROWS, VOCABULARY = 5, 11


def divergences() -> dict:
    torch.manual_seed(0)
    student = 3 * torch.randn(1, ROWS, VOCABULARY, dtype=torch.float64)
    teacher = 3 * torch.randn(1, ROWS, VOCABULARY, dtype=torch.float64)
    labels = torch.zeros(1, ROWS, dtype=torch.int64)
    cases = []
    for beta in [0, 0.1, 0.5, 1]:
        for temperature in [1, 2]:
            settings = dict(beta=beta, temperature=temperature)
            leaf = student.clone().requires_grad_()
            loss = GKDTrainer.generalized_jsd_loss(leaf, teacher, labels, **settings)
            loss.backward()
            entries = GKDTrainer.generalized_jsd_loss(student, teacher, **settings, reduction="none")
            cases.append(settings | dict(loss=loss.item(), rows=entries[0].sum(-1).tolist(), gradient=leaf.grad[0].tolist()))
    return dict(student=student[0].tolist(), teacher=teacher[0].tolist(), cases=cases)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "divergences.json").write_text(json.dumps(divergences()) + "\n")
