/** @file What a way of federated tuning does in a round. The rounds know no more of it. */

import type { Figures } from "./documents.ts";

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
  /** What the first round begins with. */
  begin(): Promise<Uint8Array>;
  /**
   * Looks at an update as at a stranger's.
   *
   * @throws InputError if it cannot be used, saying why.
   */
  check(update: Uint8Array): Promise<void>;
  /**
   * Makes of a round's updates what the next one begins with. It gives the same for the same updates in the same order.
   *
   * @param begins what the round began with
   */
  aggregate(
    round: number,
    begins: Uint8Array,
    contributions: readonly Contribution[],
  ): Promise<{ readonly ends: Uint8Array; readonly figures: Figures }>;
}

/** A member's part. */
export interface MemberPart {
  /** Longer beginnings are refused before they are read. */
  readonly longestBeginning: number;
  /** Rows that it learns from. */
  readonly examples: number;
  /** What it does with its own data. It goes on after a kill, and gives the same for the same beginning. */
  update(
    round: number,
    begins: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly update: Uint8Array; readonly figures: Figures }>;
  /** Forgets what {@link update} has kept of a round to go on with. */
  forget(round: number): void;
}
