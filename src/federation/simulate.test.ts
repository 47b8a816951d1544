import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fineTune } from "../node/training/fine-tune.ts";
import type { FedLlmTask } from "./fedllm/task.ts";
import { checkTask } from "./frameworks.ts";
import { type SimulationEvents, type SimulationOptions, simulateFederation } from "./simulate.ts";
import { decodeTensors } from "./tensors.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-federation-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const rows = (subject: string, count: number) =>
  readFileSync(`fixtures/miniature/${subject}-train.jsonl`, "utf8")
    .split("\n")
    .slice(0, count)
    .map((line) => JSON.stringify({ ...JSON.parse(line), subject }));
const data = join(scratch, "rows.jsonl");
writeFileSync(data, [...rows("math", 12), ...rows("commonsense", 12)].join("\n"));

const tuning = { max_steps: 4, batch_size: 4, learning_rate: 2e-3, lora: { r: 2, lora_alpha: 4 } };
interface Case {
  readonly clients?: number;
  readonly rounds?: number;
  readonly aggregation?: FedLlmTask["aggregation"];
  readonly method?: string;
  readonly heldOut?: number;
  readonly task?: Partial<FedLlmTask>;
  readonly sampling?: "fixed" | "poisson";
}
const simulate = (
  name: string,
  {
    clients = 2,
    rounds = 2,
    aggregation = "product",
    method = "lora",
    heldOut = 0.2,
    task,
    sampling = "fixed",
  }: Case,
  events?: SimulationEvents,
) => {
  const options: SimulationOptions = {
    task: {
      ...{ framework: "fedllm", aggregation, tuning: { ...tuning, method }, secure_aggregation: false },
      ...task,
    },
    own: { model, data, threads: 1 },
    rounds: {
      ...{ rounds, client_share: 1, quorum: 1, join_seconds: 60, deadline_seconds: 60, seed: 1, sampling },
    },
    division: { clients, alpha: 1, classField: "subject", heldOut, seed: 1 },
    out: join(scratch, name),
  };
  return simulateFederation(options, events);
};
const tensorsOf = (adapter: string) => readFileSync(join(adapter, "adapter_model.safetensors"));

test("one client and one round are local tuning, to the bit", async () => {
  const { adapter, rounds } = await simulate("alone", { clients: 1, rounds: 1, heldOut: 0 });
  const { output } = await fineTune({
    ...{ ...tuning, model, threads: 1, validation: 0, out: join(scratch, "local") },
    data: join(scratch, "alone", "clients", "client-1.jsonl"),
  });
  expect(tensorsOf(adapter).equals(tensorsOf(output!))).toBe(true);
  expect(rounds.at(-1)!.figures.aggregation_error).toBeLessThan(1e-15);
});

test("clients learn from each other's rows, what they send is as long as the formula says, and a stop changes nothing", async () => {
  const whole = await simulate("whole", {});
  const mean = (losses: Readonly<Record<string, number>>) =>
    Object.values(losses).reduce((a, b) => a + b) / 2;
  const [before, , after] = whole.rounds.map(({ heldOutLoss }) => mean(heldOutLoss));
  expect(after!).toBeLessThan(before! - 0.01);
  for (const { sentBytes, receivedBytes, formulaBytes } of whole.rounds.slice(1)) {
    // The names of the tensors, and documents, are on top.
    expect(sentBytes).toBeGreaterThan(formulaBytes.up);
    expect(sentBytes).toBeLessThan(formulaBytes.up + 25_000);
    expect(receivedBytes).toBeGreaterThan(formulaBytes.down);
    expect(receivedBytes).toBeLessThan(formulaBytes.down + 100_000);
  }

  const stop = new AbortController();
  const stopped = simulate(
    "stopped",
    {},
    {
      signal: stop.signal,
      onRound: ({ round }) => round === 1 && stop.abort(new Error("stopped")),
    },
  );
  await expect(stopped).rejects.toThrow("stopped");
  const gone = await simulate("stopped", {});
  expect(tensorsOf(gone.adapter).equals(tensorsOf(whole.adapter))).toBe(true);
  expect(gone.rounds.map(({ heldOutLoss }) => heldOutLoss)).toEqual(
    whole.rounds.map(({ heldOutLoss }) => heldOutLoss),
  );
  await expect(simulate("stopped", { rounds: 3 })).rejects.toThrow(/holds a simulation of other options/);
});

test("with A frozen the average loses nothing, and half is sent", async () => {
  const ffa = await simulate("ffa", { rounds: 1, aggregation: "ffa", method: "lora-fa" });
  const { figures, formulaBytes } = ffa.rounds[1]!;
  expect(figures.aggregation_error).toBeLessThan(1e-6);
  const plain = JSON.parse(readFileSync(join(scratch, "whole", "rounds.json"), "utf8"))[1];
  expect(formulaBytes.up).toBeLessThan(0.6 * plain.formulaBytes.up);
  await expect(simulate("ffa-of-lora", { rounds: 1, aggregation: "ffa" })).rejects.toThrow(/lora-fa/);
});

test("behind masks the average is the same but for the fixed point, and noise is accounted for", async () => {
  const clients = { clients: 3, rounds: 1, heldOut: 0, aggregation: "fedavg" } as const;
  const masked = await simulate("masked", { ...clients, task: { secure_aggregation: true } });
  const total = masked.clients.reduce((sum, { rows }) => sum + rows, 0);
  const tuned = await Promise.all(
    masked.clients.map(({ client }) =>
      read(join(scratch, "masked", "members", client, "round-00001", "run", "adapter")),
    ),
  );
  for (const [name, { data }] of await read(masked.adapter)) {
    for (const [i, value] of data.entries()) {
      const average = masked.clients.reduce(
        (sum, { rows }, client) => sum + (rows / total) * tuned[client]!.get(name)!.data[i]!,
        0,
      );
      expect(Math.abs(value - average)).toBeLessThan(2 ** -19 + 1e-6);
    }
  }
  const differential_privacy = { clip_norm: 0.5, noise_multiplier: 2, delta: 1e-5 };
  await expect(simulate("fixed-draw", { ...clients, task: { differential_privacy } })).rejects.toThrow(
    /sampling rate/,
  );
  const noisy = await simulate("noisy", {
    ...{ ...clients, task: { secure_aggregation: true, differential_privacy }, sampling: "poisson" },
  });
  // One round with all clients: the Gaussian mechanism, about sqrt(2 ln(1.25 / delta)) / 2 and a little more.
  expect(noisy.rounds[1]!.figures.epsilon).toBeCloseTo(2.3, 0);
});

test("a task may name any method of LoRA", () => {
  for (const method of ["lora", "qlora", "lora-fa", "dora"]) {
    const task = { framework: "fedllm", aggregation: "product", tuning: { method } };
    expect(checkTask(task, "The run").tuning).toEqual({ method });
  }
});

test.each<[string, object, RegExp]>([
  ["a method without an adapter", { tuning: { method: "full" } }, /method "full" does not tune A and B/],
  ["a method that changes the weights first", { tuning: { method: "pissa" } }, /method "pissa" does not/],
  ["an option that names a program", { tuning: { reward_module: "steal.js" } }, /reward_module/],
  ["masks around what needs each update", { secure_aggregation: true }, /needs each update/],
])("%s is refused", (_, changes, message) => {
  const task = { framework: "fedllm", aggregation: "product", tuning: {}, ...changes };
  expect(() => checkTask(task, "The run")).toThrow(message);
});

async function read(adapter: string) {
  return decodeTensors(tensorsOf(adapter), "the adapter");
}
