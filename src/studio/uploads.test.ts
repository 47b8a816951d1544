import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Hono } from "hono";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { listen } from "../server/http-server.ts";
import type { FolderListing, Upload } from "./api.ts";
import { makeScratch, openTestStudio, type TestStudio, token } from "./studio.fixture.ts";

const scratch = makeScratch("uploads");
const folder = join(scratch.path, "uploads");
let studio: TestStudio;

beforeAll(async () => {
  studio = await openTestStudio([scratch.path], { maximumUpload: 2e6 });
});
afterAll(async () => {
  await studio.close();
  scratch.remove();
});

const bytes = new TextEncoder().encode("prompt,completion\na,<script>alert(1)</script>\n");
const upload = (name: string, body: unknown = bytes, headers: Record<string, string> = {}) => ({
  path: `/api/uploads?name=${encodeURIComponent(name)}`,
  asking: { method: "POST", body, headers },
});
const send = async (...given: Parameters<typeof upload>) => {
  const { path, asking } = upload(...given);
  return await studio.ask(path, asking);
};
const refusal = (...given: Parameters<typeof upload>) => {
  const { path, asking } = upload(...given);
  return studio.refusal(path, asking);
};
const files = () => (existsSync(folder) ? readdirSync(folder).sort() : []);

test("a file is written as it is, beside one of the same name", async () => {
  const first = await send("my data (1).csv");
  expect(first.status).toBe(201);
  expect(await first.json()).toEqual({ path: join(folder, "my data (1).csv"), bytes: bytes.length });
  expect(readFileSync(join(folder, "my data (1).csv")).equals(bytes)).toBe(true);
  const [second, third] = await Promise.all([send("my data (1).csv"), send("my data (1).csv")]);
  expect([(await second.json()) as Upload, (await third.json()) as Upload].map(({ path }) => path)).toEqual([
    join(folder, "my data (1)-2.csv"),
    join(folder, "my data (1)-3.csv"),
  ]);
  const { entries } = await studio.get<FolderListing>(`/api/files?folder=${encodeURIComponent(folder)}`);
  expect(entries.map(({ kind }) => kind)).toEqual(["data", "data", "data"]);
});

test.each([
  "../up.csv",
  "a/b.csv",
  "..\\up.csv",
  ".hidden.csv",
  "-rf.csv",
  "",
  "a\0.csv",
  "<img src=x onerror=alert(1)>.csv",
  `${"x".repeat(200)}.csv`,
  "config.yaml",
  "reward.mjs",
  "page.html",
  "csv",
])("no file is called %j", async (name) => {
  const before = files();
  expect(await refusal(name)).toMatch(/^400 /);
  expect(files()).toEqual(before);
});

/** A body of so many megabytes, as it is sent in parts, and how many of them were asked for. */
function endless(megabytes: number) {
  const sent = { megabytes: 0 };
  const body = new ReadableStream({
    pull(controller) {
      if (sent.megabytes === megabytes) return controller.close();
      sent.megabytes++;
      controller.enqueue(new Uint8Array(1e6));
    },
  });
  return { body, sent };
}

const tooLarge =
  "413 The file has more than 2 MB, the most that is taken here; move it into a folder of the studio's by other means.";

test("a file of 5 GB is refused by what it says of itself, before any of it is read", async () => {
  const { body, sent } = endless(5000);
  expect(await refusal("large.csv", body, { "content-length": "5000000000" })).toBe(tooLarge);
  expect(sent.megabytes).toBeLessThanOrEqual(1);
});

test("one that says nothing, or too little, is refused when it has become too large, and leaves nothing", async () => {
  const before = files();
  for (const headers of [{}, { "transfer-encoding": "chunked" }, { "content-length": "10" }]) {
    const { body, sent } = endless(5000);
    expect(await refusal("large.csv", body, headers)).toBe(tooLarge);
    expect(sent.megabytes).toBeLessThan(10);
  }
  expect(files()).toEqual(before);
});

test("a file whose sending breaks off leaves nothing", async () => {
  const before = files();
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(1000));
      controller.error(new Error("gone"));
    },
  });
  expect(await refusal("broken.csv", body)).toBe("400 The upload broke off; try again.");
  expect(files()).toEqual(before);
});

test("over a socket, too, 5 GB are refused before they are sent, and the studio goes on", async () => {
  const server = await listen(studio.app as unknown as Hono, "127.0.0.1", 0);
  const { host, port } = new URL(server.url);
  const open = async (length: string) => {
    const socket = connect(Number(port), "127.0.0.1");
    const heard = { answer: "", isClosed: false };
    socket.on("data", (data) => {
      heard.answer += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      heard.isClosed = true;
    });
    socket.write(
      `POST /api/uploads?name=large.csv HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${server.url}\r\nCookie: slimtune-${port}=${token}\r\n${length}\r\n\r\n`,
    );
    return { socket, heard };
  };
  try {
    const before = files();
    const announced = await open("Content-Length: 5000000000");
    await vi.waitFor(() => expect(announced.heard.isClosed).toBe(true));
    expect(announced.heard.answer).toMatch(/^HTTP\/1.1 413 .*more than 2 MB/s);

    const { socket, heard } = await open("Transfer-Encoding: chunked");
    let sent = 0;
    for (const part = Buffer.alloc(65536, "x"); !heard.isClosed && sent < 5e9; sent += part.length) {
      socket.write("10000\r\n");
      socket.write(part);
      if (!socket.write("\r\n"))
        await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
      await setImmediate();
    }
    // Whoever sends on does not always see the answer, but cannot go on.
    expect(sent).toBeLessThan(100e6);
    expect(files()).toEqual(before);
    const response = await fetch(`${server.url}/api/jobs`, {
      headers: { cookie: `slimtune-${port}=${token}` },
    });
    expect(await response.json()).toEqual([]);
  } finally {
    await server.close(Promise.resolve());
  }
});
