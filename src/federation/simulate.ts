/** @file A federation on one machine: rows divided among clients that take turns, each with only its own. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { withLock } from "../node/files/lock.ts";
import { readJson } from "../node/files/structured.ts";
import { makeFolder, remove, writeFolderWhole, writeWhole } from "../node/files/write.ts";
import { openLocalTransport } from "../transport/local-transport.ts";
import { memberSpace } from "../transport/transport.ts";
import { type ClientRows, type DivisionOptions, divideRows } from "./divide-rows.ts";
import { checkRank, type FederationTask, openParts } from "./frameworks.ts";
import { openHeldOutMeter } from "./held-out.ts";
import { keepSecret } from "./privacy/noise-secret.ts";
import { type Figures, type RoundDocument, type RoundOptions, readRound } from "./rounds/documents.ts";
import { runInProcess } from "./rounds/in-process.ts";
import { createFederationMember } from "./rounds/member.ts";
import { createFederationServer } from "./rounds/server.ts";
import { type OwnOptions, runConfigOf } from "./tuning.ts";

export interface SimulationOptions {
  readonly task: FederationTask;
  readonly own: OwnOptions;
  readonly rounds: Omit<RoundOptions, "run" | "clients">;
  readonly division: DivisionOptions;
  /** Of distillation: file or Hub dataset of the public rows. */
  readonly publicRows?: string | undefined;
  /** Of FedLLM: each client's own. Default: the task's for all. */
  readonly ranks?: readonly number[] | undefined;
  readonly out: string;
}

export interface SimulationEvents {
  readonly signal?: AbortSignal;
  readonly onClients?: (clients: readonly ClientRows[]) => void;
  /** What is being done. */
  readonly onStage?: (stage: string) => void;
  readonly onRound?: (round: SimulatedRound) => void;
}

/** A round of a simulation. Round 0 is the model as it was. */
export interface SimulatedRound {
  readonly round: number;
  /** Of the clients' held-out rows under the round's adapter, in nats a token, by client. */
  readonly heldOutLoss: Readonly<Record<string, number>>;
  /** Of the clients that were drawn, what they sent and received: blobs, documents and what crosses a cut, in bytes, and by the formula, per client. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly formulaBytes: { readonly up: number; readonly down: number };
  /** What each client that counted did: multiply-adds by formula, and the seconds that it took. */
  readonly work: Readonly<Record<string, { readonly multiplyAdds: number; readonly seconds: number }>>;
  readonly figures: Figures;
}

export interface Simulation {
  readonly clients: readonly ClientRows[];
  readonly rounds: readonly SimulatedRound[];
  /** Folder of the adapter after the last round, in PEFT's layout. */
  readonly adapter: string;
}

const run = "simulation";
const looseRounds = z.array(z.custom<SimulatedRound>((value) => typeof value === "object"));

/**
 * Simulates a federation. It goes on after a kill, and ends with the same adapter.
 *
 * @throws InputError if an option, the model or the data are bad, or the folder holds a simulation of other options.
 * @example
 * const { rounds, adapter } = await simulateFederation({
 *   task: { framework: "fedllm", aggregation: "product", tuning: { max_steps: 10 }, secure_aggregation: false },
 *   own: { model: "fixtures/embedded-model", data: "faq.csv" },
 *   rounds: { rounds: 5, client_share: 1, sampling: "fixed", quorum: 1, join_seconds: 60, deadline_seconds: 3600, seed: 42 },
 *   division: { clients: 4, alpha: 0.1, heldOut: 0.1, seed: 42 },
 *   out: "runs/federation",
 * });
 * console.log(rounds.at(-1)?.heldOutLoss, adapter);
 */
