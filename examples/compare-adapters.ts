/** Tunes with two ranks, evaluates both adapters on the same questions, and says what the difference shows. */

import { compare, fineTune, runEvaluation } from "slimtune";

const model = "fixtures/embedded-model";

/** @returns folder of the evaluation */
async function tuneAndEvaluate(r: number): Promise<string> {
  const { output } = await fineTune({
    model,
    data: "fixtures/miniature/math-train.jsonl",
    lora: { r, lora_alpha: 2 * r },
    learning_rate: 1e-2,
    max_steps: 40,
    validation: 0,
    out: `runs/examples/rank-${r}`,
  });
  const { folder } = await runEvaluation({
    model,
    adapter: output!,
    tasks: ["miniature_math"],
    taskFiles: ["fixtures/miniature/benchmarks"],
    applyChatTemplate: true,
    limit: 100,
    cache: false,
    out: `runs/examples/rank-${r}-evaluation`,
  });
  return folder.path;
}

const small = await tuneAndEvaluate(1);
const large = await tuneAndEvaluate(16);

const { scores } = await compare(small, large, { metrics: ["exact_match"] });
for (const { task, before, after, difference, adjustedP, verdict } of scores) {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  console.log(`${task}: ${percent(before.value)} with rank 1, ${percent(after.value)} with rank 16`);
  console.log(
    `${verdict}: ${percent(difference.value)} (${percent(difference.low)} to ${percent(difference.high)}), p = ${adjustedP.toFixed(3)}`,
  );
}
