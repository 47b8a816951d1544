/**
 * @file `npm run profile`: where the time of a LoRA step goes, by program and operator.
 *
 *     npm run profile -- '{"storage": "nf4", "length": 512, "recompute": true}' shapes
 *
 * The first argument is a case of step-cases.ts, of which what is left out is as in the benchmark. With "shapes" the operators
 * are told apart by the shapes of what they are given.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { readProfiles } from "../src/node/runtime/profile.ts";
import { createStep } from "./lora-step.ts";
import { printTable } from "./measuring.ts";
import type { StepCase } from "./step-cases.ts";

const [given = "{}", detail] = process.argv.slice(2);
const each: StepCase = {
  shape: "SmolLM2-135M",
  storage: "float32",
  rows: 1,
  length: 512,
  recompute: false,
  ...JSON.parse(given),
};
const warmups = 2;
const steps = 4;

const folder = mkdtempSync(join(tmpdir(), "slimtune-profile-"));
const step = await createStep(
  each,
  openDevice(each.device ?? "cpu", { profilePrefix: join(folder, "program") }),
);
for (let i = 0; i < warmups; i++) await step.run();
const started = performance.now();
for (let i = 0; i < steps; i++) await step.run();
const wall = (performance.now() - started) / steps;
await step.release();

const times = new Map<string, { milliseconds: number; count: number }>();
let computing = 0;
for (const [program, runs] of readProfiles(folder).entries()) {
  // Every step runs the same operators.
  const first = Math.round((runs.length * warmups) / (warmups + steps));
  for (const { operator, inputs, milliseconds } of runs.slice(first)) {
    const shapes = inputs.map((type) => `[${Object.values(type).flat().join(",")}]`);
    const key = [program + 1, operator, ...(detail === "shapes" ? [shapes.join(" ")] : [])].join(" | ");
    const known = times.get(key) ?? { milliseconds: 0, count: 0 };
    computing += milliseconds / steps;
    times.set(key, {
      milliseconds: known.milliseconds + milliseconds / steps,
      count: known.count + 1 / steps,
    });
  }
}
rmSync(folder, { recursive: true });

console.log(
  `${JSON.stringify(each)}\n${wall.toFixed(0)} ms a step, of which ${computing.toFixed(0)} in operators; the rest is JavaScript, copies and waiting. Measuring itself takes time.\n`,
);
printTable(
  ["program", "operator", ...(detail === "shapes" ? ["shapes"] : []), "ms", "share", "times"],
  [...times]
    .sort(([, a], [, b]) => b.milliseconds - a.milliseconds)
    .slice(0, 40)
    .map(([key, { milliseconds, count }]) => [
      ...key.split(" | "),
      milliseconds.toFixed(1),
      `${((100 * milliseconds) / wall).toFixed(1)} %`,
      count.toFixed(0),
    ]),
);
