/** @file The queue of jobs: commands of slimtune in processes of their own, kept as files so that they outlast the studio. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { readJson } from "../node/files/structured.ts";
import { makeFolder, remove, writeWhole } from "../node/files/write.ts";
import { ApiError } from "../server/api-error.ts";
import type { Id, Job, StudioEvent } from "./api.ts";
import { type CheckedRequest, type JobPlan, type JobPlanner, jobRequestSchema } from "./job-plan.ts";

export interface Jobs {
  /** Starts those that wait; before, none is started. */
  start(): void;
  /** All jobs, the newest first. */
  list(): Job[];
  /** Puts a job into the queue. @throws as the planner does, ApiError 429 if too many wait. */
  add(request: CheckedRequest): Job;
  /** The command line of the job that a request asks for, which is checked and not started. @throws as the planner does. */
  commandOf(request: CheckedRequest): string;
  /** Ends a job: one that tunes keeps a checkpoint. Asked again, it is ended at once. @throws ApiError 400 or 404 */
  stop(id: Id): Job;
  /** Forgets a job that has ended. @throws ApiError 400 or 404 */
  remove(id: Id): void;
  /** Whether a job is writing or reading a run, or will. */
  isBusy(run: Id): boolean;
  /** Ends all processes; jobs that wait go on when the studio is started again. */
  close(): Promise<void>;
}

export interface JobsOptions {
  /** Where they are kept. */
  readonly folder: string;
  readonly planner: JobPlanner;
  readonly publish: (event: StudioEvent) => void;
  /** Tuning runs at a time. Default 1. */
  readonly atATime?: number;
  /** The command line's program. Default: this package's. */
  readonly program?: string;
}

const recordSchema = z.strictObject({
  id: z.string().regex(/^[\da-f]{16}$/),
  request: jobRequestSchema,
  command: z.string(),
  state: z.enum(["waiting", "running", "done", "failed", "stopped", "interrupted"]),
  createdAt: z.number(),
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  run: z.string().optional(),
  output: z.array(z.string()),
});

type JobRecord = z.infer<typeof recordSchema>;

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  /** Whether it was asked to end, and by whom. */
  stoppedBy?: "person" | "studio";
}

/** The most jobs that wait. */
const maximumWaiting = 50;

/** Lines of a job's output that are kept, and characters of each. */
const keptLines = 30;
const keptCharacters = 300;

/** Milliseconds between two times that a job's output is told. */
const outputInterval = 500;

/** Milliseconds that processes have to end with the studio. */
const grace = 15_000;

/** Of this package, wherever this file is: built or not. */
const root = new URL("../../", import.meta.url);
const endWithStudio = new URL("dist/studio/end-with-studio.js", root).href;
const slimtune = fileURLToPath(new URL("bin/slimtune.js", root));

