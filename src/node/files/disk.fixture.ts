/** @file For tests: what is asked of the disk is seen before it is done, in this process or in one that is started. */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/** A change to the disk that is about to be made. */
export interface Change {
  readonly name: string;
  /** The file or folder. */
  readonly path: string;
  /** What is added to a file. */
  readonly bytes?: Uint8Array;
}

/** Calls `onChange` before each change, which is not made if it throws. @returns a function that ends this */
export function watchDisk(onChange: (change: Change) => void): () => void {
  return patch(fs, syncBuiltinESMExports, onChange);
}

/** Has the disk be full for files whose path holds this text. @returns a function that makes room */
export function fillDisk(text = ""): () => void {
  return watchDisk(({ name, path }) => {
    if (name === "writeSync" && path.includes(text))
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), {
        code: "ENOSPC",
        syscall: "write",
      });
  });
}

/** Options of Node with which a process finds the disk full when it writes to a file whose path holds this text. */
export function withFullDisk(text: string): string[] {
  return importing(`(change) => {
    if (change.name === "writeSync" && change.path.includes(${JSON.stringify(text)}))
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
  }`);
}

/** Options of Node with which a process is killed before its change of this number, or after half of it is written. */
export function withKill(number: number): string[] {
  return importing(`(() => {
    let count = 0;
    return ({ bytes, descriptor, write }) => {
      if (++count < ${number}) return;
      if (bytes) write(descriptor, bytes, 0, bytes.length >> 1);
      process.kill(process.pid, "SIGKILL");
    };
  })()`);
}

function importing(onChange: string): string[] {
  const code = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module"; (${patch})(fs, syncBuiltinESMExports, ${onChange});`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

/** Stands alone, since its text is also run in other processes. */
function patch(
  disk: typeof fs,
  publish: () => void,
  onChange: (change: Change & { descriptor?: number; write?: typeof fs.writeSync }) => void,
): () => void {
  const original = { ...disk };
  const patched = ["openSync", "writeSync", "ftruncateSync"];
  const target = disk as unknown as Record<string, (...args: never[]) => unknown>;
  const paths = new Map<number, string>();
  for (const [name, place] of Object.entries({
    mkdirSync: 0,
    rmSync: 0,
    rmdirSync: 0,
    unlinkSync: 0,
    renameSync: 0,
    copyFileSync: 1,
    linkSync: 1,
    symlinkSync: 1,
    truncateSync: 0,
    writeFileSync: 0,
    appendFileSync: 0,
  })) {
    const real = target[name]!;
    patched.push(name);
    target[name] = (...args: never[]) => {
      const path: unknown = args[place];
      onChange({ name, path: typeof path === "number" ? (paths.get(path) ?? "") : String(path) });
      return real(...args);
    };
  }
  disk.openSync = (path, flags, mode) => {
    const text = String(flags ?? "r");
    if (text !== "r" && text !== "rs" && (Number.isNaN(Number(text)) || Number(text) & 3))
      onChange({ name: "openSync", path: String(path) });
    const descriptor = original.openSync(path, flags, mode);
    paths.set(descriptor, String(path));
    return descriptor;
  };
  disk.writeSync = ((descriptor: number, bytes: Uint8Array, ...place: number[]) => {
    const path = paths.get(descriptor);
    // Other descriptors are of streams such as standard output.
    if (path !== undefined)
      onChange({ name: "writeSync", path, bytes, descriptor, write: original.writeSync });
    return original.writeSync(descriptor, bytes, ...place);
  }) as typeof fs.writeSync;
  disk.ftruncateSync = (descriptor, length) => {
    onChange({ name: "ftruncateSync", path: paths.get(descriptor) ?? "" });
    original.ftruncateSync(descriptor, length);
  };
  publish();
  return () => {
    for (const name of patched) target[name] = original[name as keyof typeof fs] as never;
    publish();
  };
}
