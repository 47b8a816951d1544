/** @file Solutions of a file, each step of them judged by a process reward model. */

import { join } from "node:path";
import { createExampleReader } from "../core/data/example.ts";
import { exampleFormats, fits } from "../core/data/example-formats.ts";
import { contentText } from "../core/data/messages.ts";
import type { Row } from "../core/data/row-fields.ts";
import { splitSteps } from "../core/data/split-steps.ts";
import { type JudgedSolution, unlabelled } from "../core/data/step-formats.ts";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import type { ChatSettings } from "../core/tokenization/chat-template.ts";
import { openAdaptedModel } from "../node/adapters/open-adapted.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { writeWhole } from "../node/files/write.ts";
import { readRows } from "../node/formats/rows.ts";
import { findAdapter } from "../node/training/initial-adapter.ts";
import { type ReportFiles, writeReport } from "../reporting/write-report.ts";
import { type JudgedText, reportSteps, type StepReport } from "./step-report.ts";
import { createStepScorer, type StepScorerOptions } from "./step-scorer.ts";
import { withStepFormat } from "./with-step-format.ts";

export interface JudgingOptions extends StepScorerOptions, ChatSettings {
  /** Folder, .gguf file or Hub id of the base model, or of one that is itself a process reward model. */
  readonly model: string;
  /** Folder of the adapter that `slimtune prm tune` has made, or of its run. Default: the model as it is. */
  readonly prm?: string;
  /**
   * File or Hub id of solutions: labelled ones in a format that `slimtune prm tune` learns from; or rows with "question", "problem" or
   * "prompt" and "completions" (a list of steps), "text", "answer", "solution" or "completion" (a text).
   */
  readonly data: string;
  /** Only the first solutions. Default: all. */
  readonly limit?: number;
  /** How weights are kept. Default "float32". */
  readonly storage?: Storage;
  /** Folder for the judgements and a report of them, which is made if need be. Default: nothing is written. */
  readonly out?: string;
  readonly onStage?: (stage: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface JudgingOutcome {
  readonly solutions: readonly JudgedText[];
  /** Tokens that were computed. */
  readonly tokens: number;
  /** Of labelled steps; undefined if there are none. */
  readonly report: StepReport | undefined;
  /** The report's files, if they were asked for; beside them stand all judgements, as `judgements.json`. */
  readonly files?: ReportFiles;
}

/**
 * Judges each step of solutions by a process reward model.
 *
 * @throws InputError if the model, its adapter or the data cannot be used, the adapter is of another base model, a solution is longer
 *   than the model's context, or the folder `out` holds something else.
 *
 * @example
 * const { solutions, report } = await judgeSteps({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   prm: "runs/prm",
 *   data: "labels/steps.jsonl",
 * });
 * console.log(solutions[0]!.steps, report?.areaUnderRoc);
 */
export async function judgeSteps(options: JudgingOptions): Promise<JudgingOutcome> {
  const { prm, storage = "float32", chatTemplate, date, out, onStage, onProgress } = options;
  if (out !== undefined && !isNewFolder(out, ["judgements.json", "report.html", "report.md"])) {
    throw new InputError(`The output folder ${out} holds something else; choose another folder.`);
  }
  const adapter = prm === undefined ? undefined : findAdapter(prm);
  const asked = withStepFormat(adapter ?? options.model, options);
  onStage?.("reading the solutions");
  const given = await readSolutions(asked);
  onStage?.("opening the model");
  const model = await openAdaptedModel(options.model, { storage, adapter, chatTemplate, date });
  const scorer = createStepScorer(model, asked);
  try {
    const solutions: JudgedText[] = [];
    let tokens = 0;
    for (const { question, solution, where } of given) {
      const { steps, labels } = solution;
      const judged = await scorer.judge(question, steps).catch((error: unknown) => {
        if (!(error instanceof InputError)) throw error;
        throw new InputError(`${where}: ${error.message}`, { cause: error });
      });
      tokens += judged.tokens;
      solutions.push({
        question,
        steps: steps.map((text, i) => ({
          text,
          reward: judged.rewards[i]!,
          ...(labels[i] !== unlabelled && { label: labels[i]! }),
        })),
      });
      onProgress?.(solutions.length, given.length);
    }
    const outcome = { solutions, tokens, report: reportSteps(solutions) };
    return out === undefined ? outcome : { ...outcome, files: await writeJudging(out, options, outcome) };
  } finally {
    await scorer.release();
  }
}

async function writeJudging(
  folder: string,
  { model, prm, data }: JudgingOptions,
  { solutions, tokens, report }: JudgingOutcome,
): Promise<ReportFiles> {
  // The charts' library is slow to load.
  const { judgingReport } = await import("./judging-report.ts");
  const files = writeReport(folder, judgingReport({ model, prm, data }, solutions, report));
  const judgements = { model, prm: prm ?? null, data, tokens, report: report ?? null, solutions };
  writeWhole(join(folder, "judgements.json"), `${JSON.stringify(judgements, undefined, 2)}\n`);
  return files;
}

interface GivenSolution {
  readonly question: string;
  readonly solution: JudgedSolution;
  /** Names the row in errors. */
  readonly where: string;
}

async function readSolutions({ data, limit, separator }: JudgingOptions): Promise<GivenSolution[]> {
  const path = await resolveDataset(data, "train");
  const solutions: GivenSolution[] = [];
  let read: ((row: Row) => Omit<GivenSolution, "where">[]) | undefined;
  for await (const row of readRows(path)) {
    read ??= exampleFormats.steps.some((format) => fits(format, row.fields))
      ? readLabelled(path)
      : (row) => [readUnlabelled(row, path, separator)];
    const where = `${path}, line ${row.line}`;
    solutions.push(...read(row).map((solution) => ({ ...solution, where })));
    if (limit !== undefined && solutions.length >= limit) break;
  }
  if (solutions.length === 0) throw new InputError(`${path} holds no solutions.`);
  return solutions.slice(0, limit);
}

function readLabelled(path: string): (row: Row) => Omit<GivenSolution, "where">[] {
  const read = createExampleReader(path, {}, "steps");
  return (row) => {
    const { messages = [], solutions = [] } = read(row);
    if (messages.length !== 1) {
      throw new InputError(
        `${path}, line ${row.line}: the prompt is a conversation of ${messages.length} messages, but solutions of a single question are judged; leave it out.`,
      );
    }
    return solutions.map((solution) => ({ question: contentText(messages[0]!), solution }));
  };
}

const questionFields = ["question", "problem", "prompt"];
const solutionFields = ["completions", "text", "answer", "solution", "completion"];

function readUnlabelled(
  { fields, line }: Row,
  path: string,
  separator: string | undefined,
): Omit<GivenSolution, "where"> {
  const where = `${path}, line ${line}`;
  const find = (names: readonly string[]) => {
    const name = names.find((name) => fields[name] != null);
    if (name !== undefined) return fields[name];
    throw new InputError(
      `${where}: there is no field ${names.map((name) => `"${name}"`).join(", ")}; give each row a question and its solution.`,
    );
  };
  const question = find(questionFields);
  if (typeof question !== "string") throw new InputError(`${where}: the question is no text; correct it.`);
  const solution = find(solutionFields);
  const steps =
    typeof solution === "string" ? splitSteps(solution, separator).map(({ text }) => text) : solution;
  if (
    !Array.isArray(steps) ||
    steps.length === 0 ||
    steps.some((step) => typeof step !== "string" || step.trim() === "")
  )
    throw new InputError(
      `${where}: the solution is neither a text nor a list of steps, or it is empty; correct it.`,
    );
  return { question, solution: { steps, labels: steps.map(() => unlabelled) } };
}
