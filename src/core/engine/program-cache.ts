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
  release(): Promise<void>;
}

export function createProgramCache(device: Device): ProgramCache {
  const programs = new Map<string, Promise<Program<AnyTensor>>>();
  const once = <Result extends AnyTensor>(
    key: string,
    compile: () => Promise<Program<Result>>,
  ): Promise<Program<Result>> => {
    const known = programs.get(key);
    if (known) return known as Promise<Program<Result>>;
    const program = compile();
    programs.set(key, program);
    // What could not be compiled cannot be released.
    program.catch(() => programs.delete(key));
    return program;
  };
  return {
    compileOnce: (key, build) => once(key, async () => device.compile(await build())),
    compileKeeping: (key, build, keeps = () => true) =>
      once<AnyTensor>(key, async () => {
        const outputs = await build();
        return device.compileKeeping?.(outputs, keeps) ?? device.compile(outputs);
      }),
    async release() {
      for (const program of programs.values()) await (await program).release();
      programs.clear();
    },
  };
}
