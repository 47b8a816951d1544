import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { scriptedWriter } from "../reasoning/scripted-writer.fixture.ts";
import type { TextRequest, Writer } from "../reasoning/writer.ts";
import type { TextScore } from "./results.ts";
import { type AssessmentOptions, runAssessment } from "./run-assessment.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-assess-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const miniature = {
  rubric: "fixtures/miniature/assessment/rubric.yaml",
  texts: "fixtures/miniature/assessment/lessons.jsonl",
};
const readRows = <T>(folder: string, name: string): T[] =>
  readFileSync(join(folder, name), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

/** What a good judge of the miniature would say: it knows the words that press and that give reasons. */
function judgeTurn(question: string): boolean {
  const last = question.split("\n\n").at(-2)!.split("\n").at(-1)!;
  return question.includes("ask why")
    ? /Why is that|How do you know\?|say so|find that|more about|think so/.test(last)
    : /because (?!it is raining|I like)|, so (?!it is)/.test(last);
}

const promptOf = ({ messages }: TextRequest) => String(messages.at(-1)!.content);
const goodJudge = (more: Partial<Writer> = {}) => ({
  ...scriptedWriter((request) => (judgeTurn(promptOf(request)) ? "Yes, it does." : "No.")),
  ...more,
});

const run = (name: string, options: Partial<AssessmentOptions> = {}) =>
  runAssessment({ model: goodJudge(), ...miniature, out: join(scratch, name), ...options });

describe("on the embedded model", () => {
  const folder = join(scratch, "embedded");
  const options: AssessmentOptions = {
    ...{ model: "fixtures/embedded-model", ...miniature, out: folder },
    ...{ formulations: ["score", "count", "turns"], context: ["60"], shots: [0, 2], repeats: 2, limit: 2 },
  };

  test("every way gives each text a level, with how probable each is, and turns as evidence", async () => {
    const { results, scores } = await runAssessment(options);
    const ways = results.ways.map(({ name, asked, runs }) => [name, asked === null, runs]);
    expect(ways).toEqual([
      ["score, pieces of 60, 0 examples", false, 1],
      ["score, pieces of 60, 2 examples", false, 2],
      ["count, pieces of 60, 0 examples", false, 1],
      ["count, pieces of 60, 2 examples", false, 2],
      ["turns, pieces of 60, 0 examples", false, 1],
      ["turns, pieces of 60, 2 examples", false, 2],
      ["majority", true, 1],
      ["length", true, 1],
      ["words", true, 1],
    ]);
    expect(scores).toHaveLength(9 * 2 * 2);
    for (const { probabilities, expected, level, runs } of scores.slice(0, 6 * 2 * 2)) {
      expect(probabilities!.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6);
      expect(expected).toBeGreaterThanOrEqual(1);
      expect(expected).toBeLessThanOrEqual(4);
      expect(runs).toContain(level);
    }
    const { dimensions } = results.ways[5]!;
    expect(dimensions[0]).toMatchObject({ dimension: "press", failed: 0, consistency: { runs: 2 } });
    expect(dimensions[0]!.turnArea!.value).toBeGreaterThanOrEqual(0);
    expect(dimensions[0]!.usage.promptTokens).toBeGreaterThan(
      results.ways[4]!.dimensions[0]!.usage.promptTokens,
    );
    expect(results).toMatchObject({ server: null, reference: "labels", reading: "likelihoods" });
    expect(results.texts).toEqual({ assessed: 2, assessedGroups: 2, training: 20, trainingGroups: 20 });
    expect(readRows<TextScore>(folder, "scores.jsonl")).toEqual(JSON.parse(JSON.stringify(scores)));
    expect(readFileSync(join(folder, "report.md"), "utf8")).toContain("no text has left it");
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain('class="turn marked"');
    expect(readRows(folder, "turns-train.jsonl").length).toBeGreaterThan(50);
    expect(readRows(folder, "turns-test.jsonl").length).toBeGreaterThan(10);
  });

  test("goes on with what is known, and finds the same", async () => {
    const path = join(folder, "answers.jsonl");
    const whole = readFileSync(path, "utf8");
    const before = readFileSync(join(folder, "scores.jsonl"), "utf8");
    const lines = whole.split("\n");
    // As if it had been killed in the middle of a line.
    writeFileSync(path, lines.slice(0, lines.length / 2).join("\n"));
    appendFileSync(path, '\n{"key":"ab');
    await runAssessment(options);
    const after = readFileSync(path, "utf8");
    expect(after.split("\n")).toHaveLength(lines.length);
    const levels = (text: string) =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line).level);
    expect(levels(readFileSync(join(folder, "scores.jsonl"), "utf8"))).toEqual(levels(before));
    await runAssessment(options);
    expect(readFileSync(path, "utf8")).toBe(after);
  });
});

