/** @file Which of several choices no other beats. */

/**
 * The Pareto front: the points that no other equals or betters in both cost and score while bettering one of them.
 *
 * @param cost less is better
 * @param score more is better
 * @returns in order of rising cost
 */
export function paretoFront<T>(
  points: readonly T[],
  cost: (point: T) => number,
  score: (point: T) => number,
): T[] {
  const beats = (a: T, b: T) =>
    cost(a) <= cost(b) && score(a) >= score(b) && (cost(a) < cost(b) || score(a) > score(b));
  return points
    .filter((point) => !points.some((other) => beats(other, point)))
    .sort((a, b) => cost(a) - cost(b));
}
