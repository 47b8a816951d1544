/** @file A tuned model, or its adapter alone, in the formats of other programs, from the folder that it lies in. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AdaptionPromptConfig } from "../../core/adapters/adaption-prompt.ts";
import { methodOf } from "../../core/adapters/methods.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { InputError } from "../../core/errors.ts";
import type { GgufFileType } from "../../core/models/gguf-tensor-types.ts";
import type { Model } from "../../core/models/model.ts";
import type { Device } from "../../core/runtime/device.ts";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { readStepFormat } from "../adapters/step-format.ts";
import { hubIdOf } from "../models/hub-model.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { describeResult } from "../training/model-card.ts";
import type { RunConfig } from "../training/run-config.ts";
import { readFirstExamples } from "../training/run-data.ts";
import { openRunFolder } from "../training/run-folder.ts";
import { exportWithGate } from "./convert-gate.ts";
import { exportGguf, exportGgufAdapter } from "./gguf.ts";
import type { LogitCheck } from "./logit-check.ts";
import { mergeAdapter } from "./merge.ts";

export const exportFormats = ["safetensors", "gguf", "gguf-lora", "adapter"] as const;

/** The merged model as a Hugging Face folder or as a GGUF file, or the adapter alone: as a GGUF file, or in PEFT's layout with another gate. */
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  readonly format: ExportFormat;
  /** How a GGUF model's matrices are stored. Default "f16". */
  readonly type?: GgufFileType;
  /** The kind of gate that adaption prompts get; of the format "adapter", which needs it. */
  readonly gate?: AdaptionPromptConfig["gate"];
  /** The base model, by path or Hub id. Default: the run's. */
  readonly model?: string;
}

/**
 * Writes what a run has tuned, or an adapter with its base model, for other programs, and checks it: what was written is
 * opened again and its predictions are compared, on the run's data where they are still there.
 *
 * @param source folder of a run, or of an adapter in PEFT's layout
 * @param out the folder or the .gguf file
 * @throws InputError if `out` exists, the format cannot express the model, or what was written computes something else.
 * @example
 * await exportModel("runs/faq", "faq.gguf", { format: "gguf", type: "q4_k_m" });
 */
export async function exportModel(
  source: string,
  out: string,
  { format, type, gate, model: base }: ExportOptions,
): Promise<LogitCheck> {
  if (!exportFormats.includes(format))
    throw new InputError(`There is no format "${format}"; choose one of ${exportFormats.join(", ")}.`);
  if (type !== undefined && format !== "gguf") {
    throw new InputError(`--type is for --format gguf only; ${format} is written in float32.`);
  }
  if ((gate !== undefined) !== (format === "adapter")) {
    throw new InputError(
      "--format adapter writes adaption prompts with another gate, which --gate names, and is for nothing else; give both or neither.",
    );
  }
  const { device, model, adapter, examples } = await openSource(source, base);
  if (adapter === undefined && format !== "gguf") {
    throw new InputError(
      `The run tuned the model itself, which ${model.path} already holds in Hugging Face's layout; only --format gguf remains.`,
    );
  }
  const probe = examples && { examples };
  if (gate !== undefined) return exportWithGate(device, model, adapter!, out, gate, probe);
  if (format === "gguf-lora") return exportGgufAdapter(device, model, adapter!, out, probe);
  const adapted = adapter === undefined ? model : await loadAdapter(model, adapter);
  return format === "gguf"
    ? exportGguf(device, adapted, out, { ...probe, ...(type !== undefined && { type }) })
    : mergeAdapter(device, adapted, out, probe);
}

/**
 * Writes a run's base model and adapter as one plain model with a model card, as {@link exportModel} does otherwise.
 *
 * @param out folder for the merged model (Hugging Face's layout, float32)
 * @throws InputError if the run tuned the model itself, the folder is not empty, or the merged model computes something else.
 * @example
 * const { verdict } = await mergeRun("runs/faq", "merged");
 */
export async function mergeRun(run: string, out: string): Promise<LogitCheck> {
  const { folder, config } = openRunFolder(run);
  if (methodOf(config.method).yields === "model") {
    throw new InputError(
      `${run} is a run of method "${config.method}", whose result is a plain model already: ${folder.model}.`,
    );
  }
  const base = await openBase(config);
  const examples = await readFirstExamples(config, base);
  const baseModel = config.base_model_name ?? (await hubIdOf(config.model));
  const stepFormat = readStepFormat(folder.adapter);
  return mergeAdapter(openDevice(config.device), await loadAdapter(base, folder.adapter), out, {
    card: describeResult("model", folder, config, baseModel),
    ...(stepFormat && { stepFormat }),
    ...(examples && { examples }),
  });
}

interface Source {
  readonly device: Device;
  readonly model: Model;
  /** Undefined where the model itself was tuned. */
  readonly adapter: string | undefined;
  /** What the model was tuned on, where a run says it. */
  readonly examples: readonly TokenizedExample[] | undefined;
}

/** Opens a run's result, or an adapter, on the model that it was tuned on. */
async function openSource(source: string, model: string | undefined): Promise<Source> {
  if (!existsSync(join(source, "config.yaml"))) {
    if (model === undefined) {
      throw new InputError(`${source} is not the folder of a run; name an adapter's base model by --model.`);
    }
    return { device: openDevice("cpu"), model: await openModel(model), adapter: source, examples: undefined };
  }
  const { folder, config } = openRunFolder(source);
  const device = openDevice(config.device);
  if (existsSync(folder.model)) {
    const tuned = await openModel(folder.model);
    return { device, model: tuned, adapter: undefined, examples: await readFirstExamples(config, tuned) };
  }
  const base = await openBase(config, model);
  return { device, model: base, adapter: folder.adapter, examples: await readFirstExamples(config, base) };
}

function openBase(config: RunConfig, model = config.model): Promise<Model> {
  const { revision, storage, double_quantization: doubleQuantization } = config;
  return openModel(model, { revision, storage, doubleQuantization });
}
