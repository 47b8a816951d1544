import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openModel } from "../node/models/open-model.ts";
import { openAnswerLog } from "./answer-log.ts";
import { type CachedModel, cachedModel } from "./cached-model.ts";
import { createHashModel } from "./hash-model.fixture.ts";
import { createLocalModel } from "./local-model.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-cached-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Works with a model that keeps its answers in the named files, and returns what it was really asked. */
async function withModel(
  files: { log: string; cache?: string },
  work: (model: CachedModel) => Promise<void>,
): Promise<string[]> {
  const asked: string[] = [];
  const log = openAnswerLog(join(scratch, files.log));
  const cache = files.cache === undefined ? undefined : openAnswerLog(join(scratch, files.cache));
  await work(
    cachedModel(
      createHashModel((text) => asked.push(text)),
      { log, ...(cache && { cache }) },
    ),
  );
  log.close();
  cache?.close();
  return asked;
}

const pairs = [
  { context: "A", continuation: " b" },
  { context: "A", continuation: " c" },
  { context: "A", continuation: " b" },
  { context: "A ", continuation: "b" },
];

test("equal requests are asked once, and each place gets its answer", async () => {
  const plain = createHashModel();
  const delivered: number[] = [];
  const asked = await withModel({ log: "twice" }, async (model) => {
    const answers = await model.loglikelihood(pairs, (index) => delivered.push(index));
    expect(answers).toEqual(await plain.loglikelihood(pairs));
    expect(model.requestCounts).toEqual({ asked: 3, found: 0 });
  });
  expect(asked.sort()).toEqual(["A b", "A b", "A c"]);
  expect(delivered.sort()).toEqual([0, 1, 2, 3]);
});

test("what was answered before is found, and each type's answers are its own", async () => {
  const text = { text: "A" };
  const write = { context: "A", options: { until: ["\n", "."], max_gen_toks: 5 } };
  const sameInAnotherOrder = { context: "A", options: { max_gen_toks: 5, until: ["\n", "."] } };
  const longer = { context: "A", options: { until: ["\n", "."], max_gen_toks: 6 } };
  await withModel({ log: "types" }, async (model) => {
    await model.loglikelihoodRolling([text]);
    await model.generateUntil([write]);
    await model.loglikelihood(pairs.slice(0, 1));
  });
  const asked = await withModel({ log: "types" }, async (model) => {
    expect(await model.loglikelihoodRolling([text])).toEqual(
      await createHashModel().loglikelihoodRolling([text]),
    );
    expect(await model.generateUntil([sameInAnotherOrder, longer])).toEqual(
      await createHashModel().generateUntil([write, longer]),
    );
    await model.loglikelihood(pairs.slice(0, 2));
    expect(model.requestCounts).toEqual({ asked: 2, found: 3 });
  });
  expect(asked).toEqual(["A", "A c"]);
});

test("the cache serves other evaluations, but for drawn answers, and what it gives is logged", async () => {
  const greedy = { context: "A", options: { until: [] } };
  const drawn = { context: "A", options: { until: [], do_sample: true } };
  await withModel({ log: "first", cache: "cache" }, async (model) => {
    await model.generateUntil([greedy, drawn]);
  });
  const asked = await withModel({ log: "second", cache: "cache" }, async (model) => {
    await model.generateUntil([greedy, drawn]);
    expect(model.requestCounts).toEqual({ asked: 1, found: 1 });
  });
  expect(asked).toEqual(["A"]);
  expect(
    await withModel({ log: "second" }, async (model) => void (await model.generateUntil([greedy, drawn]))),
  ).toEqual([]);
});

test("a likelihood that is no number ends the evaluation and is not kept", async () => {
  const broken = {
    ...createHashModel(),
    loglikelihoodRolling: async (_: unknown, onResult?: (index: number, result: number) => void) => {
      onResult?.(0, Number.NaN);
      return [Number.NaN];
    },
  };
  const log = openAnswerLog(join(scratch, "broken"));
  await expect(cachedModel(broken, { log }).loglikelihoodRolling([{ text: "A" }])).rejects.toThrow(
    "The model gives NaN as the likelihood of a text",
  );
  log.close();
});

test("an evaluation that goes on has the bits of one that was not interrupted", async () => {
  const local = createLocalModel(await openModel("fixtures/embedded-model"));
  // By themselves the few that are left would not have their beginning computed once and kept.
  const preamble = "She has 3 cats and finds 4 more. ".repeat(6);
  const scored = Array.from({ length: 36 }, (_, i) => ({
    context: `${preamble}Tom has ${i} pens. ${"He buys 4 more. ".repeat(i % 7)}How many pens does he have?`,
    continuation: [" 7", " 12 pens", " a cat"][i % 3]!,
  }));
  const read = scored.map(({ context }) => ({ text: context }));
  const drawn = scored.slice(0, 8).map(({ context }) => ({
    context,
    options: { until: ["."], max_gen_toks: 8, do_sample: true, temperature: 1 },
  }));
  // Another evaluation knows every third answer.
  const cache = openAnswerLog(join(scratch, "other"));
  await cachedModel(local, { log: cache }).loglikelihood(scored.filter((_, i) => i % 3 === 0));
  cache.close();
  const evaluateInto = async (name: string) => {
    const cacheOfRun = join(scratch, `${name} cache`);
    copyFileSync(join(scratch, "other"), cacheOfRun);
    const [log, cache] = [join(scratch, name), cacheOfRun].map(openAnswerLog);
    const model = cachedModel(local, { log: log!, cache: cache! });
    const answers = [
      await model.loglikelihood(scored),
      await model.loglikelihoodRolling(read),
      await model.generateUntil(drawn),
    ];
    log!.close();
    cache!.close();
    return answers;
  };
  const whole = await evaluateInto("whole");
  const lines = readFileSync(join(scratch, "whole"), "utf8").split(/(?<=\n)/);
  // In the middle of each type's answers.
  for (const count of [12 + 21, 36 + 21, 72 + 3]) {
    writeFileSync(join(scratch, `part ${count}`), lines.slice(0, count).join(""));
    expect(await evaluateInto(`part ${count}`)).toEqual(whole);
  }
  await local.release();
});
