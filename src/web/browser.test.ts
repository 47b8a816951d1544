import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { expect, test } from "vitest";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { chromium, openPage } from "../reporting/headless-browser.fixture.ts";
import { bundle } from "./bundle.fixture.ts";
import { train } from "./training.fixture.ts";

const folder = "fixtures/embedded-model";
const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const page = `<!doctype html><script type="importmap">{"imports":{"onnxruntime-web/webgpu":"/ort/ort.webgpu.bundle.min.mjs"}}</script>`;

test("a page tunes a model on WebAssembly with Node's losses", async ({ skip }) => {
  skip(chromium === undefined, "there is no browser; on Debian install chromium");
  const { code } = await bundle("src/web/page.fixture.ts", [/^onnxruntime-web/]);
  const server = createServer(({ url = "/" }, response) => {
    const [, place, name = ""] = url.split("/");
    response.setHeader("content-type", types[extname(url)] ?? types[".html"]!);
    if (url === "/page.js") response.end(code);
    else if (place === "ort") response.end(readFileSync(join("node_modules/onnxruntime-web/dist", name)));
    else if (place === "model") response.end(readFileSync(join(folder, name)));
    else response.end(page);
  }).listen(0);
  const tab = await openPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  try {
    const losses = await tab.evaluate(
      `import("/page.js").then(({ trainInPage }) => trainInPage("/model", "wasm"))`,
    );
    const expected = await train(await openModel(folder), openDevice("cpu"));
    for (const [step, loss] of (losses as number[]).entries())
      expect(loss / expected[step]!).toBeCloseTo(1, 4);
    expect(losses).toHaveLength(2);
  } finally {
    await tab.close();
    server.close();
  }
});
