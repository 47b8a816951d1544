import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { InputError } from "../../core/errors.ts";
import { resolveDataset } from "../data/hub-dataset.ts";
import { resolveModel } from "../models/hub-model.ts";

const sha256 = (content: string | Buffer) => createHash("sha256").update(content).digest("hex");
/** As `git hash-object` does. */
const gitHash = (content: string) =>
  createHash("sha1")
    .update(`blob ${Buffer.byteLength(content)}\0${content}`)
    .digest("hex");

const first = "1".repeat(40);
const second = "2".repeat(40);
const weights = "w".repeat(300_000);
const modelFiles: Record<string, string> = {
  "config.json": '{"model_type":"llama"}',
  "tokenizer.json": "{}",
  "model.safetensors": weights,
  "README.md": "Read me.",
  "modeling_tiny.py": "raise SystemExit",
  "onnx/model.onnx": "graph",
};
/** Files by repository and commit. */
const repositories: Record<string, Record<string, Record<string, string>>> = {
  "models/someone/tiny": {
    [first]: modelFiles,
    [second]: { ...modelFiles, "config.json": '{"model_type":"qwen2"}' },
  },
  "models/someone/pictures": { [first]: { "cat.png": "cat" } },
  "datasets/someone/sums": {
    [first]: {
      "main/train-00000-of-00001.jsonl": '{"question":"1+1","answer":"2"}\n',
      "main/test-00000-of-00001.jsonl": '{"question":"2+2","answer":"4"}\n',
      "hard/train-00000-of-00001.jsonl": '{"question":"17*3","answer":"51"}\n',
    },
  },
};
const references: Record<string, string> = { main: first, next: second, "refs/pr/1": second };

let requests: string[] = [];
/** What the next test changes of the server: true if it answered. */
let intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;

function listTree(files: Readonly<Record<string, string>>): object[] {
  const entries = Object.entries(files).map(([path, content]) => ({
    type: "file",
    path,
    size: Buffer.byteLength(content),
    oid: gitHash(content),
    ...(path.endsWith(".safetensors") && {
      oid: gitHash("pointer"),
      lfs: { oid: sha256(content), size: content.length, pointerSize: 130 },
    }),
  }));
  return [{ type: "directory", path: "onnx", oid: "0".repeat(40), size: 0 }, ...entries];
}

