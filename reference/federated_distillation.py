"""Distillation from several clients' likeliest tokens into the tiny Llama, by PyTorch (torch 2.15.0, transformers 5.24.0, CPU).

    python reference/federated_distillation.py fixtures/reference fixtures/federation

Writes `distillation.json`: random log-probabilities of clients, their means by weight and by confidence, and the loss, which is the divergence over
the entries that are told and one event for all others; and `distillation.safetensors`: its gradients by the model's weights.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

models, out = Path(sys.argv[1]) / "models", Path(sys.argv[2])
K, TEMPERATURE, WEIGHTS = 5, 2.0, [3.0, 1.0, 2.0]

torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(models / "llama", dtype=torch.float32)
vocabulary = model.config.vocab_size
ids = torch.randint(vocabulary, (12,))
logits = model(ids[None]).logits[0, :-1].double()
count = len(logits)
# Clients that agree with the model more or less, and with each other.
clients = [(logits.detach() * 20 + (1 + i) * torch.randn(count, vocabulary, dtype=torch.float64)) for i in range(len(WEIGHTS))]
clients = [(each / TEMPERATURE).log_softmax(-1) for each in clients]


def top(log_p):
    values, tokens = log_p.topk(K, -1)
    return tokens, values, (1 - values.exp().sum(-1)).log()


def spread(tokens, values, log_rest):
    """The whole distribution, with entries that are not told alike."""
    whole = (log_rest - torch.tensor(vocabulary - K).log())[:, None].expand(-1, vocabulary).clone()
    return whole.scatter(-1, tokens, values)


told = [top(each) for each in clients]
whole = [spread(*each) for each in told]
golden = {"ids": ids.tolist(), "temperature": TEMPERATURE, "entries": K, "weights": WEIGHTS, "vocabSize": vocabulary}
golden["clients"] = [dict(tokens=t.tolist(), logProbabilities=v.tolist(), logRest=r.tolist()) for t, v, r in told]
gradients = {}
for consensus in ["mean", "confidence"]:
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)[:, None].expand(-1, count)
    if consensus == "confidence":
        weights = weights * torch.stack([(log_p.exp() * log_p).sum(-1).exp() for log_p in whole])
    weights = weights / weights.sum(0)
    mean = sum(weight[:, None] * log_p.exp() for weight, log_p in zip(weights, whole))
    tokens, values, log_rest = top(mean.log())
    student = (logits / TEMPERATURE).log_softmax(-1)
    ours = student.gather(-1, tokens)
    masked = student.scatter(-1, tokens, -torch.inf)
    rows = (values.exp() * (values - ours)).sum(-1) + log_rest.exp() * (log_rest - masked.logsumexp(-1))
    model.zero_grad()
    rows.mean().backward(retain_graph=True)
    for name, parameter in model.named_parameters():
        if name in ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight", "lm_head.weight"]:
            gradients[f"{consensus}.{name}"] = parameter.grad.clone()
    golden[consensus] = dict(
        tokens=tokens.tolist(), logProbabilities=values.tolist(), logRest=log_rest.tolist(), rows=rows.tolist()
    )
(out / "distillation.json").write_text(json.dumps(golden) + "\n")
save_file(gradients, out / "distillation.safetensors")
