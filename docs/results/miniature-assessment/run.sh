#!/bin/sh
# Lessons of the small world assessed by the embedded model, as it is and tuned to be a judge.
# From the repository's root, after npm ci && npm run build:
#
#   sh docs/results/miniature-assessment/run.sh runs/miniature-assessment
set -eu
out=${1:-runs/miniature-assessment}
slimtune() { node bin/slimtune.js "$@"; }
lessons="--model fixtures/embedded-model --rubric fixtures/miniature/assessment/rubric.yaml --texts fixtures/miniature/assessment/lessons.jsonl"

slimtune assess $lessons --formulations score,count,turns --context 60 --shots 0,2 --repeats 3 --out "$out/asked"
slimtune tune --model fixtures/embedded-model --data "$out/asked/turns-train.jsonl" --max-steps 300 --learning-rate 5e-3 --out "$out/judge"
slimtune assess $lessons --adapter "$out/judge/adapter" --formulations turns --context 60 --out "$out/judged"
