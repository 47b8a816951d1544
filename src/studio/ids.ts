/** @file What tells folders and files from each other in addresses. */

import { createHash } from "node:crypto";
import type { Id } from "./api.ts";

/** The id of what is, or will be, at a real path. */
export function idOf(path: string): Id {
  return createHash("sha256").update(path).digest("hex").slice(0, 16);
}
