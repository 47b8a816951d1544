/** @file The manners in which each model is tuned on the queries, and which decision was the best. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { createRandom } from "../../core/random.ts";
import { readWhole } from "../../node/files/read.ts";
import type { SolvedProblem } from "../../reasoning/analysis.ts";
import { mean } from "../../statistics/estimates.ts";
import type { StudyFolder } from "../study-folder.ts";
import { readAptitudes } from "./aptitudes.ts";
import { type Choice, decide, parseDecision, shuffleChoice } from "./decision.ts";
import { listModels, type TunedModel } from "./models.ts";
import type { AptitudeConfig } from "./options.ts";

/** Where a model's answers are: an ordinary run of `slimtune reason`. */
export function answersFolder({ path }: StudyFolder, id: string): string {
  return join(path, "reasoning", id);
}

/** Where its answers to the held-out problems are. */
export function heldOutFolder(folder: StudyFolder, { id }: Pick<TunedModel, "id">): string {
  return answersFolder(folder, `held-out-${id}`);
}

/** @throws Error if the run is not finished. */
export function readSolutions(answers: string): readonly SolvedProblem[] {
  const lines = readWhole(join(answers, "solutions.jsonl")).toString("utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** Whether a run of reasoning is finished. */
export function isAnswered(answers: string): boolean {
  return existsSync(join(answers, "results.json"));
}

/** What a model is tuned on. */
export function choose({ lesson }: TunedModel, config: AptitudeConfig, folder: StudyFolder): Choice {
  const aptitudes = readAptitudes(folder);
  switch (lesson.by) {
    case "manner":
      return aptitudes.map(() => lesson.manners);
    case "aptitude":
      return decide(parseDecision(lesson.decision, "The study"), aptitudes);
    case "chance":
      return shuffleChoice(
        choose(bestDecision(config, folder), config, folder),
        createRandom(config.seed, lesson.draw),
      );
  }
}

/**
 * The model of the decision with the most right answers to the held-out problems, of several such the first.
 *
 * @throws InputError if none of them could be computed.
 */
export function bestDecision(config: AptitudeConfig, folder: StudyFolder): TunedModel {
  const models = listModels(config).filter(({ lesson }) => lesson.by === "aptitude");
  if (models.length === 1) return models[0]!;
  const asked = models
    .filter((model) => isAnswered(heldOutFolder(folder, model)))
    .map((model) => {
      const solutions = readSolutions(heldOutFolder(folder, model));
      return { model, accuracy: mean(solutions.map(({ isRight }) => Number(isRight))) };
    });
  const [first, ...others] = asked;
  if (!first)
    throw new InputError("No decision's model could be tuned and asked, so that none can be chosen.");
  return others.reduce((best, one) => (one.accuracy > best.accuracy ? one : best), first).model;
}
