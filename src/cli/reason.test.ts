import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-reason-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const words = [
  ...["reason", "--model", "fixtures/embedded-model", "--task-file", "fixtures/miniature/benchmarks"],
  ...["--tasks", "miniature_math", "--limit", "3", "--max-tokens", "16", "--instruction", ""],
];
const run = (...more: string[]) => main(["node", "slimtune", ...words, ...more]);

test("the embedded model solves its word problems, and the command goes on with what is known", async () => {
  const folder = join(scratch, "run");
  const strategies = ["--strategies", "cot,cut:6,sc:2", "--out", folder];
  expect(await run(...strategies)).toBe(0);
  expect(err).toContain("miniature_math: 3 problems");
  expect(out).toMatch(/^[ *] cut:6 +\d+\.\d % +6 /m);
  expect(out).toContain(`The report is in ${join(folder, "report.html")}`);
  expect(readFileSync(join(folder, "report.md"), "utf8")).toContain("## Strategies on miniature\\_math");
  const texts = readFileSync(join(folder, "texts.jsonl"), "utf8");
  expect(texts.split("\n")).toHaveLength(3 * 4 + 1);
  clearOut();
  expect(await run(...strategies, "--json")).toBe(0);
  const { curves, tasks } = JSON.parse(out);
  expect(tasks).toEqual([{ name: "miniature_math", problems: 3 }]);
  expect(curves[0].points.map(({ strategy }: { strategy: string }) => strategy)).toEqual([
    "cot",
    "cut:6",
    "sc:2",
  ]);
  expect(curves[0].points[2].usage.calls).toBe(2);
  expect(readFileSync(join(folder, "texts.jsonl"), "utf8")).toBe(texts);
});

test.each([
  ["<html>no</html>", "text/html"],
  ['{"result":"ok"}', "application/json"],
  ['{"choices":[]}', "application/json"],
])("a server that answers %s is told in one sentence", async (body, type) => {
  const server = createServer((_request, response) =>
    response.writeHead(200, { "content-type": type }).end(body),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  clearOut();
  expect(await run("--model", `openai:${address}#m`, "--out", join(scratch, type))).toBe(1);
  server.close().closeAllConnections();
  expect(out).toBe("");
  expect(err.split("\n").filter((line) => line.startsWith("slimtune: "))).toEqual([
    expect.stringMatching(
      `^slimtune: The server at ${address} answers with something else than OpenAI's does.*; correct its address, or ask another one\\.$`,
    ),
  ]);
  expect(err).not.toContain("--verbose");
});

test("what cannot be asked for is told in a sentence", async () => {
  const to = ["--out", join(scratch, "none")];
  expect(await run("--strategies", "cot,budget:3", ...to)).toBe(1);
  expect(err).toMatch(/^slimtune: The strategy budget:3: a budget of 3 tokens is no more than /m);
  expect(await run("--strategies", "sc", ...to)).toBe(1);
  expect(err).toContain("the number of samples is missing; it is asked for as sc:N.");
});
