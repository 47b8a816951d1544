/** @file What this browser gives the page, in sentences where it is less than there could be. */

export const hasWebGpu = "gpu" in navigator;

/** Why nothing can be computed here; undefined if it can. */
export function findObstacle(): string | undefined {
  if (!isSecureContext)
    return "This page needs a safe connection: its address has to begin with https://, or with http://localhost.";
  if (typeof WebAssembly === "undefined") return "This browser has no WebAssembly; use another one.";
  return undefined;
}

/** On how many threads WebAssembly computes, and why. */
export const threadsNote = crossOriginIsolated
  ? "WebAssembly computes on half as many threads as there are cores, four at most."
  : "WebAssembly computes on one thread here, since the server sends no headers that isolate the page from other origins (Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp). All else works.";

/** Waits until no other tab has this page open, of which two would overwrite each other's tuning. */
export async function waitForTurn(onWait: () => void): Promise<void> {
  const timer = setTimeout(onWait, 300);
  await new Promise<void>((resolve) => {
    void navigator.locks.request("slimtune-studio-tab", () => {
      resolve();
      // Until the tab ends.
      return new Promise(() => {});
    });
  });
  clearTimeout(timer);
}
