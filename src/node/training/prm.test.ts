import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Parameters, trainedOf, zerosLike } from "../../core/adapters/parameters.ts";
import { createExampleReader } from "../../core/data/example.ts";
import { prepareExample } from "../../core/data/prepare-example.ts";
import type { TrainingExample } from "../../core/data/training-example.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import { prm } from "../../core/objectives/prm.ts";
import { createRandom } from "../../core/random.ts";
import { readTokenizer } from "../../core/tokenization/golden.fixture.ts";
import { createTokenizer } from "../../core/tokenization/hugging-face.ts";
import { accumulateLoss, evaluateLoss } from "../../core/training/step-loss.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { loadDataset } from "../data/load-dataset.ts";
import { openSafetensorsFile } from "../formats/safetensors.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-prm-rows-"));
afterAll(() => rmSync(scratch, { recursive: true }));

// Made by reference/prm.py with TRL.
const folder = "fixtures/reference/prm";

interface Row {
  readonly input_ids: readonly number[];
  readonly labels: readonly number[];
}

const golden: {
  readonly rows: readonly Record<string, unknown>[];
  readonly longest: number;
  readonly tokenizers: Readonly<
    Record<
      string,
      {
        readonly whole: readonly { readonly separator: string; readonly rows: readonly Row[] }[];
        readonly cut: Row[];
      }
    >
  >;
  readonly model: {
    readonly right: number;
    readonly wrong: number;
    readonly examples: readonly Row[];
    readonly loss: number;
  };
} = JSON.parse(readFileSync(`${folder}/golden.json`, "utf8"));

/** As TRL writes it. */
function toRow({ texts, stepLabels = [] }: TrainingExample): Row {
  const { ids, trained } = texts[0]!;
  const left = [...stepLabels];
  return { input_ids: [...ids], labels: Array.from(trained, (mark) => (mark === 1 ? left.shift()! : -100)) };
}

describe.each(Object.entries(golden.tokenizers))("rows in tokens of %s", (name, { whole, cut }) => {
  // Llama 2's is cut to few tokens, "-" not among them.
  const tokenizer = { ...createTokenizer(readTokenizer(name), name), idOf: () => 0 };
  const read = createExampleReader("steps", {}, "steps");

  test.each(whole)("are TRL's with steps that end with $separator", ({ separator, rows }) => {
    const options = { trainOn: "completion", applyChatTemplate: false, stepSeparator: separator } as const;
    const ours = golden.rows.flatMap((fields, i) =>
      prepareExample(read({ fields, line: i + 1 }), tokenizer, options, "steps").examples.map(toRow),
    );
    expect(ours).toEqual(rows);
  });

  test("are cut as TRL cuts them, and left out where no label is left", async () => {
    const path = join(scratch, "steps.jsonl");
    writeFileSync(path, golden.rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const options = { overlong: "truncate", learnsFrom: "steps", applyChatTemplate: false } as const;
    const { examples, report } = await loadDataset(path, { ...options, tokenizer, context: golden.longest });
    const theirs = cut.filter(({ labels }) => labels.some((label) => label !== -100));
    expect(examples.map(toRow)).toEqual(theirs);
    expect(report.withoutLabels).toBe(cut.length - theirs.length);
  });
});

const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
afterAll(() => checkpoint.close());
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const { right, wrong, ...expected } = golden.model;

/** @param soften what a label becomes */
const examplesWith = (soften: (label: number) => number): TrainingExample[] =>
  expected.examples.map(({ input_ids, labels }) => ({
    texts: [
      {
        ids: Int32Array.from(input_ids),
        trained: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)),
        choices: [right, wrong],
      },
    ],
    stepLabels: labels.filter((label) => label !== -100).map(soften),
  }));

const divisions = {
  "all at once": { segmentSize: 1, microBatchTokens: 1024, packing: false },
  "one program": { segmentSize: config.layers.length, microBatchTokens: 1024, packing: false },
  packed: { segmentSize: 1, microBatchTokens: 64, packing: true },
};
const planOf = (examples: readonly TrainingExample[], batching: (typeof divisions)["packed"]) => ({
  objective: prm,
  examplesOf: () => examples,
  heldOut: examples,
  batching,
  seed: 0,
});

test.each(Object.entries(divisions))(
  "loss and gradients are those of TRL's head of two classes: %s",
  async (_, division) => {
    const { adaptation, parameters, format, settings } = await readAdapter(
      "fixtures/reference/objectives/adapter",
      config,
      "any",
    );
    const engine = createEngine(device, config, weights, adaptation, division);
    const gradients = zerosLike(trainedOf(parameters));
    const examples = examplesWith((label) => label);
    const plan = planOf(examples, division);
    const { value } = await accumulateLoss(engine, plan, 0, examples, parameters, gradients);
    await engine.release();
    expect(value.loss).toBeCloseTo(expected.loss, 5);
    const file = await openSafetensorsFile(`${folder}/gradients.safetensors`);
    expect(file.tensors.size).toBe(gradients.size);
    for (const [name, { data }] of gradients) {
      const [saved] = format.fileNames?.(settings, config)(name) ?? [`base_model.model.${name}`];
      const theirs = await file.readFloat32(saved!);
      const difference = Math.hypot(...theirs.map((value, i) => value - data[i]!));
      expect(difference / Math.hypot(...theirs), name).toBeLessThan(1e-4);
    }
    file.close();
  },
);

test("the gradient with soft labels is that of finite differences", async () => {
  const { adaptation, parameters } = await readAdapter(
    "fixtures/reference/objectives/adapter",
    config,
    "any",
  );
  const engine = createEngine(device, config, weights, adaptation, divisions["all at once"]);
  const gradients = zerosLike(trainedOf(parameters));
  const examples = examplesWith((label) => 0.2 + 0.5 * label);
  const plan = planOf(examples, divisions["all at once"]);
  await accumulateLoss(engine, plan, 0, examples, parameters, gradients);
  const random = createRandom(1);
  const along: Parameters = new Map(
    [...gradients].map(([name, { dims, data }]) => [name, { dims, data: data.map(() => random.normal()) }]),
  );
  let slope = 0;
  for (const [name, { data }] of gradients)
    for (const [i, value] of data.entries()) slope += value * along.get(name)!.data[i]!;
  const h = 1e-3;
  const lossAt = async (by: number) => {
    const moved = new Map(
      [...parameters].map(([name, parameter]) => [
        name,
        {
          ...parameter,
          data: parameter.data.map((value, i) => value + by * (along.get(name)?.data[i] ?? 0)),
        },
      ]),
    );
    return (await evaluateLoss(engine, plan, moved)).value.loss;
  };
  const measured = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  await engine.release();
  expect(Math.abs(measured - slope) / Math.abs(slope)).toBeLessThan(1e-2);
});
