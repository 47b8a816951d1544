/** @file What a run's loss holds beside its objective: a teacher's predictions, and those that the model had before. */

import type { Parameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { drawWindows } from "../../core/data/text-windows.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { type DistillOptions, divergenceOf } from "../../core/objectives/distill.ts";
import { forwardKl } from "../../core/objectives/divergences.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import type { DivergenceTerm } from "../../core/training/divergence-term.ts";
import type { StepPlan } from "../../core/training/step-plan.ts";
import { readText } from "../files/read.ts";
import type { RunConfig } from "./run-config.ts";

/** Tokens of a window of the text on which a run is kept near its beginning. */
const windowTokens = 128;
/** Share of a step's tokens that are read from that text. */
const keptShare = 0.25;
/** Windows that are read in each evaluation: the same ones. */
const evaluatedWindows = 8;
/** Of them all; steps have the other numbers, from 0. */
const evaluatedDraw = -1;

/** The text on which a run is kept near its beginning, as tokens. */
export interface KeptText {
  readonly ids: readonly number[];
  readonly window: number;
  readonly beginning: readonly number[];
}

/** @throws InputError if there is no such file, or it has fewer tokens than a window. */
export function readKeptText(
  path: string,
  tokenizer: Tokenizer,
  { maxPositionEmbeddings }: ModelConfig,
): KeptText {
  const ids = tokenizer.encode(readText(path));
  const window = Math.min(windowTokens, maxPositionEmbeddings);
  if (ids.length < window) {
    throw new InputError(
      `${path} has ${ids.length} tokens, fewer than the ${window} of a window; give "keep_text" a longer text.`,
    );
  }
  const { addsBosToken, bosTokenId } = tokenizer;
  return { ids, window, beginning: addsBosToken && bosTokenId !== undefined ? [bosTokenId] : [] };
}

/**
 * KL(model as the run begins ‖ tuned model), at tokens of a text or, without one, at those of the examples that are not trained on.
 *
 * @param beginning trained tensors as the run begins
 */
export function keepTerm(
  { keep, seed }: Pick<RunConfig, "keep" | "seed">,
  engine: Engine,
  beginning: Parameters,
  { trainedTokens, totalSteps }: StepPlan,
  text: KeptText | undefined,
): DivergenceTerm {
  const windowsOf = (
    { ids, window, beginning }: KeptText,
    step: number | "evaluation",
  ): TokenizedExample[] => {
    const perStep = Math.max(1, Math.round((keptShare * trainedTokens) / totalSteps / window));
    const [count, draw] = step === "evaluation" ? [evaluatedWindows, evaluatedDraw] : [perStep, step];
    return drawWindows(ids, { length: window, count, beginning, seed, draw });
  };
  return {
    name: "keep",
    weight: keep,
    divergence: forwardKl,
    predict: (batch, positions) => engine.predict(batch, positions, beginning),
    tokens: text ? "all" : "prompts",
    ...(text && { textsOf: (step) => windowsOf(text, step) }),
  };
}

/** The divergence from a teacher at the tokens that are trained on. */
export function distillationTerm(options: DistillOptions, teacher: Engine): DivergenceTerm {
  return {
    name: "distillation",
    weight: 1 - options.label_weight,
    divergence: divergenceOf(options),
    predict: (batch, positions) => teacher.predict(batch, positions, new Map(), options.temperature),
    tokens: "labels",
  };
}

/** @throws InputError if a teacher's token of some number is not the student's. */
export function checkVocabulary(teacher: Tokenizer, student: Tokenizer, name: string): void {
  const size = Math.max(teacher.vocabularySize, student.vocabularySize);
  for (let id = 0; id < size; id++) {
    const [theirs, ours] = [teacher.tokenOf(id), student.tokenOf(id)];
    if (theirs === ours) continue;
    const quote = (token: string | undefined) => (token === undefined ? "none" : JSON.stringify(token));
    throw new InputError(
      `The teacher ${name} has another vocabulary than the model (token ${id} is ${quote(theirs)}, not ${quote(ours)}), so their predictions cannot be compared; take a teacher of the same family.`,
    );
  }
}
