import { expect, test } from "vitest";
import { memberSpace, type Transport } from "../../transport/transport.ts";
import { type RoundDocument, type RoundOptions, readMember, roundOptions, writeMember } from "./documents.ts";
import { runInProcess } from "./in-process.ts";
import { createFederationMember } from "./member.ts";
import { createMemoryTransport } from "./memory-transport.fixture.ts";
import { createFederationServer } from "./server.ts";
import { bytes, memberPart, serverPart, text } from "./words.fixture.ts";

const clients = ["a", "bb", "ccc"];
const optionsOf = (more: Partial<RoundOptions> = {}): RoundOptions =>
  roundOptions.parse({ run: "r", clients, rounds: 3, ...more });
const memberOf = (transport: Transport, client: string, part = memberPart(client)) =>
  createFederationMember({ transport, run: "r", client, part });

async function runWhole(transport: Transport, more: Partial<RoundOptions> = {}): Promise<string> {
  const server = createFederationServer({ transport, rounds: optionsOf(more), part: serverPart() });
  await runInProcess(
    server,
    clients.map((client) => memberOf(transport, client)),
  );
  return text(await server.result());
}
const whole = await runWhole(createMemoryTransport());

test("rounds end with what all have sent, in the order of their names", () => {
  expect(whole).toBe(".(a11bb11ccc11)(a215bb215ccc215)(a332bb332ccc332)");
});

test("clients are drawn by seed", async () => {
  const found = await runWhole(createMemoryTransport(), { client_share: 0.4 });
  expect(found).toMatch(/^\.(\((a|bb|ccc)\d+\)){3}$/);
  expect(await runWhole(createMemoryTransport(), { client_share: 0.4 })).toBe(found);
});

/** A transport whose process ends at its operation of that number: before it, or before its answer. */
function dyingTransport(transport: Transport, operation: number, isAfter: boolean): Transport {
  let count = 0;
  const die = () => {
    throw new Error("killed");
  };
  return new Proxy(transport, {
    get(target, name) {
      const method = target[name as keyof Transport] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => {
        const isLast = count++ === operation;
        if (isLast && !isAfter) die();
        const result = await method.apply(target, args);
        if (isLast) die();
        return result;
      };
    },
  });
}

test("a server or a client that is ended at any operation and begun again changes nothing", async () => {
  let kills = 0;
  for (const [who, isAfter] of [
    ["server", false],
    ["server", true],
    ["a", false],
    ["a", true],
  ] as const) {
    for (let operation = 0; ; operation++) {
      const transport = createMemoryTransport();
      const dying = dyingTransport(transport, operation, isAfter);
      const run = (ofServer: Transport, ofClient: Transport) =>
        runInProcess(
          createFederationServer({ transport: ofServer, rounds: optionsOf(), part: serverPart() }),
          clients.map((client) => memberOf(client === "a" ? ofClient : transport, client)),
        );
      const ended = await run(who === "server" ? dying : transport, who === "a" ? dying : transport).then(
        () => "done",
        (error: Error) => error.message,
      );
      if (ended === "done") break;
      expect(ended).toBe("killed");
      kills++;
      await run(transport, transport);
      const server = createFederationServer({ transport, rounds: optionsOf(), part: serverPart() });
      expect(text(await server.result())).toBe(whole);
    }
  }
  expect(kills).toBeGreaterThan(100);
});

test("a client that lies, leaves or is late does not count, and the round says why", async () => {
  const transport = createMemoryTransport();
  const documents: RoundDocument[] = [];
  let now = 0;
  const server = createFederationServer({
    ...{ transport, rounds: optionsOf({ rounds: 2, quorum: 0.3, join_seconds: 10, deadline_seconds: 100 }) },
    ...{ part: serverPart(), onRound: (document) => documents.push(document), now: () => now },
  });
  const liar = memberOf(
    transport,
    "a",
    memberPart("a", { update: async () => ({ update: bytes("!"), figures: {} }) }),
  );
  const honest = memberOf(transport, "bb");
  const lazy = memberOf(transport, "ccc");
  const settle = async () => {
    while ((await server.advance()) === "moved");
  };
  await settle();
  for (const member of [liar, honest, lazy]) expect(await member.advance()).toBe("moved");
  await settle();
  // The lazy one does not answer.
  for (const member of [liar, honest]) expect(await member.advance()).toBe("moved");
  await settle();
  expect(documents.at(-1)!.state).toBe("collecting");
  now = 101_000;
  await settle();
  const first = documents.findLast(({ round, state }) => round === 1 && state === "done")!;
  expect(first.contributions.map(({ client }) => client)).toEqual(["bb"]);
  expect(first.dropped).toEqual([
    { client: "a", why: "The update is no word." },
    { client: "ccc", why: "was late" },
  ]);
  // What comes too late changes nothing, nor does a second update.
  expect(await lazy.advance()).toBe("moved");
  await honest.leave();
  expect(await liar.advance()).toBe("moved");
  await settle();
  now += 11_000;
  await settle();
  expect(documents.at(-1)).toMatchObject({ round: 2, state: "collecting" });
  expect(documents.at(-1)!.dropped).toEqual([{ client: "bb", why: "did not join" }]);
  for (const member of [liar, lazy]) await member.advance();
  await settle();
  expect(await server.advance()).toBe("done");
  expect(text(await server.result())).toBe(".(bb11)(ccc27)");
});

