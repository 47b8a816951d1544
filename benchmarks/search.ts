/**
 * @file `npm run bench:search`: a search with 16 children over 64 problems side by side and one problem at a time; with and without
 * kept beginnings; and its memory.
 *
 * Needs SLIMTUNE_SMOLLM2_GGUF. Arguments: problems (default 64), rounds (default 1).
 */

import process from "node:process";
import { estimateWriter } from "../src/index.ts";
import type { SearchCase, SearchMeasurement } from "./measure-search.ts";
import {
  formatSpeed,
  machine,
  median,
  note,
  printTable,
  runJson,
  script,
  writeResults,
} from "./measuring.ts";

const model = process.env.SLIMTUNE_SMOLLM2_GGUF;
if (!model) throw new Error("Set SLIMTUNE_SMOLLM2_GGUF (see CONTRIBUTING.md).");
const [count = "64", rounds = "1"] = process.argv.slice(2);
const all = Number(count);

const kept = 2 ** 30;
// One problem at a time the speed shows on fewer.
const few = Math.ceil(all / 16);
const cases: readonly (Omit<SearchCase, "model"> & { readonly name: string })[] = [
  { name: "one text at a time", problems: 1, together: 1, batchSize: 1, keptBytes: kept },
  { name: "one problem at a time", problems: few, together: 1, batchSize: 16, keptBytes: kept },
  { name: "all problems together", problems: all, together: all, batchSize: 64, keptBytes: kept },
  { name: "the same, nothing kept", problems: all, together: all, batchSize: 64, keptBytes: 0 },
];

const measured = cases.map((): SearchMeasurement[] => []);
for (let round = 0; round < Number(rounds); round++) {
  for (const [i, { name, ...each }] of cases.entries()) {
    const program = [script("measure-search.js"), JSON.stringify({ model, ...each })];
    const found = runJson<SearchMeasurement>(process.execPath, program);
    measured[i]!.push(found);
    note(`round ${round + 1}: ${name}: ${formatSpeed(found.written / found.seconds)} tokens/s`);
  }
}

const results = cases.map((each, i) => ({
  ...each,
  ...measured[i]![0]!,
  seconds: median(measured[i]!.map(({ seconds }) => seconds)),
  peakBytes: Math.max(...measured[i]!.map(({ peakBytes }) => peakBytes)),
}));
/** Of texts that are no longer than those of this search. */
const estimated = await Promise.all(
  cases.map(({ batchSize, keptBytes }) => estimateWriter({ model, batchSize, keptBytes, context: 384 })),
);
writeResults("search", { rounds: Number(rounds), results });
console.log(`${machine}; medians of ${rounds} rounds\n`);
const speedOf = ({ written, seconds }: SearchMeasurement) => written / seconds;
const alone = speedOf(results[1]!);
const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(2);
printTable(
  [
    ...["mstar-beam:16", "problems", "texts at a time", "written", "read", "seconds", "tokens/s"],
    ...[
      "against one problem at a time",
      "memory before, GB",
      "peak, GB",
      "estimated, GB",
      "kept at most, GB",
    ],
  ],
  results.map((each, i) => [
    ...[each.name, String(each.problems), String(each.batchSize), String(each.written), String(each.read)],
    ...[each.seconds.toFixed(1), formatSpeed(speedOf(each)), (speedOf(each) / alone).toFixed(1)],
    ...[each.loadedBytes, each.peakBytes, estimated[i]!.peakBytes, each.keptBytes].map(gigabytes),
  ]),
);
