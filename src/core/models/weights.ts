/** @file A model's weights in memory, in the form in which programs take them. */

import type { HostTensor, RowMatrix } from "../runtime/device.ts";
import type { Storage } from "./linear.ts";

export interface ModelWeights {
  /** How the blocks' linear weights are kept. */
  readonly storage: Storage;
  /**
   * The tensors of one decoder block by their names within it, such as "mlp.up_proj.weight". Where `readsBlocks`, they are that
   * block's only until another is asked for.
   */
  block(layer: number): Promise<Readonly<Record<string, HostTensor>>>;
  /** Whether blocks are read whenever they are asked for. Default: they are in memory. */
  readonly readsBlocks?: boolean;
  /** Token embedding, float32 or float16 [vocabSize, hiddenSize]. */
  readonly embedding: RowMatrix;
  /** Weight of the final norm, float32 [hiddenSize]. */
  readonly norm: HostTensor;
  /** The output layer, [vocabSize, hiddenSize]; the embedding itself where the two are tied. */
  readonly head: RowMatrix;
}
