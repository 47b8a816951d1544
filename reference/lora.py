"""LoRA and DoRA adapters by PEFT 0.21.2 on the tiny models, with logits, loss and gradients (transformers 5.24.0, torch
2.15.0).

    python reference/tiny_models.py fixtures/reference/models
    python reference/lora.py fixtures/reference

Writes `lora/<case>/` (an adapter folder as PEFT saves it, and `golden.safetensors`), `full-gradients.safetensors` and
`dora-dropout.safetensors` (one layer in training, with a dropout that is given).
"""

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tiny_models import BATCH, LENGTH, SIZES, load

PATTERNS = dict(
    rank_pattern={"layers.0.self_attn.q_proj": 2, "down_proj": 3},
    alpha_pattern={"layers.0.self_attn.q_proj": 6, "down_proj": 12},
)
CASES = {
    "llama-all-linear": ("llama", dict(target_modules="all-linear")),
    "qwen2-all-linear": ("qwen2", dict(target_modules="all-linear")),
    "llama-rslora": ("llama", dict(target_modules="all-linear", use_rslora=True)),
    "llama-patterns": ("llama", dict(target_modules="all-linear", **PATTERNS)),
    "llama-regex": ("llama", dict(target_modules=r".*\.(q_proj|v_proj)")),
    "llama-subset": ("llama", dict(target_modules=["q_proj", "v_proj"])),
    "llama-dora": ("llama", dict(target_modules="all-linear", use_dora=True)),
    "qwen2-dora": ("qwen2", dict(target_modules="all-linear", use_dora=True)),
    "llama-layers": ("llama", dict(target_modules=["q_proj", "model.layers.0.mlp.down_proj"], layers_to_transform=1)),
    "llama-excluded": ("llama", dict(target_modules="all-linear", exclude_modules=r".*\.(mlp\..*|[kv]_proj)")),
    "llama-excluded-names": ("llama", dict(target_modules=["q_proj", "o_proj"], exclude_modules=["layers.1.self_attn.q_proj"])),
}
FULL_GRADIENTS = ["llama-rope3", "qwen2"]


def sample_batch(generator, length=LENGTH):
    """Token ids and labels (not shifted), about four in ten of them masked, the first of the first row not."""
    input_ids = torch.randint(0, SIZES["vocab_size"], (BATCH, length), generator=generator)
    labels = input_ids.masked_fill(torch.rand(BATCH, length, generator=generator) < 0.4, -100)
    labels[0, 0] = input_ids[0, 0]
    return input_ids, labels


def mean_loss(logits, labels):
    """Mean over the labels that a preceding token predicts: the first of a row is none of them."""
    targets = labels[:, 1:].flatten()
    total = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets, ignore_index=-100, reduction="sum")
    return total / (targets != -100).sum()


def saved_name(name):
    """The name in an adapter file of a parameter of PEFT's model."""
    return name.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def write_case(models, folder, base, settings, generator):
    config = LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **settings)
    model = get_peft_model(load(models / base), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            values = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.data.copy_(values + 1 if "magnitude" in name else values)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder)
    (folder / "README.md").unlink()

    input_ids, labels = sample_batch(generator)
    with torch.no_grad(), model.disable_adapter():
        base_logits = model(input_ids).logits
    logits = model(input_ids).logits
    loss = mean_loss(logits, labels)
    loss.backward()
    gradients = {
        "grad." + saved_name(name): parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    saved = {"grad." + key: tensor.shape for key, tensor in load_file(folder / "adapter_model.safetensors").items()}
    assert saved == {key: tensor.shape for key, tensor in gradients.items()}
    with torch.no_grad():
        merged_logits = model.merge_and_unload()(input_ids).logits
    values = dict(
        input_ids=input_ids, labels=labels, logits=logits.detach(), loss=loss.detach(), merged_logits=merged_logits
    )
    save_file(values | gradients, folder / "golden.safetensors")
    moved = (logits - base_logits).abs().max()
    merged = (logits - merged_logits).abs().max()
    print(f"{folder.name}: loss {loss:.4f}, adapter moves logits by {moved:.2f}, merging by {merged:.1e}")


def full_gradients(models, name, generator):
    model = load(models / name)
    input_ids, labels = sample_batch(generator)
    loss = mean_loss(model(input_ids).logits, labels)
    loss.backward()
    values = dict(input_ids=input_ids, labels=labels, loss=loss.detach())
    values |= {key: parameter.grad for key, parameter in model.named_parameters()}
    return {f"{name}/{key}": tensor for key, tensor in values.items()}


class GivenDropout(torch.nn.Module):
    def __init__(self, kept, rate):
        super().__init__()
        self.kept, self.rate = kept, rate

    def forward(self, x):
        return x * self.kept / (1 - self.rate)


def dora_dropout(generator):
    """One linear layer with DoRA in training: output and gradients where the dropped inputs are given."""
    rows, inner, outer, rate = 6, 12, 10, 0.25

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    base = torch.nn.Sequential(torch.nn.Linear(inner, outer))
    config = LoraConfig(r=3, lora_alpha=6, target_modules=["0"], use_dora=True, lora_dropout=rate)
    model = get_peft_model(base, config).train()
    layer = model.base_model.model[0]
    kept = (torch.rand(rows, inner, generator=generator) >= rate).float()
    layer.lora_dropout["default"] = GivenDropout(kept, rate)
    layer.base_layer.bias.data.zero_()
    layer.base_layer.weight.data.copy_(draw(outer, inner))
    trained = {saved_name(name).split("model.model.0.")[1]: p for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        parameter.data.copy_(draw(*parameter.shape) * 0.3 + (3 if "magnitude" in name else 0))
    x, d_output = draw(rows, inner).requires_grad_(), draw(rows, outer)
    output = model(x)
    output.backward(d_output)
    values = dict(x=x, dropped=x * kept / (1 - rate), weight=layer.base_layer.weight, output=output, d_output=d_output)
    values |= trained | {"grad.x": x.grad} | {"grad." + name: p.grad for name, p in trained.items()}
    return {name: tensor.detach().contiguous() for name, tensor in values.items()}


def main():
    out = Path(sys.argv[1])
    models = out / "models"
    torch.set_num_threads(1)
    for seed, (case, (base, settings)) in enumerate(CASES.items()):
        # PEFT draws its initial values from the global generator, although all of them are replaced.
        torch.manual_seed(2000 + seed)
        write_case(models, out / "lora" / case, base, settings, torch.Generator().manual_seed(2000 + seed))
    tensors = {}
    for seed, name in enumerate(FULL_GRADIENTS):
        tensors |= full_gradients(models, name, torch.Generator().manual_seed(2100 + seed))
    save_file(tensors, out / "full-gradients.safetensors")
    save_file(dora_dropout(torch.Generator().manual_seed(2200)), out / "dora-dropout.safetensors")


if __name__ == "__main__":
    main()
