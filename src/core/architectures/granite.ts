/** @file Granite 3 (IBM 2024), the dense models: Llama's blocks with factors of embedding, attention, residuals and logits. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import { mul } from "../graph/operators/elementwise.ts";
import { scalar } from "../graph/tensor.ts";
import type { Architecture, ModelConfig } from "./architecture.ts";
import { parseFields, positive } from "./config-file.ts";
import { type LlamaConfig, llama, llamaGguf, readLlamaConfig } from "./llama.ts";
import { gatedFeedForward, normsOf, preNormBlock, selfAttention } from "./parts.ts";

export interface GraniteConfig extends LlamaConfig {
  /** Factor of what attention and feed-forward add. */
  readonly residualMultiplier: number;
}

const schema = z.looseObject({
  embedding_multiplier: positive,
  logits_scaling: positive,
  residual_multiplier: positive,
  attention_multiplier: positive,
});

export const graniteKeys = withRole(
  "used",
  "attention_bias",
  "attention_multiplier",
  "embedding_multiplier",
  "logits_scaling",
  "mlp_bias",
  "residual_multiplier",
);

/** The factors of a config.json. */
export function readFactors(json: Readonly<Record<string, unknown>>, file: string) {
  const fields = parseFields(schema, json, file);
  return {
    attentionScale: fields.attention_multiplier,
    embeddingScale: fields.embedding_multiplier,
    logitScale: 1 / fields.logits_scaling,
    residualMultiplier: fields.residual_multiplier,
  };
}

export const granite: Architecture<GraniteConfig> = {
  ...llama,
  modelType: "granite",
  className: "GraniteForCausalLM",
  keys: { ...llama.keys, ...graniteKeys },
  defaults: {
    ...llama.defaults,
    embedding_multiplier: 1,
    logits_scaling: 1,
    residual_multiplier: 1,
    attention_multiplier: 1,
  },
  readConfig: (json, file) => ({
    ...readLlamaConfig(json, file, () => undefined),
    ...readFactors(json, file),
  }),
  writeConfig(config) {
    if (config.modelType === "granite" && !config.layers[0]!.rotary) {
      throw new InputError(
        "The model does not rotate queries and keys, which the config.json of a granite model cannot say; merge onto the Hugging Face folder of the model instead.",
      );
    }
    return {
      ...llama.writeConfig(config),
      attention_multiplier: config.attentionScale,
      embedding_multiplier: config.embeddingScale,
      logits_scaling: logitsScaling(config),
      residual_multiplier: config.residualMultiplier,
    };
  },
  block(config, x, context, parts) {
    const factor = scalar(config.residualMultiplier);
    return preNormBlock(
      x,
      normsOf(config, parts),
      (hidden) => mul(selfAttention(hidden, context, parts), factor),
      (hidden) => mul(gatedFeedForward(hidden, parts), factor),
    );
  },
  gguf: {
    ...llamaGguf,
    architecture: "granite",
    keys: {
      ...withRole(
        "used",
        "{arch}.attention.scale",
        "{arch}.embedding_scale",
        "{arch}.logit_scale",
        "{arch}.residual_scale",
        "{arch}.rope.scaling.finetuned",
      ),
      // Of Granite 4's parts that a dense model does not have.
      "{arch}.expert_shared_feed_forward_length": "harmless",
      "{arch}.ssm.*": "harmless",
    },
    readConfig: (file, read) => ({
      ...llamaGguf.readConfig?.(file, read),
      attention_multiplier: read("attention.scale"),
      embedding_multiplier: read("embedding_scale"),
      logits_scaling: read("logit_scale"),
      residual_multiplier: read("residual_scale"),
    }),
    // Granite 4 says so whether it rotates.
    rotary: {
      read: async ({ metadata }, rotary) =>
        metadata.get("granite.rope.scaling.finetuned") === false ? undefined : rotary,
      write: () => undefined,
    },
    writeConfig: (config) => ({
      ...(!config.layers[0]!.rotary && { "rope.scaling.finetuned": false }),
      "attention.scale": { float32: config.attentionScale },
      embedding_scale: { float32: config.embeddingScale! },
      logit_scale: { float32: logitsScaling(config) },
      residual_scale: { float32: config.residualMultiplier },
    }),
  },
};

function logitsScaling({ logitScale = 1 }: ModelConfig): number {
  return 1 / logitScale;
}
