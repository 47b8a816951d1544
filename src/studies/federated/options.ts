/** @file The options of a study of federated tuning. */

import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { aggregationNames } from "../../federation/fedllm/task.ts";
import { checkTask } from "../../federation/frameworks.ts";
import { stateFormats } from "../../federation/split/codecs.ts";
import { splitVariants } from "../../federation/split/task.ts";
import type { OwnOptions } from "../../federation/tuning.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { checkGridInputs, type GridConfig, gridOptions } from "../grid/options.ts";
import { checkData } from "../grid/study-data.ts";
import { checkNamedOnce, checkUndecided } from "../option-checks.ts";
import { frameworkNames, listExchanges, taskOf, unreadRows } from "./frameworks.ts";

const {
  methods: _,
  method_options: __,
  variants: ___,
  aligned: ____,
  chat_template: _____,
  ...shared
} = gridOptions;

export const federatedOptions = z.strictObject({
  kind: z.literal("federated"),
  ...shared,
  /** Tasks and groups that models are asked besides. */
  tasks: z.array(z.string()).default([]),
  data_limit: z.int().min(1).optional().describe("only the first n rows of each set"),
  clients: z.int().min(2).max(32).default(4).describe("among how many the rows of all sets are divided"),
  partitions: z
    .array(z.string().regex(/^(iid|dirichlet:\d+(\.\d+)?)$/, 'give "iid", or "dirichlet:" and a number'))
    .min(1)
    .default(["iid", "dirichlet:1", "dirichlet:0.1"])
    .describe(
      "how they are divided: iid, or dirichlet:ALPHA, where a low ALPHA gives most of a class to one",
    ),
  class_field: z
    .string()
    .optional()
    .describe(
      "field whose values are the classes; by default the set, or of one set how long a row is, in quarters",
    ),
  minimum_rows: z
    .int()
    .min(2)
    .default(10)
    .describe("fewest rows of a client; divisions are drawn until all have as many"),
  held_out: z
    .number()
    .positive()
    .max(0.5)
    .default(0.2)
    .describe("share of each client's rows that nobody learns from"),
  frameworks: z.array(z.enum(frameworkNames)).min(1).default(["fedllm"]).describe("what clients exchange"),
  aggregations: z
    .array(z.enum(aggregationNames))
    .min(1)
    .default(["product"])
    .describe("how fedllm makes one adapter of the clients'; the first is compared with other frameworks"),
  public: z
    .string()
    .min(1)
    .optional()
    .describe("kd: file or Hub id of rows that all have, none of which should be a client's"),
  public_rows: z.int().min(1).default(64).describe("kd: only the first n of them"),
  top_k: z.int().min(1).default(32).describe("kd: likeliest tokens of a prediction that are sent"),
  cut: z.int().min(1).default(1).describe("split: blocks that a client computes, from the first"),
  split_variant: z
    .enum(splitVariants)
    .default("u-shaped")
    .describe("split: whether the labels stay with the client, as the output layer then does"),
  split_dtype: z.enum(stateFormats).default("float32").describe("split: how states cross the cut"),
  rounds: z.int().min(1).max(1000).default(5).describe("rounds, each of max_steps (--run) optimizer steps"),
  target: z
    .number()
    .positive()
    .max(1)
    .default(0.9)
    .describe("share of the fall of the held-out loss in one place, until which rounds are counted"),
  membership_rows: z
    .int()
    .min(0)
    .default(200)
    .describe("rows tuned on, and as many held out, that an attacker tells apart by their loss; 0 for none"),
});

export type FederatedConfig = z.output<typeof federatedOptions>;

/** Options of a run that each owner of data has for itself. */
const own = ["fields", "threads", "segment_size"];
/** Those that the study decides. */
const decided = ["model", "data", "data_split", "adapter", "seed", "out", "apply_chat_template", "device"];

/** How a member reads its own data, and computes. */
export function ownOptions({ model, run }: FederatedConfig, data: string): OwnOptions {
  return { ...Object.fromEntries(Object.entries(run).filter(([name]) => own.includes(name))), model, data };
}

/** The options of a round's tuning, as a server tells them. */
export function tuningOptions({ run, apply_chat_template }: FederatedConfig, seed: number) {
  const shared = Object.fromEntries(Object.entries(run).filter(([name]) => !own.includes(name)));
  return { ...shared, apply_chat_template, seed };
}

/** The same study as a grid, of which it has the tasks and the data. */
export function asGrid(config: FederatedConfig): GridConfig {
  return { ...config, methods: ["lora"], method_options: {}, aligned: {} };
}

/**
 * @param origin where they come from, for messages
 * @throws InputError if they contradict each other, or a round's tuning cannot have them.
 */
export function checkFederated(config: FederatedConfig, origin: string): void {
  const { data, tasks, seeds, partitions, frameworks, aggregations, run } = config;
  if (Object.keys(data).length === 0) throw new InputError(`${origin}: there is no data to tune on.`);
  checkNamedOnce({ tasks, seeds, partitions, frameworks, aggregations }, origin);
  const zero = partitions.find((name) => Number(name.replace("dirichlet:", "")) === 0);
  if (zero !== undefined)
    throw new InputError(
      `${origin}: "partitions" names ${zero}, which divides nothing; take a number above 0.`,
    );
  checkUndecided([["run", run]], decided, origin);
  if (run.max_steps === undefined)
    throw new InputError(`${origin}: "run" lacks "max_steps", the optimizer steps of a round; add it.`);
  if (aggregations.includes("ffa") && run.method !== undefined && run.method !== "lora")
    throw new InputError(
      `${origin}: "aggregations" names ffa, which is tuned by lora-fa, but "run" sets "method"; leave one of them out.`,
    );
  if (frameworks.includes("kd") && config.public === undefined)
    throw new InputError(
      `${origin}: "frameworks" names kd, which predicts public rows; name their file by "public".`,
    );
  for (const exchange of listExchanges(config))
    checkTask(taskOf(exchange, tuningOptions(config, 0), unreadRows), `${origin}, for ${exchange.way}`);
}

/** @throws InputError naming what is not there. */
export async function checkFederatedInputs(config: FederatedConfig): Promise<void> {
  if (config.frameworks.includes("kd")) await resolveDataset(config.public!, "train");
  if (config.tasks.length > 0) return checkGridInputs(asGrid(config));
  checkData(asGrid(config));
  (await openCheckpoint(await resolveModel(config.model))).close();
}
