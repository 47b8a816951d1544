/** @file What a way of federated tuning does in a round. The rounds know no more of it. */

import type { Adapter } from "../../core/adapters/adapted-model.ts";
import type { ByteCount } from "../../transport/transport.ts";
import type { Figures, Participant, RoundDocument } from "./documents.ts";

/** An attempt at a round, as all members know it. */
export interface Attempt {
  readonly round: number;
  readonly attempt: number;
  /** Those whose updates it may have, with what they published for it, in the order of their names. */
  readonly participants: readonly Participant[];
}

export function attemptOf({ round, attempt, participants }: RoundDocument): Attempt {
  return { round, attempt, participants };
}

/** An update that counts. */
export interface Contribution {
  readonly client: string;
  /** Rows that the client has learnt from. */
  readonly examples: number;
  /** What it sent. */
  load(): Promise<Uint8Array>;
}

/** The server's part. */
export interface ServerPart {
  /** What members need to know, for {@link RunDocument.task}. */
  readonly task: Readonly<Record<string, unknown>>;
  /** Longer updates are refused before they are read. */
  readonly longestUpdate: number;
  /** Whether updates are of use only if those of all participants are there: if one is missing, the round begins anew without it. */
  readonly needsAll: boolean;
  /** What the first round begins with. */
  begin(): Promise<Uint8Array>;
  /**
   * Looks at a client's update as at a stranger's.
   *
   * @throws InputError if it cannot be used, saying why.
   */
  check(update: Uint8Array, client: string): Promise<void>;
  /**
   * Makes of a round's updates what the next one begins with. It gives the same for the same updates in the same order.
   *
   * @param begins what the round began with
   */
  aggregate(
    attempt: Attempt,
    begins: Uint8Array,
    contributions: readonly Contribution[],
  ): Promise<{ readonly ends: Uint8Array; readonly figures: Figures }>;
}

/** The server's part of a framework that tunes an adapter. */
export interface AdapterServerPart extends ServerPart {
  /** The adapter of what a round ended with, and what is frozen beside it. */
  adapterOf(ends: Uint8Array): Promise<Adapter>;
  /** Writes it in PEFT's layout. */
  write(folder: string, ends: Uint8Array): Promise<void>;
  release(): Promise<void>;
}

/** A member's part. */
export interface MemberPart {
  /** Longer beginnings are refused before they are read. */
  readonly longestBeginning: number;
  /** Rows that it learns from. */
  readonly examples: number;
  /** What the other participants need of it. Default: nothing. */
  keyOf?(round: number, attempt: number): string;
  /** What it does with its own data. It goes on after a kill, and gives the same for the same beginning. */
  update(
    attempt: Attempt,
    begins: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly update: Uint8Array; readonly figures: Figures }>;
  /** What has passed to and from the server within {@link update}, where each step asks it. Default: nothing. */
  trafficOfSteps?(): ByteCount;
  /** Forgets what {@link update} has kept of a round to go on with. */
  forget(round: number): void;
}
