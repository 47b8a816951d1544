/** @file What a round costs a client by formula: bytes sent and received, and multiply-adds. */

import { type Parameter, type Parameters, trainedOf } from "../core/adapters/parameters.ts";
import type { ModelConfig } from "../core/architectures/architecture.ts";
import { listLinearModules } from "../core/architectures/modules.ts";
import type { Figures } from "./rounds/documents.ts";

/** Bytes of one client in one round, of the numbers alone: names, shapes and the transport's own come on top. */
export interface RoundBytes {
  readonly up: number;
  readonly down: number;
}

export interface FedLlmRound {
  /** Numbers that are sent to the server: what is trained, T. */
  readonly sent: number;
  /** Numbers that come back; with a residual or a stack more than are sent. */
  readonly received: number;
  /** Bytes of a number: 4 of float32, 2 of float16. */
  readonly bytes: number;
}

/** Adapters: T b up and down. */
export function fedLlmBytes({ sent, received, bytes }: FedLlmRound): RoundBytes {
  return { up: sent * bytes, down: received * bytes };
}

export interface DistillationRound {
  /** Positions of the public texts at which predictions are exchanged. */
  readonly positions: number;
  /** Entries of a prediction: k, or the vocabulary's C for all of it. */
  readonly entries: number;
  readonly vocabSize: number;
  /** Bytes of a log-probability. */
  readonly bytes: number;
}

/** Bytes of the number of an entry of the vocabulary. */
const indexBytes = 4;

/** Predictions: of each position C b for the whole vocabulary, or k (b + 4) + b for k entries with their numbers, and the rest's mass. */
export function distillationBytes({ positions, entries, vocabSize, bytes }: DistillationRound): RoundBytes {
  const ofPosition = entries >= vocabSize ? vocabSize * bytes : entries * (bytes + indexBytes) + bytes;
  return { up: positions * ofPosition, down: positions * ofPosition };
}

export interface SplitRound {
  /** Positions, padding included, that cross the cut in the round: E B L. */
  readonly positions: number;
  /** Of the hidden state, d. */
  readonly hiddenSize: number;
  /** Bytes of a number that crosses the cut. */
  readonly bytes: number;
  /** Labels that are sent, each with its position; none where the client has the output layer. */
  readonly labels: number;
  /** Numbers of the client's part of the adapter, which is averaged in float32: T_c. */
  readonly clientParameters: number;
  /** Whether the client has the final norm, the output layer and the loss as well. */
  readonly uShaped: boolean;
}

/** Bytes of a label with its position. */
const labelBytes = 8;
const adapterBytes = 4;

/** Activations up and gradients down at the cut, both ways a second time at the upper one of a U-shaped split; and the client's adapter. */
export function splitBytes(round: SplitRound): RoundBytes {
  const crossings = (round.uShaped ? 2 : 1) * round.positions * round.hiddenSize * round.bytes;
  const adapter = round.clientParameters * adapterBytes;
  return { up: crossings + round.labels * labelBytes + adapter, down: crossings + adapter };
}

/** The part of a model that a client computes. */
export interface ClientModel {
  /** Weights in matrix products, of the adapter too: each is one multiply-add per token. */
  readonly parameters: number;
  readonly trained: number;
}

/** Numbers of tensors. */
export function countNumbers(parameters: Parameters): number {
  return [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
}

/** Numbers of the tensors that are trained. */
export function countTrained(parameters: Parameters): number {
  return countNumbers(trainedOf(parameters));
}

/**
 * What of a model a client computes.
 *
 * @param tensors those of the adapter that it has
 * @param part blocks that it computes, and whether the output layer is its too. Default: all
 */
export function clientModelOf(
  config: ModelConfig,
  tensors: readonly Pick<Parameter, "dims" | "isFrozen">[],
  part: { readonly blocks: number; readonly hasHead: boolean } = {
    blocks: config.numHiddenLayers,
    hasHead: true,
  },
): ClientModel {
  const block = listLinearModules(config).reduce((sum, m) => sum + m.inFeatures * m.outFeatures, 0);
  const head = part.hasHead ? config.vocabSize * config.hiddenSize : 0;
  const sizeOf = (some: typeof tensors) =>
    some.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1), 0);
  return {
    parameters: part.blocks * block + head + sizeOf(tensors.filter(({ dims }) => dims.length === 2)),
    trained: sizeOf(tensors.filter(({ isFrozen }) => !isFrozen)),
  };
}

/** What a client says of the work of a round: by formula, and the seconds that it took. */
export function workFigures(bytes: RoundBytes, multiplyAdds: number, seconds: number): Figures {
  return { formula_up: bytes.up, formula_down: bytes.down, multiply_adds: multiplyAdds, seconds };
}

/**
 * Multiply-adds of training on tokens: one pass forward, one back for the gradients of activations, and the gradients of what is trained. The
 * products of queries with keys and of attention with values, which grow with the length of a text, are not in it.
 */
export function trainingMultiplyAdds({ parameters, trained }: ClientModel, tokens: number): number {
  return tokens * (2 * parameters + trained);
}

/** Tokens that a client of a distillation computes in a round. */
export interface DistilledTokens {
  /** Of its own rows. */
  readonly tuned: number;
  /** Of the public texts, on which it is distilled: one pass over them, or more. */
  readonly taught: number;
  /** Of the public texts, which it predicts. */
  readonly predicted: number;
}

export function distillationMultiplyAdds(
  model: ClientModel,
  { tuned, taught, predicted }: DistilledTokens,
): number {
  return trainingMultiplyAdds(model, tuned + taught) + predicted * model.parameters;
}
