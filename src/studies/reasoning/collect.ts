/** @file What the parts of a study of reasoning found. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { readWhole } from "../../node/files/read.ts";
import { readJson } from "../../node/files/structured.ts";
import { type Metrics, readMetrics } from "../../node/training/metrics-log.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import { chooseShown, drawCurve, type SolvedProblem } from "../../reasoning/analysis.ts";
import { isBaseline } from "../../reasoning/strategies/strategies.ts";
import { readRollouts } from "../../rollouts/rollout.ts";
import { summarizeRollouts } from "../../rollouts/summary.ts";
import { mean } from "../../statistics/estimates.ts";
import { baseId, type StudyFolder, whyMissing } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import { listModels, strategiesOf, type TunedModel } from "./models.ts";
import type { ReasoningConfig } from "./options.ts";
import { answersFolder } from "./parts.ts";
import {
  type AskedModel,
  answersSchema,
  efficiencyFields,
  type ModelComparison,
  type ReasoningStudyResults,
} from "./results.ts";
import { rolloutsFolder, rowsFile } from "./rows.ts";

export async function collectReasoning(
  config: ReasoningConfig,
  folder: StudyFolder,
): Promise<Found<ReasoningStudyResults>> {
  const models = listModels(config);
  const { tasks, curves } = readAnswers(folder, baseId);
  const base = { id: baseId, name: baseId, from: null, curves };
  const cells = models.map((model) => collectModel(model, folder));
  const asked = [base, ...cells].filter(({ curves }) => curves !== undefined);
  const solutions = new Map(asked.map(({ id }) => [id, readSolutions(folder, id)]));
  const samples = rolloutsFolder(folder);
  const byRule = models.some(({ lesson }) => lesson === "rollouts");
  return {
    date: asked
      .map(({ id }) => readAnswers(folder, id).date)
      .sort()
      .at(-1)!,
    tasks,
    base,
    cells,
    rollouts: byRule && existsSync(samples) ? summarizeRollouts(readRollouts(samples)) : null,
    comparisons: tasks.flatMap(({ name }) => compareModels(name, asked, solutions, config)),
    shown: tasks.flatMap(({ name }) =>
      chooseShown(
        asked.flatMap((model) => firstAnswers(name, model, solutions, config).map(asShown(model.name))),
      ),
    ),
    notes: describeLimits(config),
  };
}

function collectModel(model: TunedModel, folder: StudyFolder): AskedModel {
  const { id, name, from } = model;
  const isAsked = existsSync(join(answersFolder(folder, id), "results.json"));
  const error = whyMissing(folder, id, isAsked);
  const described = { id, name, from };
  if (error !== undefined) return { ...described, error };
  return {
    ...described,
    training: collectTraining(model, folder),
    curves: readAnswers(folder, id).curves,
  };
}

function collectTraining(model: TunedModel, folder: StudyFolder) {
  const run = runFolder(folder.run(model.id));
  const metrics = readMetrics(run.metrics);
  const steps = metrics.flatMap((line) => ("loss" in line ? [line] : []));
  const losses = metrics.flatMap((line) => ("eval_loss" in line ? [line.eval_loss] : []));
  const { seconds, peakMemoryBytes } = readJson(run.efficiency, efficiencyFields);
  const rows = readWhole(rowsFile(folder, model)).toString("utf8").trimEnd().split("\n").length;
  return {
    rows,
    steps: steps.length,
    ...{ seconds, peakMemoryBytes },
    heldOutLoss: losses.length > 0 ? ([losses[0]!, losses.at(-1)!] as const) : null,
    written: model.lesson === "rewards" ? describeWritten(steps) : null,
  };
}

/** What was written in the first tenth of the steps, and in the last. */
function describeWritten(steps: readonly Extract<Metrics, { loss: number }>[]) {
  const tenth = Math.ceil(steps.length / 10);
  return [steps.slice(0, tenth), steps.slice(-tenth)].map((some) => {
    const average = (name: string) => mean(some.map(({ metrics }) => metrics?.[name] ?? 0));
    return {
      reward: average("reward"),
      tokens: average("completions/mean_length"),
      entropy: average("entropy"),
      alike: average("frac_reward_zero_std"),
    };
  });
}

function readAnswers(folder: StudyFolder, id: string) {
  return readJson(join(answersFolder(folder, id), "results.json"), answersSchema, "remove it");
}

function readSolutions(folder: StudyFolder, id: string): readonly SolvedProblem[] {
  const path = join(answersFolder(folder, id), "solutions.jsonl");
  const lines = readWhole(path).toString("utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** The solutions of a task by the first strategy of a model. */
function firstAnswers(
  task: string,
  { id, name }: AskedModel,
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
  config: ReasoningConfig,
): readonly SolvedProblem[] {
  const [first] = strategiesOf(name, config);
  return solutions.get(id)!.filter((one) => one.task === task && one.strategy === first);
}

function asShown(model: string) {
  return ({ strategy, usage, ...solution }: SolvedProblem) => {
    const { task, id, question, answer, isRight, isCut, text, details } = solution;
    return {
      ...{ strategy: `${model}: ${strategy}`, task, id, question, answer, isRight, isCut, text, details },
      usage: { completionTokens: usage.completionTokens },
    };
  };
}

/** Each tuned model against the one that it begins with, and against its baseline: right solutions of whatever length. */
function compareModels(
  task: string,
  asked: readonly AskedModel[],
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
  config: ReasoningConfig,
): ModelComparison[] {
  const baseline = asked.find(({ name }) => /^correct(:|$)/.test(name));
  return asked.flatMap((model) => {
    const start = asked.find(({ id }) => id === model.from);
    const isSelected = listModels(config).find(({ id }) => id === model.id)?.lesson === "rollouts";
    const rivals = isSelected && baseline && baseline !== model ? [start, baseline] : [start];
    return rivals.flatMap((rival) => (rival ? [compareTwo(task, model, rival, solutions, config)] : []));
  });
}

function compareTwo(
  task: string,
  model: AskedModel,
  against: AskedModel,
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
  config: ReasoningConfig,
): ModelComparison {
  const own = firstAnswers(task, model, solutions, config);
  const theirs = solutions.get(against.id)!.filter((one) => one.task === task);
  const [first, ...others] = strategiesOf(against.name, config);
  const rivals = [first!, ...others.filter(isBaseline)];
  const points = drawCurve(
    [...rivals, ""].map((name) => ({ name, isBaseline: name !== "", isOracle: false })),
    [...rivals.map((name) => theirs.filter(({ strategy }) => strategy === name)), own],
  );
  const { accuracy, tokens, againstFirst, accuracyAtEqualTokens } = points.at(-1)!;
  return {
    ...{ task, model: model.name, strategy: strategiesOf(model.name, config)[0]! },
    ...{ against: against.name, againstStrategy: first! },
    ...{ accuracy, tokens, difference: againstFirst!, accuracyAtEqualTokens },
  };
}

function describeLimits({ limit, tasks, bits, training }: ReasoningConfig): string[] {
  return [
    ...(limit === undefined ? [] : [`Only the first ${limit} problems were asked of ${tasks.join(", ")}.`]),
    ...(bits === undefined
      ? []
      : [`Models wrote with weights of ${bits} bits, and were tuned with those that the file holds.`]),
    `Each of the ${training.length} models was tuned once: another seed may give another order.`,
    "Intervals are over the problems, and not adjusted for how many comparisons there are.",
  ];
}
