/** @file LoRA adapters in GGUF, as llama.cpp's convert_lora_to_gguf.py writes and llama.cpp applies them. */

import { checkMergeable } from "../../core/adapters/adaptation.ts";
import type { Adapter } from "../../core/adapters/adapted-model.ts";
import { ggufAdapterKeys } from "../../core/adapters/gguf-adapter-keys.ts";
import { lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import type { Parameter } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../../core/architectures/modules.ts";
import { InputError } from "../../core/errors.ts";
import type { GgufTensorToWrite, GgufValueToWrite } from "../../core/formats/gguf-encoding.ts";
import { checkKeys } from "../../core/formats/known-keys.ts";
import { quote } from "../../core/formats/weight-file.ts";
import { ggufArchitecture, ggufConversion, ggufTensorName } from "../../core/models/gguf-model.ts";
import { openGgufFile, writeGguf } from "../formats/gguf.ts";

const alphaKey = "adapter.lora.alpha";

/**
 * Writes a LoRA adapter as a GGUF file, in float32.
 *
 * llama.cpp scales each update by one alpha over the update's own rank. Alpha is chosen so that this is the scale of most
 * layers; where a layer's scale is another, its B is multiplied by the rest.
 *
 * @throws InputError if the adapter trains other tensors than A and B of linear layers.
 */
export async function writeGgufAdapter(
  path: string,
  { adaptation, parameters }: Adapter,
  model: ModelConfig,
): Promise<void> {
  checkMergeable(adaptation);
  const architecture = ggufArchitecture(model);
  const alphas = new Map<string, number>();
  for (let layer = 0; layer < model.numHiddenLayers; layer++) {
    for (const { name, outFeatures, inFeatures } of listLinearModules(model)) {
      const module = nameInLayer(layer, name);
      const update = adaptation.adapterOf(module, outFeatures, inFeatures)?.lowRank;
      if (update) alphas.set(module, Math.fround(update.scale * update.r));
    }
  }
  const alpha = mostFrequent([...alphas.values()]);
  const tensors = [...parameters].map(([name, { dims, data }]): GgufTensorToWrite => {
    const [, module, matrix] = /^(.+)\.lora_(A|B)\.weight$/.exec(name) ?? [];
    if (module === undefined) {
      throw new InputError(
        `The adapter trains "${name}", which a GGUF adapter cannot express; merge it into the model instead (--format gguf).`,
      );
    }
    const write = (values: () => Float32Array): GgufTensorToWrite => ({
      name: `${ggufTensorName(model, `${module}.weight`)}.lora_${matrix!.toLowerCase()}`,
      type: "F32",
      shape: dims,
      data: values,
    });
    if (matrix === "A") return write(() => data);
    const ownAlpha = alphas.get(module)!;
    const conversion = ggufConversion(model, module);
    return write(() => {
      const scaled = ownAlpha === alpha ? data : data.map((value) => value * (ownAlpha / alpha));
      return conversion?.toGguf(scaled) ?? scaled;
    });
  });
  const metadata = new Map<string, GgufValueToWrite>([
    ["general.architecture", architecture],
    ["general.type", "adapter"],
    ["adapter.type", "lora"],
    [alphaKey, { float32: alpha }],
  ]);
  await writeGguf(path, metadata, tensors);
}

/** The value that occurs most often; 0 of none. */
function mostFrequent(values: readonly number[]): number {
  const count = (value: number) => values.filter((other) => other === value).length;
  return values.reduce((most, value) => (count(value) > count(most) ? value : most), values[0] ?? 0);
}

/**
 * Reads a LoRA adapter from a GGUF file, as llama.cpp applies it.
 *
 * @throws InputError if the file holds no adapter for a model of this shape.
 */
export async function readGgufAdapter(path: string, model: ModelConfig): Promise<Adapter> {
  const file = await openGgufFile(path);
  try {
    checkKeys(file.metadata, ggufAdapterKeys, path);
    const architecture = file.metadata.get("general.architecture");
    const alpha = file.metadata.get(alphaKey);
    const refusal = new InputError(`${path} holds no LoRA adapter for a model of this shape.`);
    if (architecture !== ggufArchitecture(model)) throw refusal;
    if (typeof alpha !== "number" || !(alpha > 0))
      throw new InputError(`${path} gives no "${alphaKey}" above 0, so the adapter's scale is not known.`);
    const parameters = new Map<string, Parameter>();
    const ranks: Record<string, number> = {};
    for (let layer = 0; layer < model.numHiddenLayers; layer++) {
      for (const { name, inFeatures, outFeatures } of listLinearModules(model)) {
        const module = nameInLayer(layer, name);
        const stored = ggufTensorName(model, `${module}.weight`);
        const rank = file.tensors.get(`${stored}.lora_a`)?.shape[0];
        if (rank === undefined) continue;
        const read = async (matrix: "a" | "b", dims: readonly number[]): Promise<Parameter> => {
          const tensor = `${stored}.lora_${matrix}`;
          if (file.tensors.get(tensor)?.shape.join() !== dims.join()) throw refusal;
          return { dims, data: await file.readFloat32(tensor) };
        };
        const b = await read("b", [outFeatures, rank]);
        parameters.set(`${module}.lora_A.weight`, await read("a", [rank, inFeatures]));
        const data = ggufConversion(model, module)?.toHuggingFace(b.data) ?? b.data;
        parameters.set(`${module}.lora_B.weight`, { ...b, data });
        ranks[module] = rank;
      }
    }
    if (parameters.size === 0) throw refusal;
    const used = new Set(
      Object.keys(ranks).flatMap((module) =>
        ["a", "b"].map((matrix) => `${ggufTensorName(model, `${module}.weight`)}.lora_${matrix}`),
      ),
    );
    const surplus = [...file.tensors.keys()].find((name) => !used.has(name));
    if (surplus !== undefined) {
      throw new InputError(
        `${path} adapts the tensor ${quote(surplus)}, which is not supported; merge it with llama.cpp, or choose an adapter of linear layers.`,
      );
    }
    const settings = loraConfigSchema.parse({
      lora_alpha: alpha,
      target_modules: Object.keys(ranks),
      rank_pattern: ranks,
    });
    return { adaptation: lora(settings, model), parameters };
  } finally {
    file.close();
  }
}
