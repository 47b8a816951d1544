import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openModelToAsk } from "../open-model-to-ask.ts";
import { runEvaluation } from "../run-evaluation.ts";
import { answerShard } from "./answer-shard.ts";
import { type ShardWorkers, shardedModel } from "./sharded-model.ts";
import { type ShardsFolder, shardsFolder } from "./shards-folder.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-shards-"));
const { local, identity, release } = await openModelToAsk({ model: "fixtures/embedded-model" }, false);
afterAll(async () => {
  await release();
  rmSync(scratch, { recursive: true });
});

/** This process answers, and does something to what it wrote before anybody reads it. */
function inProcess(after: (folder: ShardsFolder, shard: number) => unknown = () => {}): ShardWorkers {
  return {
    count: 2,
    async answer(folder, shards, { onAnswered }) {
      for (const shard of shards) {
        await answerShard(folder, shard, () => {});
        await after(folder, shard);
        onAnswered(shard);
      }
    },
  };
}

const ask = (folder: string, workers: ShardWorkers) =>
  shardedModel(local!, { identity, batchSize: undefined, workers, folder: join(scratch, folder) });

const pairs = Array.from({ length: 64 }, (_, i) => ({
  context: `Tom has ${i} pens. ${"He buys 4 more. ".repeat(i % 13)}How many pens does he have?`,
  continuation: [" 7", " 12 pens", " a cat"][i % 3]!,
}));
const texts = Array.from({ length: 16 }, (_, i) => ({ text: `Anna has ${i} dogs. `.repeat(1 + (i % 4)) }));
/** So few that they are one shard. */
const few = texts.slice(0, 8);
const drawn = Array.from({ length: 16 }, (_, i) => ({
  context: `Ben has ${i} cups and`,
  options: { until: ["."], max_gen_toks: 8, do_sample: true, temperature: 1 },
}));

test("answers have the bits of one process's, also after an interruption", async () => {
  const stop = new Error("stop");
  const before: number[] = [];
  const known = new Map<number, unknown>();
  const stopping = inProcess((_, shard) => {
    if (before.push(shard) === 2) throw stop;
  });
  await expect(
    ask("stopped", stopping).loglikelihood(pairs, (index, result) => known.set(index, result)),
  ).rejects.toBe(stop);
  expect(known.size).toBeGreaterThan(0);

  // What was known is asked no more, and yet the division stays as it was.
  const left = pairs.filter((_, index) => !known.has(index));
  const after: number[] = [];
  const model = ask(
    "stopped",
    inProcess((_, shard) => after.push(shard)),
  );
  for (const [i, result] of (await model.loglikelihood(left)).entries())
    known.set(pairs.indexOf(left[i]!), result);
  expect(after.length).toBeGreaterThan(0);
  expect(after.filter((shard) => before.includes(shard))).toEqual([]);
  expect(pairs.map((_, index) => known.get(index))).toEqual(await local!.loglikelihood(pairs));

  // As if each shard's process had been ended in the middle.
  const halving = inProcess(async (folder, shard) => {
    const { answers, done } = folder.shard(shard);
    writeFileSync(
      answers,
      readFileSync(answers, "utf8")
        .split(/(?<=\n)/)
        .slice(0, 4)
        .join(""),
    );
    rmSync(done);
    await answerShard(folder, shard, () => {});
  });
  expect(await ask("halved", halving).loglikelihoodRolling(texts)).toEqual(
    await local!.loglikelihoodRolling(texts),
  );
  expect(await model.generateUntil(drawn)).toEqual(await local!.generateUntil(drawn));
});

test.each<[string, (folder: ShardsFolder, shard: number) => void, string]>([
  [
    "an answer to another request",
    (folder, shard) =>
      appendFileSync(folder.shard(shard).answers, `${JSON.stringify({ key: "a", answer: 1 })}\n`),
    "line 9, answers a request that the shard does not have; the shard was removed, so look at its worker",
  ],
  [
    "no answer",
    (folder, shard) => writeFileSync(folder.shard(shard).answers, ""),
    "has 0 of the shard's 8 answers; the shard was removed",
  ],
  [
    "an answer that was cut off",
    (folder, shard) => {
      const { answers } = folder.shard(shard);
      writeFileSync(answers, readFileSync(answers, "utf8").slice(0, -2));
    },
    "line 8, was cut off; the shard was removed",
  ],
  [
    "an answer of another type",
    (folder, shard) => {
      const { answers } = folder.shard(shard);
      writeFileSync(answers, readFileSync(answers, "utf8").replace(/"answer":[^}]*/, '"answer":"much"'));
    },
    'line 1: it is the text "much"; give a number; the shard was removed',
  ],
  [
    "work that is none",
    (folder, shard) => writeFileSync(folder.shard(shard).done, '{"tokens":{}}'),
    "done.json: tokens.scored",
  ],
])("a worker that returns %s is told", async (_, spoil, sentence) => {
  let folder = "";
  const workers = inProcess((shards, shard) => {
    folder = shards.shard(shard).path;
    spoil(shards, shard);
  });
  await expect(ask("spoiled", workers).loglikelihoodRolling(few)).rejects.toThrow(sentence);
  expect(existsSync(folder)).toBe(false);
});

test("a worker with another model or another version says so", async () => {
  const asking = (change: object) => {
    const changed: ShardWorkers = {
      count: 1,
      async answer(folder, [shard]) {
        const { config } = shardsFolder(folder.path);
        const options = JSON.parse(readFileSync(config, "utf8"));
        writeFileSync(config, JSON.stringify({ ...options, ...change }));
        await answerShard(folder, shard!, () => {});
      },
    };
    return ask("other", changed).loglikelihoodRolling(few);
  };
  await expect(asking({ model_sha256: "0".repeat(64) })).rejects.toThrow(
    "fixtures/embedded-model has other files on this machine than where the evaluation was begun; give its path",
  );
  await expect(asking({ slimtune: "0.0.9" })).rejects.toThrow(
    /is of slimtune 0\.0\.9, and this machine has .*; install the same version/,
  );
  await expect(asking({ shards: 0 })).rejects.toThrow("shards.json: shards: ");
  await expect(
    runEvaluation({ model: "openai:http://127.0.0.1:1/v1#a", tasks: ["gsm8k"], workers: inProcess() }),
  ).rejects.toThrow("is asked by one process alone, several requests at a time; leave the workers out.");
});
