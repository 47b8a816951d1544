/**
 * @file Split learning (Vepakomma et al. 2018): a client computes the embedding and the first blocks, a server the others. In the plain variant the
 * server has the output layer and the loss too, and is sent the labels; in the U-shaped one they are the client's, and labels stay there.
 */

import type { Parameters } from "../../core/adapters/parameters.ts";
import type { Batch, TokenBatch } from "../../core/data/batch.ts";
import type { Accumulated, AccumulateOptions, DropoutKey, Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { Device } from "../../core/runtime/device.ts";
import { decodeRows, type EncodedRows, encodeRows, type StateFormat } from "./codecs.ts";
import { createHead, createPart, type HiddenState, type SplitModel } from "./model-part.ts";

/** What the server has to know of a batch beside the hidden state: where texts begin and end, but no token. */
export type BatchLayout = Omit<TokenBatch, "inputIds">;

/** The labels of a batch, which the plain variant sends to the server. */
export interface BatchLabels extends Pick<Batch, "labelPositions" | "labels"> {
  /** How much each counts in the loss, or all alike. */
  readonly weights: number | Float32Array;
}

/** A batch at the cut, as the client sends it. */
export interface CutBatch {
  readonly layout: BatchLayout;
  readonly state: EncodedRows;
  /** Default: nothing is dropped. */
  readonly dropout?: DropoutKey;
}

/** The server of the plain variant, as its client sees it. */
export interface PlainServer {
  /** Adds the gradients of the server's tensors and gives that of the state at the cut. */
  accumulate(
    batch: CutBatch,
    labels: BatchLabels,
  ): Promise<{ readonly logProbabilities: Float64Array; readonly gradient: EncodedRows }>;
  score(batch: CutBatch, labels: Omit<BatchLabels, "weights">): Promise<Float64Array>;
}

/** The server of the U-shaped variant, as its client sees it. */
export interface UShapedServer {
  /** The state after the last block. */
  forward(batch: CutBatch): Promise<EncodedRows>;
  /**
   * Computes the state after the last block, asks the client for the gradient by it, adds the gradients of the server's tensors, and gives that
   * of the state at the cut.
   */
  accumulate(batch: CutBatch, above: (state: EncodedRows) => Promise<EncodedRows>): Promise<EncodedRows>;
}

/** Tensors that are trained, and where their gradients are added. */
export interface TrainedTensors {
  readonly parameters: Parameters;
  readonly gradients: Parameters;
}

export interface SplitOptions {
  /** Blocks that the client computes, at least 1 and fewer than the model has. */
  readonly cut: number;
  /** Of the blocks of either side, as of the engine. */
  readonly segmentSize: number;
  /** How states and gradients cross the cut. */
  readonly format: StateFormat;
}

/** The server's side of a split model. */
export interface ServerHalf {
  readonly plain: PlainServer;
  readonly uShaped: UShapedServer;
  /** Whether a tensor of the adaptation is the server's. */
  holds(name: string, uShaped: boolean): boolean;
  release(): Promise<void>;
}

/**
 * The server's blocks, and what follows them in the plain variant.
 *
 * @param tensors the server's, by their names in the whole model; others are not looked at
 * @throws InputError if the cut is not between two of the model's blocks, or the embedding is trained, which is tied to the output layer.
 */
export function createServerHalf(
  device: Device,
  model: SplitModel,
  { parameters, gradients }: TrainedTensors,
  options: SplitOptions,
): ServerHalf {
  checkCut(model, options);
  const { hiddenSize, numHiddenLayers } = model.config;
  const blocks = createPart(device, model, { start: options.cut, end: numHiddenLayers }, options.segmentSize);
  const head = createHead(device, model);
  const encode = (state: HiddenState) => encodeRows(state, hiddenSize, options.format);
  const decode = (state: EncodedRows, { rows, length }: BatchLayout) => decodeRows(state, rows * length);
  const batchOf = (layout: BatchLayout): TokenBatch => ({ ...layout, inputIds: new Int32Array() });
  return {
    plain: {
      async accumulate({ layout, state, dropout }, { weights, ...labels }) {
        const batch = { ...batchOf(layout), ...labels };
        let logProbabilities: Float64Array = new Float64Array();
        const above = async (top: HiddenState) => {
          const found = await head.accumulate(batch, top, parameters, gradients, weights, dropout);
          logProbabilities = found.logProbabilities;
          return found.gradient;
        };
        const below = decode(state, layout);
        const gradient = await blocks.accumulate(batch, below, parameters, gradients, above, dropout);
        return { logProbabilities, gradient: encode(gradient) };
      },
      async score({ layout, state }, labels) {
        const batch = { ...batchOf(layout), ...labels };
        return head.score(batch, await blocks.forward(batch, decode(state, layout), parameters), parameters);
      },
    },
    uShaped: {
      forward: async ({ layout, state }) =>
        encode(await blocks.forward(batchOf(layout), decode(state, layout), parameters)),
      async accumulate({ layout, state, dropout }, above) {
        const ask = async (top: HiddenState) => decode(await above(encode(top)), layout);
        const below = decode(state, layout);
        return encode(await blocks.accumulate(batchOf(layout), below, parameters, gradients, ask, dropout));
      },
    },
    holds: (name, uShaped) => blocks.holds(name) || (!uShaped && head.holds(name)),
    async release() {
      await blocks.release();
      await head.release();
    },
  };
}

/** The client's side as an engine, which a training loop can take: its parameters and gradients are those that the client holds. */
export interface ClientHalf extends Pick<Engine, "score" | "release"> {
  accumulate(
    batch: Batch,
    parameters: Parameters,
    gradients: Parameters,
    options: AccumulateOptions,
  ): Promise<Accumulated>;
  holds(name: string): boolean;
}

/**
 * The client's embedding and first blocks before a server; with a U-shaped one the final norm, the output layer and the loss as well.
 *
 * @param server one of the two
 * @throws InputError as {@link createServerHalf}; of `accumulate` if it is asked for a divergence or a loss on hidden states.
 */
export function createClientHalf(
  device: Device,
  model: SplitModel,
  server: { readonly plain: PlainServer } | { readonly uShaped: UShapedServer },
  options: SplitOptions,
): ClientHalf {
  checkCut(model, options);
  const { hiddenSize } = model.config;
  const blocks = createPart(device, model, { start: 0, end: options.cut }, options.segmentSize);
  const head = "uShaped" in server ? createHead(device, model) : undefined;
  const encode = (state: HiddenState) => encodeRows(state, hiddenSize, options.format);
  const decode = (state: EncodedRows, { rows, length }: BatchLayout) => decodeRows(state, rows * length);
  const cutBatch = (batch: TokenBatch, state: HiddenState, dropout?: DropoutKey): CutBatch => {
    const { rows, length, positionIds, segmentIds } = batch;
    return {
      layout: { rows, length, positionIds, segmentIds },
      state: encode(state),
      ...(dropout && { dropout }),
    };
  };
  return {
    async score(batch, parameters) {
      const { labelPositions, labels } = batch;
      const sent = cutBatch(batch, await blocks.forward(batch, undefined, parameters));
      if ("plain" in server) return server.plain.score(sent, { labelPositions, labels });
      return head!.score(batch, decode(await server.uShaped.forward(sent), batch), parameters);
    },
    async accumulate(batch, parameters, gradients, { weights, dropout, ...others }) {
      if (Object.keys(others).length > 0)
        throw new InputError(
          "Over a split model only losses of labels are computed, and neither divergences nor DCA's term; take another objective, or another framework.",
        );
      let logProbabilities: Float64Array = new Float64Array();
      const above = async (state: HiddenState) => {
        const sent = cutBatch(batch, state, dropout);
        if ("plain" in server) {
          const { labelPositions, labels } = batch;
          const answer = await server.plain.accumulate(sent, { labelPositions, labels, weights });
          logProbabilities = answer.logProbabilities;
          return decode(answer.gradient, batch);
        }
        const ofTop = async (top: EncodedRows) => {
          const found = await head!.accumulate(
            batch,
            decode(top, batch),
            parameters,
            gradients,
            weights,
            dropout,
          );
          logProbabilities = found.logProbabilities;
          return encode(found.gradient);
        };
        return decode(await server.uShaped.accumulate(sent, ofTop), batch);
      };
      await blocks.accumulate(batch, undefined, parameters, gradients, above, dropout);
      return { logProbabilities, divergences: new Float64Array() };
    },
    holds: (name) => blocks.holds(name) || (head?.holds(name) ?? false),
    async release() {
      await blocks.release();
      await head?.release();
    },
  };
}

function checkCut({ config }: SplitModel, { cut }: SplitOptions): void {
  if (!(Number.isSafeInteger(cut) && cut >= 1 && cut < config.numHiddenLayers))
    throw new InputError(
      `The model has ${config.numHiddenLayers} blocks, of which the client cannot compute ${cut}; cut it after a block from 1 to ${config.numHiddenLayers - 1}.`,
    );
}
