/** @file What the parts of a study of aptitude found. */

import { join } from "node:path";
import { readJson } from "../../node/files/structured.ts";
import { readMetrics } from "../../node/training/metrics-log.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import { chooseShown, difficultyOf, type SolvedProblem } from "../../reasoning/analysis.ts";
import { mean } from "../../statistics/estimates.ts";
import { pairedBootstrap } from "../../statistics/paired-bootstrap.ts";
import { type Estimate, wilsonInterval } from "../../statistics/wilson.ts";
import { answersSchema, efficiencyFields } from "../reasoning/results.ts";
import { type StudyFolder, whyMissing } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import { findTunedModel } from "../tuning.ts";
import { readAnchors } from "./anchors.ts";
import { readAptitudes } from "./aptitudes.ts";
import { answersFolder, bestDecision, choose, heldOutFolder, isAnswered, readSolutions } from "./choice.ts";
import { chosenId, listModels, type TunedModel } from "./models.ts";
import type { AptitudeConfig } from "./options.ts";
import { readPairs } from "./pairs.ts";
import { runOf } from "./parts.ts";
import type { AptitudeCell, AptitudeResults, AskedTask } from "./results.ts";

/** The random choices together, where there are several. */
const randomName = "random choice";

export async function collectAptitude(
  config: AptitudeConfig,
  folder: StudyFolder,
): Promise<Found<AptitudeResults>> {
  const { problems, leftOut, queries } = readPairs(folder);
  const { anchors, sizes } = readAnchors(folder);
  const models = listModels(config);
  const best = bestDecision(config, folder);
  const chosen = choose(best, config, folder);
  const solutions = new Map(
    [...models.map(({ id }) => id), chosenId]
      .filter((id) => isAnswered(answersFolder(folder, id)))
      .map((id) => [id, readSolutions(answersFolder(folder, id))]),
  );
  const answers = [...solutions.keys()].map((id) =>
    readJson(join(answersFolder(folder, id), "results.json"), answersSchema, "remove it"),
  );
  const tasks = answers[0]!.tasks;
  const tata = { id: chosenId, name: best.name };
  return {
    date: answers
      .map(({ date }) => date)
      .sort()
      .at(-1)!,
    tasks,
    problems,
    leftOut,
    anchors: anchors.map((query, i) => ({ question: queries[query]!.question, queries: sizes[i]! })),
    aptitudes: readAptitudes(folder).map((aptitude, i) => ({ ...aptitude, chosen: [...chosen[i]!] })),
    decision: best.lesson.by === "aptitude" ? best.lesson.decision : "",
    cells: [...models, tata].map((model) => collectCell(model, config, folder, solutions)),
    comparisons: tasks.flatMap(({ name }) => compareWithOthers(name, models, solutions)),
    oracle: tasks.flatMap(({ name }) => boundOf(name, solutions)),
    shown: tasks.flatMap(({ name }) =>
      chooseShown(
        [...models, tata].flatMap(({ id, name: model }) =>
          ofTask(solutions.get(id) ?? [], name).map((solution) => asShown(solution, model)),
        ),
      ),
    ),
    notes: describeLimits(config),
  };
}

function collectCell(
  model: Pick<TunedModel, "id" | "name"> & Partial<TunedModel>,
  config: AptitudeConfig,
  folder: StudyFolder,
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
): AptitudeCell {
  const { id, name, lesson } = model;
  const own = solutions.get(id);
  const held = heldOutFolder(folder, { id });
  const isTuned = lesson && findTunedModel(runOf(config, folder, { id, name, lesson })) !== undefined;
  const isComputed = lesson?.by === "aptitude" ? isTuned! : own !== undefined;
  const error = whyMissing(folder, id, isComputed);
  if (error !== undefined) return { id, name, error };
  return {
    ...{ id, name },
    ...(isTuned && { training: collectTraining({ id, name, lesson }, config, folder) }),
    ...(isAnswered(held) && { heldOut: shareOfRight(readSolutions(held)) }),
    ...(own && { asked: [...new Set(own.map(({ task }) => task))].map((task) => summarize(task, own)) }),
  };
}

function collectTraining(model: TunedModel, config: AptitudeConfig, folder: StudyFolder) {
  const run = runFolder(folder.run(model.id));
  const choice = choose(model, config, folder);
  const { seconds, peakMemoryBytes } = readJson(run.efficiency, efficiencyFields);
  return {
    words: choice.filter((manners) => manners.includes("words")).length,
    programs: choice.filter((manners) => manners.includes("program")).length,
    steps: readMetrics(run.metrics).filter((line) => "loss" in line).length,
    ...{ seconds, peakMemoryBytes },
  };
}

