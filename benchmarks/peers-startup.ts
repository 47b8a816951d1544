/**
 * @file `npm run bench:peers`, second part: from the command to the first step, and quantizing to NF4, against PEFT and
 * bitsandbytes.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantizeNF4 } from "../src/core/quantization/nf4.ts";
import { date, machine, median, note, printTable, runJson, writeResults } from "./measuring.ts";
import { preparePython } from "./python.ts";
import { randomModel } from "./random-model.ts";

const rounds = Number(process.argv[2] ?? 5);
const python = preparePython();
const folder = await randomModel("SmolLM2-135M");
const scratch = mkdtempSync(join(tmpdir(), "slimtune-startup-"));
const data = join(scratch, "data.jsonl");
const line = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n")[0]!;
writeFileSync(data, `${line}\n`.repeat(8));

/** Seconds from the command until `file` or the program's output has its first line. */
function timeToFirstStep(program: string, args: readonly string[], file?: string): Promise<number> {
  const started = performance.now();
  const child = spawn(program, args, { env: { ...process.env, HF_HUB_OFFLINE: "1" } });
  const errors: Buffer[] = [];
  child.stderr.on("data", (part: Buffer) => errors.push(part));
  return new Promise((resolve, reject) => {
    let seconds: number | undefined;
    const finish = () => {
      seconds ??= (performance.now() - started) / 1000;
    };
    const timer = setInterval(() => {
      if (file !== undefined && hasLine(file)) finish();
    }, 5);
    child.stdout.once("data", () => file === undefined && finish());
    child.on("close", (status) => {
      clearInterval(timer);
      if (status === 0 && seconds !== undefined) resolve(seconds);
      else reject(new Error(Buffer.concat(errors).toString().trim().split("\n").at(-1)));
    });
  });
}

function hasLine(path: string): boolean {
  try {
    return readFileSync(path, "utf8").includes("\n");
  } catch {
    return false;
  }
}

let runs = 0;
function startOurs(method: "lora" | "qlora"): Promise<number> {
  const out = join(scratch, `run-${runs++}`);
  const options = { method, "max-steps": 1, "batch-size": 4, validation: 0, out };
  return timeToFirstStep(
    process.execPath,
    [
      "bin/slimtune.js",
      ...["tune", "--model", folder, "--data", data],
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ],
    join(out, "metrics.jsonl"),
  );
}

function startPeer(method: "lora" | "qlora"): Promise<number> {
  return timeToFirstStep(python, ["reference/peft_startup.py", "first-step", folder, data, method]);
}

/** Millions of parameters a second, single matrix of the size of a 7B model's largest. */
function quantizeOurs(): number {
  const weights = Float32Array.from({ length: 4096 * 14_336 }, (_, i) => Math.sin(i) * 0.02);
  const started = performance.now();
  quantizeNF4(weights, { doubleQuantization: true });
  return weights.length / 1e3 / (performance.now() - started);
}

const measures: Record<
  string,
  { ours: () => number | Promise<number>; peer: () => number | Promise<number> }
> = {
  "first step, LoRA float32, seconds": { ours: () => startOurs("lora"), peer: () => startPeer("lora") },
  "first step, QLoRA, seconds": { ours: () => startOurs("qlora"), peer: () => startPeer("qlora") },
  "quantizing to NF4, million parameters/s": {
    ours: quantizeOurs,
    peer: () => runJson<number>(python, ["reference/peft_startup.py", "quantize"]),
  },
};
const measured = Object.keys(measures).map((name) => ({ name, ours: [] as number[], peer: [] as number[] }));
for (let round = 1; round <= rounds; round++) {
  for (const { name, ours, peer } of measured) {
    note(`round ${round}/${rounds}: ${name}`);
    ours.push(await measures[name]!.ours());
    peer.push(await measures[name]!.peer());
  }
}
rmSync(scratch, { recursive: true });
writeResults("peers-startup", { rounds, results: measured });
console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
printTable(
  ["SmolLM2-135M", "slimtune", "PEFT and bitsandbytes"],
  measured.map(({ name, ours, peer }) => [name, median(ours).toFixed(1), median(peer).toFixed(1)]),
);
