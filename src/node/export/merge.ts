/** @file Merging: base model and adapter as one plain model in Hugging Face's layout. */

import { join } from "node:path";
import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import { InputError } from "../../core/errors.ts";
import type { Device } from "../../core/runtime/device.ts";
import { type StepFormat, writeStepFormat } from "../adapters/step-format.ts";
import { checkNewFolder } from "../files/folder.ts";
import { writeFolderWhole, writeWhole } from "../files/write.ts";
import { openModel } from "../models/open-model.ts";
import { writeModel } from "../models/write-model.ts";
import { checkLogits, float32Tolerance, type LogitCheck, type LogitCheckOptions } from "./logit-check.ts";
import { mergeWeights } from "./merged-weights.ts";

export interface MergeOptions extends Pick<LogitCheckOptions, "examples"> {
  /** The merged model's card (README.md). Default: none. */
  readonly card?: string;
  /** How it reads solutions, if it is a process reward model. */
  readonly stepFormat?: StepFormat;
}

/**
 * Writes base model and adapter as one plain model (float32, Hugging Face's layout), and checks it: the folder is
 * opened again and its predictions are compared with those of base and adapter.
 *
 * @throws InputError if the folder is not empty, or the merged model computes something else.
 * @example
 * const model = await openAdaptedModel("fixtures/embedded-model", { adapter: "runs/faq/adapter" });
 * const { verdict } = await mergeAdapter(openDevice("cpu"), model, "merged");
 */
export async function mergeAdapter(
  device: Device,
  model: AdaptedModel,
  folder: string,
  { card, stepFormat, examples }: MergeOptions = {},
): Promise<LogitCheck> {
  if (!model.adapter) throw new InputError("The model has no adapter, so there is nothing to merge.");
  checkNewFolder(folder);
  const merged = mergeWeights(device, model);
  return writeFolderWhole(folder, async (temporary) => {
    if (card !== undefined) writeWhole(join(temporary, "README.md"), card);
    if (stepFormat) writeStepFormat(temporary, stepFormat);
    await writeModel(temporary, model, (name) => merged.tensor(name));
    await merged.release();
    return checkLogits(device, model, await openModel(temporary), {
      path: folder,
      tolerance: float32Tolerance,
      ...(examples && { examples }),
    });
  });
}
