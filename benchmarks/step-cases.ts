/** @file The cases of the training benchmarks, and what is measured of each. */

import type { ShapeName } from "./random-model.ts";

/** One step of LoRA, rank 16 on all linear layers: forward, backward and AdamW. */
export interface StepCase {
  readonly shape: ShapeName;
  readonly storage: "float32" | "nf4";
  readonly rows: number;
  /** Tokens of a row. */
  readonly length: number;
  /** Whether the forward pass is computed again in the backward pass, block by block. */
  readonly recompute: boolean;
  readonly weightsOnDisk?: boolean;
  /** Steps that are timed, after two that are not. Default 4. */
  readonly steps?: number;
}

/** What every program tells of a case. */
export interface PeerMeasurement {
  readonly tokensPerSecond: number;
  /** Highest resident memory of a process that loads the model and computes these steps. */
  readonly peakRssBytes: number;
  /** Mean negative log-likelihood of the first step's labels in nats, by which programs are seen to do the same work. */
  readonly firstLoss: number;
  readonly loadSeconds: number;
}

export interface StepMeasurement extends PeerMeasurement {
  /** Of a float32 product of 512 x 2048 by 2048 x 2048 in the same process, per second. */
  readonly productFlops: number;
  /** Operations of the products with the weights: 4 per parameter, or 6 with recomputation. */
  readonly flopsPerToken: number;
  /** What `slimtune estimate` says beforehand. */
  readonly estimatedBytes: number;
}

/** What a step reaches of the speed that its products with the weights alone would have. */
export function shareOfBound({ tokensPerSecond, flopsPerToken, productFlops }: StepMeasurement): number {
  return (tokensPerSecond * flopsPerToken) / productFlops;
}
