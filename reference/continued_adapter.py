"""Steps that go on with an adapter, by PEFT 0.21.2, transformers 5.24.0 and PyTorch 2.15.0 on the embedded model (CPU).

    python reference/continued_adapter.py fixtures/embedded-model fixtures/reference/continued

Writes `adapter/`, an adapter whose B is not zero, the rows `data.jsonl`, and `golden.json`: the loss and the norm of the
gradients of each step on all rows at once, where every token is trained on.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

STEPS, LEARNING_RATE = 5, 1e-3
ROWS = [
    ("Tom has 3 pens and buys 4 pens.", " Tom has 7 pens."),
    ("Ann reads two books every week.", " In four weeks she reads eight books."),
    ("A bird can", " fly over the house."),
]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def main():
    base, out = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(4000)
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"down_proj": 2},
        use_rslora=True,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(load(base), config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    adapted.peft_config["default"].base_model_name_or_path = "embedded-model"
    adapted.save_pretrained(out / "adapter")
    (out / "adapter" / "README.md").unlink()

    with open(out / "data.jsonl", "w") as file:
        for prompt, completion in ROWS:
            file.write(json.dumps(dict(prompt=prompt, completion=completion)) + "\n")

    tokenizer = AutoTokenizer.from_pretrained(base)
    sequences = []
    for prompt, completion in ROWS:
        ids = tokenizer(prompt + completion, add_special_tokens=False).input_ids
        sequences.append(torch.tensor([[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]]))
    labels = sum(sequence.shape[1] - 1 for sequence in sequences)

    model = PeftModel.from_pretrained(load(base), out / "adapter", is_trainable=True)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    steps = []
    for _ in range(STEPS):
        loss = 0.0
        for ids in sequences:
            logits = model(input_ids=ids).logits
            total = torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
            (total / labels).backward()
            loss += total.item() / labels
        grad_norm = torch.nn.utils.clip_grad_norm_(trained, 1.0).item()
        optimizer.step()
        optimizer.zero_grad()
        steps.append(dict(loss=loss, grad_norm=grad_norm))
    (out / "golden.json").write_text(json.dumps(dict(learning_rate=LEARNING_RATE, steps=steps), indent=1) + "\n")
    print(steps)


if __name__ == "__main__":
    main()
