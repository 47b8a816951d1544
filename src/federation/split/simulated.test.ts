import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkTask, openMemberPart } from "../frameworks.ts";
import { roundOptions } from "../rounds/documents.ts";
import { type SimulationEvents, simulateFederation } from "../simulate.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-split-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const data = join(scratch, "rows.jsonl");
writeFileSync(
  data,
  readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n").slice(0, 9).join("\n"),
);

// Nothing is clipped: either side clips by its own norm.
const tuning = {
  ...{ max_steps: 2, batch_size: 2, learning_rate: 2e-3, max_grad_norm: 1e6, proximal_mu: 10 },
  lora: { r: 2, lora_alpha: 4 },
};
const splitOf = (changes: object = {}) => ({
  framework: "split",
  cut: 2,
  variant: "plain",
  tuning,
  ...changes,
});
const simulate = async (
  name: string,
  task: object,
  { clients = 2, rounds = 2 } = {},
  events?: SimulationEvents,
) => {
  const simulation = await simulateFederation(
    {
      task: checkTask(task, "The test"),
      // As the sides compute: sums in another order differ by rounding, which Adam's first steps enlarge.
      own: { model: "fixtures/embedded-model", data, threads: 1, segment_size: 1 },
      rounds: {
        ...{ rounds, client_share: 1, quorum: 1, join_seconds: 60, deadline_seconds: 60, seed: 1 },
        sampling: "fixed",
      },
      division: { clients, alpha: 1, heldOut: 0.2, seed: 1 },
      out: join(scratch, name),
    },
    events,
  );
  return { ...simulation, bytes: readFileSync(join(simulation.adapter, "adapter_model.safetensors")) };
};
const fedavg = { framework: "fedllm", aggregation: "fedavg", tuning };

test("one client and one round are local tuning, to the bit, and in 16 bits nearly, with fewer bytes", async () => {
  const one = { clients: 1, rounds: 1 };
  const adapters = await simulate("local", fedavg, one);
  const split = await simulate("one", splitOf(), one);
  expect(split.bytes.equals(adapters.bytes)).toBe(true);
  const half = await simulate("half", splitOf({ dtype: "float16" }), one);
  expect(half.bytes.equals(split.bytes)).toBe(false);
  const [before, after, inHalf] = [split.rounds[0]!, split.rounds[1]!, half.rounds[1]!].map(
    ({ heldOutLoss }) => heldOutLoss["client-1"]!,
  );
  expect(Math.abs(inHalf! - after!)).toBeLessThan(0.01 * Math.abs(after! - before!));
  // What is saved is what the formula says, but for digits of the documents.
  const { sentBytes, formulaBytes } = half.rounds[1]!;
  const [sent, formula] = [split.rounds[1]!.sentBytes, split.rounds[1]!.formulaBytes];
  expect(formula.up - formulaBytes.up).toBeGreaterThan(0.3 * formula.up);
  expect(Math.abs(sent - sentBytes - (formula.up - formulaBytes.up))).toBeLessThan(100);
});

test("rounds end as those of averaged adapters, in both variants, and a stop within one changes nothing", async () => {
  const adapters = await simulate("fedavg", fedavg);
  const plain = await simulate("plain", splitOf());
  expect(plain.bytes.equals(adapters.bytes)).toBe(true);
  const stop = new AbortController();
  let turns = 0;
  const stopAt = {
    signal: stop.signal,
    // In the second round, after one client's side was tuned.
    onStage: (stage: string) =>
      stage.endsWith("at work") && ++turns === 8 && stop.abort(new Error("stopped")),
  };
  const uShaped = splitOf({ variant: "u-shaped" });
  await expect(simulate("u-shaped", uShaped, {}, stopAt)).rejects.toThrow("stopped");
  expect(readdirSync(join(scratch, "u-shaped", "server", "sides", "round-00002"))).toEqual([
    "client-1.safetensors",
  ]);
  const gone = await simulate("u-shaped", uShaped);
  expect(gone.bytes.equals(plain.bytes)).toBe(true);

  for (const { sentBytes, receivedBytes, formulaBytes, work } of [
    ...plain.rounds.slice(1),
    gone.rounds[1]!,
  ]) {
    // On top: where texts begin and end, the labels' weights and scores, names of tensors, documents.
    expect(sentBytes).toBeGreaterThan(formulaBytes.up);
    expect(sentBytes).toBeLessThan(1.05 * formulaBytes.up + 20_000);
    expect(receivedBytes).toBeGreaterThan(formulaBytes.down);
    expect(receivedBytes).toBeLessThan(1.05 * formulaBytes.down + 100_000);
    for (const { multiplyAdds } of Object.values(work)) expect(multiplyAdds).toBeGreaterThan(1e6);
  }
  const multiplyAdds = (of: typeof plain) => of.rounds[1]!.work["client-1"]!.multiplyAdds;
  expect(multiplyAdds(plain)).toBeLessThan(0.5 * multiplyAdds(adapters));
  expect(multiplyAdds(gone)).toBeGreaterThan(multiplyAdds(plain));
});

test.each<[string, object, RegExp]>([
  ["a cut after the last block", { cut: 5 }, /has 5 blocks, .* cut it after a block from 1 to 4/],
  [
    "an embedding that is trained and tied",
    { tuning: { ...tuning, lora: { modules_to_save: ["embed_tokens"] } } },
    /The embedding is trained, and is the output layer too/,
  ],
  ["a cut before the first block", { cut: 0 }, /cut/],
  ["an unknown variant", { variant: "v" }, /variant/],
  ["an option of another framework", { aggregation: "product" }, /no option "aggregation"/],
  ["a method without an adapter", { tuning: { method: "full" } }, /does not tune A and B/],
  ["a method with an optimizer of its own", { tuning: { method: "lora-fa" } }, /step with AdamW/],
])("%s is refused", async (name, changes, message) => {
  await expect(simulate(name, splitOf(changes), { rounds: 1 })).rejects.toThrow(message);
  expect(existsSync(join(scratch, name, "simulation.json"))).toBe(false);
});

test("no member of a process of its own takes part", async () => {
  const options = {
    ...{ task: checkTask(splitOf(), "The test"), client: "a", examples: 1, folder: scratch },
    ...{ rounds: roundOptions.parse({ run: "r", clients: ["a"] }), own: { model: "m", data } },
  };
  await expect(openMemberPart(options)).rejects.toThrow(/asks its server at every step/);
});
