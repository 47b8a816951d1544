import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundle } from "../web/bundle.fixture.ts";

test("the core is bundled for a browser without anything of Node's, in 150 kB", async () => {
  const { code, modules } = await bundle("src/core/index.ts");
  expect(modules.filter((name) => /node:|__vite-browser-external|onnxruntime/.test(name))).toEqual([]);
  expect(modules.filter((name) => /src\/(?!core\/)/.test(name))).toEqual([]);
  expect(gzipSync(code).length).toBeLessThan(150_000);
});
