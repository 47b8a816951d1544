/** @file What is reached without a model: by the commonest level, by the length, and by the words of turns. */

import { wordsOf } from "../alignment/words.ts";
import { fitLogisticRegression, predictLogistic, type SparseRow } from "../statistics/logistic-regression.ts";
import { sumOfIndependent } from "./distribution.ts";
import { combine, type Scored } from "./pieces.ts";
import { lowerMedian } from "./ratings.ts";
import { type Dimension, levelOf } from "./rubric.ts";
import { type AssessedText, countWords, isLookedAt, isMarked, type Turn } from "./texts.ts";

/** What gives levels, having learnt from texts that people have labelled. Only of dimensions that are counted. */
export interface Baseline {
  readonly name: string;
  /** In a sentence. */
  readonly description: string;
  learn(training: readonly AssessedText[], dimension: Dimension): (text: AssessedText) => Scored;
}

export const baselines: readonly Baseline[] = [
  {
    name: "majority",
    description: "Gives the level that most of the labelled texts have.",
    learn(training, dimension) {
      const levels = training.map((text) => labelledLevel(text, dimension));
      const countOf = (level: number) => levels.filter((one) => one === level).length;
      const most = Math.max(...[...new Set(levels)].map(countOf));
      const level = lowerMedian([...new Set(levels)].filter((level) => countOf(level) === most));
      return () => plain(level);
    },
  },
  {
    name: "length",
    description:
      "Gives the level on a straight line over the logarithm of the number of words, by least squares.",
    learn(training, dimension) {
      const x = training.map(({ turns }) => Math.log(countWords(turns)));
      const y = training.map((text) => labelledLevel(text, dimension));
      const [meanX, meanY] = [x, y].map(
        (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
      ) as [number, number];
      const spread = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
      const product = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i]! - meanY), 0);
      const slope = spread > 0 ? product / spread : 0;
      const [lowest, highest] = [dimension.levels[0]!.level, dimension.levels.at(-1)!.level];
      return ({ turns }) => {
        const level = Math.round(meanY + slope * (Math.log(countWords(turns)) - meanX));
        return plain(Math.min(highest, Math.max(lowest, level)));
      };
    },
  },
  {
    name: "words",
    description:
      "Judges each turn by logistic regression on which words it has, and takes the level of how often the answer is yes.",
    learn(training, dimension) {
      const judge = learnWords(
        training.flatMap(({ turns }) => turns.filter((turn) => isLookedAt(dimension, turn))),
        dimension,
      );
      return ({ turns }) => {
        const judged = turns.flatMap((turn, number) =>
          isLookedAt(dimension, turn) ? [{ turn: number, probability: judge(turn) }] : [],
        );
        const found = judged.filter(({ probability }) => probability > 0.5);
        return combine(dimension, [
          {
            ...{ least: found.length, most: found.length, evidence: found, turns: judged },
            distribution: sumOfIndependent(judged.map(({ probability: p }) => [1 - p, p])),
          },
        ]);
      };
    },
  },
];

/** The level of a text by its labels. */
export function labelledLevel({ turns }: AssessedText, dimension: Dimension): number {
  return levelOf(dimension, turns.filter((turn) => isMarked(dimension, turn)).length);
}

function plain(level: number): Scored {
  return { level, probabilities: null, expected: null, deviation: null, evidence: [] };
}

/** Gives how probable it is that a turn is marked. */
function learnWords(turns: readonly Turn[], dimension: Dimension): (turn: Turn) => number {
  const labels = turns.map((turn) => isMarked(dimension, turn));
  const marked = labels.filter((label) => label).length;
  if (marked === 0 || marked === turns.length) return () => (marked === 0 ? 0 : 1);
  const vocabulary = new Map<string, number>();
  for (const { text } of turns)
    for (const word of wordsOf(text)) if (!vocabulary.has(word)) vocabulary.set(word, vocabulary.size);
  const toRow = ({ text }: Turn): SparseRow => {
    const features = [...new Set(wordsOf(text))].flatMap((word) => vocabulary.get(word) ?? []);
    return { features, values: features.map(() => 1) };
  };
  const model = fitLogisticRegression(turns.map(toRow), labels, vocabulary.size);
  return (turn) => predictLogistic(model, toRow(turn));
}
