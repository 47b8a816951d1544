import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import type { Problem } from "./problem.ts";
import { type ReasoningOptions, runReasoning } from "./run-reasoning.ts";
import { scriptedWriter } from "./scripted-writer.fixture.ts";
import type { Strategy } from "./strategy.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-reasoning-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const newFolder = () => join(scratch, String(folders++));

const problems: readonly Problem[] = Array.from({ length: 6 }, (_, i) => ({
  ...{ task: "sums", id: String(i), question: `What is 3 + ${i}?`, gold: String(3 + i), steps: 1 + (i % 2) },
}));
/** Right unless the number is odd and it is the first sample. */
const adding = () =>
  scriptedWriter(({ messages, seed }) => {
    const i = Number(/\+ (\d)/.exec(String(messages[0]!.content))![1]);
    return `3 + ${i} = ${3 + i + (i % 2 === 1 && seed === 0 ? 1 : 0)}`;
  });
const run = (options: Partial<ReasoningOptions>) =>
  runReasoning({
    ...{ model: adding(), tasks: [problems], strategies: ["cot", "sc:3"], out: newFolder() },
    ...options,
  });

test("what was found stands in the folder: results, solutions and a report", async () => {
  const plans: unknown[] = [];
  const out = newFolder();
  const { folder, report, ...found } = await runReasoning(
    { model: adding(), tasks: [problems], strategies: ["cot", "sc:3"], out },
    { onPlan: (plan) => plans.push(plan) },
  );
  expect(plans).toEqual([{ folder: out, tasks: [{ name: "sums", problems: 6 }] }]);
  expect(JSON.parse(readFileSync(join(folder, "results.json"), "utf8"))).toEqual(found.results);
  const lines = readFileSync(join(folder, "solutions.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(found.solutions);
  const page = readFileSync(report.page, "utf8");
  for (const shown of ["tokens written a problem", "By difficulty on sums", "What is 3 + 1?", "sc:3"])
    expect(page).toContain(shown);
  expect(readFileSync(report.markdown, "utf8")).toContain("| cot (baseline) |");
});

test("a run that goes on asks nothing that was answered, and charges it all the same", async () => {
  const out = newFolder();
  const first = await run({ out });
  const silent = scriptedWriter(() => {
    throw new Error("asked again");
  });
  const again = await run({ out, model: silent });
  expect(again.solutions).toEqual(first.solutions);
  expect(again.results.curves).toEqual(first.results.curves);
  const writer = adding();
  const more = await run({ out, model: writer, strategies: ["cot", "sc:3", "sc:4"] });
  expect(writer.asked).toHaveLength(problems.length);
  expect(more.results.curves[0]!.points[2]!.usage).toMatchObject({ calls: 4, seconds: problems.length * 2 });
  expect(more.results.curves[0]!.points.map(({ accuracy }) => accuracy.value)).toEqual([0.5, 1, 1]);
});

test("one that is killed between two texts goes on with the next", async () => {
  const out = newFolder();
  const controller = new AbortController();
  const whole = adding();
  let written = 0;
  const dying = {
    ...whole,
    write: async (...given: Parameters<typeof whole.write>) => {
      if (++written > 9) controller.abort(new Error("killed"));
      given[1].throwIfAborted();
      return whole.write(...given);
    },
  };
  await expect(run({ out, model: dying, signal: controller.signal })).rejects.toThrow("killed");
  expect(existsSync(join(out, "results.json"))).toBe(false);
  const rest = adding();
  await run({ out, model: rest });
  expect(rest.asked.length).toBe(problems.length * 4 - whole.asked.length);
  expect(whole.asked.length).toBeGreaterThan(5);
});

test("a search that is killed in the middle of its trees has the same ones once it goes on", async () => {
  /** Two lines of different numbers, then the answer. */
  const stepping = () =>
    scriptedWriter(({ begun = [], seed }) => {
      const depth = begun.join("").split("\n").length - 1;
      return depth < 2 ? { text: `${seed % 5} + 1 = ${(seed % 7) + 1}`, isEnded: false } : `#### ${seed % 3}`;
    });
  const search = { strategies: ["mstar-levin:3@400", "forest:2:2"], scorer: "equations", stepTokens: 20 };
  const whole = stepping();
  const expected = await run({ ...search, model: whole });
  expect(expected.solutions[0]!.trees![0]!.nodes.length).toBeGreaterThan(6);
  const out = newFolder();
  const controller = new AbortController();
  const dying = stepping();
  const { write } = dying;
  dying.write = async (...given) => {
    if (dying.asked.length === 60) controller.abort(new Error("killed"));
    given[1].throwIfAborted();
    return write(...given);
  };
  await expect(run({ ...search, out, model: dying, signal: controller.signal })).rejects.toThrow("killed");
  const rest = stepping();
  const found = await run({ ...search, out, model: rest });
  expect(found.solutions.map(({ trees }) => trees)).toEqual(expected.solutions.map(({ trees }) => trees));
  expect(dying.asked.length + rest.asked.length).toBe(whole.asked.length);
  expect(rest.asked.length).toBeGreaterThan(20);
  const [line] = readFileSync(join(out, "solutions.jsonl"), "utf8").split("\n");
  expect(JSON.parse(line!).trees).toEqual(expected.solutions[0]!.trees);
  for (const { computedTokens, usage } of found.solutions)
    expect(computedTokens).toBe(10 + usage.completionTokens);
});

test("a strategy of one's own is given the tools, its costs are metered, and what it does wrong is told with the problem", async () => {
  const likeliest: Strategy = {
    name: "likeliest",
    needs: ["score"],
    async solve(question, { prompt, score }) {
      const messages = prompt(question, { instruction: "" });
      const scores = await Promise.all(["7", "70"].map((text) => score({ messages }, text)));
      return { answer: scores[0]!.logprob > scores[1]!.logprob ? "7" : "70", text: "" };
    },
  };
  const { results } = await run({ strategies: ["cot", likeliest] });
  const [, point] = results.curves[0]!.points;
  expect(point!.usage).toMatchObject({ verifierTokens: 2, completionTokens: 0, calls: 2 });

  const failing: Strategy = {
    name: "failing",
    async solve({ id }) {
      if (id === "3") throw new Error("no more ideas.");
      return { answer: "3", text: "" };
    },
  };
  const out = newFolder();
  await expect(run({ strategies: ["cot", failing], out })).rejects.toThrow(
    new InputError("The strategy failing fails at problem 3 of sums: no more ideas."),
  );
  const writer = adding();
  await run({ model: writer, out });
  expect(writer.asked.filter(({ seed }) => seed === 0)).toEqual([]);
});

test("what cannot be done is refused before the start", async () => {
  const deaf = { ...adding(), abilities: [] };
  const refusals: readonly [Partial<ReasoningOptions>, string][] = [
    [
      { model: deaf, strategies: ["cot", "bon:4"] },
      "The strategy bon:4 needs log-probabilities of what is written, which a script does not give; leave it out, or ask a model on this machine.",
    ],
    [
      { strategies: ["tir"] },
      "The strategy tir runs a model's programs, but no runner of code is given; make one with createCodeRunner, or leave it out.",
    ],
    [
      { strategies: ["mstar-beam:4"] },
      'The strategy mstar-beam:4 needs a scorer of steps, but none is given; give one, such as "equations", or leave it out.',
    ],
    [{ scorer: "equation" }, 'There is no scorer "equation"; do you mean equations?'],
    [
      { strategies: ["mstar-beam:4@64"], scorer: "equations" },
      "The strategy mstar-beam:4@64: a budget of 64 tokens is too small for the first step, which may take 96; give a larger one, or allow shorter steps.",
    ],
    [
      { strategies: ["mstar-beam:4@105"], scorer: "equations" },
      "The strategy mstar-beam:4@105 fails at problem 0 of sums: its budget leaves 95 tokens beside the question, but the first step may take 96; give a larger one, or allow shorter steps.",
    ],
    [
      { stepTokens: 0 },
      "Solutions of 16 steps of 0 tokens cannot be searched; take whole numbers from 1 on.",
    ],
    [{ strategies: [] }, "No strategy is named; name at least one, such as cot."],
    [{ strategies: ["cot", "cot"] }, "The strategy cot is named twice; name it once."],
    [{ tasks: [[]] }, "A list of problems is empty; give at least one problem."],
    [
      { tasks: ["hellaswag"], dataDir: "fixtures/evaluation/excerpts" },
      "The task hellaswag is answered by multiple_choice, but reasoning asks for written answers; leave it out.",
    ],
    [
      { tasks: ["gsm8k"], dataDir: "fixtures/evaluation/excerpts", limit: 5000 },
      "The limit 5000 is larger than gsm8k",
    ],
    [{ examples: 9 }, "There are 4 solved examples, so 9 cannot be given; take 0 to 4."],
    [{ temperature: 0 }, "At a temperature of 0 all samples would be the same"],
    [{ model: "openai:127.0.0.1:8000" }, "openai:127.0.0.1:8000 names no server; give its address"],
    [
      { model: "openai:http://127.0.0.1:9/v1#m", adapter: "a" },
      "The server of openai:http://127.0.0.1:9/v1#m has its own adapter; leave the option out, and give it to the server.",
    ],
  ];
  for (const [options, message] of refusals) await expect(run(options), message).rejects.toThrow(message);
  const taken = newFolder();
  mkdirSync(taken);
  writeFileSync(join(taken, "notes.txt"), "mine");
  await expect(run({ out: taken })).rejects.toThrow("is not empty and holds no run of reasoning");
});

test("GSM8K and SVAMP are read with the answer alone", async () => {
  const dataDir = newFolder();
  mkdirSync(join(dataDir, "math"), { recursive: true });
  const row = { ID: "chal-1", Body: "Each pack costs 76 dollars", Question: "How much?", Answer: 51 };
  writeFileSync(join(dataDir, "math/SVAMP.json"), JSON.stringify([row]));
  const echo = scriptedWriter(({ messages }) => String(messages[0]!.content));
  const svamp = await run({ model: echo, tasks: ["svamp"], dataDir, strategies: ["cot"], instruction: "" });
  expect(svamp.solutions[0]).toMatchObject({
    gold: "51",
    steps: null,
    question: "Each pack costs 76 dollars. How much?",
  });
  const gsm8k = await run({
    ...{ model: echo, tasks: ["gsm8k"], strategies: ["cot"], limit: 1 },
    dataDir: "fixtures/evaluation/excerpts",
  });
  expect(gsm8k.solutions[0]!.gold).toMatch(/^\d+$/);
  expect(gsm8k.solutions[0]!.steps).toBeGreaterThan(0);
});
