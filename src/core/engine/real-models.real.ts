import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { frozen } from "../adapters/adaptation.ts";
import { createEngine, sumLosses } from "./engine.ts";

// Made by reference/smollm2.py with Transformers, from the same files.
interface Golden {
  readonly prompts: Record<
    string,
    {
      readonly text: string;
      readonly ids: number[];
      readonly mean_nll: number;
      readonly top_ids: number[];
      readonly top_logits: number[];
      readonly spread_ids: number[];
      readonly spread_logits: number[];
      readonly greedy_ids: number[];
    }
  >;
}

const models = process.env.SLIMTUNE_MODELS;
const files = {
  smollm2: process.env.SLIMTUNE_SMOLLM2_GGUF,
  gemma3: process.env.SLIMTUNE_GEMMA3_GGUF,
  tinystories: models === undefined ? undefined : join(models, "TinyStories-656K"),
};

describe.each(Object.entries(files))("%s", (name, path) => {
  if (path === undefined)
    console.warn(`${name} is not tested: see CONTRIBUTING.md for the variable that names its file.`);
  const golden: Golden = JSON.parse(readFileSync(`fixtures/reference/${name}.json`, "utf8"));

  test.runIf(path !== undefined)("likelihoods, logits and greedy tokens equal Transformers'", async () => {
    const model = await openModel(path!);
    const engine = createEngine(openDevice("cpu"), model.config, model.weights, frozen, { segmentSize: 1 });
    for (const [prompt, expected] of Object.entries(golden.prompts)) {
      const { ids } = expected;
      const rowOf = (tokens: readonly number[]) => ({
        rows: 1,
        length: tokens.length,
        inputIds: Int32Array.from(tokens),
        positionIds: Int32Array.from(tokens.keys()),
        segmentIds: new Int32Array(tokens.length).fill(1),
      });
      const labels = {
        labelPositions: Int32Array.from({ length: ids.length - 1 }, (_, i) => i),
        labels: Int32Array.from(ids.slice(1)),
      };
      const nll = sumLosses(await engine.score({ ...rowOf(ids), ...labels }, new Map())) / (ids.length - 1);
      expect(Math.abs(nll - expected.mean_nll), prompt).toBeLessThan(1e-4 * expected.mean_nll);

      const last = (tokens: readonly number[]) =>
        engine.logits(rowOf(tokens), Int32Array.of(tokens.length - 1), new Map());
      const logits = await last(ids);
      const compared = [
        ...expected.top_ids.map((id, i) => [logits[id]!, expected.top_logits[i]!] as const),
        ...expected.spread_ids.map((id, i) => [logits[id]!, expected.spread_logits[i]!] as const),
      ];
      // Float32 rounding over 30 blocks, relative to logits of up to 35.
      for (const [actual, reference] of compared) expect(Math.abs(actual - reference)).toBeLessThan(2e-3);

      const tokens = [...ids];
      for (const id of expected.greedy_ids) {
        const next = (await last(tokens)).reduce((best, logit, i, all) => (logit > all[best]! ? i : best), 0);
        expect(next, `${prompt}, greedy token ${tokens.length - ids.length}`).toBe(id);
        tokens.push(next);
      }
    }
  });
});