/** The part of the Hub's HTTP interface that @huggingface/hub uses. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  requests.push(`${request.method} ${request.url}`);
  if (intercept(request, response)) return;
  const url = new URL(request.url!, "http://hub");
  const sendJson = (value: unknown) =>
    response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  const fail = () => {
    response.statusCode = 404;
    sendJson({ error: "Repository not found" });
  };
  const api = /^\/api\/(\w+\/[\w-]+\/[\w-]+)\/(revision|tree)\/([^/]+)$/.exec(url.pathname);
  if (api) {
    const [, name, what, revision] = api as unknown as [string, string, string, string];
    const commits = repositories[name];
    const reference = decodeURIComponent(revision);
    const commit = references[reference] ?? reference;
    const files = commits?.[commit];
    if (!files) fail();
    else if (what === "revision") sendJson({ _id: "0", id: name, sha: commit });
    else sendJson(listTree(files));
    return;
  }
  const file = /^\/(datasets\/)?([\w-]+\/[\w-]+)\/resolve\/(\w+)\/(.+)$/.exec(url.pathname);
  const content = file && repositories[`${file[1] ?? "models/"}${file[2]}`]?.[file[3]!]?.[file[4]!];
  if (content === null || content === undefined) {
    fail();
    return;
  }
  response.setHeader("etag", `"${gitHash(content)}"`);
  if (request.headers.range === "bytes=0-0") {
    response.statusCode = 206;
    response.setHeader("content-range", `bytes 0-0/${Buffer.byteLength(content)}`).end(content.slice(0, 1));
  } else response.end(content);
}

const server = createServer(answer);
let hubUrl: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let cacheDir: string;
beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), "slimtune-hub-"));
  requests = [];
  intercept = () => false;
  for (const name of ["HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"]) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cacheDir, { recursive: true });
});

const tiny = "someone/tiny";
const open = (options = {}) => resolveModel(tiny, { hubUrl, cacheDir, ...options });
const downloads = () => requests.filter((request) => request.includes("/resolve/"));
const listCache = () => readdirSync(cacheDir, { recursive: true, encoding: "utf8" });

async function refusal(promise: Promise<string>): Promise<string> {
  const error = await promise.catch((reason) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect(error.message).toMatch(/^[^\n]+\.$/);
  return error.message;
}

describe("a model", () => {
  test("is put into the cache in the Hub's layout, without what could be executed", async () => {
    const printed = vi.spyOn(console, "debug");
    const folder = await open();
    expect(folder).toBe(join(cacheDir, "models--someone--tiny", "snapshots", first));
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(readFileSync(join(folder, "model.safetensors"), "utf8")).toBe(weights);
    expect(lstatSync(join(folder, "config.json")).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(folder, "model.safetensors"))).toBe(`../../blobs/${sha256(weights)}`);
    const root = join(cacheDir, "models--someone--tiny");
    expect(readdirSync(join(root, "blobs")).sort()).toEqual(
      [sha256(weights), gitHash(modelFiles["config.json"]!), gitHash("{}")].sort(),
    );
    expect(readFileSync(join(root, "refs", "main"), "utf8")).toBe(first);
    // The output of commands is no place for a library's messages.
    expect(printed).not.toHaveBeenCalled();
  });

  test("says which file is downloaded next, and nothing of those in the cache", async () => {
    const events: [string, number, number][] = [];
    const onDownload = (...event: [string, number, number]) => events.push(event);
    await open({ onDownload });
    expect(events).toEqual([
      ["config.json", 0, 3],
      ["tokenizer.json", 1, 3],
      ["model.safetensors", 2, 3],
    ]);
    events.length = 0;
    await open({ onDownload });
    expect(events).toEqual([]);
  });

  test("that was downloaded is not downloaded again", async () => {
    const folder = await open();
    requests = [];
    expect(await open()).toBe(folder);
    expect(downloads()).toEqual([]);
    expect(requests).toHaveLength(2);
    requests = [];
    expect(await open({ revision: first })).toBe(folder);
    expect(requests).toHaveLength(1);
  });

  test("of a branch that moved is that of the new commit, and only what changed is downloaded", async () => {
    await open();
    references.main = second;
    try {
      requests = [];
      const folder = await open();
      expect(readFileSync(join(folder, "config.json"), "utf8")).toContain("qwen2");
      expect(new Set(downloads().map((request) => request.split("/").at(-1)))).toEqual(
        new Set(["config.json"]),
      );
      expect(await open({ offline: true })).toBe(folder);
    } finally {
      references.main = first;
    }
  });

  test.each([second, "next", "refs/pr/1"])("of the revision %s is that of its commit", async (revision) => {
    const folder = await open({ revision });
    expect(readFileSync(join(folder, "config.json"), "utf8")).toContain("qwen2");
    expect(folder.endsWith(second)).toBe(true);
    expect(await open({ revision, offline: true })).toBe(folder);
    const named = existsSync(join(cacheDir, "models--someone--tiny", "refs", revision));
    expect(named).toBe(revision !== second);
  });

  test("is found in the cache when offline, without a request", async () => {
    const folder = await open();
    requests = [];
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await open()).toBe(folder);
    expect(await open({ revision: first })).toBe(folder);
    expect(requests).toEqual([]);
  });

  test("that is not in the cache is refused when offline", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "TRUE");
    expect(await refusal(open())).toBe(
      `The model someone/tiny (revision main) is not in the cache ${cacheDir}, and the Hub may not be asked (offline); connect once, or give a local path.`,
    );
    expect(requests).toEqual([]);
  });

  test("comes from the server of HF_ENDPOINT, with the token of HF_TOKEN", async () => {
    vi.stubEnv("HF_ENDPOINT", `${hubUrl}/`);
    vi.stubEnv("HF_TOKEN", "hf_secret");
    const tokens = new Set<string | undefined>();
    intercept = ({ headers }) => {
      tokens.add(headers.authorization);
      return false;
    };
    await resolveModel(tiny, { cacheDir });
    expect([...tokens]).toEqual(["Bearer hf_secret"]);
  });
});

describe("a model that cannot be had is refused in one sentence, and leaves nothing half-written", () => {
  const status = (code: number) => (_: IncomingMessage, response: ServerResponse) => {
    response.statusCode = code;
    response.setHeader("content-type", "application/json").end('{"error":"Invalid username or password."}');
    return true;
  };

  test.each([401, 403])("without access (%i)", async (code) => {
    intercept = status(code);
    expect(await refusal(open())).toBe(
      "The Hub does not let you read the model someone/tiny; check the name, or set HF_TOKEN to a token of an account that may read it.",
    );
    expect(listCache()).toEqual([]);
  });

  test("that does not exist", async () => {
    expect(await refusal(resolveModel("someone/else", { hubUrl, cacheDir }))).toBe(
      "The Hub has no model someone/else with the revision main; check both, or give a local path.",
    );
    expect(await refusal(open({ revision: "v9" }))).toContain("with the revision v9;");
    expect(await refusal(open({ revision: "../../x" }))).toBe('"../../x" is not the name of a revision.');
  });

  test("without a file that is needed", async () => {
    expect(await refusal(resolveModel("someone/pictures", { hubUrl, cacheDir }))).toBe(
      "The Hub's model someone/pictures has no file that is needed.",
    );
  });

  test("from a server that fails, or none", async () => {
    intercept = status(503);
    expect(await refusal(open())).toMatch(/cannot be fetched: .*; try again, set HF_HUB_OFFLINE=1/);
    expect(await refusal(open({ hubUrl: "http://127.0.0.1:1" }))).toMatch(
      /^The Hub's model someone\/tiny \(revision main\) cannot be fetched: .*; try again/,
    );
  });

  const isWeights = ({ url, headers }: IncomingMessage) =>
    url!.endsWith("/model.safetensors") && headers.range === undefined;
  const breaks: Record<string, (response: ServerResponse) => void> = {
    "breaks off": (response) => {
      response.setHeader("content-length", weights.length);
      response.write(weights.slice(0, 100_000), () => response.destroy());
    },
    "is another file": (response) => void response.end("x".repeat(weights.length)),
    "is refused": (response) => {
      response.statusCode = 500;
      response.end("no");
    },
  };
  test.each(Object.entries(breaks))("whose download %s, and the next one succeeds", async (_name, fail) => {
    intercept = (request, response) => {
      if (!isWeights(request)) return false;
      fail(response);
      return true;
    };
    expect(await refusal(open())).toMatch(/cannot be fetched: .*; try again/);
    const blobs = readdirSync(join(cacheDir, "models--someone--tiny", "blobs"));
    expect(blobs.sort()).toEqual([gitHash(modelFiles["config.json"]!), gitHash("{}")].sort());
    expect(existsSync(join(cacheDir, "models--someone--tiny", "refs"))).toBe(false);
    expect(await refusal(open({ offline: true }))).toContain("is not in the cache");

    intercept = () => false;
    requests = [];
    expect(readFileSync(join(await open(), "model.safetensors"), "utf8")).toBe(weights);
    expect(downloads().every((request) => request.endsWith("/model.safetensors"))).toBe(true);
  });

  test.each(["../../escaped.json", "/escaped.json", "C:\\escaped.json"])(
    "whose files are named %s",
    async (path) => {
      intercept = ({ url }, response) => {
        if (!url!.includes("/tree/")) return false;
        response
          .setHeader("content-type", "application/json")
          .end(JSON.stringify([{ type: "file", path: `${path}/train.jsonl`, size: 1, oid: first }]));
        return true;
      };
      const sentence = await refusal(resolveDataset("someone/sums", "train", { hubUrl, cacheDir }));
      expect(sentence).toContain("unsafe name");
      expect(listCache()).toEqual([]);
    },
  );

  test("whose files have no hash", async () => {
    intercept = ({ url }, response) => {
      if (!url!.includes("/tree/")) return false;
      response.end(JSON.stringify([{ type: "file", path: "config.json", size: 1, oid: "../x" }]));
      return true;
    };
    expect(await refusal(open())).toContain("it gives no hash of config.json");
  });

  test("whose revision has no commit", async () => {
    intercept = (_, response) => {
      response.end(JSON.stringify({ sha: "../../x" }));
      return true;
    };
    expect(await refusal(open())).toContain("it names no commit");
  });
});

describe("a dataset", () => {
  const openData = (name: string, split = "train", options = {}) =>
    resolveDataset(name, split, { hubUrl, cacheDir, ...options });

  test("is the file of its split and configuration", async () => {
    const path = await openData("someone/sums:hard");
    expect(path).toBe(
      join(cacheDir, "datasets--someone--sums", "snapshots", first, "hard", "train-00000-of-00001.jsonl"),
    );
    expect(readFileSync(path, "utf8")).toContain("17*3");
    expect(await openData("someone/sums:hard", "train", { offline: true })).toBe(path);
    expect(readFileSync(await openData("someone/sums", "test"), "utf8")).toContain("2+2");
  });

  test("of several configurations is refused with their files", async () => {
    expect(await refusal(openData("someone/sums"))).toMatch(
      /has the split "train" in 2 files \(.*\); name a configuration after a colon/,
    );
  });

  test("has a short name where it is well known, with its split", async () => {
    expect(await refusal(openData("gsm8k:test", "train", { offline: true }))).toContain("openai/gsm8k");
  });

  test("that lacks the split is refused", async () => {
    expect(await refusal(openData("someone/sums", "validation"))).toContain("has no file that is needed");
    await openData("someone/sums", "test");
    expect(await refusal(openData("someone/sums", "train", { offline: true }))).toBe(
      'The dataset someone/sums has no file of the split "train".',
    );
  });
});
