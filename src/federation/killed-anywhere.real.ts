import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { type BrokerUser, writeBrokerFolder } from "../transport/broker-users.ts";
import { type Broker, hasNatsServer, startBroker } from "../transport/nats-server.fixture.ts";
import { openNatsTransport } from "../transport/nats-transport.ts";
import { canMakeNetworks, createNetwork, type Network } from "../transport/network.fixture.ts";
import { type RoundDocument, readRound } from "./rounds/documents.ts";

// The built command (npm test builds it first), Debian's nats-server and iproute2, as root.
const slimtune = resolve("bin/slimtune.js");
const model = resolve("fixtures/embedded-model");
const kills = Number(process.env.SLIMTUNE_KILLS ?? 100);
const rounds = 8;
const clients = ["north", "south", "east"];
const folder = mkdtempSync(join(tmpdir(), "slimtune-faults-"));
const living = new Set<ChildProcess>();

describe.skipIf(!hasNatsServer || !canMakeNetworks())("processes at the ends of poor links", () => {
  let network: Network;
  let broker: Broker;
  beforeAll(async () => {
    network = createNetwork([...clients, "liar"]);
    const users: BrokerUser[] = [
      { name: "server", role: { type: "server" } },
      ...runNames().flatMap((run) =>
        [...clients, "liar"].map((member): BrokerUser => {
          return { name: `${run}_${member}`, role: { type: "member", run, member } };
        }),
      ),
    ];
    broker = await startBroker(async (at) => {
      await writeBrokerFolder(at, users);
      const configuration = readFileSync(join(at, "broker.conf"), "utf8");
      // Without certificates.
      return configuration.slice(configuration.indexOf("authorization"));
    }, network.host);
    const rows = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
    for (const [i, client] of clients.entries())
      writeFileSync(dataOf(client), `${rows.slice(20 * i, 20 * i + 20).join("\n")}\n`);
  });
  afterAll(async () => {
    for (const child of living) child.kill("SIGKILL");
    await broker?.remove();
    network?.remove();
    rmSync(folder, { recursive: true });
  });

  const dataOf = (client: string) => join(folder, `${client}.jsonl`);
  /** Names of runs: each is begun anew if the kills before it were too few. */
  function runNames(): string[] {
    return ["calm", "lied-to", ...Array.from({ length: 30 }, (_, i) => `killed-${i}`)];
  }
  const adapterOf = (run: string) =>
    readFileSync(join(folder, run, "server", "adapter", "adapter_model.safetensors"));

  /** What the run's processes are started by. */
  function commandsOf(run: string, members: readonly string[], quorum: number) {
    const config = join(folder, `${run}.yaml`);
    const tuning = { max_steps: 3, batch_size: 2, lora: { r: 4 } };
    writeFileSync(config, JSON.stringify({ run, clients: members, model, rounds, quorum, tuning }));
    const reach = (user: string) => ["--nats", broker.url, "--creds", join(broker.folder, `${user}.nk`)];
    const server = ["federate", "server", "--config", config, ...reach("server")];
    return {
      server: [process.execPath, slimtune, ...server, "--out", join(folder, run, "server")],
      join(client: string) {
        const words = ["federate", "join", "--run", run, "--client", client, "--model", model];
        const own = ["--data", dataOf(client), "--threads", "1", "--out", join(folder, run, client)];
        const command = [process.execPath, slimtune, ...words, ...own, ...reach(`${run}_${client}`)];
        return [...network.at(client), ...command];
      },
    };
  }

  /** Keeps a process going until it ends by itself, however often it is killed. */
  function keepAlive([program, ...words]: readonly string[]) {
    let child: ChildProcess;
    const ended = (async () => {
      for (;;) {
        child = spawn(program!, words, { stdio: ["ignore", "ignore", "pipe"] });
        living.add(child);
        let said = "";
        child.stderr!.on("data", (text) => {
          said += text;
        });
        const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
          child.once("close", (...how) => resolve(how)),
        );
        living.delete(child);
        if (code === 0) return;
        if (signal !== "SIGKILL") throw new Error(`${words.join(" ")} ended with ${code ?? signal}: ${said}`);
      }
    })();
    return { ended, kill: () => child.kill("SIGKILL") };
  }

  async function readRounds(run: string): Promise<RoundDocument[]> {
    const creds = join(broker.folder, "server.nk");
    const transport = await openNatsTransport({ url: broker.url, creds });
    try {
      const found = [];
      for (let round = 1; round <= rounds; round++)
        found.push((await readRound(transport, run, round))!.value);
      return found;
    } finally {
      await transport.close();
    }
  }

  test(`${kills} kills of clients, server and broker lose no round and change no bit`, async () => {
    const start = (run: string) => {
      const commands = commandsOf(run, clients, 1);
      const ofClients = clients.map((client) => keepAlive(commands.join(client)));
      const server = keepAlive(commands.server);
      const all = [server, ...ofClients];
      return { server, ofClients, ended: Promise.all(all.map((each) => each.ended)) };
    };
    await start("calm").ended;
    const expected = adapterOf("calm");

    const random = createRandom(kills);
    const counts = { client: 0, server: 0, broker: 0, link: 0 };
    const killed = () => counts.client + counts.server + counts.broker;
    const began = performance.now();
    let runs = 0;
    for (; killed() < kills; runs++) {
      const run = `killed-${runs}`;
      const { server, ofClients, ended } = start(run);
      let isDone = false;
      const watched = ended.finally(() => {
        isDone = true;
      });
      watched.catch(() => {});
      while (!isDone && killed() < kills) {
        await setTimeout(500 + random.below(3000));
        if (isDone) break;
        const victim = random.below(6);
        if (victim < 3) {
          ofClients[victim]!.kill();
          counts.client++;
        } else if (victim === 3) {
          server.kill();
          counts.server++;
        } else if (victim === 4) {
          await broker.kill();
          await setTimeout(random.below(1000));
          await broker.start();
          counts.broker++;
        } else {
          const client = clients[random.below(3)]!;
          network.setLink(client, "down");
          await setTimeout(500 + random.below(2500));
          network.setLink(client, "up");
          counts.link++;
        }
      }
      await watched;
      expect(adapterOf(run).equals(expected), run).toBe(true);
      for (const { state, contributions, dropped } of await readRounds(run)) {
        expect(state).toBe("done");
        expect(contributions.map(({ client }) => client)).toEqual(clients.toSorted());
        expect(dropped).toEqual([]);
      }
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.info(
      `${killed()} kills in ${seconds} s (${counts.client} of clients, ${counts.server} of the server, ${counts.broker} of the broker), ${counts.link} times a link out; links: ${network.links}. ${runs} runs of ${rounds} rounds with 3 clients: ${runs * rounds} rounds done, 0 lost, each adapter equal to the undisturbed run's to the bit.`,
    );
  });

  test("a client that lies is dropped in each round, by its name and with the reason", async () => {
    const run = "lied-to";
    const members = ["liar", "north", "south"];
    const commands = commandsOf(run, members, 0.6);
    const creds = join(broker.folder, `${run}_liar.nk`);
    const lie = [process.execPath, "--input-type=module", "-e", describeLiar(run, broker.url, creds)];
    const server = keepAlive(commands.server);
    const honest = ["north", "south"].map((client) => keepAlive(commands.join(client)));
    const liar = keepAlive([...network.at("liar"), ...lie]);
    await Promise.all([server, liar, ...honest].map(({ ended }) => ended));
    const reasons = [
      /client "liar" has the shape \[.*\] with .* values, and the global adapter's is/,
      /client "liar" holds NaN at place 0/,
      /holds Infinity at place 0/,
      /has changed by a norm of .*, more than the 1000 that are allowed/,
      /lacks the tensor/,
      /has the tensor "\.\.\/\.\.\/etc\/passwd", which the global adapter lacks/,
      /the update of client "liar" announces a header of .* bytes/,
      /has 20000000 bytes, but at most/,
    ];
    const found = await readRounds(run);
    for (const [i, { state, contributions, dropped }] of found.entries()) {
      expect(state).toBe("done");
      expect(contributions.map(({ client }) => client)).toEqual(["north", "south"]);
      expect(dropped).toEqual([{ client: "liar", why: expect.stringMatching(reasons[i]!) }]);
    }
    console.info(
      found.map(({ round, dropped: [out] }) => `round ${round}: ${out!.client}: ${out!.why}`).join("\n"),
    );
  });
});

