import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import { logSumExp } from "../core/decoding/sample.ts";
import { createEngine } from "../core/engine/engine.ts";
import { noUsage } from "../node/efficiency/resource-watch.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { compare } from "./compare.ts";
import { type Evaluation, evaluate, type TaskGroup } from "./evaluate.ts";
import { createHashModel, hashNumber } from "./hash-model.fixture.ts";
import type { LanguageModel } from "./language-model.ts";
import { createLocalModel } from "./local-model.ts";
import { prepareTask } from "./prepare.ts";
import { describeLimits } from "./report.ts";
import { describeResults } from "./results.ts";
import { describeSample } from "./samples.ts";
import type { PreparedTask } from "./task.ts";
import { defineTask, type TaskDefinitionInput } from "./tasks/task-definition.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-gold-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const sums = Array.from({ length: 12 }, (_, i) => ({
  q: `Tom has ${i} pens and buys 2.`,
  a: `${i + 2} péns`,
}));

function prepare(
  fields: Partial<TaskDefinitionInput>,
  docs: readonly object[] = sums,
): Promise<PreparedTask> {
  const path = join(scratch, "docs.jsonl");
  writeFileSync(path, docs.map((doc) => `${JSON.stringify(doc)}\n`).join(""));
  const definition = defineTask({
    task: "pens",
    dataset_path: "json",
    dataset_kwargs: { data_files: { test: path } },
    test_split: "test",
    doc_to_text: "{{q}} How many?",
    doc_to_target: "{{a}}",
    generation_kwargs: { until: ["\n"], max_gen_toks: 4 },
    ...fields,
  });
  return prepareTask({ name: definition.task, description: "", items: undefined, licence: "", definition });
}

const written = {
  filter_list: [
    { name: "first", filter: [] },
    { name: "second", filter: [] },
  ],
};
const chosen: Partial<TaskDefinitionInput> = {
  task: "which",
  output_type: "multiple_choice",
  doc_to_choice: ({ a }) => ["none", String(a), "many"],
  doc_to_target: 1,
};
const continued: Partial<TaskDefinitionInput> = {
  task: "next",
  output_type: "loglikelihood",
  doc_to_target: " {{a}}",
};

const bitsOf = ({ tasks }: Evaluation) =>
  tasks[0]!.scores.filter(({ metric }) => metric === "bits_per_byte_gold");

describe("the bits per byte of right answers on the embedded model", async () => {
  const device = openDevice("cpu", { threads: 1 });
  const model = await openModel("fixtures/embedded-model");
  const { tokenizer, config } = model;
  const local = createLocalModel(model, { device, batchSize: 4 });
  const engine = createEngine(device, config, model.weights, noAdapter.adaptation, { segmentSize: 1 });
  afterAll(async () => {
    await local.release();
    await engine.release();
  });

  /** Log-probability of what follows the context, by the logits of the whole text. */
  async function computeDirectly(context: string, continuation: string): Promise<number> {
    const ids = tokenizer.encode(context + continuation, { addSpecialTokens: true });
    const known = tokenizer.encode(context, { addSpecialTokens: true }).length;
    const row = {
      rows: 1,
      length: ids.length,
      inputIds: Int32Array.from(ids),
      positionIds: Int32Array.from(ids.keys()),
      segmentIds: new Int32Array(ids.length).fill(1),
    };
    const logits = await engine.logits(row, Int32Array.from(ids.keys()), new Map());
    let sum = 0;
    for (let i = known; i < ids.length; i++) {
      const here = logits.subarray((i - 1) * config.vocabSize, i * config.vocabSize);
      sum += here[ids[i]!]! - logSumExp(here);
    }
    return sum;
  }

  test.each([
    ["written", written],
    ["chosen", chosen],
    ["continued", continued],
  ])("equal those computed directly where answers are %s", async (_, fields) => {
    const evaluation = await evaluate(local, [await prepare(fields)]);
    let logLikelihood = 0;
    let bytes = 0;
    for (const { q, a } of sums) {
      logLikelihood += await computeDirectly(`${q} How many?`, ` ${a}`);
      bytes += Buffer.byteLength(` ${a}`);
    }
    const [score, ...others] = bitsOf(evaluation);
    expect(others).toEqual([]);
    expect(score).toMatchObject({ filter: "none", size: 12, stderr: undefined });
    expect(score!.value).toBeCloseTo(-logLikelihood / Math.LN2 / bytes, 4);
  });

  test("are left out where an answer is longer than the context, and the answers are written all the same", async () => {
    const docs = [...sums.slice(0, 2), { q: "And now?", a: "two pens and ".repeat(200) }];
    const evaluation = await evaluate(local, [await prepare(written, docs)]);
    expect(bitsOf(evaluation)).toEqual([]);
    expect(evaluation.tasks[0]!.scores.map(({ size }) => size)).toContain(3);
    expect(describeLimits(evaluation)).toEqual([
      expect.stringMatching(/^How likely .*longer than its context/),
    ]);
  });
});

