import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { captureOutput, err } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-strange-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", ...words]);
const model = "fixtures/embedded-model";
const data = join(scratch, "rows.jsonl");
writeFileSync(
  data,
  readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n").slice(0, 8).join("\n"),
);
const begun = join(scratch, "begun");
const adapter = join(scratch, "adapter");

beforeAll(async () => {
  const words = ["--model", model, "--data", data, "--max-steps", "1", "--validation", "0"];
  await run("tune", ...words, "--r", "1", "--target-modules", "q_proj", "--out", begun);
  // The result is kept aside, so that the run is not finished.
  renameSync(join(begun, "adapter"), adapter);
});

let copies = 0;

/** A copy of the run with something else in the place of one of its files. */
function replace(place: string, put: (path: string) => void): string {
  const folder = join(scratch, `run-${copies++}`);
  cpSync(begun, folder, { recursive: true });
  rmSync(join(folder, place), { recursive: true, force: true });
  put(join(folder, place));
  return folder;
}

const progress = "checkpoint/step-00000001/progress.json";

describe("a run's folder from a stranger", () => {
  test.each([
    "checkpoint",
    "checkpoint/step-00000001",
    progress,
    "config.yaml",
    "efficiency.json",
    "inputs.json",
    "lock",
    "metrics.jsonl",
    "tensorboard",
  ])("is not gone on with if there is a link in the place of %s", async (place) => {
    const original = join(begun, place);
    const folder = replace(place, (path) => symlinkSync(original, path));
    const before = readdirSync(begun, { recursive: true });
    expect(await run("resume", folder)).toBe(1);
    expect(err).toContain(
      `slimtune: ${join(folder, place)} is a symbolic link, through which something else`,
    );
    expect(readdirSync(begun, { recursive: true })).toEqual(before);
  });

  test.each([
    ["config.yaml", "[".repeat(100_000), "nests more than 100 levels deep"],
    ["config.yaml", "a: *b", "is not valid YAML"],
    ["inputs.json", "{", "is not valid JSON; restore it, or begin a new run."],
    ["inputs.json", "{}", "modelFingerprint: it is missing."],
    [progress, "", "is not valid JSON; remove "],
    [progress, '{"step": 1}', "it is missing."],
  ])("whose %s is damaged is refused in a sentence", async (place, content, sentence) => {
    const folder = replace(place, (path) => writeFileSync(path, content));
    expect(await run("resume", folder)).toBe(1);
    const said = err.split("\n").filter((line) => line.startsWith("slimtune: "));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(join(folder, place));
    expect(said[0]).toContain(sentence);
    expect(err).not.toContain("--verbose");
  });
});

test("a run's folder that the user names by a link is gone on with where that leads", async () => {
  const folder = replace("lock", () => {});
  symlinkSync(folder, join(scratch, "link"));
  expect(await run("resume", join(scratch, "link")), err).toBe(0);
  expect(readdirSync(join(folder, "adapter"))).toContain("adapter_config.json");
});

test("an evaluation and a study are not written through links either", async () => {
  const folder = join(scratch, "linked");
  mkdirSync(folder);
  symlinkSync(begun, join(folder, "evaluations"));
  const refusal = `slimtune: ${join(folder, "evaluations")} is a symbolic link`;
  expect(await run("report", folder)).toBe(1);
  expect(err).toContain(refusal);

  writeFileSync(join(folder, "study.yaml"), readFileSync(join(begun, "config.yaml")));
  expect(await run("study", "resume", folder)).toBe(1);
  expect(existsSync(join(begun, "base"))).toBe(false);
});

const pipe = join(scratch, "pipe");

describe.skipIf(spawnSync("mkfifo", [pipe]).status !== 0)("a pipe is no file", () => {
  const named = (name: string) => {
    const path = join(scratch, name);
    if (!existsSync(path)) spawnSync("mkfifo", [path]);
    return path;
  };
  const modelWith = (file: string) => {
    const folder = join(scratch, `model-${file}`);
    cpSync(model, folder, { recursive: true });
    rmSync(join(folder, file));
    spawnSync("mkfifo", [join(folder, file)]);
    return folder;
  };

  test.each<[string, () => string[]]>([
    ["data", () => ["inspect", "--model", model, "--data", named("p.jsonl")]],
    ["data in JSON", () => ["inspect", "--model", model, "--data", named("p.json")]],
    ["a configuration", () => ["tune", "--config", named("p.yaml")]],
    ["a model", () => ["inspect", "--model", named("p.gguf"), "--data", data]],
    ["weights", () => ["generate", "--model", modelWith("model.safetensors"), "a"]],
    ["config.json", () => ["inspect", "--model", modelWith("config.json"), "--data", data]],
    ["tokenizer.json", () => ["inspect", "--model", modelWith("tokenizer.json"), "--data", data]],
    ["a task", () => ["evaluate", "--model", model, "--tasks", "t", "--task-file", named("p.yaml")]],
    ["results", () => ["compare", named("p.json"), named("p.json")]],
    [
      "an adapter's configuration",
      () => {
        const folder = join(scratch, "adapter-with-pipe");
        cpSync(adapter, folder, { recursive: true });
        rmSync(join(folder, "adapter_config.json"));
        spawnSync("mkfifo", [join(folder, "adapter_config.json")]);
        return ["generate", "--model", model, "--adapter", folder, "a"];
      },
    ],
  ])("as %s", async (_, words) => {
    expect(await run(...words())).toBe(1);
    expect(err).toMatch(/is a pipe or a device, which cannot be read like a file|is not a file/);
  });
});
