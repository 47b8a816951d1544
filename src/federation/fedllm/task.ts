/** @file What FedLLM's clients are told: how they tune the adapter that is averaged. */

import { z } from "zod";
import type { AdapterSettings } from "../../core/adapters/method.ts";
import { createAdaptation, methodOf } from "../../core/adapters/methods.ts";
import { initializeParameters, type Parameter } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import { writeAdapter } from "../../node/adapters/peft-files.ts";
import { openModel } from "../../node/models/open-model.ts";
import { parseRunConfig, type RunConfig, type RunOptions } from "../../node/training/run-config.ts";
import { type AggregationName, aggregations } from "../aggregation/aggregations.ts";
import type { RoundOptions } from "../rounds/documents.ts";
import type { Hiding } from "./private-sum.ts";

/**
 * The options of a tuning run that a server may set for its clients: none names a file, a folder, or a program. The model, the data and how
 * they are read are each client's own.
 */
export const tunable = [
  ...["method", "storage", "lora", "batch_size", "max_steps", "num_train_epochs", "learning_rate"],
  ...["lr_scheduler_type", "warmup_ratio", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"],
  ...["max_grad_norm", "train_on", "apply_chat_template", "packing", "context", "overlong", "seed"],
] as const;

/** Those of which a round's adapter is all that clients go on with: the others leave a residual beside it. */
export const roundAggregations = ["product", "fedavg", "ffa"] as const satisfies readonly AggregationName[];

export const fedLlmTask = z.strictObject({
  framework: z.literal("fedllm"),
  aggregation: z.enum(roundAggregations),
  /** Masks hide each update from the server, which learns their sum (docs/federation.md). */
  secure_aggregation: z.boolean().default(false),
  /** Client-level differential privacy: the norm to which updates are clipped, and the noise on their sum, in units of it. */
  differential_privacy: z
    .strictObject({
      clip_norm: z.number().positive(),
      noise_multiplier: z.number().positive(),
      delta: z.number().positive().lt(1).default(1e-5),
    })
    .optional(),
  /** Options of `slimtune tune`, of those that do not name a file. */
  tuning: z.strictObject(Object.fromEntries(tunable.map((name) => [name, z.unknown().optional()]))),
});
export type FedLlmTask = z.output<typeof fedLlmTask>;

/** How a member reads its own data, and on which of its devices it computes. */
export type OwnOptions = Pick<RunOptions, "model" | "data"> &
  Partial<Pick<RunOptions, "revision" | "fields" | "data_split" | "threads" | "device" | "segment_size">>;

/** Options of a run that tunes by a task. @throws InputError if one is bad, or the method has no LoRA */
export function runOptionsOf(task: FedLlmTask, own: OwnOptions): RunOptions {
  return { validation: 0, ...task.tuning, ...own, out: "OUT" } as RunOptions;
}

/** @throws InputError if an option is bad, or two contradict each other. */
export function checkTask(task: unknown, origin: string): FedLlmTask {
  const checked = parseOptions(fedLlmTask, task, origin);
  const hides = checked.secure_aggregation || checked.differential_privacy !== undefined;
  if (hides && !aggregations[checked.aggregation].isLinear)
    throw new InputError(
      `${origin}: a sum is all that secure aggregation and differential privacy give the server, and "${checked.aggregation}" needs each update; choose the aggregation "fedavg" or "ffa".`,
    );
  const { method, lora } = parseRunConfig(runOptionsOf(checked, { model: "MODEL", data: "DATA" }), origin);
  // PiSSA begins by taking a part out of the weights.
  if (methodOf(method).peft?.section !== "lora" || lora?.init_lora_weights !== true)
    throw new InputError(
      `${origin}: method "${method}" does not tune A and B of LoRA beside the model's own weights, which is what is averaged; choose "lora", "qlora" or "lora-fa".`,
    );
  return checked;
}

/** What a task hides of updates; undefined if nothing. */
export function hidingOf(
  { secure_aggregation, differential_privacy }: FedLlmTask,
  { client_share }: Pick<RoundOptions, "client_share">,
): Hiding | undefined {
  if (!secure_aggregation && !differential_privacy) return undefined;
  const noise = differential_privacy && {
    clipNorm: differential_privacy.clip_norm,
    noiseMultiplier: differential_privacy.noise_multiplier,
    samplingRate: client_share,
  };
  return { masks: secure_aggregation, noise };
}

/** The adapter of a task on a model, as its seed draws it. */
export interface TaskAdapter {
  readonly settings: AdapterSettings;
  readonly initial: ReadonlyMap<string, Parameter>;
  /** Writes an adapter of these tensors in PEFT's layout, beside which frozen ones may be left out. */
  write(folder: string, parameters: ReadonlyMap<string, Parameter>): Promise<void>;
}

/** @throws InputError if the model cannot be read. */
export async function openTaskAdapter(config: RunConfig): Promise<TaskAdapter> {
  const { fingerprint, weights, ...model } = await openModel(config.model, { revision: config.revision });
  const adaptation = createAdaptation(config, model.config);
  const initial = await initializeParameters(model.config, adaptation, weights, config.seed);
  const format = methodOf(config.method).peft!;
  const settings = config[format.section as keyof RunConfig] as AdapterSettings;
  return {
    settings,
    initial,
    write: (folder, parameters) => {
      const all = new Map([...initial].map(([name, own]) => [name, parameters.get(name) ?? own]));
      const base = { name: config.model, revision: config.revision, fingerprint, config: model.config };
      return writeAdapter(folder, { format, settings }, all, base);
    },
  };
}
