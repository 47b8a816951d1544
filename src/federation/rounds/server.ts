/** @file The server of a federation: moves rounds on, from what is in the transport alone, so that it may be ended at any moment. */

import { isDeepStrictEqual } from "node:util";
import { InputError } from "../../core/errors.ts";
import { createRandom } from "../../core/random.ts";
import { memberSpace, type Transport } from "../../transport/transport.ts";
import { sampleClients } from "../privacy/differential-privacy.ts";
import {
  type MemberDocument,
  type Participant,
  type Revised,
  type RoundDocument,
  type RoundOptions,
  type RunDocument,
  readMember,
  readRound,
  readRun,
  tryToWrite,
  writeRound,
  writeRun,
} from "./documents.ts";
import { attemptOf, type Contribution, type ServerPart } from "./framework.ts";

/** How often a round begins anew, if too few updates can be used, before a person has to look. */
const mostAttempts = 3;

export interface ServerOptions {
  readonly transport: Transport;
  readonly rounds: RoundOptions;
  readonly part: ServerPart;
  /** Told of each state that a round has reached. */
  readonly onRound?: ((round: RoundDocument) => void) | undefined;
  /** Milliseconds since 1970. Default: the machine's clock. */
  readonly now?: () => number;
}

export interface FederationServer {
  /**
   * Does what there is to do: at most one change of a state.
   *
   * @returns "waits" if members have to act first, or a deadline has to pass; "moved" if there may be more to do; "done" after the last round
   */
  advance(): Promise<"waits" | "moved" | "done">;
  /** What the last round ended with. @throws InputError if it has not ended. */
  result(): Promise<Uint8Array>;
}

/**
 * Makes the server of a run, or goes on with the run that is in the transport.
 *
 * A round ends with the same blob whenever the same updates count: they are taken in the order of the clients' names. Updates that are late,
 * malformed or not finite do not count, and the round's document says so.
 */
