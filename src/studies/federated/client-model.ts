/** @file How many weights a client multiplies with, and how many of them it trains. */

import { createAdaptation } from "../../core/adapters/methods.ts";
import { listParameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { listLinearModules } from "../../core/architectures/modules.ts";
import type { ClientModel } from "../../federation/accounting.ts";
import type { RunConfig } from "../../node/training/run-config.ts";

/** The whole model with a run's adapter: all linear layers, and the output layer. */
export function clientModelOf(model: ModelConfig, run: RunConfig): ClientModel {
  const count = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0);
  const adapter = listParameters(model, createAdaptation(run, model)).map(({ dims, isFrozen }) => ({
    size: dims.reduce((product, dim) => product * dim, 1),
    isFrozen,
  }));
  const block = count(
    listLinearModules(model).map(({ inFeatures, outFeatures }) => inFeatures * outFeatures),
  );
  return {
    parameters:
      model.numHiddenLayers * block +
      model.vocabSize * model.hiddenSize +
      count(adapter.map(({ size }) => size)),
    trained: count(adapter.filter(({ isFrozen }) => !isFrozen).map(({ size }) => size)),
  };
}
