/** @file The frozen adapters that aggregations leave beside the trained one, in training and as one adapter of PEFT. */

import type { Adaptation } from "../../core/adapters/adaptation.ts";
import type { LoraConfig } from "../../core/adapters/lora.ts";
import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { add } from "../../core/graph/operators/elementwise.ts";
import { matmul } from "../../core/graph/operators/matmul.ts";
import { findPairs, pairOf, productOf, residualOf, scalesOf } from "./lora-pairs.ts";
import { sumOf } from "./low-rank.ts";

const [nameA, nameB] = ["residual_A.weight", "residual_B.weight"] as const;

/**
 * LoRA over weights to which the residual is added: W x + residual_B residual_A x + s B A x. The residual's tensors are frozen ones of the
 * adaptation, so they are saved and loaded with it.
 *
 * @param residual as an aggregation gives it; where it has no tensors, nothing is added
 * @throws InputError of `adapterOf`, if a layer's adapter does more than to add s B A.
 */
export function withResidual(adaptation: Adaptation, residual: Parameters): Adaptation {
  return {
    ...adaptation,
    adapterOf(name, outFeatures, inFeatures) {
      const adapter = adaptation.adapterOf(name, outFeatures, inFeatures);
      const [A, B] = [residual.get(`${name}.${nameA}`), residual.get(`${name}.${nameB}`)];
      if (!adapter || !A || !B) return adapter;
      const { lowRank, ...rest } = adapter;
      if (!lowRank)
        throw new InputError(
          `FedEx-LoRA and FLoRA keep part of the update of ${name} beside its adapter, which has to be plain LoRA; take the method "lora".`,
        );
      return {
        ...rest,
        signature: `${adapter.signature} residual=${A.dims[0]}`,
        parameters: [
          ...adapter.parameters,
          { name: nameA, shape: A.dims, isFrozen: true, initialize: () => A.data },
          { name: nameB, shape: B.dims, isFrozen: true, isByOutput: true, initialize: () => B.data },
        ],
        forward(x, dropped, weight, tensors) {
          const inner = matmul(x, tensors[nameA]!, { transB: true });
          return add(
            adapter.forward(x, dropped, weight, tensors),
            matmul(inner, tensors[nameB]!, { transB: true }),
          );
        },
        merge: (weight, tensors) =>
          adapter.merge(add(weight, matmul(tensors[nameB]!, tensors[nameA]!)), tensors),
      };
    },
  };
}

/** @throws InputError if a layer of an adapter is none that can have a residual beside it. */
export function checkLayers(parameters: Parameters): void {
  const other = findPairs(parameters).find(({ nameA }) => !nameA.endsWith("lora_A.weight"));
  if (other)
    throw new InputError(
      `What FedEx-LoRA and FLoRA keep beside the adapter is for linear layers; leave ${other.module} out of target_modules.`,
    );
}

/**
 * One plain adapter that does what the trained one and the residual do together, of rank r + m: s [B, residual_B / s] [A; residual_A].
 * PEFT reads it.
 */
export function joinResidual(
  settings: LoraConfig,
  parameters: Parameters,
  residual: Parameters,
): { readonly settings: LoraConfig; readonly parameters: Map<string, Parameter> } {
  const scales = scalesOf(settings, parameters);
  const joined = new Map(parameters);
  const rankPattern: Record<string, number> = {};
  const alphaPattern: Record<string, number> = {};
  for (const pair of findPairs(parameters)) {
    const { module } = pair;
    const scale = scales.get(module)!;
    const beside = residualOf(residual, module);
    const unscaled = { ...beside, left: beside.left.map((column) => column.map((value) => value / scale)) };
    const { A, B } = pairOf(sumOf(productOf(pair, 1), unscaled), pair.B.dims[0]!, pair.A.dims[1]!);
    joined.set(pair.nameA, A);
    joined.set(pair.nameB, B);
    const rank = A.dims[0]!;
    rankPattern[module] = rank;
    alphaPattern[module] = scale * (settings.use_rslora ? Math.sqrt(rank) : rank);
  }
  return {
    settings: { ...settings, rank_pattern: rankPattern, alpha_pattern: alphaPattern },
    parameters: joined,
  };
}
