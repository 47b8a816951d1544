import { expect, test } from "vitest";
import { createLocalModel } from "../evaluation/local-model.ts";
import { openModel } from "../node/models/open-model.ts";
import { createWordScorer } from "./word-surprisal.ts";

test("words add up to the text, and their surprisals to its log-likelihood", async () => {
  const model = await openModel("fixtures/embedded-model");
  const scorer = createWordScorer(model);
  const local = createLocalModel(model);
  const text = "Tom has 3 pens.\nHe buys 4, so 3 + 4 = 7 — naïve?";
  const words = await scorer.score(text);
  expect(words.map((word) => word.text).join("")).toBe(text);
  expect(words[4]!.text).toBe("\nHe");
  expect(words.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(model.tokenizer.encode(text).length);
  expect(words.every(({ tokens }) => tokens > 0)).toBe(true);
  const [whole] = await local.loglikelihood([{ context: "", continuation: text }]);
  expect(-words.reduce((sum, { surprisal }) => sum + surprisal, 0)).toBeCloseTo(whole!.logLikelihood, 3);
  await scorer.release();
  await local.release();
});