describe("what is asked", () => {
  const onRequest = vi.fn<(text: string) => void>();
  beforeEach(() => void onRequest.mockClear());

  test("nothing more where the choices are scored anyway, and one more where the answer is written", async () => {
    await evaluate(createHashModel(onRequest), [await prepare(chosen)]);
    expect(onRequest).toHaveBeenCalledTimes(3 * sums.length);
    onRequest.mockClear();
    await evaluate(createHashModel(onRequest), [await prepare(written)]);
    expect(onRequest.mock.calls.map(([text]) => text)).toEqual([
      ...sums.toReversed().map(({ q, a }) => `${q} How many? ${a}`),
      ...sums.toReversed().map(({ q }) => `${q} How many?`),
    ]);
  });

  test("not where an item has no target, which is said", async () => {
    const task = await prepare({}, [...sums, { q: "And now?", a: "" }]);
    const evaluation = await evaluate(createHashModel(onRequest), [task]);
    expect(onRequest).toHaveBeenCalledTimes(sums.length + 1);
    expect(bitsOf(evaluation)).toEqual([]);
    expect(describeLimits(evaluation)).toEqual([expect.stringMatching(/^How likely .*\(pens\)\.$/)]);
  });

  test("not of a model that gives no likelihoods", async () => {
    const server: LanguageModel = { ...createHashModel(onRequest), canScore: () => false };
    const evaluation = await evaluate(server, [await prepare({})]);
    expect(onRequest).toHaveBeenCalledTimes(sums.length);
    expect(bitsOf(evaluation)).toEqual([]);
    expect(describeLimits(evaluation)).toHaveLength(1);
  });

  test("under the same hash of prompts", async () => {
    const { promptHash, instances } = await prepare(written);
    expect(instances[0]!.requests).toHaveLength(1);
    expect((await prepare(written, [...sums.map(({ q }) => ({ q, a: "" }))])).promptHash).toBe(promptHash);
  });
});

describe("compared", async () => {
  const group: TaskGroup = {
    name: "all",
    version: "1",
    tasks: ["pens", "which"],
    aggregate: [{ metric: "exact_match", weightBySize: true }],
  };
  const tasks = [await prepare(written), await prepare(chosen)];

  /** The folder of an evaluation of a model whose likelihoods are those of the hash model times a factor. */
  async function write(name: string, factor: (context: string) => number): Promise<string> {
    const model: LanguageModel = {
      ...createHashModel(),
      loglikelihood: async (requests) =>
        requests.map(({ context, continuation }) => ({
          logLikelihood: -factor(context) * (1 + 9 * hashNumber(continuation)),
          isGreedy: false,
        })),
    };
    const evaluation = await evaluate(model, tasks, [group]);
    const samples = new Map(
      evaluation.tasks.map(({ task, samples }) => [task.name, samples.map(describeSample)]),
    );
    const results = describeResults(evaluation, samples, {
      model: { name, sha256: name, storage: "float32", bits: "exact", adapter: null },
      settings: {
        limit: null,
        num_fewshot: null,
        apply_chat_template: false,
        fewshot_as_multiturn: false,
        system_instruction: null,
        fewshot_seed: 1234,
      },
      batchSize: null,
      maxLength: 1024,
      chatTemplate: undefined,
      startedAt: new Date(0),
      totalSeconds: 1,
      requests: { asked: 1, found: 0 },
      usage: noUsage,
    });
    const folder = mkdtempSync(join(scratch, `${name}-`));
    writeFileSync(join(folder, "results.json"), JSON.stringify(results));
    for (const [task, lines] of samples) {
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
      writeFileSync(join(folder, `samples_${task}.jsonl`), text);
    }
    return folder;
  }

  test("they have paired intervals, are pooled over a group's items, and are tested apart from the scores", async () => {
    const before = await write("before", () => 1);
    const after = await write("after", (context) => 0.75 + 0.1 * hashNumber(context));
    const { scores, notes } = await compare(before, after);
    expect(notes).toEqual([]);
    const bits = scores.filter(({ metric }) => metric === "bits_per_byte_gold");
    expect(bits.map(({ task, filter, items, family }) => [task, filter, items, family])).toEqual([
      ["all", "none", 24, { name: "right answers of tasks and groups", size: 1 }],
      ["pens", "none", 12, { name: "right answers of tasks of all", size: 2 }],
      ["which", "none", 12, { name: "right answers of tasks of all", size: 2 }],
    ]);
    const bytes = sums.reduce((sum, { a }) => sum + Buffer.byteLength(` ${a}`), 0);
    const nats = sums.reduce((sum, { a }) => sum + 1 + 9 * hashNumber(` ${a}`), 0);
    for (const score of bits) {
      expect(score).toMatchObject({ verdict: "better", higherIsBetter: false, inPoints: false });
      expect(score.before.value).toBeCloseTo(nats / Math.LN2 / bytes, 10);
      const { value, low, high } = score.difference;
      expect([low < value, value < high, high < 0]).toEqual([true, true, true]);
      // Paired, it is far narrower than what the items' own spread would give.
      expect(high - low).toBeLessThan(0.3 * (score.before.high - score.before.low));
    }
    const others = scores.filter(({ metric }) => metric !== "bits_per_byte_gold");
    expect(others.map(({ family }) => family.name)).not.toContain(expect.stringContaining("right answers"));
  });
});
