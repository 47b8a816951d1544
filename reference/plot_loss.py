"""Draws the losses of docs/results/gsm8k-smollm2.json (matplotlib 3.11).

    python reference/plot_loss.py docs/results/gsm8k-smollm2.json docs/images/gsm8k-smollm2.svg
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

STYLES = {"lora": ("#0072b2", "o", "LoRA, float32"), "qlora": ("#d55e00", "s", "QLoRA, NF4")}
WINDOW = 10

runs = json.load(open(sys.argv[1]))["runs"]
plt.rcParams.update({"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "slimtune"})
figure, axes = plt.subplots(figsize=(7, 3.2))
for run in runs:
    colour, marker, label = STYLES[run["method"]]
    losses = run["trainingLoss"]
    smooth = [sum(losses[max(0, i - WINDOW + 1) : i + 1]) / min(i + 1, WINDOW) for i in range(len(losses))]
    axes.plot(range(1, len(losses) + 1), smooth, color=colour, alpha=0.5, linewidth=1)
    held_out = run["heldOutLoss"]
    axes.plot(
        [point["step"] for point in held_out],
        [point["loss"] for point in held_out],
        color=colour,
        marker=marker,
        linestyle="--",
        label=f"{label}: {run['tokensPerSecond']:.0f} tokens/s, {run['peakRssBytes'] / 1e9:.1f} GB",
    )
axes.set_xlabel("optimizer step (8 examples each)")
axes.set_ylabel("loss of the answers, nats per token")
axes.set_title("SmolLM2-135M-Instruct on 1,000 GSM8K examples, 2 CPU cores", fontsize=10)
axes.legend(frameon=False, title="markers: held out; lines: training, mean of 10 steps", title_fontsize=8)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(sys.argv[2], metadata={"Date": None})