export async function simulateFederation(
  { task: asked, own, rounds: given, division, publicRows, ranks, out }: SimulationOptions,
  events: SimulationEvents = {},
): Promise<Simulation> {
  const highest = ranks && asked.framework === "fedllm" && { max_rank: Math.max(...ranks) };
  const task: FederationTask = { ...asked, ...highest };
  const config = runConfigOf(task, own, "The simulation's tuning");
  if (ranks && ranks.length !== division.clients)
    throw new InputError(
      `There are ${ranks.length} ranks of ${division.clients} clients; give one of each, in their order.`,
    );
  for (const rank of ranks ?? []) checkRank(task, rank);
  const data = await resolveDataset(config.data, config.data_split);
  return withLock(out, "simulation", async () => {
    makeFolder(out);
    const settings = JSON.parse(JSON.stringify({ task, own, rounds: given, division, ranks }));
    const settingsPath = join(out, "simulation.json");
    const isBegun = existsSync(settingsPath);
    if (isBegun && !isDeepStrictEqual(readJson(settingsPath, z.unknown()), settings))
      throw new InputError(`${out} holds a simulation of other options; choose another folder.`);
    const open = async () => {
      const clients = await divideRows(data, join(out, "clients"), division);
      const rounds = { ...given, run, clients: clients.map(({ client }) => client) };
      const secret = keepSecret(join(out, "noise.key"));
      const { signal } = events;
      const parts = await openParts({
        ...{ task, own, rounds, secret, publicRows, signal, folder: join(out, "server") },
      });
      return { clients, rounds, ...parts };
    };
    const { clients, rounds, server, createMember } = await open().catch((error: unknown) => {
      // What the model or the rows do not allow leaves nothing, so that it may be corrected in the same folder.
      if (!isBegun) for (const name of ["clients", "noise.key", "server"]) remove(join(out, name));
      throw error;
    });
    if (!isBegun) writeWhole(settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
    events.onClients?.(clients);
    const roundsPath = join(out, "rounds.json");
    const simulated = existsSync(roundsPath) ? readJson(roundsPath, looseRounds) : [];
    const transport = openLocalTransport(join(out, "transport"));
    const meter =
      division.heldOut > 0
        ? await openHeldOutMeter(
            config,
            clients.map(({ heldOut }) => heldOut),
          )
        : undefined;
    const measure = async (ends: Uint8Array) => {
      events.onStage?.("measuring the held-out rows");
      const losses = (await meter?.measure(await server.adapterOf(ends))) ?? [];
      return Object.fromEntries(losses.map((loss, i) => [clients[i]!.client, loss]));
    };
    const record = async (round: SimulatedRound) => {
      simulated.push(round);
      writeWhole(roundsPath, `${JSON.stringify(simulated, null, 2)}\n`);
      events.onRound?.(round);
    };
    const nothing = { sentBytes: 0, receivedBytes: 0, formulaBytes: { up: 0, down: 0 } };
    const none = { ...nothing, work: {}, figures: {} };
    if (simulated.length === 0)
      await record({ round: 0, heldOutLoss: await measure(await server.begin()), ...none });

    const pending: RoundDocument[] = [];
    const federation = createFederationServer({
      ...{ transport, rounds, part: server },
      onRound: (document) => {
        if (document.state === "done") pending.push(document);
        else events.onStage?.(`round ${document.round} of ${rounds.rounds}: ${document.state}`);
      },
    });
    const ofClients = clients.map(({ client, data, rows }, i) => {
      // Of its own, so that its bytes are counted apart.
      const transport = openLocalTransport(join(out, "transport"));
      const folder = join(out, "members", client);
      const part = createMember({ client, own: { ...own, data }, examples: rows, folder, rank: ranks?.[i] });
      const member = createFederationMember({
        ...{ transport, run, client, part },
        ...(events.signal && { signal: events.signal }),
      });
      return { client, transport, member, part };
    });
    const traffic = () =>
      ofClients.map(({ client, transport, part }) => {
        const ofSteps = part.trafficOfSteps?.() ?? { sent: 0, received: 0 };
        const { byPlace } = transport.traffic();
        const [mine, ofRun] = [byPlace.get(memberSpace(run, client)), byPlace.get(run)];
        return {
          sent: (mine?.sent ?? 0) + ofSteps.sent,
          received: (mine?.received ?? 0) + (ofRun?.received ?? 0) + ofSteps.received,
        };
      });
    try {
      let before = traffic();
      const members = ofClients.map(({ client, member }) => ({
        ...member,
        async advance() {
          events.onStage?.(`${client} at work`);
          return member.advance();
        },
      }));
      const settle = async () => {
        for (const { round, ends, contributions, figures } of pending.splice(0)) {
          if (simulated.some((known) => known.round === round)) continue;
          const now = traffic();
          const sum = (of: (i: number) => number) => now.reduce((total, _, i) => total + of(i), 0);
          const mean = (name: string) =>
            contributions.reduce((total, { figures }) => total + figures[name]!, 0) / contributions.length;
          await record({
            ...{ round, figures, heldOutLoss: await measure(await transport.getBlob(run, ends!, 2 ** 31)) },
            sentBytes: sum((i) => now[i]!.sent - before[i]!.sent) / contributions.length,
            receivedBytes: sum((i) => now[i]!.received - before[i]!.received) / contributions.length,
            formulaBytes: { up: mean("formula_up"), down: mean("formula_down") },
            work: Object.fromEntries(
              contributions.map(({ client, figures: { multiply_adds, seconds } }) => [
                client,
                { multiplyAdds: multiply_adds!, seconds: seconds! },
              ]),
            ),
          });
          before = now;
        }
      };
      // A round that ended before a kill may not have been measured.
      for (let round = 1; round <= rounds.rounds; round++) {
        const ended = await readRound(transport, run, round);
        if (ended?.value.state === "done") pending.push(ended.value);
      }
      await settle();
      await runInProcess(
        {
          ...federation,
          async advance() {
            await settle();
            return federation.advance();
          },
        },
        members,
        events.signal,
      );
      await settle();
      const adapter = join(out, "adapter");
      if (!existsSync(adapter)) {
        const ends = await federation.result();
        await writeFolderWhole(adapter, (temporary) => server.write(temporary, ends));
      }
      return { clients, rounds: simulated, adapter };
    } finally {
      await server.release();
      await meter?.release();
      for (const { transport } of ofClients) await transport.close();
      await transport.close();
    }
  });
}
