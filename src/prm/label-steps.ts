/** @file Labels of the steps of solutions, by rollouts or by rule, written as rows to tune a process reward model on. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { splitSteps, type TextStep } from "../core/data/split-steps.ts";
import { unlabelled } from "../core/data/step-formats.ts";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields } from "../core/parse-fields.ts";
import { createRandom } from "../core/random.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { keepSettings } from "../evaluation/begun-settings.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { openAppendLog } from "../node/files/append-log.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { withLock } from "../node/files/lock.ts";
import { readWhole } from "../node/files/read.ts";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import { mathematicalJudge } from "../reasoning/judge.ts";
import { openWriter } from "../reasoning/open-writer.ts";
import { promptOf } from "../reasoning/prompts.ts";
import type { Writer } from "../reasoning/writer.ts";
import {
  type JudgedRollout,
  type RolloutSettings,
  readRollouts,
  readSettings,
  rolloutFolder,
} from "../rollouts/rollout.ts";
import {
  type SamplingEvents,
  type SamplingRunOptions,
  sampleSolutions,
} from "../rollouts/sample-solutions.ts";
import { doSideBySide } from "../rollouts/side-by-side.ts";
import {
  type LabelledRow,
  type LabelSource,
  type LabelSummary,
  labelByRule,
  summarizeLabels,
} from "./label.ts";

export interface LabellingOptions extends Omit<SamplingRunOptions, "model" | "n"> {
  /** As of {@link SamplingRunOptions}, or a folder of rollouts, whose solutions are labelled in place of new ones. */
  readonly data: string;
  /** What samples solutions and rollouts. Only by rule, and of a folder of rollouts, none is needed. */
  readonly model?: string;
  /** Solutions of each problem, where they are sampled. Default 4. */
  readonly solutions?: number;
  /** What says whether a step is right. Default "rollouts". */
  readonly by?: LabelSource;
  /** Solutions that go on after each step, of labels by rollouts. Default 8. */
  readonly rollouts?: number;
  /** Whether a label is the share of the rollouts that are right, and not whether one is. Default false. */
  readonly soft?: boolean;
}

export interface LabellingEvents {
  readonly onStage?: (stage: string) => void;
  /** While solutions are sampled. */
  readonly onSampling?: SamplingEvents["onProgress"];
  /** Called before the first rollout, with the steps from which they go on. */
  readonly onPlan?: (plan: {
    readonly steps: number;
    readonly rollouts: number;
    readonly known: number;
  }) => void;
  readonly onProgress?: (progress: {
    /** Steps so far, with those that were known, of `total`. */
    readonly done: number;
    readonly total: number;
    /** Tokens written by this call. */
    readonly tokens: number;
  }) => void;
}

export interface LabellingOutcome {
  /** The file of the rows. */
  readonly path: string;
  readonly rows: readonly LabelledRow[];
  readonly summary: LabelSummary;
}

/** A beginning of a solution, up to the end of a step. */
interface Beginning {
  readonly rollout: JudgedRollout;
  readonly step: number;
  readonly text: string;
}

/**
 * Labels the steps of solutions, a step being a line, and writes `steps.jsonl` into a folder: rows of TRL's `PRMTrainer`, to tune
 * a process reward model on. By rollouts (Wang et al. 2024, Math-Shepherd) solutions are sampled that go on after each step, and the step
 * is right if one of them is, or softly as many as are; the last step of a whole solution is as right as its answer. By rule it is right if
 * the equations in it are. Whatever is sampled is kept at once, so that labelling that was interrupted, however it was, goes on where it
 * stopped if it is called again with the same folder.
 *
 * @throws InputError if the model, the data or an option cannot be used, nothing gets a label, or the folder holds something else.
 *
 * @example
 * const { summary } = await labelSteps({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   data: "gsm8k:train",
 *   limit: 100,
 *   out: "labels",
 * });
 * console.log(summary.labelled, summary.baseRate);
 */
