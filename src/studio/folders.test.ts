import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { FolderListing, Job } from "./api.ts";
import { embeddedModel } from "./given-options.ts";
import { makeScratch, openTestStudio, type TestStudio, writeRun } from "./studio.fixture.ts";

const scratch = makeScratch("folders");
const inside = join(scratch.path, "runs");
const models = join(scratch.path, "models");
const outside = join(scratch.path, "outside");
let studio: TestStudio;

beforeAll(async () => {
  for (const folder of [inside, models, outside, join(inside, "deep", "er"), join(models, "small")])
    mkdirSync(folder, { recursive: true });
  for (const file of [join(inside, "faq.csv"), join(inside, ".secret.csv"), join(outside, "secret.csv")])
    writeFileSync(file, "prompt,completion\na,b\n");
  for (const file of ["config.json", "tokenizer.json"]) writeFileSync(join(models, "small", file), "{}");
  writeFileSync(join(models, "small.gguf"), "GGUF");
  writeRun(join(inside, "math"));
  writeRun(join(outside, "other"));
  symlinkSync(outside, join(inside, "link"));
  symlinkSync(join(outside, "secret.csv"), join(inside, "link.csv"));
  symlinkSync(join(models, "small"), join(inside, "model-link"));
  symlinkSync(inside, join(inside, "circle"));
  studio = await openTestStudio([inside, models]);
});
afterAll(async () => {
  await studio.close();
  scratch.remove();
});

const list = (folder: string) => studio.get<FolderListing>(`/api/files?folder=${encodeURIComponent(folder)}`);

test("a folder's files are listed by what they are, with links that stay in the folders", async () => {
  expect((await studio.get<FolderListing>("/api/files")).entries.map(({ path }) => path)).toEqual([
    inside,
    models,
  ]);
  const { entries } = await list(inside);
  expect(entries.map(({ name, kind }) => [name, kind])).toEqual([
    ["circle", "folder"],
    ["deep", "folder"],
    ["faq.csv", "data"],
    ["math", "run"],
    ["model-link", "model"],
  ]);
  expect(entries.find(({ name }) => name === "faq.csv")!.bytes).toBe(22);
  expect((await list(models)).entries.map(({ name, kind }) => [name, kind])).toEqual([
    ["small", "model"],
    ["small.gguf", "model"],
  ]);
});

const pathsOutside = () => [
  outside,
  "/etc",
  `${inside}/../outside`,
  `${inside}/deep/../../outside`,
  relative(process.cwd(), outside),
  join(inside, "link"),
  join(inside, "link", "other"),
  join(inside, ".studio"),
  `${inside}-other`,
  `${scratch.path}`,
  `${outside}/nothing`,
  "\0",
  `${inside}\0/../../etc`,
];

test("no path outside the folders is listed, wherever links and dots lead", async () => {
  for (const path of pathsOutside())
    expect(
      await studio.refusal(`/api/files?folder=${encodeURIComponent(path)}`),
      JSON.stringify(path),
    ).toMatch(/^403 .* is not in a folder that the studio was given/);
});

test.each(["%2e%2e%2f", "..%2f", "%252e%252e%252f", "..%5c", "%c0%ae%c0%ae/"])(
  "nor is one that is written as %s",
  async (dots) => {
    for (const start of [`${inside}/`, ""]) {
      const response = await studio.ask(`/api/files?folder=${start}${dots}outside`);
      expect([403, 404]).toContain(response.status);
    }
    const file = await studio.ask(`/${dots}${dots}package.json`);
    expect(file.status).toBeGreaterThanOrEqual(400);
    expect(await file.text()).not.toContain('"slimtune"');
  },
);

test("what is not there is said to be missing, in a sentence", async () => {
  expect(await studio.refusal(`/api/files?folder=${inside}/none`)).toBe(
    `404 There is nothing at ${inside}/none.`,
  );
});

const tune = (options: object) => ({
  method: "POST",
  body: {
    kind: "tune",
    name: "new",
    options: { model: embeddedModel, data: join(inside, "faq.csv"), ...options },
  },
});

test("a run's paths are within the folders, or on the Hub", async () => {
  for (const path of [...pathsOutside(), join(inside, "link.csv"), join(inside, ".secret.csv")])
    for (const name of ["model", "data", "adapter", "teacher", "keep_text"])
      expect(
        await studio.refusal("/api/command", tune({ [name]: path })),
        `${name}: ${JSON.stringify(path)}`,
      ).toMatch(/^403 .* is not in a folder that the studio was given/);
  for (const options of [
    {},
    { model: "HuggingFaceTB/SmolLM2-135M" },
    { model: join(inside, "model-link") },
    { data: "gsm8k:train" },
    { data: "openai/gsm8k:main" },
  ]) {
    const response = await studio.ask("/api/command", tune(options));
    expect(await response.json()).toEqual({
      command: expect.stringMatching(/^slimtune tune --model .* --out /),
    });
  }
});

test("a name that could be of the Hub is that of a file where there is one", async () => {
  // Relative to the folder of the studio, and not in the folders that it was given.
  expect(await studio.refusal("/api/command", tune({ model: "fixtures/miniature" }))).toMatch(/^403 /);
});

test.each([
  [{ out: "/tmp/x" }, 'The studio chooses the run\'s folder itself; leave out "out".'],
  [{ objective: "grpo", reward: ["correct", "./evil.mjs"] }, "The reward ./evil.mjs is a program, which"],
  [{ objective: "grpo", reward: "evil.js" }, "The reward evil.js is a program, which"],
  [{ learning_rate: "much" }, 'The options: the option "learning_rate" is the text "much"'],
  [{ unknown: 1 }, 'The options: there is no option "unknown"'],
])("the options %j are refused", async (options, sentence) => {
  const refusal = await studio.refusal("/api/jobs", tune(options));
  expect(refusal).toContain(`400 ${sentence}`);
  expect(await studio.get<Job[]>("/api/jobs")).toEqual([]);
});

test.each(["../up", "a/b", ".hidden", "-rf", "a\\b", "", "a\0", "x".repeat(101), "ends in.", "<b>", "a\nb"])(
  "a run cannot be called %j",
  async (name) => {
    const { method, body } = tune({});
    expect(await studio.refusal("/api/jobs", { method, body: { ...body, name } })).toMatch(/^400 .*name/);
  },
);
