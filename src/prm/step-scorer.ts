/** @file A process reward model: how right each step of a solution is, of which what was computed before is kept. */

import { type AdaptedModel, noAdapter } from "../core/adapters/adapted-model.ts";
import { encodeStep, stepChoices } from "../core/data/tokenize-steps.ts";
import { createBeginnings } from "../core/decoding/beginnings.ts";
import { createDecoder } from "../core/engine/decoder.ts";
import { appendTokens, createKeyValues, type KeyValues } from "../core/engine/key-values.ts";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { InputError } from "../core/errors.ts";
import { giveWay } from "../core/event-loop.ts";
import { sigmoid } from "../core/objectives/logistic.ts";
import type { DeviceChoice } from "../node/decoding/generate.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { encodeQuestion } from "./encode-question.ts";

export interface StepScorerOptions extends DeviceChoice {
  /** What ends each step, as the model was tuned. Default: a line feed. */
  readonly separator?: string;
  /** Whether questions are turns of a chat, where the model has a template, as it was tuned. Default true. */
  readonly chat?: boolean;
  /** Keys and values that are kept, in bytes; what was used last longest ago is computed again, but for the last text. Default: 1 GiB. */
  readonly cacheBytes?: number;
}

export interface StepScores {
  /** Of each step P("+") of "+" and "-", from 0 to 1. */
  readonly rewards: readonly number[];
  /** Tokens that were computed for them: those of the steps, and of the path and the question as far as they were not known. */
  readonly tokens: number;
}

export interface StepScorer {
  /**
   * How right steps are that may follow a path, each by itself. Those that are asked for at the same time after the same path are
   * computed side by side, and none of them twice.
   *
   * @param path the steps so far, without what ends them
   * @throws InputError if the question is empty, or with its steps longer than the model's context.
   */
  score(question: string, path: readonly string[], steps: readonly string[]): Promise<StepScores>;
  /** How right each step of a solution is, after those before it. @throws InputError as {@link StepScorer.score} */
  judge(question: string, steps: readonly string[]): Promise<StepScores>;
  release(): Promise<void>;
}

interface PathScores extends StepScores {
  /** Of each step of the path. */
  readonly ofPath: readonly number[];
}

interface Asked {
  readonly question: string;
  readonly path: readonly string[];
  readonly steps: readonly string[];
  resolve(scores: PathScores): void;
  reject(reason: unknown): void;
}

/** Tokens of steps that are computed at a time, padding included. */
const batchTokens = 1024;

/**
 * Prepares a process reward model: a base with the adapter that `slimtune prm tune` has made. Base weights are shared with whatever
 * else uses the same model, such as a writer of the steps.
 *
 * @throws InputError if the vocabulary has no token "+" or "-".
 *
 * @example
 * const { createStepScorer, loadAdapter, openModel } = await import("slimtune");
 * const base = await openModel("HuggingFaceTB/SmolLM2-135M-Instruct");
 * const scorer = createStepScorer(await loadAdapter(base, "runs/prm/adapter"));
 * const { rewards } = await scorer.score("What is 2 + 3 + 4?", ["2 + 3 = 5"], ["5 + 4 = 9", "5 + 4 = 10"]);
 * await scorer.release();
 */
