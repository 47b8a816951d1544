/** @file What the clients of every framework are told of their tuning, and the adapter that is tuned. */

import { z } from "zod";
import type { Adaptation } from "../core/adapters/adaptation.ts";
import type { AdapterSettings } from "../core/adapters/method.ts";
import { createAdaptation, methodOf } from "../core/adapters/methods.ts";
import { initializeParameters, type Parameter, type Parameters } from "../core/adapters/parameters.ts";
import type { ModelConfig } from "../core/architectures/architecture.ts";
import { InputError } from "../core/errors.ts";
import { writeAdapter } from "../node/adapters/peft-files.ts";
import { openModel } from "../node/models/open-model.ts";
import { parseRunConfig, type RunConfig, type RunOptions } from "../node/training/run-config.ts";

/**
 * The options of a tuning run that a server may set for its clients: none names a file, a folder, or a program. The model, the data and how
 * they are read are each client's own.
 */
export const tunable = [
  ...["method", "storage", "lora", "batch_size", "max_steps", "num_train_epochs", "learning_rate"],
  ...["lr_scheduler_type", "warmup_ratio", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"],
  ...[
    "max_grad_norm",
    "proximal_mu",
    "train_on",
    "apply_chat_template",
    "packing",
    "context",
    "overlong",
    "seed",
  ],
] as const;

/** Options of `slimtune tune`, of those that do not name a file. */
export const tuningOptions = z.strictObject(
  Object.fromEntries(tunable.map((name) => [name, z.unknown().optional()])),
);

/** What all frameworks' tasks have. */
export interface TuningTask {
  readonly tuning: Readonly<Record<string, unknown>>;
}

/** How a member reads its own data, and on which of its devices it computes. */
export type OwnOptions = Pick<RunOptions, "model" | "data"> &
  Partial<Pick<RunOptions, "revision" | "fields" | "data_split" | "threads" | "device" | "segment_size">>;

/** Options of a run that tunes by a task. */
export function runOptionsOf({ tuning }: TuningTask, own: OwnOptions): RunOptions {
  return { validation: 0, ...tuning, ...own, out: "OUT" } as RunOptions;
}

/** A run's options with every default. @throws InputError if one is bad */
export function runConfigOf(
  task: TuningTask,
  own: OwnOptions,
  origin = "The federation's tuning",
): RunConfig {
  return parseRunConfig(runOptionsOf(task, own), origin);
}

/** @throws InputError if an option is bad, or the method does not tune A and B of LoRA beside the model's own weights. */
export function checkTuning(task: TuningTask, origin: string): void {
  const { method, lora } = runConfigOf(task, { model: "MODEL", data: "DATA" }, origin);
  // PiSSA begins by taking a part out of the weights.
  if (methodOf(method).peft?.section !== "lora" || lora?.init_lora_weights !== true)
    throw new InputError(
      `${origin}: method "${method}" does not tune A and B of LoRA beside the model's own weights, which is what federations send and average; choose "lora", "qlora" or "lora-fa".`,
    );
}

/** The adapter of a task on a model, as its seed draws it. */
export interface TaskAdapter {
  readonly adaptation: Adaptation;
  readonly settings: AdapterSettings;
  readonly initial: Parameters;
  readonly model: ModelConfig;
  /**
   * Writes an adapter of these tensors in PEFT's layout, beside which frozen ones may be left out.
   *
   * @param settings where its ranks are others. Default: the task's
   */
  write(folder: string, parameters: Parameters, settings?: AdapterSettings): Promise<void>;
}

/** @throws InputError if the model cannot be read. */
export async function openTaskAdapter(config: RunConfig): Promise<TaskAdapter> {
  const { fingerprint, weights, ...model } = await openModel(config.model, { revision: config.revision });
  const adaptation = createAdaptation(config, model.config);
  const initial = await initializeParameters(model.config, adaptation, weights, config.seed);
  const format = methodOf(config.method).peft!;
  const own = config[format.section as keyof RunConfig] as AdapterSettings;
  return {
    adaptation,
    settings: own,
    initial,
    model: model.config,
    write: (folder, parameters, settings = own) => {
      const base = { name: config.model, revision: config.revision, fingerprint, config: model.config };
      return writeAdapter(folder, { format, settings }, withFrozen(initial, parameters), base);
    },
  };
}

/** An adapter's tensors in its order, of which those that are missing, since they are frozen, are taken from `initial`. */
export function withFrozen(initial: Parameters, parameters: Parameters): Map<string, Parameter> {
  return new Map([...initial].map(([name, own]) => [name, parameters.get(name) ?? own]));
}
