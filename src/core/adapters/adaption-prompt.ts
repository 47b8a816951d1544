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
import type { Tensor } from "../graph/tensor.ts";
import {
  type Adaptation,
  type AdapterTensors,
  type AttentionAdapter,
  attentionModule,
} from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import { commonKeys, parsePeftFields } from "./peft-config.ts";

const fields = {
  adapter_len: z.int().min(1),
  adapter_layers: z.int().min(1),
  gate: z.enum(["scalar", "head"]),
};

/** The settings of adaption prompts, named and meant as in PEFT's AdaptionPromptConfig. */
export const adaptionPromptSchema = z.strictObject({
  /** Prompts in each adapted layer. By default as many as in the paper. */
  adapter_len: fields.adapter_len.default(10),
  /** How many of the last layers are adapted. By default all. */
  adapter_layers: fields.adapter_layers.optional(),
  /** One gate for a layer, as PEFT has it, or one for each of its heads, through tanh as in the paper. */
  gate: fields.gate.default("scalar"),
});

export type AdaptionPromptConfig = z.infer<typeof adaptionPromptSchema>;

const [promptName, gateName] = ["adaption_prompt", "adaption_gate"] as const;

/**
 * Adds W_O [g · softmax(s q (W_K P)ᵀ) W_V P] to the attention of the last layers, with prompts P [1, m, hiddenSize] and a gate g:
 * one number, or tanh of one for each head. q is rotated and W_K P is not; keys are normalized, and scores scaled and
 * capped, as those of tokens are.
 *
 * @param shared how many of the last layer's first prompts are its `contribution`. Default: it has none
 * @throws InputError if the model has fewer layers.
 * @example
 * const { openModel } = await import("slimtune");
 * const { config } = await openModel("fixtures/embedded-model");
 * const adaptation = adaptionPrompt(adaptionPromptSchema.parse({ adapter_layers: 2 }), config);
 */
export function adaptionPrompt(
  { adapter_len, adapter_layers, gate }: AdaptionPromptConfig,
  model: ModelConfig,
  shared = 0,
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
  const attendTo = (query: Tensor, tensors: AdapterTensors, first?: number) => {
    const { keys, values, [gateName]: given } = tensors;
    const factor = gate === "head" ? tanh(given!) : given!;
    return promptAttention(model, query, { keys: keys!, values: values! }, factor, first);
  };
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
    forward: (query, tensors) => attendTo(query, tensors),
  };
  const last: AttentionAdapter = {
    ...adapter,
    signature: `${adapter.signature} shared ${shared}`,
    contribution: (query, tensors) => attendTo(query, tensors, shared),
  };
  return {
    adapterOf: () => undefined,
    trains: () => false,
    attentionAdapterOf(layer) {
      if (layer < numHiddenLayers - layers) return undefined;
      return shared > 0 && layer === numHiddenLayers - 1 ? last : adapter;
    },
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

function describe({ adapter_len, adapter_layers, gate }: AdaptionPromptConfig): string {
  const layers = adapter_layers === undefined ? "all layers" : `the last ${adapter_layers} layers`;
  return `${adapter_len} prompts in ${layers}, a gate for each ${gate === "head" ? "head" : "layer"}`;
}

// Without defaults, since the methods differ in theirs.
const options = { adaption_prompt: z.strictObject(fields).partial().optional() };

const common = {
  // LLaMA-Adapter's.
  learning_rate: 9e-3,
  storage: "float32",
  yields: "adapter",
  isMergeable: false,
  peft: adaptionPromptFormat,
} as const;

export const adaptionPromptMethod: Method<
  typeof options,
  { readonly adaption_prompt: AdaptionPromptConfig }
> = {
  ...common,
  options,
  complete: (given) => ({ adaption_prompt: adaptionPromptSchema.parse(given.adaption_prompt ?? {}) }),
  describe: (given) => describe(given.adaption_prompt),
  adapt: (given, model) => adaptionPrompt(given.adaption_prompt, model),
};

const dcaOptions = {
  ...options,
  /** Weight of the causal term. By default our choice, since the paper does not say it. */
  causal_weight: z.number().min(0).optional(),
  /** How many of the last layer's first prompts the causal term is on. By default 1, as in the release. */
  shared_prompts: z.int().min(1).optional(),
};

export interface DcaOptions {
  readonly adaption_prompt: AdaptionPromptConfig;
  readonly causal_weight: number;
  readonly shared_prompts: number;
}

/** Deconfounded causal adaptation (Wang et al. 2024): adaption prompts with gates of heads, and the causal term beside the loss. */
export const dcaMethod: Method<typeof dcaOptions, DcaOptions> = {
  ...common,
  options: dcaOptions,
  complete: ({ adaption_prompt, causal_weight = 0.1, shared_prompts = 1 }) => ({
    adaption_prompt: adaptionPromptSchema.parse({ gate: "head", ...adaption_prompt }),
    causal_weight,
    shared_prompts,
  }),
  findContradiction(
    { adaption_prompt, causal_weight, shared_prompts },
    { batch_size, objective, learnsFromTexts },
  ) {
    if (shared_prompts > adaption_prompt.adapter_len)
      return `"shared_prompts" is ${shared_prompts}, but there are ${adaption_prompt.adapter_len} prompts (adapter_len); lower it.`;
    if (causal_weight === 0) return undefined;
    if (batch_size === 1)
      return `"causal_weight" compares the examples of a step, so "batch_size" has to be at least 2; raise it, or set "causal_weight" to 0.`;
    if (!learnsFromTexts)
      return `"causal_weight" compares single texts, which objective "${objective}" does not learn from; choose objective "sft", or set "causal_weight" to 0.`;
    return undefined;
  },
  describe: ({ adaption_prompt, causal_weight, shared_prompts }) =>
    `${describe(adaption_prompt)}, causal_weight ${causal_weight} on ${shared_prompts} of the prompts`,
  adapt: ({ adaption_prompt, causal_weight, shared_prompts }, model) =>
    adaptionPrompt(adaption_prompt, model, causal_weight > 0 ? shared_prompts : 0),
  causalWeight: ({ causal_weight }) => causal_weight,
};
