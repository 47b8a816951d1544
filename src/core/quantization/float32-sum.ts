/** @file The sum of float32 numbers in PyTorch's order of additions, on which its last bits depend. */

const { fround } = Math;

/** Numbers that are added side by side: the lanes of a vector, times the vectors in flight. */
const lanes = 8;
const vectorsInFlight = 4;
const levels = 4;

/**
 * The float32 sum that `torch.sum` gives on the CPU with one thread: 32 partial sums over the numbers in turn, each a
 * cascade of four levels that keeps the rounding error small, and then their sum.
 */
export function sumFloat32(values: Float32Array): number {
  const vectors = Math.floor(values.length / lanes);
  const rounds = Math.floor(vectors / vectorsInFlight);
  const width = lanes * vectorsInFlight;
  const partial = cascade(values, rounds, width);
  for (let i = rounds * width; i < vectors * lanes; i++) partial[i % lanes]! += values[i]!;
  for (let lane = 0; lane < lanes; lane++) {
    for (let vector = 1; vector < vectorsInFlight; vector++)
      partial[lane]! += partial[vector * lanes + lane]!;
  }
  let sum = 0;
  for (let i = vectors * lanes; i < values.length; i++) sum = fround(sum + values[i]!);
  for (let lane = 0; lane < lanes; lane++) sum = fround(sum + partial[lane]!);
  return sum;
}

/** Sums of columns of a [rounds, width] matrix. Level j takes over from the level below after 2^(j power) rows. */
function cascade(values: Float32Array, rounds: number, width: number): Float32Array {
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(1, rounds))) / levels));
  const step = 2 ** power;
  const sums = Array.from({ length: levels }, () => new Float32Array(width));
  const addRow = (round: number) => {
    for (let column = 0; column < width; column++) sums[0]![column]! += values[round * width + column]!;
  };
  let round = 0;
  while (round + step <= rounds) {
    for (let i = 0; i < step; i++) addRow(round++);
    for (let level = 1; level < levels; level++) {
      for (let column = 0; column < width; column++) sums[level]![column]! += sums[level - 1]![column]!;
      sums[level - 1]!.fill(0);
      if (Math.floor(round / step ** level) % step !== 0) break;
    }
  }
  while (round < rounds) addRow(round++);
  for (let level = 1; level < levels; level++) {
    for (let column = 0; column < width; column++) sums[0]![column]! += sums[level]![column]!;
  }
  return sums[0]!;
}
