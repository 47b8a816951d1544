"""What lm_eval 0.4.12 writes of an evaluation: results and samples of four tiny tasks and a group (Python 3.11).

    python reference/harness_results.py fixtures/evaluation/harness-results.json

The model's answers are numbers from the SHA-256 of the request, so that src/evaluation/harness-results.test.ts can
give the same ones.
"""

import hashlib
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

assert version("lm_eval") == "0.4.12"

choices = {
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "choices.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
    "metric_list": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
    ],
    "metadata": {"version": 1.0},
}
tasks = {
    "tiny_a": {"task": "tiny_a", "tag": "tiny_tag", **choices},
    "tiny_b": {
        "task": "tiny_b",
        **choices,
        "dataset_kwargs": {"data_files": {"test": "more-choices.jsonl"}},
    },
    "tiny_group": {
        "group": "tiny_group",
        "task": ["tiny_a", "tiny_b"],
        "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": True}],
        "metadata": {"version": 2},
    },
    "tiny_sums": {
        "task": "tiny_sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "sums.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{q}} =",
        "doc_to_target": "{{a}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "temperature": 0.0},
        "filter_list": [
            {
                "name": "strict-match",
                "filter": [{"function": "regex", "regex_pattern": "#### ([0-9]+)"}, {"function": "take_first"}],
            },
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "regex_pattern": "([0-9]+)", "group_select": -1},
                    {"function": "take_first"},
                ],
            },
        ],
        "metric_list": [
            {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True}
        ],
        "metadata": {"version": 3.0},
    },
    "tiny_text": {
        "task": "tiny_text",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "text.jsonl"}},
        "test_split": "test",
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [
            {"metric": "word_perplexity"},
            {"metric": "byte_perplexity"},
            {"metric": "bits_per_byte"},
        ],
        "metadata": {"version": 1},
    },
    "tiny_words": {
        "task": "tiny_words",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "words.jsonl"}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}",
        "doc_to_target": "{{' '+text.split(' ')[-1]}}",
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        ],
        "metadata": {"version": 1.0},
    },
}
data = {
    "choices.jsonl": [
        {"q": f"Which is {i}? Ünï \N{SNOWMAN}", "choices": ["one", "zwölf", "a third"], "gold": i % 3}
        for i in range(12)
    ],
    "more-choices.jsonl": [
        {"q": f"What of {i}?", "choices": ["yes", "no"], "gold": int(i % 4 == 0)} for i in range(7)
    ],
    "sums.jsonl": [{"q": f"{i} + {i}", "a": str(2 * i)} for i in range(10)],
    "text.jsonl": [
        {"text": text}
        for text in ["Once upon a time.", "  Two  spaces,\nand a line.\n", "Größe ist 日本 \N{SNOWMAN}"]
    ],
    "words.jsonl": [
        {"text": text} for text in ["the last word", "of a text", "Größe ist \N{SNOWMAN}", "one more", "two  spaces"]
    ],
}


def number(*parts):
    """Between 0 and 1, of 32 bits."""
    return int(hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8], 16) / 2**32


class HashModel(LM):
    def loglikelihood(self, requests):
        numbers = [number(*request.args) for request in requests]
        return [(-30 * value - 1e-5, value < 0.5) for value in numbers]

    def loglikelihood_rolling(self, requests):
        return [-100 * number(*request.args) for request in requests]

    def generate_until(self, requests):
        # Right for about half of the requests.
        answers = []
        for request in requests:
            context = request.args[0]
            value = number(context)
            total = sum(int(part) for part in context.rstrip(" =").split(" + "))
            mark = "#### " if value < 0.7 else ""
            answers.append(f" so {mark}{total if value < 0.5 else 99}")
        return answers


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, rows in data.items():
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, task in tasks.items():
        Path(f"{name}.yaml").write_text(json.dumps(task))
    tracker = EvaluationTracker(output_path="out")
    results = simple_evaluate(
        model=HashModel(),
        model_args={"pretrained": "hash-model"},
        tasks=["tiny_group", "tiny_sums", "tiny_text", "tiny_words"],
        limit=11,
        evaluation_tracker=tracker,
        task_manager=TaskManager(include_path=folder, include_defaults=False),
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name in results["configs"]:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    (written,) = Path("out").rglob("results_*.json")
    lines = {
        name: [
            json.loads(line)
            for line in next(Path("out").rglob(f"samples_{name}_*.jsonl")).read_text().splitlines()
        ]
        for name in results["configs"]
    }
    golden = {"results": json.loads(written.read_text()), "samples": lines}

# Of the machine and the moment.
golden["results"]["pretty_env_info"] = "…"
golden["results"]["transformers_version"] = "…"
golden["results"]["date"] = 0
golden["results"]["total_evaluation_time_seconds"] = "0"
golden["results"]["git_hash"] = None
golden["results"]["upper_git_hash"] = None
for config in golden["results"]["configs"].values():
    del config["metadata"]["config_source"]
out = Path(__file__).parent.parent / sys.argv[1]
out.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
