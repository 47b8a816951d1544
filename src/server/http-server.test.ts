import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openFolderTokenizer } from "../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import { createApp } from "./app.ts";
import { createFakeGenerator, type FakeGenerator } from "./fake-generator.fixture.ts";
import { type HttpServer, listen } from "./http-server.ts";
import { prepareRequest } from "./prepare-request.ts";
import { createRunningRequests } from "./running-requests.ts";
import { createServedModel } from "./served-model.ts";

const tokenizer = await openFolderTokenizer(openSourceFolder("fixtures/embedded-model"));
const names = { id: "small", adapters: [] };
const served = createServedModel({ ...names, tokenizer, contextLength: 512, maxTexts: 100 });

let generator: FakeGenerator;
let http: HttpServer;
/** Everything that the server says of faults of its own, by whatever way. */
const complaints = vi.fn();

beforeEach(async () => {
  complaints.mockClear();
  vi.spyOn(console, "error").mockImplementation(complaints);
  vi.spyOn(console, "info").mockImplementation(complaints);
  process.on("unhandledRejection", complaints);
  generator = createFakeGenerator(tokenizer);
  const app = createApp({
    names,
    generator,
    prepare: async (endpoint, body) => prepareRequest(served, endpoint, body),
    running: createRunningRequests(100),
    loopback: true,
    onUnexpectedError: complaints,
  });
  http = await listen(app, "127.0.0.1", 0, { headers: 300, request: 900 });
});
afterEach(async () => {
  await http.close(Promise.resolve());
  process.off("unhandledRejection", complaints);
  expect(complaints).not.toHaveBeenCalled();
});

async function open(): Promise<{ socket: Socket; heard(): string; closed: Promise<unknown> }> {
  const socket = connect(Number(new URL(http.url).port), "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("error", () => {});
  const closed = once(socket, "close");
  await once(socket, "connect");
  return { socket, heard: () => text, closed };
}

const body = JSON.stringify({ model: "small", prompt: "the quick fox adds 12 and 30", max_tokens: 500 });
const head = (length: number) =>
  `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
const isHealthy = async () => (await fetch(`${http.url}/health`)).status === 200;

test("a client that leaves while it sends its body, or resets the connection, is no fault", async () => {
  for (const leave of ["destroy", "resetAndDestroy", "end"] as const) {
    const { socket, closed } = await open();
    socket.write(head(1000) + body.slice(0, 20));
    await setTimeout(50);
    socket[leave]();
    await closed;
  }
  await setTimeout(100);
  expect(await isHealthy()).toBe(true);
});

test("a client that leaves while its answer is written, whole or in pieces, ends it", async () => {
  generator.pause = 5;
  for (const stream of [true, false]) {
    const { socket } = await open();
    const sent = JSON.stringify({ ...JSON.parse(body), n: 3, stream });
    socket.write(head(sent.length) + sent);
    await vi.waitFor(() => expect(generator.running).toBe(3));
    socket.resetAndDestroy();
    await vi.waitFor(() => expect(generator.running).toBe(0));
  }
  expect(generator.aborted).toBe(6);
});

test("requests that are sent one behind the other are answered in order, and ended if the client leaves", async () => {
  const health = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const { socket, heard } = await open();
  socket.write(head(body.length) + body + health);
  await vi.waitFor(() => expect(heard()).toMatch(/text_completion[\s\S]*"status":"ok"/));
  generator.pause = 20;
  socket.write((head(body.length) + body).repeat(3));
  await vi.waitFor(() => expect(generator.running).toBeGreaterThan(0));
  socket.resetAndDestroy();
  await vi.waitFor(() => expect(generator.running).toBe(0));
});

test("a connection on which headers or a body come too slowly is closed, others go on", async () => {
  const [silent, headers, slowBody] = [await open(), await open(), await open()];
  headers.socket.write("POST /v1/completions HTTP/1.1\r\nHost: loc");
  slowBody.socket.write(head(1000));
  const drip = setInterval(() => slowBody.socket.write(" "), 100);
  await Promise.all([silent.closed, headers.closed, slowBody.closed]);
  clearInterval(drip);
  expect(headers.heard()).toMatch(/^HTTP\/1.1 408/);
  expect(await isHealthy()).toBe(true);
});

test("what is no HTTP is refused", async () => {
  const { socket, heard, closed } = await open();
  socket.write("\x00\x01\x02 no request\r\n\r\n");
  await closed;
  expect(heard()).toMatch(/^HTTP\/1.1 400/);
});
