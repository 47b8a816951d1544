/** @file What each metric gives for one item, from a model's answers to its requests. */

import { removeAll } from "../core/python/regexp.ts";
import { asciiPunctuation, countCodePoints, countWords } from "../core/python/text.ts";
import type { ItemScore, MetricName } from "./aggregate.ts";
import type { LoglikelihoodResult } from "./language-model.ts";
import type { Instance, InstanceRequests, Metric } from "./task.ts";

export type ItemScores = Readonly<Partial<Record<MetricName, ItemScore>>>;

/**
 * 1 for a correct choice and 0 for another. Of choices that are equally likely the first counts as the answer.
 *
 * @param answers one per choice.
 */
export function scoreMultipleChoice(
  instance: Instance,
  answers: readonly LoglikelihoodResult[],
  metrics: readonly Metric[],
): ItemScores {
  const { choices, gold } = requestsOf(instance, "multiple_choice");
  const likelihoods = answers.map(({ logLikelihood }) => logLikelihood);
  const score = (measure: (choice: string) => number) =>
    Number(indexOfMaximum(likelihoods.map((value, i) => value / measure(choices[i]!))) === gold);
  return scoreEach(metrics, ({ metric }) => {
    switch (metric) {
      case "acc":
        return score(() => 1);
      case "acc_norm":
        return score(countCodePoints);
      case "acc_bytes":
        return score(Buffer.byteLength);
      case "exact_match":
        return Number(answers[gold]!.isGreedy);
      default:
        return undefined;
    }
  });
}

/** @param answer the generated text as a filter left it. */
export function scoreGeneration(instance: Instance, answer: string, metrics: readonly Metric[]): ItemScores {
  const target = String(instance.target);
  return scoreEach(metrics, (metric) => {
    switch (metric.metric) {
      case "exact_match":
        return Number(comparable(answer, metric) === comparable(target, metric));
      case "judged":
        return metric.judge(answer, target, instance.doc);
      default:
        return undefined;
    }
  });
}

/** @param logLikelihood of the whole text, in nats. */
export function scoreRolling(
  instance: Instance,
  logLikelihood: number,
  metrics: readonly Metric[],
): ItemScores {
  const { original } = requestsOf(instance, "loglikelihood_rolling");
  return scoreEach(metrics, ({ metric }) => {
    switch (metric) {
      case "word_perplexity":
        return [logLikelihood, countWords(original)];
      case "byte_perplexity":
      case "bits_per_byte":
        return [logLikelihood, Buffer.byteLength(original)];
      default:
        return undefined;
    }
  });
}

function requestsOf<T extends InstanceRequests["type"]>(instance: Instance, type: T) {
  if (instance.requests.type !== type) throw new Error(`Item ${instance.docId} is not of type ${type}.`);
  return instance.requests as Extract<InstanceRequests, { readonly type: T }>;
}

function scoreEach(metrics: readonly Metric[], score: (metric: Metric) => ItemScore | undefined): ItemScores {
  return Object.fromEntries(
    metrics.map((metric) => {
      const value = score(metric);
      if (value === undefined) throw new Error(`The metric ${metric.metric} is not for this type of item.`);
      return [metric.metric, value];
    }),
  );
}

/** NumPy's argmax: the first of equals, and the first that is no number before all. */
function indexOfMaximum(values: readonly number[]): number {
  const notANumber = values.findIndex(Number.isNaN);
  return notANumber >= 0 ? notANumber : values.indexOf(Math.max(...values));
}

/** What is compared of an answer or its target. */
function comparable(text: string, metric: Extract<Metric, { metric: "exact_match" }>): string {
  let rest = text;
  for (const pattern of metric.regexes_to_ignore ?? []) rest = removeAll(pattern, rest);
  if (metric.ignore_case) rest = rest.toLowerCase();
  if (metric.ignore_punctuation) rest = rest.replace(asciiPunctuation, "");
  // NumPy, with which the harness compares, drops them.
  return rest.replace(/\0+$/, "");
}
