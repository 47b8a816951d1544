/** @file What a federation's members read of each other: the run, its rounds, and what each member says of itself. */

import { z } from "zod";
import { parseFields } from "../../core/parse-fields.ts";
import {
  MissingPlaceError,
  memberSpace,
  StaleDocumentError,
  type Transport,
} from "../../transport/transport.ts";

export const memberName = z
  .string()
  .regex(/^[a-zA-Z\d-]{1,31}$/, 'a name has letters, digits and "-", at most 31');
const hash = z.string().regex(/^[\da-f]{64}$/, "a hash is the 64 hexadecimal digits of a SHA-256");
const figures = z.record(z.string(), z.number());
export type Figures = Readonly<Record<string, number>>;

/** How rounds go, whatever is done in them. */
export const roundOptions = z.strictObject({
  /** The run's name. */
  run: memberName,
  /** Who may take part, by name. */
  clients: z
    .array(memberName)
    .min(1)
    .max(10_000)
    .refine((names) => new Set(names).size === names.length, "each client is named once"),
  rounds: z.int().min(1).max(10_000).default(5),
  /** Clients drawn for each round: a share of all, at least one. */
  client_share: z.number().positive().max(1).default(1),
  /** "fixed" draws just as many; "poisson" each client by itself with this probability, as differential privacy's account has it. */
  sampling: z.enum(["fixed", "poisson"]).default("fixed"),
  /** Of those that are drawn, the share without which a round is not ended. */
  quorum: z.number().positive().max(1).default(1),
  /** Seconds until a round goes on without those that have not said that they are there, and without those whose update is missing. */
  join_seconds: z.number().positive().default(3600),
  deadline_seconds: z
    .number()
    .positive()
    .default(24 * 3600),
  seed: z.int().min(0).default(42),
});
export type RoundOptions = z.output<typeof roundOptions>;

/**
 * A round's states, each entered by one writing of its document. _open_: those that are drawn are asked whether they are there.
 * _collecting_: their updates are awaited. _aggregating_: whose updates count is fixed. _done_: what the next one begins with is there.
 */
export const roundStates = ["open", "collecting", "aggregating", "done"] as const;

const roundDocument = z.strictObject({
  round: z.int().min(1),
  /** Begins anew, with another number, if an update is missing without which the others are of no use. */
  attempt: z.int().min(1),
  state: z.enum(roundStates),
  /** The blob that it begins with, in the run's space. */
  begins: hash,
  drawn: z.array(memberName),
  /** Those that were there when it began to collect, with what they published for it. */
  participants: z.array(
    z.strictObject({ client: memberName, examples: z.int().min(1), key: z.string().max(1024).optional() }),
  ),
  /** Milliseconds since 1970, until when those that are drawn, or the participants, are awaited. */
  deadline: z.number(),
  contributions: z.array(
    z.strictObject({ client: memberName, update: hash, examples: z.int().min(1), figures }),
  ),
  /** Updates and members that did not count, and why. */
  dropped: z.array(z.strictObject({ client: memberName, why: z.string().max(2000) })),
  /** The blob that it ended with. */
  ends: hash.optional(),
  figures,
});
export type RoundDocument = z.output<typeof roundDocument>;
export type Participant = RoundDocument["participants"][number];

const runDocument = z.strictObject({
  version: z.literal(1),
  state: z.enum(["running", "done"]),
  /** Of the round that is under way, or was last. */
  round: z.int().min(1),
  rounds: roundOptions,
  /** What is done in the rounds; a framework checks it. */
  task: z.record(z.string(), z.unknown()),
  /** What the first round begins with. */
  begins: hash,
});
export type RunDocument = z.output<typeof runDocument>;

const memberDocument = z.strictObject({
  client: memberName,
  round: z.int().min(1),
  attempt: z.int().min(1),
  /** What the other participants need of it, such as a public key. */
  key: z.string().max(1024).optional(),
  /** Its update, in its own space; undefined while it is being computed. */
  update: hash.optional(),
  examples: z.int().min(1),
  figures,
  /** It takes no part any more. */
  hasLeft: z.boolean(),
});
export type MemberDocument = z.output<typeof memberDocument>;

export interface Revised<T> {
  readonly value: T;
  readonly revision: number;
}

const runKey = "run";
const memberKey = "member";
const roundKey = (round: number) => `round-${String(round).padStart(5, "0")}`;

async function read<T extends z.ZodType>(
  transport: Transport,
  schema: T,
  space: string,
  key: string,
): Promise<Revised<z.output<T>> | undefined> {
  const document = await transport.readDocument(space, key).catch((error) => {
    // Before a run's server has begun there is not even a place for it.
    if (error instanceof MissingPlaceError) return undefined;
    throw error;
  });
  return (
    document && {
      value: parseFields(schema, document.value, `The document "${key}" of ${space}`),
      revision: document.revision,
    }
  );
}

/** @throws InputError if it is malformed, or the transport fails. */
export const readRun = (transport: Transport, run: string) => read(transport, runDocument, run, runKey);
export const writeRun = (transport: Transport, value: RunDocument, revision: number) =>
  transport.writeDocument(value.rounds.run, runKey, value, revision);

/** @throws InputError if it is malformed, or the transport fails. */
export const readRound = (transport: Transport, run: string, round: number) =>
  read(transport, roundDocument, run, roundKey(round));
export const writeRound = (transport: Transport, run: string, value: RoundDocument, revision: number) =>
  transport.writeDocument(run, roundKey(value.round), value, revision);

/** @throws InputError if it is malformed, or the transport fails. */
export const readMember = (transport: Transport, run: string, client: string) =>
  read(transport, memberDocument, memberSpace(run, client), memberKey);
export const writeMember = (transport: Transport, run: string, value: MemberDocument, revision: number) =>
  transport.writeDocument(memberSpace(run, value.client), memberKey, value, revision);

/** Writes unless somebody else was quicker; then what is there by now has to be read again. @returns whether it was written */
export async function tryToWrite(write: Promise<number>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof StaleDocumentError) return false;
    throw error;
  }
}