test("a judge that knows the words agrees with the labels, and is read as it writes", async () => {
  const { results, scores } = await run("judge", {
    formulations: ["turns"],
    read: "written",
    temperature: 0,
  });
  for (const { agreement, failed } of results.ways[0]!.dimensions) {
    expect(agreement!.kappa!.value).toBe(1);
    expect(failed).toBe(0);
  }
  expect(results.ways[0]!.dimensions[0]).toMatchObject({
    turnArea: null,
    expectedKappa: null,
    consistency: null,
  });
  const marked = scores.find(({ evidence, level }) => evidence.length > 0 && level === 2)!;
  expect(marked.evidence).toHaveLength(1);
  expect(marked.probabilities).toBeNull();
});

test("what cannot be read is no level, never the lowest, and is counted", async () => {
  const writer = scriptedWriter(() => "Well.");
  const { results, scores } = await run("unread", {
    ...{ model: writer, formulations: ["score", "count", "turns", "examples"], read: "written" },
  });
  const own = scores.filter(({ way }) => way.includes(","));
  expect(new Set(own.map(({ level }) => level))).toEqual(new Set([null]));
  for (const { dimensions } of results.ways.slice(0, 4)) {
    expect(dimensions[0]).toMatchObject({ failed: 1, agreement: { kappa: null, exact: { value: 0 } } });
    expect(dimensions[0]!.agreement!.whyNoKappa).toBe("no text has a level");
  }
  const report = readFileSync(join(scratch, "unread", "report.md"), "utf8");
  expect(report).toContain(
    'the agreement of "score, whole, 0 examples" is not known, since no text has a level.',
  );
  expect(report).toContain("Quoted by the model, but not in the text: press: “Well.”");
});

test("quotes are checked, and marked in the report", async () => {
  const writer = scriptedWriter((request) => {
    const lines = promptOf(request).split("\n\n")[1]!.split("\n");
    return `${lines[0]}\nThis nobody has ever said here.`;
  });
  const { results } = await run("quotes", { model: writer, formulations: ["examples"], limit: 3 });
  expect(results.ways[0]!.dimensions[0]).toMatchObject({ quotes: { given: 6, standing: 3 }, failed: 0 });
  expect(readFileSync(join(scratch, "quotes", "report.md"), "utf8")).toContain("**[press, quoted]**");
});

test("runs that draw differ, and the level is the middle one", async () => {
  let number = 0;
  const writer = scriptedWriter(() => String(1 + (number++ % 3)));
  const { results, scores } = await run("runs", { model: writer, read: "written", repeats: 3, limit: 4 });
  expect(results.ways[0]).toMatchObject({ runs: 3 });
  expect(results.ways[0]!.dimensions[0]!.consistency).toMatchObject({ runs: 3, identical: 0 });
  for (const { runs, level } of scores.slice(0, 8)) {
    expect([...runs].sort()).toEqual([1, 2, 3]);
    expect(level).toBe(2);
  }
});

test("without labels and ratings there are levels, and nothing is claimed of them", async () => {
  const texts = join(scratch, "plain.jsonl");
  const lines = "Ms. Fox: How do you know?\nTom: It is cold because it is winter.\nMs. Fox: Good.";
  writeFileSync(texts, `${JSON.stringify({ id: "monday", text: lines })}\n`);
  const { results, scores } = await run("plain", { texts, formulations: ["turns"], read: "written" });
  expect(results).toMatchObject({ reference: null, ways: [{ name: "turns, whole, 0 examples" }] });
  expect(scores.map(({ dimension, level, reference }) => [dimension, level, reference])).toEqual([
    ["press", 2, null],
    ["reason", 2, null],
  ]);
  expect(readFileSync(join(scratch, "plain", "report.md"), "utf8")).toContain("nobody has rated the texts");
});

test("people's ratings take the place of labels, and several people are compared", async () => {
  const human = join(scratch, "ratings.csv");
  const rows = Array.from({ length: 8 }, (_, i) => [
    `lesson-${21 + i},1,${1 + (i % 4)}`,
    `lesson-${21 + i},2,${1 + (i % 3)}`,
  ]);
  writeFileSync(human, ["text,rater,press", ...rows.flat()].join("\n"));
  const { results, scores } = await run("rated", { human, formulations: ["turns"], read: "written" });
  expect(results.reference).toBe("ratings");
  expect(results.people.map(({ dimension, alpha }) => [dimension, alpha === null])).toEqual([
    ["press", false],
    ["reason", true],
  ]);
  const way = results.ways[0]!.dimensions;
  expect(way[0]!.agreement!.texts).toBe(8);
  expect(way[1]!.agreement).toBeNull();
  expect(
    scores.filter(({ dimension, reference }) => dimension === "press" && reference !== null),
  ).toHaveLength(8 * 4);
});

