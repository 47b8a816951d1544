import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { afterAll, expect, test, vi } from "vitest";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import type { Job, RunSummary } from "./api.ts";
import { embeddedModel } from "./given-options.ts";
import { makeScratch } from "./studio.fixture.ts";

// The built command (npm test builds it first) in processes that can be killed.
const scratch = makeScratch("command");
const children: ChildProcess[] = [];
/** Milliseconds that processes have on a machine that is busy. */
const patience = 60_000;
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  scratch.remove();
});

function startCommand(...words: readonly string[]) {
  const child = spawn(process.execPath, ["bin/slimtune.js", "studio", "--no-open", ...words]);
  children.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      output += data;
    });
  return { child, output: () => output, ended: once(child, "exit") };
}

interface Page {
  readonly port: string;
  readonly cookie: string;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
}

/** Opens the address that was printed, as a browser does, or an address with a cookie from before. */
async function openPage(output: () => string, known?: string): Promise<Page> {
  const address = await vi.waitFor(() => /The studio is at (\S+);/.exec(output())![1]!, patience);
  const { origin, port } = new URL(address);
  const opened = await fetch(address, { redirect: "manual" });
  const cookie = known ?? opened.headers.get("set-cookie")!.split(";")[0]!;
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { cookie, origin, "content-type": "application/json" };
    const response = await fetch(`${origin}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as never;
  };
  return {
    port,
    cookie,
    get: (path) => ask(path),
    post: (path, body) => ask(path, { method: "POST", body: JSON.stringify(body) }),
  };
}

test("a studio that is killed takes its run with it, which keeps a checkpoint; the next one goes on", async () => {
  const folder = join(scratch.path, "killed");
  mkdirSync(folder);
  const data = writeFirstExamples(folder, "math");
  const first = startCommand(folder, "--port", "0");
  const page = await openPage(first.output);
  const options = { model: embeddedModel, data, save_steps: 1000 };
  const job = await page.post<Job>("/api/jobs", {
    kind: "tune",
    name: "long",
    options: { ...options, max_steps: 400 },
  });
  await page.post("/api/jobs", { kind: "tune", name: "short", options: { ...options, max_steps: 2 } });
  const runOf = async (from: Page, name: string) =>
    (await from.get<RunSummary[]>("/api/runs")).find((run) => run.name === name);
  await vi.waitFor(async () => expect((await runOf(page, "long"))?.step).toBeGreaterThan(1), patience);
  expect((await runOf(page, "long"))!.state).toBe("running");

  first.child.kill("SIGKILL");
  await first.ended;
  await vi.waitFor(() => expect(existsSync(join(folder, "long", "lock"))).toBe(false), patience);
  expect(readdirSync(join(folder, "long", "checkpoint"))).toEqual([expect.stringMatching(/^step-0000/)]);

  // An open page goes on with the cookie that it has.
  const second = startCommand(folder, "--port", page.port);
  const again = await openPage(second.output, page.cookie);
  expect((await again.get<Job[]>("/api/jobs")).find(({ id }) => id === job.id)!.state).toBe("interrupted");
  expect((await runOf(again, "long"))!.state).toBe("interrupted");
  await vi.waitFor(async () => expect((await runOf(again, "short"))?.state).toBe("finished"), patience);
  const resumed = await again.post<Job>("/api/jobs", { kind: "resume", run: job.run });
  const { step } = (await runOf(again, "long"))!;
  await vi.waitFor(async () => expect((await runOf(again, "long"))!.step).toBeGreaterThan(step), patience);

  second.child.kill("SIGINT");
  expect(await second.ended).toEqual([0, null]);
  const record = readFileSync(join(folder, ".studio", "jobs", `${resumed.id}.json`), "utf8");
  expect(JSON.parse(record)).toMatchObject({
    state: "interrupted",
    output: expect.arrayContaining([expect.stringMatching(/^Stopped after step \d+; go on with/)]),
  });
  expect(existsSync(join(folder, ".studio", "lock"))).toBe(false);
}, 180_000);

test("500 pages that listen at once do the studio no harm, nor does a second studio over the same folder", async () => {
  const folder = join(scratch.path, "many");
  const { child, output, ended } = startCommand(folder, "--port", "0");
  const page = await openPage(output);
  const heard: string[] = [];
  const sockets = Array.from({ length: 500 }, (_, index) => {
    const socket = connect(Number(page.port), "127.0.0.1");
    socket.on("error", () => {});
    socket.on("data", (data) => {
      heard[index] = (heard[index] ?? "") + data;
    });
    socket.write(
      `GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:${page.port}\r\nCookie: ${page.cookie}\r\n\r\n`,
    );
    return socket;
  });
  const answers = (status: number) => heard.filter((text) => text.startsWith(`HTTP/1.1 ${status} `)).length;
  await vi.waitFor(() => expect(answers(429)).toBeGreaterThan(390), patience);
  expect(answers(200)).toBe(100);
  expect(await page.get("/api/runs")).toEqual([]);
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(async () => {
    const leaving = new AbortController();
    const { status } = await fetch(`http://127.0.0.1:${page.port}/api/events`, {
      headers: { cookie: page.cookie },
      signal: leaving.signal,
    });
    leaving.abort();
    expect(status).toBe(200);
  }, patience);

  const other = startCommand(folder, "--port", "0");
  expect(await other.ended).toEqual([1, null]);
  expect(other.output()).toMatch(/^slimtune: The studio in .* by process \d+; wait for it or stop it\.\n$/);
  const taken = startCommand(join(scratch.path, "other"), "--port", page.port);
  expect(await taken.ended).toEqual([1, null]);
  expect(taken.output()).toContain(`Port ${page.port} of 127.0.0.1 is taken; choose another with --port.`);
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
}, 180_000);
