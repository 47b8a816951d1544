import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../core/random.ts";
import { type BrokerUser, writeBrokerFolder } from "../../transport/broker-users.ts";
import { type Broker, hasNatsServer, startBroker } from "../../transport/nats-server.fixture.ts";
import { openNatsTransport } from "../../transport/nats-transport.ts";
import { memberSpace } from "../../transport/transport.ts";
import { roundOptions } from "./documents.ts";
import { createFederationMember } from "./member.ts";
import { createFederationServer } from "./server.ts";
import { memberPart, serverPart, text } from "./words.fixture.ts";

const clients = ["a", "bb", "ccc"];
/** Slow enough for something to happen meanwhile. */
const slowPart = (client: string) => {
  const part = memberPart(client);
  return memberPart(client, {
    async update(attempt, begins, signal) {
      await setTimeout(400);
      return part.update(attempt, begins, signal);
    },
  });
};
const rounds = roundOptions.parse({ run: "r", clients, rounds: 4 });

// Debian's package nats-server, which .ci/run installs.
describe.skipIf(!hasNatsServer)("behind a broker with users", () => {
  let broker: Broker;
  beforeAll(async () => {
    const users: BrokerUser[] = [
      { name: "server", role: { type: "server" } },
      ...clients.map((member): BrokerUser => ({ name: member, role: { type: "member", run: "r", member } })),
    ];
    broker = await startBroker(async (folder) => {
      await writeBrokerFolder(folder, users);
      const configuration = readFileSync(join(folder, "broker.conf"), "utf8");
      // Without certificates.
      return configuration.slice(configuration.indexOf("authorization"));
    });
  });
  afterAll(() => broker.remove());
  const open = (user: string) =>
    openNatsTransport({ url: broker.url, creds: join(broker.folder, `${user}.nk`), timeoutMs: 1000 });

  test("rounds end the same while the broker, the server and clients are ended at random", async () => {
    const random = createRandom(1);
    let kills = 0;
    /** One that acts until the run is done, with connections that are cut off in the midst. */
    const live = async (
      user: string,
      begin: (transport: Awaited<ReturnType<typeof open>>) => () => Promise<string>,
    ) => {
      for (;;) {
        const transport = await open(user);
        const advance = begin(transport);
        const end = performance.now() + 200 + random.below(800);
        try {
          for (;;) {
            const state = await advance().catch((error: Error) => {
              if (/There is no run/.test(error.message)) return "waits";
              throw error;
            });
            if (state === "done") return;
            if (state === "waits") await setTimeout(10);
            if (performance.now() > end) break;
          }
        } finally {
          await transport.close();
        }
        kills++;
      }
    };
    const breakBroker = async (isDone: () => boolean) => {
      for (let times = 0; times < 3 && !isDone(); times++) {
        await setTimeout(1000 + random.below(1000));
        await broker.kill();
        kills++;
        await broker.start();
      }
    };
    let isDone = false;
    const breaking = breakBroker(() => isDone);
    await Promise.all([
      live("server", (transport) => {
        const server = createFederationServer({ transport, rounds, part: serverPart() });
        return () => server.advance();
      }),
      ...clients.map((client) =>
        live(client, (transport) => {
          const member = createFederationMember({ transport, run: "r", client, part: slowPart(client) });
          return () => member.advance();
        }),
      ),
    ]);
    isDone = true;
    await breaking;
    const transport = await open("server");
    const server = createFederationServer({ transport, rounds, part: serverPart() });
    expect(text(await server.result())).toBe(
      ".(a11bb11ccc11)(a215bb215ccc215)(a332bb332ccc332)(a449bb449ccc449)",
    );
    await transport.close();
    expect(kills).toBeGreaterThan(3);
  });

  test("a client can neither read another's update nor move the round", async () => {
    const transport = await open("a");
    await expect(transport.readDocument(memberSpace("r", "bb"), "member")).rejects.toThrow();
    expect(await transport.readDocument(memberSpace("r", "a"), "member")).toBeDefined();
    const run = await transport.readDocument("r", "run");
    await expect(transport.writeDocument("r", "run", run!.value, run!.revision)).rejects.toThrow();
    await transport.close();
  });
});
