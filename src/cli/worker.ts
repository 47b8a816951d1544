/** @file `slimtune worker`: computes parts of studies and evaluations for a fleet. */

import { hostname } from "node:os";
import process from "node:process";
import type { Command } from "commander";
import { runWorker } from "../fleet/worker.ts";
import { cachePath } from "../node/cache-folder.ts";
import { openNatsTransport } from "../transport/nats-transport.ts";
import { checkPlace } from "../transport/transport.ts";
import { note } from "./output.ts";
import { addBrokerOptions, type BrokerFlags } from "./workers-option.ts";

interface WorkerFlags extends BrokerFlags {
  readonly nats: string;
  readonly folder?: string;
}

export function addWorkerCommand(program: Command): void {
  const command = program
    .command("worker")
    .description(
      "Compute parts of the studies and evaluations that are given to a fleet, until it is stopped.",
    )
    .requiredOption("--nats <address>", "the fleet's broker, such as tls://broker:4222");
  addBrokerOptions(command)
    .option(
      "--folder <folder>",
      "of this worker alone: fetched files, and the part that is computed (default: one in the user's cache)",
    )
    .addHelpText(
      "after",
      `
Whoever may give work through the broker decides what this machine computes: parts of studies and evaluations, and nothing else (docs/fleet.md).

Example:
  slimtune worker --nats tls://broker:4222 --creds alpha.nk --ca server-cert.pem`,
    )
    .action(work);
}

async function work({
  nats,
  creds,
  ca,
  fleet,
  folder = cachePath("fleet", fleet),
}: WorkerFlags): Promise<void> {
  checkPlace(fleet);
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    note("Stopping: the part that is computed is given back (press Ctrl-C again to stop at once).");
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const transport = await openNatsTransport({ url: nats, creds, ca });
  try {
    note(`Waiting for parts of studies and evaluations of ${fleet} at ${nats}.`);
    await runWorker({
      ...{ transport, fleet, folder },
      name: hostname(),
      signal: stop.signal,
      onPart(name, outcome) {
        if (!outcome) note(`${name} …`);
        else note(`${name} ${outcome.type}${outcome.type === "failed" ? `: ${outcome.message}` : ""}`);
      },
    });
    process.exitCode = 130;
  } finally {
    await transport.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
