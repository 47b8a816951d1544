"""Computes LoRA steps of PEFT 0.21.2 (transformers 5.24.0, torch 2.15.0, bitsandbytes 0.50.2) on the CPU or, with "device": "cuda", on a GPU.

    python reference/peft_step.py <model folder> '{"storage": "float32", "rows": 1, "length": 512, "recompute": false,
        "dtype": "float32", "attention": "sdpa", "compile": false, "threads": 2, "device": "cpu"}'

Prints a line of JSON after steps that warm up, then the seconds of a step for each line that it reads, and at last its highest
resident memory in bytes (see benchmarks/step-process.ts).

Rank 16 on all linear layers, every token but the first labelled, AdamW. `storage` is that of the base model's linear layers:
"float32" (then kept in `dtype`) or "nf4" with double quantization (then `dtype` is what it is computed in).
"""

import json
import math
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def main(folder, case):
    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    dtype = getattr(torch, case["dtype"])
    device = case.get("device", "cpu")
    started = time.perf_counter()
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation=case["attention"],
        device_map=device,
        **({"quantization_config": nf4} if case["storage"] == "nf4" else {}),
    )
    load_seconds = time.perf_counter() - started
    model.config.use_cache = False
    checkpointing = dict(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    if case["storage"] == "nf4":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=case["recompute"], **checkpointing)
    elif case["recompute"]:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(**checkpointing)
    config = LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules="all-linear")
    model = get_peft_model(model, config).train()
    if case["compile"]:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    rows, length = case["rows"], case["length"]
    input_ids = ((torch.arange(rows * length) * 7919) % 30_011).reshape(rows, length).to(device)

    def step():
        loss = model(input_ids=input_ids, labels=input_ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    first_loss = step()
    if case["compile"]:
        step()
    show(dict(loadSeconds=load_seconds, firstLoss=first_loss if math.isfinite(first_loss) else None))
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        show(time.perf_counter() - started)
    show(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def show(value):
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
