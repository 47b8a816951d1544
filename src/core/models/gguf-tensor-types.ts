/** @file Which of ggml's types each tensor of a GGUF file has: the mixtures of llama.cpp's quantizer (without an importance matrix). */

import type { ModelConfig } from "../architectures/architecture.ts";
import { embeddingName, headName } from "../architectures/modules.ts";
import { type WritableTypeName, writableTypes } from "../formats/ggml-encoding.ts";
import { ggufArchitecture, ggufTensorNames } from "./gguf-model.ts";

/** How a file's matrices may be stored: ggml's type of most of them, and GGUF's number of such files. */
export const fileTypes = {
  f32: { type: "F32", number: 0 },
  f16: { type: "F16", number: 1 },
  q8_0: { type: "Q8_0", number: 7 },
  q5_k_m: { type: "Q5_K", number: 17 },
  q4_k_m: { type: "Q4_K", number: 15 },
  q4_0: { type: "Q4_0", number: 2 },
} as const satisfies Record<string, { readonly type: WritableTypeName; readonly number: number }>;

export type GgufFileType = keyof typeof fileTypes;
export const ggufFileTypes = Object.keys(fileTypes) as GgufFileType[];

/** What a type gives way to where rows are no whole blocks of it, before F16. */
const smallerBlocks: Readonly<Partial<Record<WritableTypeName, WritableTypeName>>> = {
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/** The type of the tensor that Hugging Face calls `name`: vectors are F32. */
export function chooseTensorType(
  fileType: GgufFileType,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  config: ModelConfig,
): WritableTypeName {
  if (shape.length === 1) return "F32";
  const wanted = chooseForRole(fileType, name, config);
  const fits = (type: WritableTypeName) => shape.at(-1)! % writableTypes[type].blockElements === 0;
  const candidates = [wanted, smallerBlocks[wanted] ?? wanted];
  return candidates.find(fits) ?? "F16";
}

/** The output layer has more bits than the others, and in some blocks so have what sums up attention and feed-forward. */
function chooseForRole(fileType: GgufFileType, name: string, config: ModelConfig): WritableTypeName {
  const { type } = fileTypes[fileType];
  if (type === "F32" || type === "F16" || type === "Q8_0") return type;
  if (name === (config.tieWordEmbeddings ? embeddingName : headName)) return "Q6_K";
  if (type === "Q4_0") return type;
  const [, layer, part] =
    /^blk\.(\d+)\.(attn_v|ffn_down)\.weight$/.exec(ggufTensorNames(config, name)[0]!) ?? [];
  if (part === undefined) return type;
  if (hasMoreBits(Number(layer), config.numHiddenLayers)) return "Q6_K";
  return part === "attn_v" && isOf70Billion(config) ? "Q5_K" : type;
}

/** The first and the last eighth of the blocks, and every third between them. */
function hasMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** What llama.cpp takes for a model of 70 billion parameters, whose value projections are small. */
function isOf70Billion(config: ModelConfig): boolean {
  const architecture = ggufArchitecture(config);
  const sharesHeads = config.numKeyValueHeads < config.numAttentionHeads;
  return (
    config.numHiddenLayers === 80 && (architecture === "qwen2" || (architecture === "llama" && sharesHeads))
  );
}
