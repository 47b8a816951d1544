"""Scores of tasks and groups from fixed scores of items, by lm_eval 0.4.12 (Python 3.11).

    python reference/harness_aggregation.py fixtures/evaluation/harness-aggregation.json
"""

import json
import random
import sys
from importlib.metadata import version

from lm_eval.api.metrics import (
    aggregate_subtask_metrics,
    bits_per_byte,
    matthews_corrcoef,
    mean,
    perplexity,
    pooled_sample_stderr,
    stderr_for_metric,
    weighted_perplexity,
)

assert version("lm_eval") == "0.4.12"

aggregations = {
    "acc": mean,
    "exact_match": mean,
    "word_perplexity": weighted_perplexity,
    "byte_perplexity": weighted_perplexity,
    "bits_per_byte": bits_per_byte,
    "perplexity": perplexity,
    "mcc": matthews_corrcoef,
}
# What the harness draws resamples for, which we leave out.
bootstrapped = (perplexity, matthews_corrcoef)


def score(metric, items):
    """As lm_eval.evaluator_utils._compute_task_aggregations does."""
    function = aggregations[metric]
    stderr = function not in bootstrapped and stderr_for_metric(function, bootstrap_iters=100_000)
    return {
        "metric": metric,
        "items": items,
        "value": function(items),
        "stderr": stderr(items) if stderr and len(items) > 1 else "N/A",
    }


draw = random.Random(0)
tasks = []
for size, share in [(1, 1), (2, 0.5), (5, 0), (7, 1), (100, 0.37), (112, 0.6), (1319, 0.05)]:
    for metric in ("acc", "exact_match"):
        tasks.append(score(metric, [1.0 if draw.random() < share else 0.0 for _ in range(size)]))
for size in (1, 3, 62):
    units = [draw.randrange(1, 5000) for _ in range(size)]
    items = [[-draw.random() * 3 * unit, unit] for unit in units]
    for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
        tasks.append(score(metric, items))

for size in (1, 3, 62):
    tasks.append(score("perplexity", [-draw.random() * 9 for _ in range(size)]))
for size, classes in [(1, 2), (2, 1), (5, 2), (40, 2), (100, 3), (412, 4)]:
    golds = [draw.randrange(classes) for _ in range(size)]
    guesses = [gold if draw.random() < 0.5 else draw.randrange(classes + 1) for gold in golds]
    tasks.append(score("mcc", [[gold, guess] for gold, guess in zip(golds, guesses)]))

groups = []
for members in ([2, 8], [8, 10], [4, 6, 8, 10, 12], [0, 8]):
    scores = [tasks[index] for index in members]
    sizes = [len(task["items"]) for task in scores]
    stderrs = [task["stderr"] for task in scores]
    for weight_by_size in (True, False):
        groups.append(
            {
                "tasks": members,
                "weight_by_size": weight_by_size,
                "value": aggregate_subtask_metrics([task["value"] for task in scores], sizes, weight_by_size),
                "stderr": "N/A" if "N/A" in stderrs else float(pooled_sample_stderr(stderrs, sizes)),
            }
        )

with open(sys.argv[1], "w") as file:
    json.dump({"tasks": tasks, "groups": groups}, file)
    file.write("\n")
