import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkTask, type FederationTask } from "../frameworks.ts";
import { type SimulationEvents, simulateFederation } from "../simulate.ts";
import { takePublicRows } from "./public-rows.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-distillation-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
const [data, others] = [join(scratch, "rows.jsonl"), join(scratch, "public.jsonl")];
writeFileSync(data, lines.slice(0, 8).join("\n"));
writeFileSync(others, lines.slice(8, 12).join("\n"));
const publicRows = await takePublicRows(others, 4, scratch);
const { rows, sha256 } = publicRows;
const task = checkTask(
  {
    ...{ framework: "kd", public: { rows, sha256 }, top_k: 8, distill_steps: 4 },
    tuning: { max_steps: 2, batch_size: 4, learning_rate: 2e-3, lora: { r: 2, lora_alpha: 4 } },
  },
  "The test",
);
const simulate = (name: string, changes: Partial<FederationTask> = {}, events?: SimulationEvents) =>
  simulateFederation(
    {
      ...{ task: { ...task, ...changes } as FederationTask, publicRows: publicRows.path },
      own: { model: "fixtures/embedded-model", data, threads: 1 },
      rounds: {
        ...{ rounds: 2, client_share: 1, quorum: 1, join_seconds: 60, deadline_seconds: 60, seed: 1 },
        sampling: "fixed",
      },
      division: { clients: 2, alpha: Number.POSITIVE_INFINITY, heldOut: 0.25, seed: 1 },
      out: join(scratch, name),
    },
    events,
  );

test("the server learns from predictions alone, which have the formula's bytes, and a stop changes nothing", async () => {
  const stop = new AbortController();
  const stopAt = {
    signal: stop.signal,
    onRound: ({ round }: { round: number }) => round === 1 && stop.abort(),
  };
  const whole = await simulate("whole");
  await expect(simulate("stopped", {}, stopAt)).rejects.toThrow();
  const gone = await simulate("stopped");
  const tensorsOf = (adapter: string) => readFileSync(join(adapter, "adapter_model.safetensors"));
  expect(tensorsOf(gone.adapter).equals(tensorsOf(whole.adapter))).toBe(true);
  for (const { figures, formulaBytes, sentBytes, work } of whole.rounds.slice(1)) {
    expect(figures.distillation_after).toBeLessThan(figures.distillation_before!);
    expect(sentBytes).toBeGreaterThan(formulaBytes.up);
    expect(sentBytes).toBeLessThan(formulaBytes.up + 5000);
    for (const { multiplyAdds } of Object.values(work)) expect(multiplyAdds).toBeGreaterThan(1e6);
  }
});

test("more entries than the vocabulary, and other public rows, are refused", async () => {
  await expect(simulate("wide", { top_k: 5000 })).rejects.toThrow(/5000 entries .* lower "top_k"/);
  const strange = { public: { rows, sha256: "0".repeat(64) } };
  await expect(simulate("strange", strange)).rejects.toThrow(/not the run's public rows/);
});
