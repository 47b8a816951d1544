import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openAnswerLog } from "./answer-log.ts";
import { cachedModel } from "./cached-model.ts";
import { type EvaluationProgress, evaluate, type TaskGroup } from "./evaluate.ts";
import { createHashModel } from "./hash-model.fixture.ts";
import { ask } from "./language-model.ts";
import type { Instance, PreparedTask } from "./task.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-evaluate-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const shared = { version: "1", numFewshot: 0, promptHash: "…", filters: [], config: {} };

function choices(name: string, count: number): PreparedTask {
  const instances = Array.from({ length: count }, (_, docId): Instance => {
    const choices = ["yes", "no", "maybe"];
    return {
      docId,
      doc: { docId },
      target: docId % 3,
      requests: choices.map((choice) => ({
        type: "loglikelihood",
        context: `${docId}?`,
        continuation: ` ${choice}`,
      })),
      reference: { choices, gold: docId % 3 },
    };
  });
  const metrics = [{ metric: "acc" }, { metric: "acc_norm" }] as const;
  return { ...shared, name, outputType: "multiple_choice", instances, size: count, metrics };
}

const sums: PreparedTask = {
  ...shared,
  name: "sums",
  outputType: "generate_until",
  size: 30,
  metrics: [{ metric: "exact_match" }],
  instances: Array.from({ length: 30 }, (_, i) => ({
    docId: i,
    doc: { i },
    target: ` so #### ${i + 2}`,
    requests: [{ type: "generate_until", context: `${i} + 2 =`, options: { until: ["\n"] } }],
    reference: undefined,
  })),
};
const tasks = [choices("small", 4), sums, choices("large", 25)];
const group: TaskGroup = {
  name: "both",
  version: "1",
  tasks: ["small", "large", "elsewhere"],
  aggregate: [
    { metric: "acc", weightBySize: true },
    { metric: "exact_match", weightBySize: true },
  ],
};

test("each answer goes to its item, whatever the order of asking, and a group has the metrics of its tasks", async () => {
  const model = createHashModel();
  const { tasks: evaluated, groups, tokens } = await evaluate(model, tasks, [group]);
  for (const { task, samples, scores } of evaluated) {
    expect(samples.map(({ instance }) => instance)).toEqual(task.instances);
    for (const { instance, answers } of samples) {
      const { requests } = instance;
      const expected = await ask(model, requests[0]!.type, requests, () => {});
      expect(answers).toEqual(expected);
    }
    expect(scores.map(({ size }) => size)).toEqual(task.metrics.map(() => task.size));
  }
  expect(tokens).toEqual({ scored: 3 * 29, generated: 30 });
  const [small, , large] = evaluated.map(({ scores }) => scores[0]!);
  expect(groups[0]!.scores).toHaveLength(1);
  expect(groups[0]!.scores[0]).toMatchObject({ metric: "acc", filter: "none", size: 29 });
  expect(groups[0]!.scores[0]!.value).toBeCloseTo((small!.value * 4 + large!.value * 25) / 29, 14);
});

test("an evaluation that ends anywhere and is begun again gives the same, and asks nothing twice", async () => {
  const {
    seconds: _,
    secondsWriting: __,
    tokens: ___,
    ...whole
  } = await evaluate(createHashModel(), tasks, [group]);
  const path = join(scratch, "answers.jsonl");
  const asked = new Set<string>();
  let runs = 0;
  for (;;) {
    runs++;
    let left = 7;
    const log = openAnswerLog(path);
    const model = createHashModel((text) => {
      if (left-- === 0) throw new Error("killed");
      expect(asked.has(text)).toBe(false);
      asked.add(text);
    });
    try {
      const {
        seconds: _,
        secondsWriting: __,
        tokens: ___,
        ...resumed
      } = await evaluate(cachedModel(model, { log }), tasks, [group]);
      expect(resumed).toEqual(whole);
      break;
    } catch (error) {
      expect(error).toEqual(new Error("killed"));
      appendFileSync(path, '{"key":"cut off in the mid');
    } finally {
      log.close();
    }
  }
  // The small task's requests are among the large one's.
  expect(asked.size).toBe(3 * 25 + 30);
  expect(runs).toBe(Math.ceil(asked.size / 7));
  expect(readFileSync(path, "utf8").match(/\n/g)).toHaveLength(asked.size);
});

test("progress counts every request, and the time left is known after the first that was computed", async () => {
  const log = openAnswerLog(join(scratch, "progress.jsonl"));
  await evaluate(cachedModel(createHashModel(), { log }), [tasks[0]!]);
  const seen: EvaluationProgress[] = [];
  await evaluate(cachedModel(createHashModel(), { log }), tasks, [], {
    onProgress: (progress) => seen.push(progress),
  });
  log.close();
  const likelihoods = seen.filter(({ type }) => type === "loglikelihood");
  expect(likelihoods.map(({ answered }) => answered)).toEqual(Array.from({ length: 87 }, (_, i) => i + 1));
  // The 12 of the small task stand twice.
  const unknown = likelihoods.filter(({ secondsLeft }) => secondsLeft === undefined);
  expect(unknown).toHaveLength(24);
  expect(likelihoods.at(-1)!.secondsLeft).toBe(0);
  expect(seen.filter(({ type }) => type === "generate_until").at(-1)).toMatchObject({
    answered: 30,
    total: 30,
  });
});