export function createStepScorer(
  model: AdaptedModel,
  { separator, chat = true, cacheBytes = 2 ** 30, device = openDevice("cpu") }: StepScorerOptions = {},
): StepScorer {
  const { config, tokenizer } = model;
  const choices = stepChoices(tokenizer);
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter);
  /** With what ends in a step its reward; that of a question says nothing. */
  const known = createBeginnings<number>(config, cacheBytes);
  const context = longestCachedText(config);
  let waiting: Asked[] = [];
  let working: Promise<void> | undefined;

  const encodePart = (part: string, index: number) =>
    index === 0 ? encodeQuestion(part, tokenizer, chat) : encodeStep(part, tokenizer, separator);

  /** Computes rows of new tokens, side by side, after a text whose keys and values are `past`. @returns of each row its parts' rewards */
  const compute = async (
    before: readonly number[],
    past: KeyValues,
    rows: readonly (readonly (readonly number[])[])[],
  ): Promise<{ readonly rewards: number[][]; readonly keyValues: KeyValues }> => {
    const tokens = rows.map((parts) => parts.flat());
    const length = Math.max(...tokens.map((ids) => ids.length));
    if (past.length + length > context) {
      throw new InputError(
        `A solution of ${past.length + length} tokens, with its question, does not fit into the context of ${context} of ${model.name}; leave it out.`,
      );
    }
    const inputIds = new Int32Array(rows.length * length);
    for (const [row, ids] of tokens.entries()) inputIds.set(ids, row * length);
    const { hidden, keyValues } = await decoder.extend(
      {
        rows: rows.length,
        length,
        inputIds,
        positionIds: Int32Array.from(inputIds, (_, i) => past.length + (i % length)),
      },
      past,
      new Int32Array(rows.length).fill(past.length),
    );
    const ends = rows.map((parts) => parts.map((_, i) => parts.slice(0, i + 1).flat().length));
    const places = ends.flatMap((ofRow, row) => ofRow.map((end) => row * length + end - 1));
    const { logProbabilities } = await decoder.score(
      hidden,
      Int32Array.from(places.flatMap((place) => choices.map(() => place))),
      Int32Array.from(places.flatMap(() => choices)),
    );
    let done = 0;
    const rewards = ends.map((ofRow, row) =>
      ofRow.map((end) => {
        const reward = sigmoid(logProbabilities[done]! - logProbabilities[done + 1]!);
        done += choices.length;
        const text = [...before, ...tokens[row]!.slice(0, end)];
        known.keep(text, { keyValues, row, from: before.length }, reward);
        return reward;
      }),
    );
    return { rewards, keyValues };
  };

  /** Computes what of a question and steps after it is not known. @returns rewards of all parts, keys and values, and the tokens computed */
  const computePath = async (parts: readonly (readonly number[])[]) => {
    const rewards: number[] = [];
    while (rewards.length < parts.length) {
      const { value } = known.find(parts.slice(0, rewards.length + 1).flat());
      if (value === undefined) break;
      rewards.push(value);
    }
    const before = parts.slice(0, rewards.length).flat();
    const past = createKeyValues(config, 1, before.length);
    known.find(before).copyTo(past, 0, before.length);
    const missing = parts.slice(rewards.length);
    if (missing.length === 0) return { past, rewards, tokens: 0 };
    const added = await compute(before, past, [missing]);
    return {
      past: appendTokens(config, past, added.keyValues),
      rewards: [...rewards, ...added.rewards[0]!],
      tokens: missing.flat().length,
    };
  };

  /** Computes steps that are asked for after the same path. @returns the tokens of the path, and what is known of each step */
  const computeSteps = async (path: readonly string[], steps: ReadonlySet<string>) => {
    const parts = path.map(encodePart);
    const { past, rewards, tokens } = await computePath(parts);
    const before = parts.flat();
    const found = new Map<string, { reward: number; tokens: number }>();
    const missing: { step: string; ids: readonly number[] }[] = [];
    for (const step of steps) {
      const ids = encodePart(step, path.length);
      const { value: reward } = known.find([...before, ...ids]);
      if (reward === undefined) missing.push({ step, ids });
      else found.set(step, { reward, tokens: 0 });
    }
    missing.sort((a, b) => a.ids.length - b.ids.length);
    while (missing.length > 0) {
      // Rows come in falling length, so the first decides on the padding.
      const count = Math.max(1, Math.floor(batchTokens / missing.at(-1)!.ids.length));
      const batch = missing.splice(-count);
      const rows = batch.map(({ ids }) => [ids]);
      const computed = await compute(before, past, rows);
      for (const [i, { step, ids }] of batch.entries())
        found.set(step, { reward: computed.rewards[i]![0]!, tokens: ids.length });
    }
    return { ofPath: rewards.slice(1), tokens, found };
  };

  /** Scores all that is asked for by the end of this turn of the event loop, and what came meanwhile. */
  const work = async () => {
    await giveWay();
    while (waiting.length > 0) {
      const paths = new Map<string, Asked[]>();
      for (const one of waiting) {
        const key = JSON.stringify([one.question, ...one.path]);
        paths.set(key, [...(paths.get(key) ?? []), one]);
      }
      waiting = [];
      for (const asked of paths.values()) {
        try {
          const { question, path } = asked[0]!;
          const steps = new Set(asked.flatMap((one) => one.steps));
          const { ofPath, tokens, found } = await computeSteps([question, ...path], steps);
          // What several share is computed for the first that asks.
          let shared = tokens;
          for (const { steps, resolve } of asked) {
            let own = shared;
            shared = 0;
            const rewards = steps.map((step) => {
              const { reward, tokens } = found.get(step)!;
              own += tokens;
              found.set(step, { reward, tokens: 0 });
              return reward;
            });
            resolve({ ofPath, rewards, tokens: own });
          }
        } catch (error) {
          for (const { reject } of asked) reject(error);
        }
      }
    }
    working = undefined;
  };
  const ask = (question: string, path: readonly string[], steps: readonly string[]) =>
    new Promise<PathScores>((resolve, reject) => {
      waiting.push({ question, path, steps, resolve, reject });
      working ??= work();
    });

  return {
    async score(question, path, steps) {
      const { rewards, tokens } = await ask(question, path, steps);
      return { rewards, tokens };
    },
    async judge(question, steps) {
      // One pass over the path gives the reward of each step in it.
      const { ofPath, tokens } = await ask(question, steps, []);
      return { rewards: ofPath, tokens };
    },
    async release() {
      await working;
      await decoder.release();
    },
  };
}
