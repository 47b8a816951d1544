/** @file Matrices of low rank as sums of outer products, and the nearest of a lower rank. */

import type { SingularTriplets, TripletFinder } from "../../core/adapters/singular-triplets.ts";
import type { Random } from "../../core/random.ts";

/** The [out, in] matrix that is the sum of left[i] right[i]^T, with left [k][out] and right [k][in]. */
export interface LowRank {
  readonly left: readonly Float64Array[];
  readonly right: readonly Float64Array[];
}

/** The sum, of as many outer products as all have together. */
export function sumOf(...matrices: readonly LowRank[]): LowRank {
  return {
    left: matrices.flatMap(({ left }) => left),
    right: matrices.flatMap(({ right }) => right),
  };
}

export function difference(matrix: LowRank, other: LowRank): LowRank {
  return sumOf(matrix, {
    left: other.left.map((column) => column.map((value) => -value)),
    right: other.right,
  });
}

/**
 * The `rank` largest singular triplets, the nearest matrix of that rank (Eckart and Young 1936), fewer where the matrix has fewer.
 * They are those of the small core between the orthonormal bases of both sides.
 */
export async function largestTriplets(
  finder: TripletFinder,
  matrix: LowRank,
  rank: number,
  random: Random,
): Promise<SingularTriplets> {
  const { leftBasis, core, rightBasis } = coreOf(matrix);
  const most = Math.min(rank, leftBasis.length, rightBasis.length);
  if (most === 0) return { values: new Float64Array(), left: [], right: [] };
  // The largest element as 1, so that float32 holds a core of any size.
  const unit = core.reduce((largest, row) => row.reduce((a, b) => Math.max(a, Math.abs(b)), largest), 0);
  const flat = Float32Array.from(core.flatMap((row) => [...row].map((value) => value / (unit || 1))));
  const { values, left, right } = await finder.find(flat, leftBasis.length, most, random);
  return {
    values: values.map((value) => value * unit),
    left: left.map((coefficients) => combine(leftBasis, coefficients)),
    right: right.map((coefficients) => combine(rightBasis, coefficients)),
  };
}

/** The matrix as leftBasis core rightBasis^T, with rows of both bases orthonormal. */
function coreOf({ left, right }: LowRank) {
  const ofLeft = orthonormalize(left);
  const ofRight = orthonormalize(right);
  const core = ofLeft.basis.map((_, row) =>
    Float64Array.from({ length: ofRight.basis.length }, (_, column) =>
      left.reduce((sum, _, i) => sum + ofLeft.coefficients[i]![row]! * ofRight.coefficients[i]![column]!, 0),
    ),
  );
  return { leftBasis: ofLeft.basis, core, rightBasis: ofRight.basis };
}

/** What is left of a vector outside the span of those before it is rounding if it is no longer than this share of it. */
const dependence = 1e-12;

/**
 * An orthonormal basis of the span of vectors, and each vector's coefficients in it: a QR decomposition by modified Gram-Schmidt, twice,
 * since once is not enough for vectors that are nearly dependent. Vectors that are dependent add nothing to the basis.
 */
function orthonormalize(vectors: readonly Float64Array[]) {
  const basis: Float64Array[] = [];
  const coefficients = vectors.map((vector) => {
    const rest = vector.slice();
    const own = new Float64Array(vectors.length);
    for (let pass = 0; pass < 2; pass++) {
      for (const [j, direction] of basis.entries()) {
        const coefficient = dot(rest, direction);
        own[j]! += coefficient;
        addScaled(rest, direction, -coefficient);
      }
    }
    const length = Math.sqrt(dot(rest, rest));
    if (length > dependence * Math.sqrt(dot(vector, vector))) {
      own[basis.length] = length;
      basis.push(rest.map((value) => value / length));
    }
    return own;
  });
  return { basis, coefficients };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(target: Float64Array, vector: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * vector[i]!;
}

function combine(basis: readonly Float64Array[], coefficients: Float64Array): Float64Array {
  const sum = new Float64Array(basis[0]!.length);
  for (const [i, vector] of basis.entries()) addScaled(sum, vector, coefficients[i]!);
  return sum;
}
