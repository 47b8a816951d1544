/** @file AdamW (Loshchilov and Hutter 2017) and gradient clipping, with PyTorch's update. */

import { type Parameters, zerosLike } from "../adapters/parameters.ts";

export interface AdamWConfig {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled weight decay. Norms' weights and biases are not decayed, as in Transformers. */
  readonly weightDecay: number;
}

/** Running means of each trained parameter's gradient and of its square. */
export interface Moments {
  readonly expAvg: ReadonlyMap<string, Float32Array>;
  readonly expAvgSq: ReadonlyMap<string, Float32Array>;
}

/**
 * AdamW's moments at the start.
 *
 * @example
 * const moments = createMoments(new Map([["a.weight", { dims: [2], data: Float32Array.of(1, 2) }]]));
 */
export function createMoments(parameters: Parameters): Moments {
  const zeros = () => new Map([...zerosLike(parameters)].map(([name, { data }]) => [name, data]));
  return { expAvg: zeros(), expAvgSq: zeros() };
}

/** Whether weight decay applies to the tensor of this name. */
export function isDecayed(name: string): boolean {
  return !/norm\.weight$|\.bias$/.test(name);
}

/**
 * One update, in place, of all parameters that have gradients.
 *
 * @param step number of this update, counted from 1
 * @param learningRateOf learning rate of the parameter of that name
 */
export function updateAdamW(
  parameters: Parameters,
  gradients: Parameters,
  moments: Moments,
  step: number,
  learningRateOf: (name: string) => number,
  { beta1, beta2, epsilon, weightDecay }: AdamWConfig,
): void {
  const correction1 = 1 - beta1 ** step;
  const correction2 = Math.sqrt(1 - beta2 ** step);
  for (const [name, { data: gradient }] of gradients) {
    const { data } = parameters.get(name)!;
    const mean = moments.expAvg.get(name)!;
    const square = moments.expAvgSq.get(name)!;
    const learningRate = learningRateOf(name);
    const kept = isDecayed(name) ? 1 - learningRate * weightDecay : 1;
    const stepSize = learningRate / correction1;
    for (let i = 0; i < data.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * mean[i]! + (1 - beta1) * g;
      const v = beta2 * square[i]! + (1 - beta2) * g * g;
      mean[i] = m;
      square[i] = v;
      data[i] = data[i]! * kept - (stepSize * m) / (Math.sqrt(v) / correction2 + epsilon);
    }
  }
}

/** The Euclidean norm of all gradients together. */
export function gradientNorm(gradients: Parameters): number {
  let sum = 0;
  for (const { data } of gradients.values()) for (let i = 0; i < data.length; i++) sum += data[i]! * data[i]!;
  return Math.sqrt(sum);
}

/** By what gradients of that norm are scaled so that it is at most `maxNorm`, as in `torch.nn.utils.clip_grad_norm_`. */
export function clipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/** Scales all gradients by {@link clipFactor}. */
export function clipGradients(gradients: Parameters, norm: number, maxNorm: number): void {
  const factor = clipFactor(norm, maxNorm);
  if (factor === 1) return;
  for (const { data } of gradients.values()) for (let i = 0; i < data.length; i++) data[i]! *= factor;
}

export interface AdamWOptions extends Partial<AdamWConfig> {
  readonly learningRate: number;
  /** Gradients are scaled down to this norm at most. Default 1. */
  readonly maxGradNorm?: number;
}

/**
 * AdamW with a constant learning rate, for loops of one's own. Defaults are PyTorch's, but that nothing is decayed.
 *
 * @returns a function that updates the parameters in place and gives the norm of the gradients before clipping
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const { config, weights, tokenizer } = await openModel("fixtures/embedded-model");
 * const ids = Int32Array.from(encodeText(tokenizer, "Once there was a cat."));
 * const example = { ids, trained: new Uint8Array(ids.length).fill(1) };
 * const [batch] = buildMicroBatches([example], { microBatchTokens: 512, packing: false });
 * const adaptation = lora(loraConfigSchema.parse({ r: 8 }), config);
 * const parameters = await initializeParameters(config, adaptation, weights, 0);
 * const engine = createEngine(openDevice("cpu"), config, weights, adaptation, { segmentSize: 1 });
 * const update = adamW(parameters, { learningRate: 1e-3 });
 * for (let step = 0; step < 10; step++) {
 *   const gradients = zerosLike(parameters);
 *   const weights = 1 / batch!.labels.length;
 *   const { logProbabilities } = await engine.accumulate(batch!, parameters, gradients, { weights });
 *   console.log(step, weights * sumLosses(logProbabilities), update(gradients));
 * }
 * await engine.release();
 */
export function adamW(
  parameters: Parameters,
  { learningRate, maxGradNorm = 1, ...options }: AdamWOptions,
): (gradients: Parameters) => number {
  const config = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, ...options };
  const moments = createMoments(parameters);
  let step = 0;
  return (gradients) => {
    const norm = gradientNorm(gradients);
    clipGradients(gradients, norm, maxGradNorm);
    updateAdamW(parameters, gradients, moments, ++step, () => learningRate, config);
    return norm;
  };
}
