import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { simulateFederation } from "../../federation/simulate.ts";
import { resumeStudy, runStudy } from "../run-study.ts";
import { parseStudyConfig, type StudyOptions } from "../study-config.ts";
import { studyFolder } from "../study-folder.ts";
import { rebuildReport } from "../study-report.ts";
import { listFederatedParts } from "./parts.ts";
import type { FederatedResults } from "./results.ts";

vi.mock("../run-part.ts", () => import("../in-process.fixture.ts"));
// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-federated-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const out = join(scratch, "study");

/** The study that the documentation shows, with less of everything. */
const shown = parse(readFileSync("docs/results/miniature-federated/study.yaml", "utf8"));
const study: StudyOptions<"federated"> = {
  ...shown,
  data_limit: 16,
  limit: 6,
  clients: 2,
  partitions: ["iid"],
  frameworks: ["fedllm", "kd", "split"],
  cut: 2,
  aggregations: ["product"],
  public: "fixtures/miniature/math-held-out.jsonl",
  public_rows: 8,
  minimum_rows: 4,
  rounds: 2,
  run: { max_steps: 2, batch_size: 4, learning_rate: 5e-3, threads: 1, lora: { r: 2, lora_alpha: 4 } },
};

test("frameworks are compared with one place and with clients alone, on the same held-out rows", async () => {
  const parts: string[] = [];
  const { outcome, results, report } = await runStudy(study, out, {
    onPart: ({ name }, reason) => void parts.push([name, ...(reason ?? [])].join("")),
  });
  expect(outcome).toBe("finished");
  expect(parts.slice(0, 11)).toEqual([
    "base: evaluation",
    "base-iid: losses",
    "central-iid: tuning",
    "central-iid: losses",
    "central-iid: evaluation",
    "alone-iid, client-1: tuning",
    "alone-iid, client-2: tuning",
    "alone-iid: losses",
    "alone-iid/client-1: evaluation",
    "alone-iid/client-2: evaluation",
    "fedllm-product-iid: federation",
  ]);
  const found = results as FederatedResults;
  const wayOf = (way: string, partition = "iid") =>
    found.ways.find((one) => one.way === way && one.partition === partition)!;
  const names = ["base", "central", "alone", "fedllm-product", "kd", "split"];
  const [base, central, alone, fedllm, kd, split] = names.map((way) => wayOf(way)) as [
    ReturnType<typeof wayOf>,
    ...ReturnType<typeof wayOf>[],
  ];
  expect(central!.losses[0]).toBe(base.loss.value);
  expect(fedllm!.losses[0]).toBeCloseTo(base.loss.value, 6);
  for (const way of [central!, alone!, fedllm!, kd!, split!]) {
    expect(way.losses).toHaveLength(3);
    expect(way.losses.at(-1)).toBe(way.loss.value);
    expect(way.loss.value).toBeLessThan(base.loss.value);
    expect(way.worst).toBeGreaterThan(way.loss.value);
  }
  expect(base.roundsToTarget).toEqual([null]);
  expect(central!.roundsToTarget[0]).toBeGreaterThan(0);

  // The trained numbers in float32; the measured bytes have names and documents besides.
  const { trained } = found.cells.find(({ id }) => id === "fedllm-product-iid")!;
  expect(fedllm!.formulaBytes).toEqual({ up: 4 * trained!, down: 4 * trained! });
  expect(fedllm!.sentBytes).toBeGreaterThan(fedllm!.formulaBytes.up);
  expect(alone!.sentBytes).toBe(0);
  expect(kd!.sentBytes).toBeGreaterThan(kd!.formulaBytes.up);
  expect(kd!.multiplyAdds).toBeGreaterThan(fedllm!.multiplyAdds);
  expect(split!.multiplyAdds).toBeLessThan(0.7 * fedllm!.multiplyAdds);
  // A client tunes on as many tokens with others as alone.
  expect(fedllm!.multiplyAdds).toBeCloseTo(alone!.multiplyAdds, 0);
  expect(fedllm!.aggregationErrors).toHaveLength(2);

  const compared = found.comparisons.find(
    ({ partition, way, against, quantity }) =>
      partition === "iid" && way === "fedllm-product" && against === "alone" && quantity === "held-out loss",
  )!;
  expect(compared.difference.value).toBeCloseTo(fedllm!.loss.value - alone!.loss.value, 9);
  expect(compared.difference.low).toBeLessThan(compared.difference.value);
  expect(fedllm!.membership!.before).toEqual(base.membership!.after);
  const scores = alone!.scores.miniature_commonsense!;
  expect(scores.difference.value).toBeCloseTo(scores.score.value - found.tasks[0]!.base.value, 9);

  expect(found.divisions.map(({ clients }) => clients.length)).toEqual([2]);
  const [{ clients }] = found.divisions as [(typeof found.divisions)[0]];
  for (const { classes } of clients) expect(classes).toEqual({ math: 8, commonsense: 8, computing: 8 });
  expect(readFileSync(report!, "utf8")).toContain("What the paper says");
});

