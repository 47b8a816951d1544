import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { createRandom } from "../../core/random.ts";
import { checkRank, checkTask } from "../frameworks.ts";
import { openHeldOutMeter } from "../held-out.ts";
import { roundOptions } from "../rounds/documents.ts";
import { simulateFederation } from "../simulate.ts";
import { decodeTensors, encodeTrained } from "../tensors.ts";
import { openTaskAdapter, runConfigOf } from "../tuning.ts";
import { createFedLlmMember } from "./member-part.ts";
import type { FedLlmTask } from "./task.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-own-rank-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const data = join(scratch, "rows.jsonl");
const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
writeFileSync(data, lines.slice(0, 4).join("\n"));
const own = { model: "fixtures/embedded-model", data, threads: 1 };
const lora = { r: 2, lora_alpha: 6, target_modules: ["q_proj", "down_proj"] };
const nameA = "model.layers.0.self_attn.q_proj.lora_A.weight";
const taskOf = (changes: object = {}) => {
  const tuning = { max_steps: 1, batch_size: 4, lora };
  const task = { framework: "fedllm", max_rank: 5, tuning, ...changes };
  return checkTask(JSON.parse(JSON.stringify(task)), "The test");
};

test("a client of a higher rank begins with all of the global adapter, one of a lower with less", async () => {
  const task = taskOf() as FedLlmTask;
  const config = runConfigOf(task, own);
  const adapter = await openTaskAdapter(config);
  const random = createRandom(1);
  const global: Parameters = new Map(
    [...adapter.initial].map(([name, { dims, data }]) => [
      name,
      { dims, data: data.map(() => 0.1 * random.normal()) },
    ]),
  );
  const begins = await encodeTrained(global);
  const meter = await openHeldOutMeter(config, [data]);
  const [whole] = await meter.measure({ ...adapter, parameters: global });
  const [none] = await meter.measure({ ...adapter, parameters: adapter.initial });
  await meter.release();
  const lossAt = async (rank: number) => {
    let loss = Number.NaN;
    const rounds = roundOptions.parse({ run: "r", clients: ["a"] });
    const part = createFedLlmMember({
      ...{ rounds, client: "a", task, own, adapter, examples: 4, rank, folder: join(scratch, `${rank}`) },
      events: {
        onStep: (step) => {
          loss = step.loss;
        },
      },
    });
    const participants = [{ client: "a", examples: 4 }];
    const { update } = await part.update({ round: 1, attempt: 1, participants }, begins, undefined);
    expect((await decodeTensors(update, "the update")).get(nameA)!.dims[0]).toBe(rank);
    return loss;
  };
  expect(Math.abs(whole! - none!)).toBeGreaterThan(0.01);
  expect(await lossAt(5)).toBeCloseTo(whole!, 4);
  expect(Math.abs((await lossAt(1)) - whole!)).toBeGreaterThan(1e-4);
});

test("clients of several ranks are averaged over rounds", async () => {
  const { rounds, adapter } = await simulateFederation({
    ...{ task: taskOf({ aggregation: "flora" }), own, ranks: [1, 5], out: join(scratch, "flora") },
    rounds: {
      ...{ rounds: 2, client_share: 1, quorum: 1, join_seconds: 60, deadline_seconds: 60, seed: 1 },
      sampling: "fixed",
    },
    division: { clients: 2, alpha: Number.POSITIVE_INFINITY, heldOut: 0, seed: 1 },
  });
  const tensors = await decodeTensors(readFileSync(join(adapter, "adapter_model.safetensors")), "it");
  // What two rounds of 1 + 5 ranks leave beside the 2 of a fresh adapter.
  expect(tensors.get(`base_model.model.${nameA}`)!.dims[0]).toBe(14);
  for (const { figures } of rounds.slice(1)) expect(figures.aggregation_error).toBeLessThan(1e-6);
});

test.each<[string, object, number, RegExp]>([
  [
    "an average of A and B",
    { max_rank: undefined, aggregation: "fedavg" },
    4,
    /"fedavg" averages A and B of/,
  ],
  [
    "FedEx's residual",
    { max_rank: undefined, aggregation: "fedex" },
    4,
    /"fedex" averages A and B of one rank, here 2/,
  ],
  ["a rank above the highest", {}, 6, /rank 6 of its own, since the run takes 5 at most/],
  [
    "several ranks already",
    { tuning: { lora: { ...lora, rank_pattern: { q_proj: 4 } } } },
    3,
    /have several/,
  ],
  [
    "a split",
    { framework: "split", cut: 1, max_rank: undefined },
    4,
    /"split" does not do; leave the rank 4/,
  ],
])("%s refuses it", (_, changes, rank, message) => {
  expect(() => checkRank(taskOf(changes), rank)).toThrow(message);
});

test("a highest rank where all need one, and ranks of other clients than there are, are refused", async () => {
  expect(() => taskOf({ aggregation: "ffa" })).toThrow(
    /"ffa" averages A and B of one rank, so clients cannot/,
  );
  const simulation = {
    ...{ task: taskOf(), own, ranks: [1], out: join(scratch, "none") },
    rounds: roundOptions.omit({ run: true, clients: true }).parse({}),
    division: { clients: 2, alpha: 1, heldOut: 0, seed: 1 },
  };
  await expect(simulateFederation(simulation)).rejects.toThrow(/1 ranks of 2 clients/);
});
