"""Preference objectives and divergences by TRL 1.16.0 (torch 2.15.0, transformers 5.24.0, PEFT 0.21.2) on the tiny Llama (CPU).

    python reference/tiny_models.py fixtures/reference/models
    python reference/objectives.py fixtures/reference

Writes to `objectives/`:
- `divergences.json`: TRL's generalized Jensen-Shannon divergence of random logits, by row and as the mean of the rows,
  with the gradient of the mean by the student's logits.
- `adapter/`: a random LoRA adapter, and `golden.json`: with it the loss and the logged metrics of each of TRL's losses, ten
  steps of DPO and of KTO (from A as it is, and B at zero), and the tokens of the examples, KTO's mismatched answers among
  them.
- `gradients.safetensors`: of each of these losses, the gradients of the adapter.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.gkd import GKDTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from tiny_models import SIZES, load

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
            rows = entries[0].sum(-1).tolist()
            cases.append(settings | dict(loss=loss.item(), rows=rows, gradient=leaf.grad[0].tolist()))
    return dict(student=student[0].tolist(), teacher=teacher[0].tolist(), cases=cases)


LORA = dict(r=2, lora_alpha=4, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules="all-linear")
BATCH, STEPS, LEARNING_RATE = 4, 10, 5e-3
# Rows: three batches, which ten steps see three times over, in order.
ROWS_OF_RUN = 3 * BATCH
# Of every objective: TRL's trainer, its options, and by which name and options ours is.
PAIRED = {
    "dpo": (DPOTrainer, DPOConfig, dict(loss_type="sigmoid"), "dpo", dict()),
    "dpo-beta": (DPOTrainer, DPOConfig, dict(loss_type="sigmoid", beta=0.5), "dpo", dict(beta=0.5)),
    "ipo": (DPOTrainer, DPOConfig, dict(loss_type="ipo"), "ipo", dict()),
    "hinge": (DPOTrainer, DPOConfig, dict(loss_type="hinge"), "hinge", dict()),
    "robust": (
        DPOTrainer,
        DPOConfig,
        dict(loss_type="robust", label_smoothing=0.2),
        "robust",
        dict(label_smoothing=0.2),
    ),
    "dpo_norm": (DPOTrainer, DPOConfig, dict(loss_type="sigmoid_norm"), "dpo_norm", dict()),
    "cpo": (CPOTrainer, CPOConfig, dict(), "cpo", dict()),
    "cpo-smooth": (
        CPOTrainer,
        CPOConfig,
        dict(cpo_alpha=0.3, label_smoothing=0.1, beta=0.4),
        "cpo",
        dict(cpo_alpha=0.3, label_smoothing=0.1, beta=0.4),
    ),
    "simpo": (CPOTrainer, CPOConfig, dict(loss_type="simpo", cpo_alpha=0.0), "simpo", dict()),
    "cpo-simpo": (
        CPOTrainer,
        CPOConfig,
        dict(loss_type="simpo", beta=2.0, simpo_gamma=1.0),
        "simpo",
        dict(beta=2, simpo_gamma=1, cpo_alpha=1),
    ),
    "orpo": (ORPOTrainer, ORPOConfig, dict(), "orpo", dict()),
}
UNPAIRED = {
    "kto": (KTOTrainer, KTOConfig, dict(), "kto", dict()),
    "kto-weighted": (
        KTOTrainer,
        KTOConfig,
        dict(beta=0.5, desirable_weight=1.3, undesirable_weight=0.4),
        "kto",
        dict(beta=0.5, desirable_weight=1.3, undesirable_weight=0.4),
    ),
}


def create_tokenizer():
    """A word for each token: "<pad>", "<s>", "</s>", "3", "4" and so on."""
    words = ["<pad>", "<s>", "</s>", *map(str, range(3, SIZES["vocab_size"]))]
    tokenizer = Tokenizer(WordLevel({word: id for id, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    special = dict(pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def draw_text(generator, length):
    return " ".join(map(str, torch.randint(3, SIZES["vocab_size"], (length,), generator=generator).tolist()))


def draw_pairs(generator, count):
    """Prompts begin with "<s>", which CPO's and ORPO's trainers would add; all trainers add "</s>"."""
    lengths = [(3, 4, 6), (1, 9, 2), (6, 1, 1), (2, 5, 5), (4, 2, 8), (5, 7, 3)]
    return [
        dict(
            prompt="<s> " + draw_text(generator, prompt),
            chosen=" " + draw_text(generator, chosen) + " ",
            rejected=" " + draw_text(generator, rejected) + " ",
        )
        for prompt, chosen, rejected in (lengths[i % len(lengths)] for i in range(count))
    ]


def draw_answers(generator, count):
    return [
        dict(prompt=pair["prompt"], completion=pair["chosen"], label=i % 3 != 1)
        for i, pair in enumerate(draw_pairs(generator, count))
    ]


def create_trainer(trainer_class, config_class, options, folder, rows, tokenizer, scratch):
    args = config_class(
        output_dir=scratch,
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
        seed=3,
        **options,
    )
    return trainer_class(
        model=load(folder),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(**LORA),
    )


def fill_adapter(model, a, b):
    """The adapter's A and B of random values of these sizes, the same at every call."""
    generator = torch.Generator().manual_seed(11)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            size = a if "lora_A" in name else b
            parameter.data.copy_(size * torch.randn(parameter.shape, generator=generator))


