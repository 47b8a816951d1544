/** @file The largest singular triplets of a matrix, by Chebyshev-filtered subspace iteration. Its products run on a device. */

import { div, mul, sub } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import type { Random } from "../random.ts";
import { type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";

/** Singular values and vectors: W is about the sum of values[i] left[i] right[i]^T. */
export interface SingularTriplets {
  /** Falling, [rank]. */
  readonly values: Float64Array;
  /** [rank][out] */
  readonly left: readonly Float64Array[];
  /** [rank][in] */
  readonly right: readonly Float64Array[];
}

export interface TripletFinder {
  /**
   * The `rank` largest singular triplets of W, an [out, in] matrix in row-major order of whose sides none is shorter than
   * `rank`. Equal draws of `random` give equal bits.
   */
  find(weight: Float32Array, outFeatures: number, rank: number, random: Random): Promise<SingularTriplets>;
  release(): Promise<void>;
}

/** A matrix as its rows. */
type Rows = Float64Array[];

/** The subspace has so many dimensions more than are asked for, or as many more as are, if that is more. */
const oversampling = 8;
/** Rounds of plain powers at the beginning, which separate the largest triplets from the others. */
const powerRounds = 2;
const maxRounds = 60;
/** What is not told from zero beside one, in float32. */
const precision = 1e-7;
/** Highest degree of a round's polynomial. */
const maxDegree = 8;
/** A round's polynomial makes the largest eigenvalue no more than this times larger against the least one that is wanted. */
const maxSpread = 1e8;

/**
 * Subspace iteration for the eigenvalues of W^T W or W W^T, on the shorter side of W, from a random beginning (Halko,
 * Martinsson and Tropp 2011, algorithm 4.4). Most rounds apply a Chebyshev polynomial that is small on the unwanted
 * eigenvalues (Zhou, Saad, Tiago and Chelikowsky 2006): the singular values of a model's weights lie close together, so that
 * powers alone would take many more products.
 */
export async function createTripletFinder(device: Device): Promise<TripletFinder> {
  const programs = new Map<string, Program>();
  const run = async (key: string, build: () => Tensor, inputs: Record<string, HostTensor>) => {
    const program = programs.get(key) ?? (await device.compile({ result: build() }));
    programs.set(key, program);
    return toRows((await program.run(inputs)).result!);
  };

  return {
    async find(matrix, outFeatures, rank, random) {
      const inFeatures = matrix.length / outFeatures;
      const weight = float32(matrix, [outFeatures, inFeatures]);
      const wide = inFeatures > outFeatures;
      const length = Math.min(outFeatures, inFeatures);
      const size = Math.min(rank + Math.max(rank, oversampling), length);
      const { image, back, filter } = describeProducts(wide);

      let basis: Rows = Array.from({ length: size }, () =>
        Float64Array.from({ length }, () => random.normal()),
      );
      let before: number[] = [];
      for (let round = 0; ; round++) {
        orthonormalize(basis);
        const images = await run(`image ${wide}`, image, { weight, rows: fromRows(basis) });
        const { eigenvalues, eigenvectors } = diagonalize(innerProducts(images));
        const wanted = eigenvalues.slice(0, rank);
        const [top, least, unwanted] = [wanted[0]!, wanted.at(-1)!, eigenvalues.at(-1)!];
        const settled = wanted.every((value, i) => value - before[i]! <= precision * top);
        if ((round > powerRounds && settled) || round === maxRounds || top === 0) {
          const values = Float64Array.from(wanted, (value) => Math.sqrt(Math.max(0, value)));
          const vectors = (rows: Rows) => eigenvectors.slice(0, rank).map((vector) => combine(rows, vector));
          const shorter = vectors(basis);
          const longer = vectors(images).map((row, i) => row.map((element) => element / (values[i]! || 1)));
          return wide ? { values, left: shorter, right: longer } : { values, left: longer, right: shorter };
        }
        before = wanted;
        if (round < powerRounds) {
          basis = await run(`back ${wide}`, back, { weight, images: fromRows(images) });
        } else {
          const bound = Math.max(unwanted, precision * top);
          const degree = chooseDegree(top / bound, least / bound);
          basis = await run(`filter ${wide} ${degree}`, () => filter(degree), {
            weight,
            rows: fromRows(basis),
            bound: float32(Float32Array.of(bound), []),
            top: float32(Float32Array.of(top), []),
          });
        }
      }
    },
    async release() {
      for (const program of programs.values()) await program.release();
    },
  };
}

/** The degree at which the polynomial of [0, 1] is `maxSpread` times larger at `top` than at `least`, both at least 1. */
function chooseDegree(top: number, least: number): number {
  // T_m(t) grows as exp(m arcosh(t)).
  const growth = (x: number) => Math.acosh(Math.max(1, 2 * x - 1));
  const degree = Math.floor(Math.log(maxSpread) / (growth(top) - growth(least)));
  return Math.max(1, Math.min(maxDegree, degree));
}

/** Graphs of products of W with rows on its shorter side: on the out side of a wide matrix, on the in side of another. */
function describeProducts(wide: boolean) {
  const weight = input("weight", "float32", ["out", "in"]);
  const [shorter, longer] = wide ? ["out", "in"] : ["in", "out"];
  const rows = input("rows", "float32", ["k", shorter!]);
  const toLonger = (x: Tensor) => matmul(x, weight, { transB: !wide });
  const toShorter = (x: Tensor) => matmul(x, weight, { transB: wide });
  return {
    image: () => toLonger(rows),
    back: () => toShorter(input("images", "float32", ["k", longer!])),
    /**
     * The Chebyshev polynomial T of the interval [0, "bound"] and of W^T W or W W^T, applied to the rows and divided by its
     * value at "top", so that it stays within float32.
     */
    filter(degree: number): Tensor {
      const [bound, top] = [input("bound", "float32", []), input("top", "float32", [])];
      const [one, two] = [scalar(1), scalar(2)];
      // t = 2 x / bound - 1 maps the interval to [-1, 1].
      const slope = div(two, bound);
      const map = (x: Tensor) => sub(mul(toShorter(toLonger(x)), slope), x);
      const topMapped = sub(mul(top, slope), one);
      // T_j(t) = 2 t T_(j-1)(t) - T_(j-2)(t), and ratio is T_(j-1)(top) / T_j(top).
      let ratio = div(one, topMapped);
      let before: Tensor = rows;
      let current = mul(map(rows), ratio);
      for (let j = 2; j <= degree; j++) {
        const nextRatio = div(one, sub(mul(two, topMapped), ratio));
        const next = sub(mul(map(current), mul(two, nextRatio)), mul(before, mul(nextRatio, ratio)));
        [before, current, ratio] = [current, next, nextRatio];
      }
      return current;
    },
  };
}

/** What is left of a row beside those before it is rounding if it is no longer than this share of the row. */
const dependence = 1e-12;

/**
 * Makes rows orthonormal, in place: modified Gram-Schmidt, twice, since once is not enough for rows that are nearly dependent. Those that
 * are dependent become zero.
 */
function orthonormalize(rows: Rows): void {
  for (const [i, row] of rows.entries()) {
    const before = Math.sqrt(dot(row, row));
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < i; j++) addScaled(row, rows[j]!, -dot(row, rows[j]!));
    const length = Math.sqrt(dot(row, row));
    const factor = length > dependence * before ? 1 / length : 0;
    for (let n = 0; n < row.length; n++) row[n]! *= factor;
  }
}