test("a server is named in all that is written, and names are not", async () => {
  const writer = goodJudge({ server: "http://10.0.0.1/v1", abilities: ["continue"] });
  const asked: string[] = [];
  const spy = {
    ...writer,
    write: (request: TextRequest, signal: AbortSignal) => {
      asked.push(promptOf(request));
      return writer.write(request, signal);
    },
  };
  const { results } = await run("served", { model: spy, anonymize: true, formulations: ["turns"], limit: 2 });
  expect(results).toMatchObject({ server: "http://10.0.0.1/v1", reading: "written", isAnonymous: true });
  expect(readFileSync(join(scratch, "served", "report.md"), "utf8")).toContain(
    "The texts went to the server at http://10.0.0.1/v1. Speakers' names were replaced.",
  );
  expect(asked.join("\n")).toContain("Teacher 1: ");
  for (const text of [asked.join("\n"), readFileSync(join(scratch, "served", "report.html"), "utf8")])
    expect(text).not.toMatch(/M[rs]\. [A-Z]/);
});

test("bad input is one sentence", async () => {
  await expect(run("a", { formulations: ["turns", "turns"] })).rejects.toThrow(
    'The way "turns, whole, 0 examples" is asked for twice; name it once.',
  );
  await expect(run("a", { context: ["few"] })).rejects.toThrow(
    'The context "few" is neither all nor a number of tokens; give one of them.',
  );
  await expect(run("a", { repeats: 0 })).rejects.toThrow("0 repeats cannot be made");
  await expect(run("a", { shots: [-1] })).rejects.toThrow("-1 examples cannot be given");
  await expect(run("a", { trainShare: 1 })).rejects.toThrow("A training share of 1 leaves nothing to assess");
  await expect(run("a", { temperature: -1 })).rejects.toThrow("A temperature of -1 is none");
  await expect(run("a", { model: goodJudge({ abilities: [] }), read: "likelihoods" })).rejects.toThrow(
    "a script does not say how likely given answers are; read what it writes, by --read written.",
  );
  await expect(run("a", { context: ["5"] })).rejects.toThrow(
    /^The text lesson-21: turn 1 has \d+ tokens, which pieces of 5 cannot hold; raise --context\.$/,
  );
  await expect(
    run("a", { model: "fixtures/embedded-model", formulations: ["examples"], shots: [4] }),
  ).rejects.toThrow(
    /^The text lesson-21 takes \d+ tokens to be asked about by "examples, whole, 4 examples", but the model's context leaves room for 312; cut it into pieces by --context, or fewer --shots\.$/,
  );
  const failing = goodJudge({
    async write() {
      const { InputError } = await import("../core/errors.ts");
      throw new InputError("The server is away.");
    },
  });
  await expect(run("a", { model: failing, read: "written" })).rejects.toThrow(
    'The text lesson-21 cannot be assessed by "score, whole, 0 examples": The server is away.',
  );
  writeFileSync(join(scratch, "file.txt"), "");
  await expect(run(".", {})).rejects.toThrow("is not empty and holds no assessment; choose another folder.");
  const bare = join(scratch, "bare.yaml");
  writeFileSync(
    bare,
    "dimensions: [{name: a, question: b, levels: [{level: 1, description: c}, {level: 2, description: d}]}]",
  );
  await expect(run("a", { rubric: bare, formulations: ["score", "count"] })).rejects.toThrow(
    "The formulation count counts, but the levels of a have no counts; give them some in the rubric, or take the formulation score alone.",
  );
});

test("levels that stand for no counts are asked for alone, and rated by people", async () => {
  const bare = join(scratch, "bare.yaml");
  writeFileSync(
    bare,
    "dimensions: [{name: a, question: Is it good?, levels: [{level: 1, description: no}, {level: 2, description: yes}]}]",
  );
  const writer = scriptedWriter((_, number) => String(1 + (number % 2)));
  const { results, scores } = await run("bare", {
    rubric: bare,
    model: writer,
    read: "written",
    context: ["60"],
  });
  expect(results.reference).toBeNull();
  expect(results.ways.map(({ dimensions }) => dimensions.length)).toEqual([1, 0, 0, 0]);
  expect(scores.every(({ level }) => level === 1 || level === 2)).toBe(true);
});
