import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { tinyTokenizer } from "../export/tiny-models.fixture.ts";
import type { JobOutcome } from "../study/run-job.ts";
import { captureOutput } from "./captured-output.fixture.ts";
import { main } from "./main.ts";
import { type Command, goOn, recordStops } from "./stops.fixture.ts";

// Parts of a study are computed in this process, in which changes to the disk are seen.
vi.mock("../study/run-job.ts", async () => {
  const { performJob } = await import("../study/perform-job.ts");
  return {
    async runJob(job: Parameters<typeof performJob>[0]): Promise<JobOutcome> {
      await performJob(job, { onProgress() {}, signal: new AbortController().signal });
      return { type: "finished" };
    },
  };
});

const scratch = mkdtempSync(join(tmpdir(), "slimtune-stops-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const tiny = join(scratch, "tiny");
cpSync("fixtures/reference/models/llama", tiny, { recursive: true });
writeFileSync(join(tiny, "tokenizer.json"), JSON.stringify(tinyTokenizer));
writeFileSync(join(tiny, "tokenizer_config.json"), JSON.stringify({ eos_token: "<|end|>" }));
const data = join(scratch, "rows.jsonl");
writeFileSync(
  data,
  ["the cat", "the dog", "a bird", "the other", "no one", "them"]
    .map((prompt) => `${JSON.stringify({ prompt, completion: " sat there." })}\n`)
    .join(""),
);

function newRoot(name: string): string {
  const root = join(scratch, name);
  mkdirSync(root);
  vi.stubEnv("XDG_CACHE_HOME", join(root, "cache"));
  return root;
}

const readAll = (folder: string, pattern: RegExp) =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .sort()
      .filter((path) => pattern.test(path))
      .map((path) => [path, readFileSync(join(folder, path), "latin1")]),
  );
/** Lines without what tells of time. */
const lasting = (path: string) =>
  readFileSync(path, "utf8").replace(/"(seconds|peak_rss_bytes|date|start_time|end_time)":[^,}]*/g, "");

function tune(name: string, ...options: string[]): Command {
  const root = newRoot(name);
  const run = join(root, "run");
  return {
    root,
    words: [
      ...["tune", "--model", tiny, "--data", data, "--no-apply-chat-template", "--out", run],
      ...["--max-steps", "2", "--save-steps", "1", "--batch-size", "2", "--threads", "1", ...options],
    ],
    result: () => ({
      entries: readdirSync(run),
      checkpoints: readdirSync(join(run, "checkpoint")),
      files: readAll(run, /^(adapter|model)\/|^(config|inputs)\./),
      metrics: lasting(join(run, "metrics.jsonl")),
    }),
  };
}

const adapter = ["--r", "1", "--target-modules", "q_proj", "--lora-dropout", "0.1"];

const commands: Readonly<Record<string, () => Command | Promise<Command>>> = {
  "tune with LoRA": () => tune("lora", "--validation", "0", ...adapter),
  "tune with held-out examples": () => tune("held-out", "--validation", "2", "--eval-steps", "1", ...adapter),
  "tune all weights": () => tune("full", "--validation", "0", "--method", "full"),
  merge: async () => {
    const { words, root } = tune("merge", "--validation", "0", ...adapter);
    const run = join(scratch, "merge-run");
    await main(["node", "slimtune", ...words.slice(0, -1), words.at(-1)!, "--out", run]);
    return {
      root,
      words: ["merge", run, "--out", join(root, "merged")],
      result: () => readAll(root, /^merged\//),
    };
  },
};

test.each(Object.entries(commands))("%s", { timeout: 600_000 }, async (_name, prepare) => {
  const command = await prepare();
  const { stops, whole } = await recordStops(command);
  const started = performance.now();
  let bad = 0;
  for (const stop of stops) {
    try {
      expect(await goOn(command, stop), stop.at).toEqual(whole);
    } catch (error) {
      bad++;
      console.info(stop.at, String((error as Error).message).slice(0, 600));
    }
  }
  console.info(_name, stops.length, bad, performance.now() - started);
  expect(bad).toBe(0);
});