/** Opens the queue; what was running when the studio ended has been interrupted. @throws InputError if a record is damaged. */
export function openJobs({ folder, planner, publish, atATime = 1, program = slimtune }: JobsOptions): Jobs {
  makeFolder(folder);
  const records = new Map<Id, JobRecord>();
  const running = new Map<Id, Running>();
  let mayStart = false;
  const recordPath = (id: Id) => join(folder, `${id}.json`);
  const optionsPath = (id: Id) => join(folder, `${id}.yaml`);

  function update(record: JobRecord, changes: Partial<JobRecord>): JobRecord {
    const updated = { ...record, ...changes };
    records.set(record.id, updated);
    writeWhole(recordPath(record.id), `${JSON.stringify(updated, null, 2)}\n`);
    publish({ kind: "job", job: toJob(updated) });
    return updated;
  }

  function end(record: JobRecord, state: JobRecord["state"], ...lines: readonly string[]): JobRecord {
    const output = [...record.output, ...lines].slice(-keptLines);
    return update(record, { state, output, endedAt: Date.now() });
  }

  /** Starts what may start, the oldest first. */
  function startNext(): void {
    const waiting = [...records.values()]
      .filter(({ state }) => state === "waiting")
      .sort((a, b) => a.createdAt - b.createdAt);
    for (const record of waiting) {
      const isAlike = (id: Id) => isTuning(records.get(id)!) === isTuning(record);
      const places = isTuning(record) ? atATime : 1;
      if (mayStart && [...running.keys()].filter(isAlike).length < places) start(record);
    }
  }

  function start(record: JobRecord): void {
    let plan: JobPlan;
    try {
      plan = planner.plan(record.request);
      if (plan.out !== undefined) makeFolder(dirname(plan.out));
    } catch (error) {
      end(record, "failed", (error as Error).message);
      return;
    }
    const words = [...plan.words];
    if (plan.options) {
      writeWhole(optionsPath(record.id), stringify(plan.options));
      words.push("--config", optionsPath(record.id));
    }
    const { FORCE_COLOR: _, ...env } = process.env;
    const child = spawn(process.execPath, ["--import", endWithStudio, program, ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env,
    });
    const job: Running = { child, ended: watchEnd(child).then((how) => finish(job, record.id, how)) };
    running.set(record.id, job);
    update(record, { state: "running", startedAt: Date.now() });
    collectOutput(record.id, child);
  }

  /** @param how the exit code or, where there is none, what happened */
  function finish({ stoppedBy }: Running, id: Id, how: number | string): void {
    running.delete(id);
    const record = records.get(id)!;
    if (how === 0) end(record, "done");
    else if (stoppedBy !== undefined) end(record, stoppedBy === "person" ? "stopped" : "interrupted");
    else if (how === 130) end(record, "interrupted");
    else end(record, "failed", ...(typeof how === "string" ? [how] : []));
    startNext();
  }

  function collectOutput(id: Id, child: ChildProcess): void {
    let isTelling = false;
    const tell = () => {
      isTelling = false;
      const record = records.get(id);
      if (record?.state === "running") publish({ kind: "job", job: toJob(record) });
    };
    for (const stream of [child.stdout!, child.stderr!]) {
      let open = "";
      stream.setEncoding("utf8").on("data", (text: string) => {
        const lines = (open + text).split(/\r?\n|\r/);
        open = lines.pop()!.slice(0, keptCharacters);
        keep(id, lines);
        if (!isTelling) setTimeout(tell, outputInterval);
        isTelling = true;
      });
      stream.on("end", () => keep(id, [open]));
    }
  }

  function keep(id: Id, lines: readonly string[]): void {
    const record = records.get(id)!;
    const shown = lines.filter((line) => line.trim() !== "").map((line) => line.slice(0, keptCharacters));
    records.set(id, { ...record, output: [...record.output, ...shown].slice(-keptLines) });
  }

  function find(id: Id): JobRecord {
    const record = records.get(id);
    if (!record) throw new ApiError(404, "There is no such job any more.");
    return record;
  }

  const isBusy = (run: Id) =>
    [...records.values()].some(
      (record) => record.run === run && (record.state === "waiting" || record.state === "running"),
    );

  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".json")) continue;
    const record = readJson(join(folder, name), recordSchema, "remove it");
    records.set(record.id, record);
  }
  for (const record of [...records.values()]) if (record.state === "running") end(record, "interrupted");

  return {
    start() {
      mayStart = true;
      startNext();
    },
    list: () => [...records.values()].sort((a, b) => b.createdAt - a.createdAt).map(toJob),
    add(request) {
      const waiting = [...records.values()].filter(({ state }) => state === "waiting");
      if (waiting.length >= maximumWaiting)
        throw new ApiError(429, `${maximumWaiting} jobs are waiting; stop some of them first.`);
      const plan = planner.plan(request);
      if (plan.run !== undefined && isTuning({ request }) && isBusy(plan.run))
        throw new InputError(
          "Another job is at this run, or waits for it; choose another name, or stop that job.",
        );
      const record = update(
        {
          id: randomBytes(8).toString("hex"),
          request,
          command: plan.command,
          state: "waiting",
          createdAt: Date.now(),
          ...(plan.run !== undefined && { run: plan.run }),
          output: [],
        },
        {},
      );
      startNext();
      return toJob(records.get(record.id)!);
    },
    commandOf: (request) => planner.plan(request).command,
    stop(id) {
      const record = find(id);
      if (record.state === "waiting") return toJob(end(record, "stopped"));
      const job = running.get(id);
      if (!job) throw new ApiError(400, "The job has ended already.");
      if (job.child.connected) job.child.disconnect();
      else job.child.kill("SIGKILL");
      job.stoppedBy = "person";
      return toJob(record);
    },
    remove(id) {
      const { state } = find(id);
      if (state === "waiting" || state === "running")
        throw new ApiError(400, "The job has not ended; stop it first.");
      records.delete(id);
      remove(recordPath(id));
      remove(optionsPath(id));
      publish({ kind: "job-removed", id });
    },
    isBusy,
    async close() {
      mayStart = false;
      const jobs = [...running.values()];
      for (const job of jobs) {
        job.stoppedBy ??= "studio";
        if (job.child.connected) job.child.disconnect();
      }
      const deadline = setTimeout(() => {
        for (const { child } of jobs) child.kill("SIGKILL");
      }, grace);
      await Promise.all(jobs.map(({ ended }) => ended));
      clearTimeout(deadline);
    },
  };
}

/** Fulfilled with the exit code or, where there is none, what happened, once all output is read. */
async function watchEnd(child: ChildProcess): Promise<number | string> {
  // Node has no "close" for a process to which the line was cut.
  const outputs = [child.stdout!, child.stderr!].map(
    (stream) => new Promise((resolve) => stream.once("close", resolve)),
  );
  const how = await new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? `The process was ended by ${signal}.`));
    child.once("error", ({ message }) => resolve(`The process could not be started: ${message}.`));
  });
  await Promise.all(outputs);
  return how;
}

function isTuning({ request: { kind } }: { readonly request: CheckedRequest }): boolean {
  return kind === "tune" || kind === "resume";
}

function toJob({ request, ...job }: JobRecord): Job {
  return { kind: request.kind, ...job } as Job;
}
