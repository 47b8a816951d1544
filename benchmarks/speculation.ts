/**
 * @file `npm run bench:speculation`: answers to GSM8K's questions, one text at a time, with drafts and without. Counted is the time of
 * the processor, which other programs on the machine change least.
 *
 *     node build/benchmarks/speculation.js 12 8 4   # 12 questions, up to 8 drafted tokens, only with weights of 4 bits
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { renderChat } from "../src/core/decoding/prompt.ts";
import { createGenerator } from "../src/node/decoding/generate.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { date, machine, median, note, printTable, writeResults } from "./measuring.ts";

const { SLIMTUNE_SMOLLM2_GGUF: path, SLIMTUNE_DATA: data } = process.env;
const [questions = 12, speculate = 8] = process.argv.slice(2).map(Number);
const ways = (["exact", 8, 4] as const)
  .filter((bits) => `${bits}` === (process.argv[4] ?? `${bits}`))
  .flatMap((bits) => [0, 0.7].map((temperature) => ({ bits, temperature })));
const maxNewTokens = 200;

interface Written {
  readonly ids: readonly number[];
  /** Milliseconds of the processor for each token after the first. */
  readonly perToken: number;
}

async function main(path: string, data: string) {
  const model = await openModel(path);
  const prompts = readFileSync(join(data, "gsm8k/test.jsonl"), "utf8")
    .split("\n", questions)
    .map((line) => renderChat(model.tokenizer, [{ role: "user", content: JSON.parse(line).question }]))
    .map((prompt) => model.tokenizer.encode(prompt));
  // With one thread nobody waits for another, which the processor would count.
  const device = openDevice("cpu", { threads: 1 });
  const results = [];
  for (const { bits, temperature } of ways) {
    note(`${bits}, temperature ${temperature}`);
    const generators = [0, speculate].map((speculate) =>
      createGenerator(model, { device, bits, batchSize: 1, speculate }),
    );
    const write = async (generator: (typeof generators)[number], promptIds: readonly number[]) => {
      // The prompt is known then.
      await generator.generate({ promptIds, maxNewTokens: 1 });
      const before = process.cpuUsage();
      const { ids } = await generator.generate({ promptIds, maxNewTokens, temperature, topP: 0.95 });
      const { user, system } = process.cpuUsage(before);
      return { ids, perToken: (user + system) / 1000 / (ids.length - 1) };
    };
    for (const generator of generators) await write(generator, prompts[0]!.slice(0, -1));
    const pairs: (readonly [plain: Written, drafted: Written])[] = [];
    for (const prompt of prompts)
      pairs.push([await write(generators[0]!, prompt), await write(generators[1]!, prompt)]);
    for (const generator of generators) await generator.close();
    const ratios = pairs.map(([plain, drafted]) => plain.perToken / drafted.perToken);
    results.push({
      ...{ bits, temperature, questions, speculate },
      plain: median(pairs.map(([plain]) => plain.perToken)),
      drafted: median(pairs.map(([, drafted]) => drafted.perToken)),
      ratio: median(ratios),
      least: Math.min(...ratios),
      same: pairs.filter(([plain, drafted]) => plain.ids.join() === drafted.ids.join()).length,
    });
  }
  writeResults("speculation", { results });
  console.log(`${date}, ${machine}\n`);
  printTable(
    ["weights", "temperature", "plain", "with drafts", "ratio", "least", "same texts"],
    results.map(({ bits, temperature, plain, drafted, ratio, least, same }) => [
      bits === "exact" ? "float32" : `${bits} bits`,
      `${temperature}`,
      `${plain.toFixed(1)} ms`,
      `${drafted.toFixed(1)} ms`,
      `${ratio.toFixed(2)} x`,
      `${least.toFixed(2)} x`,
      `${same} of ${questions}`,
    ]),
  );
}

if (path && data) await main(path, data);
else note("Speculation is not timed: set SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_DATA (see CONTRIBUTING.md).");
