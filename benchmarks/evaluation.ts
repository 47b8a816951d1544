/**
 * @file `npm run bench`, second part: evaluation against lm-evaluation-harness, and writing against node-llama-cpp.
 *
 *     node build/benchmarks/evaluation.js 5 peers HellaSwag   # a part; the rest of the table stays as it was
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DecodeCase, DecodeMeasurement, TaskCase, TaskMeasurement } from "./evaluation-cases.ts";
import {
  date,
  machine,
  median,
  note,
  printTable,
  readResults,
  runJson,
  script,
  writeResults,
} from "./measuring.ts";
import { preparePython } from "./python.ts";

const { SLIMTUNE_SMOLLM2_GGUF: model, SLIMTUNE_DATA: data } = process.env;
const [rounds = "3", peers, wanted = "."] = process.argv.slice(2);
const python = peers === "peers" ? preparePython() : process.env.SLIMTUNE_PYTHON;
const isWanted = (name: string) => new RegExp(wanted).test(name);

const subjects = [
  "college_computer_science",
  "high_school_computer_science",
  "computer_security",
  "machine_learning",
].map((subject) => `mmlu_${subject}`);

interface Comparison {
  readonly name: string;
  readonly ours: TaskCase;
  /** What reference/harness_smollm2.py is asked for; absent where slimtune is compared with itself. */
  readonly harness?: readonly string[];
  /** The same with nothing shared between prompts. */
  readonly unshared?: true;
  readonly unit: "items/s" | "tokens/s";
}

const comparisons: readonly Comparison[] = [
  {
    name: "HellaSwag, 0-shot, 40 items",
    ours: { kind: "task", tasks: ["hellaswag"], numFewshot: 0, limit: 40, batchSize: 16 },
    harness: ["hellaswag:40:0:16"],
    unit: "items/s",
  },
  {
    name: "MMLU-CS, 5-shot, 4 x 8 items",
    ours: { kind: "task", tasks: subjects, numFewshot: 5, limit: 8, batchSize: 16 },
    harness: subjects.map((subject) => `${subject}:8:5:4`),
    unshared: true,
    unit: "items/s",
  },
  {
    name: "GSM8K, 5-shot, 32 items",
    ours: { kind: "task", tasks: ["gsm8k"], numFewshot: 5, limit: 32, batchSize: 16 },
    harness: ["gsm8k:32:5:16"],
    unit: "tokens/s",
  },
  {
    name: "GSM8K with 8 fixed examples (gsm8k_cot), 16 items",
    ours: { kind: "task", tasks: ["gsm8k_cot"], numFewshot: 8, limit: 16, batchSize: 16 },
    unshared: true,
    unit: "tokens/s",
  },
];
const decodes: readonly DecodeCase["bits"][] = ["exact", 8, 4];
const decoding = "one text at a time";
const names = [...comparisons.map(({ name }) => name), decoding];

/** The speeds of one program in one comparison. */
interface Speeds {
  readonly name: string;
  readonly who: string;
  readonly unit: Comparison["unit"];
  readonly median: number;
  /** Of each round. */
  readonly values: readonly number[];
}

const measure = <T>(each: TaskCase | DecodeCase): T =>
  runJson<T>(process.execPath, [script("measure-evaluation.js"), JSON.stringify(each)]);

/** Speed of the harness on the same items; answers' tokens are counted by the same tokenizer as ours. */
function measureHarness(selections: readonly string[]): TaskMeasurement {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-bench-"));
  const output = join(folder, "harness.json");
  const { status, stderr } = spawnSync(
    python!,
    ["reference/harness_smollm2.py", model!, data!, output, ...selections],
    {
      encoding: "utf8",
      env: { ...process.env, SLIMTUNE_TIMING: "1", HF_HUB_OFFLINE: "1" },
      maxBuffer: 2 ** 28,
    },
  );
  if (status !== 0) throw new Error(stderr);
  const results = Object.values(
    JSON.parse(readFileSync(output, "utf8")) as Record<
      string,
      { seconds: number; items: unknown[]; answer_tokens?: number }
    >,
  );
  rmSync(folder, { recursive: true });
  const sum = (value: (result: (typeof results)[number]) => number) =>
    results.reduce((total, result) => total + value(result), 0);
  return {
    seconds: sum(({ seconds }) => seconds),
    items: sum(({ items }) => items.length),
    answerTokens: sum(({ answer_tokens = 0 }) => answer_tokens),
  };
}

