"""Golden decisions of reasoning at inference time, from the published formulas, for src/reasoning/.

Certainty: Certaindex (arXiv 2412.20993) with SciPy's entropy. Lead: Adaptive-Consistency's stop (arXiv 2305.11860) with SciPy's
regularized incomplete beta function. Dynasor: the rule of its cot.py on streams of probes. TALE: its search of a budget
(arXiv 2412.18547, section 4.2) on tables of lengths.

    python reference/reasoning.py fixtures/reasoning.json
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy import special, stats

rng = np.random.default_rng(0)

certainty = []
for counts in [[1], [2], [1, 1], [3, 1], [2, 2], [5, 2, 1], [1] * 8, [8], [7, 1], [4, 4], [12, 3, 1], [30, 1, 1]]:
    n = sum(counts)
    shares = np.array(counts) / n
    value = 0.0 if n == 1 else (math.log(n) - stats.entropy(shares)) / math.log(n)
    certainty.append({"counts": counts, "certainty": float(value)})

lead = []
for first in range(0, 9):
    for second in range(0, first + 1):
        lead.append({"first": first, "second": second, "probability": float(1 - special.betainc(first + 1, second + 1, 0.5))})
lead.append({"first": 40, "second": 30, "probability": float(1 - special.betainc(41, 31, 0.5))})

settings = {"mild": 8, "low": 5, "mid": 3, "high": 2, "crazy": 2}
doubts = ["wait", "hold", "but", "okay", "no", "hmm"]


def answer_of(text: str) -> str:
    """What stands before the first closing brace that none opens."""
    depth = 1
    for i, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return text[:i].strip()
    return ""


def stops_after(probes: list[str], needed: int, words: bool) -> int | None:
    """How many probes are made before the stop; None if there is none."""
    for end in range(needed, len(probes) + 1):
        window = probes[end - needed : end]
        answers = [answer_of(text) for text in window]
        if any(answer == "" for answer in answers) or len({float(answer.replace(",", "")) for answer in answers}) > 1:
            continue
        lowered = [text.lower() for text in window]
        if words:
            cleaned = ["".join(c if c.isalpha() else " " for c in text).split() for text in lowered]
            doubted = any(doubt in text for text in cleaned for doubt in doubts)
        else:
            doubted = any(doubt in text for text in lowered for doubt in doubts)
        if not doubted:
            return end
    return None


endings = ["}", "}\n\\]", "}\n\\]\n\nSo I am done", "} Wait, that", "}\n\\]\n\nNow I know", "}. But let me", "", " } okay", "} hmm", "}\n\nNothing else"]
streams = []
for index in range(24):
    # Every second stream is of one mind for a while, so that the patient settings stop too.
    answers = rng.choice(["7", "7.0", "1,200", "12", "1200"], p=[0.55, 0.15, 0.1, 0.1, 0.1], size=14)
    tails = rng.choice(endings, p=[0.3, 0.2, 0.1, 0.08, 0.08, 0.04, 0.06, 0.04, 0.04, 0.06], size=14)
    if index % 2 == 1:
        start = int(rng.integers(0, 8))
        answers[start:] = rng.choice(["7", "7.0"], size=14 - start)
        tails[start:] = rng.choice(endings, p=[0.6, 0.2, 0.15, 0, 0.05, 0, 0, 0, 0, 0], size=14 - start)
    probes = [f"{answer}{tail}" for answer, tail in zip(answers, tails)]
    streams.append(
        {
            "probes": probes,
            "answers": [answer_of(text) for text in probes],
            "letters": {name: stops_after(probes, needed, False) for name, needed in settings.items()},
            "words": {name: stops_after(probes, needed, True) for name, needed in settings.items()},
        }
    )

searches = []
for _ in range(16):
    length = int(rng.integers(20, 400))
    budgets, tokens, rights = [], [], []
    budget = length // 2
    while budget >= 1:
        budgets.append(budget)
        tokens.append(int(max(5, budget * rng.uniform(0.5, 2.2) + 8)))
        rights.append(bool(rng.random() < 0.8))
        budget //= 2
    tried, best, shortest = [], None, length
    for budget, used, right in zip(budgets, tokens, rights):
        tried.append(budget)
        if not right or used >= shortest:
            break
        best, shortest = budget, used
    searches.append({"length": length, "budgets": budgets, "tokens": tokens, "rights": rights, "tried": tried, "best": best})

Path(sys.argv[1]).write_text(json.dumps({"certainty": certainty, "lead": lead, "streams": streams, "searches": searches}) + "\n")
