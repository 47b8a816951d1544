import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const inRepository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

// A page that is isolated from other origins may compute with several threads.
const headers = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

export default defineConfig({
  base: "./",
  // The model's files.
  publicDir: inRepository("fixtures/embedded-model"),
  // A project of its own has the package, and needs no alias.
  resolve: { alias: { "slimtune/web": inRepository("src/web/index.ts") } },
  worker: { format: "es" },
  build: { target: "es2022" },
  // The package finds its WebAssembly beside itself.
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  server: { headers, fs: { allow: [inRepository("")] } },
  preview: { headers },
});
