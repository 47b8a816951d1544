/** @file Programs that are compiled when first needed, and kept. */

import type { Tensor } from "../graph/tensor.ts";
import type { Device, Program } from "../runtime/device.ts";

type Outputs = Readonly<Record<string, Tensor>>;

export interface ProgramCache {
  /** The program of this name; `build` gives its outputs the first time. */
  compileOnce(key: string, build: () => Outputs | Promise<Outputs>): Promise<Program>;
  release(): Promise<void>;
}

export function createProgramCache(device: Device): ProgramCache {
  const programs = new Map<string, Promise<Program>>();
  return {
    compileOnce(key, build) {
      const known = programs.get(key);
      if (known) return known;
      const program = (async () => device.compile(await build()))();
      programs.set(key, program);
      // What could not be compiled cannot be released.
      program.catch(() => programs.delete(key));
      return program;
    },
    async release() {
      for (const program of programs.values()) await (await program).release();
      programs.clear();
    },
  };
}