/**
 * Eigenvalues, falling, and eigenvectors of a symmetric matrix, which is overwritten: Jacobi's method with rotations in
 * cyclic order (Golub and Van Loan 2013, section 8.5).
 */
function diagonalize(matrix: Rows): { eigenvalues: number[]; eigenvectors: Rows } {
  const size = matrix.length;
  const vectors = matrix.map((_, i) => Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
  const smallest = Number.EPSILON * Math.max(...matrix.map((row, i) => Math.abs(row[i]!)));
  for (let rotated = true; rotated; ) {
    rotated = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const [first, second] = [matrix[p]!, matrix[q]!];
        if (Math.abs(first[q]!) <= smallest) continue;
        rotated = true;
        const tau = (second[q]! - first[p]!) / (2 * first[q]!);
        const tangent = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent);
        const sine = tangent * cosine;
        rotate(first, second, cosine, sine);
        for (const row of matrix) {
          const [a, b] = [row[p]!, row[q]!];
          row[p] = cosine * a - sine * b;
          row[q] = sine * a + cosine * b;
        }
        rotate(vectors[p]!, vectors[q]!, cosine, sine);
      }
    }
  }
  const order = [...matrix.keys()].sort((a, b) => matrix[b]![b]! - matrix[a]![a]!);
  return { eigenvalues: order.map((i) => matrix[i]![i]!), eigenvectors: order.map((i) => vectors[i]!) };
}

function rotate(first: Float64Array, second: Float64Array, cosine: number, sine: number): void {
  for (let n = 0; n < first.length; n++) {
    const [a, b] = [first[n]!, second[n]!];
    first[n] = cosine * a - sine * b;
    second[n] = sine * a + cosine * b;
  }
}

/** The inner products of all rows with each other. */
function innerProducts(rows: Rows): Rows {
  const products = rows.map(() => new Float64Array(rows.length));
  for (const [i, row] of rows.entries())
    for (let j = 0; j <= i; j++) products[i]![j] = products[j]![i] = dot(row, rows[j]!);
  return products;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += a[n]! * b[n]!;
  return sum;
}

function addScaled(target: Float64Array, row: Float64Array, factor: number): void {
  for (let n = 0; n < target.length; n++) target[n]! += factor * row[n]!;
}

/** The sum of the rows times the coefficients. */
function combine(rows: Rows, coefficients: Float64Array): Float64Array {
  const sum = new Float64Array(rows[0]!.length);
  for (const [i, row] of rows.entries()) addScaled(sum, row, coefficients[i]!);
  return sum;
}

function fromRows(rows: Rows): HostTensor {
  const width = rows[0]!.length;
  const values = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) values.set(row, i * width);
  return float32(values, [rows.length, width]);
}

function toRows({ data, dims: [count, width] }: HostTensor): Rows {
  const values = data as Float32Array;
  return Array.from({ length: count! }, (_, i) =>
    Float64Array.from(values.subarray(i * width!, (i + 1) * width!)),
  );
}
