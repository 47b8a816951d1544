/** @file What a user should know although the work goes on. */

import process from "node:process";
import { showControls } from "./control-characters.ts";

const given = new Set<string>();

/**
 * Warns once of each thing, as Node does: on standard error, and to programs by the process' event "warning".
 *
 * @param message one sentence, as an error's
 */
export function warn(message: string): void {
  if (given.has(message)) return;
  given.add(message);
  process.emitWarning(message, "SlimtuneWarning");
}

/** In a program of ours: prints warnings as errors are printed, in place of Node's way. */
export function printWarnings(): void {
  process.removeAllListeners("warning").on("warning", print);
}

function print({ name, message }: Error): void {
  console.error(showControls(`${name === "SlimtuneWarning" ? "slimtune: warning" : name}: ${message}`));
}