const speedOf = (unit: Comparison["unit"], { seconds, items, answerTokens }: TaskMeasurement) =>
  (unit === "items/s" ? items : answerTokens) / seconds;

function main() {
  if (!model || !data) {
    note("The evaluation is not timed: set SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_DATA (see CONTRIBUTING.md).");
    return;
  }
  if (!python) note("lm-evaluation-harness is not timed: set SLIMTUNE_PYTHON (see benchmarks/README.md).");
  const kept = readResults<Speeds>("evaluation").filter(({ name }) => !isWanted(name));
  const measured: { name: string; who: string; values: number[] }[] = [];
  const record = (name: string, who: string, speed: number) => {
    const known = measured.find((each) => each.name === name && each.who === who);
    if (known) known.values.push(speed);
    else measured.push({ name, who, values: [speed] });
  };
  const summarize = () => {
    const speeds = measured.map(({ name, who, values }): Speeds => {
      const unit = comparisons.find((each) => each.name === name)?.unit ?? "tokens/s";
      return { name, who, unit, median: median(values), values };
    });
    return [...kept, ...speeds].sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  };
  // Each round measures every case once, ours and theirs in turn, so that a slow minute falls on all of them.
  for (let round = 1; round <= Number(rounds); round++) {
    for (const { name, ours, harness, unshared, unit } of comparisons) {
      if (!isWanted(name)) continue;
      note(`round ${round}/${rounds}: ${name}`);
      record(name, "slimtune", speedOf(unit, measure(ours)));
      if (harness)
        record(name, "slimtune, in integers", speedOf(unit, measure({ ...ours, arithmetic: "int8" })));
      if (harness && python) record(name, "lm-evaluation-harness", speedOf(unit, measureHarness(harness)));
      if (unshared) record(name, "nothing shared", speedOf(unit, measure({ ...ours, unshared: true })));
    }
    if (isWanted(decoding)) {
      note(`round ${round}/${rounds}: ${decoding}`);
      for (const bits of decodes) {
        const { tokensPerSecond } = measure<DecodeMeasurement>({ kind: "decode", bits });
        record(decoding, `slimtune, ${bits === "exact" ? "float32" : `${bits} bits`}`, tokensPerSecond);
      }
      measureLlamaCpp((speed) => record(decoding, "node-llama-cpp, Q4_1", speed));
    }
    writeResults("evaluation", { results: summarize() });
  }

  const results = summarize();
  console.log(`${date}, ${machine}, medians of the rounds\n`);
  printTable(
    ["what", "who", "speed", "rounds", "ratio"],
    results.map(({ name, who, unit, median: speed, values }) => {
      // What slimtune is compared with: itself where it has several ways, the other program where there is one.
      const peer = results.find((result) => result.name === name && !result.who.startsWith("slimtune"));
      const ratio =
        peer && peer.who !== who
          ? `${median(values.map((value, round) => value / peer.values[round]!)).toFixed(2)} x ${peer.who}`
          : "";
      return [name, who, `${speed.toFixed(2)} ${unit}`, `${values.length}`, ratio];
    }),
  );
}

function measureLlamaCpp(record: (tokensPerSecond: number) => void): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script("measure-llama-cpp.js"), model!], {
    encoding: "utf8",
  });
  if (status === 0) record((JSON.parse(stdout) as DecodeMeasurement).tokensPerSecond);
  else note(`node-llama-cpp is not timed: ${stderr.trim().split("\n").at(-1)}`);
}

main();
