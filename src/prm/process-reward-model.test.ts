import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readStepFormat } from "../node/adapters/step-format.ts";
import { mergeRun } from "../node/export/export-model.ts";
import { openModel } from "../node/models/open-model.ts";
import { fineTune } from "../node/training/fine-tune.ts";
import type { SolvedProblem } from "../reasoning/analysis.ts";
import type { Problem } from "../reasoning/problem.ts";
import { type ReasoningOptions, runReasoning } from "../reasoning/run-reasoning.ts";
import type { SolutionScorer } from "../reasoning/scorer.ts";
import { scriptedWriter } from "../reasoning/scripted-writer.fixture.ts";
import { judgeSteps } from "./judge-steps.ts";
import { processRewardModel } from "./process-reward-model.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-prm-scorer-"));
const model = "fixtures/embedded-model";
const base = await openModel(model);
const question = "Tom has 3 pens and gets 4 more. How many pens does he have?";
const steps = ["3 + 4 = 7", "Tom has 7 pens.", "#### 7"];

const data = join(scratch, "steps.jsonl");
const rows = [
  { prompt: question, completions: steps, labels: [true, true, true] },
  { prompt: question, completions: ["3 + 4 = 8", "#### 8"], labels: [false, false] },
];
writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const prm = join(scratch, "prm");
await fineTune({
  ...{ model, data, objective: "prm", out: prm, validation: 0, threads: 1, step_separator: "\n\n" },
  ...{ max_steps: 4, batch_size: 2, learning_rate: 1e-2 },
});

const opened: SolutionScorer[] = [];
const open = async (...given: Parameters<typeof processRewardModel>) => {
  const scorer = await processRewardModel(...given)(base);
  opened.push(scorer);
  return scorer;
};
afterAll(async () => {
  for (const scorer of opened) await scorer.release?.();
  rmSync(scratch, { recursive: true });
});

describe("a process reward model is asked as it was tuned", () => {
  test("which stands beside its weights", async () => {
    const told = JSON.parse(readFileSync(join(prm, "adapter", "step_format.json"), "utf8"));
    expect(told).toEqual({ step_separator: "\n\n", apply_chat_template: true });
    const judge = async (more: object) =>
      (await judgeSteps({ model, prm, data, limit: 1, ...more })).solutions[0]!.steps.map(
        ({ reward }) => reward,
      );
    const tuned = await judge({});
    expect(tuned).toEqual(await judge({ separator: "\n\n" }));
    expect(tuned).not.toEqual(await judge({ separator: "\n" }));
    expect(tuned).not.toEqual(await judge({ chat: false }));
    const { rewards } = await (await open(prm)).judge(question, steps);
    for (const [i, reward] of rewards.entries()) expect(reward).toBeCloseTo(tuned[i]!, 5);
  });

  test("also once it is merged", async () => {
    const merged = join(scratch, "merged");
    await mergeRun(prm, merged);
    const [told, kept] = [merged, join(prm, "adapter")].map((folder) => readStepFormat(folder));
    expect(told).toEqual(kept);
    const { solutions } = await judgeSteps({ model: merged, data, limit: 1 });
    const { rewards } = await (await open(prm)).judge(question, steps);
    for (const [i, { reward }] of solutions[0]!.steps.entries()) expect(reward).toBeCloseTo(rewards[i]!, 4);
  });

  test("by its run as by its adapter, and what changes its scores changes its identity", async () => {
    const { identity } = await open(prm);
    expect((await open(join(prm, "adapter"))).identity).toBe(identity);
    for (const options of [{ separator: "\n" }, { chat: false }])
      expect((await open(prm, options)).identity).not.toBe(identity);
  });
});

test("its costs do not depend on what is kept of other requests", async () => {
  const scorer = await open(prm);
  const ask = () => scorer.score(question, steps.slice(0, 1), [steps[1]!, "He has 7.", steps[1]!]);
  const length = (text: string) => base.tokenizer.encode(text).length + base.tokenizer.encode("\n\n").length;
  const first = await ask();
  expect(first.tokens).toBe(length(steps[1]!) + length("He has 7."));
  expect(await ask()).toEqual(first);
  const judged = await scorer.judge(question, steps);
  expect(judged.tokens).toBe(steps.reduce((sum, step) => sum + length(step), 0));
  expect(scorer.countQuestion!(question)).toBeGreaterThan(base.tokenizer.encode(question).length - 1);
  // What was written with the ends of lines is scored with other ends, and the last line has one too.
  const texts = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").trim().split("\n");
  for (const text of texts.slice(0, 50).map((line) => String(JSON.parse(line).answer))) {
    const { tokens } = await scorer.judge(question, text.split("\n"));
    expect(tokens).toBeLessThanOrEqual(scorer.mostTokens!(base.tokenizer.encode(text).length));
  }
});

