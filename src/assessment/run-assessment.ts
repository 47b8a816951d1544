/** @file An assessment from start to end: model, rubric, texts, the folder that it is kept in, and what was found. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { openAnswerLog } from "../evaluation/answer-log.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { withLock } from "../node/files/lock.ts";
import { writeWhole } from "../node/files/write.ts";
import { openWriter, type WriterOptions } from "../reasoning/open-writer.ts";
import type { Writer } from "../reasoning/writer.ts";
import { type ReportFiles, writeReport } from "../reporting/write-report.ts";
import { anonymize } from "./anonymize.ts";
import { createAssessor } from "./assessor.ts";
import { baselines, labelledLevel } from "./baselines.ts";
import { allRows, drawnRows } from "./judge-rows.ts";
import { describeLevels, type Scored } from "./pieces.ts";
import { lowerMedian, type Ratings, readRatings } from "./ratings.ts";
import type { Reading } from "./respondent.ts";
import type { AssessmentResults, TextScore } from "./results.ts";
import { type Dimension, isCounted, type Rubric, readRubric } from "./rubric.ts";
import type { ShotSelection } from "./shots.ts";
import { type SplitOptions, splitTexts } from "./split-texts.ts";
import { agreementOfPeople, type MeteredScore, summarize } from "./summarize.ts";
import { type AssessedText, byGroup, isLabelled, readTexts } from "./texts.ts";
import { combineWays, type Way } from "./ways.ts";

export interface AssessmentOptions extends WriterOptions, SplitOptions {
  /** Folder, .gguf file or Hub id, or a server: "openai:http://127.0.0.1:8000/v1#name"; or what else writes. */
  readonly model: string | Writer;
  /** Folder of an adapter in PEFT's layout. */
  readonly adapter?: string;
  /** YAML file, or what one holds. */
  readonly rubric: string | Rubric;
  /** File of rows with `id` and `turns` or `text`, or texts of one's own. */
  readonly texts: string | readonly AssessedText[];
  /** File of people's ratings. Default: of labelled texts, levels are counted from the labels. */
  readonly human?: string;
  /** Default "score" alone. */
  readonly formulations?: readonly string[];
  /** "all", or the most tokens of a piece. Default "all" alone. */
  readonly context?: readonly string[];
  /** Examples before each question. Default 0 alone. */
  readonly shots?: readonly number[];
  /** How these are chosen. Default "random". */
  readonly select?: ShotSelection;
  /** Runs with other draws. Default 1. */
  readonly repeats?: number;
  /** How answers that are one of several are read. Default: from likelihoods where the model gives them. */
  readonly read?: Reading;
  /** Of written answers. Default 0.7. */
  readonly temperature?: number;
  /** Puts roles in place of speakers' names before anything is asked or written. Default false. */
  readonly anonymize?: boolean;
  /** Folder of the run: what was answered there before is not asked again. */
  readonly out: string;
  /** Ends the run; every answer so far is kept. */
  readonly signal?: AbortSignal;
}

export interface AssessmentEvents {
  readonly onStage?: (stage: string) => void;
  /** Called before the first question; from now on the run can be interrupted and gone on with. */
  readonly onPlan?: (plan: AssessmentPlan) => void;
  /** Called after each answer, with how many there are of all. */
  readonly onProgress?: (answered: number, total: number) => void;
}

export interface AssessmentPlan {
  readonly folder: string;
  /** The server that the texts go to; null if they stay on this machine. */
  readonly server: string | null;
  readonly assessed: number;
  readonly training: number;
  readonly ways: number;
}

export interface AssessmentOutcome {
  readonly folder: string;
  readonly results: AssessmentResults;
  readonly scores: readonly TextScore[];
  readonly report: ReportFiles;
}

/** Texts that are asked about side by side. */
const sliceSize = 8;

/**
 * Assesses texts by a rubric and writes what was found into a folder: `results.json`, `scores.jsonl`, a report, and of labelled texts rows to
 * tune a judge on. A run that was interrupted goes on where it stopped if it is run again with the same folder.
 *
 * @throws InputError if the model, the rubric, a text, a rating or an option cannot be used, or a text does not fit into the model's context.
 * @example
 * const { results, scores } = await runAssessment({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   rubric: "rubric.yaml",
 *   texts: "lessons.jsonl",
 *   formulations: ["score", "turns"],
 *   out: "runs/assess",
 * });
 * for (const { text, dimension, level, evidence } of scores) console.log(text, dimension, level, evidence);
 */
