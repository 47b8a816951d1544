/** @file A run's samples.jsonl: what the model under training answers to prompts of a person's own. */

import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { tokenizePrompt } from "../../core/data/tokenize-prompt.ts";
import type { LocalGenerator } from "../../core/decoding/batch-generator.ts";
import { longestCachedText } from "../../core/engine/layer-context.ts";
import { InputError } from "../../core/errors.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import type { DatasetReport } from "../data/load-dataset.ts";
import type { RunConfig } from "./run-config.ts";
import { readStepLog } from "./step-log.ts";

/** A prompt's answer, greedily written. */
export interface Answered {
  readonly prompt: string;
  readonly answer: string;
}

/** An answer of the model after `step` updates; 0 is the model as the run begins. */
export interface RunSample extends Answered {
  readonly step: number;
}

/** A prompt of `sample_prompts`, as tokens. */
export interface SamplePrompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * The prompts of samples as the run renders its data's: through the chat template where these go through it, else as they stand.
 *
 * @throws InputError if one has no token, or leaves no room for an answer in the model's context.
 */
export function encodeSamplePrompts(
  { sample_prompts = [], apply_chat_template: applyChatTemplate }: RunConfig,
  tokenizer: Tokenizer,
  model: ModelConfig,
  { conversations }: Pick<DatasetReport, "conversations">,
): SamplePrompt[] {
  const context = longestCachedText(model);
  return sample_prompts.map((text) => {
    const where = `The prompt ${JSON.stringify(text)} of "sample_prompts"`;
    const prompt = {
      ...(conversations > 0 && { messages: [{ role: "user", content: text }] }),
      plain: { prompt: text, completion: "" },
    };
    const ids = [...tokenizePrompt(prompt, tokenizer, { applyChatTemplate }, where).ids];
    if (ids.length === 0) throw new InputError(`${where} has no token; write another one.`);
    if (ids.length < context) return { text, ids };
    throw new InputError(
      `${where} has ${ids.length} tokens, but the model's context is ${context}; shorten it.`,
    );
  });
}

/** Gives a model's answers to prompts, in their order, by the trained tensors as they then are. */
export type SampleWriter = () => Promise<readonly Answered[]>;

export function createSampleWriter(
  generator: LocalGenerator,
  prompts: readonly SamplePrompt[],
  maxNewTokens: number,
): SampleWriter {
  return async () => {
    generator.refresh();
    return Promise.all(
      prompts.map(async ({ text, ids }) => {
        const { text: answer } = await generator.generate({ promptIds: ids, maxNewTokens });
        return { prompt: text, answer };
      }),
    );
  };
}

/** Reads the lines of a run's samples.jsonl that are whole; none if there is no such file. */
export function readSamples(path: string): RunSample[] {
  return readStepLog(path);
}
