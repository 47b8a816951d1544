/** @file The quantities of a run that are drawn as curves. */

import type { Curves } from "../../studio/api.ts";
import type { Points } from "../curves/points.ts";

const nothing: Points = { x: [], y: [] };

/** Each quantity with its unit, and where its points stand. */
export const quantities = {
  loss: { title: "Loss, in nats a token", of: ({ step, loss }: Curves) => ({ x: step, y: loss }) },
  evalLoss: {
    title: "Held-out loss, in nats a token",
    of: ({ evalStep, evalLoss }: Curves) => ({ x: evalStep, y: evalLoss }),
  },
  learningRate: {
    title: "Learning rate",
    of: ({ step, learningRate }: Curves) => ({ x: step, y: learningRate }),
  },
  tokensPerSecond: {
    title: "Tokens a second",
    of: ({ step, tokensPerSecond }: Curves) => ({ x: step, y: tokensPerSecond }),
  },
  peakBytes: {
    title: "Memory at most, in MB",
    of: ({ step, peakBytes }: Curves) => ({
      x: step,
      y: peakBytes.map((bytes) => (bytes === null ? null : bytes / 1e6)),
    }),
  },
} satisfies Record<string, { title: string; of: (curves: Curves) => Points }>;

export type Quantity = keyof typeof quantities;

/** The points of a quantity; none while the curves are on their way. */
export function pointsOf(curves: Curves | undefined, quantity: Quantity): Points {
  return curves === undefined ? nothing : quantities[quantity].of(curves);
}
