/** @file Options that say who computes: processes of this machine, or a fleet behind a broker. */

import type { Command } from "commander";
import { InputError } from "../core/errors.ts";
import type { Workers } from "../studies/run-part.ts";
import { checkPlace } from "../transport/transport.ts";

export interface BrokerFlags {
  readonly creds?: string;
  readonly ca?: string;
  readonly fleet: string;
}

/** Adds what a broker asks of its users, and what they ask of it. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option("--creds <file>", "the broker's credentials for this user: an NKey seed, or a .creds file")
    .option("--ca <file>", "certificate, in PEM, that the broker's must be signed with");
}

/** Adds the options of those who share a broker's fleet. */
export function addBrokerOptions(command: Command): Command {
  return addCredentialOptions(command).option(
    "--fleet <name>",
    "queue and space of the fleet at the broker",
    "fleet",
  );
}

/** @param byDefault who computes if nobody is named */
export function addWorkersOption(command: Command, byDefault = "local:1"): Command {
  return addBrokerOptions(
    command.option(
      "--workers <who>",
      `local:<n> for n processes of this machine, or a broker whose fleet computes, such as tls://broker:4222 (default: ${byDefault})`,
    ),
  );
}

/**
 * Opens the workers of the flags for as long as something is done with them.
 *
 * @throws InputError if they are none, or the broker cannot be reached.
 */
export async function withWorkers<T>(
  { workers = "local:1", creds, ca, fleet }: BrokerFlags & { readonly workers?: string },
  act: (workers: Workers) => Promise<T>,
): Promise<T> {
  const [, count] = /^local:([1-9]\d{0,3})$/.exec(workers) ?? [];
  if (count !== undefined) {
    const { localWorkers } = await import("../studies/run-part.ts");
    return await act(localWorkers(Number(count)));
  }
  if (!/^(nats|tls):\/\//.test(workers))
    throw new InputError(
      `--workers ${workers} names no workers; give local:2 for two processes, or a broker such as nats://127.0.0.1:4222.`,
    );
  checkPlace(fleet);
  // What a fleet needs is loaded for those alone who have one.
  const { openNatsTransport } = await import("../transport/nats-transport.ts");
  const { fleetWorkers } = await import("../fleet/fleet-workers.ts");
  const transport = await openNatsTransport({ url: workers, creds, ca });
  try {
    return await act(fleetWorkers(transport, fleet));
  } finally {
    await transport.close();
  }
}