export async function runAssessment(
  options: AssessmentOptions,
  events: AssessmentEvents = {},
): Promise<AssessmentOutcome> {
  const { out, formulations = ["score"], context = ["all"], shots = [0], seed = 0 } = options;
  const { select = "random", temperature = 0.7, repeats = 1 } = options;
  checkNumbers(options);
  const rubric = typeof options.rubric === "string" ? readRubric(options.rubric) : options.rubric;
  const ways = combineWays(formulations, context, shots, rubric);
  events.onStage?.("reading the texts");
  const read = typeof options.texts === "string" ? await readTexts(options.texts, rubric) : options.texts;
  const { assessed, training } = splitTexts(options.anonymize ? anonymize(read) : read, options);
  const ratings =
    options.human === undefined ? undefined : await readRatings(options.human, rubric, assessed);
  const answers = join(out, "answers.jsonl");
  if (!existsSync(answers) && !isNewFolder(out)) {
    throw new InputError(
      `The output folder ${out} is not empty and holds no assessment; choose another folder.`,
    );
  }

  return withLock(out, "assessment", async () => {
    events.onStage?.("opening the model");
    const { model } = options;
    const writer = typeof model === "string" ? await openWriter(model, options.adapter, options) : model;
    const server = writer.server ?? null;
    const log = openAnswerLog(answers);
    let [questions, answered] = [0, 0];
    try {
      await writer.check?.([]);
      const assessor = createAssessor(writer, log, {
        ...{ rubric, ways, training, select, temperature, repeats, seed },
        ...(options.read && { read: options.read }),
        signal: options.signal ?? new AbortController().signal,
        onAnswer: () => events.onProgress?.(++answered, questions),
      });
      events.onStage?.("measuring the texts");
      for (const text of assessed) questions += await assessor.check(text);
      events.onPlan?.({
        ...{ folder: out, server, ways: ways.length },
        ...{ assessed: assessed.length, training: training.length },
      });
      const rows: (MeteredScore & { readonly way: Way })[] = [];
      for (let start = 0; start < assessed.length; start += sliceSize) {
        const slice = assessed.slice(start, start + sliceSize);
        // One way after the other: they share their examples, and each takes its own time.
        for (const way of ways) {
          const found = await Promise.all(slice.map((text) => assessor.assess(text, way)));
          for (const [i, text] of slice.entries()) {
            for (const { dimension, runs } of found[i]!) {
              const levels = runs.map(({ scored }) => scored);
              const score = scoreOf(text, dimension, way.name, levels, ratings);
              rows.push({ way, score, meters: runs.map(({ meter }) => meter) });
            }
          }
        }
      }
      const learnt = training.length > 0 ? assessByBaselines(assessed, training, rubric, ratings) : [];
      const results: AssessmentResults = {
        slimtune: slimtuneVersion,
        date: new Date().toISOString(),
        model: writer.name,
        adapter: options.adapter ?? null,
        server,
        isAnonymous: options.anonymize ?? false,
        rubric,
        texts: {
          ...{ assessed: assessed.length, assessedGroups: byGroup(assessed).length },
          ...{ training: training.length, trainingGroups: byGroup(training).length },
        },
        reference: ratings
          ? "ratings"
          : assessed.some(isLabelled) && rubric.dimensions.some(isCounted)
            ? "labels"
            : null,
        people: ratings ? agreementOfPeople(assessed, rubric, ratings) : [],
        ...{ reading: assessor.reading, selection: select, temperature, seed },
        ways: [
          ...ways.map((way) => {
            const { name, formulation, pieceTokens = null, shots } = way;
            const asked = { formulation: formulation.name, pieceTokens, shots };
            const own = rows.filter((row) => row.way === way);
            return summarize({ name, description: formulation.description, asked }, own, assessed, rubric);
          }),
          ...learnt.map(({ name, description, rows }) =>
            summarize({ name, description, asked: null }, rows, assessed, rubric),
          ),
        ],
      };
      const scores = [...rows, ...learnt.flatMap(({ rows }) => rows)].map(({ score }) => score);
      writeRows(join(out, "scores.jsonl"), scores);
      const rowOptions = { countTokens: assessor.countTokens, seed, pieceTokens: shortest(ways) };
      if (training.length > 0)
        writeRows(join(out, "turns-train.jsonl"), drawnRows(training, rubric, rowOptions));
      if (assessed.some(isLabelled))
        writeRows(join(out, "turns-test.jsonl"), allRows(assessed.filter(isLabelled), rubric, rowOptions));
      const { assessmentReport } = await import("./report.ts");
      const report = writeReport(out, assessmentReport(results, scores, assessed));
      writeWhole(join(out, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
      return { folder: out, results, scores, report };
    } finally {
      await writer.release();
      log.close();
    }
  });
}

function checkNumbers({
  repeats = 1,
  temperature = 0.7,
  shots = [0],
  trainShare = 0.5,
}: AssessmentOptions): void {
  if (!Number.isSafeInteger(repeats) || repeats < 1)
    throw new InputError(`${repeats} repeats cannot be made; take a whole number from 1 on.`);
  if (!(temperature >= 0)) throw new InputError(`A temperature of ${temperature} is none; take 0 or more.`);
  const bad = shots.find((count) => !Number.isSafeInteger(count) || count < 0);
  if (bad !== undefined)
    throw new InputError(`${bad} examples cannot be given; take whole numbers from 0 on.`);
  if (!(trainShare >= 0 && trainShare < 1))
    throw new InputError(
      `A training share of ${trainShare} leaves nothing to assess; take 0 or more, below 1.`,
    );
}

/** The level of a text from those of its runs. */
function scoreOf(
  text: AssessedText,
  dimension: Dimension,
  way: string,
  runs: readonly Scored[],
  ratings: Ratings | undefined,
): TextScore {
  const levels = runs.flatMap(({ level }) => (level === null ? [] : [level]));
  const { evidence, turns } = runs[0]!;
  return {
    ...{ text: text.id, group: text.group, dimension: dimension.name, way },
    level: levels.length === 0 ? null : lowerMedian(levels),
    ...describeLevels(dimension, averageOf(runs.map(({ probabilities }) => probabilities))),
    ...{ evidence, ...(turns && { turns }) },
    reference: referenceOf(text, dimension, ratings),
    runs: runs.map(({ level }) => level),
  };
}

function averageOf(distributions: readonly (readonly number[] | null)[]): number[] | null {
  const [first] = distributions;
  if (!first || distributions.includes(null)) return null;
  const sumAt = (place: number) => distributions.reduce((sum, one) => sum + one![place]!, 0);
  return first.map((_, place) => sumAt(place) / distributions.length);
}

/** The level that others are compared with; null if none is known. */
function referenceOf(text: AssessedText, dimension: Dimension, ratings: Ratings | undefined): number | null {
  if (ratings) {
    const levels = ratings.get(text.id)?.get(dimension.name) ?? [];
    return levels.length === 0 ? null : lowerMedian(levels);
  }
  return isLabelled(text) && isCounted(dimension) ? labelledLevel(text, dimension) : null;
}

function assessByBaselines(
  assessed: readonly AssessedText[],
  training: readonly AssessedText[],
  rubric: Rubric,
  ratings: Ratings | undefined,
): { readonly name: string; readonly description: string; readonly rows: MeteredScore[] }[] {
  return baselines.map(({ name, description, learn }) => {
    const rows = rubric.dimensions.filter(isCounted).flatMap((dimension) => {
      const started = performance.now();
      const level = learn(training, dimension);
      const scores = assessed.map((text) => scoreOf(text, dimension, name, [level(text)], ratings));
      const seconds = (performance.now() - started) / 1000 / assessed.length;
      return scores.map((score) => ({ score, meters: [{ seconds }] }));
    });
    return { name, description, rows };
  });
}

/** The smallest number of tokens that texts were cut into; undefined if they were not. */
function shortest(ways: readonly Way[]): number | undefined {
  const limits = ways.flatMap(({ pieceTokens }) => pieceTokens ?? []);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

function writeRows(path: string, rows: readonly object[]): void {
  writeWhole(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
