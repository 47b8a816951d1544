/** @file The index of runs: what their folders say, read again only where it has changed. Folders are the truth; this is forgotten at will. */

import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { giveWay } from "../core/event-loop.ts";
import { parseFields } from "../core/parse-fields.ts";
import { estimateSecondsLeft } from "../core/training/step-plan.ts";
import { isLocked } from "../node/files/lock.ts";
import { readText } from "../node/files/read.ts";
import { anyFields, parseYaml, readYaml } from "../node/files/structured.ts";
import { type PlanFile, readPlan } from "../node/training/plan-file.ts";
import { type RunFolder, runFolder } from "../node/training/run-folder.ts";
import { ApiError } from "../server/api-error.ts";
import type { GivenOptions, Id, RunState, RunSummary, Sample, StudioEvent } from "./api.ts";
import type { Folders, FoundFolder } from "./folders.ts";
import { idOf } from "./ids.ts";
import { createLineTail, type LineTail } from "./line-tail.ts";

export interface RunIndex {
  /** Looks at the folders anew and tells of what has changed. */
  refresh(): Promise<void>;
  /** The runs as they were seen last, those that began last first. */
  list(): RunSummary[];
  /** @throws ApiError 404 if there is none of this id. */
  find(id: Id): IndexedRun;
}

export interface IndexedRun {
  readonly summary: RunSummary;
  readonly samples: readonly Sample[];
  /** Folder of the result; undefined if the run is not finished. */
  readonly result: string | undefined;
  /** Its options. @throws InputError if config.yaml is damaged. */
  config(): GivenOptions;
}

export interface RunIndexOptions {
  readonly folders: Folders;
  readonly noteOf: (run: Id) => string;
  /** Takes what has changed since the first look. */
  readonly publish: (event: StudioEvent) => void;
}

/** What is kept of a run between two looks. */
interface Entry {
  readonly folder: RunFolder;
  readonly metrics: LineTail<Totals>;
  readonly samples: LineTail<Sample[]>;
  options: z.infer<typeof optionsSchema>;
  plan: PlanFile | undefined;
  /** How many samples were told of. */
  toldSamples: number;
  seen: Seen;
  summary: RunSummary;
}

/** Files of a run that a look is about. */
const watched = ["config", "metrics", "plan", "samples"] as const;
type Watched = (typeof watched)[number];

/** What a look finds, which is the same as long as nothing has changed. */
interface Seen extends Readonly<Record<Watched, string>> {
  readonly state: RunState;
  readonly note: string;
}

const optionsSchema = z.object({
  model: z.string(),
  data: z.string(),
  method: z.string().default("lora"),
  objective: z.string().default("sft"),
});

/** Sums over the lines of metrics.jsonl. */
interface Totals {
  step: number;
  loss?: number;
  seconds: number;
  tokens: number;
  peakBytes?: number;
  firstEvalLoss?: number;
  bestEvalLoss?: number;
  evaluationSeconds?: number;
}

/** Runs that are looked at before others have their turn. */
const runsAtATime = 50;

/** The most samples that are kept of a run, and characters of each. */
const maximumSamples = 1000;
const maximumSampleLength = 4000;

export function createRunIndex({ folders, noteOf, publish }: RunIndexOptions): RunIndex {
  const entries = new Map<Id, Entry>();
  let hasLooked = false;
  let looking: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  const tell: typeof publish = (event) => {
    if (hasLooked) publish(event);
  };

  async function look(): Promise<void> {
    const seen = new Set<Id>();
    let looked = 0;
    for (const found of folders.walk(isRun)) {
      if (!isRun(found)) continue;
      const id = idOf(found.path);
      try {
        await lookAt(id, found);
      } catch {
        // It is being written or removed at this moment, or damaged: what was known of it stays.
      }
      if (entries.has(id)) seen.add(id);
      if (++looked % runsAtATime === 0) await giveWay();
    }
    for (const id of entries.keys()) {
      if (seen.has(id)) continue;
      entries.delete(id);
      tell({ kind: "run-removed", id });
    }
    hasLooked = true;
  }

  async function lookAt(id: Id, found: FoundFolder): Promise<void> {
    const entry = entries.get(id) ?? beginEntry(found);
    const { folder, seen: before, samples } = entry;
    const seen: Seen = {
      ...mapWatched((name) => describeFile(found, folder[name])),
      state: stateOf(found, folder),
      note: noteOf(id),
    };
    if (isDeepStrictEqual(seen, before)) return;
    if (seen.config !== before.config) entry.options = readMainOptions(folder.config);
    if (seen.plan !== before.plan) entry.plan = findPlan(folder);
    const isLonger = seen.metrics !== before.metrics && (await entry.metrics.read());
    if (seen.samples !== before.samples) await samples.read();
    entry.seen = seen;
    entry.summary = summarize(id, found, entry);
    entries.set(id, entry);
    tell({ kind: "run", run: entry.summary });
    if (isLonger) tell({ kind: "metrics", run: id });
    for (const sample of samples.value.slice(entry.toldSamples)) tell({ kind: "sample", run: id, sample });
    entry.toldSamples = samples.value.length;
  }

  function refresh(): Promise<void> {
    if (!looking) {
      looking = look().finally(() => {
        looking = undefined;
      });
      return looking;
    }
    // What has changed since a look began may have escaped it.
    queued ??= looking.then(() => {
      queued = undefined;
      return refresh();
    });
    return queued;
  }

  return {
    refresh,
    list: () => [...entries.values()].map(({ summary }) => summary).sort((a, b) => b.startedAt - a.startedAt),
    find(id) {
      const entry = entries.get(id);
      if (!entry) throw new ApiError(404, "There is no such run any more; its folder was moved or removed.");
      const { summary, folder, samples } = entry;
      return {
        summary,
        samples: samples.value,
        result: findResult(folder),
        config: () => parseFields(anyFields, readYaml(folder.config), folder.config),
      };
    },
  };
}

