import { expect, test } from "vitest";
import type { Parameters } from "../core/adapters/parameters.ts";
import { createMoments, updateAdamW } from "../core/training/adamw.ts";
import { fedProxStep } from "./fed-prox.ts";

const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const of = (...values: number[]): Parameters =>
  new Map([["a", { dims: [values.length], data: Float32Array.from(values) }]]);
const valuesOf = (parameters: Parameters) => [...parameters.get("a")!.data];

/** A step from (1, -2, 3) with the gradient (0.5, 0, -1) of the loss. */
function stepWith(mu: number, global: Parameters) {
  const [parameters, gradients] = [of(1, -2, 3), of(0.5, 0, -1)];
  const moments = createMoments(parameters);
  const inputs = { parameters, gradients, step: 1, learningRateOf: () => 0.1, optimizer };
  fedProxStep(global, mu)(inputs, () => updateAdamW(parameters, gradients, moments, 1, () => 0.1, optimizer));
  return { gradients: valuesOf(gradients), parameters: valuesOf(parameters) };
}

test("the gradient is that of the loss and of μ / 2 ‖w − w_global‖², by finite differences", () => {
  const global = of(0.5, -1, 3);
  const term = (values: readonly number[]) =>
    (0.3 / 2) * values.reduce((sum, value, i) => sum + (value - global.get("a")!.data[i]!) ** 2, 0);
  const { gradients } = stepWith(0.3, global);
  for (const [i, ofLoss] of [0.5, 0, -1].entries()) {
    const moved = (by: number) => [1, -2, 3].map((value, j) => value + (i === j ? by : 0));
    const slope = (term(moved(1e-4)) - term(moved(-1e-4))) / 2e-4;
    expect(gradients[i]).toBeCloseTo(ofLoss + slope, 5);
  }
  expect(valuesOf(global)).toEqual([0.5, -1, 3]);
});

test("with a μ of 0, or at the global adapter, the step is the optimizer's own", () => {
  const plain = stepWith(0, of(9, 9, 9));
  expect(plain.gradients).toEqual([0.5, 0, -1]);
  expect(stepWith(1, of(1, -2, 3))).toEqual(plain);
});

test("the method's own step sees the gradient with the term", () => {
  let seen: number[] = [];
  const step = fedProxStep(of(0, 0), 2, ({ gradients }) => {
    seen = valuesOf(gradients);
  });
  step(
    { parameters: of(1, 2), gradients: of(0, 1), step: 1, learningRateOf: () => 0.1, optimizer },
    () => {},
  );
  expect(seen).toEqual([2, 5]);
});

test("what is no term is refused", () => {
  expect(() => fedProxStep(of(1), -1)).toThrow(/mu is -1/);
  expect(() => stepWith(1, of(1))).toThrow(/holds "a" near the global adapter's/);
});
