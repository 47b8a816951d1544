import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Storage } from "../core/models/linear.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { type BrowserPage, chromium, openPage } from "../reporting/headless-browser.fixture.ts";
import { bundle } from "./bundle.fixture.ts";
import { type ShortTuning, tuneAndWrite, write } from "./tuning.fixture.ts";

const folder = "fixtures/embedded-model";
const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const page = `<!doctype html><script type="importmap">{"imports":{"onnxruntime-web/webgpu":"/ort/ort.webgpu.bundle.min.mjs"}}</script>`;

/** Answers with a file or, where they are asked for, with a part of its bytes. */
const server = createServer(({ url = "/", headers }, response) => {
  const [, place, name = ""] = url.split("/");
  response.setHeader("content-type", types[extname(url)] ?? types[".html"]!);
  if (url === "/page.js") return response.end(code);
  if (place === "ort") return response.end(readFileSync(join("node_modules/onnxruntime-web/dist", name)));
  if (place !== "model") return response.end(page);
  const bytes = readFileSync(join(folder, name));
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range!)!.map(Number) as [0, number, number];
  response.writeHead(206, { "content-range": `bytes ${start}-${end}/${bytes.length}` });
  return response.end(bytes.subarray(start, end + 1));
});

let code: string;
let tab: BrowserPage | undefined;
beforeAll(async () => {
  ({ code } = await bundle("src/web/page.fixture.ts", [/^onnxruntime-web/]));
  server.listen(0);
  if (chromium) tab = await openPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
afterAll(async () => {
  await tab?.close();
  server.close();
});
const why = "there is no browser; on Debian install chromium";
const evaluate = (expression: string) =>
  tab!.evaluate(`import("/page.js").then((page) => page.${expression})`);

test("what a page loads to tune is 150 kB at most, beside onnxruntime-web", async () => {
  const { code, modules } = await bundle("src/web/index.ts", [/^onnxruntime-web/]);
  expect(modules.filter((name) => /node:|__vite-browser-external/.test(name))).toEqual([]);
  expect(gzipSync(code).length).toBeLessThan(150_000);
});

describe.each(["float32", "nf4"] as const)("with weights in %s", (storage) => {
  let expected: ShortTuning;
  beforeAll(async () => {
    expected = await tuneAndWrite(openDevice("cpu"), await openModel(folder, { storage }));
  });

  test.for([
    ["wasm", true],
    // The software device takes its time for the kernels of writing in 8 bits.
    ["webgpu", storage === "float32"],
  ])(
    "a page tunes on %s with Node's losses, and writes what Node does",
    async ([device, writes], { skip }) => {
      skip(!tab, why);
      const call = `tuneInPage("/model", "${device}", "${storage}", ${writes})`;
      const found = (await evaluate(call)) as ShortTuning;
      expect(found.losses).toHaveLength(2);
      for (const [step, loss] of found.losses.entries())
        expect(loss / expected.losses[step]!).toBeCloseTo(1, 4);
      if (writes) expect(found.text).toBe(expected.text);
      expect(await writeByFiles(found, storage)).toBe(expected.text);
    },
  );
});

/** What the model writes in Node with the adapter of a page. */
async function writeByFiles({ files }: ShortTuning, storage: Storage): Promise<string> {
  const adapter = mkdtempSync(join(tmpdir(), "slimtune-page-"));
  try {
    for (const [name, bytes] of Object.entries(files))
      writeFileSync(join(adapter, name), Uint8Array.from(bytes));
    return await write(openDevice("cpu"), await loadAdapter(await openModel(folder, { storage }), adapter));
  } finally {
    rmSync(adapter, { recursive: true });
  }
}

test("where there is no WebGPU device, or it is lost in mid-step, the page is told how to go on", async ({
  skip,
}) => {
  skip(!tab, why);
  expect(await evaluate(`failInPage("/model", "no device")`)).toBe(
    'This browser gives no WebGPU device; choose the device "wasm", or another browser or driver of the graphics card.',
  );
  expect(await evaluate(`failInPage("/model", "lost")`)).toBe(
    'The WebGPU device was lost (Device was destroyed); open it again, or the device "wasm", and go on from the last state.',
  );
});
