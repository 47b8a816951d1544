/**
 * @file How the page that tunes in the tab is built. What its worker needs of onnxruntime-web is put beside it when the page is written, all of
 * one version.
 */

import { resolve } from "node:path";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  // Node's reader of CSV is the browser's, where it is built for one.
  resolve: { alias: { "csv-parse/sync": "csv-parse/browser/esm/sync" } },
  build: {
    outDir: resolve(import.meta.dirname, "../../../dist/studio-tab"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  worker: {
    format: "es",
    rollupOptions: {
      external: ["onnxruntime-web/webgpu"],
      output: { paths: { "onnxruntime-web/webgpu": "../onnxruntime-web/ort.webgpu.bundle.min.js" } },
    },
  },
});
