/** @file A member of a federation: answers the rounds that it is drawn for, with what it computes from its own data. */

import { InputError } from "../../core/errors.ts";
import { memberSpace, type Transport } from "../../transport/transport.ts";
import {
  type MemberDocument,
  type Revised,
  type RoundDocument,
  readMember,
  readRound,
  readRun,
  tryToWrite,
  writeMember,
} from "./documents.ts";
import { attemptOf, type MemberPart } from "./framework.ts";

export interface MemberOptions {
  readonly transport: Transport;
  readonly run: string;
  /** Its name, one of those that the server knows. */
  readonly client: string;
  readonly part: MemberPart;
  readonly signal?: AbortSignal | undefined;
  /** Told of what has left this machine: each blob and the document that names it. */
  readonly onSent?:
    | ((sent: { readonly round: number; readonly hash: string; readonly bytes: number }) => void)
    | undefined;
}

export interface FederationMember {
  /** Does what there is to do. @returns as the server's, "done" when the run is */
  advance(): Promise<"waits" | "moved" | "done">;
  /** Says that it takes no part any more. */
  leave(): Promise<void>;
}

/**
 * Makes a member of a run. What it knows of the run is in the transport, and what it has computed in its part, so that it may be ended at
 * any moment.
 */
export function createFederationMember({
  transport,
  run,
  client,
  part,
  signal,
  onSent,
}: MemberOptions): FederationMember {
  const space = memberSpace(run, client);
  const { examples } = part;
  const say = (said: Revised<MemberDocument> | undefined, changes: Partial<MemberDocument>) => {
    const first = { client, round: 1, attempt: 1, examples, figures: {}, hasLeft: false };
    return tryToWrite(
      writeMember(transport, run, { ...(said?.value ?? first), ...changes }, said?.revision ?? 0),
    );
  };

  const contribute = async (
    said: Revised<MemberDocument> | undefined,
    document: RoundDocument,
  ): Promise<"moved"> => {
    const { round, attempt, begins } = document;
    const beginning = await transport.getBlob(run, begins, part.longestBeginning);
    const { update, figures } = await part.update(attemptOf(document), beginning, signal);
    const hash = await transport.putBlob(space, update);
    onSent?.({ round, hash, bytes: update.length });
    await say(said, { round, attempt, update: hash, examples, figures });
    return "moved";
  };

  return {
    async advance() {
      const found = await readRun(transport, run);
      if (!found) throw new InputError(`There is no run "${run}" yet; start its server, or check the name.`);
      const { state, round, rounds } = found.value;
      if (!rounds.clients.includes(client))
        throw new InputError(`The run "${run}" knows no client "${client}"; its server has to name it.`);
      if (state === "done") return "done";
      const current = (await readRound(transport, run, round))?.value;
      const said = await readMember(transport, run, client);
      if (said && said.value.round < round && said.value.update !== undefined) part.forget(said.value.round);
      if (!current?.drawn.includes(client)) return "waits";
      const { attempt } = current;
      const isSaid = said?.value.round === round && said.value.attempt === attempt;
      if (current.state === "open" && !(isSaid && !said.value.hasLeft)) {
        const key = part.keyOf?.(round, attempt);
        await say(said, { round, attempt, key, update: undefined, figures: {}, hasLeft: false });
        return "moved";
      }
      const takesPart = current.participants.some((participant) => participant.client === client);
      const isOut = current.dropped.some((dropped) => dropped.client === client);
      if (current.state !== "collecting" || !takesPart || isOut) return "waits";
      return isSaid && said.value.update !== undefined ? "waits" : contribute(said, current);
    },
    async leave() {
      await say(await readMember(transport, run, client), { hasLeft: true });
    },
  };
}
