"""Prompts and targets of tasks by lm_eval 0.4.12, over datasets in local files (Python 3.11).

    python reference/harness_prompts.py DATA fixtures/evaluation/prompts.json
    python reference/harness_prompts.py fixtures/evaluation/excerpts fixtures/evaluation/excerpt-prompts.json

DATA is a folder in the layout that tasks read their data from. Splits that it does not hold count as absent in the
harness's definitions. Of each item the first 16 digits of a SHA-256 are written, and the first item's texts if the
data is invented.
"""

import csv
import hashlib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

assert version("lm_eval") == "0.4.12"

chat_template = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
chat = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(chat_template)


def apply_chat_template(messages, add_generation_prompt=True):
    return chat.render(messages=messages, add_generation_prompt=add_generation_prompt)


formats = {
    "plain": {},
    "system": {"system_instruction": "Answer briefly."},
    "turns": {"apply_chat_template": True, "fewshot_as_multiturn": True, "system_instruction": "Answer briefly."},
    "message": {"apply_chat_template": True, "fewshot_as_multiturn": False},
}


def read_lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_questions(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [
            {"question": row[0], "choices": row[1:5], "answer": "ABCD".index(row[5])} for row in csv.reader(file)
        ]


def read_pages(path):
    """Pages as in EleutherAI/wikitext_document_level: each begins with a heading of the first level."""
    pages, lines = [], []
    for line in Path(path).read_bytes().decode().split("\n"):
        heading = line.replace("= = =", "===").replace("= =", "==").strip()
        if heading.startswith("= ") and heading.endswith(" ="):
            if "\n".join(lines).strip():
                pages.append({"page": "\n".join(lines)})
            lines = []
        lines.append(line)
    return [*pages, {"page": "\n".join(lines)}]


retention = ["arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa", "sciq", "commonsense_qa"]
computing = ["college_computer_science", "high_school_computer_science", "computer_security", "machine_learning"]
gsm8k = {"train": "gsm8k/train.jsonl", "test": "gsm8k/test.jsonl"}

untrained = {"training_split": None}
untested = {"training_split": None, "test_split": None}

# Of each task its splits' files, how they are read, how many items are taken, and what of its definition is absent.
tasks = {
    "hellaswag": ({"validation": "hellaswag/hellaswag_val.jsonl"}, read_lines, 50, untrained),
    "gsm8k": (gsm8k, read_lines, 50, {}),
    "gsm8k_cot": (gsm8k, read_lines, 50, {}),
    "gsm8k_cot_zeroshot": (gsm8k, read_lines, 50, {}),
    **{
        f"mmlu_{subject}": (
            {split: f"mmlu/{split}/{subject}_{split}.csv" for split in ["dev", "test"]},
            read_questions,
            50,
            {},
        )
        for subject in computing
    },
    **{task: ({"validation": f"retention/{task}_validation.jsonl"}, read_lines, 20, untested) for task in retention},
    "wikitext": (
        {"validation": "corpus/wikitext2_valid.txt", "test": "corpus/wikitext2_test.txt"},
        read_pages,
        20,
        untrained,
    ),
}


def load(name, data):
    """The harness's task, over the splits that are at hand."""
    files, read, _, absent = tasks[name]
    loaded = datasets.DatasetDict(
        {split: datasets.Dataset.from_list(read(data / file)) for split, file in files.items()}
    )
    datasets.load_dataset = lambda **_: loaded
    # A dictionary that names a registered task would not inherit its fields.
    definition = load_yaml(manager.task_index[name].yaml_path, resolve_func=True)
    return ConfigurableTask(config={**definition, **absent})


def prompts(task, num_fewshot, limit, **options):
    """Requests and target of each item, as texts; settings of a generation as JSON."""
    task.set_config("num_fewshot", num_fewshot)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=limit, chat_template=apply_chat_template, **options)
    items = {}
    for instance in task.instances:
        texts = [arg if isinstance(arg, str) else json.dumps(arg["until"]) for arg in instance.args]
        items.setdefault(instance.doc_id, [str(task.doc_to_target(instance.doc))]).extend(texts)
    return list(items.values())


def digest(texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


data, output = Path(sys.argv[1]), Path(sys.argv[2])
datasets.disable_progress_bars()
manager = TaskManager()
cases = []
for name, (files, _, limit, _) in tasks.items():
    if not all((data / file).exists() for file in files.values()):
        continue
    task = load(name, data)
    # lm_eval.evaluator.simple_evaluate does not override a 0.
    is_fixed = task.config.num_fewshot == 0
    # Texts that are scored whole have no examples before them, though the harness draws some.
    for num_fewshot in [0] if task.OUTPUT_TYPE == "loglikelihood_rolling" else [0, 5]:
        for form, options in formats.items():
            items = prompts(task, 0 if is_fixed else num_fewshot, limit, **options)
            case = {"task": name, "numFewshot": num_fewshot, "form": form, "items": [digest(item) for item in items]}
            if "excerpts" in data.name and form == "turns":
                case["first"] = items[0]
            cases.append(case)
output.write_text(
    json.dumps({"chatTemplate": chat_template, "cases": cases}, ensure_ascii=False, separators=(",", ":")) + "\n"
)
