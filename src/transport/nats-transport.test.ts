import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BrokerUser, writeBrokerFolder } from "./broker-users.ts";
import { connect, loadNats, parseUrl } from "./nats-client.ts";
import { type Broker, hasNatsServer, startBroker } from "./nats-server.fixture.ts";
import { openNatsTransport, subjectHeader } from "./nats-transport.ts";
import { hashOf, memberSpace, type Transport } from "./transport.ts";
import { describeTransport } from "./transport-contract.fixture.ts";

/** Of 20 MB, as an adapter may have. */
const adapter = Uint8Array.from({ length: 20_000_000 }, (_, i) => (i * 2654435761) >>> 13);

// Debian's package nats-server, which .ci/run installs.
describe.skipIf(!hasNatsServer)("a broker", () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await startBroker();
  });
  afterAll(() => broker.remove());
  const open = (patience: { readonly patienceMs?: number; readonly timeoutMs?: number } = {}) =>
    openNatsTransport({ url: broker.url, ...patience });

  describeTransport(() => open());

  test.concurrent("takes an adapter of 20 MB, and gives it back", async () => {
    const transport = await open();
    const other = await open();
    await transport.createSpace("large");
    const hash = await transport.putBlob("large", adapter);
    expect(hashOf(await other.getBlob("large", hash, adapter.length))).toBe(hash);
    expect(transport.traffic().byPlace.get("large")).toEqual({ sent: adapter.length, received: 0 });
    // Chunks are received as text in base 64.
    expect(other.traffic().received).toBeGreaterThan((adapter.length * 4) / 3);
    expect(other.traffic().received).toBeLessThan(1.4 * adapter.length);
    await transport.close();
    await other.close();
  });

  test.concurrent("an item whose acknowledgement was lost is given out again", async () => {
    const transport = await open();
    await transport.createQueue("lost", { leaseMs: 1000 });
    await transport.publish("lost", "a", new Uint8Array(1));
    const nats = await loadNats();
    const connection = await connect(nats, { url: broker.url });
    const consumer = await nats.jetstream.jetstream(connection).consumers.get("QUEUE_lost", "workers");
    expect((await consumer.next())!.info.deliveryCount).toBe(1);
    // The acknowledgement is never sent.
    await connection.close();
    const claim = await transport.claim("lost", { waitMs: 10_000 });
    expect(claim).toMatchObject({ id: "a", attempt: 2 });
    await claim!.done();
    expect(await transport.claim("lost", { waitMs: 1500 })).toBeUndefined();
    await transport.close();
  });

  test.concurrent("what strangers have stored is refused in a sentence", async () => {
    const transport = await open();
    await transport.createSpace("strange");
    await transport.createQueue("strange", { leaseMs: 1000 });
    const nats = await loadNats();
    const connection = await connect(nats, { url: broker.url });
    const js = nats.jetstream.jetstream(connection);
    const headers = nats.node.headers();
    headers.set(subjectHeader, "$KV.strange.a");
    const readAs = async (text: string) => {
      await js.publish("$KV.strange.a", text, { headers });
      return await transport.readDocument("strange", "a");
    };
    await expect(readAs("{")).rejects.toThrow(
      'The document "a" of strange is not valid JSON; have it written again.',
    );
    await expect(readAs("[".repeat(200) + "]".repeat(200))).rejects.toThrow("nests more than 100 levels");
    await expect(js.publish("$KV.strange.a", "x".repeat(600_000))).rejects.toThrow(
      "message size exceeds maximum",
    );
    await expect(js.publish("queue.strange.a", "x".repeat(600_000))).rejects.toThrow(
      "message size exceeds maximum",
    );
    await expect(connection.request("$KV.strange.a", "x".repeat(2_000_000))).rejects.toThrow("max_payload");

    await js.publish("queue.strange.a", "{}");
    expect(await transport.claim("strange", { waitMs: 1000 })).toBeUndefined();
    await js.publish("$KV.strange.a", "{}");
    await expect(transport.readDocument("strange", "a")).rejects.toThrow("was not written by slimtune");

    const hash = hashOf(new Uint8Array(3));
    const describeBlob = (info: object) =>
      js.publish(`$O.strange.M.${Buffer.from(hash).toString("base64url")}==`, JSON.stringify(info));
    const read = () => transport.getBlob("strange", hash, 100);
    await describeBlob({ nuid: "a.>", size: 3 });
    await expect(read()).rejects.toThrow(`The blob ${hash} of strange is described by what is none`);
    await describeBlob({ nuid: "abc", size: 1e12 });
    await expect(read()).rejects.toThrow("has 1000000000000 bytes, but at most 100 are allowed");
    await describeBlob({ nuid: "abc", size: 3 });
    await expect(read()).rejects.toThrow("its content has another hash");
    await js.publish("$O.strange.C.abc", new Uint8Array(50));
    await expect(read()).rejects.toThrow("its content has another hash");
    await describeBlob({ nuid: "abd", size: 3 });
    await js.publish("$O.strange.C.abd", new Uint8Array(3));
    expect(await read()).toEqual(Buffer.alloc(3));
    await connection.close();
    await transport.close();
  });

  test("that is killed and started again loses nothing, and those who wait go on", async () => {
    const transport = await open({ timeoutMs: 1000 });
    const other = await open({ timeoutMs: 1000 });
    await transport.createSpace("restart");
    await transport.createQueue("restart", { leaseMs: 2000 });
    const revision = await transport.writeDocument("restart", "round", 1, 0);
    await transport.publish("restart", "a", Buffer.from("a"));
    await transport.publish("restart", "b", Buffer.from("b"));
    const claim = await other.claim("restart", { waitMs: 1000 });

    const bytes = adapter.subarray(0, 5_000_000);
    const putting = transport.putBlob("restart", bytes);
    await setTimeout(100);
    await broker.kill();
    const writing = transport.writeDocument("restart", "round", 2, revision);
    const finishing = claim!.done();
    await setTimeout(500);
    await broker.start();

    const hash = await putting;
    const getting = other.getBlob("restart", hash, bytes.length);
    await setTimeout(100);
    await broker.kill();
    await broker.start();
    expect(hashOf(await getting)).toBe(hash);
    await writing;
    expect(await other.readDocument("restart", "round")).toMatchObject({ value: 2 });
    await finishing;
    const next = await other.claim("restart", { waitMs: 10_000 });
    expect(next).toMatchObject({ id: "b" });
    await next!.done();
    expect(await transport.claim("restart", { waitMs: 2500 })).toBeUndefined();
    await transport.close();
    await other.close();
  });

  test("that stays away is given up in a sentence", async () => {
    const transport = await open({ patienceMs: 1500 });
    await transport.createSpace("away");
    await broker.kill();
    try {
      await expect(transport.readDocument("away", "a")).rejects.toThrow(
        `The broker at ${broker.url} does not answer (`,
      );
      await expect(open({ patienceMs: 500 })).rejects.toThrow(
        "check the address and that it runs with JetStream.",
      );
    } finally {
      await broker.start();
    }
    await transport.close();
  });
});

