/** @file What a training loop asks of an optimizer, wherever the trained tensors are. */

import type { OptimizerStep } from "../adapters/method.ts";
import { type Parameters, zerosLike } from "../adapters/parameters.ts";
import type { GradientSums } from "../engine/engine.ts";
import type { Device } from "../runtime/device.ts";
import { type AdamWConfig, clipGradients, gradientNorm, type Moments, updateAdamW } from "./adamw.ts";

export interface Optimizer {
  /** The tensors as they are, for the engine. */
  readonly parameters: Parameters;
  /** To which the engine adds. */
  readonly gradients: GradientSums;
  /** Begins a step: all sums are zero. */
  clear(): void;
  /** Ends the sums, and gives the Euclidean norm of all together. */
  gradientNorm(): Promise<number>;
  /** One step, with gradients clipped, of whole tensors or not at all. @param norm of the gradients */
  update(norm: number, options: UpdateOptions): Promise<void>;
  /** Brings the tensors and moments that it was opened with up to date. Default: they are. */
  save?(): Promise<void>;
  release?(): Promise<void>;
}

export interface UpdateOptions {
  /** Counted from 1. */
  readonly step: number;
  readonly learningRateOf: (name: string) => number;
  /** Gradients are scaled down to this norm at most. */
  readonly maxGradNorm: number;
  readonly config: AdamWConfig;
}

/** What is trained, and AdamW's moments of it. */
export interface OptimizedTensors {
  readonly parameters: Parameters;
  readonly moments: Moments;
}

/**
 * Opens an optimizer over tensors that a device holds until it is released.
 *
 * @param factorOf of the learning rate of a tensor
 */
export type OpenOptimizer = (
  device: Device,
  tensors: OptimizedTensors,
  factorOf: (name: string) => number,
) => Promise<Optimizer>;

/** How a step differs from AdamW's. */
interface StepOptions {
  /** In place of AdamW's. */
  readonly optimizerStep?: OptimizerStep | undefined;
  /** Adds to the sums before their norm is taken. */
  readonly penalty?: ((parameters: Parameters, gradients: Parameters) => void) | undefined;
}

/** The optimizer over JavaScript's arrays, which are always up to date. */
export function createArrayOptimizer(
  { parameters, moments }: OptimizedTensors,
  { optimizerStep, penalty }: StepOptions = {},
): Optimizer {
  const gradients = zerosLike(parameters);
  return {
    parameters,
    gradients,
    clear() {
      for (const { data } of gradients.values()) data.fill(0);
    },
    async gradientNorm() {
      penalty?.(parameters, gradients);
      return gradientNorm(gradients);
    },
    async update(norm, { step, learningRateOf, maxGradNorm, config }) {
      clipGradients(gradients, norm, maxGradNorm);
      const adamW = (settings: Partial<AdamWConfig> = {}) =>
        updateAdamW(parameters, gradients, moments, step, learningRateOf, { ...config, ...settings });
      if (optimizerStep)
        optimizerStep({ parameters, gradients, step, learningRateOf, optimizer: config }, adamW);
      else adamW();
    },
  };
}
