/**
 * @file `npm run bench:reasoning`: self-consistency of 8 over 64 problems, written side by side and one text at a time; and what early
 * stops save of it, in tokens and in seconds.
 *
 * Needs SLIMTUNE_SMOLLM2_GGUF. Arguments: problems (default 64), rounds (default 1).
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Problem, runReasoning } from "../src/index.ts";
import { formatSpeed, machine, median, note, printTable, writeResults } from "./measuring.ts";

const model = process.env.SLIMTUNE_SMOLLM2_GGUF;
if (!model) throw new Error("Set SLIMTUNE_SMOLLM2_GGUF (see CONTRIBUTING.md).");
const [count = "64", rounds = "1"] = process.argv.slice(2);

const problems: readonly Problem[] = readFileSync("fixtures/miniature/math-held-out.jsonl", "utf8")
  .split("\n")
  .slice(0, Number(count))
  .map((line, id) => {
    const { question, answer } = JSON.parse(line) as { question: string; answer: string };
    return { task: "word problems", id: String(id), question, gold: answer.split("#### ")[1]! };
  });

interface Case {
  readonly strategy: string;
  readonly batchSize: number;
  /** One text at a time the speed shows on fewer. */
  readonly problems: number;
}

const cases: readonly Case[] = [
  { strategy: "sc:8", batchSize: 1, problems: Math.ceil(problems.length / 8) },
  ...[32, 64].map((batchSize) => ({ strategy: "sc:8", batchSize, problems: problems.length })),
  ...["sc-early:8", "ac:8"].map((strategy) => ({
    ...{ strategy, batchSize: 64, problems: problems.length },
  })),
];

interface Measurement {
  readonly seconds: number;
  /** Written a problem. */
  readonly tokens: number;
  readonly accuracy: number;
}

async function measure({ strategy, batchSize, problems: some }: Case, out: string): Promise<Measurement> {
  const { results } = await runReasoning({
    ...{ model: model!, tasks: [problems.slice(0, some)], strategies: [strategy], batchSize, out },
    maxTokens: 64,
  });
  const { usage, accuracy } = results.curves[0]!.points[0]!;
  return { seconds: usage.seconds, tokens: usage.completionTokens, accuracy: accuracy.value };
}

const folder = mkdtempSync(join(tmpdir(), "slimtune-bench-"));
const measured = cases.map((): Measurement[] => []);
for (let round = 0; round < Number(rounds); round++) {
  for (const [i, each] of cases.entries()) {
    const found = await measure(each, join(folder, `${round}-${i}`));
    measured[i]!.push(found);
    const speed = formatSpeed((found.tokens * each.problems) / found.seconds);
    note(`round ${round + 1}: ${each.strategy}, ${each.batchSize} at a time: ${speed} tokens/s`);
  }
}
rmSync(folder, { recursive: true });

const results = cases.map((each, i) => ({
  ...each,
  seconds: median(measured[i]!.map(({ seconds }) => seconds)),
  tokens: measured[i]![0]!.tokens,
  accuracy: measured[i]![0]!.accuracy,
}));
writeResults("reasoning", { rounds: Number(rounds), results });
console.log(`${machine}; medians of ${rounds} rounds\n`);
const [alone] = results;
const aloneSpeed = (alone!.tokens * alone!.problems) / alone!.seconds;
printTable(
  [
    "strategy",
    "texts at a time",
    "problems",
    "tokens a problem",
    "seconds",
    "tokens/s",
    "against one at a time",
  ],
  results.map(({ strategy, batchSize, problems, tokens, seconds }) => {
    const speed = (tokens * problems) / seconds;
    return [
      ...[strategy, String(batchSize), String(problems), tokens.toFixed(0), seconds.toFixed(1)],
      ...[formatSpeed(speed), (speed / aloneSpeed).toFixed(1)],
    ];
  }),
);