function summarize(task: string, solutions: readonly SolvedProblem[]): AskedTask {
  const own = ofTask(solutions, task);
  const labels = [...new Set(own.map(difficultyOf))].filter((label) => label !== undefined).sort();
  const share = (some: readonly SolvedProblem[], is: (one: SolvedProblem) => boolean) =>
    mean(some.map((one) => Number(is(one))));
  const runsProgram = (one: SolvedProblem) => programsOf(one) > 0;
  return {
    task,
    accuracy: shareOfRight(own),
    written: mean(own.map(writtenBy)),
    tokens: mean(own.map(({ usage }) => usage.promptTokens + usage.completionTokens)),
    programs: mean(own.map(programsOf)),
    programmed: share(own, runsProgram),
    unanswered: share(own, ({ answer }) => answer === null),
    difficulty: labels.map((label) => {
      const some = own.filter((one) => difficultyOf(one) === label);
      return {
        ...{ label, problems: some.length },
        accuracy: share(some, ({ isRight }) => isRight),
        programmed: share(some, runsProgram),
      };
    }),
  };
}

/** TATA against each other way to choose, on the same problems. */
function compareWithOthers(
  task: string,
  models: readonly TunedModel[],
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
): AptitudeResults["comparisons"] {
  const own = solutions.get(chosenId);
  if (!own) return [];
  const rivals = models.filter(({ id, lesson }) => lesson.by === "manner" && solutions.has(id));
  const draws = models.filter(({ id, lesson }) => lesson.by === "chance" && solutions.has(id));
  return [
    ...(draws.length > 0 ? [{ name: randomName, ids: draws.map(({ id }) => id) }] : []),
    ...rivals.map(({ id, name }) => ({ name, ids: [id] })),
  ].map(({ name, ids }) => {
    const theirs = ids.map((id) => ofTask(solutions.get(id)!, task));
    /** Of each problem TATA's value less the mean of the others'. */
    const difference = (measure: (solution: SolvedProblem) => number) =>
      estimateMean(
        ofTask(own, task).map((mine, i) => measure(mine) - mean(theirs.map((rows) => measure(rows[i]!)))),
      );
    return {
      ...{ task, against: name },
      accuracy: difference(({ isRight }) => Number(isRight)),
      written: difference(writtenBy),
      programs: difference(programsOf),
    };
  });
}

/** Problems that the model of words or that of programs solves. */
function boundOf(
  task: string,
  solutions: ReadonlyMap<string, readonly SolvedProblem[]>,
): AptitudeResults["oracle"] {
  const [words, programs] = ["words", "programs"].map((id) => solutions.get(id));
  if (!words || !programs) return [];
  const theirs = ofTask(programs, task);
  const either = ofTask(words, task).map((one, i) => ({ isRight: one.isRight || theirs[i]!.isRight }));
  return [{ task, accuracy: shareOfRight(either) }];
}

/** The mean over problems, with its bootstrap interval. */
function estimateMean(values: readonly number[]): Estimate {
  const meanOf = (drawn: Iterable<number>) => mean(Array.from(drawn, (i) => values[i]!));
  return { value: mean(values), ...pairedBootstrap(values.length, meanOf, { resamples: 2000 }) };
}

function shareOfRight(solutions: readonly Pick<SolvedProblem, "isRight">[]): Estimate {
  const right = solutions.filter(({ isRight }) => isRight).length;
  return { value: right / solutions.length, ...wilsonInterval(right, solutions.length) };
}

function ofTask(solutions: readonly SolvedProblem[], name: string): readonly SolvedProblem[] {
  return solutions.filter(({ task }) => task === name);
}

function writtenBy({ usage }: SolvedProblem): number {
  return usage.completionTokens;
}

/** How many programs were run. */
function programsOf({ details }: SolvedProblem): number {
  return details.programs as number;
}

function asShown({ strategy: _, usage, ...solution }: SolvedProblem, model: string) {
  const { task, id, question, answer, isRight, isCut, text, details } = solution;
  return {
    ...{ strategy: model, task, id, question, answer, isRight, isCut, text, details },
    usage: { completionTokens: usage.completionTokens },
  };
}

function describeLimits(config: AptitudeConfig): string[] {
  const { limit, bits, decisions, random_draws: draws, aptitudes, warm_up: warmUp } = config;
  return [
    ...(limit === undefined ? [] : [`Only the first ${limit} problems of each task were asked.`]),
    ...(bits === undefined
      ? []
      : [`Models wrote with weights of ${bits} bits, and were tuned with those that the file holds.`]),
    ...(aptitudes === "likelihood"
      ? [
          "Aptitudes are mean log-probabilities of the queries' own solutions, and not TATA's shares of anchors that are answered rightly.",
        ]
      : []),
    ...(warmUp > 0
      ? [
          `The model was tuned first on ${warmUp} other problems, each after a solved one, in words and as programs; all models began with that.`,
        ]
      : []),
    ...(decisions.length > 1
      ? [
          `The decision was chosen on held-out problems among ${decisions.length}; the random choice, which has its size, had no such choice of its own.`,
        ]
      : []),
    `Each model was tuned once${draws > 1 ? `, and ${draws} random choices` : ""}: another seed may give another order.`,
    "Intervals are over the problems, and not adjusted for how many comparisons there are.",
  ];
}
