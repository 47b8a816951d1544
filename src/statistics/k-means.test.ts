import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { clusterPoints, drawCentres, findCentralPoints } from "./k-means.ts";

interface Golden {
  readonly points: number[][];
  readonly start: number[][];
  readonly labels: number[];
  readonly centres: number[][];
  readonly inertia: number;
}

/** Made by reference/k_means.py. */
const golden: Golden[] = JSON.parse(readFileSync("fixtures/evaluation/k-means.json", "utf8"));

test.for([...golden.keys()])("clusters are scikit-learn's, from the same first centres: %i", (i) => {
  const { points, start, labels, centres, inertia } = golden[i]!;
  const found = clusterPoints(points, start);
  expect([...found.labels]).toEqual(labels);
  expect(found.inertia).toBeCloseTo(inertia, 9);
  for (const [cluster, centre] of found.centres.entries()) {
    for (const [j, value] of centre.entries()) expect(value).toBeCloseTo(centres[cluster]![j]!, 9);
  }
});

test("first centres are different points, and far ones likelier", () => {
  // 40 points about 0 and one far away, which is drawn unless by a rare chance.
  const points = [...Array.from({ length: 40 }, (_, i) => [i / 1000, 0]), [9, 9]];
  for (let seed = 0; seed < 20; seed++) {
    const centres = drawCentres(points, 3, createRandom(seed));
    expect(new Set(centres).size).toBe(3);
    expect(centres).toContainEqual([9, 9]);
  }
  expect(drawCentres(points, 3, createRandom(5))).toEqual(drawCentres(points, 3, createRandom(5)));
});

test("fewer different points than clusters are refused", () => {
  expect(() => drawCentres([[1], [1], [2]], 3, createRandom(0))).toThrow("only 2 different points");
});

test("each cluster has a point of its own that stands for it", () => {
  for (const { points, start } of golden) {
    const clusters = clusterPoints(points, start);
    const central = findCentralPoints(points, clusters);
    expect(central.map((i) => clusters.labels[i])).toEqual(start.map((_, cluster) => cluster));
    const distance = (i: number, cluster: number) =>
      Math.hypot(...points[i]!.map((value, j) => value - clusters.centres[cluster]![j]!));
    for (const [cluster, i] of central.entries()) {
      for (const [j, label] of clusters.labels.entries()) {
        if (label === cluster) expect(distance(j, cluster)).toBeGreaterThanOrEqual(distance(i, cluster));
      }
    }
  }
});
