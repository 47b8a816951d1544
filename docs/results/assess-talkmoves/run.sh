#!/bin/sh
# Lessons of TalkMoves (for research only) in every way, and by a judge that is tuned on others. From the repository's root, after
# npm ci && npm run build:
#
#   sh docs/results/assess-talkmoves/run.sh MODEL TALKMOVES FOLDER
#
# TALKMOVES is the folder with talkmoves_utterances.jsonl.gz. All texts that the folder then holds are under its licence, CC BY-NC-SA 4.0.
set -eu
model=$1 source=$2 out=$3
slimtune() { node bin/slimtune.js "$@"; }
here=docs/results/assess-talkmoves
lessons="--model $model --rubric $here/rubric.yaml --texts $out/lessons.jsonl"

# 800 words of each of 200 transcripts of subset 2 to learn from, and of 30 of subset 1 to assess, in windows of 400.
node $here/lessons.js "$source" "$out" 200 30 800
slimtune assess $lessons --formulations score,count,examples,turns --context all,300 --shots 0,4 --repeats 2 --out "$out/asked"
slimtune tune --model "$model" --data "$out/asked/turns-train.jsonl" --num-train-epochs 2 --learning-rate 2e-4 --out "$out/judge"
slimtune assess $lessons --adapter "$out/judge/adapter" --formulations turns --context 300 --out "$out/judged"
slimtune assess $lessons --formulations score --context 300 --shots 0,4 --repeats 3 --out "$out/consistency"
