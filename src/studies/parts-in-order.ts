/** @file The order of a study's parts, of which several are computed at once. */

import type { Part } from "./study-kind.ts";

/**
 * Computes the parts that are not done, each as soon as what it needs is settled, in their order as far as possible.
 *
 * @param atOnce how many are computed at the same time at most
 * @param compute tells whether the part is settled, and not interrupted. If it is not, or an error is thrown, no further part is
 * begun, and those that are being computed are told to end by the signal
 * @returns "interrupted" if not all were settled
 */
export async function inOrder(
  parts: readonly Part[],
  atOnce: number,
  signal: AbortSignal | undefined,
  compute: (part: Part, index: number, signal: AbortSignal) => Promise<boolean>,
): Promise<"finished" | "interrupted"> {
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) stop.abort();
  const settled = new Set<Part>();
  const computing = new Map<Part, Promise<void>>();
  const isReady = (part: Part, index: number) =>
    parts.slice(0, index).every((before) => settled.has(before) || !needs(part, before));
  const settle = async (part: Part, index: number) => {
    const isSettled = await compute(part, index, stop.signal);
    computing.delete(part);
    if (isSettled) settled.add(part);
    else stop.abort();
  };
  try {
    while (!stop.signal.aborted) {
      for (const [index, part] of parts.entries()) {
        if (computing.size === atOnce) break;
        if (settled.has(part) || computing.has(part) || !isReady(part, index)) continue;
        if (part.isDone()) settled.add(part);
        else computing.set(part, settle(part, index));
      }
      if (computing.size === 0) break;
      await Promise.race(computing.values());
    }
  } finally {
    stop.abort();
    await Promise.allSettled(computing.values());
    signal?.removeEventListener("abort", onAbort);
  }
  return parts.every((part) => settled.has(part)) ? "finished" : "interrupted";
}

/** Whether a part needs one that stands before it. */
function needs(part: Part, before: Part): boolean {
  return !part.isIndependent || (part.cell !== undefined && part.cell === before.cell);
}