const problems: readonly Problem[] = [3, 5].map((number) => ({
  ...{ task: "sums", id: String(number), gold: String(number + 4) },
  question: `Tom has ${number} pens and gets 4 more. How many pens does he have?`,
}));
let folders = 0;
const search = (options: Partial<ReasoningOptions>) =>
  runReasoning({
    ...{ model, tasks: [problems], scorer: processRewardModel(prm), cost: "computed", instruction: "" },
    ...{ maxTokens: 32, stepTokens: 16, maxSteps: 4, temperature: 1, strategies: [] },
    ...{ out: join(scratch, String(folders++)), ...options },
  });

test("whole solutions are scored with the writer's own weights", async () => {
  const { results, solutions } = await search({ strategies: ["prm-bon:3@600"] });
  expect(results.scorer).toBe(`the process reward model ${prm}`);
  for (const { computedTokens, usage } of solutions) {
    expect(usage.verifierTokens).toBeGreaterThan(0);
    expect(computedTokens).toBeLessThanOrEqual(600);
  }
});

test("a search keeps to its budget, and does not depend on what was scored before it", async () => {
  /** Two lines, then the answer. */
  const stepping = () =>
    scriptedWriter(({ begun = [], seed }) => {
      const isLast = begun.join("").split("\n").length > 2;
      const text = isLast ? `#### ${seed % 3}` : `${seed % 5} + ${seed % 7} = ${(seed % 9) + 1}`;
      return { text, isEnded: isLast, tokens: base.tokenizer.encode(`${text}\n`).length };
    });
  const run = (strategies: string[]) =>
    search({ model: stepping(), scorer: processRewardModel(prm, { model }), strategies });
  const strategies = ["mstar-levin:3@400", "mstar-beam:4@400", "forest:2:2@400"];
  const { solutions } = await run(strategies);
  for (const { strategy, computedTokens, usage } of solutions) {
    expect(usage.verifierTokens, strategy).toBeGreaterThan(40);
    expect(computedTokens, strategy).toBeLessThanOrEqual(400);
  }
  const alone = await run(strategies.slice(2));
  const costsOf = ({ trees, computedTokens }: SolvedProblem) => ({
    computedTokens,
    steps: trees!.map(({ nodes }) =>
      nodes.map(({ text, draws, scoredTokens }) => [text, draws, scoredTokens]),
    ),
  });
  const found = solutions.filter(({ strategy }) => strategy === strategies[2]);
  expect(alone.solutions.map(costsOf)).toEqual(found.map(costsOf));
});

test("one of another base model is refused, and one without a base", async () => {
  const stranger = join(scratch, "stranger");
  cpSync(model, stranger, { recursive: true });
  const weights = join(stranger, "model.safetensors");
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  const strategies = ["mstar-levin:2"];
  await expect(search({ strategies, model: stranger })).rejects.toThrow(
    /^The adapter .*prm\/adapter was trained on another base model than the one given; its adapter_config.json names/,
  );
  const writer = scriptedWriter(() => "#### 7");
  await expect(search({ strategies, model: writer })).rejects.toThrow(
    /^The process reward model .*prm is an adapter, and the weights of a server's model are not here to adapt; name its base model/,
  );
  const served = await search({ strategies, model: writer, scorer: processRewardModel(prm, { model }) });
  expect(served.solutions[0]!.trees![0]!.nodes[1]!.reward).toBeGreaterThan(0);
  await expect(search({ strategies, scorer: processRewardModel(scratch) })).rejects.toThrow(
    /adapter_config\.json/,
  );
  // Strategies that score nothing do not open it.
  await search({ strategies: ["cot"], scorer: processRewardModel(scratch) });
});
