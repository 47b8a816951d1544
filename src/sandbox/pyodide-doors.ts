/** @file What of the host a Python program reaches in Pyodide: the functions that its WebAssembly module imports, and no others. */

import { outOfTime, type ProgramEnd } from "./child.ts";

type Import = (...args: number[]) => unknown;

/** What a program may take. */
export interface ProgramLimits {
  /** By `performance.now()`. */
  readonly deadline: number;
  /** Bytes that the interpreter's memory may grow to. */
  readonly heapBytes: number;
}

/** Thrown through the interpreter, where Python cannot catch it, to end a program. */
export class Stop extends Error {
  constructor(readonly end: ProgramEnd) {
    super(end.error ?? end.reason);
  }
}

/** What an import does while a program runs. */
type Door = (original: Import, args: number[], limits: ProgramLimits) => unknown;

const open: Door = (original, args) => original(...args);

const untilDeadline: Door = (original, args, { deadline }) => {
  if (performance.now() > deadline) throw new Stop(outOfTime);
  return original(...args);
};

const fails =
  (error: number): Door =>
  () =>
    -error;
const [notPermitted, readOnly] = [fails(63), fails(69)];

const ends =
  (error: (code?: number) => string): Door =>
  (_original, [code]) => {
    throw new Stop({ reason: "error", error: error(code) });
  };
const exits = ends((code) => `SystemExit: ${code}`);
const breaks = ends(() => "SystemError: the program broke the interpreter");

const named = (door: Door, names: string) => names.split(/\s+/).map((name) => [name, door] as const);

/** All doors that there are: a program that comes to another import is refused. Files are those in the interpreter's memory. */
const doors: ReadonlyMap<string, Door> = new Map([
  ...named(
    open,
    `fd_read fd_seek fd_pread fd_fdstat_get environ_get environ_sizes_get random_get clock_res_get
     __syscall_stat64 __syscall_lstat64 __syscall_fstat64 __syscall_newfstatat __syscall_faccessat __syscall_getdents64
     __syscall_getcwd __syscall_readlinkat __syscall_ioctl __syscall_dup __syscall_getuid32_js
     _tzset_js _localtime_js _gmtime_js _mktime_js _timegm_js emscripten_date_now emscripten_get_heap_max
     can_run_sync_js _PyEM_TrampolineCall_JS _Py_emscripten_runtime
     emscripten_runtime_keepalive_push emscripten_runtime_keepalive_pop _emscripten_runtime_keepalive_clear`,
  ),
  ...named(untilDeadline, "emscripten_get_now clock_time_get fd_write"),
  ["_Py_CheckEmscriptenSignals_Helper", (_original, _args, limits) => untilDeadline(() => 0, [], limits)],
  [
    "emscripten_resize_heap",
    (original, [bytes], { heapBytes }) => (bytes! >>> 0 > heapBytes ? 0 : original(bytes!)),
  ],
  // Standard streams outlast the program.
  ["fd_close", (original, [file]) => (file! <= 2 ? 0 : original(file!))],
  [
    "__syscall_openat",
    (original, args, limits) => {
      const writing = 0o3 | 0o100 | 0o1000 | 0o2000; // O_ACCMODE, O_CREAT, O_TRUNC, O_APPEND
      return args[2]! & writing ? readOnly(original, args, limits) : original(...args);
    },
  ],
  ...named(
    readOnly,
    `__syscall_mkdirat __syscall_mknodat __syscall_unlinkat __syscall_rmdir __syscall_renameat __syscall_symlinkat
     __syscall_truncate64 __syscall_ftruncate64 __syscall_fallocate __syscall_chmod __syscall_fchmod __syscall_fchmodat2
     __syscall_fchownat __syscall_fchown32 __syscall_utimensat`,
  ),
  ...named(notPermitted, "__syscall_dup3 __syscall_pipe __syscall_chdir __syscall_fchdir"),
  ...named(exits, "exit proc_exit"),
  ...named(breaks, "_abort_js __assert_fail"),
]);

/**
 * Puts doors before a module's imports: they are open while no program runs.
 *
 * @param imports as `WebAssembly.instantiate` takes them; the functions are replaced
 * @param running what the program may take that runs; undefined if none does
 * @throws Stop in the imports, when the program has to end
 */
export function guardImports(
  imports: Readonly<Record<string, Record<string, unknown>>>,
  running: () => ProgramLimits | undefined,
): void {
  for (const module of Object.values(imports))
    for (const [name, original] of Object.entries(module)) {
      if (typeof original !== "function") continue;
      const door = doors.get(name);
      const guarded: Import = (...args) => {
        const limits = running();
        if (!limits) return original(...args);
        if (door) return door(original as Import, args, limits);
        throw new Stop({ reason: "refused", error: `PermissionError: programs may not use ${name}` });
      };
      // Emscripten's loader reads the functions' properties.
      module[name] = Object.assign(guarded, original);
    }
}
