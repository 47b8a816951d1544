/** @file The page that tunes in its tab, as a folder for any static host. */

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../core/errors.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { readText } from "../node/files/read.ts";
import { copyFile, makeFolder, remove, writeFolderWhole } from "../node/files/write.ts";

const inPackage = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** What of ONNX Runtime the page's worker loads, as it is installed; hosts do not always know ".mjs" as a script. */
const runtimeFiles = {
  "ort.webgpu.bundle.min.mjs": "ort.webgpu.bundle.min.js",
  "ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
} as const;

/** In the page's head: by it a folder is known to hold one. */
const mark = '<meta name="generator" content="slimtune studio">';

/**
 * Writes the page with the embedded model and ONNX Runtime's files into a folder. An earlier page there is replaced, and what else lies
 * beside it is kept.
 *
 * @param page the built page. Default: the package's
 * @throws InputError if the folder holds something else, the package onnxruntime-web is not installed, or the disk does not take the page.
 *
 * @example
 * await writeStaticPage("out");
 */
export async function writeStaticPage(folder: string, page = inPackage("dist/studio-tab")): Promise<void> {
  const index = join(folder, "index.html");
  if (!isNewFolder(folder) && !(existsSync(index) && readText(index).includes(mark)))
    throw new InputError(`The folder ${folder} is not empty and holds no earlier page; choose another one.`);
  const runtime = findRuntime();
  await writeFolderWhole(folder, async (temporary) => {
    copyFolder(page, temporary);
    copyFolder(inPackage("fixtures/embedded-model"), join(temporary, "model"));
    makeFolder(join(temporary, "onnxruntime-web"));
    for (const [from, to] of Object.entries(runtimeFiles))
      copyFile(join(runtime, from), join(temporary, "onnxruntime-web", to));
    // A folder takes no other's name.
    for (const name of readdirSync(temporary)) remove(join(folder, name));
  });
}

function findRuntime(): string {
  try {
    const { resolve } = createRequire(import.meta.url);
    return dirname(resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm"));
  } catch {
    throw new InputError(
      'The page computes by the package "onnxruntime-web", which is not installed; install it beside slimtune by: npm install onnxruntime-web',
    );
  }
}

function copyFolder(from: string, to: string): void {
  makeFolder(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else copyFile(source, target);
  }
}
