/** @file The pairs A and B of an adapter's tensors, as the products that they stand for. */

import type { LoraConfig } from "../../core/adapters/lora.ts";
import { ranksAndScales } from "../../core/adapters/lora.ts";
import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import type { LowRank } from "./low-rank.ts";

/** A [r, in] and B [out, r] of a module, whose weight they change by s B A. */
export interface LoraPair {
  readonly module: string;
  readonly nameA: string;
  readonly nameB: string;
  readonly A: Parameter;
  readonly B: Parameter;
}

/** The factor s of each module's product B A. */
export type Scales = ReadonlyMap<string, number>;

const endings = [
  [".lora_A.weight", ".lora_B.weight"],
  [".lora_embedding_A", ".lora_embedding_B"],
] as const;

export function findPairs(parameters: Parameters): LoraPair[] {
  return [...parameters].flatMap(([nameA, A]) => {
    const ending = endings.find(([ofA]) => nameA.endsWith(ofA));
    if (!ending) return [];
    const module = nameA.slice(0, -ending[0].length);
    const nameB = module + ending[1];
    const B = parameters.get(nameB);
    return B ? [{ module, nameA, nameB, A, B }] : [];
  });
}

/** Each module's s = lora_alpha / r, or lora_alpha / sqrt(r) of rsLoRA. */
export function scalesOf(settings: LoraConfig, parameters: Parameters): Scales {
  const modules = findPairs(parameters).map(({ module }) => module);
  return new Map([...ranksAndScales(settings, modules)].map(([module, { scale }]) => [module, scale]));
}

/** `factor` B A. */
export function productOf({ A, B }: Pick<LoraPair, "A" | "B">, factor: number): LowRank {
  const [rank, width] = A.dims as [number, number];
  const height = B.dims[0]!;
  const ranks = Array.from({ length: rank }, (_, i) => i);
  return {
    left: ranks.map((i) =>
      Float64Array.from({ length: height }, (_, row) => factor * B.data[row * rank + i]!),
    ),
    right: ranks.map((i) => Float64Array.from(A.data.subarray(i * width, (i + 1) * width))),
  };
}

/** The names of A and B of a module's frozen adapter. */
export function residualNames(module: string): readonly [nameA: string, nameB: string] {
  return [`${module}.residual_A.weight`, `${module}.residual_B.weight`];
}

/** What a module's frozen adapter adds to its weight. */
export function residualOf(residual: Parameters, module: string): LowRank {
  const [A, B] = residualNames(module).map((name) => residual.get(name));
  return A && B ? productOf({ A, B }, 1) : { left: [], right: [] };
}

/** A [r, in] and B [out, r] whose product is the matrix, rounded to float32. */
export function pairOf(
  { left, right }: LowRank,
  outFeatures: number,
  inFeatures: number,
): Pick<LoraPair, "A" | "B"> {
  const rank = left.length;
  const A = new Float32Array(rank * inFeatures);
  const B = new Float32Array(outFeatures * rank);
  for (const [i, row] of right.entries()) A.set(row, i * inFeatures);
  for (const [i, column] of left.entries())
    for (let row = 0; row < outFeatures; row++) B[row * rank + i] = column[row]!;
  return { A: { dims: [rank, inFeatures], data: A }, B: { dims: [outFeatures, rank], data: B } };
}
