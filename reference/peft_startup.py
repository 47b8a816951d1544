"""What stands before the first step with PEFT 0.21.2 and bitsandbytes 0.50.2 (transformers 5.24.0, torch 2.15.0, CPU).

    python reference/peft_startup.py first-step <model folder> <data.jsonl> lora|qlora   # prints a line after the first step
    python reference/peft_startup.py quantize                                            # prints million parameters/s
"""

import json
import sys
import time

import torch


def first_step(folder, data, method):
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(data, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:4]
    batch = [tokenizer(row["question"] + row["answer"]).input_ids for row in rows]
    input_ids = torch.tensor(batch)
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    quantization = {"quantization_config": nf4} if method == "qlora" else {}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu", **quantization)
    if method == "qlora":
        model = prepare_model_for_kbit_training(model)
    model = get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules="all-linear")
    ).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    model(input_ids=input_ids, labels=input_ids).loss.backward()
    optimizer.step()
    print("done", flush=True)


def quantize():
    import bitsandbytes.functional as functional

    weights = torch.randn(14_336, 4096) * 0.02
    functional.quantize_4bit(weights[:64], quant_type="nf4", compress_statistics=True)
    started = time.perf_counter()
    functional.quantize_4bit(weights, quant_type="nf4", compress_statistics=True)
    print(weights.numel() / 1e6 / (time.perf_counter() - started))


if __name__ == "__main__":
    first_step(*sys.argv[2:]) if sys.argv[1] == "first-step" else quantize()
