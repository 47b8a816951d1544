import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { StudyOptions } from "../studies/study-config.ts";
import { type Broker, hasNatsServer, startBroker } from "../transport/nats-server.fixture.ts";
import { isInside, taskSchema } from "./task.ts";

// The built modules (npm test builds them first), since parts are processes of their own.
const built = resolve("dist");
const load = (path: string) => import(pathToFileURL(join(built, path)).href);
const { runStudy }: typeof import("../studies/run-study.ts") = await load("studies/run-study.js");
const { localWorkers }: typeof import("../studies/run-part.ts") = await load("studies/run-part.js");
const { shardWorkers }: typeof import("../studies/shard-workers.ts") = await load("studies/shard-workers.js");
const { runEvaluation }: typeof import("../evaluation/run-evaluation.ts") = await load(
  "evaluation/run-evaluation.js",
);
const { fleetWorkers }: typeof import("./fleet-workers.ts") = await load("fleet/fleet-workers.js");
const { openNatsTransport }: typeof import("../transport/nats-transport.ts") = await load(
  "transport/nats-transport.js",
);
const { openLocalTransport }: typeof import("../transport/local-transport.ts") = await load(
  "transport/local-transport.js",
);

const root = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "slimtune-fleet-"));
const workers = new Set<ChildProcess>();
let broker: Broker | undefined;
afterAll(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await broker?.remove();
  process.chdir(root);
  rmSync(folder, { recursive: true });
});

const options: { readonly kind: "seeds" } & StudyOptions<"seeds"> = {
  kind: "seeds",
  model: "fixtures/embedded-model",
  data: { math: "fixtures/miniature/math-train.jsonl" },
  methods: ["lora"],
  tasks: ["miniature_commonsense"],
  task_files: ["fixtures/miniature/benchmarks"],
  seeds: [1, 2],
  limit: 5,
  date: "2026-01-02",
  run: { max_steps: 3, batch_size: 2, validation: 0, warmup_ratio: 0 },
};

/** An evaluation of an adapter that the study has tuned. */
const evaluation = {
  model: "fixtures/embedded-model",
  adapter: "adapter",
  tasks: ["miniature_math"],
  taskFiles: ["fixtures/miniature/benchmarks"],
  limit: 16,
  cache: false,
} as const;

/** Files that tell of times, or are named by them. */
const timed =
  /metrics\.jsonl|efficiency\.json|study\.|report\.|summary\.json|machines\.json|\.html|\.md|\.csv/;

/** The hashes of a study's or an evaluation's files: of the timed ones only that they are there, of others all but the order of answers. */
function readFolder(path: string): Record<string, string> {
  const hash = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex");
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const isKept = entry.isFile() && !entry.parentPath.endsWith("tensorboard");
    return isKept ? [join(entry.parentPath, entry.name).slice(path.length + 1)] : [];
  });
  return Object.fromEntries(
    files.sort().map((file) => {
      const bytes = readFileSync(join(path, file));
      const text = bytes.toString("utf8");
      if (file.endsWith("results.json")) return [file, JSON.stringify(JSON.parse(text).results)];
      if (file.endsWith("progress.json")) {
        const { seconds: _, usage: __, ...progress } = JSON.parse(text);
        return [file, hash(JSON.stringify(progress))];
      }
      if (file.endsWith("answers.jsonl")) {
        // Which of two equal models answered first, and for the other as well, is chance.
        const answers = text.replaceAll(',"isTaken":true', "").split("\n");
        return [file, hash(answers.sort().join("\n"))];
      }
      return [file, timed.test(file) && file !== "study.yaml" ? "" : hash(bytes)];
    }),
  );
}

/** Its paths are in its files, so each study takes the place of the one before. */
const path = join("here", "study");
let expected: Record<string, string>;
let scores: Record<string, string>;

beforeAll(async () => {
  cpSync("fixtures/embedded-model", join(folder, "fixtures/embedded-model"), { recursive: true });
  cpSync("fixtures/miniature", join(folder, "fixtures/miniature"), { recursive: true });
  process.chdir(folder);
  expect((await runStudy(options, path, { workers: localWorkers(2) })).outcome).toBe("finished");
  expected = readFolder(path);
  const tuned = Object.keys(expected).find((file) => file.endsWith("adapter_model.safetensors"))!;
  cpSync(dirname(join(path, tuned)), evaluation.adapter, { recursive: true });
  await runEvaluation({ ...evaluation, out: "here/alone" });
  scores = readFolder("here/alone");
  expect(Object.keys(scores)).toHaveLength(4);
  rmSync("here", { recursive: true });
}, 300_000);
afterEach(() => rmSync("here", { recursive: true, force: true }));

// Which processes are this one's children is told by Linux alone.
function killChild() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
  const victims = children.trim().split(" ");
  process.kill(Number(victims[Math.floor(Math.random() * victims.length)]), "SIGKILL");
}

