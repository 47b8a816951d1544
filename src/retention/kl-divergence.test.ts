import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type AdaptedModel, noAdapter } from "../core/adapters/adapted-model.ts";
import { lora, loraConfigSchema } from "../core/adapters/lora.ts";
import { initializeParameters } from "../core/adapters/parameters.ts";
import { createEngine } from "../core/engine/engine.ts";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { fineTune } from "../node/training/fine-tune.ts";
import { measureDivergence } from "./kl-divergence.ts";
import { readNeutralText, writeNeutralText } from "./neutral-text.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-retention-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const device = openDevice("cpu", { threads: 1 });
const base = await openModel("fixtures/embedded-model");
const text = writeNeutralText(12);

/** The base with a LoRA adapter whose B is random, of this size. */
async function adapted(size: number): Promise<AdaptedModel> {
  const adaptation = lora(loraConfigSchema.parse({ r: 4 }), base.config);
  const parameters = await initializeParameters(base.config, adaptation, base.weights, 1);
  const random = createRandom(2);
  for (const [name, { data }] of parameters) {
    if (name.endsWith("lora_B.weight")) for (const i of data.keys()) data[i] = size * random.normal();
  }
  return { ...base, adapter: { adaptation, parameters } };
}

test("a model does not diverge from itself, nor an adapter from its base before it is trained", async () => {
  const options = { device, windowTokens: 64, windows: 3 };
  const nothing = { value: 0, low: 0, high: 0, windows: 3, windowMeans: [0, 0, 0], positions: 192 };
  expect(await measureDivergence(base, base, text, options)).toEqual(nothing);
  expect(await measureDivergence(base, await adapted(0), text, options)).toEqual(nothing);
});

test("the divergence is the mean of that of the distributions at each position", async () => {
  const tuned = await adapted(0.05);
  const windowTokens = 40;
  const { value, windows, windowMeans, positions } = await measureDivergence(base, tuned, text, {
    device,
    windowTokens,
    windows: 4,
  });
  expect([windows, positions]).toEqual([4, 160]);
  expect(windowMeans.reduce((sum, one) => sum + one, 0) / 4).toBeCloseTo(value, 14);

  const { tokenizer, config } = base;
  const beginning = tokenizer.addsBosToken ? [tokenizer.bosTokenId!] : [];
  const ids = tokenizer.encode(text);
  const length = windowTokens - beginning.length;
  const available = Math.floor(ids.length / length);
  let sum = 0;
  for (let window = 0; window < 4; window++) {
    const start = Math.floor((window * available) / 4) * length;
    const row = [...beginning, ...ids.slice(start, start + length)];
    const probabilities = await Promise.all(
      [base, tuned].map(async (model: AdaptedModel) => {
        const { adaptation, parameters } = model.adapter ?? noAdapter;
        const engine = createEngine(device, config, model.weights, adaptation, { segmentSize: 1 });
        const positions = Int32Array.from(row.keys());
        const batch = {
          rows: 1,
          length: row.length,
          inputIds: Int32Array.from(row),
          positionIds: positions,
          segmentIds: new Int32Array(row.length).fill(1),
        };
        const logits = await engine.logits(batch, positions, parameters);
        await engine.release();
        return row.map((_, i) => {
          const exps = Array.from(logits.slice(i * config.vocabSize, (i + 1) * config.vocabSize), Math.exp);
          const total = exps.reduce((a, b) => a + b, 0);
          return exps.map((exp) => exp / total);
        });
      }),
    );
    for (const [i, p] of probabilities[0]!.entries())
      for (const [token, share] of p.entries())
        sum += share * Math.log(share / probabilities[1]![i]![token]!);
  }
  expect(value).toBeGreaterThan(0.001);
  expect(Math.abs(value / (sum / positions) - 1)).toBeLessThan(1e-3);
});

describe("after tuning", async () => {
  const data = writeFirstExamples(scratch, "math");
  const run = (steps: number) =>
    fineTune({
      model: "fixtures/embedded-model",
      data,
      max_steps: steps,
      learning_rate: 2e-3,
      warmup_ratio: 0,
      validation: 0,
      out: join(scratch, `run-${steps}`),
    });
  const [short, long] = [await run(2), await run(12)];

  test("the divergence is positive, grows with the steps, and lies in its interval", async () => {
    const options = { device, windowTokens: 128, windows: 8 };
    const early = await measureDivergence(base, short.model, text, options);
    const late = await measureDivergence(base, long.model, text, options);
    expect(early.low).toBeGreaterThan(0);
    expect(late.value).toBeGreaterThan(early.value);
    expect(late.low).toBeLessThan(late.value);
    expect(late.high).toBeGreaterThan(late.value);
    expect(await measureDivergence(base, long.model, text, options)).toEqual(late);
    const other = await measureDivergence(base, long.model, text, { ...options, seed: 1 });
    expect(other.value).toBe(late.value);
    expect(other.low).not.toBe(late.low);
  });
});

test("what cannot be compared is told", async () => {
  const refusal = async (run: Promise<unknown>) => {
    const error = await run.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  };
  expect(await refusal(measureDivergence(base, base, "Too short.", { device }))).toContain(
    "fewer than one window",
  );
  expect(await refusal(measureDivergence(base, base, text, { device, windowTokens: 513 }))).toContain(
    "a whole number from 2 to the 512",
  );
  const other = { ...base, name: "other", config: { ...base.config, vocabSize: base.config.vocabSize + 1 } };
  expect(await refusal(measureDivergence(base, other, text, { device }))).toContain(
    "do not divide the text into the same tokens",
  );
});

test("neutral text is read whole, and the written one is prose that stays the same", () => {
  const path = join(scratch, "text.txt");
  writeFileSync(path, " = Title = \n\nSome text.\n");
  expect(readNeutralText(path)).toBe(" = Title = \n\nSome text.\n");
  writeFileSync(path, " \n");
  expect(() => readNeutralText(path)).toThrow("holds no text");
  writeFileSync(path, Uint8Array.of(0x61, 0xff));
  expect(() => readNeutralText(path)).toThrow("not in UTF-8");
  expect(() => readNeutralText(scratch)).toThrow("There is no file");

  expect(text).not.toContain("<|turn|>");
  expect(writeNeutralText(13).startsWith(text)).toBe(true);
  expect(text.length).toBeGreaterThan(12 * 200);
});
