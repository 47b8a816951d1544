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

export function createMoments(parameters: Parameters): Moments {
  const zeros = () => new Map([...zerosLike(parameters)].map(([name, { data }]) => [name, data]));
  return { expAvg: zeros(), expAvgSq: zeros() };
}

const isNormOrBias = /norm\.weight$|\.bias$/;

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
    const kept = isNormOrBias.test(name) ? 1 : 1 - learningRate * weightDecay;
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

/** Scales all gradients so that their norm is at most `maxNorm`, as `torch.nn.utils.clip_grad_norm_`. */
export function clipGradients(gradients: Parameters, norm: number, maxNorm: number): void {
  const factor = maxNorm / (norm + 1e-6);
  if (factor >= 1) return;
  for (const { data } of gradients.values()) for (let i = 0; i < data.length; i++) data[i]! *= factor;
}
