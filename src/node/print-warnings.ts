/** @file Warnings of a program of ours. */

import process from "node:process";
import { showControls } from "../core/control-characters.ts";
import { warningType } from "../core/warnings.ts";

/** Prints warnings as errors are printed, in place of Node's way. */
export function printWarnings(): void {
  process.removeAllListeners("warning").on("warning", print);
}

function print({ name, message }: Error): void {
  console.error(showControls(`${name === warningType ? "slimtune: warning" : name}: ${message}`));
}
