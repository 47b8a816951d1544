/** @file Bounds on the time of what strangers' files can make slow, such as regular expressions. */

import { InputError } from "../errors.ts";

/** Milliseconds after which a search is taken for one that does not end; almost all take less than one. */
const patience = 2000;

/** What is used of node:vm. */
interface VirtualMachines {
  createContext(globals: object): object;
  readonly Script: new (
    code: string,
  ) => { runInContext(context: object, options: { readonly timeout: number }): unknown };
}

const running: { run: () => unknown } = { run: () => undefined };
const runOnClock = createClock();

/** Calls `running.run` with a bound on its time, which only Node.js has; see docs/decisions/portable-core.md. */
function createClock(): (milliseconds: number) => unknown {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const vm = process?.getBuiltinModule?.("node:vm") as VirtualMachines | undefined;
  if (!vm) return () => running.run();
  const context = vm.createContext(running);
  const script = new vm.Script("run()");
  return (timeout) => script.runInContext(context, { timeout });
}

/**
 * Runs what may not end: an expression such as (a+)+b tries more ways than there is time for, and nothing else, not
 * even Ctrl-C, is heard meanwhile. In a browser, which ends a page that hangs, there is no clock.
 *
 * @param complaint what the error says if it takes longer
 * @throws InputError if it takes longer, and whatever `run` throws.
 */
export function withinPatience<T>(complaint: string, run: () => T, milliseconds = patience): T {
  const outer = running.run;
  running.run = run;
  try {
    return runOnClock(Math.ceil(milliseconds)) as T;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new InputError(complaint);
  } finally {
    running.run = outer;
  }
}
