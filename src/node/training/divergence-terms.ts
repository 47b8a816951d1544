/** @file What a run's loss holds beside its objective: a teacher's predictions, and those that the model had before. */

import { methodOf } from "../../core/adapters/methods.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { drawWindows } from "../../core/data/text-windows.ts";
import type { TrainingExample } from "../../core/data/training-example.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { Checkpoint } from "../../core/models/checkpoint.ts";
import { chooseTableDtype } from "../../core/models/load-weights.ts";
import { type DistillOptions, divergenceOf } from "../../core/objectives/distill.ts";
import { forwardKl } from "../../core/objectives/divergences.ts";
import { createRandom } from "../../core/random.ts";
import { adjustBeginning } from "../../core/tokenization/beginning.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import type { DivergenceTerm } from "../../core/training/divergence-term.ts";
import type { StepExtras, StoredModel } from "../../core/training/estimate.ts";
import type { StepPlan } from "../../core/training/step-plan.ts";
import { readText } from "../files/read.ts";
import { rolloutRows } from "./rollouts.ts";
import { objectiveOfRun, type RunConfig, rolloutsOf } from "./run-config.ts";

/** Tokens of a window of the text on which a run is kept near its beginning. */
const windowTokens = 128;
/** Tokens that are read for it in a step, as a share of the examples': a step then takes up to half as much time again. */
const keptShare = 0.2;
/** Tokens that are read for it in each evaluation: the same ones. */
const evaluatedTokens = 1024;
/** Number of the draw for the evaluations; steps have the other numbers, from 0. */
const evaluatedDraw = -1;
/** Name of the random stream drawn here. */
const promptStream = 8;

/** Gives some texts, about so many tokens together: a function of the number of the draw. */
export type TextSource = (draw: number, tokens: number) => TokenizedExample[];

/**
 * Windows of a text.
 *
 * @throws InputError if there is no such file, or it has fewer tokens than a window.
 */
export function windowsOfText(
  path: string,
  { tokenizer, config, seed }: { tokenizer: Tokenizer; config: ModelConfig; seed: number },
): TextSource {
  const ids = tokenizer.encode(readText(path));
  const length = Math.min(windowTokens, config.maxPositionEmbeddings);
  if (ids.length < length) {
    throw new InputError(
      `${path} has ${ids.length} tokens, fewer than the ${length} of a window; give "keep_text" a longer text.`,
    );
  }
  const { add: beginning } = adjustBeginning([], tokenizer);
  return (draw, tokens) => {
    const count = Math.max(1, Math.round(tokens / length));
    return drawWindows(ids, { length, count, beginning, seed, draw });
  };
}

/** The examples' texts as far as nothing in them is trained on. @throws InputError if no text has such a beginning. */
export function promptsOf(examples: readonly TrainingExample[], data: string, seed: number): TextSource {
  const prompts = examples.flatMap(({ texts: [text] }) => {
    const border = text!.trained.indexOf(1);
    const length = border < 0 ? text!.ids.length : border;
    return length > 1 ? [{ ids: text!.ids.subarray(0, length), trained: new Uint8Array(length) }] : [];
  });
  if (prompts.length === 0) {
    throw new InputError(
      `All tokens of ${data} are trained on, so "keep" has no place where the data say nothing; name a plain text by "keep_text".`,
    );
  }
  return (draw, tokens) => {
    const random = createRandom(seed, promptStream, draw);
    const drawn: TokenizedExample[] = [];
    for (let sum = 0; sum < tokens; sum += drawn.at(-1)!.ids.length)
      drawn.push(prompts[random.below(prompts.length)]!);
    return drawn;
  };
}

/**
 * KL(model as the run begins ‖ tuned model) over all tokens of some texts.
 *
 * @param engine by which they are computed
 * @param beginning trained tensors as the run begins
 */
export function keepTerm(
  weight: number,
  engine: Engine,
  beginning: Parameters,
  texts: TextSource,
  { trainedTokens, totalSteps }: StepPlan,
): DivergenceTerm {
  const ofStep = (keptShare * trainedTokens) / totalSteps;
  return {
    name: "keep",
    weight,
    divergence: forwardKl,
    predict: (batch, positions) => engine.predict(batch, positions, beginning),
    textsOf: (step) => (step === "evaluation" ? texts(evaluatedDraw, evaluatedTokens) : texts(step, ofStep)),
  };
}

/** The divergence from a teacher at the tokens that are trained on. */
export function distillationTerm(options: DistillOptions, teacher: Engine): DivergenceTerm {
  return {
    name: "distillation",
    weight: 1 - options.label_weight,
    divergence: divergenceOf(options),
    predict: (batch, positions) => teacher.predict(batch, positions, new Map(), options.temperature),
  };
}

/** What of a model decides whether another's predictions can be compared with its own. */
interface Vocabulary {
  readonly tokenizer: Tokenizer;
  /** Entries of the output layer, which may be more than there are tokens. */
  readonly vocabSize: number;
}

/** @throws InputError if a teacher's token of some number is not the student's, or their output layers have other sizes. */
export function checkVocabulary(
  { tokenizer: teacher, vocabSize }: Vocabulary,
  { tokenizer: student, vocabSize: ofStudent }: Vocabulary,
  name: string,
): void {
  if (vocabSize !== ofStudent) {
    throw new InputError(
      `The teacher ${name} has an output layer of ${vocabSize} entries and the model one of ${ofStudent}, so their predictions cannot be compared; take a teacher of the same family and vocabulary.`,
    );
  }
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

/** What a run's steps compute beside losses and gradients. @param longest text in tokens */
export function extrasOf(config: RunConfig, teacher: StoredModel | undefined, longest: number): StepExtras {
  const rollouts = rolloutsOf(config);
  const rows = Math.min(rolloutRows, config.batch_size * (rollouts?.num_generations ?? 0));
  const causalWeight = methodOf(config.method).causalWeight?.(config) ?? 0;
  const { isLinear, companionWeight = 0 } = objectiveOfRun(config);
  return {
    scores: !isLinear || causalWeight > 0 || companionWeight > 0,
    ...(rollouts && { written: { rows, length: longest } }),
    kept: config.keep > 0 ? keptShare : 0,
    ...(teacher && { teacher }),
  };
}

/** A teacher as runs keep it in memory. */
export function teacherAsStored(checkpoint: Checkpoint): StoredModel {
  const storage = "float32";
  return { config: checkpoint.config, storage, tableDtype: chooseTableDtype(checkpoint, storage) };
}
