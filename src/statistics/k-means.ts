/** @file k-means: points divided into clusters, each around its mean. */

import type { Random } from "../core/random.ts";

export type Point = ArrayLike<number>;

export interface Clusters {
  /** The mean of each cluster's points, [k] of [width]. */
  readonly centres: readonly Float64Array[];
  /** The cluster of each point. */
  readonly labels: Uint32Array;
  /** Sum of the squared distances of the points from the centres of their clusters. */
  readonly inertia: number;
}

/** More than Lloyd's algorithm takes before it stands still. */
const mostRounds = 300;

/**
 * Divides points into k clusters by Lloyd's algorithm (Lloyd 1982) until no point changes its cluster, 300 rounds at most. A cluster that
 * loses all its points takes the one that is farthest from its own centre, as scikit-learn's does.
 *
 * @param points [n] of [width]
 * @param start the first centres, [k] of [width], such as those of {@link drawCentres}
 */
export function clusterPoints(points: readonly Point[], start: readonly Point[]): Clusters {
  let centres: Float64Array[] = start.map((centre) => Float64Array.from(centre));
  let labels = new Uint32Array(points.length);
  for (let round = 0; round < mostRounds; round++) {
    const nearest = points.map((point) => findNearest(point, centres));
    const moved = Uint32Array.from(nearest, ({ index }) => index);
    if (round > 0 && moved.every((label, i) => label === labels[i])) break;
    labels = moved;
    fillEmpty(
      labels,
      nearest.map(({ distance }) => distance),
      centres.length,
    );
    centres = meansOf(points, labels, centres);
  }
  const inertia = points.reduce((sum, point, i) => sum + squaredDistance(point, centres[labels[i]!]!), 0);
  return { centres, labels, inertia };
}

/**
 * Draws k of the points to begin with, each with a probability in proportion to its squared distance from those that were drawn
 * before: k-means++ (Arthur and Vassilvitskii 2007).
 *
 * @throws RangeError if there are fewer than k different points.
 */
export function drawCentres(points: readonly Point[], k: number, random: Random): Point[] {
  const centres = [points[random.below(points.length)]!];
  const distances = points.map((point) => squaredDistance(point, centres[0]!));
  while (centres.length < k) {
    const sum = distances.reduce((a, b) => a + b, 0);
    if (!(sum > 0)) throw new RangeError(`There are only ${centres.length} different points, and not ${k}.`);
    const drawn = drawByWeight(distances, random.uniform() * sum);
    centres.push(points[drawn]!);
    for (const [i, point] of points.entries()) {
      distances[i] = Math.min(distances[i]!, squaredDistance(point, points[drawn]!));
    }
  }
  return centres;
}

/** The first number at which the weights up to it are more than `ticket`. */
function drawByWeight(weights: readonly number[], ticket: number): number {
  let sum = 0;
  const drawn = weights.findIndex((weight) => {
    sum += weight;
    return sum > ticket;
  });
  // Rounding may leave a ticket behind them all.
  return drawn >= 0 ? drawn : weights.findLastIndex((weight) => weight > 0);
}

/** The point of each cluster that is nearest to its centre, by its number. */
export function findCentralPoints(points: readonly Point[], { centres, labels }: Clusters): number[] {
  return centres.map((centre, cluster) => {
    const members = [...points.keys()].filter((i) => labels[i] === cluster);
    const { index } = findNearest(
      centre,
      members.map((i) => points[i]!),
    );
    return members[index]!;
  });
}

function findNearest(point: Point, centres: readonly Point[]) {
  let nearest = { index: 0, distance: Number.POSITIVE_INFINITY };
  for (const [index, centre] of centres.entries()) {
    const distance = squaredDistance(point, centre);
    if (distance < nearest.distance) nearest = { index, distance };
  }
  return nearest;
}

/** Gives each cluster without points one of those that are farthest from their centres. */
function fillEmpty(labels: Uint32Array, distances: readonly number[], k: number): void {
  const filled = new Set(labels);
  const empty = Array.from({ length: k }, (_, cluster) => cluster).filter((cluster) => !filled.has(cluster));
  if (empty.length === 0) return;
  const farthest = [...labels.keys()].sort((a, b) => distances[b]! - distances[a]!);
  for (const [i, cluster] of empty.entries()) labels[farthest[i]!] = cluster;
}

/** @param before the centres so far, which clusters without points keep */
function meansOf(points: readonly Point[], labels: Uint32Array, before: readonly Float64Array[]) {
  const sums = before.map((centre) => new Float64Array(centre.length));
  const counts = before.map(() => 0);
  for (const [i, point] of points.entries()) {
    const cluster = labels[i]!;
    counts[cluster]!++;
    for (let j = 0; j < point.length; j++) sums[cluster]![j]! += point[j]!;
  }
  return sums.map((sum, cluster) =>
    counts[cluster] === 0 ? before[cluster]! : sum.map((value) => value / counts[cluster]!),
  );
}

function squaredDistance(a: Point, b: Point): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}
