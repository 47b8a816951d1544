"""Likelihoods, logits and greedy continuations of a real model by transformers 5.24.0 (torch 2.15.0, gguf 0.19.0, CPU).

    python reference/smollm2.py SmolLM2-135M-Instruct.Q4_1.gguf fixtures/reference/smollm2.json
    python reference/smollm2.py TinyStories-656K fixtures/reference/tinystories.json
    python reference/smollm2.py gemma-3-270m-q4_k_m.gguf fixtures/reference/gemma3.json

A GGUF file is dequantized to float32, a Hub folder read as it is and computed in float32.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHAT = [
    {"role": "system", "content": "You are a careful maths tutor. Answer with the result and one line of working."},
    {"role": "user", "content": "A baker fills 7 trays with 24 rolls each and sells 95 rolls. How many are left?"},
]
PROSE = (
    "The harbour was quiet that morning. Two fishing boats had come in before dawn, and their crews sat on the quay "
    "mending nets while the gulls argued over what was left of the catch. From the lighthouse one could see"
)
CODE = (
    "def moving_average(values, width):\n"
    '    """Means of every run of `width` neighbouring values."""\n'
    "    total = sum(values[:width])\n"
    "    means = [total / width]\n"
    "    for i in range(width, len(values)):\n"
)
STORIES = {
    "story": "Once upon a time there was a small fox who lived under an old oak tree. One day, the fox found a red ball",
    "dialogue": '"Can I help you?" asked Ben. The old man smiled and said, "Yes, please. My hat is in the',
    "opening": "Lily",
}
TOP, SPREAD, NEW_TOKENS = 20, 64, 24


def open_model(path):
    source = dict(pretrained_model_name_or_path=path)
    if path.suffix == ".gguf":
        source = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, attn_implementation="eager")
    return model.eval(), AutoTokenizer.from_pretrained(**source)


def prompts(tokenizer):
    if not tokenizer.chat_template:
        # Of models with windows, one text is longer than them.
        return {"prose": PROSE, "code": CODE, "long": PROSE * 13} if len(tokenizer) > 100_000 else STORIES
    chat = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    return {"chat": chat, "prose": PROSE, "code": CODE}


@torch.no_grad()
def golden(model, ids):
    logits = model(torch.tensor([ids])).logits[0]
    nll = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]))
    top = logits[-1].topk(TOP)
    spread = [i * logits.shape[1] // SPREAD for i in range(SPREAD)]

    # Without a cache and without stopping: every new token is the argmax of a whole forward pass.
    greedy, margins = list(ids), []
    for _ in range(NEW_TOKENS):
        best = model(torch.tensor([greedy])).logits[0, -1].topk(2)
        margins.append((best.values[0] - best.values[1]).item())
        greedy.append(best.indices[0].item())
    return dict(
        ids=ids,
        mean_nll=nll.item(),
        top_ids=top.indices.tolist(),
        top_logits=top.values.tolist(),
        spread_ids=spread,
        spread_logits=logits[-1, spread].tolist(),
        greedy_ids=greedy[len(ids) :],
        greedy_smallest_margin=min(margins),
    )


def main():
    path, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    model, tokenizer = open_model(path)
    results = {}
    for name, text in prompts(tokenizer).items():
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if tokenizer.chat_template is None:
            ids = [tokenizer.bos_token_id] + ids
        results[name] = dict(text=text) | golden(model, ids)
        print(name, len(ids), results[name]["mean_nll"], repr(tokenizer.decode(results[name]["greedy_ids"])))
    document = dict(model=path.name, vocab_size=model.config.vocab_size, prompts=results)
    out.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
