import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { writeFirstExamples } from "../data/first-examples.fixture.ts";
import { fineTune } from "./fine-tune.ts";
import { openRun } from "./open-run.ts";
import { proximalTerm } from "./proximal-term.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-proximal-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const of = (...values: number[]): Parameters =>
  new Map([["a", { dims: [values.length], data: Float32Array.from(values) }]]);

test("the gradient is that of the loss and of μ / 2 ‖w − w_0‖², by finite differences", () => {
  const begins = of(0.5, -1, 3);
  const add = proximalTerm(begins, 0.3)!;
  begins.get("a")!.data.set([1, -2, 3]);
  const gradients = of(0.5, 0, -1);
  add(begins, gradients);
  const term = (values: readonly number[]) =>
    (0.3 / 2) * values.reduce((sum, value, i) => sum + (value - [0.5, -1, 3][i]!) ** 2, 0);
  for (const [i, ofLoss] of [0.5, 0, -1].entries()) {
    const moved = (by: number) => [1, -2, 3].map((value, j) => value + (i === j ? by : 0));
    const slope = (term(moved(1e-4)) - term(moved(-1e-4))) / 2e-4;
    expect(gradients.get("a")!.data[i]).toBeCloseTo(ofLoss + slope, 5);
  }
});

test("a run with a μ of 0 is one without, to the bit; with a large one its adapter stays near, also after a stop", async () => {
  const data = writeFirstExamples(scratch, "math");
  const tune = async (name: string, proximal_mu?: number, stopAfter?: number) => {
    const stop = new AbortController();
    const out = join(scratch, name);
    const options = {
      ...{ model: "fixtures/embedded-model", data, out, max_steps: 6, batch_size: 2, validation: 0 },
      ...{
        learning_rate: 2e-3,
        warmup_ratio: 0,
        lora: { r: 2 },
        ...(proximal_mu !== undefined && { proximal_mu }),
      },
    };
    const events = {
      signal: stop.signal,
      onStep: ({ step }: { step: number }) => step === stopAfter && stop.abort(),
    };
    const run = await fineTune(options, events);
    const { model } = run.outcome === "interrupted" ? await openRun(out).resume() : run;
    return [...model.adapter!.parameters].flatMap(([name, { data }]) =>
      name.endsWith("lora_B.weight") ? [...data] : [],
    );
  };
  // B begins as 0, and so its length is its distance.
  const free = await tune("free");
  expect(await tune("zero", 0)).toEqual(free);
  const near = await tune("near", 1000);
  expect(Math.hypot(...near)).toBeLessThan(0.5 * Math.hypot(...free));
  expect(await tune("stopped", 1000, 3)).toEqual(near);
});
