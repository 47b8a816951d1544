/** @file Programs that are compiled when first needed, and kept. */

import type { Tensor } from "../graph/tensor.ts";
import type { AnyTensor, Device, Program } from "../runtime/device.ts";

type Outputs = Readonly<Record<string, Tensor>>;

export interface ProgramCache {
  /** The program of this name; `build` gives its outputs the first time. */
  compileOnce(key: string, build: () => Outputs | Promise<Outputs>): Promise<Program>;
  /**
   * The same, of whose outputs those that `keeps` names stay on the device, where it has memory of its own.
   *
   * @param keeps it belongs to the key. Default: all stay
   */
  compileKeeping(
    key: string,
    build: () => Outputs | Promise<Outputs>,
    keeps?: (name: string) => boolean,
  ): Promise<Program<AnyTensor>>;
  readonly operations: Device["operations"];
  release(): Promise<void>;
}

export function createProgramCache(device: Device): ProgramCache {
  const programs = new Map<string, Promise<Program<AnyTensor>>>();
  const compileKeeping: ProgramCache["compileKeeping"] = (key, build, keeps = () => true) => {
    const known = programs.get(key);
    if (known) return known;
    const program = (async () => {
      const outputs = await build();
      return device.compileKeeping?.(outputs, keeps) ?? device.compile(outputs);
    })();
    programs.set(key, program);
    // What could not be compiled cannot be released.
    program.catch(() => programs.delete(key));
    return program;
  };
  return {
    operations: device.operations,
    compileOnce: (key, build) => compileKeeping(key, build, () => false) as Promise<Program>,
    compileKeeping,
    async release() {
      for (const program of programs.values()) await (await program).release();
      programs.clear();
    },
  };
}
