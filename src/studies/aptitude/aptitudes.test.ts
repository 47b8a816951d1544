import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { scriptedWriter } from "../../reasoning/scripted-writer.fixture.ts";
import { studyFolder } from "../study-folder.ts";
import { anchorsFile } from "./anchors.ts";
import { measureAptitudes, readAptitudes } from "./aptitudes.ts";
import { aptitudeOptions } from "./options.ts";
import { type Pair, pairsFile } from "./pairs.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-aptitudes-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const queries = [0, 1, 2].map(
  (i): Pair => ({
    ...{ id: String(i), question: `What is 1 + ${i}?`, gold: String(1 + i) },
    ...{ words: `In words: ${1 + i}`, program: `\`\`\`python\nprint(1 + ${i})\n\`\`\`` },
  }),
);

/** A study's folder with queries of which the first two are anchors. */
function prepare(name: string) {
  const folder = studyFolder(join(scratch, name));
  mkdirSync(folder.data, { recursive: true });
  writeFileSync(
    pairsFile(folder),
    JSON.stringify({ problems: 3, leftOut: {}, queries, heldOut: [], warmUp: [] }),
  );
  writeFileSync(anchorsFile(folder), JSON.stringify({ anchors: [0, 1], sizes: [2, 1] }));
  return folder;
}

const config = aptitudeOptions.parse({ kind: "aptitude", model: "m", data: "d", queries: 3, anchors: 2 });
const runner = { run: async () => ({ runner: "monty", stdout: "", reason: "ok" }) as const };

test("aptitudes are the shares of anchors that are answered rightly after a query's solution, but for the query itself", async () => {
  const folder = prepare("shares");
  // In words it is right on the first anchor; by programs after the third query, and nowhere else.
  const writer = scriptedWriter(({ messages }) => {
    const [query, example, anchor] = messages.map(({ content }) => String(content));
    const inWords = example!.startsWith("In words");
    const isRight = inWords ? anchor!.includes("+ 0") : query!.includes("+ 2");
    return `#### ${isRight ? 1 + Number(/\+ (\d)/.exec(anchor!)![1]) : 99}`;
  });
  await measureAptitudes(config, folder, { model: writer, runner }, () => {});
  expect(readAptitudes(folder)).toEqual([
    { words: 0, program: 0 },
    { words: 1, program: 0 },
    { words: 0.5, program: 1 },
  ]);
  // The anchors of a query stand together, so that its solution is computed once.
  const inWords = writer.asked.slice(0, 4).map(({ messages }) => String(messages[1]!.content));
  expect(inWords).toEqual(["In words: 1", "In words: 2", "In words: 3", "In words: 3"]);
});

test("of a model that answers nothing rightly nothing is known", async () => {
  const mute = scriptedWriter(() => "I do not know.");
  await expect(measureAptitudes(config, prepare("mute"), { model: mute, runner }, () => {})).rejects.toThrow(
    "After a solved example the model answers none of 8 questions rightly, and 0 at all",
  );
});