describe.skipIf(!hasNatsServer)("a broker with users", () => {
  const users: BrokerUser[] = [
    { name: "server", role: { type: "server" } },
    { name: "alice", role: { type: "member", run: "run", member: "alice" } },
    { name: "bob", role: { type: "member", run: "run", member: "bob" } },
    { name: "worker", role: { type: "worker", fleet: "fleet" } },
  ];
  let broker: Broker;
  let transports: Record<"server" | "alice" | "bob" | "worker", Transport>;
  const [mine, others] = [memberSpace("run", "alice"), memberSpace("run", "bob")];

  beforeAll(async () => {
    broker = await startBroker(async (folder) => {
      makeCertificate(folder);
      await writeBrokerFolder(folder, users);
      const [, secured] = /(tls \{.*)/s.exec(readFileSync(join(folder, "broker.conf"), "utf8"))!;
      return secured!.replaceAll("server-", `${folder}/server-`);
    });
    const openAs = (name: string) => openNatsTransport(addressOf(name));
    transports = {
      server: await openAs("server"),
      alice: await openAs("alice"),
      bob: await openAs("bob"),
      worker: await openAs("worker"),
    };
    const { server } = transports;
    for (const place of ["run", mine, others, "fleet"]) {
      await server.createSpace(place);
      await server.createQueue(place, { leaseMs: 5000 });
    }
  });
  afterAll(async () => {
    for (const transport of Object.values(transports ?? {})) await transport.close();
    await broker?.remove();
  });
  const addressOf = (name: string) => ({
    url: broker.url.replace("nats:", "tls:"),
    creds: join(broker.folder, `${name}.nk`),
    ca: join(broker.folder, "server-cert.pem"),
    patienceMs: 2000,
  });

  test("lets members do their part", async () => {
    const { server, alice, worker } = transports;
    const revision = await server.writeDocument("run", "round", { number: 1 }, 0);
    expect(await alice.readDocument("run", "round")).toEqual({ value: { number: 1 }, revision });
    expect(await alice.listDocuments("run")).toEqual(["round"]);
    const model = await server.putBlob("run", new Uint8Array(200_000));
    expect((await alice.getBlob("run", model, 1e6)).length).toBe(200_000);
    await server.publish(mine, "task", Buffer.from("tune"));
    const claim = await alice.claim(mine, { waitMs: 2000 });
    await claim!.extend();
    const hash = await alice.putBlob(mine, new Uint8Array([1]));
    await alice.writeDocument(mine, "done", { hash }, 0);
    await claim!.done();
    expect(await server.getBlob(mine, hash, 10)).toEqual(Buffer.from([1]));
    await alice.deleteBlob(mine, hash);

    await server.publish("fleet", "part", Buffer.from("part"));
    await (await worker.claim("fleet", { waitMs: 2000 }))!.done();
    await worker.putBlob("fleet", new Uint8Array([2]));
  });

  test("keeps them from what is others'", async () => {
    const { server, alice, bob, worker } = transports;
    const hash = await bob.putBlob(others, new Uint8Array([3]));
    await bob.writeDocument(others, "loss", 1, 0);
    const { revision } = (await server.readDocument("run", "round"))!;
    const refused: (() => Promise<unknown>)[] = [
      () => alice.getBlob(others, hash, 10),
      () => alice.readDocument(others, "loss"),
      () => alice.listDocuments(others),
      () => alice.writeDocument(others, "loss", 0, 1),
      () => alice.putBlob(others, new Uint8Array([4])),
      () => alice.deleteBlob(others, hash),
      () => alice.claim(others, { waitMs: 1000 }),
      () => alice.writeDocument("run", "round", { number: 2 }, revision),
      () => alice.putBlob("run", new Uint8Array([5])),
      () => alice.publish("run", "task", new Uint8Array([6])),
      () => alice.publish(mine, "task-2", new Uint8Array([6])),
      () => alice.createSpace("alices"),
      () => alice.removeSpace("run"),
      () => worker.readDocument("run", "round"),
      () => worker.publish("fleet", "part-2", new Uint8Array([7])),
      () => worker.claim(mine, { waitMs: 1000 }),
    ];
    for (const attempt of refused)
      await expect(attempt(), String(attempt)).rejects.toThrow("does not allow this user to use");
    expect(await server.readDocument("run", "round")).toEqual({ value: { number: 1 }, revision });
  });

  test("keeps them from listening, and from having the broker speak for them", async () => {
    const nats = await loadNats();
    const connection = await connect(nats, addressOf("alice"));
    const violations: string[] = [];
    const listen = async () => {
      for await (const event of connection.status())
        if (event.type === "error") violations.push(event.error.message);
    };
    void listen();
    for (const subject of ["_INBOX.>", "_INBOX_*.>", "$KV.run_bob.>", "$O.>", "queue.>", ">"])
      connection.subscribe(subject, { callback() {} });
    await connection.flush();
    await setTimeout(200);
    expect(violations).toHaveLength(6);

    const create = (config: object) =>
      connection.request(
        "$JS.API.CONSUMER.CREATE.KV_run_alice",
        JSON.stringify({ stream_name: "KV_run_alice", config }),
        { timeout: 1000 },
      );
    await expect(create({ deliver_subject: "$KV.run.round" })).rejects.toThrow();

    // A broker's answers go wherever who asks names, but are not taken for what was written there.
    const { alice, bob, server } = transports;
    await alice.writeDocument(mine, "round", { number: 99 }, 0);
    const request = '{"last_by_subj":"$KV.run_alice.round"}';
    for (const reply of ["$KV.run.round", "queue.run_bob.task"])
      connection.publish("$JS.API.STREAM.MSG.GET.KV_run_alice", request, { reply });
    await connection.flush();
    await setTimeout(300);
    await expect(server.readDocument("run", "round")).rejects.toThrow(
      'The document "round" of run was not written by slimtune; remove the space, and begin anew.',
    );
    expect(await bob.claim(others, { waitMs: 1000 })).toBeUndefined();
    await connection.close();
  });

  test("tells who is not let in", async () => {
    const { creds, ca, url } = addressOf("alice");
    await expect(openNatsTransport({ url, ca })).rejects.toThrow(
      "asks for credentials; give a file of them.",
    );
    const { node } = await loadNats();
    const stranger = join(broker.folder, "stranger.nk");
    writeFileSync(stranger, node.nkeys.createUser().getSeed());
    await expect(openNatsTransport({ url, ca, creds: stranger })).rejects.toThrow(
      `does not know the user of ${stranger}`,
    );
    await expect(openNatsTransport({ url, ca, creds: ca })).rejects.toThrow(`${ca} holds no credentials`);
    await expect(openNatsTransport({ url, creds })).rejects.toThrow("cannot be secured");
    await expect(openNatsTransport({ url: broker.url, creds, ca })).rejects.toThrow("write it as tls://");
  });
});

test("addresses that are none are refused", () => {
  expect(parseUrl("tls://broker.example")).toEqual({
    hostname: "broker.example",
    host: "broker.example:4222",
    isSecured: true,
  });
  expect(() => parseUrl("broker:4222")).toThrow("broker:4222 is no address of a broker; give one such as");
  expect(() => parseUrl("http://broker")).toThrow("is no address of a broker");
  expect(() => parseUrl("nats://me:secret@broker")).toThrow("holds a name or a password");
});

function makeCertificate(folder: string): void {
  const { status, stderr } = spawnSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=broker".split(
        " ",
      ),
      ..."-addext subjectAltName=IP:127.0.0.1 -keyout server-key.pem -out server-cert.pem".split(" "),
    ],
    { cwd: folder, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
}
