import { afterAll, expect, test } from "vitest";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import { createDecoder } from "../core/engine/decoder.ts";
import { loadWeights } from "../core/models/load-weights.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { type SequenceScore, scoreSequences, type TokenSequence } from "./scoring.ts";

const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const device = openDevice("cpu", { threads: 1 });
const decoder = createDecoder(device, { config, weights: await loadWeights(checkpoint) }, noAdapter);
afterAll(() => decoder.release());

const text = (length: number, seed: number) =>
  Array.from({ length }, (_, i) => (i * i * 7 + i * 13 + seed * 31 + 1) % config.vocabSize);

async function score(sequences: readonly TokenSequence[]) {
  const scores: SequenceScore[] = [];
  let computed = 0;
  await scoreSequences(
    decoder,
    config,
    sequences,
    (index, one) => {
      scores[index] = one;
    },
    (tokens) => {
      computed += tokens;
    },
  );
  return { scores, computed };
}

test("answers to long questions after long examples compute both once, and each is as likely as by itself", async () => {
  const examples = text(1200, 1);
  const options = [text(2, 2), text(2, 3), text(1, 4)];
  const questions = [text(700, 5), text(600, 6), text(40, 7)];
  const sequences = [
    ...questions.flatMap((question) => options.map((option) => [...examples, ...question, ...option])),
    [...text(30, 8), ...options[0]!],
  ].map((ids, i) => ({ ids, scored: options[i % 3]!.length }));
  const { scores, computed } = await score(sequences);
  // The examples, each question, and of an option all but its last token.
  expect(computed).toBeGreaterThanOrEqual(1200 + 700 + 600 + 40 + 30);
  expect(computed).toBeLessThan(1200 + 700 + 600 + 40 + 30 + 3 * 10);
  for (const [i, sequence] of sequences.entries()) {
    const [alone] = (await score([sequence])).scores;
    expect(scores[i]!.logLikelihood).toBeCloseTo(alone!.logLikelihood, 4);
    expect(scores[i]!.isGreedy).toBe(alone!.isGreedy);
  }
});
