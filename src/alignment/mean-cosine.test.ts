import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { addDirection, createDirections, meanCosine } from "./mean-cosine.ts";

function directionsOf(...vectors: readonly number[][]) {
  const directions = createDirections(vectors[0]!.length);
  for (const vector of vectors) addDirection(directions, Float32Array.from(vector));
  return directions;
}

test("the mean cosine of pairs is divided by those within the sets", () => {
  // Cosines: 1/√2 within the first set, 0.6 within the second; between them 1, 0.6, 1/√2 and 1.4/√2.
  const a = directionsOf([2, 0], [5, 5]);
  const b = directionsOf([1, 0], [3, 4]);
  const between = (1 + 0.6 + Math.SQRT1_2 + 1.4 * Math.SQRT1_2) / 4;
  expect(meanCosine(a, b)).toBeCloseTo(between / Math.sqrt(Math.SQRT1_2 * 0.6), 6);
  expect(meanCosine(a, directionsOf([-1, 0], [-3, -4]))).toBeCloseTo(-meanCosine(a, b)!, 6);
});

test("samples of one kind score 1 on average, small ones too", () => {
  const random = createRandom(1);
  const draw = (count: number) =>
    directionsOf(
      ...Array.from({ length: count }, () => Array.from({ length: 50 }, () => 0.5 + random.normal())),
    );
  const scores = Array.from({ length: 200 }, () => meanCosine(draw(4), draw(16))!);
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  expect(Math.abs(mean - 1)).toBeLessThan(0.05);
});

test("sets without a common direction have no score", () => {
  const a = directionsOf([1, 0], [1, 1]);
  expect(meanCosine(a, directionsOf([1, 0]))).toBeNull();
  expect(meanCosine(a, directionsOf([1, 0], [-1, 0.5]))).toBeNull();
  expect(meanCosine(a, directionsOf([1, 0], [0, 0]))).toBeNull();
});
