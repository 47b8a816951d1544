/** @file A GGUF file as a model: its metadata as a configuration, its tensors under Hugging Face's names. */

import { InputError } from "../errors.ts";
import type { GgufFile } from "../formats/gguf.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import { embeddingName, headName, normName } from "./weights.ts";

/** Architectures of GGUF whose blocks are ours, and the Hugging Face model type that they are read as. */
const architectures = { llama: "llama", qwen2: "qwen2", qwen3: "qwen3" } as const;

/** GGUF's names of a block's parts, by Hugging Face's. */
const blockNames: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

const outerNames: Readonly<Record<string, string>> = {
  [embeddingName]: "token_embd.weight",
  [normName]: "output_norm.weight",
  [headName]: "output.weight",
};

/** GGUF's name of the tensor that Hugging Face calls `name`. */
export function ggufTensorName(name: string): string {
  const outer = outerNames[name];
  if (outer !== undefined) return outer;
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const translated = blockNames[part ?? ""];
  if (translated === undefined) throw new Error(`GGUF has no name for the tensor "${name}".`);
  return `blk.${layer}.${translated}.${kind}`;
}

/**
 * Reads a GGUF file's metadata as a configuration.
 *
 * @throws InputError if the architecture is not supported or a key is missing.
 */
export function readGgufConfig(file: GgufFile): ModelConfig {
  const { metadata, path } = file;
  const architecture = metadata.get("general.architecture");
  if (typeof architecture !== "string" || !Object.hasOwn(architectures, architecture)) {
    throw new InputError(
      `${path} holds a model of the architecture "${architecture}", which is not supported; supported are ${Object.keys(architectures).join(", ")}.`,
    );
  }
  const optional = (key: string): number | undefined => {
    const value = metadata.get(`${architecture}.${key}`);
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
  };
  const required = (key: string): number => {
    const value = optional(key);
    if (value === undefined) throw new InputError(`${path} lacks the metadata "${architecture}.${key}".`);
    return value;
  };
  const embedding = file.tensors.get("token_embd.weight");
  if (!embedding) throw new InputError(`${path} lacks the tensor "token_embd.weight".`);

  const scaling = metadata.get(`${architecture}.rope.scaling.type`);
  const config = parseConfig(
    {
      model_type: architectures[architecture as keyof typeof architectures],
      vocab_size: embedding.shape[0],
      hidden_size: required("embedding_length"),
      intermediate_size: required("feed_forward_length"),
      num_hidden_layers: required("block_count"),
      num_attention_heads: required("attention.head_count"),
      num_key_value_heads: optional("attention.head_count_kv"),
      head_dim: optional("attention.key_length"),
      max_position_embeddings: required("context_length"),
      rms_norm_eps: required("attention.layer_norm_rms_epsilon"),
      rope_theta: optional("rope.freq_base"),
      rope_scaling:
        typeof scaling === "string" && scaling !== "none"
          ? { rope_type: scaling, factor: optional("rope.scaling.factor") }
          : undefined,
      tie_word_embeddings: !file.tensors.has("output.weight"),
      attention_bias: file.tensors.has("blk.0.attn_q.bias"),
      mlp_bias: file.tensors.has("blk.0.ffn_up.bias"),
    },
    path,
  );
  // Llama 3's scaling is stored as the divisors of the frequencies themselves.
  if (!file.tensors.has("rope_freqs.weight")) return config;
  return { ...config, ropeScaling: { type: "factors", factors: file.readFloat32("rope_freqs.weight") } };
}

/**
 * Puts the rows of a query or key projection into Hugging Face's order. GGUF's "llama" keeps the two elements that
 * the rotary embedding turns together next to each other; Hugging Face keeps the two halves of a head apart.
 *
 * @param rows [heads * headDim, width], or a bias with width 1
 */
export function separateHalves(rows: Float32Array, heads: number, headDim: number): Float32Array {
  const width = rows.length / (heads * headDim);
  const half = headDim / 2;
  const ordered = new Float32Array(rows.length);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < headDim; i++) {
      const from = (head * headDim + 2 * (i % half) + Math.floor(i / half)) * width;
      ordered.set(rows.subarray(from, from + width), (head * headDim + i) * width);
    }
  }
  return ordered;
}