/** A member that sends another kind of bad update in each round. */
function describeLiar(run: string, url: string, creds: string): string {
  const load = (path: string) => JSON.stringify(pathToFileURL(resolve("dist", path)).href);
  return `
    import { setTimeout } from "node:timers/promises";
    import { readRun } from ${load("federation/rounds/documents.js")};
    import { createFederationMember } from ${load("federation/rounds/member.js")};
    import { decodeTensors, encodeTrained } from ${load("federation/tensors.js")};
    import { openNatsTransport } from ${load("transport/nats-transport.js")};
    const transport = await openNatsTransport(${JSON.stringify({ url, creds })});
    const lies = [
      (name, tensor) => [[name, { dims: [tensor.data.length], data: tensor.data }]],
      (name, tensor) => [[name, { ...tensor, data: tensor.data.map(() => NaN) }]],
      (name, tensor) => [[name, { ...tensor, data: tensor.data.map(() => Infinity) }]],
      (name, tensor) => [[name, { ...tensor, data: tensor.data.map(() => 1e6) }]],
      () => [],
      (name, tensor) => [[name, tensor], ["../../etc/passwd", tensor]],
    ];
    const part = {
      ...{ examples: 1000000, longestBeginning: 2 ** 31, forget() {} },
      async update({ round }, begins) {
        if (round === 7) return { update: Buffer.from("no tensors at all"), figures: {} };
        if (round === 8) return { update: new Uint8Array(20e6), figures: {} };
        const [[name, tensor], ...others] = await decodeTensors(begins, "the beginning");
        return { update: await encodeTrained(new Map([...lies[round - 1](name, tensor), ...others])), figures: {} };
      },
    };
    const member = createFederationMember({ transport, run: ${JSON.stringify(run)}, client: "liar", part });
    while (!(await readRun(transport, ${JSON.stringify(run)}))) await setTimeout(200);
    while ((await member.advance()) !== "done") await setTimeout(200);
    await transport.close();`;
}
