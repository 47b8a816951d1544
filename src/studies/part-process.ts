/** @file The program of a part's process: computes it, and tells its parent how far it is. */

import process from "node:process";
import { inspect } from "node:util";
import { showControls } from "../core/control-characters.ts";
import { InputError } from "../core/errors.ts";
import { isDiskFull } from "../node/files/explain-error.ts";
import { printWarnings } from "../node/print-warnings.ts";
import { listParts } from "./parts-folder.ts";
import type { PartMessage } from "./run-part.ts";

const send = (message: PartMessage) =>
  new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));
const interrupt = new AbortController();
const [path, name] = process.argv.slice(2) as [string, string];
let savesState = false;

printWarnings();
// A terminal's Ctrl-C reaches this process too, but its parent decides when it ends; without that it is of no use.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit());
process.on("SIGTERM", () => {
  if (!savesState) process.exit(130);
  interrupt.abort();
});

try {
  const part = (await listParts(path)).find((one) => one.name === name);
  if (!part) throw new InputError(`${path} changed: it has no part "${name}" any more.`);
  savesState = part.savesState ?? false;
  await part.compute({
    signal: interrupt.signal,
    onProgress: (text) => void send({ type: "progress", text }),
  });
  await send({ type: interrupt.signal.aborted && !part.isDone() ? "interrupted" : "finished" });
} catch (error) {
  if (!(error instanceof InputError)) process.stderr.write(`${showControls(inspect(error))}\n`);
  await send({ type: "failed", message: (error as Error).message, isFatal: isDiskFull(error) });
}
process.disconnect();
