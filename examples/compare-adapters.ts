/** Tunes on two sets of data, asks both adapters the same questions, and says what the difference shows. */

import { compare, fineTune, runEvaluation } from "slimtune";

const model = "fixtures/embedded-model";

/** @returns folder of the evaluation */
async function tuneAndEvaluate(domain: string): Promise<string> {
  const { output } = await fineTune({
    model,
    data: `fixtures/miniature/${domain}-train.jsonl`,
    learning_rate: 1e-2,
    max_steps: 15,
    validation: 0,
    out: `runs/examples/${domain}`,
  });
  const { folder } = await runEvaluation({
    model,
    adapter: output!,
    tasks: ["miniature_commonsense"],
    taskFiles: ["fixtures/miniature/benchmarks"],
    applyChatTemplate: true,
    limit: 100,
    out: `runs/examples/${domain}-evaluation`,
  });
  return folder.path;
}

const math = await tuneAndEvaluate("math");
const commonsense = await tuneAndEvaluate("commonsense");

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
const { scores } = await compare(math, commonsense, { metrics: ["acc"] });
for (const { before, after, difference, items, adjustedP, verdict } of scores) {
  console.log(`Tuned on math:         ${percent(before.value)} of ${items} questions on common sense`);
  console.log(`Tuned on common sense: ${percent(after.value)}`);
  console.log(
    `${verdict}: ${percent(difference.value)} (${percent(difference.low)} to ${percent(difference.high)}), p = ${adjustedP.toFixed(4)}`,
  );
}
