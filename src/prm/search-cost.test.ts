import { expect, test, vi } from "vitest";
import type { Decoder } from "../core/engine/decoder.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createLocalWriter } from "../reasoning/local-writer.ts";
import type { Problem } from "../reasoning/problem.ts";
import { promptOf } from "../reasoning/prompts.ts";
import type { SolutionScorer } from "../reasoning/scorer.ts";
import { solve } from "../reasoning/scripted-writer.fixture.ts";
import { parseStrategy } from "../reasoning/strategies/strategies.ts";
import { createStepScorer, type StepScores } from "./step-scorer.ts";

/** Tokens that have gone through the blocks of any decoder. */
let passed = 0;

vi.mock("../core/engine/decoder.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../core/engine/decoder.ts")>();
  const counting =
    <T>(compute: (...given: Parameters<Decoder["step"]>) => T) =>
    (...given: Parameters<Decoder["step"]>): T => {
      const [{ inputIds, positionIds }] = given;
      // Rows are filled up with the token that begins a text, which stands nowhere else.
      passed += inputIds.filter((id, i) => id !== 0 || positionIds[i] === 0).length;
      return compute(...given);
    };
  return {
    ...original,
    createDecoder(...given: Parameters<typeof original.createDecoder>): Decoder {
      const decoder = original.createDecoder(...given);
      return { ...decoder, extend: counting(decoder.extend), step: counting(decoder.step) };
    },
  };
});

const model = await openModel("fixtures/embedded-model");
const device = openDevice("cpu", { threads: 1 });

const problem: Problem = {
  ...{ task: "sums", id: "0", gold: "7" },
  question: "There are 4 jars with 4 buns in each. Jack takes 9 out. How many buns are left?",
};

const writable = ({ rewards, tokens }: StepScores) => ({ rewards: [...rewards], tokens });

/** A problem that is searched by a writer and a scorer of steps. */
async function searchOnce(strategy: string, bytes?: number) {
  const writer = createLocalWriter(model, {
    ...{ identity: "it", device, batchSize: 4 },
    ...(bytes !== undefined && { keptBytes: bytes }),
  });
  const judge = createStepScorer(model, { device, ...(bytes !== undefined && { cacheBytes: bytes }) });
  const scorer: SolutionScorer = {
    identity: "steps",
    name: "a model",
    score: async (...given) => writable(await judge.score(...given)),
    judge: async (...given) => writable(await judge.judge(...given)),
  };
  passed = 0;
  const settings = { stepTokens: 16, maxSteps: 4, instruction: "", temperature: 1.3 };
  const { solution, meter, steps, computed } = await solve(
    ...([parseStrategy(strategy), writer, settings, { scorer }, problem] as const),
  );
  const question = writer.countPrompt!(promptOf(problem.question));
  await Promise.all([writer.release(), judge.release()]);
  const beginnings = new Set(steps.map(({ after = "" }) => after)).size;
  return { solution, meter, texts: steps.length, computed, passed, question, beginnings };
}

test.each(["mstar-beam:6", "mstar-levin:3", "dvts:8", "forest:2:3"])(
  "%s computes what it says: the question once, and each token that is written, read on or scored",
  async (strategy) => {
    const { meter, texts, computed, passed, question, beginnings } = await searchOnce(strategy);
    expect(beginnings).toBeGreaterThan(2);
    // A text's last token is only computed if something follows it, once for all that do.
    expect(meter.computedPromptTokens).toBe(question + beginnings - 1);
    expect(passed).toBe(meter.computedPromptTokens + meter.completionTokens - texts + meter.verifierTokens);
    expect(computed).toBe(question + meter.completionTokens + meter.verifierTokens);
    expect(passed).toBe(computed - texts + beginnings - 1);
  },
);

test("what had to be computed again is said, and is not part of the budget's tokens", async () => {
  const kept = await searchOnce("mstar-beam:6");
  const forgotten = await searchOnce("mstar-beam:6", 0);
  expect(forgotten.solution.text).toBe(kept.solution.text);
  const { meter, texts, passed } = forgotten;
  expect(passed).toBe(meter.computedPromptTokens + meter.completionTokens - texts + meter.verifierTokens);
  expect(meter.computedPromptTokens).toBeGreaterThan(kept.meter.computedPromptTokens);
  expect(passed).toBeGreaterThan(kept.passed);
});
