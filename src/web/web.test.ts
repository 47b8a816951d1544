import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  createModel,
  type Device,
  generate,
  InputError,
  loadWeights,
  type Model,
  openFolderCheckpoint,
  openSafetensors,
  type Storage,
} from "../core/index.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { blobFolder, blobSource, openUrl } from "./byte-sources.ts";
import { train } from "./training.fixture.ts";

// Node.js runs the package's WebAssembly too, if it finds a `require` there.
Object.assign(globalThis, { require: createRequire(import.meta.url) });
const { env } = await import("onnxruntime-web/webgpu");
const { openWebDevice } = await import("./device.ts");
// Its threads wait actively.
env.wasm.numThreads = 1;

const folder = "fixtures/embedded-model";
const files = readdirSync(folder).map((name) => new File([readFileSync(join(folder, name))], name));

describe("sources", async () => {
  const bytes = readFileSync(join(folder, "model.safetensors"));
  const server = createServer(({ headers, url }, response) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (url === "/none") response.writeHead(404).end();
    else if (url === "/whole") response.end(bytes);
    else
      response
        .writeHead(206, { "content-range": `bytes ${start}-${end}/${bytes.length}` })
        .end(bytes.subarray(Number(start), Number(end) + 1));
  }).listen(0);
  afterAll(() => void server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  test("an address is read in parts", async () => {
    const file = await openSafetensors(await openUrl(`${address}/model`));
    const [name] = file.tensors.keys() as Iterable<string> as [string];
    const local = await openSafetensors(blobSource(new Blob([bytes]), "local"));
    expect(Buffer.compare(await file.readBytes(name), await local.readBytes(name))).toBe(0);
  });

  test("what cannot be read in parts is refused", async () => {
    await expect(openUrl(`${address}/whole`)).rejects.toThrow("/whole gives no parts of files; download");
    await expect(openUrl(`${address}/none`)).rejects.toThrow("/none cannot be read: the server answers 404");
  });

  test("a Blob that is cut off is refused", async () => {
    const cut = blobSource(new Blob([bytes.subarray(0, 1000)]), "cut.safetensors");
    await expect(openSafetensors(cut)).rejects.toThrow(/^cut\.safetensors .*truncated/);
    await expect(cut.read(900, 1100)).rejects.toThrow("cut.safetensors ends before byte 1100");
    await expect(blobFolder([], "chosen").open("config.json")).rejects.toThrow(
      "chosen holds no config.json.",
    );
  });
});

async function openFromBlobs(storage: Storage): Promise<Model> {
  const checkpoint = await openFolderCheckpoint(blobFolder(files, "chosen"));
  return createModel("chosen", checkpoint, await loadWeights(checkpoint, { storage }));
}

test.each(["float32", "nf4"] as const)(
  "two steps with weights in %s on WebAssembly, from Blobs, have Node's losses",
  async (storage) => {
    const expected = await train(await openModel(folder, { storage }), openDevice("cpu"));
    const losses = await train(await openFromBlobs(storage), openWebDevice("wasm"));
    expect(losses[1]).toBeLessThan(losses[0]!);
    for (const [step, loss] of losses.entries()) expect(loss / expected[step]!).toBeCloseTo(1, 4);
  },
);

test("a model from Blobs is the same, and writes the same on WebAssembly", async () => {
  const model = await openModel(folder);
  const ours = await openFromBlobs("float32");
  expect(ours.fingerprint).toBe(model.fingerprint);
  const write = (from: Model, device: Device) =>
    generate(device, from, "Question: 2 + 3?", { maxNewTokens: 8 });
  expect(await write(ours, openWebDevice("wasm"))).toBe(await write(model, openDevice("cpu")));
});

test("a device of another name is refused", () => {
  expect(() => openWebDevice("cpu" as "wasm")).toThrow(InputError);
});
