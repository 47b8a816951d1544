import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { InputError } from "../../core/errors.ts";
import { listPushedFiles, pushResult } from "./push.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-push-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function makeFolder(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  return folder;
}

const weights = "w".repeat(5000);
const adapterFiles = (base: string) => ({
  "adapter_config.json": JSON.stringify({ peft_type: "LORA", base_model_name_or_path: base, r: 8 }),
  "adapter_model.safetensors": weights,
  "README.md": "---\nlibrary_name: peft\n---\n# Words\n",
  "notes.txt": "private",
});
const adapter = makeFolder("adapter", adapterFiles("someone/tiny"));
const local = makeFolder("local", adapterFiles(join(scratch, "adapter")));

interface Received {
  readonly method: string;
  readonly url: string;
  readonly token: string | undefined;
  readonly body: string;
}

let received: Received[] = [];
/** What the Hub knows of the repository: nothing, or whether it is private. */
let repository: { readonly private: boolean } | undefined;

/** The part of the Hub's HTTP interface by which @huggingface/hub sends files. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method = "", url = "" } = request;
  const body = Buffer.concat(chunks).toString();
  received.push({ method, url, token: request.headers.authorization, body });
  const send = (value: unknown, status = 200) => {
    response.statusCode = status;
    response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  };
  if (request.headers.authorization === "Bearer hf_reader") send({ error: "Forbidden" }, 403);
  else if (url.startsWith("/api/models/anna/words/revision/")) {
    if (repository) send({ _id: "0", id: "anna/words", ...repository });
    else send({ error: "Repository not found" }, 404);
  } else if (url === "/api/repos/create") send({ url: "", id: "anna/words" });
  else if (url.includes("/preupload/")) {
    const files: { path: string }[] = JSON.parse(body).files;
    send({
      files: files.map(({ path }) => ({
        path,
        uploadMode: path.endsWith(".safetensors") ? "lfs" : "regular",
      })),
    });
  } else if (url.endsWith("/info/lfs/objects/batch")) {
    const { objects } = JSON.parse(body) as { objects: { oid: string; size: number }[] };
    const href = (oid: string) => `http://${request.headers.host}/storage/${oid}`;
    send({
      transfer: "basic",
      objects: objects.map(({ oid, size }) => ({ oid, size, actions: { upload: { href: href(oid) } } })),
    });
  } else if (url.startsWith("/storage/")) send({});
  else if (url.includes("/commit/")) send({ commitOid: "1".repeat(40), commitUrl: "", success: true });
  else send({}, 500);
}

const server = createServer((request, response) => void answer(request, response));
let hubUrl: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  received = [];
  repository = undefined;
  vi.stubEnv("HF_TOKEN", "hf_writer");
});
afterEach(() => void vi.unstubAllEnvs());

const sentTo = (part: string) => received.filter(({ url }) => url.includes(part));

/** The files of the commit that was sent: texts by their content, large ones by their hash. */
function committed(): Record<string, string> {
  const lines = sentTo("/commit/")[0]!.body.trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line)).filter(({ key }) => key !== "header");
  return Object.fromEntries(
    entries.map(({ value }) => [
      value.path,
      value.oid ?? Buffer.from(value.content, value.encoding).toString(),
    ]),
  );
}

