/** @file SmolLM3 (Bakouch et al. 2025): Llama's blocks, of which every fourth does not rotate queries and keys. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import type { Architecture } from "./architecture.ts";
import { parseFields } from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { type LlamaConfig, llama, llamaGguf, readLlamaConfig } from "./llama.ts";

const schema = z.looseObject({
  num_hidden_layers: z.int(),
  /** 1 for each layer that rotates, 0 for each that does not. */
  no_rope_layers: z.array(z.literal([0, 1])).nullish(),
  no_rope_layer_interval: z.int().min(1),
});

export const smollm3: Architecture<LlamaConfig> = {
  ...llama,
  modelType: "smollm3",
  className: "SmolLM3ForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole(
      "used",
      "attention_bias",
      "mlp_bias",
      "no_rope_layer_interval",
      "no_rope_layers",
      "sliding_window",
      "use_sliding_window",
    ),
    ...withRole("harmless", "max_window_layers"),
  },
  defaults: {
    vocab_size: 128_256,
    hidden_size: 2048,
    intermediate_size: 11_008,
    num_hidden_layers: 36,
    num_attention_heads: 16,
    num_key_value_heads: 4,
    hidden_act: "silu",
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    use_sliding_window: false,
    no_rope_layer_interval: 4,
    attention_bias: false,
    mlp_bias: false,
  },
  readConfig({ max_window_layers: _, ...json }, file) {
    const fields = parseFields(schema, json, file);
    const count = fields.num_hidden_layers;
    const rotated =
      fields.no_rope_layers ??
      Array.from({ length: count }, (_, layer) =>
        (layer + 1) % fields.no_rope_layer_interval === 0 ? 0 : 1,
      );
    if (rotated.length !== count) {
      throw new InputError(
        `${file} gives ${rotated.length} "no_rope_layers" for ${count} layers ("num_hidden_layers").`,
      );
    }
    // Layers without a rotation are those with a window, where the file gives no types of layers.
    const layer_types =
      json.layer_types ??
      rotated.map((rotates) =>
        json.use_sliding_window && json.sliding_window && !rotates ? "sliding_attention" : "full_attention",
      );
    const config = readLlamaConfig(
      { rope_theta: 2_000_000, ...json, layer_types },
      file,
      ({ use_sliding_window, sliding_window }) => (use_sliding_window ? sliding_window : undefined),
    );
    const plain = new Map(config.layers.map((layer) => [layer, { ...layer, rotary: undefined }]));
    return { ...config, layers: config.layers.map((layer, i) => (rotated[i] ? layer : plain.get(layer)!)) };
  },
  writeConfig: (config) => ({
    ...llama.writeConfig(config),
    no_rope_layers: config.layers.map(({ rotary }) => (rotary ? 1 : 0)),
  }),
  gguf: {
    ...llamaGguf,
    architecture: "smollm3",
    writeConfig({ layers }) {
      if (layers.every(({ rotary }, layer) => (rotary === undefined) === ((layer + 1) % 4 === 0))) return {};
      throw new InputError(
        'GGUF\'s architecture "smollm3" rotates in all but every fourth layer, which this model does not; export it as safetensors.',
      );
    },
  },
};
