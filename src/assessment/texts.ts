/** @file Texts that are assessed: turns of speakers, read from rows and cut into windows. */

import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseFields } from "../core/parse-fields.ts";
import { readRows } from "../node/formats/rows.ts";
import type { Dimension, Rubric } from "./rubric.ts";

export interface Turn {
  readonly speaker: string;
  /** One of the rubric's. */
  readonly role: string;
  readonly text: string;
  /** What people have found in it; absent if nobody has looked. */
  readonly codes?: readonly string[];
}

/** A text, or a window of one. */
export interface AssessedText {
  readonly id: string;
  /** What it belongs to: texts of a group are not independent, and are on the same side of a split. */
  readonly group: string;
  /** "train" if examples are taken from it, "test" if it is assessed; absent if the row does not say. */
  readonly split?: "train" | "test";
  /** At least one. */
  readonly turns: readonly Turn[];
}

const label = z.union([z.string().min(1), z.number()]).transform(String);
const schema = z.object({
  id: label,
  group: label.nullish(),
  split: z.enum(["train", "test"]).nullish(),
  text: z.string().nullish(),
  turns: z
    .array(
      z.object({
        speaker: z.string().trim().min(1),
        text: z.string(),
        codes: z.array(label).nullish(),
      }),
    )
    .nullish(),
});

/**
 * Reads texts: rows with `id` and `turns`, a list of `speaker`, `text` and, where people have labelled them, `codes`; or with `id` and
 * `text`, whose lines are "Speaker: words". `group` says what several texts belong to (default: each is its own), `split` whether a
 * text is assessed.
 *
 * @throws InputError if a row is no text, has no turns, or a speaker has no role, naming the line; or two texts have the same id.
 * @example
 * const { readRubric } = await import("slimtune");
 * const rubric = readRubric("fixtures/miniature/assessment/rubric.yaml");
 * const lessons = await readTexts("fixtures/miniature/assessment/lessons.jsonl", rubric);
 * console.log(lessons.map(({ id, turns }) => `${id}: ${turns.length} turns`));
 */
export async function readTexts(path: string, rubric: Rubric): Promise<AssessedText[]> {
  const texts: AssessedText[] = [];
  const ids = new Set<string>();
  for await (const { fields, line } of readRows(path)) {
    const where = `${path}, line ${line}`;
    const { id, group, split, ...row } = parseFields(schema, fields, where);
    if (ids.has(id)) throw new InputError(`${where}: another text has the id ${id} too; give each its own.`);
    ids.add(id);
    const spoken = row.turns ?? splitLines(row.text ?? "", where);
    const turns = spoken.flatMap(({ speaker, text, codes }): Turn[] => {
      const said = text.replace(/\s+/g, " ").trim();
      if (said === "") return [];
      return [{ speaker, role: roleOf(speaker, rubric, where), text: said, ...(codes && { codes }) }];
    });
    if (turns.length === 0)
      throw new InputError(
        `${where}: nobody says anything in the text ${id}; give it turns, or leave it out.`,
      );
    const text = { id, group: group ?? id, ...(split && { split }), turns: fillCodes(turns) };
    texts.push(...cutIntoWindows(text, rubric));
  }
  if (texts.length === 0) throw new InputError(`${path} holds no texts.`);
  return texts;
}

/** Lines "Speaker: words"; one without a speaker goes on with the one before. */
function splitLines(text: string, where: string): { speaker: string; text: string; codes?: undefined }[] {
  const turns: { speaker: string; text: string }[] = [];
  for (const line of text.split("\n").filter((line) => line.trim() !== "")) {
    const [, speaker, said] = /^\s*([^:]{1,60}?)\s*:\s*(.*)$/.exec(line) ?? [];
    const last = turns.at(-1);
    if (speaker !== undefined && said !== undefined) turns.push({ speaker, text: said });
    else if (last) last.text += ` ${line}`;
    else throw new InputError(`${where}: the first line names no speaker; begin it as "Teacher: …".`);
  }
  return turns;
}

function roleOf(speaker: string, { roles }: Rubric, where: string): string {
  const lower = speaker.toLowerCase();
  for (const [role, names] of Object.entries(roles)) {
    for (const name of names.map((name) => name.toLowerCase()))
      if (name.endsWith("*") ? lower.startsWith(name.slice(0, -1)) : lower === name) return role;
  }
  throw new InputError(
    `${where}: the speaker ${speaker} has none of the roles ${Object.keys(roles).join(", ")}; name them there in the rubric, or "*" for all others.`,
  );
}

/** Of a text that people have labelled, a turn without labels has none. */
function fillCodes(turns: readonly Turn[]): readonly Turn[] {
  return turns.some(({ codes }) => codes) ? turns.map((turn) => ({ codes: [], ...turn })) : turns;
}

/** Windows end with the turn that makes up their words; a rest of less than half of that goes to the last one. */
function cutIntoWindows(text: AssessedText, { windowWords }: Rubric): AssessedText[] {
  if (windowWords === undefined) return [text];
  const windows: Turn[][] = [];
  let window: Turn[] = [];
  for (const turn of text.turns) {
    window.push(turn);
    if (countWords(window) < windowWords) continue;
    windows.push(window);
    window = [];
  }
  if (windows.length === 0 || countWords(window) >= windowWords / 2) windows.push(window);
  else windows.at(-1)!.push(...window);
  return windows.map((turns, i) => ({ ...text, id: `${text.id}/${i + 1}`, turns }));
}

export function countWords(turns: readonly Turn[]): number {
  return turns.reduce((sum, { text }) => sum + text.split(" ").length, 0);
}

/** Whether people have labelled the turns. */
export function isLabelled({ turns }: AssessedText): boolean {
  return turns[0]!.codes !== undefined;
}

/** Whether a dimension looks at a turn. */
export function isLookedAt({ speaker }: Dimension, { role }: Turn): boolean {
  return speaker === undefined || role === speaker;
}

/** Whether a labelled turn is one that a dimension counts. */
export function isMarked(dimension: Dimension, turn: Turn): boolean {
  return isLookedAt(dimension, turn) && dimension.codes.some((code) => turn.codes!.includes(code));
}

/** Turns as they are shown to a model, a line each. */
export function renderTurns(turns: readonly Turn[]): string {
  return turns.map(({ speaker, text }) => `${speaker}: ${text}`).join("\n");
}

/** What belongs together, in the order of the first of each group. */
export function byGroup<T extends { readonly group: string }>(items: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.group);
    if (group) group.push(item);
    else groups.set(item.group, [item]);
  }
  return [...groups.values()];
}
