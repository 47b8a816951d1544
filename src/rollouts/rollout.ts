/** @file Rollouts: solutions that a model has written itself, judged, as a folder of them is kept. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields } from "../core/parse-fields.ts";
import { readText, readWhole } from "../node/files/read.ts";
import { readJson } from "../node/files/structured.ts";

const messageSchema = z.object({ role: z.string(), content: z.string() });

const rolloutSchema = z.object({
  /** The problem's number in the data, from 0. */
  problem: z.int().min(0),
  /** What the data call the problem: the row's number in a task's split, from 0, or its line in a file. */
  id: z.string(),
  question: z.string(),
  /** The right answer alone. */
  gold: z.string(),
  /** What the model was asked: a conversation, or a plain text that the solution goes on with. */
  prompt: z.union([z.string(), z.array(messageSchema).min(1)]),
  /** The solution's number among those of its problem, from 0. */
  sample: z.int().min(0),
  /** The solution, without the token that ends it. */
  text: z.string(),
  /** Tokens written, with the one that ended the text. */
  tokens: z.int().min(0),
  /** Whether the text was cut for want of tokens. */
  truncated: z.boolean(),
  /** The answer that the text gives, if it gives one. */
  answer: z.string().nullable(),
  correct: z.boolean(),
});

/** A solution that a model has written, and whether it is right. */
export type JudgedRollout = z.output<typeof rolloutSchema>;

/** A message of a prompt. */
export type RolloutMessage = z.output<typeof messageSchema>;

/** The solutions of one problem, in the order of their numbers; there is at least one. */
export type RolloutGroup = readonly JudgedRollout[];

const settingsSchema = z.object({
  slimtune: z.string(),
  /** As it was opened, with all that its answers depend on. */
  model: z.string(),
  identity: z.string(),
  data: z.string(),
  /** How many, and the SHA-256 of questions and answers. */
  problems: z.int(),
  problemsSha256: z.string(),
  /** Solutions of each problem. */
  n: z.int(),
  temperature: z.number(),
  topP: z.number(),
  maxNewTokens: z.int(),
  instruction: z.string(),
  examples: z.int(),
  seed: z.int(),
  /** The day that the chat template prints as today's. */
  date: z.string(),
});

/** How rollouts were made. */
export type RolloutSettings = z.output<typeof settingsSchema>;

/** The files of a folder of rollouts, whether they are there or not. */
export function rolloutFolder(path: string) {
  return { rollouts: join(path, "rollouts.jsonl"), settings: join(path, "rollouts.json") };
}

/** @throws InputError if the file is damaged. */
export function readSettings(path: string): RolloutSettings | undefined {
  return readWhole(path, { isOptional: true }) && readJson(path, settingsSchema);
}

/** A row with its line feed. */
export function formatRollout(rollout: JudgedRollout): string {
  return `${JSON.stringify(rollout)}\n`;
}

/**
 * The rows of a text, in their order.
 *
 * @param path names the text in errors
 * @throws InputError naming file and line if a row is no rollout, stands twice, or asks something else than others of its problem.
 */
export function parseRollouts(text: string, path: string): JudgedRollout[] {
  const seen = new Set<string>();
  const questions = new Map<number, string>();
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const where = `${path}, line ${index + 1}`;
    const rollout = parseFields(rolloutSchema, parseJson(line, where), where);
    const { problem, sample, question } = rollout;
    const key = `${problem} ${sample}`;
    if (seen.has(key)) {
      throw new InputError(
        `${where}: sample ${sample} of problem ${problem} stands here for the second time; remove one.`,
      );
    }
    seen.add(key);
    if ((questions.get(problem) ?? question) !== question) {
      throw new InputError(
        `${where}: the question is another than that of other samples of problem ${problem}; give each problem a number of its own.`,
      );
    }
    questions.set(problem, question);
    return [rollout];
  });
}

/** Rollouts by their problems, both in the order of their numbers. */
export function groupRollouts(rollouts: readonly JudgedRollout[]): RolloutGroup[] {
  const groups = new Map<number, JudgedRollout[]>();
  for (const rollout of rollouts) {
    const group = groups.get(rollout.problem);
    if (group) group.push(rollout);
    else groups.set(rollout.problem, [rollout]);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, group]) => group.sort((a, b) => a.sample - b.sample));
}

/**
 * The rollouts of a folder that `sampleSolutions` has filled, or that has a `rollouts.jsonl` from elsewhere.
 *
 * @throws InputError if there are none; if a row is damaged, naming file and line; or if sampling was interrupted.
 *
 * @example
 * const groups = readRollouts("rollouts");
 * const solved = groups.filter((group) => group.some(({ correct }) => correct));
 * console.log(`${solved.length} of ${groups.length} problems were solved`);
 */
export function readRollouts(folder: string): RolloutGroup[] {
  const paths = rolloutFolder(folder);
  const rollouts = parseRollouts(readText(paths.rollouts), paths.rollouts);
  if (rollouts.length === 0) throw new InputError(`${paths.rollouts} holds no rollouts.`);
  const settings = readSettings(paths.settings);
  if (settings && rollouts.length < settings.problems * settings.n) {
    throw new InputError(
      `${folder} holds ${rollouts.length} of ${settings.problems * settings.n} solutions, since sampling was interrupted; give its command again to go on.`,
    );
  }
  return groupRollouts(rollouts);
}
