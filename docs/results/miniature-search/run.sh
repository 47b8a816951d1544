#!/bin/sh
# Search over steps in miniature: a model that writes, its process reward model, and all strategies at three budgets.
# From the repository's root, after npm ci && npm run build:
#
#   sh docs/results/miniature-search/run.sh runs/miniature-search
set -eu
out=${1:-runs/miniature-search}
slimtune() { node bin/slimtune.js "$@"; }

# The model that writes: right in about half of the problems.
slimtune tune --config docs/results/miniature-search/writer.yaml --out "$out/writer"
slimtune merge "$out/writer" --out "$out/model"

# Its process reward model, on labels by rollouts of solutions to other problems.
slimtune prm label --model "$out/model" --data fixtures/miniature/math-train.jsonl --limit 120 --solutions 3 --rollouts 4 --max-new-tokens 64 --instruction "" --batch-size 64 --out "$out/labels"
slimtune prm tune --config docs/results/miniature-search/prm.yaml --model "$out/model" --data "$out/labels/steps.jsonl" --out "$out/prm"

# How good it is on problems that it has not seen: by rollouts, and by the rule, to which a true equation is right also where it is the wrong one.
slimtune prm label --model "$out/model" --data fixtures/miniature/math-held-out.jsonl --limit 50 --solutions 2 --rollouts 4 --max-new-tokens 64 --instruction "" --batch-size 64 --out "$out/held-out"
slimtune prm label --data "$out/held-out/solutions" --by rule --out "$out/by-rule"
slimtune prm judge --model "$out/model" --prm "$out/prm" --data "$out/held-out/steps.jsonl" --out "$out/judged"
slimtune prm judge --model "$out/model" --prm "$out/prm" --data "$out/by-rule/steps.jsonl" --out "$out/judged-by-rule"

# All strategies at three budgets of computed tokens.
slimtune search --model "$out/model" --prm "$out/prm" --task-file fixtures/miniature/benchmarks --tasks miniature_math --limit 200 --strategies greedy,sc:16,bon:16,prm-bon:16,weighted-bon:16,mstar-beam:4,mstar-levin:4,forest:2:4,dvts:8:4 --budget-tokens 300,600,900 --max-tokens 64 --step-tokens 20 --max-steps 8 --temperature 1 --top-p 1 --instruction "" --batch-size 64 --out "$out/search"
