"""Process reward models by TRL 1.13.0 (torch 2.15.0, transformers 5.24.0, PEFT 0.21.2), and their calibration by scikit-learn 1.9.1.

TRL 1.14.2 and later have no `PRMTrainer`, so that this script takes a TRL of its own:

    pip install --no-deps --target .cache/trl-1.13 trl==1.13.0

    python reference/tiny_models.py fixtures/reference/models
    python reference/objectives.py fixtures/reference
    PYTHONPATH=.cache/trl-1.13 python reference/prm.py fixtures

Writes to `reference/prm/`:
- `golden.json`: the tokens and labels that TRL's `PRMTrainer` makes of rows, by some tokenizers of `tokenization/`; and the loss of
  random rows by the tiny Llama with the LoRA adapter of `objectives.py`, whose head of two classes has the output layer's rows of two tokens.
- `gradients.safetensors`: the gradients of the adapter.

and to `evaluation/` `calibration.json`: area under the ROC curve, Brier score and calibration curve of random scores.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import numpy as np
import torch
from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score
from tokenizers import Tokenizer
from transformers import DataCollatorForTokenClassification, LlamaForTokenClassification, PreTrainedTokenizerFast
from trl.experimental.prm import PRMTrainer
from trl.trainer.utils import disable_dropout_in_model

TOKENIZERS = ["llama3", "llama2", "qwen2"]
ROWS = [
    dict(
        prompt="Which number is larger, 9.8 or 9.11?",
        completions=["11 is greater than 8.", "Hence, 9.11 > 9.8."],
        labels=[True, False],
    ),
    dict(prompt="Tom has 3 pens.", completions=["3 * 2 = 6 ", " so é 6", "#### 6"], labels=[1, -100, 0]),
    dict(prompt="How many?\n", completions=["One\n\nTwo"], labels=[True]),
]
SEPARATORS = ["\n", "\n\n", " ки\n"]
LONGEST = 30
# Of the tiny Llama's vocabulary of 64.
RIGHT, WRONG = 7, 9
BATCH, LENGTH, PROMPT = 3, 20, 4


def tokenize(name: str, fixtures: Path) -> dict:
    golden = json.loads((fixtures / "tokenization" / f"{name}.json").read_text())
    special = {key: golden["config"].get(key) for key in ["bos_token", "eos_token"]}
    special = {key: value["content"] if isinstance(value, dict) else value for key, value in special.items()}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(golden["tokenizer"])),
        **{key: value for key, value in special.items() if value is not None},
    )

    def rows_of(separator, longest):
        return [
            PRMTrainer.tokenize_row(
                row,
                tokenizer,
                step_separator=separator,
                max_length=longest,
                max_completion_length=None,
                train_on_last_step_only=False,
                is_eval=False,
            )
            for row in ROWS
        ]

    return dict(
        whole=[dict(separator=separator, rows=rows_of(separator, None)) for separator in SEPARATORS],
        cut=rows_of("\n", LONGEST),
    )


def evaluate_loss(fixtures: Path) -> tuple[dict, dict]:
    folder = fixtures / "reference"
    model = LlamaForTokenClassification.from_pretrained(folder / "models" / "llama", num_labels=2, dtype=torch.float32)
    head = load_file(folder / "models" / "llama" / "model.safetensors")["lm_head.weight"]
    with torch.no_grad():
        model.score.weight.copy_(head[[WRONG, RIGHT]].float())
        model.score.bias.zero_()
    adapter = folder / "objectives" / "adapter"
    config = PeftConfig.from_pretrained(adapter)
    config.task_type, config.inference_mode = None, False
    model = get_peft_model(model, config)
    disable_dropout_in_model(model)
    unexpected = set_peft_model_state_dict(model, load_file(adapter / "adapter_model.safetensors")).unexpected_keys
    assert not unexpected, unexpected

    generator = torch.Generator().manual_seed(3)
    examples = []
    for length in [LENGTH, LENGTH - 5, LENGTH - 3]:
        ids = torch.randint(3, 64, (length,), generator=generator).tolist()
        labels = torch.randint(0, 2, (length,), generator=generator).tolist()
        is_end = [at >= PROMPT and (at % 4 == 3 or at == length - 1) for at in range(length)]
        labels = [label if end else -100 for label, end in zip(labels, is_end)]
        examples.append(dict(input_ids=ids, labels=labels))
    pad = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(json.loads((fixtures / "tokenization" / "gpt2.json").read_text())["tokenizer"])),
        pad_token="!",
    )
    batch = DataCollatorForTokenClassification(pad)([dict(example) for example in examples])
    model.train()
    loss = model(**batch).loss
    loss.backward()
    gradients = {
        name.replace(".default", ""): parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    return dict(right=RIGHT, wrong=WRONG, examples=examples, loss=loss.item()), gradients


def calibration() -> list[dict]:
    random = np.random.default_rng(0)
    cases = []
    for size, digits in [(40, 1), (300, 12), (1000, 3)]:
        scores = random.beta(2, 1.5, size).round(digits)
        outcomes = (random.random(size) < scores**1.5).astype(int)
        shares, means = calibration_curve(outcomes, scores, n_bins=10)
        cases.append(
            dict(
                scores=scores.tolist(),
                outcomes=outcomes.tolist(),
                auc=roc_auc_score(outcomes, scores),
                brier=brier_score_loss(outcomes, scores),
                shares=shares.tolist(),
                means=means.tolist(),
            )
        )
    return cases


def main():
    fixtures = Path(sys.argv[1])
    out = fixtures / "reference" / "prm"
    out.mkdir(exist_ok=True)
    loss, gradients = evaluate_loss(fixtures)
    golden = dict(
        rows=ROWS, longest=LONGEST, tokenizers={name: tokenize(name, fixtures) for name in TOKENIZERS}, model=loss
    )
    (out / "golden.json").write_text(json.dumps(golden) + "\n")
    save_file({name: gradient.contiguous() for name, gradient in gradients.items()}, out / "gradients.safetensors")
    (fixtures / "evaluation" / "calibration.json").write_text(json.dumps(calibration()) + "\n")


if __name__ == "__main__":
    main()
