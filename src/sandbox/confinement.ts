/** @file How a process is started that sees as little as possible of this machine. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import process from "node:process";
import { InputError } from "../core/errors.ts";

/**
 * What stands around an interpreter's process, beside an empty environment and, but on Windows, limits of the system on memory and
 * on writing files:
 *
 * - `bubblewrap`: namespaces of Linux in which there is no other process, no network, and of the files only what the interpreter
 *   needs; and in it what `process` is
 * - `process`: Node's permission model, which keeps a program from files, processes and threads. Node's documentation calls it a
 *   seat belt and no protection against malicious code.
 */
export type Isolation = "bubblewrap" | "process";

export interface ConfinedProgram {
  /** The JavaScript file, and the words that follow it. */
  readonly words: readonly string[];
  /** Files that it may read, and folders, which end with a slash, with all that is in them. */
  readonly readable: readonly string[];
  /** Whether it loads a library of native code. */
  readonly addons?: boolean;
}

/** Bytes of a process' own data, beyond which the system gives it none. */
const dataBytes = 2 * 2 ** 30;

let bubblewrapWorks: boolean | undefined;

/** Whether bubblewrap is installed and may make namespaces here. */
export function hasBubblewrap(): boolean {
  bubblewrapWorks ??=
    spawnSync("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"], { stdio: "ignore" }).status === 0;
  return bubblewrapWorks;
}

/**
 * The isolation that was asked for, or the best one that works here.
 *
 * @throws InputError if it does not work here
 */
export function chooseIsolation(asked?: Isolation): Isolation {
  if (asked === "bubblewrap" && !hasBubblewrap())
    throw new InputError(
      'bubblewrap does not work here; install it (on Debian and Ubuntu: apt-get install bubblewrap), or choose the isolation "process".',
    );
  return asked ?? (hasBubblewrap() ? "bubblewrap" : "process");
}

/** Starts Node.js with a program, which talks by its standard streams. */
export function startConfined(
  { words, readable, addons }: ConfinedProgram,
  isolation: Isolation,
): ChildProcess {
  const node = [
    process.execPath,
    process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission",
    ...readable.map((path) => `--allow-fs-read=${path}`),
    ...(addons && process.allowedNodeEnvironmentFlags.has("--allow-addons") ? ["--allow-addons"] : []),
    "--disallow-code-generation-from-strings",
    "--max-old-space-size=512",
    "--no-warnings",
    ...words,
  ];
  const command = isolation === "bubblewrap" ? ["bwrap", ...wrap(readable), ...node] : node;
  const [program, ...rest] = process.platform === "win32" ? command : limit(command);
  // bubblewrap, which has to be found, clears it.
  const env = isolation === "bubblewrap" ? { PATH: process.env.PATH } : {};
  return spawn(program!, rest, { env, stdio: ["pipe", "pipe", "pipe"] });
}

/** Whoever exceeds a limit fails: there are no dumps of memory and no written files, and memory ends at {@link dataBytes}. */
function limit(command: readonly string[]): string[] {
  const script = `ulimit -c 0; ulimit -f 0; ulimit -d ${dataBytes / 1024}; exec "$@"`;
  return ["/bin/sh", "-c", script, "sh", ...command];
}

function wrap(readable: readonly string[]): string[] {
  const libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store"];
  const executable = realpathSync(process.execPath);
  const bind = (path: string) => ["--ro-bind-try", path, path];
  return [
    ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"],
    ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox"],
    ["--dev", "/dev", "--proc", "/proc"],
    ["--ro-bind", executable, process.execPath],
    [...libraries, ...readable].flatMap(bind),
    ["--remount-ro", "/", "--chdir", "/"],
  ].flat();
}