export async function labelSteps(
  options: LabellingOptions,
  events: LabellingEvents = {},
): Promise<LabellingOutcome> {
  const { out, by = "rollouts", limit, data } = options;
  const paths = labelFolder(out);
  if (![paths.rows, paths.settings, paths.solutions].some(existsSync) && !isNewFolder(out)) {
    throw new InputError(`The output folder ${out} is not empty and holds no labels; choose another folder.`);
  }
  const given = rolloutFolder(data);
  const isGiven = existsSync(given.rollouts);
  const folder = isGiven ? data : paths.solutions;
  if (!isGiven) await sample(options, folder, events);
  const groups = readRollouts(folder).slice(0, limit);
  const solutions = groups.flat().flatMap((rollout) => {
    const steps = wholeSteps(rollout);
    return steps.length > 0 ? [{ rollout, steps }] : [];
  });
  return withLock(out, "labelling", async () => {
    const counts =
      by === "rule"
        ? undefined
        : await countRight(
            solutions.flatMap(({ rollout, steps }) => beginningsOf(rollout, steps)),
            readSettings(rolloutFolder(folder).settings),
            { ...options, ...withModel(options), solutionsSha256: hashOf(groups.flat()) },
            events,
          );
    const rows = solutions
      .map(({ rollout, steps }) => toRow(rollout, steps, counts, options))
      .filter(({ labels }) => labels.some((label) => label !== unlabelled));
    if (rows.length === 0) {
      throw new InputError(
        by === "rule"
          ? `No step of the solutions of ${data} has an equation between numbers, so none gets a label; label them by rollouts.`
          : `The solutions of ${data} have no whole step, so none gets a label; allow longer ones by more new tokens.`,
      );
    }
    writeWhole(paths.rows, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return { path: paths.rows, rows, summary: summarizeLabels(rows, by) };
  });
}

/** The files of a folder of labels, and its folder of solutions, whether they are there or not. */
export function labelFolder(path: string) {
  return {
    rows: join(path, "steps.jsonl"),
    settings: join(path, "labels.json"),
    rollouts: join(path, "step-rollouts.jsonl"),
    solutions: join(path, "solutions"),
  };
}

function withModel(options: LabellingOptions): { readonly model: string } {
  if (options.model !== undefined) return { model: options.model };
  throw new InputError(
    "Labels by rollouts need a model that goes on with solutions; name it, or label by rule the solutions of a folder of rollouts.",
  );
}

async function sample(options: LabellingOptions, folder: string, events: LabellingEvents): Promise<void> {
  const { solutions = 4, by: _, rollouts: __, soft: ___, ...rest } = options;
  if (options.model === undefined) {
    throw new InputError(
      `${options.data} is no folder of rollouts, so solutions are sampled first; name a model for them.`,
    );
  }
  const { onStage, onSampling } = events;
  await sampleSolutions(
    { ...rest, model: options.model, n: solutions, out: folder },
    { ...(onStage && { onStage }), ...(onSampling && { onProgress: onSampling }) },
  );
}

/** The steps of a solution: the last of one that was cut off has no end, and is none. */
function wholeSteps({ text, truncated }: JudgedRollout): TextStep[] {
  const steps = splitSteps(text);
  return truncated && !text.endsWith("\n") ? steps.slice(0, -1) : steps;
}

/** Of those steps whose rightness is not said by the solution's own answer, as the last one's of a solution that was not cut off is. */
function beginningsOf(rollout: JudgedRollout, steps: readonly TextStep[]): Beginning[] {
  const open = rollout.truncated ? steps : steps.slice(0, -1);
  return open.map(({ end }, step) => ({ rollout, step, text: rollout.text.slice(0, end) }));
}

function toRow(
  rollout: JudgedRollout,
  steps: readonly TextStep[],
  counts: ReadonlyMap<string, number> | undefined,
  { rollouts = 8, soft = false }: LabellingOptions,
): LabelledRow {
  const { question, problem, sample, correct } = rollout;
  const common = { prompt: question, completions: steps.map(({ text }) => text) };
  if (!counts) {
    const labels = common.completions.map(labelByRule);
    return { ...common, labels, label_of: "rule", problem, sample };
  }
  const right = steps.map(({ end }, step) =>
    !rollout.truncated && step === steps.length - 1
      ? null
      : counts.get(keyOf({ rollout, step, text: rollout.text.slice(0, end) }))!,
  );
  const labels = right.map((count) => {
    if (count === null) return Number(correct);
    return soft ? count / rollouts : Number(count > 0);
  });
  return { ...common, labels, label_of: "rollouts", rollouts, right, problem, sample };
}

/** Beginnings of the same text are gone on with together. */
function keyOf({ rollout, text }: Beginning): string {
  return `${rollout.problem} ${text}`;
}

const settingsSchema = z.object({
  slimtune: z.string(),
  /** As it was opened, with all that its answers depend on. */
  model: z.string(),
  identity: z.string(),
  /** The SHA-256 of the solutions. */
  solutionsSha256: z.string(),
  rollouts: z.int(),
  temperature: z.number(),
  topP: z.number(),
  maxNewTokens: z.int(),
  seed: z.int(),
  /** The day that the chat template prints as today's. */
  date: z.string(),
});

/** How labels by rollouts were made. */
type LabelSettings = z.output<typeof settingsSchema>;

function readKept(path: string): LabelSettings | undefined {
  return readWhole(path, { isOptional: true }) && readJson(path, settingsSchema);
}

function hashOf(rollouts: readonly JudgedRollout[]): string {
  const texts = rollouts.map(({ question, gold, text }) => [question, gold, text]);
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

const stepRolloutsSchema = z.object({
  problem: z.int(),
  sample: z.int(),
  /** The step's number in the solution, from 0. */
  step: z.int(),
  right: z.int(),
  /** Tokens written in all rollouts. */
  tokens: z.int(),
});

type CountingOptions = LabellingOptions & { readonly model: string; readonly solutionsSha256: string };

/** How many rollouts are right that go on after each beginning. */
async function countRight(
  beginnings: readonly Beginning[],
  sampled: RolloutSettings | undefined,
  options: CountingOptions,
  events: LabellingEvents,
): Promise<ReadonlyMap<string, number>> {
  const { out, rollouts = 8, batchSize = 16, signal = new AbortController().signal } = options;
  const paths = labelFolder(out);
  events.onStage?.("opening the model");
  const date = options.date ?? readKept(paths.settings)?.date ?? sampled?.date ?? isoDay(new Date());
  const writer = await openWriter(options.model, options.adapter, { ...options, date });
  try {
    if (!writer.abilities.includes("continue"))
      throw new InputError(
        `${writer.name} goes on with no solution that is given; take a model on this machine.`,
      );
    await writer.check?.(["continue"]);
    const settings: LabelSettings = {
      slimtune: slimtuneVersion,
      model: options.adapter === undefined ? options.model : `${options.model} with ${options.adapter}`,
      identity: writer.identity,
      solutionsSha256: options.solutionsSha256,
      rollouts,
      temperature: options.temperature ?? 1,
      topP: options.topP ?? 1,
      maxNewTokens: options.maxNewTokens ?? 256,
      seed: options.seed ?? 0,
      date,
    };
    keepSettings(paths.settings, readKept(paths.settings), settings, "labels", ["model"]);
    const distinct = [...new Map(beginnings.map((one) => [keyOf(one), one])).values()];
    const bytes = readWhole(paths.rollouts, { isOptional: true }) ?? Buffer.alloc(0);
    // A last line that was cut off as its writer was ended is written again.
    const whole = bytes.lastIndexOf("\n") + 1;
    const kept = parseKept(bytes.toString("utf8", 0, whole), paths.rollouts);
    const counts = new Map<string, number>();
    for (const one of distinct) {
      const right = kept.get(placeOf(one));
      if (right !== undefined) counts.set(keyOf(one), right);
    }
    const missing = distinct.filter((one) => !counts.has(keyOf(one)));
    events.onPlan?.({ steps: distinct.length, rollouts, known: counts.size });
    const log = openAppendLog(paths.rollouts, whole);
    let tokens = 0;
    const goOn = async (one: Beginning) => {
      const done = await rollOut(writer, one, messagesOf(one.rollout, sampled), settings, signal);
      tokens += done.tokens;
      const { problem, sample } = one.rollout;
      log.append(`${JSON.stringify({ problem, sample, step: one.step, ...done })}\n`);
      counts.set(keyOf(one), done.right);
      events.onProgress?.({ done: counts.size, total: distinct.length, tokens });
    };
    try {
      // Enough to keep the batch full.
      await doSideBySide(missing.length, Math.ceil((2 * batchSize) / rollouts), (i) => goOn(missing[i]!));
    } finally {
      log.close();
    }
    return counts;
  } finally {
    await writer.release();
  }
}

function placeOf({ rollout: { problem, sample }, step }: Beginning): string {
  return `${problem} ${sample} ${step}`;
}

function parseKept(text: string, path: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").slice(0, -1);
  return new Map(
    lines.map((line, i) => {
      const where = `${path}, line ${i + 1}`;
      const { problem, sample, step, right } = parseFields(stepRolloutsSchema, parseJson(line, where), where);
      return [`${problem} ${sample} ${step}`, right];
    }),
  );
}

/** As the solution was asked for. */
function messagesOf(
  { prompt, question, problem }: JudgedRollout,
  sampled: RolloutSettings | undefined,
): readonly ChatMessage[] {
  if (typeof prompt !== "string") return prompt;
  if (sampled) return promptOf(question, sampled);
  throw new InputError(
    `The solutions of problem ${problem} were asked for by a plain text, and nothing says how it was made; sample them by \`slimtune sample\`.`,
  );
}

async function rollOut(
  writer: Writer,
  { rollout, step, text }: Beginning,
  messages: readonly ChatMessage[],
  { rollouts, temperature, topP, maxNewTokens, seed }: LabelSettings,
  signal: AbortSignal,
): Promise<{ right: number; tokens: number }> {
  const written = await Promise.all(
    Array.from({ length: rollouts }, (_, draw) =>
      writer.write(
        {
          messages,
          begun: [text],
          maxTokens: maxNewTokens,
          temperature,
          topP,
          seed: createRandom(seed, rollout.problem, rollout.sample, step, draw).nextUint32(),
        },
        signal,
      ),
    ),
  );
  const isRight = (rest: string) => {
    const answer = mathematicalJudge.extract(text + rest);
    return answer !== undefined && mathematicalJudge.equal(answer, rollout.gold);
  };
  return {
    right: written.filter((one) => isRight(one.text)).length,
    tokens: written.reduce((sum, one) => sum + one.tokens, 0),
  };
}
