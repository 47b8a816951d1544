/** @file Solutions without the words that say least (after TokenSkip, Xia et al. 2025, arXiv 2502.12067). */

import { createRandom } from "../../core/random.ts";
import type { RolloutGroup } from "../rollout.ts";
import {
  answerOf,
  type CompletionRow,
  createSelection,
  rephrase,
  rightSolutions,
  type Selection,
} from "./selection.ts";

/** A word of a text, with the space before it. */
export interface ScoredWord {
  readonly text: string;
  readonly tokens: number;
  /** Sum over its tokens of −ln p(token | what stands before), in nats. */
  readonly surprisal: number;
}

/** The words of a text, which together are the text. */
export type WordScorer = (text: string) => Promise<readonly ScoredWord[]>;

export interface TokenSkipOptions {
  /** The share of tokens that is kept, above 0 and at most 1. Default: each of {@link tokenSkipRatios}, one a question, drawn at random. */
  readonly ratio?: number;
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Those of the paper; 1 is the solution as it was. */
export const tokenSkipRatios = [0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;

/** What marks the ratio in a prompt, whatever the model. */
const mark = "<|eot_id|>";
/** Name of the random stream drawn here. */
const drawStream = 5;

/**
 * The first right solution of each problem, pruned to a share of its tokens. With a ratio of one's own the prompts are as they were; with
 * drawn ones, that of the row stands behind the question between two `<|eot_id|>`, and nothing where it is 1, as in the paper.
 *
 * This is a variant of ours: the paper asks the classifier LLMLingua-2 which tokens matter, and this the surprisal of words under
 * the base model, which reads the solution without its question, as the classifier does. The last line with the answer ("####", "\boxed",
 * "answer is") is kept as it is.
 *
 * @example
 * const { createWordScorer, openModel } = await import("slimtune");
 * const scorer = createWordScorer(await openModel("fixtures/embedded-model"));
 * const { rows } = await selectTokenSkip(readRollouts("rollouts"), scorer.score, { ratio: 0.7 });
 * await scorer.release();
 */
export async function selectTokenSkip(
  groups: readonly RolloutGroup[],
  scoreWords: WordScorer,
  { ratio, seed = 0 }: TokenSkipOptions = {},
): Promise<Selection<CompletionRow>> {
  const { take, leaveOut, selection } = createSelection<CompletionRow>();
  for (const group of groups) {
    const first = rightSolutions(group).toSorted((a, b) => a.sample - b.sample)[0];
    if (!first) {
      leaveOut("problems without a right solution");
      continue;
    }
    const { reasoning, conclusion } = splitConclusion(first.text);
    if (reasoning === "" || conclusion === "") {
      leaveOut("problems whose solution has no line with a marked answer behind its reasoning");
      continue;
    }
    const drawn = createRandom(seed, drawStream, first.problem).below(tokenSkipRatios.length);
    const kept = ratio ?? tokenSkipRatios[drawn]!;
    const pruned = kept === 1 ? reasoning : pruneWords(await scoreWords(reasoning), kept);
    take(first, {
      prompt:
        ratio === undefined && kept < 1
          ? rephrase(first, (asked) => `${asked}${mark}${kept}${mark}`)
          : first.prompt,
      completion: answerOf(first, pruned + conclusion),
    });
  }
  return selection;
}

/** A text before the last line with a marked answer, and from the space before that line on; nothing where none is marked. */
export function splitConclusion(text: string): { readonly reasoning: string; readonly conclusion: string } {
  const marked = [...text.matchAll(/####|\\boxed|\banswer(?: is|:)/gi)].at(-1)?.index;
  if (marked === undefined) return { reasoning: text, conclusion: "" };
  const reasoning = text.slice(0, text.lastIndexOf("\n", marked) + 1).trimEnd();
  return { reasoning, conclusion: text.slice(reasoning.length) };
}

/** The words with the highest mean surprisal of their tokens, in their order, up to the share of all tokens that is to be kept. */
export function pruneWords(words: readonly ScoredWord[], ratio: number): string {
  const wanted = ratio * words.reduce((sum, { tokens }) => sum + tokens, 0);
  const importance = ({ surprisal, tokens }: ScoredWord) => surprisal / Math.max(1, tokens);
  const order = [...words.keys()].sort((a, b) => importance(words[b]!) - importance(words[a]!) || a - b);
  const kept = new Set<number>();
  let tokens = 0;
  for (const index of order) {
    if (tokens >= wanted) break;
    kept.add(index);
    tokens += words[index]!.tokens;
  }
  const first = /^\s*/.exec(words[0]?.text ?? "")![0];
  const text = words.filter((_, index) => kept.has(index)).map(({ text }) => text);
  return first + text.join("").trimStart();
}
