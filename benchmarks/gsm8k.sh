#!/bin/sh
# All parts of benchmarks/gsm8k.ts for one model: smollm2 or gemma3.
set -e
npx tsc -p benchmarks/tsconfig.json
for part in lora qlora speed report; do
  node build/benchmarks/gsm8k.js "$1" "$part"
done
