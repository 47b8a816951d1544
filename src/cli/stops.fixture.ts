/** @file For tests: every state of the disk in which commands can be stopped, and what the advised command makes of it. */

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, vi } from "vitest";
import { stringify } from "yaml";
import { tinyTokenizer } from "../node/export/tiny-models.fixture.ts";
import { type Change, watchDisk } from "../node/files/disk.fixture.ts";
import { isLock } from "../node/files/folder.ts";
import { isTemporary } from "../node/files/temporary.ts";
import { clearErr, err } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

/** The files below a folder by their paths in it; null for a folder. */
type Tree = ReadonlyMap<string, Buffer | null>;

export interface Stop {
  /** The change before which, or in the middle of which, the process was stopped. */
  readonly at: string;
  readonly tree: Tree;
}

export interface Command {
  readonly words: readonly string[];
  /** Below which everything is written. */
  readonly root: string;
  /** What it computed, which must not depend on stops. */
  result(): unknown;
}

// A study's parts are computed in this process, in which changes to the disk are seen.
vi.mock("../studies/run-part.ts", () => import("../studies/in-process.fixture.ts"));
// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

async function run(words: readonly string[]): Promise<number> {
  clearErr();
  return main(["node", "slimtune", ...words]);
}

/** Runs a command. @returns every different state in which it left the disk, and what it computed */
export async function recordStops({
  words,
  root,
  result,
}: Command): Promise<{ stops: readonly Stop[]; changes: number; whole: unknown }> {
  prepare(root, new Map());
  const stops = new Map<string, Stop>();
  const keep = (at: string, tree: Tree) => {
    const key = identify(tree);
    if (!stops.has(key)) stops.set(key, { at, tree });
  };
  let changes = 0;
  const stop = watchDisk((change) => {
    if (!change.path.startsWith(root)) return;
    changes++;
    const place = change.path.slice(root.length + 1);
    const tree = readTree(root);
    keep(`before ${change.name} ${place}`, tree);
    keep(`in the middle of ${change.name} ${place}`, halfDone(tree, place, change));
  });
  try {
    expect(await run(words), err).toBe(0);
  } finally {
    stop();
  }
  keep("after the last change", readTree(root));
  return { stops: [...stops.values()], changes, whole: result() };
}

function halfDone(tree: Tree, place: string, { name, bytes }: Change): Tree {
  const half = new Map(tree);
  if (bytes) {
    const before = tree.get(place) ?? Buffer.alloc(0);
    half.set(place, Buffer.concat([before, bytes.subarray(0, bytes.length >> 1)]));
  } else if (name === "rmSync") {
    const within = [...tree.keys()].filter((path) => path.startsWith(`${place}/`)).reverse();
    for (const path of within.slice(0, Math.ceil(within.length / 2))) half.delete(path);
  }
  return half;
}

/** Goes on from a state as the command's messages advise. @returns what was computed then */
export async function goOn(command: Command, { tree }: Stop): Promise<unknown> {
  prepare(command.root, tree);
  return repeat(command);
}

