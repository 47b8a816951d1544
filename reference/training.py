"""Loss curves by PyTorch 2.15.0, PEFT 0.21.2, transformers 5.24.0 and bitsandbytes 0.50.2 on the tiny models (CPU).

    python reference/tiny_models.py fixtures/reference/models
    python reference/training.py fixtures/reference

Writes `training/golden.json` (the windows that all runs share, and each run's steps), `training/initial-adapter/<name>/`
and the trained tensors `training/<run>.safetensors`. Of PiSSA instead what it begins with,
`training/pissa-initial.safetensors` (A, B, and all singular values of the first block's weights), and the adapter for the
original weights, `training/pissa-converted/`.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    Trainer,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from tiny_models import SIZES, load

SCHEDULES = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}
ADAMW = dict(betas=(0.9, 0.999), eps=1e-8)
MAX_GRAD_NORM, WEIGHT_DECAY, WARMUP_STEPS = 1.0, 0.01, 3
MICRO_BATCHES, MICRO_BATCH_SIZE = 2, 2

ADAPTER = dict(r=4, lora_alpha=8, task_type="CAUSAL_LM", target_modules="all-linear")
INITIAL_ADAPTERS = {
    "llama": ("llama", dict()),
    "llama-wide": ("llama-wide", dict()),
    "llama-dora": ("llama", dict(use_dora=True)),
    "llama-wide-dora": ("llama-wide", dict(use_dora=True)),
}

LORA = dict(base="llama", steps=30, learning_rate=2e-2, schedule="linear", quantization=None)
QLORA = LORA | dict(base="llama-wide", quantization=dict(double_quantization=True))
LORA_PLUS = LORA | dict(learning_rate=2e-3, loraplus_lr_ratio=16)
FULL = dict(base="llama-tied-f32", steps=10, learning_rate=1e-3, schedule="linear", quantization=None)
RUNS = {
    "lora": LORA,
    "lora-cosine": LORA | dict(schedule="cosine"),
    "qlora": QLORA | dict(quantization=dict(double_quantization=False)),
    "qlora-double": QLORA,
    "full": FULL,
    "lora+": LORA_PLUS,
    "dora": LORA | dict(initial_adapter="llama-dora"),
    "qdora": QLORA | dict(initial_adapter="llama-wide-dora"),
    "dora+": LORA_PLUS | dict(initial_adapter="llama-dora", steps=10),
    "pissa": LORA | dict(learning_rate=2e-3, init_lora_weights="pissa"),
    "freeze": FULL | dict(freeze_trainable_layers=1),
}
# Of the fully tuned model only these tensors are kept, to hold the file small: every kind of them is there.
FULL_TENSORS = ("model.embed_tokens.", "model.layers.0.", "model.norm.")


def windows(generator):
    """One window of micro-batches per step: eight sequences of unequal lengths, in a new order every two steps."""
    sequences = []
    for length in [16, 7, 11, 5, 14, 9, 12, 6]:
        ids = torch.randint(0, SIZES["vocab_size"], (length,), generator=generator).tolist()
        prompt = length // 3
        sequences.append(dict(ids=ids, labels=[-100] * prompt + ids[prompt:]))
    # One label in the middle is masked too, and one sequence has its first token as a label that nothing predicts.
    sequences[0]["labels"][9] = -100
    sequences[3]["labels"][0] = sequences[3]["ids"][0]
    size = MICRO_BATCHES * MICRO_BATCH_SIZE
    while True:
        order = torch.randperm(len(sequences), generator=generator).tolist()
        for start in range(0, len(order), size):
            window = [sequences[i] for i in order[start : start + size]]
            yield [window[i : i + MICRO_BATCH_SIZE] for i in range(0, size, MICRO_BATCH_SIZE)]


def collate(micro_batch):
    """Right padding with token 0, no attention to it and no label on it."""
    width = max(len(sequence["ids"]) for sequence in micro_batch)

    def pad(values, filler):
        return values + [filler] * (width - len(values))

    return (
        torch.tensor([pad(sequence["ids"], 0) for sequence in micro_batch]),
        torch.tensor([pad([1] * len(sequence["ids"]), 0) for sequence in micro_batch]),
        torch.tensor([pad(sequence["labels"], -100) for sequence in micro_batch]),
    )


def count_labels(window):
    return sum(label != -100 for micro_batch in window for row in micro_batch for label in row["labels"][1:])


def load_quantized(folder, double_quantization):
    """Linear layers of the blocks as bitsandbytes Linear4bit (which dequantizes, then multiplies); not the LM head."""
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        device_map="cpu",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.float32,
            bnb_4bit_use_double_quant=double_quantization,
        ),
    )


def begin(models, out, name, settings):
    """The model of a run before its first step."""
    quantization = settings["quantization"]
    base = models / settings["base"]
    model = load(base) if quantization is None else load_quantized(base, **quantization)
    if name == "full":
        return model
    if name == "freeze":
        model.requires_grad_(False)
        model.model.layers[-settings["freeze_trainable_layers"] :].requires_grad_(True)
        return model
    if "init_lora_weights" in settings:
        return get_peft_model(model, LoraConfig(init_lora_weights=settings["init_lora_weights"], **ADAPTER))
    adapter = settings.get("initial_adapter", settings["base"])
    return PeftModel.from_pretrained(model, out / "initial-adapter" / adapter, is_trainable=True)


def create_optimizer(model, settings):
    """PEFT's optimizer for LoRA+; else AdamW with the groups of Transformers' Trainer."""
    learning_rate = settings["learning_rate"]
    if "loraplus_lr_ratio" in settings:
        plus = dict(loraplus_lr_ratio=settings["loraplus_lr_ratio"], loraplus_weight_decay=WEIGHT_DECAY)
        return create_loraplus_optimizer(model, torch.optim.AdamW, lr=learning_rate, **plus, **ADAMW)
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        dict(params=[p for name, p in trained if name in decayed], weight_decay=WEIGHT_DECAY),
        dict(params=[p for name, p in trained if name not in decayed], weight_decay=0.0),
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, **ADAMW)


def train(model, optimizer, settings, steps_of_windows):
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    scheduler = SCHEDULES[settings["schedule"]](optimizer, WARMUP_STEPS, settings["steps"])
    model.train()
    records = []
    for window in steps_of_windows[: settings["steps"]]:
        labels_in_window = count_labels(window)
        loss = 0.0
        for micro_batch in window:
            input_ids, attention_mask, labels = collate(micro_batch)
            logits = model(input_ids=input_ids, attention_mask=attention_mask).logits
            total = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
            )
            (total / labels_in_window).backward()
            loss += total.item() / labels_in_window
        grad_norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM).item()
        records.append(dict(loss=loss, grad_norm=grad_norm, learning_rate=optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return records


def trained_tensors(model, name):
    if isinstance(model, PeftModel):
        return get_peft_model_state_dict(model)
    tensors = {key: parameter.data for key, parameter in model.named_parameters() if parameter.requires_grad}
    return {key: tensor for key, tensor in tensors.items() if name != "full" or key.startswith(FULL_TENSORS)}


def save(tensors, path):
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)


def save_adapter(model, base, folder, **options):
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, **options)
    (folder / "README.md").unlink()


def save_pissa_beginning(model, original, path):
    values = {
        f"singular_values.model.layers.0.{name}": torch.linalg.svdvals(module.weight.data)
        for name, module in original.model.layers[0].named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    save(get_peft_model_state_dict(model) | values, path)


def main():
    models = Path(sys.argv[1]) / "models"
    out = Path(sys.argv[1]) / "training"
    torch.set_num_threads(1)

    for name, (base, settings) in INITIAL_ADAPTERS.items():
        torch.manual_seed(3000)
        initial = get_peft_model(load(models / base), LoraConfig(**ADAPTER, **settings))
        save_adapter(initial, base, out / "initial-adapter" / name)

    source = windows(torch.Generator().manual_seed(3001))
    steps_of_windows = [next(source) for _ in range(max(settings["steps"] for settings in RUNS.values()))]
    runs = {}
    for name, settings in RUNS.items():
        model = begin(models, out, name, settings)
        with tempfile.TemporaryDirectory() as scratch:
            if name == "pissa":
                save_pissa_beginning(model, load(models / settings["base"]), out / "pissa-initial.safetensors")
                # PEFT converts with the help of an adapter that was saved before the first step.
                beginning = Path(scratch) / "pissa-initial"
                model.peft_config["default"].init_lora_weights = True
                model.save_pretrained(beginning)
                model.peft_config["default"].init_lora_weights = "pissa"
            steps = train(model, create_optimizer(model, settings), settings, steps_of_windows)
            if name == "pissa":
                converted = out / "pissa-converted"
                save_adapter(model, settings["base"], converted, path_initial_model_for_weight_conversion=str(beginning))
            else:
                save(trained_tensors(model, name), out / f"{name}.safetensors")
        quantization = settings["quantization"]
        if quantization is not None:
            kind = dict(quant_type="nf4", block_size=64, computed_by="bitsandbytes.nn.Linear4bit")
            settings = settings | dict(quantization=quantization | kind)
        runs[name] = settings | dict(steps=steps)
        print(f"{name}: loss {steps[0]['loss']:.3f} -> {steps[-1]['loss']:.3f}")

    settings = dict(ADAMW, weight_decay=WEIGHT_DECAY, max_grad_norm=MAX_GRAD_NORM, warmup_steps=WARMUP_STEPS)
    golden = dict(settings=settings, windows=steps_of_windows, runs=runs)
    (out / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
