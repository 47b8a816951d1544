/** @file Adaption prompts with another kind of gate: one for a layer, as PEFT has it, or one for each head through tanh. */

import { type AdaptionPromptConfig, adaptionPromptFormat } from "../../core/adapters/adaption-prompt.ts";
import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import type { Model } from "../../core/models/model.ts";
import type { Device } from "../../core/runtime/device.ts";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { readAdapter, readAdapterTemplate, writeAdapter } from "../adapters/peft-files.ts";
import { checkNewFolder } from "../files/folder.ts";
import { writeFolderWhole } from "../files/write.ts";
import { checkLogits, float32Tolerance, type LogitCheck, type LogitCheckOptions } from "./logit-check.ts";

/** How far factors of heads may lie apart that are one number: some roundings of float32. */
const rounding = 1e-6;

/**
 * Writes an adapter of adaption prompts that computes the same with the other kind of gate, and checks it by its predictions.
 *
 * @param adapter its folder
 * @throws InputError if it has no such gates, they cannot be converted (see {@link convertGates}), or the folder is not empty.
 * @example
 * const base = await openModel("fixtures/embedded-model");
 * await exportWithGate(openDevice("cpu"), base, "runs/letters/adapter", "letters-peft", "scalar");
 */
export async function exportWithGate(
  device: Device,
  base: Model,
  adapter: string,
  out: string,
  gate: AdaptionPromptConfig["gate"],
  options: Pick<LogitCheckOptions, "examples"> = {},
): Promise<LogitCheck> {
  const { format, settings, parameters } = await readAdapter(adapter, base.config, base.fingerprint);
  if (format !== adaptionPromptFormat) {
    throw new InputError(
      `${adapter} is an adapter of type "${format.type}", which has no gate; only adaption prompts have one to convert.`,
    );
  }
  checkNewFolder(out);
  const from = settings as AdaptionPromptConfig;
  const converted = convertGates(from, parameters, gate, base.config.numAttentionHeads);
  return writeFolderWhole(out, async (folder) => {
    const changed = { format, settings: { ...from, gate } };
    await writeAdapter(folder, changed, converted, base, readAdapterTemplate(adapter));
    const [original, written] = [await loadAdapter(base, adapter), await loadAdapter(base, folder)];
    return checkLogits(device, original, written, { path: out, tolerance: float32Tolerance, ...options });
  });
}

/**
 * The tensors with gates of the other kind: a gate g of a layer is atanh(g) for each of its heads, and heads whose tanh is one number
 * have that as the layer's.
 *
 * @throws InputError if a layer's gate is not between -1 and 1, or the heads of a layer differ.
 */
export function convertGates(
  { gate: from }: Pick<AdaptionPromptConfig, "gate">,
  parameters: Parameters,
  to: AdaptionPromptConfig["gate"],
  heads: number,
): Parameters {
  if (from === to) return parameters;
  const convert = to === "scalar" ? toScalar : toHeads;
  return new Map(
    [...parameters].map(([name, parameter]) => [
      name,
      name.endsWith(".adaption_gate") ? convert(name, parameter, heads) : parameter,
    ]),
  );
}

function toScalar(name: string, { data, ...rest }: Parameter): Parameter {
  const factors = [...data].map(Math.tanh);
  const [least, most] = [Math.min(...factors), Math.max(...factors)];
  if (most - least > rounding) {
    throw new InputError(
      `The heads' gates of ${name} let through ${least.toPrecision(3)} to ${most.toPrecision(3)}, which no one gate for the layer does; keep the gates of heads.`,
    );
  }
  return { ...rest, dims: [1], data: Float32Array.of((least + most) / 2) };
}

function toHeads(name: string, { data, ...rest }: Parameter, heads: number): Parameter {
  const [gate] = data;
  if (!(Math.abs(gate!) < 1)) {
    throw new InputError(
      `The gate ${name} is ${gate!.toPrecision(3)}, and tanh stays between -1 and 1; keep the gate of the layer.`,
    );
  }
  return { ...rest, dims: [heads], data: new Float32Array(heads).fill(Math.atanh(gate!)) };
}
