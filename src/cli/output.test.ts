import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, expect, test } from "vitest";
import { showControls } from "../core/control-characters.ts";
import { createConversation } from "../core/decoding/conversation.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { createFakeGenerator } from "../server/fake-generator.fixture.ts";
import { captureOutput, err, out } from "./captured-output.fixture.ts";
import { chat } from "./chat.ts";
import { main } from "./main.ts";
import { asWritten, createStatusLine, print } from "./output.ts";

captureOutput();
const scratch = mkdtempSync(join(tmpdir(), "slimtune-output-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Renames the window, clears it, colours, overwrites, and turns the direction of what follows. */
const hostile = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\rover\x9b1A\u202e";
const obeyed = /(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u;
const model = "fixtures/embedded-model";
const run = (...words: string[]) => main(["node", "slimtune", ...words]);

function pretendTerminal(isTTY: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    Object.defineProperty(stream, "isTTY", { value: isTTY, configurable: true });
  }
}
const { isTTY } = process.stdout;
afterEach(() => pretendTerminal(isTTY));

test.each([
  ["a model", ["generate", "a", "--model", hostile]],
  ["a file of data", ["inspect", "--model", model, "--data", `${hostile}.jsonl`]],
  ["an option's value", ["inspect", "--model", model, "--data", "x", "--overlong", hostile]],
  ["a command", [hostile]],
  ["a task", ["evaluate", "--model", model, "--tasks", hostile]],
  ["a folder of results", ["compare", hostile, hostile]],
])("an error shows what is in the name of %s", async (_what, words) => {
  pretendTerminal(true);
  expect(await run(...words)).toBe(1);
  expect(err).toContain("\\u001b]0;owned\\u0007");
  expect(err).not.toMatch(obeyed);
});

test.each([false, true])("inspect shows what stands in data (on a terminal: %s)", async (terminal) => {
  const data = join(scratch, "hostile.jsonl");
  writeFileSync(data, `${JSON.stringify({ prompt: `a ${hostile}`, completion: hostile })}\n`);
  pretendTerminal(terminal);
  expect(await run("inspect", "--model", model, "--data", data)).toBe(0);
  expect(out.split("\\u001b]0;owned\\u0007")).toHaveLength(3);
  const ours = ["2", "22", "32", "39"].map((code) => `\x1b[${code}m`);
  expect(ours.every((code) => out.includes(code))).toBe(terminal);
  expect(ours.reduce((text, code) => text.replaceAll(code, ""), out)).not.toMatch(obeyed);
});

test("what a model writes goes to programs as it is, and is shown on a terminal", async () => {
  expect(asWritten({ isTTY: false }, hostile)).toBe(hostile);
  expect(asWritten({ isTTY: true }, hostile)).not.toMatch(obeyed);

  const checkpoint = await openCheckpoint(model);
  const { config } = checkpoint;
  const tokenizer = await checkpoint.tokenizer();
  checkpoint.close();
  for (const isTTY of [false, true]) {
    const [input, notices] = [new PassThrough(), new PassThrough()];
    const output = Object.assign(new PassThrough(), { isTTY });
    const conversation = createConversation(
      createFakeGenerator(tokenizer),
      { tokenizer, config },
      { maxNewTokens: 500 },
    );
    const ended = chat(conversation, { input, output, notices, terminal: false });
    input.end(`/${hostile}\nsay \x1b]0;owned\x07\n`);
    await ended;
    const said = String(output.read());
    expect(said.includes(isTTY ? "\\u001b]0;owned\\u0007" : "\x1b]0;owned\x07")).toBe(true);
    expect(obeyed.test(said)).toBe(!isTTY);
    expect(String(notices.read())).not.toMatch(obeyed);
  }
});

test("tables and the status line are shown; colours are kept where the text has its own", () => {
  pretendTerminal(true);
  print(`\x1b[32mgood\x1b[39m ${showControls(hostile)}\n`, { coloured: true });
  expect(out).toBe(`\x1b[32mgood\x1b[39m ${showControls(hostile)}\n`);
  const printed = out.length;
  print(hostile);
  expect(out.slice(printed)).toBe(showControls(hostile));

  const before = err.length;
  createStatusLine().update(hostile);
  expect(err.slice(before).startsWith("\r\x1b[K\\u001b]0;owned")).toBe(true);
});

test("no command writes to the terminal by another way", () => {
  const commands = readdirSync("src/cli", { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts") && !/^output|\.(test|fixture|real)\.ts$/.test(name),
  );
  const others = commands.filter((name) =>
    /\b(stdout|stderr)\.write\(|console\./.test(readFileSync(join("src/cli", name), "utf8")),
  );
  expect(others).toEqual([]);
});
