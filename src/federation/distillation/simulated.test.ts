import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkTask, type FederationTask, openMemberPart, openParts } from "../frameworks.ts";
import { roundOptions } from "../rounds/documents.ts";
import { runInProcess } from "../rounds/in-process.ts";
import { createFederationMember } from "../rounds/member.ts";
import { createMemoryTransport } from "../rounds/memory-transport.fixture.ts";
import { createFederationServer } from "../rounds/server.ts";
import { simulateFederation } from "../simulate.ts";
import { describePublicRows } from "./public-rows.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-distillation-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
const [data, others] = [join(scratch, "rows.jsonl"), join(scratch, "public.jsonl")];
writeFileSync(data, lines.slice(0, 8).join("\n"));
writeFileSync(others, lines.slice(8, 12).join("\n"));
const publicRows = await describePublicRows(others, 4);
const task = checkTask(
  {
    ...{ framework: "kd", public: publicRows, top_k: 8, distill_steps: 4 },
    tuning: { max_steps: 2, batch_size: 4, learning_rate: 2e-3, lora: { r: 2, lora_alpha: 4 } },
  },
  "The test",
);
const simulate = (name: string, changes: Partial<FederationTask> = {}) =>
  simulateFederation({
    ...{ task: { ...task, ...changes } as FederationTask, publicRows: others },
    own: { model, data, threads: 1 },
    rounds: {
      ...{ rounds: 2, client_share: 1, quorum: 1, join_seconds: 60, deadline_seconds: 60, seed: 1 },
      sampling: "fixed",
    },
    division: { clients: 2, alpha: Number.POSITIVE_INFINITY, heldOut: 0.25, seed: 1 },
    out: join(scratch, name),
  });

const tensorsOf = (adapter: string) => readFileSync(join(adapter, "adapter_model.safetensors"));

test("the server learns from predictions alone, which have the formula's bytes", async () => {
  const whole = await simulate("whole");
  for (const { figures, formulaBytes, sentBytes, work } of whole.rounds.slice(1)) {
    expect(figures.distillation_after).toBeLessThan(figures.distillation_before!);
    expect(sentBytes).toBeGreaterThan(formulaBytes.up);
    expect(sentBytes).toBeLessThan(formulaBytes.up + 5000);
    for (const { multiplyAdds } of Object.values(work)) expect(multiplyAdds).toBeGreaterThan(1e6);
  }
});

test("a server and members that share nothing but a transport end with the same adapter, and a stop changes nothing", async () => {
  const { clients, adapter } = await simulate("whole");
  const rounds = roundOptions.parse({ run: "r", clients: clients.map(({ client }) => client), rounds: 2 });
  const transport = createMemoryTransport();
  const apart = join(scratch, "apart");
  const live = async (stopAfterSteps = Number.POSITIVE_INFINITY) => {
    let steps = 0;
    const stop = new AbortController();
    const { signal } = stop;
    const common = { task, rounds, publicRows: others, signal };
    const { server } = await openParts({
      ...{
        ...common,
        own: { model, threads: 1 },
        secret: new Uint8Array(32),
        folder: join(scratch, "server"),
      },
    });
    const parts = await Promise.all(
      clients.map(({ client, data, rows: examples }) =>
        openMemberPart({
          ...{ ...common, client, own: { model, data, threads: 1 }, examples, folder: join(scratch, client) },
          events: { onStep: () => void (++steps === stopAfterSteps && stop.abort()) },
        }),
      ),
    );
    try {
      const federation = createFederationServer({ transport, rounds, part: server });
      const members = clients.map(({ client }, i) =>
        createFederationMember({ transport, run: "r", client, part: parts[i]!, signal }),
      );
      await runInProcess(federation, members, signal);
      await server.write(apart, await federation.result());
    } finally {
      for (const part of [server, ...parts]) await part.release();
    }
  };
  // Within the second round.
  await expect(live(5)).rejects.toThrow(/was stopped/);
  await live();
  expect(tensorsOf(apart).equals(tensorsOf(adapter))).toBe(true);
  // Of the rounds' adapters those that a kill may ask for again.
  expect(readdirSync(join(scratch, "server", "adapters"))).toHaveLength(2);
});

test("more entries than the vocabulary, and other public rows, are refused", async () => {
  await expect(simulate("wide", { top_k: 5000 })).rejects.toThrow(/5000 entries .* lower "top_k"/);
  const strange = { public: { rows: 4, sha256: "0".repeat(64) } };
  expect(readdirSync(join(scratch, "wide"))).toEqual([]);
  await expect(simulate("strange", strange)).rejects.toThrow(/not the run's public rows/);
  const joining = { rounds: roundOptions.parse({ run: "r", clients: ["a"] }), client: "a", examples: 1 };
  const plain = checkTask({ framework: "fedllm" }, "The test");
  const given = { ...joining, own: { model, data }, folder: scratch, publicRows: others };
  await expect(openMemberPart({ ...given, task: plain })).rejects.toThrow(/leave out --public/);
});
