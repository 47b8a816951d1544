"""What lm-evaluation-harness 0.4.12 itself finds for a model, item by item (transformers 5.24.0, torch 2.15.0, CPU, float32).

    python reference/harness_smollm2.py <model> <data folder> <output.json> [task:limit:shots ...]

The tasks are the harness's own, with their datasets read from local files: HellaSwag's and ARC-easy's validation splits, GSM8K,
and the four computer-science subjects of MMLU. fixtures/evaluation/tinystories.json is of TinyStories-656K, a folder, with
hellaswag:100:0 hellaswag:100:5 arc_easy:100:0 arc_easy:100:5. The output holds, for each item, the log-likelihoods of the choices or the text that
was generated, and the harness's scores; SLIMTUNE_TIMING=1 adds the seconds in which the model answered. A selection may end
in the number of requests that are computed at a time: gsm8k:16:5:16.
"""

import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
import lm_eval
from tokenizers import pre_tokenizers
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

TASKS = Path(lm_eval.__file__).parent / "tasks"
SUBJECTS = ["college_computer_science", "high_school_computer_science", "computer_security", "machine_learning"]
DEFAULT = ["hellaswag:100:0", "gsm8k:50:5", *[f"mmlu_{subject}:25:5" for subject in SUBJECTS]]


def mmlu_rows(data, subject, split, folder):
    """The headerless CSV of a split as JSON lines with the Hub dataset's fields."""
    path = Path(folder) / f"{subject}_{split}.jsonl"
    with open(data / f"mmlu/{split}/{subject}_{split}.csv", newline="", encoding="utf-8") as rows, path.open("w") as out:
        for question, *choices, letter in csv.reader(rows):
            out.write(json.dumps({"question": question, "choices": choices, "answer": "ABCD".index(letter)}) + "\n")
    return str(path)


def local_task(name, data, folder):
    """The harness's definition of a task over local files."""
    if name.startswith("mmlu_"):
        subject = name.removeprefix("mmlu_")
        config = load_yaml(TASKS / f"mmlu/default/{name}.yaml")
        files = {split: mmlu_rows(data, subject, split, folder) for split in ("dev", "test")}
    elif name == "hellaswag":
        config = load_yaml(TASKS / "hellaswag/hellaswag.yaml")
        config["training_split"] = None
        files = {"validation": str(data / "hellaswag/hellaswag_val.jsonl")}
    elif name == "arc_easy":
        config = load_yaml(TASKS / "arc/arc_easy.yaml")
        config["training_split"] = config["test_split"] = None
        files = {"validation": str(data / "retention/arc_easy_validation.jsonl")}
    else:
        config = load_yaml(TASKS / f"gsm8k/{name}.yaml")
        files = {split: str(data / f"gsm8k/{split}.jsonl") for split in ("train", "test")}
    return {**config, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}


def open_tokenizer(source):
    """The model's tokenizer. Transformers reads every GGUF file of this kind as GPT-2's; SmolLM2's own tokenizer.json cuts numbers into digits first.

    Of TinyStories-656K's tokenizer.json AutoTokenizer keeps vocabulary and merges only, and loses its unknown token.
    """
    if "gguf_file" not in source:
        return PreTrainedTokenizerFast.from_pretrained(**source)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    return tokenizer


class TimedLM(HFLM):
    """The harness's own model, which counts the seconds in which it answers."""

    seconds = 0.0

    def timed(self, answer, requests, *args, **kwargs):
        started = time.time()
        answers = answer(requests, *args, **kwargs)
        self.seconds += time.time() - started
        return answers

    def loglikelihood(self, requests, *args, **kwargs):
        return self.timed(super().loglikelihood, requests, *args, **kwargs)

    def generate_until(self, requests, *args, **kwargs):
        return self.timed(super().generate_until, requests, *args, **kwargs)


def main(model_path, data, output, selected):
    path = Path(model_path)
    source = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name) if path.suffix == ".gguf" else dict(pretrained_model_name_or_path=path)
    tokenizer = open_tokenizer(source)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()
    results = {}
    for selection in selected:
        name, limit, shots, *batch = selection.split(":")
        lm = TimedLM(pretrained=model, tokenizer=tokenizer, batch_size=int(batch[0]) if batch else 1)
        with tempfile.TemporaryDirectory() as folder:
            task = local_task(name, Path(data), folder)
            run = lm_eval.simple_evaluate(lm, tasks=[task], num_fewshot=int(shots), limit=int(limit), log_samples=True, bootstrap_iters=0)
        samples = {}
        for sample in run["samples"][name]:
            samples.setdefault(sample["doc_id"], sample)
        scores = {key: value for key, value in run["results"][name].items() if isinstance(value, float)}
        items = [samples[doc_id] for doc_id in sorted(samples)]
        generated = "generation_kwargs" in task
        results[f"{name}@{shots}"] = {
            "limit": int(limit),
            "num_fewshot": int(shots),
            "scores": scores,
            "items": [s["resps"][0][0] if generated else [[round(r[0][0], 5), bool(r[0][1])] for r in s["resps"]] for s in items],
        }
        if os.environ.get("SLIMTUNE_TIMING"):
            if generated:
                answers = tokenizer([s["resps"][0][0] for s in items])["input_ids"]
                results[f"{name}@{shots}"]["answer_tokens"] = sum(map(len, answers))
            results[f"{name}@{shots}"]["seconds"] = round(lm.seconds, 2)
        print(selection, scores, f"{lm.seconds:.1f} s", flush=True)
    Path(output).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:] or DEFAULT)
