"""GRPO and RLOO by TRL 1.16.0 (torch 2.15.0, transformers 5.24.0, PEFT 0.21.2) on the tiny Llama (CPU), from given answers.

    python reference/tiny_models.py fixtures/reference/models
    python reference/policy.py fixtures/reference

Writes `policy/golden.json`:
- `losses`: of random log-probabilities and rewards the loss, its derivative by each log-probability, and the logged metrics, by the
  trainers' own methods, which are given the log-probabilities in place of a model's.
- `runs`: ten steps each with LoRA on the adapter of `objectives/adapter` (A as it is, and B at zero), with the answers that the
  trainers are given in place of what the model would write.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from objectives import LORA, create_tokenizer, draw_text, fill_adapter
from tiny_models import SIZES, load

PROMPTS, GROUP, LONGEST, STEPS, LEARNING_RATE = 2, 4, 9, 10, 5e-3
END = 2
# Of every case: TRL's trainer, its options, which ours have as well, and those that are ours alone.
GRPO, RLOO = (GRPOTrainer, GRPOConfig, "grpo"), (RLOOTrainer, RLOOConfig, "rloo")
LOSSES = {
    "grpo": (GRPO, dict()),
    "grpo twice": (GRPO, dict(num_iterations=2)),
    "grpo by answer": (GRPO, dict(num_iterations=2, loss_type="grpo", beta=0.3)),
    "grpo bnpo": (GRPO, dict(num_iterations=2, loss_type="bnpo", epsilon=0.1, epsilon_high=0.4)),
    "dr grpo": (GRPO, dict(num_iterations=2, loss_type="dr_grpo", scale_rewards="none", beta=0.04)),
    "grpo by batch": (GRPO, dict(num_iterations=2, scale_rewards="batch")),
    "grpo without truncated": (GRPO, dict(num_iterations=2, mask_truncated_completions=True, beta=0.3)),
    "grpo by answer without truncated": (
        GRPO,
        dict(num_iterations=2, mask_truncated_completions=True, loss_type="grpo"),
    ),
    "dr grpo without truncated": (
        GRPO,
        dict(num_iterations=2, mask_truncated_completions=True, loss_type="dr_grpo"),
    ),
    "rloo": (RLOO, dict()),
    "rloo twice": (RLOO, dict(num_iterations=2, epsilon=0.5)),
    "rloo asymmetric": (RLOO, dict(num_iterations=2, beta=0.3, epsilon=0.05, epsilon_high=2.0)),
    "rloo without a reference": (RLOO, dict(num_iterations=2, beta=0.0)),
    "rloo without truncated": (RLOO, dict(num_iterations=2, mask_truncated_completions=True, beta=0.3)),
}
RUNS = {
    "grpo": (GRPO, dict()),
    "grpo twice, with a reference, tempered": (
        GRPO,
        dict(num_iterations=2, beta=0.1, loss_type="grpo", temperature=0.7),
    ),
    "rloo": (RLOO, dict()),
}
LOGGED = ("reward", "reward_std", "frac_reward_zero_std", "kl")


def draw_groups(generator, prompts):
    """For each prompt answers, some of them cut off, with their rewards; of the second prompt all rewards are alike."""
    groups = []
    for prompt in range(prompts):
        answers = []
        for i in range(GROUP):
            length = 1 + int(torch.randint(LONGEST, (), generator=generator))
            ids = torch.randint(3, SIZES["vocab_size"], (length,), generator=generator).tolist()
            if i != 2:
                ids[-1] = END
            reward = 0.5 if prompt == 1 else round(float(torch.rand((), generator=generator)), 3)
            answers.append(dict(ids=ids, reward=reward))
        groups.append(dict(prompt="<s> " + draw_text(generator, 2 + prompt), answers=answers))
    return groups


def create_trainer(kind, options, folder, groups, tokenizer, scratch):
    trainer_class, config_class, _ = kind
    answers = {group["prompt"]: group["answers"] for group in groups}
    args = config_class(
        output_dir=scratch,
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=LONGEST,
        max_steps=STEPS,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        shuffle_dataset=False,
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

    def reward(prompts, completion_ids, **_):
        return [
            next(answer["reward"] for answer in answers[prompt] if answer["ids"] == ids)
            for prompt, ids in zip(prompts, completion_ids, strict=True)
        ]

    trainer = trainer_class(
        model=load(folder),
        reward_funcs=reward,
        args=args,
        train_dataset=Dataset.from_list([dict(prompt=group["prompt"]) for group in groups]),
        processing_class=tokenizer,
        peft_config=LoraConfig(**LORA),
    )

    def write(prompt_ids, *_):
        seen = {}
        completions = []
        for ids in prompt_ids:
            prompt = tokenizer.decode(ids)
            seen[prompt] = seen.get(prompt, -1) + 1
            completions.append(answers[prompt][seen[prompt]]["ids"])
        return completions if trainer_class is RLOOTrainer else (completions, None)

    trainer._generate_single_turn = write
    return trainer


def metrics_of(trainer):
    """What TRL logs of the last batch, without what is made of logits or counts tokens."""
    metrics = {key: values[-1] for key, values in trainer._metrics["train"].items()}
    return {key: float(value) for key, value in metrics.items() if key in LOGGED or key.startswith("clip_ratio/")}


def evaluate_loss(trainer, generator):
    """Loss, derivatives and metrics, with log-probabilities of tokens that an earlier model wrote, and of the reference."""
    shape = (PROMPTS * GROUP, max(len(answer["ids"]) for group in trainer.groups for answer in group["answers"]))
    current = -2 * torch.rand(shape, generator=generator, dtype=torch.float64)
    old, reference = (
        (current + 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(max=0) for _ in range(2)
    )
    current.requires_grad_()
    # In the order in which they are asked for.
    isGrpo = isinstance(trainer, GRPOTrainer)
    given = ([old] if not isGrpo or trainer.num_iterations > 1 else []) + ([reference] if trainer.beta else [])
    if not isGrpo and trainer.num_iterations == 1:
        given[0] = current.detach()
    given.append(current)
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (given.pop(0), torch.zeros(shape), None)
    trainer.model.train()
    rows = [dict(prompt=group["prompt"]) for group in trainer.groups for _ in range(GROUP)]
    inputs = trainer._generate_and_score_completions(rows)
    mask = inputs["completion_mask"].bool()
    trainer.current_gradient_accumulation_steps = 1
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()
    assert not given

    def by_group(values):
        texts = [row[kept].tolist() for row, kept in zip(values, mask)]
        return [texts[i : i + GROUP] for i in range(0, len(texts), GROUP)]

    return dict(
        rewards=[[answer["reward"] for answer in group["answers"]] for group in trainer.groups],
        current=by_group(current.detach()),
        old=by_group(old),
        reference=by_group(reference),
        loss=loss.item(),
        coefficients=by_group(current.grad),
        metrics=metrics_of(trainer),
    )


def train(trainer):
    fill_adapter(trainer.model, 0.3, 0.0)
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
        steps=[step | dict(grad_norm=norm) for step, norm in zip(steps, norms, strict=True)],
    )


def main():
    root = Path(sys.argv[1])
    out = root / "policy"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = create_tokenizer()
    generator = torch.Generator().manual_seed(7)
    model = root / "models" / "llama"
    groups = draw_groups(generator, 3 * PROMPTS)
    losses, runs = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for case, (kind, options) in LOSSES.items():
            trainer = create_trainer(kind, options, model, groups[:PROMPTS], tokenizer, scratch)
            trainer.groups = groups[:PROMPTS]
            losses[case] = dict(objective=kind[2], options=options) | evaluate_loss(trainer, generator)
        for case, (kind, options) in RUNS.items():
            trainer = create_trainer(kind, options, model, groups, tokenizer, scratch)
            runs[case] = dict(objective=kind[2], options=options) | train(trainer)
    tokenized = [group | dict(prompt=tokenizer.encode(group["prompt"])) for group in groups]
    golden = dict(longest=LONGEST, prompts=PROMPTS, groups=tokenized, losses=losses, runs=runs)
    (out / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