/** Runs a command and does what it advises. @returns what was computed then */
export async function repeat({ words, root, result }: Command): Promise<unknown> {
  if ((await run(words)) !== 0) {
    const [, advised] = /`slimtune ([^`]+)`/.exec(err) ?? [];
    // Otherwise the result must be there already.
    if (advised === undefined) expect(err).toMatch(/is not empty; choose another|exists; choose another/);
    else expect(await run(advised.split(" ")), err).toBe(0);
  }
  const left = [...readTree(root).keys()].filter((path) =>
    path.split("/").some((name) => isTemporary(name) || isLock(name)),
  );
  expect(left).toEqual([]);
  return result();
}

const growing = ["writeSync", "mkdirSync", "openSync", "copyFileSync", "linkSync", "symlinkSync"];

/** Runs a command while the disk is full from a change on, and again when there is room. @returns what was computed then */
export async function runOnFullDisk(command: Command, change: number): Promise<unknown> {
  prepare(command.root, new Map());
  let changes = 0;
  const stop = watchDisk(({ name, path }) => {
    if (!path.startsWith(command.root) || changes++ < change || !growing.includes(name)) return;
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), {
      code: "ENOSPC",
      syscall: name,
    });
  });
  const code = await run(command.words);
  stop();
  if (code !== 0) {
    const said = err.split("\n").filter((line) => line.startsWith("slimtune: "));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("The disk is full");
    expect(err).not.toContain("--verbose");
  }
  return repeat(command);
}

function readTree(root: string): Tree {
  const paths = readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(root.length + 1), entry.isFile() ? readFileSync(path) : null] as const;
  });
  return new Map(paths.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Empties the root, fills it, and has caches be in it. */
function prepare(root: string, tree: Tree): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
  vi.stubEnv("XDG_CACHE_HOME", join(root, "cache"));
  for (const [path, content] of tree) {
    mkdirSync(content === null ? join(root, path) : dirname(join(root, path)), { recursive: true });
    if (content !== null) writeFileSync(join(root, path), content);
  }
}

/** The same for trees that differ in the names of temporary files only. */
function identify(tree: Tree): string {
  const hash = createHash("sha256");
  const rename = (text: string) => text.replaceAll(/([\da-f]{8}-){2}\d+-\d+-[\da-f]{8}-\d+/g, "claim");
  for (const [path, content] of tree) {
    hash.update(`${rename(path)}\0`);
    if (content) hash.update(content.length < 100 ? rename(content.toString()) : content);
  }
  return hash.digest("hex");
}

/** The files whose paths a pattern knows, without what tells of time and of work that was done again. */
function readFiles(folder: string, pattern: RegExp): Record<string, string> {
  const texts = [...readTree(folder)].flatMap(([path, content]) =>
    content && pattern.test(path) ? [[path, content.toString("latin1").replaceAll(ofTime, "")] as const] : [],
  );
  return Object.fromEntries(
    // The last bits of a log-likelihood depend on which choices are computed together.
    texts.map(([path, text]) => [path, path.includes("evaluation") ? text.replace(longNumber, round) : text]),
  );
}

const ofTime =
  /"(seconds|peak_rss_bytes|date|total_evaluation_time_seconds|efficiency|requests|\w+_per_second|scored|generated)": ?(\{[^{}]*\}|[^,}]*)/g;
const longNumber = /-?\d+\.\d{6,}/g;
const round = (digits: string) => Number(digits).toFixed(2);

/** Short commands of each kind. @param scratch a folder of their own */
export function listCommands(scratch: string): Readonly<Record<string, () => Promise<Command>>> {
  const tiny = join(scratch, "tiny");
  cpSync("fixtures/reference/models/llama", tiny, { recursive: true });
  writeFileSync(join(tiny, "tokenizer.json"), JSON.stringify(tinyTokenizer));
  writeFileSync(join(tiny, "tokenizer_config.json"), JSON.stringify({ eos_token: "<|end|>" }));
  const data = join(scratch, "rows.jsonl");
  const rows = ["the cat", "the dog", "a bird", "the other", "no one", "them"].map((prompt) =>
    JSON.stringify({ prompt, completion: " sat there." }),
  );
  writeFileSync(data, rows.join("\n"));
  const adapter = ["--r", "1", "--target-modules", "q_proj", "--lora-dropout", "0.1"];

  const tune = async (name: string, ...options: string[]): Promise<Command> => {
    const root = join(scratch, name);
    const run = join(root, "run");
    return {
      root,
      words: [
        ...["tune", "--model", tiny, "--data", data, "--no-apply-chat-template", "--out", run],
        ...["--max-steps", "3", "--save-steps", "1", "--batch-size", "2", "--threads", "1", ...options],
      ],
      result: () => ({
        entries: readdirSync(run),
        checkpoints: readdirSync(join(run, "checkpoint")),
        files: readFiles(run, /^(adapter|model)\/|^(config|inputs|metrics)\./),
      }),
    };
  };

  const exported = async (name: string, words: (run: string, root: string) => string[]): Promise<Command> => {
    const tuned = await tune(`${name}-run`, "--validation", "0", ...adapter);
    prepare(tuned.root, new Map());
    expect(await run(tuned.words), err).toBe(0);
    const root = join(scratch, name);
    return {
      root,
      words: words(join(tuned.root, "run"), root),
      result: () => readFiles(root, /^result/),
    };
  };

  const tasks = {
    tasks: ["miniature_computing"],
    task_files: ["fixtures/miniature/benchmarks"],
    limit: 2,
    apply_chat_template: true,
  };
  const neutralText = join(scratch, "neutral.txt");
  writeFileSync(neutralText, "Tom has three pens. Ann has two. ".repeat(8));
  const questions = join(scratch, "questions.jsonl");
  writeFileSync(
    questions,
    readFileSync("fixtures/miniature/computing-train.jsonl", "utf8").split("\n").slice(0, 6).join("\n"),
  );

  return {
    "tune an adapter": () => tune("lora", "--validation", "0", ...adapter),
    "tune with held-out examples": () =>
      tune("held-out", "--validation", "2", "--eval-steps", "1", ...adapter),
    "tune all weights": () => tune("full", "--validation", "0", "--method", "full"),
    merge: () => exported("merge", (run, root) => ["merge", run, "--out", join(root, "result")]),
    "export as GGUF": () =>
      exported("gguf", (run, root) => [
        ...["export", run, "--format", "gguf", "--out", join(root, "result.gguf")],
      ]),
    evaluate: async () => {
      const root = join(scratch, "evaluate");
      const { task_files, limit } = tasks;
      return {
        root,
        words: [
          ...["evaluate", "--model", "fixtures/embedded-model", "--tasks", ...tasks.tasks],
          ...["--task-file", ...task_files, "--limit", String(limit), "--apply-chat-template"],
          ...["--out", join(root, "evaluation")],
        ],
        result: () => readFiles(root, /^evaluation\/(results|samples|evaluation)/),
      };
    },
    study: async () => {
      const root = join(scratch, "study");
      const config = join(scratch, "study.yaml");
      writeFileSync(
        config,
        stringify({
          model: "fixtures/embedded-model",
          data: { computing: questions },
          methods: ["lora"],
          ...tasks,
          alignment_samples: 2,
          neutral_text: neutralText,
          run: { max_steps: 1, batch_size: 2, validation: 0, lora: { r: 1, target_modules: ["q_proj"] } },
        }),
      );
      return {
        root,
        words: ["study", "slimming", "--config", config, "--out", join(root, "study")],
        result: () => readFiles(root, /^study\/study\.|results\.json|adapter_model/),
      };
    },
  };
}
