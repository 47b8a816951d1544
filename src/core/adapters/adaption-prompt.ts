/**
 * @file Adaption prompts (Zhang et al. 2023, LLaMA-Adapter): in the last layers every token also attends to a few trained rows, by
 * a softmax of their own and through a gate that begins at zero.
 */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { promptAttention } from "../architectures/attention.ts";
import { listLinearModules } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import { quote } from "../formats/weight-file.ts";
import { tanh } from "../graph/operators/elementwise.ts";
import { type Adaptation, type AttentionAdapter, attentionModule } from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import { commonKeys, parsePeftFields } from "./peft-config.ts";

/** The settings of adaption prompts, named and meant as in PEFT's AdaptionPromptConfig. */
export const adaptionPromptSchema = z.strictObject({
  /** Prompts in each adapted layer. By default as many as in the paper. */
  adapter_len: z.int().min(1).default(10),
  /** How many of the last layers are adapted. By default all. */
  adapter_layers: z.int().min(1).optional(),
  /** One gate for a layer, as PEFT has it, or one for each of its heads, through tanh as in the paper. */
  gate: z.enum(["scalar", "head"]).default("scalar"),
});

export type AdaptionPromptConfig = z.infer<typeof adaptionPromptSchema>;

const [promptName, gateName] = ["adaption_prompt", "adaption_gate"] as const;

/**
 * Adds W_O [g · softmax(s q (W_K P)ᵀ) W_V P] to the attention of the last layers, with prompts P [1, m, hiddenSize] and a gate g:
 * one number, or tanh of one for each head. q is rotated and W_K P is not; keys are normalized, and scores scaled and
 * capped, as those of tokens are.
 *
 * @throws InputError if the model has fewer layers.
 * @example
 * const { openModel } = await import("slimtune");
 * const { config } = await openModel("fixtures/embedded-model");
 * const adaptation = adaptionPrompt(adaptionPromptSchema.parse({ adapter_layers: 2 }), config);
 */
export function adaptionPrompt(
  { adapter_len, adapter_layers, gate }: AdaptionPromptConfig,
  model: ModelConfig,
): Adaptation {
  const { numHiddenLayers, numAttentionHeads, hiddenSize } = model;
  const layers = adapter_layers ?? numHiddenLayers;
  if (layers > numHiddenLayers) {
    throw new InputError(
      `"adaption_prompt.adapter_layers" is ${layers}, but the model has ${numHiddenLayers} layers; lower it.`,
    );
  }
  const promptShape = [1, adapter_len, hiddenSize];
  const gates = gate === "head" ? numAttentionHeads : 1;
  const adapter: AttentionAdapter = {
    signature: `adaption prompt ${adapter_len} ${gate}`,
    parameters: [
      {
        name: promptName,
        shape: promptShape,
        initialize: (random) => Float32Array.from({ length: adapter_len * hiddenSize }, random.normal),
      },
      { name: gateName, shape: [gates], initialize: () => new Float32Array(gates) },
    ],
    prepare(tensors, project) {
      const { keys, values } = project(tensors[promptName]!);
      return { keys, values, [gateName]: tensors[gateName]! };
    },
    forward(query, { keys, values, [gateName]: given }) {
      const factor = gate === "head" ? tanh(given!) : given!;
      return promptAttention(model, query, { keys: keys!, values: values! }, factor);
    },
  };
  return {
    adapterOf: () => undefined,
    trains: () => false,
    attentionAdapterOf: (layer) => (layer >= numHiddenLayers - layers ? adapter : undefined),
  };
}

/** PEFT adds the output projection's bias a second time, and repeats keys by the ratio of its key projection's sizes. */
function isComputedByPeft(model: ModelConfig): boolean {
  const { modelType, numAttentionHeads, headDim, hiddenSize } = model;
  const output = listLinearModules(model).find(({ name }) => name === "self_attn.o_proj")!;
  return (
    ["llama", "mistral"].includes(modelType) && !output.bias && numAttentionHeads * headDim === hiddenSize
  );
}

const ownType = "SLIMTUNE_ADAPTION_PROMPT";

const configSchema = z.looseObject({
  peft_type: z.string(),
  adapter_len: z.int().min(1),
  adapter_layers: z.int().min(1),
  gate: adaptionPromptSchema.shape.gate,
});

/** As PEFT's AdaptionPromptConfig and files have them; under a type of our own what PEFT would compute otherwise, or not at all. */
export const adaptionPromptFormat: PeftFormat<AdaptionPromptConfig> = {
  type: "ADAPTION_PROMPT",
  own: { type: ownType, isNeeded: ({ gate }, model) => gate !== "scalar" || !isComputedByPeft(model) },
  section: "adaption_prompt",
  schema: adaptionPromptSchema,
  changeable: [],
  keys: {
    ...commonKeys,
    ...withRole("used", "adapter_layers", "adapter_len", "gate"),
    target_modules: [attentionModule],
  },
  readSettings(json, origin, model) {
    const { peft_type, adapter_len, adapter_layers, gate } = parsePeftFields(configSchema, json, origin);
    if (peft_type !== ownType && model && !isComputedByPeft(model)) {
      throw new InputError(
        `${origin} is an adaption prompt of PEFT's for another model than this one of type ${quote(model.modelType)}, since PEFT computes them for llama and mistral alone, without a bias of o_proj and with heads that make up the hidden size; name the model that it was made for.`,
      );
    }
    return { adapter_len, adapter_layers, gate };
  },
  writeSettings: ({ adapter_len, adapter_layers, gate }, model) => ({
    adapter_len,
    adapter_layers: adapter_layers ?? model.numHiddenLayers,
    target_modules: attentionModule,
    ...(gate !== "scalar" && { gate }),
  }),
  adapt: adaptionPrompt,
};

const options = { adaption_prompt: adaptionPromptSchema.optional() };

export const adaptionPromptMethod: Method<
  typeof options,
  { readonly adaption_prompt: AdaptionPromptConfig }
> = {
  // The paper's.
  learning_rate: 9e-3,
  storage: "float32",
  yields: "adapter",
  isMergeable: false,
  options,
  complete: (given) => ({ adaption_prompt: adaptionPromptSchema.parse(given.adaption_prompt ?? {}) }),
  describe({ adaption_prompt: { adapter_len, adapter_layers, gate } }) {
    const layers = adapter_layers === undefined ? "all layers" : `the last ${adapter_layers} layers`;
    return `${adapter_len} prompts in ${layers}, a gate for each ${gate === "head" ? "head" : "layer"}`;
  },
  adapt: (given, model) => adaptionPrompt(given.adaption_prompt, model),
  peft: adaptionPromptFormat,
};
