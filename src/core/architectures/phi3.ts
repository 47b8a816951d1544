/** @file Phi-3, Phi-3.5 and Phi-4-mini (Abdin et al. 2024): Llama's blocks with fused projections, and LongRoPE. */

import type { z } from "zod";
import { withRole } from "../formats/known-keys.ts";
import { mul } from "../graph/operators/elementwise.ts";
import { silu } from "../graph/operators/neural-network.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Architecture, ModelConfig } from "./architecture.ts";
import {
  type ConfigFields,
  checkActivation,
  checkFactors,
  configSchema,
  parseFields,
  readLayers,
  readRotary,
  readSizes,
  size,
  writeSizes,
} from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { attend, divide, hiddenNorms, normsOf, preNormBlock } from "./parts.ts";
import { longTextLength } from "./rotary.ts";

const schema = configSchema.extend({ original_max_position_embeddings: size });

export const phi3: Architecture = {
  modelType: "phi3",
  className: "Phi3ForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole("used", "original_max_position_embeddings", "partial_rotary_factor", "sliding_window"),
    ...withRole([0], "embd_pdrop", "resid_pdrop"),
    ...withRole([false], "attention_bias"),
  },
  defaults: {
    vocab_size: 32_064,
    hidden_size: 3072,
    intermediate_size: 8192,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: "silu",
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  },
  readConfig(json, file) {
    const fields = renameLongRope(parseFields(schema, json, file));
    checkActivation(fields.hidden_act, file);
    const sizes = readSizes(fields, file);
    const rotary = readRotary(fields, sizes, file, { isPartial: true });
    return { ...sizes, layers: readLayers(fields, file, rotary, fields.sliding_window) };
  },
  writeConfig(config) {
    const { slidingWindow = null, rotary } = config.layers[0]!;
    const original = rotary && longTextLength(rotary);
    return {
      ...writeSizes(config),
      partial_rotary_factor: rotary!.dim / config.headDim,
      sliding_window: slidingWindow,
      ...(original !== undefined && { original_max_position_embeddings: original }),
    };
  },
  linearModules(config) {
    const { hiddenSize, intermediateSize } = config;
    const { queries, keys } = projectionSizes(config);
    const linear = (name: string, inFeatures: number, outFeatures: number) => [
      { name, inFeatures, outFeatures, bias: false },
    ];
    return [
      linear("self_attn.qkv_proj", hiddenSize, queries + 2 * keys),
      linear("self_attn.o_proj", queries, hiddenSize),
      linear("mlp.gate_up_proj", hiddenSize, 2 * intermediateSize),
      linear("mlp.down_proj", intermediateSize, hiddenSize),
    ];
  },
  norms: (config) => hiddenNorms(config, "input_layernorm", "post_attention_layernorm"),
  block(config, x, context, parts) {
    const sizes = projectionSizes(config);
    const project = (rows: Tensor) => {
      const widths = [sizes.queries, sizes.keys, sizes.keys];
      const [query, keys, values] = divide(parts.linear("self_attn.qkv_proj", rows), widths);
      return { query: query!, keys: keys!, values: values! };
    };
    const feedForward = (hidden: Tensor) => {
      const width = config.intermediateSize;
      const [gate, up] = divide(parts.linear("mlp.gate_up_proj", hidden), [width, width]);
      return parts.linear("mlp.down_proj", mul(silu(gate!), up!));
    };
    return preNormBlock(
      x,
      normsOf(config, parts),
      (hidden) => attend(hidden, context, parts, project),
      feedForward,
    );
  },
  gguf: {
    architecture: "phi3",
    blockNames: {
      input_layernorm: "attn_norm",
      "self_attn.qkv_proj": "attn_qkv",
      "self_attn.o_proj": "attn_output",
      post_attention_layernorm: "ffn_norm",
      "mlp.gate_up_proj": "ffn_up",
      "mlp.down_proj": "ffn_down",
    },
    keys: withRole("used", "{arch}.rope.scaling.attn_factor"),
    readConfig(_file, read) {
      const headDim =
        read("attention.key_length") ?? read("embedding_length")! / read("attention.head_count")!;
      return {
        partial_rotary_factor: (read("rope.dimension_count") ?? headDim) / headDim,
        sliding_window: read("attention.sliding_window") || null,
      };
    },
    writeConfig: ({ layers }) => ({ "attention.sliding_window": layers[0]!.slidingWindow ?? 0 }),
    rotary: {
      async read(file, rotary, read) {
        const factors = async (name: string) => (file.tensors.has(name) ? file.readFloat32(name) : undefined);
        const [shortFactors, longFactors] = [await factors(shortName), await factors(longName)];
        const original = read("rope.scaling.original_context_length");
        if (!shortFactors || !longFactors || original === undefined) return rotary;
        const attentionFactor = read("rope.scaling.attn_factor") ?? 1;
        const scaling = {
          type: "longrope",
          shortFactors,
          longFactors,
          originalMaxPositionEmbeddings: original,
          attentionFactor,
        } as const;
        checkFactors({ ...rotary, scaling }, file.path);
        return { ...rotary, scaling };
      },
      write({ scaling }) {
        if (scaling?.type !== "longrope") return undefined;
        return {
          metadata: {
            "rope.scaling.original_context_length": scaling.originalMaxPositionEmbeddings,
            "rope.scaling.attn_factor": { float32: scaling.attentionFactor },
          },
          tensors: { [longName]: scaling.longFactors, [shortName]: scaling.shortFactors },
        };
      },
    },
  },
};

const longName = "rope_factors_long.weight";
const shortName = "rope_factors_short.weight";

/** Older names of LongRoPE. */
const longRopeNames: readonly unknown[] = ["su", "yarn"];

/** The fields with LongRoPE as other families say it: by that name, and with the length beside it. */
function renameLongRope({
  original_max_position_embeddings,
  ...fields
}: z.infer<typeof schema>): ConfigFields {
  const key = Object.keys(fields.rope_scaling ?? {}).length > 0 ? "rope_scaling" : "rope_parameters";
  const { type, rope_type = type, ...rope } = fields[key] ?? {};
  if (rope_type !== "longrope" && !longRopeNames.includes(rope_type)) return fields;
  return { ...fields, [key]: { ...rope, rope_type: "longrope", original_max_position_embeddings } };
}

/** Widths of the projections to queries, and to keys or values. */
function projectionSizes({ numAttentionHeads, numKeyValueHeads, headDim }: ModelConfig) {
  return { queries: numAttentionHeads * headDim, keys: numKeyValueHeads * headDim };
}
