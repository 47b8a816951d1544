"""Adapters of PEFT's methods beside LoRA's and DoRA's linear layers, by PEFT 0.21.2 on the tiny models, with logits, loss
and gradients, and five steps of each method (transformers 5.24.0, torch 2.15.0, CPU).

    python reference/tiny_models.py fixtures/reference/models
    python reference/peft_methods.py fixtures/reference

Writes `peft-methods/<case>/<seed>/`, an adapter folder as PEFT saves it with random values in all trained tensors, and in
it `golden.safetensors`: logits of the base and of the adapted model, its loss, and the gradients by the names of the
adapter's file. `peft-methods/training/` is as `training.py` writes its folder, and `peft-methods/configuration-keys.json`
holds the keys of these methods' configurations with their defaults.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import torch
import transformers
from peft import (
    AdaptionPromptConfig,
    IA3Config,
    LNTuningConfig,
    LoraConfig,
    PeftModel,
    TrainableTokensConfig,
    VeraConfig,
    get_peft_model,
)
from peft.optimizers import create_lorafa_optimizer, lorafa
from safetensors.torch import load_file

import training
from configuration_keys import fields_of
from lora import mean_loss, sample_batch, saved_name
from tiny_models import SIZES, load
from training import save, save_adapter, windows

LENGTH = 12
TOKENS = [5, 17, 60]
# Two tokens more than the model has, trained beside one that it has.
RESIZED, NEW_TOKENS = SIZES["vocab_size"] + 2, [17, 64, 65]


def lora(target_modules=("q_proj", "v_proj"), **settings):
    return LoraConfig(r=4, lora_alpha=8, target_modules=list(target_modules), **settings)


def prompts():
    return AdaptionPromptConfig(adapter_len=6, adapter_layers=2)


# By name: the base model, what makes a new configuration of a seed, and options of resizing and of saving.
CASES = {
    "ia3-llama": ("llama", lambda _: IA3Config()),
    # The query and value layers have biases.
    "ia3-qwen2": ("qwen2", lambda _: IA3Config()),
    "ia3-all-linear": (
        "llama-bias",
        # PEFT lists the layers by their whole names, and refuses to load names of feedforward modules not among them.
        lambda _: IA3Config(target_modules="all-linear", feedforward_modules=r".*\.(o|down)_proj"),
    ),
    "ia3-regex": (
        "llama",
        lambda _: IA3Config(target_modules=r".*\.(q|down)_proj", feedforward_modules=r".*\.layers\.0\.mlp\.down_proj"),
    ),
    "vera-all-linear": ("llama-bias", lambda seed: VeraConfig(r=6, target_modules="all-linear", projection_prng_key=seed)),
    # By default the query and value layers, whose inputs and outputs are smaller than the widest of the model.
    "vera-qwen2": ("qwen2", lambda seed: VeraConfig(r=6, projection_prng_key=2**32 + seed)),
    "vera-no-projection": ("llama", lambda seed: VeraConfig(r=6, projection_prng_key=seed, save_projection=False)),
    "trainable-tokens": ("llama", lambda _: TrainableTokensConfig(token_indices=TOKENS)),
    "trainable-tokens-tied": ("qwen2", lambda _: TrainableTokensConfig(token_indices=TOKENS)),
    "lora-tokens": ("llama", lambda _: lora(trainable_token_indices=TOKENS)),
    "lora-tokens-tied": ("qwen2", lambda _: lora(trainable_token_indices=TOKENS)),
    "lora-tokens-by-layer": (
        "llama",
        lambda _: lora(trainable_token_indices=dict(embed_tokens=TOKENS, lm_head=[3, 5])),
    ),
    "lora-tokens-new": ("llama", lambda _: lora(trainable_token_indices=NEW_TOKENS), dict(resized=RESIZED)),
    "lora-tokens-new-tied": ("qwen2", lambda _: lora(trainable_token_indices=NEW_TOKENS), dict(resized=RESIZED)),
    "lora-bias-all": ("llama-bias", lambda _: lora(bias="all")),
    "lora-bias-only": ("llama-bias", lambda _: lora(bias="lora_only")),
    "lora-bias-qwen2": ("qwen2", lambda _: lora(["o_proj"], bias="all")),
    "lora-head": ("llama", lambda _: lora(["q_proj", "lm_head"])),
    "lora-embeddings": ("llama", lambda _: lora(["q_proj", "embed_tokens"])),
    "lora-head-embeddings": (
        "llama",
        lambda _: lora(
            ["embed_tokens", "lm_head"], rank_pattern=dict(lm_head=2), alpha_pattern=dict(embed_tokens=6), use_rslora=True
        ),
        dict(save_embedding_layers=False),
    ),
    "lora-embeddings-tied": ("qwen2", lambda _: lora(["q_proj", "embed_tokens"], ensure_weight_tying=True)),
    "dora-head-embeddings": (
        "llama",
        lambda _: lora(["q_proj", "embed_tokens", "lm_head"], use_dora=True),
        dict(save_embedding_layers=False),
    ),
    "lora-modules-to-save": ("llama", lambda _: lora(modules_to_save=["embed_tokens", "lm_head"])),
    "lora-modules-to-save-head": ("llama", lambda _: lora(modules_to_save=["lm_head"])),
    # Without `ensure_weight_tying`, each of the two that is named gets weights of its own.
    "lora-modules-to-save-untying": ("qwen2", lambda _: lora(modules_to_save=["embed_tokens", "lm_head"])),
    "lora-modules-to-save-tied": ("qwen2", lambda _: lora(modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    "ia3-modules-to-save": ("llama", lambda _: IA3Config(modules_to_save=["lm_head"])),
    "lora-combined": (
        "llama-bias",
        lambda _: lora(["k_proj"], bias="lora_only", modules_to_save=["lm_head"], trainable_token_indices=TOKENS),
    ),
    "dora-head": ("llama", lambda _: lora(["q_proj", "lm_head"], use_dora=True), dict(save_embedding_layers=False)),
    "ln-tuning": ("llama", lambda _: LNTuningConfig()),
    "adaption-prompt-llama": ("llama", lambda _: AdaptionPromptConfig(adapter_len=5, adapter_layers=2)),
    "adaption-prompt-last": ("llama-multi-head", lambda seed: AdaptionPromptConfig(adapter_len=seed, adapter_layers=1)),
    "adaption-prompt-mistral": ("mistral", lambda _: AdaptionPromptConfig(adapter_len=10, adapter_layers=2)),
    "adaption-prompt-multi-query": (
        "mistral-multi-query",
        lambda _: AdaptionPromptConfig(adapter_len=4, adapter_layers=2),
    ),
}
# Its result is no plain model.
UNMERGEABLE = "ADAPTION_PROMPT"
SEEDS = [1, 2]

RUN = dict(steps=5, learning_rate=2e-2, schedule="linear", quantization=None)
FEW_VALUES = RUN | dict(learning_rate=1e-1)
TEN_STEPS = FEW_VALUES | dict(steps=10)
LORA_FA = RUN | dict(eps=1e-6)
RUNS = {
    "ia3": ("qwen2", lambda: IA3Config(), FEW_VALUES),
    "vera": ("llama", lambda: VeraConfig(r=6, target_modules="all-linear", projection_prng_key=7), FEW_VALUES),
    "tokens": ("qwen2", lambda: TrainableTokensConfig(token_indices=TOKENS), FEW_VALUES),
    "bias": ("llama-bias", lambda: lora(bias="all"), RUN),
    "modules-to-save": ("llama", lambda: lora(modules_to_save=["embed_tokens", "lm_head"]), RUN),
    "lora-head-embeddings": ("llama", lambda: lora(["embed_tokens", "lm_head"]), RUN),
    "lora-fa": ("llama", lambda: lora(), LORA_FA | dict(lora_fa="float32")),
    "adaption-prompt": ("llama", lambda: prompts(), TEN_STEPS),
    "adaption-prompt-mistral": ("mistral-multi-query", lambda: prompts(), TEN_STEPS),
    # As it runs by default: the projection of the gradient in bfloat16.
    "lora-fa-bfloat16": ("llama", lambda: lora(), LORA_FA | dict(lora_fa="bfloat16")),
}


def adapt(base, config, resized=None):
    model = load(base)
    if resized is not None:
        model.resize_token_embeddings(resized, mean_resizing=False)
    config.task_type = "CAUSAL_LM"
    return get_peft_model(model, config)


def trained_parameters(model):
    """By the names in the adapter's file."""
    return {
        saved_name(name).replace(".modules_to_save", ""): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


MULTIPLIED = ("adaption_gate", "ia3_l", "lora_magnitude_vector", "vera_lambda_d", "vera_lambda_b")


def draw(name, shape, generator):
    """Around 1 for what multiplies; prompts as they begin."""
    values = torch.randn(shape, generator=generator)
    if name.endswith("adaption_prompt"):
        return values
    return values * 0.2 + 1 if name.endswith(MULTIPLIED) else values * 0.2


def fix_order(config):
    """PEFT holds names of modules in sets, whose order in the file would change from run to run."""
    for key, value in vars(config).items():
        if isinstance(value, set):
            setattr(config, key, sorted(value))


def write_case(folder, base, config, generator, resized=None, **saving):
    with torch.no_grad():
        model = adapt(base, config, resized)
        input_ids, labels = sample_batch(generator, LENGTH)
        if resized is not None:
            input_ids[0, :3] = torch.tensor(NEW_TOKENS)
        base_logits = model.get_base_model()(input_ids).logits
        trained = trained_parameters(model)
        for name, parameter in trained.items():
            parameter.copy_(draw(name, parameter.shape, generator))
    fix_order(config)
    save_adapter(model, base, folder, **saving)

    model.eval()
    logits = model(input_ids).logits
    loss = mean_loss(logits, labels)
    loss.backward()
    saved = load_file(folder / "adapter_model.safetensors")
    for name, parameter in trained.items():
        assert torch.equal(saved[name], parameter), name
    frozen = sorted(saved.keys() - trained.keys())

    with torch.no_grad():
        again = load(base)
        if resized is not None:
            again.resize_token_embeddings(resized, mean_resizing=False)
        again = PeftModel.from_pretrained(again, folder)
        reloaded = (again(input_ids).logits - logits).abs().max()
        if config.peft_type == UNMERGEABLE:
            merging = "it is not merged"
        else:
            merged_logits = model.merge_and_unload()(input_ids).logits
            merging = f"merging by {(logits - merged_logits).abs().max():.1e}"

    values = dict(input_ids=input_ids, labels=labels, base_logits=base_logits, logits=logits.detach(), loss=loss.detach())
    values |= {"grad." + name: parameter.grad for name, parameter in trained.items()}
    save(values, folder / "golden.safetensors")
    moved = (logits - base_logits).abs().max()
    print(
        f"{folder.parent.name} {folder.name}: loss {loss:.4f}, moves logits by {moved:.2f}, {merging}, "
        f"reloading by {reloaded:.1e}, not trained in the file: {frozen}"
    )


def create_lora_fa_optimizer(model, settings):
    lorafa.is_bf16_available = lambda: settings["lora_fa"] == "bfloat16"
    config = model.peft_config["default"]
    return create_lorafa_optimizer(
        model, config.r, config.lora_alpha, settings["learning_rate"], weight_decay=training.WEIGHT_DECAY
    )


def write_run(out, name, base, config, settings, steps_of_windows):
    torch.manual_seed(5100)
    model = adapt(base, config)
    fix_order(config)
    save_adapter(model, base, out / "initial-adapter" / name, save_embedding_layers=False)
    create_optimizer = create_lora_fa_optimizer if "lora_fa" in settings else training.create_optimizer
    steps = training.train(model, create_optimizer(model, settings), settings, steps_of_windows)
    trained = trained_parameters(model)
    save({key: parameter.data for key, parameter in trained.items()}, out / f"{name}.safetensors")
    print(f"{name}: loss {steps[0]['loss']:.3f} -> {steps[-1]['loss']:.3f}")
    return dict(base=base) | settings | dict(steps=steps)


def main():
    folder = Path(sys.argv[1]).resolve()
    out = folder / "peft-methods"
    # From here PEFT finds the base model by its name alone.
    os.chdir(folder / "models")
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    for number, (case, (base, config, *options)) in enumerate(CASES.items()):
        for seed in SEEDS:
            drawn = 5200 + 10 * number + seed
            torch.manual_seed(drawn)
            write_case(out / case / str(seed), base, config(seed), torch.Generator().manual_seed(drawn), **dict(*options))

    source = windows(torch.Generator().manual_seed(5000))
    steps_of_windows = [next(source) for _ in range(TEN_STEPS["steps"])]
    runs = {
        name: write_run(out / "training", name, base, config(), settings, steps_of_windows)
        for name, (base, config, settings) in RUNS.items()
    }
    settings = dict(
        training.ADAMW,
        weight_decay=training.WEIGHT_DECAY,
        max_grad_norm=training.MAX_GRAD_NORM,
        warmup_steps=training.WARMUP_STEPS,
    )
    golden = dict(settings=settings, windows=steps_of_windows, runs=runs)
    (out / "training" / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")

    keys = {config.__name__: fields_of(config) for config in (IA3Config, VeraConfig, TrainableTokensConfig, AdaptionPromptConfig)}
    (out / "configuration-keys.json").write_text(json.dumps(keys, indent=2) + "\n")


if __name__ == "__main__":
    main()
