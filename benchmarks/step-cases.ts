/** @file The cases of the training benchmarks, and what is measured of each. */

import type { InputBits } from "../src/core/graph/operators/rounded-products.ts";
import type { DeviceName } from "../src/node/runtime/onnx-runtime.ts";
import type { ShapeName } from "./random-model.ts";

/** One step of LoRA, rank 16 on all linear layers: forward, backward and AdamW. */
export interface StepCase {
  readonly shape: ShapeName;
  readonly storage: "float32" | "nf4" | "int8";
  /** Multiplies a base in int8 in integers. Default: it is made dense. */
  readonly inputBits?: InputBits;
  readonly rows: number;
  /** Tokens of a row. */
  readonly length: number;
  /** Whether the forward pass is computed again in the backward pass, block by block. */
  readonly recompute: boolean;
  readonly weightsOnDisk?: boolean;
  /** Default "cpu". */
  readonly device?: DeviceName;
}

/** What a program tells once it has loaded the model and warmed up. */
export interface PreparedStep {
  readonly loadSeconds: number;
  /** Mean negative log-likelihood of the first step's labels in nats, by which programs are seen to do the same work. */
  readonly firstLoss: number;
}

/** What every process of ours says before its steps. */
export interface OurPreparedStep extends PreparedStep {
  /** Operations of the products with the weights: 4 per parameter, or 6 with recomputation. */
  readonly flopsPerToken: number;
  /** What `slimtune estimate` says beforehand. */
  readonly estimatedBytes: number;
}
