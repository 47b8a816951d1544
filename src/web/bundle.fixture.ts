/** @file Bundles a module for a browser, as an application that imports it does. */

import { build, type Rollup } from "vite";

export interface Bundle {
  readonly code: string;
  /** What went into it: paths of files, and names of modules that a browser lacks. */
  readonly modules: readonly string[];
}

/** @param leavesLater whether what is imported only when it is needed is left out. Default false */
export async function bundle(
  entry: string,
  external: readonly (string | RegExp)[] = [],
  { leavesLater = false } = {},
): Promise<Bundle> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      modulePreload: false,
      rollupOptions: {
        input: entry,
        preserveEntrySignatures: leavesLater ? "allow-extension" : "strict",
        external: [...external],
        output: { inlineDynamicImports: !leavesLater },
      },
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