/** Whether a folder holds a run that was begun. */
function isRun({ files }: FoundFolder): boolean {
  return files.has("config.yaml") && files.has("inputs.json");
}

function beginEntry({ path }: FoundFolder): Entry {
  const folder = runFolder(path);
  return {
    folder,
    metrics: createLineTail(folder.metrics, () => ({ step: 0, seconds: 0, tokens: 0 }), addLine),
    samples: createLineTail(folder.samples, () => [], addSample),
    options: { model: "", data: "", method: "", objective: "" },
    plan: undefined,
    toldSamples: 0,
    seen: { ...mapWatched(() => ""), state: "interrupted", note: "" },
    summary: {} as RunSummary,
  };
}

function mapWatched(map: (name: Watched) => string): Record<Watched, string> {
  return { config: map("config"), metrics: map("metrics"), plan: map("plan"), samples: map("samples") };
}

/** What changes with a file; "" if there is none. */
function describeFile({ files }: FoundFolder, path: string): string {
  const found = files.has(basename(path)) ? statSync(path, { throwIfNoEntry: false }) : undefined;
  return found ? [found.ino, found.size, found.mtimeMs].join() : "";
}

function summarize(
  id: Id,
  { path, name }: FoundFolder,
  { folder, seen, options, plan, metrics }: Entry,
): RunSummary {
  const { step, seconds, tokens, evaluationSeconds, ...values } = metrics.value;
  const left =
    seen.state === "running" && plan && step > 0
      ? estimateSecondsLeft(
          {
            totalSteps: plan.total_steps,
            evalSteps: plan.eval_steps,
            evaluations: plan.evaluations,
            heldOutTokens: plan.held_out_tokens,
          },
          { step, seconds, tokens },
          evaluationSeconds,
        )
      : undefined;
  return {
    id,
    path,
    name: name || basename(path),
    state: seen.state,
    ...options,
    model: existsSync(options.model) ? resolve(options.model) : options.model,
    step,
    ...(plan && { totalSteps: plan.total_steps }),
    ...values,
    ...(seconds > 0 && { tokensPerSecond: tokens / seconds }),
    startedAt: changeOf(folder.config),
    changedAt: Math.max(...watched.map((file) => changeOf(folder[file]))),
    ...(left !== undefined && { secondsLeft: left }),
    note: seen.note,
  };
}

/** Milliseconds since 1970; 0 if there is no such file. */
function changeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** A run without a plan, or with a damaged one, is shown without what that would tell. */
function findPlan({ plan }: RunFolder): PlanFile | undefined {
  try {
    return readPlan(plan);
  } catch {
    return undefined;
  }
}

/** The lines of config.yaml that a table of runs shows; to read all of the file would take ten times as long. */
function readMainOptions(path: string): z.infer<typeof optionsSchema> {
  const lines = readText(path).match(/^(?:model|data|method|objective):.*(?:\n[ \t].*|\n$)*/gm) ?? [];
  return parseFields(optionsSchema, parseYaml(lines.join("\n"), path), path);
}

function stateOf({ path, files, folders }: FoundFolder, folder: RunFolder): RunState {
  const mayBeFinished = folders.has("adapter") || folders.has("model");
  if (mayBeFinished && findResult(folder) !== undefined) return "finished";
  return files.has("lock") && isLocked(path) ? "running" : "interrupted";
}

function findResult({ adapter, model }: RunFolder): string | undefined {
  if (existsSync(join(adapter, "adapter_config.json"))) return adapter;
  return existsSync(join(model, "config.json")) ? model : undefined;
}

function addLine(totals: Totals, line: Readonly<Record<string, unknown>>): void {
  const { step, loss, eval_loss, seconds, tokens, peak_rss_bytes } = line as Readonly<
    Record<string, number | undefined>
  >;
  if (typeof step !== "number") return;
  if (typeof eval_loss === "number") {
    totals.firstEvalLoss ??= eval_loss;
    totals.bestEvalLoss = Math.min(totals.bestEvalLoss ?? eval_loss, eval_loss);
    if (typeof seconds === "number") totals.evaluationSeconds = seconds;
    return;
  }
  totals.step = step;
  if (typeof loss === "number") totals.loss = loss;
  if (typeof seconds === "number") totals.seconds += seconds;
  if (typeof tokens === "number") totals.tokens += tokens;
  if (typeof peak_rss_bytes === "number") totals.peakBytes = peak_rss_bytes;
}

function addSample(samples: Sample[], { step, prompt, answer }: Readonly<Record<string, unknown>>): void {
  if (typeof step !== "number" || typeof prompt !== "string" || typeof answer !== "string") return;
  if (samples.length === maximumSamples) return;
  const cut = (text: string) => text.slice(0, maximumSampleLength);
  samples.push({ step, prompt: cut(prompt), answer: cut(answer) });
}
