/** @file EfficientLLM's quantities (Yuan et al. 2025, arXiv 2505.13840, equations 1 to 9) from sums. */

import type { ResourceUsage } from "./resource-watch.ts";

/** What was used on average over the time that was watched; null where this machine cannot measure it. */
export interface AverageUsage {
  /** Average resident memory of the process, in bytes (AMU), and its peak. */
  readonly averageMemoryBytes: number;
  readonly peakMemoryBytes: number;
  /** Average share of the cores' time that was used (PCU), 0 to 1. */
  readonly averageUtilization: number;
  /** Average power of the processor, in watts (AEC). */
  readonly averagePower: number | null;
  /** Wall time that was watched. */
  readonly seconds: number;
}

/** What a tuning run took. */
export interface Efficiency extends AverageUsage {
  /** Average latency of an optimizer step, in seconds (AL). */
  readonly averageLatency: number;
  readonly tokensPerSecond: number;
  readonly samplesPerSecond: number;
  /** Tokens per parameter and second (TT), and samples per parameter and second (ST), of all parameters. */
  readonly tokenThroughput: number;
  readonly sampleThroughput: number;
  /** Size in float32 over size as stored, times the scores' ratio (MCR); null before the tuned model has a score. */
  readonly compressionRate: number | null;
}

/** What an evaluation took. */
export interface InferenceEfficiency extends AverageUsage {
  /** Tokens written per second (IT), with the reading of the prompts before them; null if none was written. */
  readonly inferenceThroughput: number | null;
}

/** The optimizer steps of a run, in sums. */
export interface TrainingWork {
  readonly step: number;
  /** Wall time of the steps, without what lies between them. */
  readonly seconds: number;
  readonly tokens: number;
  readonly samples: number;
}

/**
 * The quantities of a run; undefined before its first step.
 *
 * @param parameters of the model and what was added to it
 */
export function computeEfficiency(
  { step, seconds, tokens, samples }: TrainingWork,
  usage: ResourceUsage,
  parameters: number,
): Efficiency | undefined {
  if (step === 0) return undefined;
  return {
    ...averageUsage(usage),
    averageLatency: seconds / step,
    tokensPerSecond: tokens / seconds,
    samplesPerSecond: samples / seconds,
    tokenThroughput: tokens / parameters / seconds,
    sampleThroughput: samples / parameters / seconds,
    compressionRate: null,
  };
}

/** The quantities of an evaluation that wrote `tokens` in `seconds`. */
export function computeInferenceEfficiency(
  { tokens, seconds }: { readonly tokens: number; readonly seconds: number },
  usage: ResourceUsage,
): InferenceEfficiency {
  return { ...averageUsage(usage), inferenceThroughput: tokens > 0 ? tokens / seconds : null };
}

function averageUsage(usage: ResourceUsage): AverageUsage {
  const { seconds, energy_joules } = usage;
  return {
    averageMemoryBytes: usage.memory_byte_seconds / seconds,
    peakMemoryBytes: usage.peak_memory_bytes,
    averageUtilization: usage.cpu_seconds / usage.core_seconds,
    averagePower: energy_joules === null ? null : energy_joules / seconds,
    seconds,
  };
}

/** A model's size and its score, of which a higher one is better. */
export interface SizeAndScore {
  readonly bytes: number;
  readonly score: number;
}

/**
 * How much smaller a model became, times the share of its score that it kept (MCR); null if there was none to keep.
 *
 * @example
 * compressionRate({ bytes: 400e6, score: 0.5 }, { bytes: 100e6, score: 0.45 }); // 3.6
 */
export function compressionRate(original: SizeAndScore, compressed: SizeAndScore): number | null {
  if (!(original.score > 0)) return null;
  return (original.bytes / compressed.bytes) * (compressed.score / original.score);
}
