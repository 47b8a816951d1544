import { beforeEach, expect, test } from "vitest";
import { guardImports, type ProgramLimits, Stop } from "./pyodide-doors.ts";

const calls: string[] = [];
const original = (name: string) => () => {
  calls.push(name);
  return 7;
};
let running: ProgramLimits | undefined;
const names = `_emscripten_system __syscall_socket JsvFunction_CallBound ffi_call_js _dlopen_js someday_new
  __syscall_openat __syscall_mkdirat fd_close fd_write emscripten_resize_heap exit _Py_CheckEmscriptenSignals_Helper`;
const env: Record<string, (...args: number[]) => unknown> = {};

beforeEach(() => {
  calls.length = 0;
  running = { deadline: Number.POSITIVE_INFINITY, heapBytes: 1000 };
  for (const name of names.split(/\s+/)) env[name] = Object.assign(original(name), { sig: "i" });
  guardImports({ env }, () => running);
});

const stopOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (error instanceof Stop) return error.end;
  }
  return undefined;
};

test("while no program runs, every import does what it did, and has the properties that it had", () => {
  running = undefined;
  for (const name of names.split(/\s+/)) {
    expect(env[name]!(1, 2, 3)).toBe(7);
    expect(env[name]).toHaveProperty("sig", "i");
  }
});

test.each([
  "_emscripten_system",
  "__syscall_socket",
  "JsvFunction_CallBound",
  "ffi_call_js",
  "_dlopen_js",
  "someday_new",
])("a program that comes to %s is refused, since nothing says that it may", (name) => {
  expect(stopOf(() => env[name]!(1))).toMatchObject({
    reason: "refused",
    error: expect.stringContaining(name),
  });
  expect(calls).toEqual([]);
});

test("files are read and not written", () => {
  expect(env.__syscall_openat!(0, 0, 0)).toBe(7);
  for (const flags of [1, 2, 0o100, 0o1001, 0o2001]) expect(env.__syscall_openat!(0, 0, flags)).toBe(-69);
  expect(env.__syscall_mkdirat!(0, 0, 0)).toBe(-69);
  expect(env.fd_close!(1)).toBe(0);
  expect(calls).toEqual(["__syscall_openat"]);
});

test("memory grows to its limit, also where JavaScript sees the size as negative", () => {
  expect(env.emscripten_resize_heap!(1000)).toBe(7);
  expect(env.emscripten_resize_heap!(1001)).toBe(0);
  expect(env.emscripten_resize_heap!(-65_536)).toBe(0);
});

test("a program that is out of time ends at its next question or output, and one that exits ends", () => {
  expect(env._Py_CheckEmscriptenSignals_Helper!()).toBe(0);
  expect(stopOf(() => env.exit!(3))).toEqual({ reason: "error", error: "SystemExit: 3" });
  running = { deadline: performance.now() - 1, heapBytes: 1000 };
  for (const name of ["_Py_CheckEmscriptenSignals_Helper", "fd_write"])
    expect(stopOf(() => env[name]!())).toMatchObject({ reason: "timeout" });
});
