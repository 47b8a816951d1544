/** @file OLMo 3 (OLMo Team 2025): OLMo 2's blocks, of which three in four have a window and an unscaled rotation. */

import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import type { Architecture } from "./architecture.ts";
import {
  checkActivation,
  parseFields,
  positive,
  readSizes,
  readTypedLayers,
  typedConfigSchema,
  writeSizes,
  writeTypedLayers,
} from "./config-file.ts";
import type { LlamaConfig } from "./llama.ts";
import { olmo2 } from "./olmo2.ts";

/** Transformers' base of the frequencies; of layers with a window even where the file gives another beside its rotations. */
const defaultTheta = 500_000;

const schema = typedConfigSchema.extend({ rope_theta: positive.default(defaultTheta) });

export const olmo3: Architecture<LlamaConfig> = {
  ...olmo2,
  modelType: "olmo3",
  className: "Olmo3ForCausalLM",
  keys: { ...olmo2.keys, ...withRole("used", "sliding_window") },
  defaults: { ...olmo2.defaults, sliding_window: 4096 },
  readConfig(json, file) {
    const fields = parseFields(schema, json, file);
    checkActivation(fields.hidden_act, file);
    const sizes = readSizes(fields, file);
    return {
      ...sizes,
      layers: readTypedLayers(fields, sizes, file, (layer) => (layer + 1) % 4 !== 0, defaultTheta),
      attentionBias: fields.attention_bias === true,
      mlpBias: false,
    };
  },
  writeConfig(config) {
    const { rope_theta: _, rope_scaling: __, ...sizes } = writeSizes(config);
    return { ...sizes, ...writeTypedLayers(config), attention_bias: config.attentionBias };
  },
  gguf: {
    ...olmo2.gguf,
    writeConfig({ layers }) {
      if (layers.every(({ slidingWindow }) => slidingWindow === undefined)) return {};
      throw new InputError(
        'GGUF files of OLMo 3, whose architecture "olmo2" is that of models without windows, are not written; export it as safetensors.',
      );
    },
  },
};
