/** @file How near the directions of two sets of vectors are, whatever the sizes of the sets. */

/** A set of vectors as what {@link meanCosine} needs of it. */
export interface Directions {
  /** The sum of the vectors, each brought to length 1. */
  readonly sum: Float32Array;
  count: number;
}

export function createDirections(size: number): Directions {
  return { sum: new Float32Array(size), count: 0 };
}

/** Adds a vector to a set. One of length 0 has no direction and does not count. */
export function addDirection(directions: Directions, vector: Float32Array): void {
  const length = Math.sqrt(dot(vector, vector));
  if (length === 0) return;
  for (let i = 0; i < vector.length; i++) directions.sum[i]! += vector[i]! / length;
  directions.count++;
}

/**
 * The mean cosine of a vector of `a` and one of `b`, over the geometric mean of those of two different vectors of `a` and
 * of `b`: the cosine of the expected directions, estimated without pairs of a vector with itself. With such pairs small
 * samples would seem less alike than large ones. Two samples of the same kind give about 1, and may give somewhat more.
 *
 * @returns null where a set has no common direction: it has fewer than 2 vectors, or they do not agree with each other
 */
export function meanCosine(a: Directions, b: Directions): number | null {
  const [withinA, withinB] = [withinCosine(a), withinCosine(b)];
  if (withinA <= 0 || withinB <= 0) return null;
  return dot(a.sum, b.sum) / (a.count * b.count) / Math.sqrt(withinA * withinB);
}

/** The mean cosine of two different vectors; 0 if there are no two. */
function withinCosine({ sum, count }: Directions): number {
  return count < 2 ? 0 : (dot(sum, sum) - count) / (count * (count - 1));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
