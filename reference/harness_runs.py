"""Two evaluations in the files of lm_eval 0.4.12 (Python 3.11), for src/evaluation/compare.test.ts and evaluation-folder.test.ts.

    python reference/harness_runs.py fixtures/evaluation

The model answers at random, more often rightly in the second run; the tasks are sums. What the harness tells of the
machine is removed.
"""

import json
import random
import re
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import yaml
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

assert version("lm_eval") == "0.4.12"
out = Path(sys.argv[1])


class Guesser(LM):
    """Knows the answer with probability `skill`; what is drawn for a request depends on it and on the seed only."""

    def __init__(self, skill, seed):
        super().__init__()
        self.skill, self.seed = skill, seed

    def draw(self, text):
        return random.Random(f"{self.seed} {text}")

    def answer(self, context):
        a, b = map(int, re.findall(r"(\d+) \+ (\d+)", context)[-1])
        rng = self.draw(context)
        return a + b if rng.random() < self.skill else a + b + rng.randint(1, 3)

    def loglikelihood(self, requests):
        results = []
        for context, continuation in (request.args for request in requests):
            known = self.answer(context) == int(continuation)
            results.append((-self.draw(context + continuation).uniform(0, 1) - (0 if known else 2), known))
        return results

    def loglikelihood_rolling(self, requests):
        texts = [request.args[0] for request in requests]
        return [-len(text) * (self.draw(text).uniform(1, 1.5) - self.skill / 2) for text in texts]

    def generate_until(self, requests):
        return [f"It is #### {self.answer(request.args[0])}" for request in requests]


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    rng = random.Random(0)

    def task(name, rows, **definition):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}}}
        text = yaml.safe_dump({"task": name, "test_split": "test", **data, "metadata": {"version": 1.0}, **definition})
        (folder / f"{name}.yaml").write_text(text)

    def sums(count):
        rows = [{"a": rng.randint(1, 99), "b": rng.randint(1, 99)} for _ in range(count)]
        return [{**row, "choices": [str(row["a"] + row["b"] + i) for i in range(4)]} for row in rows]

    question = {"doc_to_text": "Question: {{a}} + {{b}} = ?\nAnswer:"}
    for name, count in [("sums_small", 40), ("sums_large", 60)]:
        accuracy = [{"metric": "acc"}, {"metric": "acc_norm"}]
        choice = {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": 0}
        task(name, sums(count), **question, **choice, metric_list=accuracy)
    group = {"group": "sums", "task": ["sums_small", "sums_large"]}
    group["aggregate_metric_list"] = [{"metric": "acc", "weight_by_size": True}]
    (folder / "sums.yaml").write_text(yaml.safe_dump({**group, "metadata": {"version": 1.0}}))
    pick = [{"function": "regex", "regex_pattern": "#### ([0-9]+)"}, {"function": "take_first"}]
    task(
        "sums_written",
        sums(50),
        **question,
        output_type="generate_until",
        doc_to_target="{{a + b}}",
        metric_list=[{"metric": "exact_match"}],
        filter_list=[{"name": "strict-match", "filter": pick}, {"name": "whole", "filter": [{"function": "take_first"}]}],
    )
    words = "one two three four five six seven eight nine ten".split()
    texts = [{"text": " ".join(rng.choices(words, k=rng.randint(5, 40)))} for _ in range(20)]
    perplexities = [{"metric": name} for name in ["word_perplexity", "byte_perplexity", "bits_per_byte"]]
    rolling = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}"}
    task("counting", texts, **rolling, metric_list=perplexities)

    tasks = TaskManager(include_path=str(folder), include_defaults=False)
    names = ["sums", "sums_written", "counting"]
    for name, skill, seed in [("harness-before", 0.4, 1), ("harness-after", 0.6, 2)]:
        shutil.rmtree(out / name, ignore_errors=True)
        model = Guesser(skill, seed)
        results = simple_evaluate(model, tasks=names, task_manager=tasks, log_samples=True, bootstrap_iters=0)
        samples = results.pop("samples")
        tracker = EvaluationTracker(output_path=str(out / name))
        tracker.general_config_tracker.model_name_sanitized = "guesser"
        tracker.save_results_aggregated(results, samples)
        for task_name in samples:
            tracker.save_results_samples(task_name, samples[task_name])

keep = """results groups group_subtasks configs versions n-shot higher_is_better n-samples config lm_eval_version model_name
    chat_template chat_template_sha system_instruction system_instruction_sha fewshot_as_multiturn task_hashes""".split()
for path in out.glob("harness-*/guesser/results_*.json"):
    results = {key: value for key, value in json.loads(path.read_text()).items() if key in keep}
    for config in results["configs"].values():
        config.pop("dataset_kwargs", None)
        config["metadata"].pop("config_source", None)
    path.write_text(json.dumps(results, indent=2) + "\n")
