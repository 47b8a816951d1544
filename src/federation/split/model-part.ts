/** @file A run of a model's blocks, or what follows the last, as a model of its own for the engine. */

import { type Adaptation, embeddingModule, outputModule } from "../../core/adapters/adaptation.ts";
import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { embeddingName, nameInLayer, normName } from "../../core/architectures/modules.ts";
import type { Batch, TokenBatch } from "../../core/data/batch.ts";
import { createEngine, type DropoutKey, type Engine } from "../../core/engine/engine.ts";
import { adaptsEmbedding } from "../../core/engine/segment.ts";
import { InputError } from "../../core/errors.ts";
import type { ModelWeights } from "../../core/models/weights.ts";
import type { Device } from "../../core/runtime/device.ts";

/** Blocks from `start` to before `end`; none of the two where it is what follows the last. */
export interface BlockRange {
  readonly start: number;
  readonly end: number;
}

export interface SplitModel {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly adaptation: Adaptation;
}

/** Where a hidden state, [rows, length, hiddenSize] in row-major order, comes from or goes to. */
export type HiddenState = Float32Array;

/** The embedding and the first blocks, or those above a cut. */
export interface ModelPart {
  /** Whether a tensor of the whole adaptation is this part's. */
  holds(name: string): boolean;
  /**
   * The hidden state after the part's last block.
   *
   * @param below that before its first block; of the first part none, since it reads the batch's tokens
   */
  forward(batch: TokenBatch, below: HiddenState | undefined, parameters: Parameters): Promise<HiddenState>;
  /**
   * Computes the same, asks what follows for the gradient of the loss by it, adds the gradients of this part's tensors, and returns that by
   * `below` (of the first part nothing).
   */
  accumulate(
    batch: TokenBatch,
    below: HiddenState | undefined,
    parameters: Parameters,
    gradients: Parameters,
    above: (state: HiddenState) => Promise<HiddenState>,
    dropout?: DropoutKey,
  ): Promise<HiddenState>;
  release(): Promise<void>;
}

/** The final norm, the output layer and the loss. */
export interface ModelHead {
  holds(name: string): boolean;
  /** The log-probability of each label, in nats. */
  score(batch: Batch, below: HiddenState, parameters: Parameters): Promise<Float64Array>;
  /** The same, with the gradient of the weighted sum of their negatives by `below`; those of its tensors are added. */
  accumulate(
    batch: Batch,
    below: HiddenState,
    parameters: Parameters,
    gradients: Parameters,
    weights: number | Float32Array,
    dropout?: DropoutKey,
  ): Promise<{ readonly logProbabilities: Float64Array; readonly gradient: HiddenState }>;
  release(): Promise<void>;
}

/**
 * A run of blocks as a model. What comes from below takes the place of its embedding, in which each position is a token of its own, so that
 * the embedding's gradient is that of the state.
 *
 * @param segmentSize as of the engine
 * @throws InputError if the blocks are not the model's, or the embedding is trained, which is tied to the output layer.
 */
export function createPart(
  device: Device,
  model: SplitModel,
  range: BlockRange,
  segmentSize: number,
): ModelPart {
  const part = openPart(device, model, range, segmentSize);
  const { start, end } = range;
  return {
    ...part,
    async forward(batch, below, parameters) {
      const { data } = await part.engine.hidden(
        part.batchOf(batch, below),
        part.tensorsOf(parameters, batch, below),
      );
      return data as Float32Array;
    },
    async accumulate(batch, below, parameters, gradients, above, dropout) {
      const dBelow = new Float32Array(below?.length ?? 0);
      await part.engine.accumulate(
        { ...part.batchOf(batch, below), labelPositions: new Int32Array(), labels: new Int32Array() },
        part.tensorsOf(parameters, batch, below),
        part.tensorsOf(gradients, batch, below && dBelow),
        {
          weights: 0,
          hiddenLoss: { layer: end - start, gradient: ({ data }) => above(data as Float32Array) },
          ...(dropout && { dropout: part.keyOf(dropout) }),
        },
      );
      return dBelow;
    },
  };
}

