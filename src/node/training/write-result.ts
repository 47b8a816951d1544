/** @file The result of a run in its folder: an adapter, or the model itself where its own weights were trained. */

import { join } from "node:path";
import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import type { AdapterSettings, Yield } from "../../core/adapters/method.ts";
import { type MethodOptions, methodOf } from "../../core/adapters/methods.ts";
import { type Parameters, readBaseTensor } from "../../core/adapters/parameters.ts";
import { defaultStepSeparator } from "../../core/data/tokenize-steps.ts";
import { writeAdapter } from "../adapters/peft-files.ts";
import { writeStepFormat } from "../adapters/step-format.ts";
import { writeFolderWhole, writeWhole } from "../files/write.ts";
import { hubIdOf } from "../models/hub-model.ts";
import { writeModel } from "../models/write-model.ts";
import { describeResult } from "./model-card.ts";
import type { RunConfig } from "./run-config.ts";
import type { RunFolder } from "./run-folder.ts";

/**
 * Writes what a run has tuned, with its model card.
 *
 * @param initial what the adapter began with, if the method changed the base weights
 * @returns the folder of the adapter or the model
 */
export async function writeResult(
  folder: RunFolder,
  config: RunConfig,
  model: AdaptedModel,
  initial: Parameters | undefined,
): Promise<string> {
  const { parameters } = model.adapter!;
  const { step_separator = defaultStepSeparator } = config;
  const baseModel = config.base_model_name ?? (await hubIdOf(config.model));
  const { peft: format, finish } = methodOf(config.method);
  const settings = format && (config[format.section as keyof MethodOptions] as AdapterSettings);
  const isForPeft = !(settings && format.own?.isNeeded(settings, model.config));
  const write = (result: string, subject: Yield, writeTensors: (folder: string) => Promise<void>) =>
    writeFolderWhole(result, async (temporary) => {
      const card = describeResult(subject, folder, config, baseModel, isForPeft);
      writeWhole(join(temporary, "README.md"), card);
      if (config.objective === "prm") writeStepFormat(temporary, { ...config, step_separator });
      await writeTensors(temporary);
      return result;
    });
  if (!settings) {
    const tensor = (name: string) => parameters.get(name)?.data ?? readBaseTensor(model.weights, name);
    return write(folder.model, "model", (temporary) => writeModel(temporary, model, tensor));
  }
  const adapter = initial ? finish!(config, initial, parameters) : { settings, parameters };
  const base = {
    name: baseModel ?? config.model,
    revision: config.revision,
    fingerprint: model.fingerprint,
    config: model.config,
    ...(model.tokenizerFiles && { tokenizerFiles: model.tokenizerFiles }),
  };
  return write(folder.adapter, "adapter", (temporary) =>
    writeAdapter(
      temporary,
      { format, settings: adapter.settings },
      adapter.parameters,
      base,
      config.chat_template,
    ),
  );
}
