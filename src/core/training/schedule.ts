/** @file Learning rate schedules: ours, whose warm-up begins above 0, and Transformers', by the names that are put before them. */

const shapes = ["constant_with_warmup", "linear", "cosine"] as const;
type Shape = (typeof shapes)[number];

/** What stands before the name of a schedule with Transformers' warm-up. */
const theirs = "transformers_";

export const schedulerTypes = [
  "constant",
  ...shapes,
  ...shapes.map((shape) => `${theirs}${shape}` as const),
] as const;
export type SchedulerType = (typeof schedulerTypes)[number];

/**
 * The factor of the learning rate at `step`, counted from 0. During the warm-up it rises from 1 / warmupSteps to 1 by equal
 * parts; with Transformers' schedules from 0, so that the first update changes nothing, and reaches 1 in the step after it.
 * Behind the warm-up both are the same.
 */
export function scheduleFactor(
  type: SchedulerType,
  step: number,
  totalSteps: number,
  warmupSteps: number,
): number {
  if (type === "constant") return 1;
  const isTheirs = type.startsWith(theirs);
  if (step < warmupSteps) return (isTheirs ? step : step + 1) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch ((isTheirs ? type.slice(theirs.length) : type) as Shape) {
    case "constant_with_warmup":
      return 1;
    case "linear":
      return Math.max(0, 1 - progress);
    case "cosine":
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
