/** @file A case of search.ts as a program of its own, so that its memory can be told: its one argument is the case. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWriter, type Problem, runReasoning } from "../src/index.ts";

export interface SearchCase {
  readonly model: string;
  /** How many there are; `together` of them are searched side by side. */
  readonly problems: number;
  readonly together: number;
  /** Texts that are written at a time. */
  readonly batchSize: number;
  readonly keptBytes: number;
}

export interface SearchMeasurement {
  readonly seconds: number;
  readonly written: number;
  /** Tokens of prompts that were computed. */
  readonly read: number;
  /** The most memory that the process has had, and what it had when the model was loaded. */
  readonly peakBytes: number;
  readonly loadedBytes: number;
}

const { model, problems: count, together, ...options } = JSON.parse(process.argv[2]!) as SearchCase;
const problems = readFileSync("fixtures/miniature/math-held-out.jsonl", "utf8")
  .split("\n")
  .slice(0, count)
  .map((line, id): Problem => {
    const { question, answer } = JSON.parse(line) as { question: string; answer: string };
    return { task: "word problems", id: String(id), question, gold: answer.split("#### ")[1]! };
  });

const folder = mkdtempSync(join(tmpdir(), "slimtune-bench-"));
const writer = await openWriter(model, undefined, options);
// Compiles the programs.
const messages = [{ role: "user", content: "What is 3 + 4?" }];
await writer.write({ messages, maxTokens: 2, seed: 0 }, new AbortController().signal);
const loadedBytes = process.memoryUsage.rss();
let [seconds, written, read] = [0, 0, 0];
for (let start = 0; start < problems.length; start += together) {
  const some = problems.slice(start, start + together);
  const { results } = await runReasoning({
    ...{ model: { ...writer, release: async () => {} }, tasks: [some], strategies: ["mstar-beam:16"] },
    ...{ scorer: "equations", examples: 2, stepTokens: 40, maxSteps: 3, out: join(folder, String(start)) },
  });
  const { usage } = results.curves[0]!.points[0]!;
  seconds += usage.seconds;
  written += usage.completionTokens * some.length;
  read += usage.computedPromptTokens * some.length;
}
const peakBytes = process.resourceUsage().maxRSS * 1024;
await writer.release();
rmSync(folder, { recursive: true });
const measured: SearchMeasurement = { seconds, written, read, peakBytes, loadedBytes };
console.log(JSON.stringify(measured));