const tensorsOf = (adapter: string) => readFileSync(join(adapter, "adapter_model.safetensors"));

test("a client alone is tuned as in a federation of its own, to the bit", async () => {
  const { threads, ...tuning } = study.run!;
  const { adapter } = await simulateFederation({
    task: {
      ...{ framework: "fedllm", aggregation: "fedavg", secure_aggregation: false },
      tuning: { ...tuning, apply_chat_template: true, seed: 1 },
    },
    own: { model: study.model, data: join(out, "data/iid-1/client-1.jsonl"), threads: 1 },
    rounds: {
      ...{ rounds: 2, client_share: 1, sampling: "fixed", quorum: 1, seed: 1 },
      ...{ join_seconds: 60, deadline_seconds: 60 },
    },
    division: { clients: 1, alpha: Number.POSITIVE_INFINITY, heldOut: 0, seed: 1 },
    out: join(scratch, "own"),
  });
  const alone = tensorsOf(join(out, "runs/alone-iid/client-1/round-2/adapter"));
  // The rows of a client are divided anew, in their order.
  expect(alone.equals(tensorsOf(adapter))).toBe(true);
});

test.each(["central-iid: tuning", "fedllm-product-iid: federation"])(
  "a part that is stopped, and goes on, gives the same: %s",
  async (name) => {
    const path = join(scratch, "stopped");
    const folder = studyFolder(path);
    const { parts } = await listFederatedParts(parseStudyConfig(study, "The study") as never, folder);
    const part = parts.find((one) => one.name === name)!;
    const stop = new AbortController();
    const onProgress = (text: string) => /round 2/.test(text) && stop.abort();
    await part.compute({ signal: stop.signal, onProgress });
    expect([stop.signal.aborted, part.isDone()]).toEqual([true, false]);
    await part.compute({ signal: new AbortController().signal, onProgress() {} });
    expect(part.isDone()).toBe(true);
    const adapter = name.startsWith("central")
      ? "runs/central-iid/round-2/adapter"
      : "runs/fedllm-product-iid/adapter";
    expect(tensorsOf(join(path, adapter)).equals(tensorsOf(join(out, adapter)))).toBe(true);
  },
);

test("nothing is computed twice, also in a folder that was moved, and study.json alone gives the report again", async () => {
  const whole = readFileSync(join(out, "report.html"), "utf8");
  const parts: string[] = [];
  const moved = join(scratch, "moved");
  cpSync(out, moved, { recursive: true });
  expect(readFileSync(join(moved, "data/iid-1/division.json"), "utf8")).not.toContain("/");
  await resumeStudy(moved, { onPart: ({ name }) => void parts.push(name) });
  expect(parts).toEqual([]);
  const alone = join(scratch, "alone");
  mkdirSync(alone);
  cpSync(join(out, "study.json"), join(alone, "study.json"));
  const { page } = await rebuildReport(alone);
  expect(readFileSync(page, "utf8")).toBe(whole);
});

test.each<[object, string]>([
  [
    { run: { ...study.run, max_steps: undefined } },
    '"run" lacks "max_steps", the optimizer steps of a round',
  ],
  [{ run: { ...study.run, seed: 3 } }, '"run" sets "seed", which the study decides.'],
  [{ run: { ...study.run, reward_module: "steal.js" } }, "reward_module"],
  [{ run: { max_steps: 2, method: "full" } }, 'method "full" does not tune A and B'],
  [
    { aggregations: ["product", "ffa"], run: { max_steps: 2, method: "qlora" } },
    '"aggregations" names ffa, which is tuned by lora-fa',
  ],
  [{ partitions: ["skewed"] }, 'give "iid", or "dirichlet:" and a number'],
  [{ partitions: ["dirichlet:0"] }, '"partitions" names dirichlet:0, which divides nothing'],
  [{ partitions: ["iid", "iid"] }, '"partitions" names iid twice; name it once.'],
  [{ frameworks: ["fedavg"] }, "frameworks"],
  [{ public: undefined }, '"frameworks" names kd, which predicts public rows; name their file by "public".'],
  [{ data: {} }, "there is no data to tune on"],
  [{ clients: 1 }, "clients"],
])("%j is refused", (change, sentence) => {
  expect(() => parseStudyConfig({ ...study, ...change }, "The file")).toThrow(sentence);
});

test("what is not there, or cannot be divided, is told", async () => {
  const at = (name: string) => join(scratch, name);
  await expect(runStudy({ ...study, data: { a: "nowhere.jsonl" } }, at("missing"))).rejects.toThrow(
    "nowhere.jsonl",
  );
  await expect(runStudy({ ...study, public: "elsewhere.jsonl" }, at("unheard"))).rejects.toThrow(
    "elsewhere.jsonl",
  );
  await expect(runStudy({ ...study, minimum_rows: 40 }, at("few"))).rejects.toThrow(/too few for 2 clients/);
  await expect(runStudy({ ...study, class_field: "subject" }, at("classes"))).rejects.toThrow(
    /line 1: there is no field "subject" to divide the rows by/,
  );
});
