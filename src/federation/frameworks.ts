/** @file The frameworks of federated tuning by name: what is checked of their tasks, and their parts at servers and members. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseOptions } from "../core/parse-fields.ts";
import type { RunEvents } from "../node/training/run-events.ts";
import { createDistillationMember } from "./distillation/member-part.ts";
import { openPublicLearner } from "./distillation/public-learner.ts";
import { matchPublicRows } from "./distillation/public-rows.ts";
import { openDistillationServer } from "./distillation/server-part.ts";
import { distillationTask } from "./distillation/task.ts";
import { createFedLlmMember } from "./fedllm/member-part.ts";
import { atRank } from "./fedllm/own-rank.ts";
import { openFedLlmServer } from "./fedllm/server-part.ts";
import { checkFedLlm, fedLlmTask } from "./fedllm/task.ts";
import type { RoundOptions } from "./rounds/documents.ts";
import type { AdapterServerPart, MemberPart } from "./rounds/framework.ts";
import { createSplitMember } from "./split/member-part.ts";
import { openSplitServer } from "./split/server-part.ts";
import { checkSplit, splitTask } from "./split/task.ts";
import { checkTuning, type OwnOptions, openTaskAdapter, runConfigOf } from "./tuning.ts";

export const federationTask = z.discriminatedUnion("framework", [fedLlmTask, distillationTask, splitTask]);
/** What is done in a federation's rounds. */
export type FederationTask = z.output<typeof federationTask>;
export const frameworkNames = federationTask.options.map(({ shape }) => shape.framework.value);

/** @throws InputError if an option is bad, or two contradict each other. */
export function checkTask(task: unknown, origin: string): FederationTask {
  const checked = parseOptions(federationTask, task, origin);
  if (checked.framework === "fedllm") checkFedLlm(checked, origin);
  checkTuning(checked, origin);
  if (checked.framework === "split") checkSplit(checked, origin);
  return checked;
}

export interface ServerPartOptions {
  readonly task: FederationTask;
  readonly own: Omit<OwnOptions, "data">;
  readonly rounds: RoundOptions;
  /** Of the noise: none but the server may know it, and after a kill it has to be the same. */
  readonly secret: Uint8Array;
  /** Where it keeps what no client is sent. */
  readonly folder: string;
  /** Of distillation: file or Hub dataset of the public rows. */
  readonly publicRows?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface MemberPartOptions {
  readonly client: string;
  readonly own: OwnOptions;
  /** Rows of its data. */
  readonly examples: number;
  /** Of its adapter, where it is another than the task's; as {@link checkRank} allows. */
  readonly rank?: number | undefined;
  /** Where what is under way is. */
  readonly folder: string;
  readonly events?: RunEvents;
}

/** @throws InputError if a client cannot take part in a task with a rank of its own. */
export function checkRank(task: FederationTask, rank: number | undefined): void {
  if (rank === undefined) return;
  if (task.framework !== "fedllm")
    throw new InputError(
      `Clients have ranks of their own where their adapters are averaged, which "${task.framework}" does not do; leave the rank ${rank} out.`,
    );
  atRank(task, rank);
}

/** A server, and members in the same process, which share what it has opened. */
export interface SharedParts {
  readonly server: AdapterServerPart;
  createMember(options: MemberPartOptions): MemberPart;
}

/** @throws InputError if the model or the public rows cannot be read, or options of the rounds do not suit the task. */
export async function openParts({ task, ...options }: ServerPartOptions): Promise<SharedParts> {
  switch (task.framework) {
    case "fedllm": {
      const server = await openFedLlmServer({ ...options, task });
      const { rounds } = options;
      const { adapter } = server;
      return { server, createMember: (of) => createFedLlmMember({ ...of, task, rounds, adapter }) };
    }
    case "kd": {
      const publicRows = await ownPublicRows(options, task, options.folder);
      const server = await openDistillationServer({ ...options, task, publicRows });
      const { adapter, learner } = server;
      return { server, createMember: (of) => createDistillationMember({ ...of, task, adapter, learner }) };
    }
    case "split": {
      const server = await openSplitServer({ ...options, task });
      return { server, createMember: (of) => createSplitMember({ ...of, task, server }) };
    }
  }
}

/** Why no server and member in processes of their own take part in a split. */
export const whyNoSplit =
  "A split asks its server at every step, and what members and a server send each other is once a round; try it with `slimtune federate simulate --framework split`.";

export interface JoiningOptions extends MemberPartOptions {
  readonly task: FederationTask;
  readonly rounds: RoundOptions;
  readonly publicRows?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A member's part in a process of its own. @throws InputError as {@link openParts} */
export async function openMemberPart({
  task,
  rounds,
  signal,
  publicRows,
  ...options
}: JoiningOptions): Promise<MemberPart & { release(): Promise<void> }> {
  if (task.framework === "split") throw new InputError(whyNoSplit);
  checkRank(task, options.rank);
  if (task.framework !== "kd" && publicRows !== undefined)
    throw new InputError("The run's members predict no public rows; leave out --public.");
  const adapter = await openTaskAdapter(runConfigOf(task, options.own));
  switch (task.framework) {
    case "fedllm":
      return { ...createFedLlmMember({ ...options, task, rounds, adapter }), release: async () => {} };
    case "kd": {
      const data = await ownPublicRows({ publicRows }, task, options.folder);
      const learner = await openPublicLearner(runConfigOf(task, { ...options.own, data }), task, signal);
      const part = createDistillationMember({ ...options, task, adapter, learner });
      return { ...part, release: learner.release };
    }
  }
}

function ownPublicRows(
  { publicRows }: Pick<ServerPartOptions, "publicRows">,
  task: z.output<typeof distillationTask>,
  folder: string,
): Promise<string> {
  if (publicRows === undefined)
    throw new InputError(
      "Distillation is on public texts that all have; give the run's file of them by --public.",
    );
  return matchPublicRows(publicRows, task.public, join(folder, "public"));
}
