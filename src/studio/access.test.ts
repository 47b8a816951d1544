import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeScratch, openTestStudio, type TestStudio, token, writeRun } from "./studio.fixture.ts";

const scratch = makeScratch("access");
let studio: TestStudio;

beforeAll(async () => {
  writeRun(join(scratch.path, "math"));
  studio = await openTestStudio([scratch.path]);
});
afterAll(async () => {
  await studio.close();
  scratch.remove();
});

const changing = [
  ["POST", "/api/jobs"],
  ["POST", "/api/command"],
  ["POST", "/api/jobs/0123456789abcdef/stop"],
  ["DELETE", "/api/jobs/0123456789abcdef"],
  ["POST", "/api/uploads?name=a.csv"],
  ["PUT", "/api/runs/0123456789abcdef/note"],
  ["DELETE", "/api/runs/0123456789abcdef"],
] as const;
const reading = ["/api/studio", "/api/runs", "/api/jobs", "/api/files", "/api/events", "/"];

const refusedPages = [
  ["of another site", { origin: "https://evil.example" }],
  ["of another program on this machine", { origin: "http://127.0.0.1:3000" }],
  ["of this address by another name", { origin: "http://localhost:8010" }],
  ["of an encrypted address", { origin: "https://127.0.0.1:8010" }],
  ["in a sandbox", { origin: "null" }],
  ["that a browser says is another's", { "sec-fetch-site": "same-site" }],
] as const;

test.each(refusedPages)("a page %s can neither read nor change anything", async (_, headers) => {
  for (const [method, path] of changing)
    expect(await studio.refusal(path, { method, headers }), path).toBe(
      "403 Only the studio's own page may call it.",
    );
  for (const path of reading) expect((await studio.ask(path, { headers })).status, path).toBe(403);
});

test("what changes something says where it comes from", async () => {
  for (const [method, path] of changing)
    expect((await studio.ask(path, { method, headers: { origin: undefined } })).status, path).toBe(403);
});

test.each([
  "evil.example",
  "evil.example:8010",
  "127.0.0.1.evil.example:8010",
  "0.0.0.0:8010",
  "",
  undefined,
])("a request to the host %j is refused, even by a page of that name", async (host) => {
  const headers = { host, origin: `http://${host}` };
  for (const [method, path] of changing)
    expect((await studio.ask(path, { method, headers })).status, path).toBe(403);
  for (const path of reading) expect((await studio.ask(path, { headers: { host } })).status, path).toBe(403);
  expect((await studio.ask(`/?token=${token}`, { headers: { host } })).status).toBe(403);
});

test.each([
  ["no cookie", undefined],
  ["another token", `slimtune-8010=${"u".repeat(43)}`],
  ["a part of the token", `slimtune-8010=${token.slice(1)}`],
  ["the cookie of another port", `slimtune-8011=${token}`],
])("with %s nothing is read or changed", async (_, cookie) => {
  for (const [method, path] of changing)
    expect(await studio.refusal(path, { method, headers: { cookie } }), path).toMatch(
      /^401 The token of this studio is missing or wrong; open the address/,
    );
  for (const path of reading)
    expect((await studio.ask(path, { headers: { cookie } })).status, path).toBe(401);
});

test("the token in the opened address becomes a cookie that scripts and other sites do not see", async () => {
  const opened = await studio.ask(`/?token=${token}`, { headers: { cookie: undefined } });
  expect(opened.status).toBe(302);
  expect(opened.headers.get("location")).toBe("/");
  expect(opened.headers.get("set-cookie")).toBe(`slimtune-8010=${token}; Path=/; HttpOnly; SameSite=Strict`);
  const wrong = await studio.ask("/?token=guess", { headers: { cookie: undefined } });
  expect(wrong.status).toBe(401);
  expect(wrong.headers.get("set-cookie")).toBeNull();
  const elsewhere = await studio.ask(`/api/runs?token=${token}`, { headers: { cookie: undefined } });
  expect(elsewhere.status).toBe(401);
});

test.each(["/", "/api/runs", "/api/nothing", "/nothing"])(
  "the answer to %s lets no inline script run and is not framed by others",
  async (path) => {
    const { headers } = await studio.ask(path);
    const policy = headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).toContain("frame-ancestors 'self'");
    expect(policy).not.toMatch(/unsafe|\*|http:/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(headers.get("strict-transport-security")).toBeNull();
    if (path.startsWith("/api/")) expect(headers.get("cache-control")).toBe("no-store");
  },
);

test("what forms can send is no request of the page", async () => {
  const text = { "content-type": "text/plain" };
  const body = new TextEncoder().encode('{"kind":"tune","name":"a","options":{}}');
  expect(await studio.refusal("/api/jobs", { method: "POST", body, headers: text })).toMatch(/^400 /);
  const json = { "content-type": "application/json" };
  const broken = new TextEncoder().encode('{"kind":');
  expect(await studio.refusal("/api/jobs", { method: "POST", body: broken, headers: json })).toMatch(/^400 /);
  const large = new Uint8Array(3 * 2 ** 20);
  expect(await studio.refusal("/api/jobs", { method: "POST", body: large, headers: json })).toBe(
    "413 The request has more than 2097152 bytes.",
  );
});