/** What follows the last block, as a model without blocks. @throws InputError as {@link createPart}. */
export function createHead(device: Device, model: SplitModel): ModelHead {
  const layers = model.config.numHiddenLayers;
  const part = openPart(device, model, { start: layers, end: layers }, 1);
  return {
    ...part,
    score: (batch, below, parameters) =>
      part.engine.score(
        { ...batch, ...part.batchOf(batch, below) },
        part.tensorsOf(parameters, batch, below),
      ),
    async accumulate(batch, below, parameters, gradients, weights, dropout) {
      const gradient = new Float32Array(below.length);
      const { logProbabilities } = await part.engine.accumulate(
        { ...batch, ...part.batchOf(batch, below) },
        part.tensorsOf(parameters, batch, below),
        part.tensorsOf(gradients, batch, gradient),
        { weights, ...(dropout && { dropout: part.keyOf(dropout) }) },
      );
      return { logProbabilities, gradient };
    },
  };
}

function openPart(device: Device, model: SplitModel, { start, end }: BlockRange, segmentSize: number) {
  const { config, weights, adaptation } = model;
  const isFirst = start === 0;
  const isLast = start === config.numHiddenLayers;
  if (
    !(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end <= config.numHiddenLayers)
  )
    throw new InputError(
      `The model has ${config.numHiddenLayers} blocks, and a part of it cannot be those from ${start} to ${end}; cut between two of them.`,
    );
  if (config.tieWordEmbeddings && adaptsEmbedding(adaptation))
    throw new InputError(
      "The embedding is trained, and is the output layer too, so the model cannot be split between them; train the blocks alone.",
    );
  /** A name of the part's in the whole model; undefined if nothing of it is the part's. */
  const nameInModel = (name: string): string | undefined => {
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (rest !== undefined) return nameInLayer(start + Number(layer), rest);
    if (isFirst && name.startsWith(embeddingModule)) return name;
    return isLast && (name === normName || name.startsWith(outputModule)) ? name : undefined;
  };
  const nameInPart = (name: string): string | undefined => {
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (rest === undefined) return nameInModel(name);
    return Number(layer) >= start && Number(layer) < end
      ? nameInLayer(Number(layer) - start, rest)
      : undefined;
  };
  const { embeddingScale, ...withoutScale } = config;
  const ofPart: ModelConfig = {
    ...withoutScale,
    ...(isFirst && embeddingScale !== undefined && { embeddingScale }),
    tieWordEmbeddings: false,
    numHiddenLayers: end - start,
    layers: config.layers.slice(start, end),
  };
  const { embedding, rowsOf, attentionAdapterOf } = adaptation;
  const adapted: Adaptation = {
    adapterOf(name, outFeatures, inFeatures) {
      const whole = nameInModel(name);
      return whole === undefined ? undefined : adaptation.adapterOf(whole, outFeatures, inFeatures);
    },
    ...(attentionAdapterOf && { attentionAdapterOf: (layer: number) => attentionAdapterOf(start + layer) }),
    ...(isFirst && { embedding }),
    rowsOf: (name) => ((name === embeddingName ? isFirst : isLast) ? rowsOf?.(name) : undefined),
    trains(name) {
      if (name === embeddingName && !isFirst) return true;
      const whole = nameInModel(name);
      return whole !== undefined && adaptation.trains(whole);
    },
  };
  const block = (layer: number) => weights.block(start + layer);
  const engine: Engine = createEngine(device, ofPart, { ...weights, block }, adapted, { segmentSize });
  return {
    engine,
    holds: (name: string) => nameInPart(name) !== undefined,
    release: () => engine.release(),
    /** The masks of blocks of the same number in two parts must not be the same. */
    keyOf: (dropout: DropoutKey): DropoutKey => ({ ...dropout, seed: dropout.seed + start }),
    batchOf(
      { rows, length, inputIds, positionIds, segmentIds }: TokenBatch,
      below: HiddenState | undefined,
    ): TokenBatch {
      const ids = below ? Int32Array.from({ length: rows * length }, (_, i) => i) : inputIds;
      return { rows, length, inputIds: ids, positionIds, segmentIds };
    },
    /** The part's tensors by its own names, with the state from below or its gradient as the embedding. */
    tensorsOf(tensors: Parameters, { rows, length }: TokenBatch, below: HiddenState | undefined): Parameters {
      const own = new Map<string, Parameter>();
      for (const [name, tensor] of tensors) {
        const local = nameInPart(name);
        if (local !== undefined) own.set(local, tensor);
      }
      if (below) own.set(embeddingName, { dims: [rows * length, config.hiddenSize], data: below });
      return own;
    },
  };
}
