/** @file The families of models by name, and the configuration of a model of any of them. */

import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";
import { InputError } from "../errors.ts";
import { checkKeys } from "../formats/known-keys.ts";
import { quote } from "../formats/weight-file.ts";
import type { Architecture, ModelConfig } from "./architecture.ts";
import { parseFields } from "./config-file.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { granite } from "./granite.ts";
import { granitemoehybrid } from "./granitemoehybrid.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { olmo2 } from "./olmo2.ts";
import { olmo3 } from "./olmo3.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { smollm3 } from "./smollm3.ts";

/** Each reads the configurations that it makes, so that it may be taken for one of any configuration. */
export const architectures = [
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  phi3,
  smollm3,
  olmo2,
  olmo3,
  granite,
  granitemoehybrid,
] as unknown as readonly Architecture[];

/** The family of a model. */
export function architectureOf({ modelType }: Pick<ModelConfig, "modelType">): Architecture {
  return findArchitecture(modelType)!;
}

function findArchitecture(modelType: string): Architecture | undefined {
  return architectures.find((architecture) => architecture.modelType === modelType);
}

/**
 * Reads the parsed `config.json` of a Hugging Face model. Keys that it leaves out have the values that Transformers gives them.
 *
 * @param file where the configuration comes from, for messages
 * @throws InputError for a family, activation, rotary scaling or other setting that is not supported, or a broken value.
 */
export function parseConfig(json: unknown, file: string): ModelConfig {
  const given = languageConfig(json);
  const modelType = given?.model_type;
  if (!given || typeof modelType !== "string")
    throw new InputError(`${file} names no "model_type", so it is not a model's configuration.`);
  const architecture = findArchitecture(modelType);
  if (!architecture) {
    throw new InputError(
      `${file} describes a ${quote(modelType)} model, which is not supported; ${suggestFamily(modelType)}`,
    );
  }
  checkKeys(Object.entries(given), architecture.keys, file);
  checkQuantization(given.quantization_config, file);
  checkClass(given.architectures, architecture, file);
  return architecture.readConfig({ ...architecture.defaults, ...given }, file);
}

const multimodal = z.looseObject({ model_type: z.string(), text_config: z.looseObject({}) });

/** The config.json of a language model: of a multimodal one that of its language part. Undefined of what is no object. */
export function languageConfig(json: unknown): Record<string, unknown> | undefined {
  const whole = multimodal.safeParse(json).data;
  const part = architectures.find(({ languagePartOf }) => whole && languagePartOf === whole.model_type);
  if (!whole || !part) return z.looseObject({}).safeParse(json).data;
  const { tie_word_embeddings, quantization_config } = whole;
  return {
    ...(tie_word_embeddings !== undefined && { tie_word_embeddings }),
    ...(quantization_config !== undefined && { quantization_config }),
    ...whole.text_config,
    // Transformers' multimodal classes compute without a cap of the logits, whatever the file says.
    final_logit_softcapping: null,
    model_type: part.modelType,
  };
}

function suggestFamily(modelType: string): string {
  const names = architectures.map((architecture) => architecture.modelType);
  const near = closest(modelType, names);
  const meant = distance(modelType, near) <= 2 ? `did you mean "${near}"? S` : "s";
  return `${meant}upported are ${names.join(", ")}.`;
}

const classNames = z.array(z.string()).nullish();

/** Refuses models with another head than the one that predicts the next token, and classes of another family. */
function checkClass(given: unknown, { modelType, className }: Architecture, file: string): void {
  const names = parseFields(classNames, given, file, "architectures") ?? [];
  const isLanguage = (name: string) =>
    /(?:ForCausalLM|ForConditionalGeneration)$/i.test(name) ||
    (/Model$/i.test(name) && !/For[A-Z]/.test(name));
  const other = names.find((name) => !isLanguage(name));
  if (other !== undefined) {
    throw new InputError(
      `${file} describes a ${quote(other)}, which is no language model; choose one "…ForCausalLM".`,
    );
  }
  const mixed = architectures.find(
    (architecture) => architecture.className !== className && names.includes(architecture.className),
  );
  if (mixed) {
    throw new InputError(
      `${file} mixes two families: its "model_type" is ${quote(modelType)}, but ${quote(mixed.className)} in its "architectures" is the class of ${quote(mixed.modelType)} models; restore the model's own file.`,
    );
  }
}

const quantizationSchema = z.looseObject({
  quant_method: z.string().optional(),
  load_in_4bit: z.boolean().optional(),
  load_in_8bit: z.boolean().optional(),
});

/** Refuses weights that are quantized in a way that is not read, by its name: all but bitsandbytes' 4 bits. */
function checkQuantization(given: unknown, file: string): void {
  if (given === undefined || given === null) return;
  const config = parseFields(quantizationSchema, given, file, "quantization_config");
  const method = config.quant_method ?? (config.load_in_4bit || config.load_in_8bit ? "bitsandbytes" : "");
  if (method === "bitsandbytes" && config.load_in_4bit === true) return;
  const name =
    method === "bitsandbytes" ? "bitsandbytes (8 bits)" : method === "" ? "an unnamed method" : method;
  throw new InputError(
    `${file} says that the weights are quantized by ${name}, which is not read; choose the model before quantization, or one in bitsandbytes' NF4 or as GGUF.`,
  );
}
