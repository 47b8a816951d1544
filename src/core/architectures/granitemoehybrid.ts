/** @file Granite 4 (IBM 2025), its dense models: Granite 3's blocks with a fused feed-forward layer, and perhaps no rotation. */

import * as z from "zod";
import { withRole } from "../formats/known-keys.ts";
import { mul } from "../graph/operators/elementwise.ts";
import { silu } from "../graph/operators/neural-network.ts";
import { scalar, type Tensor } from "../graph/tensor.ts";
import type { Architecture } from "./architecture.ts";
import { parseFields, size } from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { type GraniteConfig, granite, graniteKeys, readFactors } from "./granite.ts";
import { llama, readLlamaConfig } from "./llama.ts";
import { divide, llamaModules, normsOf, preNormBlock, selfAttention } from "./parts.ts";

const schema = z.looseObject({
  num_hidden_layers: size,
  layer_types: z.array(z.string()).nullish(),
  layers_block_type: z.array(z.string()).nullish(),
  shared_intermediate_size: size,
  position_embedding_type: z.string().nullish(),
});

export const granitemoehybrid: Architecture<GraniteConfig> = {
  ...granite,
  modelType: "granitemoehybrid",
  className: "GraniteMoeHybridForCausalLM",
  keys: {
    ...everyFamily,
    ...graniteKeys,
    ...withRole("used", "layers_block_type", "position_embedding_type", "shared_intermediate_size"),
    ...withRole([0], "num_local_experts"),
    ...withRole([], "sliding_window"),
    // Of layers and experts that a dense model does not have.
    ...withRole(
      "harmless",
      "mamba_chunk_size",
      "mamba_conv_bias",
      "mamba_d_conv",
      "mamba_d_head",
      "mamba_d_state",
      "mamba_expand",
      "mamba_n_groups",
      "mamba_n_heads",
      "mamba_proj_bias",
      "normalization_function",
      "num_experts_per_tok",
      "output_router_logits",
      "router_aux_loss_coef",
      "time_step_limit",
    ),
  },
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    attention_bias: false,
    embedding_multiplier: 1,
    logits_scaling: 1,
    residual_multiplier: 1,
    attention_multiplier: 1,
    shared_intermediate_size: 1024,
  },
  readConfig(json, file) {
    const fields = parseFields(schema, json, file);
    // Transformers' own default, which is refused by its name.
    const unknown = Array.from({ length: fields.num_hidden_layers }, () => "linear_attention");
    const layer_types = fields.layer_types ?? fields.layers_block_type ?? unknown;
    const config = readLlamaConfig(
      { ...json, layer_types, intermediate_size: fields.shared_intermediate_size },
      file,
      () => undefined,
    );
    const isRotated = fields.position_embedding_type === "rope";
    const plain = { slidingWindow: undefined, rotary: undefined };
    return {
      ...config,
      ...readFactors(json, file),
      ...(!isRotated && { layers: config.layers.map(() => plain) }),
    };
  },
  writeConfig(config) {
    const { mlp_bias: _, ...values } = granite.writeConfig(config);
    return {
      ...values,
      shared_intermediate_size: config.intermediateSize,
      num_local_experts: 0,
      layer_types: config.layers.map(() => "attention"),
      position_embedding_type: config.layers[0]!.rotary ? "rope" : "nope",
    };
  },
  linearModules(config) {
    const { hiddenSize, intermediateSize } = config;
    const biases = { queryKeyValue: config.attentionBias, output: config.attentionBias };
    return [
      ...llamaModules(config, biases).slice(0, 2),
      [
        {
          name: "shared_mlp.input_linear",
          inFeatures: hiddenSize,
          outFeatures: 2 * intermediateSize,
          bias: false,
        },
      ],
      [
        {
          name: "shared_mlp.output_linear",
          inFeatures: intermediateSize,
          outFeatures: hiddenSize,
          bias: false,
        },
      ],
    ];
  },
  norms: llama.norms,
  block(config, x, context, parts) {
    const factor = scalar(config.residualMultiplier);
    const feedForward = (hidden: Tensor) => {
      const width = config.intermediateSize;
      const [gate, up] = divide(parts.linear("shared_mlp.input_linear", hidden), [width, width]);
      return parts.linear("shared_mlp.output_linear", mul(silu(gate!), up!));
    };
    return preNormBlock(
      x,
      normsOf(config, parts),
      (hidden) => mul(selfAttention(hidden, context, parts), factor),
      (hidden) => mul(feedForward(hidden), factor),
    );
  },
  gguf: {
    ...granite.gguf,
    blockNames: {
      ...granite.gguf.blockNames,
      "shared_mlp.input_linear": ["ffn_gate", "ffn_up"],
      "shared_mlp.output_linear": "ffn_down",
    },
  },
};
