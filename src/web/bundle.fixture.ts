/** @file Bundles a module for a browser, as an application that imports it does, without what it loads later. */

import { build, type Rollup } from "vite";

export interface Bundle {
  readonly code: string;
  /** What went into it: paths of files, and names of modules that a browser lacks. */
  readonly modules: readonly string[];
}

export async function bundle(entry: string, external: readonly (string | RegExp)[] = []): Promise<Bundle> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      modulePreload: false,
      rollupOptions: { input: entry, preserveEntrySignatures: "allow-extension", external: [...external] },
    },
  })) as Rollup.RollupOutput;
  const chunks = output
    .filter((part) => part.type === "chunk")
    .filter(({ isDynamicEntry }) => !isDynamicEntry);
  return {
    code: chunks.map((chunk) => chunk.code).join("\n"),
    modules: chunks.flatMap((chunk) => [...Object.keys(chunk.modules), ...chunk.imports]),
  };
}
