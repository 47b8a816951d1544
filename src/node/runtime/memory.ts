/** @file The machine's memory. */

import { freemem } from "node:os";

/** Bytes that a run may plan with: most of what is free before its model is loaded, since others need some too. */
export function findUsableMemory(): number {
  return 0.8 * freemem();
}