test.skipIf(process.platform !== "linux")(
  "a study of two processes that are killed is the same, and so is an evaluation",
  async () => {
    let kills = 0;
    const { outcome, results } = await runStudy(options, path, {
      workers: localWorkers(2),
      onProgress() {
        // A part whose process vanishes three times is given up.
        if (kills === 2) return;
        killChild();
        kills++;
      },
    });
    expect(kills).toBe(2);
    expect(outcome).toBe("finished");
    expect(results!.cells.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(readFolder(path)).toEqual(expected);

    const shards = new Set<string>();
    await runEvaluation(
      { ...evaluation, out: "here/shared", workers: shardWorkers(localWorkers(2)) },
      {
        onStage(text) {
          const [shard] = /^\w+, shard \d+ of \d+/.exec(text) ?? [];
          if (shard !== undefined && shards.size === 0) killChild();
          if (shard !== undefined) shards.add(shard);
        },
      },
    );
    expect(shards.size).toBeGreaterThan(2);
    expect(readFolder("here/shared")).toEqual(scores);
  },
  300_000,
);

test("a study of a fleet whose workers are killed is the same, and so is an evaluation", async () => {
  broker = hasNatsServer ? await startBroker() : undefined;
  const place = join(folder, "transport");
  const transport = broker ? await openNatsTransport({ url: broker.url }) : openLocalTransport(place);
  let started = 0;
  const { url } = broker ?? {};
  const startWorker = () => {
    const own = join(folder, `worker-${started++}`);
    const words = url
      ? [join(root, "bin/slimtune.js"), "worker", "--nats", url, "--folder", own]
      : ["--input-type=module", "-e", describeWorker(place, own)];
    const worker = spawn(process.execPath, words, { cwd: tmpdir(), stdio: "ignore" });
    workers.add(worker);
    worker.once("exit", () => workers.delete(worker));
  };

  for (let i = 0; i < 2; i++) startWorker();
  let told = 0;
  const { outcome, results } = await runStudy(options, path, {
    workers: fleetWorkers(transport, "fleet", { leaseMs: 4000 }),
    onProgress(_, text) {
      if (text === "waiting for a worker" || ++told % 3 !== 0 || started > 3) return;
      const victims = [...workers];
      victims[Math.floor(Math.random() * victims.length)]?.kill("SIGKILL");
      startWorker();
    },
  });
  expect(started).toBeGreaterThan(2);
  expect(outcome).toBe("finished");
  expect(results!.cells.map(({ error }) => error)).toEqual([undefined, undefined]);
  expect(readFolder(path)).toEqual(expected);

  const before = started;
  const { results: shared } = await runEvaluation(
    {
      ...evaluation,
      out: "here/shared",
      workers: shardWorkers(fleetWorkers(transport, "fleet", { leaseMs: 4000 })),
    },
    {
      onStage(text) {
        if (started > before || !text.includes("reading the model")) return;
        for (const worker of workers) worker.kill("SIGKILL");
        for (let i = 0; i < 2; i++) startWorker();
      },
    },
  );
  expect(started).toBe(before + 2);
  expect(shared.slimtune.machines).toHaveLength(1);
  expect(readFolder("here/shared")).toEqual(scores);
  await transport.close();
}, 300_000);

test("a task names files in its folder, and nothing to run", () => {
  const file = { path: "data/a.jsonl", hash: "0".repeat(64), bytes: 3 };
  const task = { folder: "study", part: "base: evaluation", files: [file], inputs: [file], nonce: "1" };
  expect(taskSchema.safeParse(task).success).toBe(true);
  for (const bad of [
    { ...task, folder: "../study" },
    { ...task, folder: "/study" },
    { ...task, command: "rm" },
    { ...task, files: [{ ...file, path: "data/../../a" }] },
    { ...task, files: [{ ...file, path: "C:\\a" }] },
    { ...task, files: [{ ...file, hash: "../a" }] },
    { ...task, inputs: [{ ...file, bytes: -1 }] },
  ])
    expect(taskSchema.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  expect(isInside("a/../b")).toBe(true);
  expect(isInside("a/..")).toBe(false);
  expect(isInside("..")).toBe(false);
});

/** A program that works for the fleet of a folder. */
function describeWorker(place: string, own: string): string {
  return `
    import { openLocalTransport } from ${JSON.stringify(pathToFileURL(join(built, "transport/local-transport.js")).href)};
    import { runWorker } from ${JSON.stringify(pathToFileURL(join(built, "fleet/worker.js")).href)};
    const { signal } = new AbortController();
    const transport = openLocalTransport(${JSON.stringify(place)});
    await runWorker({ transport, fleet: "fleet", folder: ${JSON.stringify(own)}, name: "worker", signal });`;
}
