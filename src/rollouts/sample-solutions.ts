/** @file Solutions that a model samples, judged and kept one by one. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { keepSettings } from "../evaluation/begun-settings.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { openAppendLog } from "../node/files/append-log.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { withLock } from "../node/files/lock.ts";
import { readWhole } from "../node/files/read.ts";
import { writeWhole } from "../node/files/write.ts";
import { mathematicalJudge } from "../reasoning/judge.ts";
import { openWriter, type WriterOptions } from "../reasoning/open-writer.ts";
import { plainPrompt, promptOf } from "../reasoning/prompts.ts";
import { defaultSettings } from "../reasoning/run-reasoning.ts";
import type { Writer } from "../reasoning/writer.ts";
import { type ProblemSource, readSourceProblems } from "./problem-source.ts";
import {
  formatRollout,
  groupRollouts,
  type JudgedRollout,
  parseRollouts,
  type RolloutGroup,
  type RolloutMessage,
  type RolloutSettings,
  readSettings,
  rolloutFolder,
} from "./rollout.ts";
import { doSideBySide } from "./side-by-side.ts";
import { type RolloutSummary, summarizeRollouts } from "./summary.ts";

export interface SamplingRunOptions extends WriterOptions, ProblemSource {
  /** Folder, .gguf file or Hub id, or a server: "openai:http://127.0.0.1:8000/v1#name". */
  readonly model: string;
  /** Folder of an adapter in PEFT's layout. */
  readonly adapter?: string;
  /** Solutions of each problem. Default 8. */
  readonly n?: number;
  /** Default 1. */
  readonly temperature?: number;
  /** Default 1. */
  readonly topP?: number;
  /** Longest solution in tokens. Default 256. */
  readonly maxNewTokens?: number;
  /** Stands under each question; "" for none. Default that of `slimtune reason`. */
  readonly instruction?: string;
  /** Solved examples before each question. Default 0. */
  readonly examples?: number;
  /** Of the draws. Default 0. */
  readonly seed?: number;
  /** Folder of the rollouts: what was written there before is not written again. */
  readonly out: string;
  /** Ends the sampling; every solution so far is kept. */
  readonly signal?: AbortSignal;
}

export interface SamplingEvents {
  readonly onStage?: (stage: string) => void;
  /** Called before the first solution is asked for; from now on sampling can be interrupted and gone on with. */
  readonly onPlan?: (plan: { readonly problems: number; readonly n: number; readonly known: number }) => void;
  readonly onProgress?: (progress: {
    /** Solutions so far, with those that were known, of `total`. */
    readonly written: number;
    readonly total: number;
    readonly correct: number;
    /** Tokens written by this call. */
    readonly tokens: number;
  }) => void;
}

export interface SamplingOutcome {
  readonly folder: string;
  readonly settings: RolloutSettings;
  readonly groups: readonly RolloutGroup[];
  readonly summary: RolloutSummary;
}

/** A problem as it is asked. */
interface Asked extends Pick<JudgedRollout, "problem" | "id" | "question" | "gold" | "prompt"> {
  readonly messages: readonly RolloutMessage[];
  readonly where: string;
}

/**
 * Samples solutions of problems and writes them, with whether they are right, into a folder: a row of `rollouts.jsonl` each, and
 * `rollouts.json`, which says how they were made. They are written side by side, and a question that several share is computed once. The
 * draws of a solution are a function of the seed, its problem and its number, so that sampling that was interrupted, however it was, goes
 * on where it stopped if it is called again with the same folder.
 *
 * @throws InputError if the model, the data or an option cannot be used, a problem has no right answer, or the folder holds something
 *   else.
 *
 * @example
 * const { summary } = await sampleSolutions({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   data: "gsm8k:train",
 *   limit: 100,
 *   n: 8,
 *   out: "rollouts",
 * });
 * console.log(summary.accuracy.value, summary.anyCorrect.value, summary.tokens.all);
 */