test("where each needs the others, one that is lost has the round begin anew without it, with other keys", async () => {
  const transport = createMemoryTransport();
  const documents: RoundDocument[] = [];
  let now = 0;
  const server = createFederationServer({
    ...{ transport, rounds: optionsOf({ rounds: 1, quorum: 0.6, deadline_seconds: 10 }), now: () => now },
    ...{ part: serverPart({ needsAll: true }), onRound: (document) => documents.push(document) },
  });
  const withKeys = (client: string) =>
    memberPart(client, { keyOf: (round, attempt) => `${client}-${round}-${attempt}` });
  const members = clients.map((client) => memberOf(transport, client, withKeys(client)));
  const settle = async () => {
    while ((await server.advance()) === "moved");
  };
  await settle();
  for (const member of members) await member.advance();
  await settle();
  for (const member of members.slice(1)) await member.advance();
  now = 11_000;
  await settle();
  expect(documents.at(-1)).toMatchObject({ state: "open", attempt: 2, drawn: ["bb", "ccc"] });
  for (const member of members) await member.advance();
  await settle();
  expect(documents.at(-1)!.participants.map(({ key }) => key)).toEqual(["bb-1-2", "ccc-1-2"]);
  for (const member of members) await member.advance();
  await settle();
  expect(text(await server.result())).toBe(".(bb11ccc11)");
});

test("no round ends without a quorum, however late it is", async () => {
  const transport = createMemoryTransport();
  let now = 0;
  const server = createFederationServer({
    ...{ transport, rounds: optionsOf({ quorum: 0.6 }), part: serverPart(), now: () => now },
  });
  while ((await server.advance()) === "moved");
  await memberOf(transport, "a").advance();
  now = 1e9;
  expect(await server.advance()).toBe("moved");
  expect(await server.advance()).toBe("waits");
});

test("a round whose updates are refused again and again is given up with its reasons", async () => {
  const transport = createMemoryTransport();
  const server = createFederationServer({ transport, rounds: optionsOf(), part: serverPart() });
  const members = clients.map((client) =>
    memberOf(
      transport,
      client,
      memberPart(client, { update: async () => ({ update: bytes("?"), figures: {} }) }),
    ),
  );
  await expect(runInProcess(server, members)).rejects.toThrow(
    /^Round 1 has failed 3 times.*a: The update is no word\./,
  );
});

test("documents that others have written are checked", async () => {
  const transport = createMemoryTransport();
  const documents: RoundDocument[] = [];
  const server = createFederationServer({
    ...{ transport, rounds: optionsOf({ rounds: 1, quorum: 0.3 }), part: serverPart() },
    onRound: (document) => documents.push(document),
  });
  while ((await server.advance()) === "moved");
  for (const client of clients) await memberOf(transport, client).advance();
  while ((await server.advance()) === "moved");
  const said = await readMember(transport, "r", "a");
  const far = { ...said!.value, update: "f".repeat(64), examples: 1e9 };
  await writeMember(transport, "r", far, said!.revision);
  await transport.writeDocument(memberSpace("r", "bb"), "member", { client: "bb", examples: -1 }, 1);
  await memberOf(transport, "ccc").advance();
  while ((await server.advance()) === "moved");
  expect(documents.at(-1)!.contributions.map(({ client }) => client)).toEqual(["ccc"]);
  expect(documents.at(-1)!.dropped).toMatchObject([
    { client: "a", why: expect.stringContaining("f".repeat(64)) },
    { client: "bb", why: expect.stringContaining('The document "member" of r_bb') },
  ]);
});

test("a member whom the run does not know, and a run of other options, are refused", async () => {
  const transport = createMemoryTransport();
  const server = createFederationServer({ transport, rounds: optionsOf(), part: serverPart() });
  await expect(memberOf(transport, "a").advance()).rejects.toThrow(/There is no run "r" yet/);
  await server.advance();
  await expect(memberOf(transport, "d").advance()).rejects.toThrow(/knows no client "d"/);
  const other = createFederationServer({ transport, rounds: optionsOf({ rounds: 4 }), part: serverPart() });
  await expect(other.advance()).rejects.toThrow(/A run "r" with other options/);
});
