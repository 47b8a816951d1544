"""Speed and memory of PEFT 0.21.2 LoRA steps (transformers 5.24.0, torch 2.15.0, CPU) on the shape of SmolLM2-135M.

    python reference/peft_baseline.py

Random weights, one sequence of 512 tokens, rank 16 on all linear layers, float32, two threads, SDPA; each setting in a
process of its own, so that the peak of one is not the other's. Prints JSON.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

SHAPE = dict(
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    intermediate_size=1536,
    vocab_size=49152,
    tie_word_embeddings=True,
    max_position_embeddings=8192,
    use_cache=False,
)
LENGTH, RANK, THREADS = 512, 16, 2
WARMUPS, STEPS = 2, 5


def measure(gradient_checkpointing):
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE), attn_implementation="sdpa", dtype=torch.float32)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, task_type="CAUSAL_LM", target_modules="all-linear")
    model = get_peft_model(base, config).train()
    if gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    input_ids = torch.randint(0, SHAPE["vocab_size"], (1, LENGTH))
    seconds, processor_seconds = [], []
    for _ in range(WARMUPS + STEPS):
        start, processor_start = time.perf_counter(), time.process_time()
        model(input_ids=input_ids, labels=input_ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        processor_seconds.append(time.process_time() - processor_start)
    return dict(
        gradient_checkpointing=gradient_checkpointing,
        tokens_per_second=LENGTH / statistics.median(seconds[WARMUPS:]),
        step_seconds=seconds[WARMUPS:],
        # Well below the number of threads where other programs use the machine: the speed is then no baseline.
        mean_busy_threads=sum(processor_seconds[WARMUPS:]) / sum(seconds[WARMUPS:]),
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main():
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1] == "checkpointing")))
        return
    results = []
    for setting in ["plain", "checkpointing"]:
        output = subprocess.run([sys.executable, __file__, setting], check=True, capture_output=True, text=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
    print(json.dumps(dict(length=LENGTH, rank=RANK, threads=THREADS, dtype="float32", results=results), indent=2))


if __name__ == "__main__":
    main()
