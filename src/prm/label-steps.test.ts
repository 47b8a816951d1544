import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { loadDataset } from "../node/data/load-dataset.ts";
import { openModel } from "../node/models/open-model.ts";
import type { TextRequest, Writer } from "../reasoning/writer.ts";
import { formatRollout, type JudgedRollout } from "../rollouts/rollout.ts";
import { labelByRule } from "./label.ts";
import { type LabellingEvents, type LabellingOptions, labelSteps } from "./label-steps.ts";

/** Goes on rightly after a beginning as often, of four times, as the beginning has exclamation marks. */
const asked: TextRequest[] = [];
const writer: Writer = {
  ...{ identity: "script", name: "a script", chat: true, abilities: ["continue"] },
  async write(request) {
    const number = asked.push(request) - 1;
    const marks = (request.begun!.join("").match(/!/g) ?? []).length;
    const text = number % 4 < marks ? "#### 7" : "#### 8";
    return { text, reason: "stop", tokens: 3, promptTokens: 9, computedPromptTokens: 9, seconds: 0 };
  },
  release: async () => {},
};
vi.mock("../reasoning/open-writer.ts", () => ({ openWriter: async () => writer }));
beforeEach(() => void asked.splice(0));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-labels-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function writeRollouts(
  name: string,
  texts: readonly (Partial<JudgedRollout> & { readonly text: string })[],
): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  const rows = texts.map((given, sample) =>
    formatRollout({
      ...{ problem: 0, id: "0", question: "How many are 3 + 4?", gold: "7", sample, tokens: 9 },
      ...{ prompt: [{ role: "user", content: "How many are 3 + 4? Say why." }] },
      ...{ truncated: false, answer: "7", correct: true, ...given },
    }),
  );
  writeFileSync(join(folder, "rollouts.jsonl"), rows.join(""));
  return folder;
}
const solutions = writeRollouts("given", [
  { text: "He adds!\n\nHe has 3 + 4 = 7!!\n#### 7" },
  { text: "He adds!\nThat is 8.\n#### 8", correct: false, answer: "8" },
  { text: "He adds!\nThen he thi", truncated: true, correct: false, answer: null },
  { text: "He th", truncated: true, correct: false, answer: null },
]);
const label = (out: string, more: Partial<LabellingOptions> = {}, events?: LabellingEvents) =>
  labelSteps({ model: "m", data: solutions, rollouts: 4, out: join(scratch, out), ...more }, events);

test("a step is as right as what becomes of it, and a whole solution's last one as its answer", async () => {
  const { rows, summary, path } = await label("hard");
  expect(rows).toEqual([
    {
      ...{ prompt: "How many are 3 + 4?", label_of: "rollouts", rollouts: 4, problem: 0, sample: 0 },
      completions: ["He adds!", "He has 3 + 4 = 7!!", "#### 7"],
      labels: [1, 1, 1],
      right: [1, 3, null],
    },
    expect.objectContaining({ sample: 1, labels: [1, 1, 0], right: [1, 1, null] }),
    expect.objectContaining({ sample: 2, completions: ["He adds!"], labels: [1], right: [1] }),
  ]);
  expect(
    readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((row) => JSON.parse(row)),
  ).toEqual(rows);
  expect(summary).toEqual({
    ...{ solutions: 3, steps: 7, labelled: 7, baseRate: 6 / 7 },
    agreement: { steps: 1, alike: 1 },
  });
  // The first step is the same in three solutions.
  expect(asked).toHaveLength(3 * 4);
  expect(asked[0]).toMatchObject({
    messages: [{ role: "user", content: "How many are 3 + 4? Say why." }],
    begun: ["He adds!\n"],
    temperature: 1,
  });
  expect(new Set(asked.map(({ seed }) => seed)).size).toBe(12);
});

test("soft labels are shares of the rollouts, from the same ones", async () => {
  const { rows } = await label("hard", { soft: true });
  expect(rows.map(({ labels }) => labels)).toEqual([[0.25, 0.75, 1], [0.25, 0.25, 0], [0.25]]);
  expect(asked).toHaveLength(0);
});

test("labelling that was interrupted, or killed in the middle of a line, goes on as if it had not been", async () => {
  const controller = new AbortController();
  const onProgress = ({ done }: { done: number }) => done === 1 && controller.abort();
  const kept = join(scratch, "stopped", "step-rollouts.jsonl");
  const write = writer.write;
  writer.write = async (request, signal) => {
    if (signal.aborted) throw new Error("stopped");
    return write(request, signal);
  };
  const stopped = label("stopped", { signal: controller.signal, batchSize: 2 }, { onProgress });
  await expect(stopped).rejects.toThrow("stopped");
  expect(readFileSync(kept, "utf8").trimEnd().split("\n")).toHaveLength(1);
  appendFileSync(kept, '{"problem":0,"sam');
  const known: number[] = [];
  const { rows } = await label("stopped", {}, { onPlan: (plan) => known.push(plan.known) });
  expect(known).toEqual([1]);
  expect(rows).toEqual((await label("hard")).rows);
  await expect(label("stopped", { rollouts: 5 })).rejects.toThrow(
    /labels\.json belongs to labels that were begun with another rollouts \(4, and now 5\)/,
  );
});

test("by rule a step is right if its equations are, and no model is asked", async () => {
  const data = writeRollouts("equations", [
    { text: "First 3 * 2 = 6.\nThen 6 + 1 = 8.\n#### 8" },
    { text: "It is 7.\n#### 7" },
  ]);
  const { rows, summary, path } = await labelSteps({ data, by: "rule", out: join(scratch, "by-rule") });
  expect(rows).toMatchObject([{ labels: [1, 0, -100], label_of: "rule" }]);
  expect(summary).toEqual({ solutions: 1, steps: 3, labelled: 2, baseRate: 0.5 });
  expect(asked).toHaveLength(0);
  const { tokenizer } = await openModel("fixtures/embedded-model");
  const { report, examples } = await loadDataset(path, { tokenizer, context: 256, learnsFrom: "steps" });
  expect(report).toMatchObject({ examples: 1, trainedTokens: 4, ignored: [] });
  expect(examples[0]!.stepLabels).toEqual([1, 0]);
  const without = writeRollouts("words", [{ text: "It is 7." }]);
  await expect(labelSteps({ data: without, by: "rule", out: join(scratch, "none") })).rejects.toThrow(
    "has an equation between numbers, so none gets a label; label them by rollouts.",
  );
});

test.each([
  ["16 - 3 - 4 = <<16-3-4=9>>9 eggs", 1],
  ["8 / 2 = 4, and 4 + 1 = 6", 0],
  ["#### 7", -100],
])("the label by rule of %j is %i", (step, expected) => {
  expect(labelByRule(step)).toBe(expected);
});

test("what cannot be labelled is refused", async () => {
  await expect(labelSteps({ data: solutions, out: join(scratch, "no-model") })).rejects.toThrow(
    "Labels by rollouts need a model",
  );
  await expect(
    labelSteps({ data: "gsm8k:train", by: "rule", out: join(scratch, "no-model") }),
  ).rejects.toThrow(
    "gsm8k:train is no folder of rollouts, so solutions are sampled first; name a model for them.",
  );
  await expect(label("")).rejects.toThrow("is not empty and holds no labels");
  const plain = writeRollouts("plain", [{ text: "a\nb", prompt: "Question: 3 + 4?\nAnswer:" }]);
  await expect(label("of-plain", { data: plain })).rejects.toThrow("nothing says how it was made");
});
