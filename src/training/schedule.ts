/** @file Learning rate schedules, with Transformers' names and values. */

export const schedulerTypes = ["constant", "constant_with_warmup", "linear", "cosine"] as const;
export type SchedulerType = (typeof schedulerTypes)[number];

/**
 * The factor of the learning rate at `step`, counted from 0. During the warm-up it rises from 0, so that the first
 * update of a warmed-up run changes nothing, as in Transformers.
 */
export function scheduleFactor(
  type: SchedulerType,
  step: number,
  totalSteps: number,
  warmupSteps: number,
): number {
  if (type === "constant") return 1;
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (type) {
    case "constant_with_warmup":
      return 1;
    case "linear":
      return Math.max(0, 1 - progress);
    case "cosine":
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
