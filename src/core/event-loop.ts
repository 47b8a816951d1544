/** @file The event loop, which arithmetic holds up. */

const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => unknown };

/** Lets sockets, timers and messages have their turn, and goes on at once if none wait. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => (setImmediate ?? afterMessages)(resolve));
}

/** A timer of a browser would wait for milliseconds. */
function afterMessages(run: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener("message", () => {
    port1.close();
    run();
  });
  port1.start();
  port2.postMessage(undefined);
}
