/** @file A federation in one process: its server and its members take turns. */

import { setTimeout } from "node:timers/promises";
import type { FederationMember } from "./member.ts";
import type { FederationServer } from "./server.ts";

/** What acts, and how often who waits looks again, in milliseconds. */
const pollMs = 50;

/**
 * Has server and members act in turns until the run is done. It may be stopped anywhere and called again.
 *
 * @throws what one of them throws, such as the reason of an aborted signal.
 */
export async function runInProcess(
  server: FederationServer,
  members: readonly FederationMember[],
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const state = await server.advance();
    if (state === "done") return;
    let moved = state === "moved";
    if (!moved) for (const member of members) if ((await member.advance()) === "moved") moved = true;
    if (!moved) await setTimeout(pollMs, undefined, { signal });
  }
}
