/** @file A rubric: what texts are assessed on, and what stands for which level. */

import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseFields } from "../core/parse-fields.ts";
import { readYaml } from "../node/files/structured.ts";

/** A level of a dimension. */
export interface Level {
  /** From 0 to 9. */
  readonly level: number;
  readonly description: string;
  /** The smallest and the largest count that it stands for, the largest of the highest level Infinity, which is null in JSON; absent if nothing is counted. */
  readonly counts?: { readonly least: number; readonly most: number };
}

/** What texts are assessed on. */
export interface Dimension {
  readonly name: string;
  /** A question that is answered by yes or no, of a text or of a single turn. */
  readonly question: string;
  /** The role whose turns are looked at; absent if all are. */
  readonly speaker?: string;
  /** Labels of turns that answer the question by yes, where turns are labelled. */
  readonly codes: readonly string[];
  /** One above the other, with the lowest first. */
  readonly levels: readonly Level[];
}

export interface Rubric {
  /** What the texts are, such as "a discussion in a classroom". */
  readonly about: string;
  /** Roles with the names of their speakers: "T", "Teacher*" for all that begin so, "*" for all others. The first that fits counts. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** Texts are cut into windows of at least so many words, at the ends of turns, each of which is assessed as a text; absent: they are whole. */
  readonly windowWords?: number;
  readonly dimensions: readonly Dimension[];
}

const name = z.string().regex(/^[\p{L}\d][\p{L}\d_-]*$/u, "it is no name; give letters, digits, - and _");
const count = z.union([z.int().min(0), z.string()]);
const schema = z.strictObject({
  about: z.string().trim().min(1).default("a conversation"),
  roles: z.record(name, z.array(z.string().trim().min(1)).min(1)).default({ speaker: ["*"] }),
  window_words: z.int().min(1).exactOptional(),
  dimensions: z
    .array(
      z.strictObject({
        name,
        question: z.string().trim().min(1),
        speaker: z.string().exactOptional(),
        codes: z.array(z.union([z.string(), z.number()])).exactOptional(),
        levels: z
          .array(
            z.strictObject({
              level: z.int().min(0).max(9),
              description: z.string().trim().min(1),
              count: count.exactOptional(),
            }),
          )
          .min(2),
      }),
    )
    .min(1),
});

type GivenDimension = z.output<typeof schema>["dimensions"][number];

/**
 * Reads a rubric from a YAML file.
 *
 * @throws InputError if there is none, or its levels overlap, leave a gap, or are not one above the other.
 * @example
 * const { dimensions } = readRubric("fixtures/miniature/assessment/rubric.yaml");
 * for (const { name, question, levels } of dimensions) console.log(name, question, levels.length);
 */
export function readRubric(path: string): Rubric {
  return parseRubric(readYaml(path), path);
}

/** The same of what a YAML file holds. @param where names it in errors */
export function parseRubric(value: unknown, where: string): Rubric {
  const { about, roles, window_words, dimensions } = parseFields(schema, value, where);
  const names = dimensions.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new InputError(`${where}: two dimensions have the name ${twice}; rename one.`);
  return {
    about,
    roles,
    ...(window_words !== undefined && { windowWords: window_words }),
    dimensions: dimensions.map((dimension) => readDimension(dimension, Object.keys(roles), where)),
  };
}

function readDimension(given: GivenDimension, roles: readonly string[], path: string): Dimension {
  const { name, question, speaker, codes = [name] } = given;
  const where = `${path}, dimension ${name}`;
  if (speaker !== undefined && !roles.includes(speaker)) {
    throw new InputError(
      `${where}: there is no role "${speaker}"; the roles are ${roles.join(", ")}, so name one of them or add it.`,
    );
  }
  const levels = readLevels(given, where);
  return { name, question, ...(speaker !== undefined && { speaker }), codes: codes.map(String), levels };
}

function readLevels({ levels }: GivenDimension, where: string): Level[] {
  for (const [i, { level }] of levels.entries()) {
    const before = levels[i - 1]?.level;
    if (before === undefined || level === before + 1) continue;
    throw new InputError(
      `${where}: level ${level} stands after level ${before}; list the levels from the lowest on, each one above the one before.`,
    );
  }
  const counted = levels.filter(({ count }) => count !== undefined);
  if (counted.length === 0) return levels.map(({ level, description }) => ({ level, description }));
  const without = levels.find(({ count }) => count === undefined);
  if (without) {
    throw new InputError(
      `${where}: level ${without.level} has no count, but others have; give each level its counts, or none.`,
    );
  }
  const ranges = levels.map(({ level, description, count }) => ({
    level,
    description,
    counts: readCounts(String(count), level, where),
  }));
  let next = 0;
  for (const { level, counts } of ranges) {
    if (counts.least < next) {
      throw new InputError(
        `${where}: a count of ${counts.least} falls to level ${level} and to one below it; let each count fall to one level.`,
      );
    }
    if (counts.least > next) {
      throw new InputError(
        `${where}: a count of ${next} falls to no level; let level ${level} or the one below it take it.`,
      );
    }
    next = counts.most + 1;
  }
  if (next < Number.POSITIVE_INFINITY) {
    throw new InputError(
      `${where}: a count of ${next} falls to no level; let the highest one take all from its least on, as "${ranges.at(-1)!.counts.least}+".`,
    );
  }
  return ranges;
}

/** "2", "2-4" or "5+". */
function readCounts(text: string, level: number, where: string): NonNullable<Level["counts"]> {
  const [, first, last, plus] = /^(\d+)(?:-(\d+)|(\+))?$/.exec(text.trim()) ?? [];
  const least = Number(first);
  const most = plus ? Number.POSITIVE_INFINITY : Number(last ?? first);
  if (first === undefined || most < least) {
    throw new InputError(
      `${where}: the count "${text}" of level ${level} cannot be read; give one as 2, several as 2-4, or all from one on as 5+.`,
    );
  }
  return { least, most };
}

/** Whether levels stand for counts. */
export function isCounted({ levels }: Dimension): boolean {
  return levels[0]!.counts !== undefined;
}

/** The level of a count. Only of dimensions that are counted. */
export function levelOf({ levels }: Dimension, count: number): number {
  return levels.find(({ counts }) => count <= counts!.most)!.level;
}

/** The count from which on the highest level is reached. Only of dimensions that are counted. */
export function saturation({ levels }: Dimension): number {
  return levels.at(-1)!.counts!.least;
}