describe("an adapter that is sent", () => {
  test("is in a private repository that is made for it, with what PEFT loads and nothing else", async () => {
    const progress: string[] = [];
    const { url: page } = await pushResult(adapter, "anna/words", {
      hubUrl,
      onProgress: (file) => progress.push(file),
    });
    expect(page).toBe(`${hubUrl}/anna/words`);
    expect(JSON.parse(sentTo("/repos/create")[0]!.body)).toMatchObject({
      name: "words",
      organization: "anna",
      visibility: "private",
    });
    const oid = createHash("sha256").update(weights).digest("hex");
    expect(committed()).toEqual({
      "adapter_config.json": readFileSync(join(adapter, "adapter_config.json"), "utf8"),
      "adapter_model.safetensors": oid,
      "README.md": "---\nlibrary_name: peft\n---\n# Words\n",
    });
    expect(sentTo(`/storage/${oid}`)[0]!.body).toBe(weights);
    expect(progress).toContain("adapter_model.safetensors");
    for (const { url, token } of received)
      if (!url.startsWith("/storage/")) expect(token, url).toBe("Bearer hf_writer");
  });

  test("tells nobody a path of this machine: the base model's id stands for it", async () => {
    expect(() => listPushedFiles(local)).toThrow(/path of this machine.*--base-model-name/);
    await pushResult(local, "anna/words", { hubUrl, baseModelName: "someone/tiny" });
    const files = committed();
    expect(JSON.parse(files["adapter_config.json"]!)).toMatchObject({
      base_model_name_or_path: "someone/tiny",
      r: 8,
    });
    expect(files["README.md"]).toBe("---\nbase_model: someone/tiny\nlibrary_name: peft\n---\n# Words\n");
    expect(JSON.stringify(received)).not.toContain(scratch);
  });

  test("goes into a repository that is there, unless everyone can read that one and this was not said", async () => {
    repository = { private: false };
    await expect(pushResult(adapter, "anna/words", { hubUrl })).rejects.toThrow("Everyone can read");
    expect(sentTo("/commit/")).toEqual([]);
    await pushResult(adapter, "anna/words", { hubUrl, public: true });
    repository = { private: true };
    await pushResult(adapter, "anna/words", { hubUrl });
    expect(sentTo("/repos/create")).toEqual([]);
    expect(sentTo("/commit/")).toHaveLength(2);
  });

  test("needs a token that may write, from the environment or the Hub's own file", async () => {
    vi.stubEnv("HF_TOKEN", "hf_reader");
    const refused = pushResult(adapter, "anna/words", { hubUrl });
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow("does not let you write to anna/words");
    vi.stubEnv("HF_TOKEN", undefined);
    vi.stubEnv("HF_TOKEN_PATH", join(scratch, "token"));
    await expect(pushResult(adapter, "anna/words", { hubUrl })).rejects.toThrow("There is no token");
    writeFileSync(join(scratch, "token"), "hf_writer\n");
    await pushResult(adapter, "anna/words", { hubUrl });
    expect(sentTo("/commit/")[0]!.token).toBe("Bearer hf_writer");
  });

  test("that nobody receives is told in a sentence", async () => {
    const unreachable = pushResult(adapter, "anna/words", { hubUrl: "http://127.0.0.1:9" });
    await expect(unreachable).rejects.toThrow(InputError);
    await expect(unreachable).rejects.toThrow("Nothing was sent to anna/words");
  });
});

describe("the files that are sent", () => {
  test("of a model name no path of this machine", () => {
    const config = { model_type: "llama", _name_or_path: "/home/anna/tiny" };
    const model = makeFolder("model", {
      "config.json": JSON.stringify(config),
      "model.safetensors": weights,
      "tokenizer.json": "{}",
    });
    const files = listPushedFiles(model);
    expect(files.map(({ path }) => path).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    const sent = files.find(({ path }) => path === "config.json")!.source as { text: string };
    expect(JSON.parse(sent.text)).toEqual({ model_type: "llama" });
  });

  test("of GGUF are one file, or a folder's with its Modelfile", () => {
    const folder = makeFolder("gguf", { "math.gguf": "g", Modelfile: "FROM ./math.gguf", "other.bin": "" });
    expect(listPushedFiles(join(folder, "math.gguf"))).toEqual([
      { path: "math.gguf", source: join(folder, "math.gguf"), bytes: 1 },
    ]);
    expect(listPushedFiles(folder).map(({ path }) => path)).toEqual(["Modelfile", "math.gguf"]);
  });

  test("are not those that links lead to", () => {
    const folder = makeFolder("linked", adapterFiles("someone/tiny"));
    rmSync(join(folder, "README.md"));
    symlinkSync(join(adapter, "notes.txt"), join(folder, "README.md"));
    expect(listPushedFiles(folder).map(({ path }) => path)).not.toContain("README.md");
  });

  test.each([
    ["nothing", "There is no"],
    ["adapter/notes.txt", "no .gguf file"],
    [".", "no result that can be sent"],
  ])("are not those of %s", (source, message) => {
    expect(() => listPushedFiles(join(scratch, source))).toThrow(message);
  });

  test("go to a repository by its whole name", async () => {
    await expect(pushResult(adapter, "words", { hubUrl })).rejects.toThrow("give user/name");
  });
});