export async function sampleSolutions(
  options: SamplingRunOptions,
  events: SamplingEvents = {},
): Promise<SamplingOutcome> {
  const { out, data } = options;
  const paths = rolloutFolder(out);
  if (!existsSync(paths.settings) && !isNewFolder(out)) {
    throw new InputError(
      `The output folder ${out} is not empty and holds no rollouts that were sampled; choose another folder.`,
    );
  }
  events.onStage?.("reading the problems");
  const problems = await readSourceProblems(options);
  events.onStage?.("opening the model");
  const begun = readSettings(paths.settings);
  const date = options.date ?? begun?.date ?? isoDay(new Date());
  const writer = await openWriter(options.model, options.adapter, { ...options, date });
  try {
    const settings: RolloutSettings = {
      slimtune: slimtuneVersion,
      model: options.adapter === undefined ? options.model : `${options.model} with ${options.adapter}`,
      identity: writer.identity,
      data,
      problems: problems.length,
      problemsSha256: hash(problems.map(({ question, solution }) => [question, solution])),
      n: options.n ?? 8,
      temperature: options.temperature ?? 1,
      topP: options.topP ?? 1,
      maxNewTokens: options.maxNewTokens ?? 256,
      instruction: options.instruction ?? defaultSettings.instruction,
      examples: options.examples ?? 0,
      seed: options.seed ?? 0,
      date,
    };
    const asked = problems.map(({ id, question, solution, where }, problem): Asked => {
      const gold = mathematicalJudge.extract(solution);
      if (gold === undefined) throw new InputError(`${where}: the solution gives no answer; correct it.`);
      const messages = promptOf(question, settings) as RolloutMessage[];
      const prompt = writer.chat ? messages : plainPrompt(messages);
      return { problem, id, question, gold, prompt, messages, where };
    });
    await writer.check?.([]);
    return await withLock(out, "sampling", async () => {
      // A folder of the model or the data may be named otherwise.
      keepSettings(paths.settings, readSettings(paths.settings), settings, "rollouts", ["model", "data"]);
      const groups = await writeMissing(writer, asked, settings, options, events);
      return { folder: out, settings, groups, summary: summarizeRollouts(groups) };
    });
  } finally {
    await writer.release();
  }
}

function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** Writes the solutions that the folder lacks, and then all of them in their order. */
async function writeMissing(
  writer: Writer,
  asked: readonly Asked[],
  { n, temperature, topP, maxNewTokens, seed }: RolloutSettings,
  { out, batchSize = 16, signal = new AbortController().signal }: SamplingRunOptions,
  { onPlan, onProgress }: SamplingEvents,
): Promise<RolloutGroup[]> {
  const path = rolloutFolder(out).rollouts;
  const bytes = readWhole(path, { isOptional: true }) ?? Buffer.alloc(0);
  // A last line that was cut off as its writer was ended is written again.
  const whole = bytes.lastIndexOf("\n") + 1;
  const rollouts = parseRollouts(bytes.toString("utf8", 0, whole), path);
  const known = new Set(rollouts.map(({ problem, sample }) => problem * n + sample));
  const total = asked.length * n;
  onPlan?.({ problems: asked.length, n, known: known.size });
  if (known.size === total) return groupRollouts(rollouts);

  const log = openAppendLog(path, whole);
  let tokens = 0;
  let correct = rollouts.filter((rollout) => rollout.correct).length;
  const solve = async ({ messages, where, ...problem }: Asked, sample: number) => {
    const drawn = createRandom(seed, problem.problem, sample).nextUint32();
    const request = { messages, maxTokens: maxNewTokens, temperature, topP, seed: drawn };
    const written = await writer.write(request, signal).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(`${where}: ${error.message}`, { cause: error });
    });
    const answer = mathematicalJudge.extract(written.text) ?? null;
    const rollout: JudgedRollout = {
      ...problem,
      sample,
      text: written.text,
      tokens: written.tokens,
      truncated: written.reason === "length",
      answer,
      correct: answer !== null && mathematicalJudge.equal(answer, problem.gold),
    };
    log.append(formatRollout(rollout));
    rollouts.push(rollout);
    tokens += rollout.tokens;
    if (rollout.correct) correct++;
    onProgress?.({ written: rollouts.length, total, correct, tokens });
  };
  const missing = Array.from({ length: total }, (_, index) => index).filter((index) => !known.has(index));
  try {
    // Enough to keep the batch full, with all that share a question side by side.
    await doSideBySide(missing.length, 2 * batchSize, async (i) => {
      const index = missing[i]!;
      await solve(asked[Math.floor(index / n)]!, index % n);
    });
  } finally {
    log.close();
  }
  const groups = groupRollouts(rollouts);
  writeWhole(path, groups.flat().map(formatRollout).join(""));
  return groups;
}
