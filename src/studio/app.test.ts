import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RunDetail, RunSummary, StudioInfo } from "./api.ts";
import { embeddedModel } from "./given-options.ts";
import { idOf } from "./ids.ts";
import { makeScratch, openTestStudio, type TestStudio, writeRun } from "./studio.fixture.ts";

const scratch = makeScratch("app");
const folder = join(scratch.path, "runs");
const page = join(scratch.path, "page");
const complaints = vi.fn();
let studio: TestStudio;

beforeAll(async () => {
  mkdirSync(join(page, "assets"), { recursive: true });
  writeFileSync(join(page, "index.html"), "<!doctype html><title>Studio</title>");
  writeFileSync(join(page, "assets", "main-1a2b3c.js"), "export {};");
  writeFileSync(join(scratch.path, "secret.txt"), "secret");
  studio = await openTestStudio([folder], { page, onUnexpectedError: complaints });
});
afterAll(async () => {
  await studio.close();
  scratch.remove();
  expect(complaints).not.toHaveBeenCalled();
});

test("the studio says what it is and what it may see", async () => {
  expect(await studio.get<StudioInfo>("/api/studio")).toEqual({
    version: "0.1.0",
    folders: [folder],
    embeddedModel,
    devices: ["cpu", "webgpu"],
    cores: availableParallelism(),
    memoryBytes: expect.any(Number),
    maximumUploadBytes: 1e9,
  });
});

test("the page is asked for each time, its parts once, since their names change with their content", async () => {
  const index = await studio.ask("/");
  expect(await index.text()).toContain("<title>Studio</title>");
  expect(index.headers.get("content-type")).toMatch(/^text\/html/);
  expect(index.headers.get("cache-control")).toBe("no-cache");
  const script = await studio.ask("/assets/main-1a2b3c.js");
  expect(script.headers.get("content-type")).toMatch(/^text\/javascript/);
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  const missing = await studio.ask("/assets/main-0.js");
  expect([missing.status, missing.headers.get("cache-control")]).toEqual([404, null]);
});

test.each([
  "/assets/../../secret.txt",
  "/..%2fsecret.txt",
  "/%2e%2e/secret.txt",
  "//secret.txt",
  "/..\\secret.txt",
])("nothing beside the page is given for %s", async (path) => {
  const response = await studio.ask(path);
  expect(response.status).toBe(404);
  expect(await response.text()).not.toBe("secret");
});

test("what is not there is said in a sentence, and a page that is not built", async () => {
  expect(await studio.refusal("/api/nothing")).toBe("404 There is no GET /api/nothing here.");
  expect(await studio.refusal("/api/runs", { method: "DELETE" })).toBe(
    "404 There is no DELETE /api/runs here.",
  );
  const unbuilt = await openTestStudio([folder], { page: join(scratch.path, "none") });
  const response = await unbuilt.ask("/");
  expect([response.status, await response.text()]).toEqual([
    503,
    "The studio's page is not built yet; run `npm run build` first.",
  ]);
  await unbuilt.close();
});

const attack = '<img src=x onerror="alert(1)"><script>alert(2)</script>';

test("HTML in the names of runs, models, data and notes stays text: it is JSON, and nothing else to a browser", async () => {
  const path = join(folder, '<img src=x onerror="alert(1)">');
  writeRun(path);
  writeFileSync(
    join(path, "config.yaml"),
    `model: '${attack}'\ndata: '${attack}'\nmethod: '${attack}'\nobjective: '${attack}'\n`,
  );
  writeFileSync(
    join(path, "samples.jsonl"),
    `${JSON.stringify({ step: 0, prompt: attack, answer: attack })}\n`,
  );
  const id = idOf(path);
  const expectText = async (response: Response) => {
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    return await response.json();
  };
  const runs = (await expectText(await studio.ask("/api/runs"))) as RunSummary[];
  expect(runs).toMatchObject([
    { id, name: '<img src=x onerror="alert(1)">', model: attack, data: attack, method: attack },
  ]);
  const detail = (await expectText(await studio.ask(`/api/runs/${id}`))) as RunDetail;
  expect(detail.samples).toEqual([{ step: 0, prompt: attack, answer: attack }]);
  await expectText(await studio.ask(`/api/runs/${id}/note`, { method: "PUT", body: { note: attack } }));
  await expectText(await studio.ask(`/api/files?folder=${encodeURIComponent(path)}`));
  await expectText(await studio.ask(`/api/files?folder=${encodeURIComponent(attack)}`));
  await expectText(await studio.ask(`/api/${encodeURIComponent(attack)}`));
  const elsewhere = await studio.ask(`/${encodeURIComponent(attack)}`);
  expect(elsewhere.headers.get("content-type")).toMatch(/^text\/plain/);
});
