/** @file The last layer's prompts without a part of what they add, or with some of another model's. */

import { type Adaptation, type AttentionAdapter, attentionModule } from "../../core/adapters/adaptation.ts";
import { type AdaptionPromptConfig, adaptionPrompt } from "../../core/adapters/adaption-prompt.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { nameInLayer } from "../../core/architectures/modules.ts";
import { sub } from "../../core/graph/operators/elementwise.ts";

/** The first prompts of the last layer, on which the causal term is, or the others. */
export type PromptPart = "shared" | "particular";

/**
 * Prompts of which the last layer's add only what the other part gives: the softmax is still over all of them, as in the term.
 *
 * @param shared how many the first ones are
 */
export function withoutPart(
  part: PromptPart,
  settings: AdaptionPromptConfig,
  model: ModelConfig,
  shared: number,
): Adaptation {
  const whole = adaptionPrompt(settings, model, shared);
  const last = model.numHiddenLayers - 1;
  const { contribution, ...adapter } = whole.attentionAdapterOf!(last)!;
  const forward: AttentionAdapter["forward"] =
    part === "shared"
      ? (query, tensors) => sub(adapter.forward(query, tensors), contribution!(query, tensors))
      : contribution!;
  const ablated = { ...adapter, signature: `${adapter.signature} without ${part}`, forward };
  return {
    ...whole,
    attentionAdapterOf: (layer) => (layer === last ? ablated : whole.attentionAdapterOf!(layer)),
  };
}

/** The tensors with a part of the last layer's prompts taken from another model's; gates stay. */
export function withPartOf(
  other: Parameters,
  part: PromptPart,
  own: Parameters,
  { numHiddenLayers, hiddenSize }: ModelConfig,
  shared: number,
): Parameters {
  const name = `${nameInLayer(numHiddenLayers - 1, attentionModule)}.adaption_prompt`;
  const { data, ...rest } = own.get(name)!;
  const from = part === "shared" ? other.get(name)!.data : data;
  const behind = part === "shared" ? data : other.get(name)!.data;
  const rows = shared * hiddenSize;
  const mixed = Float32Array.of(...from.subarray(0, rows), ...behind.subarray(rows));
  return new Map(own).set(name, { ...rest, data: mixed });
}
