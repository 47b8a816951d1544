import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { createRandom } from "../../core/random.ts";
import type { AggregationName } from "../aggregation/aggregations.ts";
import { findPairs, productOf, residualOf } from "../aggregation/lora-pairs.ts";
import { type LowRank, sumOf } from "../aggregation/low-rank.ts";
import { checkTask } from "../frameworks.ts";
import { openHeldOutMeter } from "../held-out.ts";
import { roundOptions } from "../rounds/documents.ts";
import { decodeTensors, encodeTrained } from "../tensors.ts";
import { runConfigOf } from "../tuning.ts";
import { type Beginning, readBeginning } from "./beginning.ts";
import { createFedLlmMember } from "./member-part.ts";
import { openFedLlmServer } from "./server-part.ts";
import type { FedLlmTask } from "./task.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-residual-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const data = join(scratch, "rows.jsonl");
const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
writeFileSync(data, lines.slice(0, 4).join("\n"));
const own = { model: "fixtures/embedded-model", threads: 1 };
const rounds = roundOptions.parse({ run: "r", clients: ["a", "b"], rounds: 2 });
const clients = [
  { client: "a", examples: 1 },
  { client: "b", examples: 3 },
];
const scale = 2;

const taskOf = (aggregation: AggregationName, changes: object = {}) => {
  const lora = { r: 2, lora_alpha: 2 * scale, target_modules: ["q_proj", "down_proj"] };
  const tuning = { max_steps: 2, batch_size: 4, lora };
  return checkTask({ framework: "fedllm", aggregation, tuning, ...changes }, "The test") as FedLlmTask;
};

/** An update as if a client had tuned: every value moved a little. */
function move(parameters: Parameters, seed: number): Parameters {
  const random = createRandom(seed);
  return new Map(
    [...parameters].map(([name, { dims, data }]) => [
      name,
      { dims, data: data.map((value) => value + 0.05 * random.normal()) },
    ]),
  );
}

/** The matrix [out, in], multiplied out. */
function dense({ left, right }: LowRank): Float64Array {
  const width = right[0]!.length;
  const values = new Float64Array(left[0]!.length * width);
  for (const [i, column] of left.entries())
    for (const [row, value] of column.entries())
      for (let j = 0; j < width; j++) values[row * width + j]! += value * right[i]![j]!;
  return values;
}

/** What a beginning adds to the weight of each module. */
const addedBy = ({ parameters, residual }: Beginning) =>
  new Map(
    findPairs(parameters).map((pair) => [
      pair.module,
      dense(sumOf(productOf(pair, scale), residualOf(residual, pair.module))),
    ]),
  );

describe.each(["fedex", "flora"] as const)("over rounds %s", (aggregation) => {
  test("adds to the weights the mean of what clients add, round after round", async () => {
    const task = taskOf(aggregation);
    const server = await openFedLlmServer({ task, own, rounds, secret: new Uint8Array(32) });
    const { initial } = server.adapter;
    let begins = await server.begin();
    for (const round of [1, 2]) {
      const before = await readBeginning(begins, initial, "the beginning");
      const tuned = clients.map((_, i) => move(before.parameters, 10 * round + i));
      const { ends, figures } = await server.aggregate(
        { round, attempt: 1, participants: clients },
        begins,
        clients.map((client, i) => ({ ...client, load: () => encodeTrained(tuned[i]!) })),
      );
      expect(figures.aggregation_error).toBeLessThan(1e-6);
      const after = addedBy(await readBeginning(ends, initial, "the end"));
      const each = tuned.map((parameters) => addedBy({ ...before, parameters }));
      for (const [module, values] of after) {
        const wanted = values.map((_, i) =>
          clients.reduce((sum, { examples }, k) => sum + (examples / 4) * each[k]!.get(module)![i]!, 0),
        );
        const lost = Math.hypot(...values.map((value, i) => value - wanted[i]!));
        expect(lost / Math.hypot(...wanted), `${module} in round ${round}`).toBeLessThan(1e-6);
      }
      begins = ends;
    }
    await server.release();
  });
});

test("a client tunes over the residual as over weights, one adapter holds both, and a stop changes nothing", async () => {
  const task = taskOf("flora");
  const server = await openFedLlmServer({ task, own, rounds, secret: new Uint8Array(32) });
  const { adapter } = server;
  const first = await server.begin();
  const attempt = (round: number) => ({ round, attempt: 1, participants: clients });
  const { ends } = await server.aggregate(
    attempt(1),
    first,
    clients.map((client, i) => ({ ...client, load: () => encodeTrained(move(adapter.initial, i)) })),
  );
  const losses: number[] = [];
  const update = (folder: string, stop?: AbortController) =>
    createFedLlmMember({
      ...{ rounds, client: "a", task, own: { ...own, data }, adapter, examples: 4 },
      folder: join(scratch, folder),
      events: {
        onStep({ step, loss }) {
          if (step === 1) losses.push(loss);
          stop?.abort(new Error("stopped"));
        },
      },
    }).update(attempt(2), ends, stop?.signal);
  const whole = await update("whole");
  const meter = await openHeldOutMeter(runConfigOf(task, { ...own, data }), [data]);
  const [base] = await meter.measure({ ...adapter, parameters: adapter.initial });
  const [begun] = await meter.measure(await server.adapterOf(ends));
  await server.write(join(scratch, "joined"), ends);
  const [joined] = await meter.measure(await meter.read(join(scratch, "joined")));
  await meter.release();
  expect(losses[0]).toBeCloseTo(begun!, 5);
  expect(joined).toBeCloseTo(begun!, 5);
  expect(Math.abs(begun! - base!)).toBeGreaterThan(1e-3);
  await expect(update("stopped", new AbortController())).rejects.toThrow(/was stopped/);
  const gone = await update("stopped");
  expect(Buffer.from(gone.update).equals(whole.update)).toBe(true);
  expect([...(await decodeTensors(whole.update, "the update")).keys()]).toEqual([...adapter.initial.keys()]);
  expect(whole.figures.formula_down).toBeGreaterThan(whole.figures.formula_up!);
  await server.release();
});

test.each<[string, object, RegExp]>([
  ["DoRA", { tuning: { method: "dora" } }, /"flora" keeps part of the updates .* plain LoRA; choose/],
  ["A frozen", { tuning: { method: "lora-fa" } }, /"flora" keeps part of the updates .* plain LoRA; choose/],
  ["masks", { secure_aggregation: true }, /"flora" needs each update/],
  ["a cut of nothing", { aggregation: "product", residual_rank: 4 }, /"product" leaves nothing beside/],
])("%s is refused", (_, changes, message) => {
  expect(() => taskOf("flora", changes)).toThrow(message);
});