export function createFederationServer({
  transport,
  rounds,
  part,
  onRound,
  now = Date.now,
}: ServerOptions): FederationServer {
  const { run, seed } = rounds;
  const longestKept = 2 ** 31;

  const begin = async (): Promise<"moved"> => {
    await transport.createSpace(run);
    for (const client of rounds.clients) await transport.createSpace(memberSpace(run, client));
    const begins = await transport.putBlob(run, await part.begin());
    const { task } = part;
    await tryToWrite(
      writeRun(transport, { version: 1, state: "running", round: 1, rounds, task, begins }, 0),
    );
    return "moved";
  };
  /** A run is begun by this program's options, or is another one. */
  const checkRun = ({ rounds: given, task }: RunDocument) => {
    // As they are after a way through JSON.
    const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
    if (isDeepStrictEqual(given, plain(rounds)) && isDeepStrictEqual(task, plain(part.task))) return;
    throw new InputError(
      `A run "${run}" with other options has begun there; go on with its own, or choose another name.`,
    );
  };
  const open = async (round: number, begins: string): Promise<"moved"> => {
    const document: RoundDocument = {
      ...{ round, attempt: 1, state: "open", begins, drawn: draw(rounds, seed, round), participants: [] },
      ...{ deadline: now() + 1000 * rounds.join_seconds, contributions: [], dropped: [], figures: {} },
    };
    if (await tryToWrite(writeRound(transport, run, document, 0))) onRound?.(document);
    return "moved";
  };
  const move = async ({ value, revision }: Revised<RoundDocument>, changes: Partial<RoundDocument>) => {
    const document = { ...value, ...changes };
    if ((await tryToWrite(writeRound(transport, run, document, revision))) && changes.state)
      onRound?.(document);
    return "moved" as const;
  };
  const least = (drawn: readonly string[]) => Math.ceil(rounds.quorum * drawn.length);

  /** What the members say, one after the other; of one whose document cannot be read, why. */
  async function* listen(
    clients: readonly string[],
  ): AsyncGenerator<[client: string, said: MemberDocument | InputError]> {
    for (const client of clients) {
      try {
        const said = await readMember(transport, run, client);
        if (said && said.value.client === client) yield [client, said.value];
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        yield [client, error];
      }
    }
  }

  const gather = async (current: Revised<RoundDocument>): Promise<"moved" | "waits"> => {
    const { round, attempt, drawn, deadline } = current.value;
    const present: Participant[] = [];
    for await (const [client, said] of listen(drawn)) {
      if (said instanceof InputError || said.hasLeft) continue;
      if (said.round !== round || said.attempt !== attempt) continue;
      const { examples, key } = said;
      present.push({ client, examples, ...(key !== undefined && { key }) });
    }
    const isLate = now() > deadline;
    if (present.length < drawn.length && !(isLate && present.length >= least(drawn))) {
      // Nobody is given up before a quorum is there: the round waits on.
      if (isLate) return move(current, { deadline: now() + 1000 * rounds.join_seconds });
      return "waits";
    }
    const absent = drawn.filter((client) => present.every((other) => other.client !== client));
    return move(current, {
      state: "collecting",
      participants: present,
      deadline: now() + 1000 * rounds.deadline_seconds,
      dropped: [...current.value.dropped, ...absent.map((client) => ({ client, why: "did not join" }))],
    });
  };

  const collect = async (current: Revised<RoundDocument>): Promise<"moved" | "waits"> => {
    const { round, attempt, drawn, participants, contributions, dropped, deadline } = current.value;
    const settled = new Set([...contributions, ...dropped].map(({ client }) => client));
    const awaited = participants.map(({ client }) => client).filter((client) => !settled.has(client));
    const drop = (client: string, why: string) => move(current, { dropped: [...dropped, { client, why }] });
    for await (const [client, said] of listen(awaited)) {
      if (said instanceof InputError) return drop(client, said.message.slice(0, 2000));
      if (said.hasLeft) return drop(client, "left");
      if (said.round !== round || said.attempt !== attempt || said.update === undefined) continue;
      const { update, examples, figures } = said;
      try {
        const sent = await transport.getBlob(memberSpace(run, client), update, part.longestUpdate);
        await part.check(sent, client);
      } catch (error) {
        if (error instanceof InputError) return drop(client, error.message.slice(0, 2000));
        throw error;
      }
      return move(current, { contributions: [...contributions, { client, update, examples, figures }] });
    }
    const isLate = now() > deadline;
    const enough = contributions.length >= least(drawn);
    if (awaited.length > 0 && !(isLate && enough)) {
      if (isLate) return move(current, { deadline: now() + 1000 * rounds.deadline_seconds });
      return "waits";
    }
    const isIncomplete = part.needsAll && contributions.length < participants.length;
    if (!enough || isIncomplete) {
      if (attempt === mostAttempts) {
        const reasons = dropped.map(({ client, why }) => `${client}: ${why}`).join("; ");
        throw new InputError(
          `Round ${round} has failed ${attempt} times, since ${contributions.length} of ${drawn.length} updates can be used and ${least(drawn)} are needed (${reasons}); mend these clients, or begin a run with a lower quorum.`,
        );
      }
      // All that are drawn are asked again; where one that is lost spoils the others', those that were not.
      const drawnAgain = isIncomplete && enough ? contributions.map(({ client }) => client).sort() : drawn;
      return move(current, {
        ...{ state: "open", attempt: attempt + 1, participants: [], contributions: [], dropped: [] },
        drawn: drawnAgain,
        deadline: now() + 1000 * rounds.join_seconds,
      });
    }
    const late = awaited.map((client) => ({ client, why: "was late" }));
    const inOrder = contributions.toSorted((a, b) => (a.client < b.client ? -1 : 1));
    return move(current, {
      state: "aggregating",
      contributions: inOrder,
      dropped: [...dropped, ...late],
    });
  };

  const aggregate = async (current: Revised<RoundDocument>): Promise<"moved"> => {
    const { begins, contributions } = current.value;
    const updates = contributions.map(
      ({ client, examples, update }): Contribution => ({
        client,
        examples,
        load: () => transport.getBlob(memberSpace(run, client), update, part.longestUpdate),
      }),
    );
    const before = await transport.getBlob(run, begins, longestKept);
    const { ends, figures } = await part.aggregate(attemptOf(current.value), before, updates);
    return move(current, { state: "done", ends: await transport.putBlob(run, ends), figures });
  };

  return {
    async advance() {
      const found = await readRun(transport, run);
      if (!found) return begin();
      checkRun(found.value);
      const { state, round, begins } = found.value;
      if (state === "done") return "done";
      const current = await readRound(transport, run, round);
      if (!current) {
        const before = round === 1 ? begins : (await readRound(transport, run, round - 1))!.value.ends!;
        return open(round, before);
      }
      if (current.value.state === "open") return gather(current);
      if (current.value.state === "collecting") return collect(current);
      if (current.value.state === "aggregating") return aggregate(current);
      const isLast = round === rounds.rounds;
      const next = isLast ? { state: "done" as const } : { round: round + 1 };
      await tryToWrite(writeRun(transport, { ...found.value, ...next }, found.revision));
      return isLast ? "done" : "moved";
    },
    async result() {
      const last = await readRound(transport, run, rounds.rounds);
      if (last?.value.ends === undefined) throw new InputError(`The run "${run}" has not ended.`);
      return transport.getBlob(run, last.value.ends, longestKept);
    },
  };
}

/** The clients of a round, in the order of their names: by seed, or so that nobody could know. */
function draw({ clients, client_share, sampling }: RoundOptions, seed: number, round: number): string[] {
  if (sampling === "poisson") return sampleClients(clients.toSorted(), client_share);
  const random = createRandom(seed, round);
  const left = clients.toSorted();
  const count = Math.max(1, Math.round(client_share * clients.length));
  const drawn = Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0]!);
  return drawn.sort();
}
