/** @file Bounds on the time of what strangers' files can make slow, such as regular expressions. */

import { createContext, Script } from "node:vm";
import { InputError } from "../errors.ts";

/** Milliseconds after which a search is taken for one that does not end; almost all take less than one. */
const patience = 2000;

const running: { run: () => unknown } = { run: () => undefined };
const context = createContext(running);
const script = new Script("run()");

/**
 * Runs what may not end: an expression such as (a+)+b tries more ways than there is time for, and nothing else, not
 * even Ctrl-C, is heard meanwhile.
 *
 * @param complaint what the error says if it takes longer
 * @throws InputError if it takes longer, and whatever `run` throws.
 */
export function withinPatience<T>(complaint: string, run: () => T, milliseconds = patience): T {
  const outer = running.run;
  running.run = run;
  try {
    return script.runInContext(context, { timeout: Math.ceil(milliseconds) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new InputError(complaint);
  } finally {
    running.run = outer;
  }
}
