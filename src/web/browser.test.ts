import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Storage } from "../core/models/linear.ts";
import { required, whyNotAll } from "../core/runtime/webgpu-device.fixture.ts";
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
const built = mkdtempSync(join(tmpdir(), "slimtune-example-"));

function fileOf(url: string): Buffer {
  const [, place = "", name = ""] = /^\/(\w+)\/(.*)$/.exec(url) ?? [];
  if (url === "/page.js") return Buffer.from(code);
  if (place === "ort") return readFileSync(join("node_modules/onnxruntime-web/dist", name));
  if (place === "model") return readFileSync(join(folder, name));
  if (place === "example") return readFileSync(join(built, name || "index.html"));
  return Buffer.from(page);
}

/** Answers with a file or, where they are asked for, with a part of its bytes. */
const server = createServer(({ url = "/", headers }, response) => {
  const bytes = fileOf(url);
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  response.setHeader("content-type", types[extname(url)] ?? types[".html"]!);
  if (start === undefined) return response.end(bytes);
  response.writeHead(206, { "content-range": `bytes ${start}-${end}/${bytes.length}` });
  return response.end(bytes.subarray(Number(start), Number(end) + 1));
});

let code: string;
let tab: BrowserPage | undefined;
const addressOf = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
beforeAll(async () => {
  ({ code } = await bundle("src/web/page.fixture.ts", [/^onnxruntime-web/]));
  server.listen(0);
  if (chromium) tab = await openPage(addressOf("/"));
});
afterAll(async () => {
  await tab?.close();
  server.close();
  rmSync(built, { recursive: true });
});
const why = "there is no browser; on Debian install chromium";
const evaluate = (expression: string) =>
  tab!.evaluate(`import("/page.js").then((page) => page.${expression})`);

test("what a page loads to tune is 150 kB at most, beside onnxruntime-web", async () => {
  const { code, modules } = await bundle("src/web/index.ts", [/^onnxruntime-web/], {
    leavesLater: true,
  });
  expect(modules.filter((name) => /node:|__vite-browser-external/.test(name))).toEqual([]);
  expect(gzipSync(code).length).toBeLessThan(150_000);
});

// The software device compiles each kernel on the CPU, which takes most of the time.
describe.each(["float32", "nf4"] as const)("with weights in %s", { timeout: 180_000 }, (storage) => {
  let expected: ShortTuning;
  beforeAll(async () => {
    expected = await tuneAndWrite(openDevice("cpu"), await openModel(folder, { storage }));
  });

  test.for([
    ["wasm", true],
    // The software device takes its time for the kernels of writing, above all of 8 bits.
    ["webgpu", storage === "float32" && required],
  ])(
    "a page tunes on %s with Node's losses, and writes what Node does",
    async ([device, writes], { skip }) => {
      skip(!tab, why);
      skip(!required && device === "webgpu" && storage === "nf4", whyNotAll);
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

test("a model of which a tensor is larger than the device's limit is refused before it is computed with", async ({
  skip,
}) => {
  skip(!tab, why);
  expect(await evaluate(`failInPage("/model", "small")`)).toMatch(
    /^The largest tensor of a step, .+, takes \d+ bytes, and the device "webgpu" gives 300000 in one piece; take/,
  );
});

test("a weight that is larger than a binding may be is bound in pieces", { timeout: 180_000 }, async ({
  skip,
}) => {
  skip(!tab, why);
  skip(!required, whyNotAll);
  expect(await evaluate("multiplyInPieces()")).toEqual({ binding: 2 ** 27, product: 4096 });
});

const lossOf = (progress: string) => Number(/loss ([\d.]+)/.exec(progress)![1]);

test("the example tunes on pasted rows, goes on in a tab that was opened again, and writes", async ({
  skip,
}) => {
  skip(!tab, why);
  await build({
    root: "examples/browser",
    logLevel: "error",
    build: { outDir: built, emptyOutDir: true, minify: false },
  });
  const click = (id: string) => `document.getElementById("${id}").click()`;
  const until = (condition: string) =>
    tab!.evaluate(`(async () => {
      while (!(await (${condition}))) await new Promise((resolve) => setTimeout(resolve, 20));
      return document.getElementById("progress").value;
    })()`) as Promise<string>;
  const storedStep = `new Promise((resolve) => {
    const opening = indexedDB.open("slimtune-example");
    opening.onsuccess = () => {
      const store = opening.result.transaction("slimtune-example").objectStore("slimtune-example");
      store.get("slimtune-example").onsuccess = ({ target }) => resolve(target.result?.state.progress.step ?? 0);
    };
  })`;
  const open = async () => {
    await tab!.navigate(addressOf("/example/"));
    await tab!.evaluate(`document.getElementById("csv").value = "prompt,completion\\nWhen?,At nine."`);
  };
  await open();
  await tab!.evaluate(click("tune"));
  const first = await until(`${storedStep}.then((step) => step >= 2)`);
  expect(first).toMatch(/^step \d+ of 20: loss \d\.\d{3}, \d+ tokens\/s$/);

  await open();
  const stored = (await tab!.evaluate(storedStep)) as number;
  await tab!.evaluate(click("tune"));
  const next = await until('document.getElementById("progress").value.startsWith("step")');
  expect(Number(/^step (\d+)/.exec(next)![1])).toBeGreaterThan(stored);
  const last = await until(`document.querySelector("#files a")`);
  expect(last).toMatch(/^step 20 of 20/);
  expect(lossOf(last)).toBeLessThan(lossOf(first));

  await tab!.evaluate(`document.getElementById("prompt").value = "When?"; ${click("write")}`);
  await until("!document.getElementById('write').disabled");
  const texts = (await tab!.evaluate(
    `["base", "tuned"].map((id) => document.getElementById(id).textContent)`,
  )) as string[];
  expect(texts[0]).not.toBe(texts[1]);
  expect(texts[1]).toContain("At nine.");
  const requested = await tab!.evaluate(
    `performance.getEntriesByType("resource").map(({ name }) => new URL(name).origin)`,
  );
  expect(new Set(requested as string[])).toEqual(new Set([new URL(addressOf("/")).origin]));
});
