#!/bin/sh
# The same search by a reward model whose labels are of problems told as those that are asked, after run.sh has ended.
# From the repository's root:
#
#   sh docs/results/miniature-search/fit.sh runs/miniature-search
set -eu
out=${1:-runs/miniature-search}
slimtune() { node bin/slimtune.js "$@"; }

slimtune prm label --model "$out/model" --data fixtures/miniature/math-held-out.jsonl --limit 100 --solutions 4 --rollouts 4 --max-new-tokens 64 --instruction "" --batch-size 64 --out "$out/fit"
slimtune prm tune --config docs/results/miniature-search/prm.yaml --model "$out/model" --data "$out/fit/steps.jsonl" --out "$out/prm-fit"
slimtune search --model "$out/model" --prm "$out/prm-fit" --task-file fixtures/miniature/benchmarks --tasks miniature_math --limit 200 --strategies greedy,sc:16,prm-bon:16,weighted-bon:16,mstar-beam:4,mstar-levin:4 --budget-tokens 600 --max-tokens 64 --step-tokens 20 --max-steps 8 --temperature 1 --top-p 1 --instruction "" --batch-size 64 --out "$out/search-fit"
