"""What lm_eval 0.4.12 makes of single templates and answers: filters, exact matches, choices and perplexities.

    python reference/harness_judging.py fixtures/evaluation/judging.json
"""

import json
import os
import random
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters import build_filter_ensemble
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import apply_template

assert version("lm_eval") == "0.4.12"
datasets.disable_progress_bars()

answers = [
    "", " ", "18", "x is 18", "The answer is 18", "The answer is 18.", "The answer is 8", "The answer is 8.",
    "The answer is 1,200.", "The answer is -5!", "The answer is $18.", "The answer is 18\nThe answer is 19.",
    "#### 18", "####18", "#### 18.", "#### -1,200.50 and more", "so\n#### 7\nbut #### 8", "#### $18", "#### .", "##### 5",
    "It costs $18.00.", "3 + 4 = 7", "-", "$$", "..", "7.", "1.\n", "18\u2028", "\u0085 18 ", "١٨", "#### ١٨", "Q: 5",
    "a #### 18 b #### ", "18.\n\n", "\r#### 18", "ß 18", "18\0", "(2)", "Half of 3,000 is 1,500", "#### 18 dollars.",
]  # fmt: skip
targets = ["18", "#### 18", "x #### 1,8.", "It is 18.\n#### 18", "SS 18", "-5", ""]

filters = {
    "custom": [{"function": "regex", "regex_pattern": r"\(([A-Z0-9])?\)|(\d)", "fallback": " none "}],
    "single": [{"function": "regex", "regex_pattern": r"#+( ?\d*)", "group_select": -1}],
    "lowercase": [{"function": "lowercase"}],
    "remove_whitespace": [{"function": "remove_whitespace"}],
}
metrics = [
    {},
    {"ignore_case": True},
    {"ignore_punctuation": True},
    {"ignore_case": True, "ignore_punctuation": True, "regexes_to_ignore": [r"\d$", "^x"]},
]


def load(config, rows):
    loaded = datasets.DatasetDict({"test": datasets.Dataset.from_list(rows)})
    datasets.load_dataset = lambda **_: loaded
    splits = {"training_split": None, "validation_split": None, "test_split": "test", "fewshot_split": "test"}
    return ConfigurableTask(config={**config, **splits})


def apply_filter(steps):
    """Each answer as the filter leaves it."""
    components = [[step["function"], {key: step[key] for key in step if key != "function"}] for step in steps]
    if steps[-1]["function"] != "take_first":
        components.append(["take_first", None])
    instances = [type("Answered", (), {"resps": [answer], "doc": {}, "filtered_resps": {}})() for answer in answers]
    build_filter_ensemble("name", components).apply(instances)
    return [instance.filtered_resps["name"] for instance in instances]


def mean_of(metric, settings={}):
    return {"metric": metric, "aggregation": "mean", "higher_is_better": True, **settings}


templates = [
    "a\n", "a\n\n", " {% if q %} x {% endif %} \n", "{% if q %}\nx\n{% endif %}\n", "{{q.strip()}}|{{ q.lstrip() }}",
    "{{list}}", "{{[q, n]}}", "{{list[0]}} {{list[-1]}} {{d.text}} {{d['text']}}", "{{list.index('a')}}", "{{list.index('z')}}",
    "{{missing}}", "{{d.missing}}", "{{missing.x}}", "{{missing is defined}}", "{{missing is undefined}}",
    "{{missing | default('x')}}", "{{q if n is defined else missing}}", "{{missing or q}}", "{% if missing %}x{% endif %}",
    "{% for x in list %}{{x}},{% endfor %}", "{% for x in missing %}{% endfor %}", "{{q if false}}", "{{q.split('-')[-1].strip()}}",
    "{{n}} {{n + 1}} {{f}} {{none_}} {{yes}}", "{{q ~ n}}", "{{'abc'[n - 1]}}", "{{list | length}} {{list | join(', ')}}", "{{q == 'x'}}",
    "{# note #}{{q | upper}}", "{{d}}", "{% set x = q %}{{x}}", "{{q | trim}}.", "", "{{ d.text | length }}",
]  # fmt: skip
variables = {"q": " a - b\u0085", "n": 2, "f": 0.5, "none_": None, "yes": True, "list": ["a", "b'", 'c"'], "d": {"text": "t"}}


def render(template):
    try:
        return apply_template(template, variables)
    except Exception:
        return None


manager = TaskManager()
gsm8k = {name: load_yaml(manager.task_index[name].yaml_path, resolve_func=True) for name in ["gsm8k", "gsm8k_cot"]}
for name, config in gsm8k.items():
    for entry in config["filter_list"]:
        filters[f"{name} {entry['name']}"] = entry["filter"]

generation = []
rows = [{"question": "q", "answer": target} for target in targets]
own = {
    "task": "own",
    "dataset_path": "none",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "output_type": "generate_until",
    "generation_kwargs": {"until": []},
}
fields = ["ignore_case", "ignore_punctuation", "regexes_to_ignore"]
for settings in [{field: gsm8k["gsm8k"]["metric_list"][0][field] for field in fields}, *metrics]:
    task = load({**own, "metric_list": [mean_of("exact_match", settings)]}, rows)
    scores = [[float(task.process_results(doc, [answer])["exact_match"]) for answer in answers] for doc in rows]
    generation.append({"metric": {"metric": "exact_match", **settings}, "scores": scores})

choosing = {
    **{field: value for field, value in own.items() if field != "generation_kwargs"},
    "output_type": "multiple_choice",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
}
rows = [{"question": "q", "choices": ["a", "b"], "gold": 0}]
names = ["acc", "acc_norm", "acc_bytes", "exact_match", "mcc"]
choices = load({**choosing, "metric_list": [mean_of(name) for name in names]}, rows)
generator = random.Random(7)
words = ["a", "bb", "ééé", "日本語", "🧶", "long choice", "abc", "x y"]
multiple = []
for i in range(40):
    doc = {"question": "q", "choices": generator.sample(words, 4), "gold": generator.randrange(4)}
    likelihoods = [generator.choice([-1.0, -2.0, -3.0, -6.0, generator.uniform(-9, 0)]) for _ in range(4)]
    if i == 0:
        likelihoods = [-1.0, float("-inf"), -1.0, float("-inf")]
    results = [(value, generator.random() < 0.5) for value in likelihoods]
    scores = choices.process_results(doc, results)
    multiple.append({"doc": doc, "results": [[str(value), greedy] for value, greedy in results], "scores": scores})

pages = ["One page .\n", " = A = \n \n ß @-@ B", "", "word", "a\u0085b\u2028c  d"]
config = load_yaml(manager.task_index["wikitext"].yaml_path, resolve_func=True)
wikitext = load(config, [{"page": page} for page in pages])
rolling = [
    {
        "page": page,
        "text": wikitext.doc_to_target({"page": page}),
        "scores": wikitext.process_results({"page": page}, [-12.5]),
    }
    for page in pages
]

golden = {
    "variables": variables,
    "templates": [[template, render(template)] for template in templates],
    "answers": answers,
    "targets": targets,
    "filters": [{"filter": steps, "answers": apply_filter(steps)} for steps in filters.values()],
    "generation": generation,
    "choices": multiple,
    "rolling": rolling,
}
Path(sys.argv[1]).write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":"), default=float) + "\n")
