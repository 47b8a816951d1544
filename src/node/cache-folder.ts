/** @file Where files are kept that can be made again. */

import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** A place in the user's folder of caches (XDG_CACHE_HOME, or ~/.cache). */
export function cachePath(...parts: readonly string[]): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "slimtune", ...parts);
}
