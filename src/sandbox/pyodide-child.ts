/**
 * @file The program of Pyodide's process: CPython in WebAssembly. While a program runs, it has but the doors of `pyodide-doors.ts`;
 * after it, the memory is put back as it was before.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { BoundedText } from "./bounded-text.ts";
import { lastLine, serve } from "./child.ts";
import { guardImports, type ProgramLimits, Stop } from "./pyodide-doors.ts";

/** What is used of Pyodide's module, as Emscripten makes it. */
interface EmscriptenModule {
  readonly HEAPU8: Uint8Array;
  readonly FS: { readonly streams: readonly ({ readonly fd: number } | null)[]; close(stream: object): void };
  stackSave(): number;
  stackRestore(pointer: number): void;
  stringToNewUTF8(text: string): number;
  /** @returns where the memory ends that is in use */
  _sbrk(increment: 0): number;
  _PyRun_SimpleString(text: number): number;
}

const [, , packageFolder, wheelsFolder] = process.argv;

let running: ProgramLimits | undefined;
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    instantiate(source: Uint8Array, imports?: Record<string, Record<string, unknown>>): Promise<unknown>;
  };
};
const { instantiate } = WebAssembly;
WebAssembly.instantiate = (source, imports) => {
  // Beside Python's there are small modules, some of them without imports.
  guardImports(imports ?? {}, () => running);
  return instantiate(source, imports);
};
// The permission model takes away what Pyodide asks for the flags of the host's files, of which it gets none.
Object.assign(process, { binding: () => ({ fs: {} }) });

const { loadPyodide }: typeof import("pyodide") = await import(
  pathToFileURL(join(packageFolder!, "pyodide.mjs")).href
);
const pyodide = await loadPyodide({
  indexURL: packageFolder!,
  jsglobals: Object.create(null),
  env: { HOME: "/home/pyodide" },
});
const { _module: module } = pyodide as unknown as { readonly _module: EmscriptenModule };

let stdout = new BoundedText(2);
let stderr = new BoundedText(2);
const writeTo = (text: () => BoundedText) => {
  const decoder = new TextDecoder();
  return {
    write(bytes: Uint8Array) {
      const part = 65_536;
      for (let at = 0; at < bytes.length; at += part)
        text().append(decoder.decode(bytes.subarray(at, at + part), { stream: true }));
      return bytes.length;
    },
  };
};
pyodide.setStdout(writeTo(() => stdout));
pyodide.setStderr(writeTo(() => stderr));
pyodide.setStdin({ stdin: () => null });
// Python asks now and then whether it was interrupted, which is a door.
pyodide.setInterruptBuffer(new Int32Array(1));

/** Runs statements in the module `__main__`. @returns whether they came to their end; if not, the traceback is on the standard error */
const execute = (code: string) => module._PyRun_SimpleString(module.stringToNewUTF8(code)) === 0;

const takeState = () => ({ memory: module.HEAPU8.slice(0, module._sbrk(0)), stack: module.stackSave() });
let fresh = takeState();
/** All that Python knows is in its memory, but which files are open. */
function restoreState(): void {
  module.HEAPU8.fill(0, fresh.memory.length, module._sbrk(0));
  module.HEAPU8.set(fresh.memory);
  module.stackRestore(fresh.stack);
  for (const stream of module.FS.streams) if (stream && stream.fd > 2) module.FS.close(stream);
}

let hasWheels = false;

serve({
  prepare(code) {
    if (hasWheels || wheelsFolder === undefined || !/\b(sympy|mpmath)\b/.test(code)) return;
    hasWheels = true;
    for (const name of readdirSync(wheelsFolder).filter((name) => name.endsWith(".whl")))
      pyodide.unpackArchive(new Uint8Array(readFileSync(join(wheelsFolder, name))), "wheel");
    // An import takes seconds, and one that is interrupted leaves a broken module.
    execute("import sympy\ndel sympy");
    fresh = takeState();
  },
  run({ code, timeoutMs, memoryBytes, outputLimit }, output) {
    stdout = output;
    stderr = new BoundedText(Math.max(outputLimit, 10_000));
    running = { deadline: performance.now() + timeoutMs, heapBytes: fresh.memory.length + memoryBytes };
    try {
      const isDone = execute(code);
      const error = lastLine(stderr.toString());
      execute("import sys\nsys.stdout.flush()");
      if (isDone || /^SystemExit(: (None|0))?$/.test(error)) return { reason: "ok" };
      return { reason: error.startsWith("MemoryError") ? "memory" : "error", error };
    } catch (error) {
      if (error instanceof Stop) return error.end;
      // JavaScript's stack, or a trap of WebAssembly.
      return error instanceof RangeError
        ? { reason: "error", error: "RecursionError: maximum recursion depth exceeded" }
        : { reason: "error", error: "SystemError: the program broke the interpreter" };
    } finally {
      running = undefined;
      restoreState();
    }
  },
});
