/** @file The aptitudes of the queries: how well the model does on the anchors after each query's two solutions. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import type { SolvedProblem } from "../../reasoning/analysis.ts";
import type { Problem } from "../../reasoning/problem.ts";
import { runReasoning } from "../../reasoning/run-reasoning.ts";
import type { Strategy } from "../../reasoning/strategy.ts";
import { mean } from "../../statistics/estimates.ts";
import type { StudyFolder } from "../study-folder.ts";
import { readAnchors } from "./anchors.ts";
import type { Aptitude } from "./decision.ts";
import { answerAfter, scoreAfter, type Trial } from "./one-shot.ts";
import type { AptitudeConfig } from "./options.ts";
import { readPairs } from "./pairs.ts";

/** Everything that a run of reasoning needs but its problems and strategies. */
export type Asking = Omit<Parameters<typeof runReasoning>[0], "tasks" | "strategies" | "out">;

const aptitudesSchema = z.array(z.object({ words: z.number(), program: z.number() }));

export function aptitudesFile({ data }: StudyFolder): string {
  return join(data, "aptitudes.json");
}

/** In the order of the queries. @throws InputError if they are not written yet, or the file is damaged. */
export function readAptitudes(folder: StudyFolder): readonly Aptitude[] {
  return readJson(aptitudesFile(folder), aptitudesSchema, "remove it");
}

/**
 * Measures both aptitudes of each query. By answers: the share of anchors that are answered rightly after the query's solution. By likelihood,
 * the other way round: how likely the query's own solution is after those of the anchors, a mean over these. A query that is an anchor itself
 * is not asked after its own solution.
 *
 * @throws InputError if the model answers nothing rightly.
 */
export async function measureAptitudes(
  { aptitudes: by }: AptitudeConfig,
  folder: StudyFolder,
  asking: Asking,
  onProgress: (text: string) => void,
): Promise<void> {
  const { queries } = readPairs(folder);
  const { anchors } = readAnchors(folder);
  const trial: Trial = ({ id }) => {
    const [query, anchor] = id.split("/").map((number) => queries[Number(number)]!);
    return by === "answers" ? { example: query!, asked: anchor! } : { example: anchor!, asked: query! };
  };
  // All that come after the same query stand together, so that its solution is computed once; texts that are scored are put in order anyway.
  const problems = [...queries.keys()]
    .flatMap((query) => anchors.filter((anchor) => anchor !== query).map((anchor) => `${query}/${anchor}`))
    .map((id): Problem => {
      const { question, gold } = trial({ id }).asked;
      return { task: "anchors", id, question, gold };
    });
  const makeStrategy: (...trial: Parameters<typeof answerAfter>) => Strategy =
    by === "answers" ? answerAfter : scoreAfter;
  const { solutions } = await runReasoning(
    {
      ...asking,
      tasks: [problems],
      strategies: [makeStrategy("words", trial), makeStrategy("program", trial)],
      out: join(folder.path, "reasoning", "aptitudes"),
    },
    {
      onStage: onProgress,
      onProgress: ({ strategy, solved, total }) => onProgress(`${strategy} ${solved}/${total}`),
    },
  );
  if (by === "answers" && !solutions.some(({ isRight }) => isRight)) {
    const answered = solutions.filter(({ answer }) => answer !== null).length;
    throw new InputError(
      `After a solved example the model answers none of ${solutions.length} questions rightly, and ${answered} at all, so that nothing is known of its aptitudes; give --warm-up, take --aptitudes likelihood, or another model.`,
    );
  }
  const measured = queries.map((_, query): Aptitude => {
    const own = solutions.filter(({ id }) => id.startsWith(`${query}/`));
    const average = (strategy: string) =>
      mean(own.filter((one) => one.strategy === strategy).map((one) => valueOfTrial(one, by)));
    return { words: average("words"), program: average("program") };
  });
  writeWhole(aptitudesFile(folder), `${JSON.stringify(measured)}\n`);
}

function valueOfTrial({ isRight, details }: SolvedProblem, by: AptitudeConfig["aptitudes"]): number {
  return by === "answers" ? Number(isRight) : (details.logprob as number);
}