def saved_name(name):
    return name.replace(".default.", ".")


def metrics_of(trainer):
    """What TRL logs of the last batch, without what is made of logits or counts tokens."""
    if hasattr(trainer, "_stored_metrics"):
        metrics = {key: values[-1] for key, values in trainer._stored_metrics["train"].items()}
    else:
        metrics = {key: values[-1] for key, values in trainer._metrics["train"].items()}
    left_out = ("logits/", "entropy", "num_tokens", "mean_token_accuracy")
    return {key: float(value) for key, value in metrics.items() if not key.startswith(left_out)}


def unpad(ids, attention_mask, trained):
    """Tokens of each text without padding, and which of them are labels."""
    return [
        dict(ids=row[mask == 1].tolist(), trained=marks[mask == 1].long().tolist())
        for row, mask, marks in zip(ids, attention_mask, trained)
    ]


def examples_of(batch):
    """A collated batch as examples, each with its texts."""
    if "KL_input_ids" in batch:
        answers = unpad(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
        mismatched = unpad(batch["KL_input_ids"], batch["KL_attention_mask"], batch["KL_completion_mask"])
        return [
            dict(texts=texts, label=bool(label))
            for *texts, label in zip(answers, mismatched, batch["label"].tolist())
        ]
    if "input_ids" in batch:
        texts = unpad(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
        return [dict(texts=list(pair)) for pair in zip(texts[: len(texts) // 2], texts[len(texts) // 2 :])]
    sides = (
        unpad(batch[f"{side}_input_ids"], batch[f"{side}_attention_mask"], batch[f"{side}_labels"] != -100)
        for side in ["chosen", "rejected"]
    )
    return [dict(texts=list(pair)) for pair in zip(*sides)]


def batches_of(trainer):
    return list(trainer.get_train_dataloader())


def evaluate_loss(trainer):
    """Loss, metrics and gradients of the first batch with the random adapter; the reference is the model without it."""
    fill_adapter(trainer.model, 0.3, 0.3)
    trainer.model.train()
    batch = batches_of(trainer)[0]
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    gradients = {
        saved_name(name): parameter.grad for name, parameter in trainer.model.named_parameters() if parameter.requires_grad
    }
    return dict(loss=loss.item(), metrics=metrics_of(trainer), examples=examples_of(batch)), gradients


def train(trainer):
    fill_adapter(trainer.model, 0.3, 0.0)
    examples = [examples_of(batch) for batch in batches_of(trainer)]
    steps = []
    compute_loss = trainer.compute_loss

    def record(*args, **kwargs):
        loss = compute_loss(*args, **kwargs)
        steps.append(dict(loss=loss.item(), metrics=metrics_of(trainer)))
        return loss

    trainer.compute_loss = record
    trainer.train()
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
    args = trainer.args
    return dict(
        learning_rate=LEARNING_RATE,
        betas=[args.adam_beta1, args.adam_beta2],
        eps=args.adam_epsilon,
        weight_decay=args.weight_decay,
        max_grad_norm=args.max_grad_norm,
        batches=examples,
        steps=[step | dict(grad_norm=norm) for step, norm in zip(steps, norms, strict=True)],
    )


def main():
    root = Path(sys.argv[1])
    out = root / "objectives"
    out.mkdir(parents=True, exist_ok=True)
    (out / "divergences.json").write_text(json.dumps(divergences()) + "\n")

    tokenizer = create_tokenizer()
    generator = torch.Generator().manual_seed(5)
    pairs, answers = draw_pairs(generator, ROWS_OF_RUN), draw_answers(generator, ROWS_OF_RUN)
    losses, runs, gradients = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        model = root / "models" / "llama"
        for rows, kinds in [(pairs, PAIRED), (answers, UNPAIRED)]:
            for case, (trainer_class, config_class, options, name, ours) in kinds.items():
                trainer = create_trainer(trainer_class, config_class, options, model, rows, tokenizer, scratch)
                values, of_case = evaluate_loss(trainer)
                losses[case] = dict(objective=name, options=ours) | values
                gradients |= {f"{case}.{name}": gradient for name, gradient in of_case.items()}
                if case == "dpo":
                    trainer.model.peft_config["default"].base_model_name_or_path = "llama"
                    trainer.model.save_pretrained(out / "adapter")
                    (out / "adapter" / "README.md").unlink()
        for case, rows in [("dpo", pairs), ("kto", answers)]:
            trainer_class, config_class, options, name, ours = (PAIRED | UNPAIRED)[case]
            trainer = create_trainer(trainer_class, config_class, options, model, rows, tokenizer, scratch)
            runs[case] = dict(objective=name, options=ours) | train(trainer)
    golden = dict(losses=losses, runs=runs)
    (out / "golden.json").write_text(json.dumps(golden) + "\n")
    save_file({name: gradient.contiguous() for name, gradient in gradients.items()}, out / "gradients.safetensors")


if __name__ == "__main__":
    main()
