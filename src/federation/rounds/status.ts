/** @file How far a federation is, for people. */

import { InputError } from "../../core/errors.ts";
import type { Transport } from "../../transport/transport.ts";
import {
  type MemberDocument,
  type RoundDocument,
  type RunDocument,
  readMember,
  readRound,
  readRun,
} from "./documents.ts";

export interface FederationStatus {
  readonly run: RunDocument;
  /** The round that is under way, or was last. */
  readonly round: RoundDocument | undefined;
  /** Those whose documents may be read. */
  readonly members: readonly MemberDocument[];
}

/** @throws InputError if there is no such run, or the transport fails. */
export async function readStatus(transport: Transport, name: string): Promise<FederationStatus> {
  const found = await readRun(transport, name);
  if (!found) throw new InputError(`There is no run "${name}".`);
  const run = found.value;
  const round = (await readRound(transport, name, run.round))?.value;
  const members = await Promise.all(
    // A client may read no other's.
    run.rounds.clients.map((client) => readMember(transport, name, client).catch(() => undefined)),
  );
  return { run, round, members: members.flatMap((member) => (member ? [member.value] : [])) };
}

/** Such as "round 2 of 5". */
export function describeRun({ state, round, rounds }: RunDocument): string {
  return state === "done" ? `done after ${round} rounds` : `round ${round} of ${rounds.rounds}`;
}

/** What a client is at. */
export function describeMember({ round, update, hasLeft }: MemberDocument): string {
  return hasLeft
    ? "has left"
    : update === undefined
      ? `at work on round ${round}`
      : `has sent round ${round}`;
}

/** A round's state in a line. */
export function describeRound({
  round,
  attempt,
  state,
  drawn,
  contributions,
  dropped,
  figures,
}: RoundDocument): string {
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  const without = dropped.map(({ client, why }) => `; without ${client}: ${why}`).join("");
  const ended = Object.entries(figures).map(([name, value]) => `; ${name} ${value.toPrecision(3)}`);
  const what = {
    open: `asks ${drawn.join(", ")}`,
    collecting: "awaits updates",
    aggregating: `has ${contributions.length} of ${drawn.length} updates`,
    done: "is done",
  }[state];
  return `round ${round}${again} ${what}${without}${ended.join("")}`;
}
