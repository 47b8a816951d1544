/** @file Where a federation's server and clients meet, and how one waits for the others there. */

import { setTimeout } from "node:timers/promises";
import type { Command } from "commander";
import { InputError } from "../../core/errors.ts";
import { openLocalTransport } from "../../transport/local-transport.ts";
import { openNatsTransport } from "../../transport/nats-transport.ts";
import type { Transport } from "../../transport/transport.ts";
import { addCredentialOptions } from "../workers-option.ts";

export interface MeetingFlags {
  readonly nats?: string;
  readonly creds?: string;
  readonly ca?: string;
  readonly folder?: string;
}

export function addMeetingOptions(command: Command): Command {
  command.option("--nats <address>", "broker where all meet, such as tls://broker:4222");
  return addCredentialOptions(command).option(
    "--folder <folder>",
    "folder on this machine where all meet, in place of a broker",
  );
}

/**
 * Opens the transport of the flags for as long as something is done over it.
 *
 * @throws InputError if they name none, or two, or the broker cannot be reached.
 */
export async function withTransport<T>(
  { nats, folder, creds, ca }: MeetingFlags,
  act: (transport: Transport) => Promise<T>,
): Promise<T> {
  if ((nats === undefined) === (folder === undefined))
    throw new InputError("Give either --nats or --folder: where server and clients meet.");
  const transport =
    nats === undefined ? openLocalTransport(folder!) : await openNatsTransport({ url: nats, creds, ca });
  try {
    return await act(transport);
  } finally {
    await transport.close();
  }
}

/** How often who waits looks again, in milliseconds. */
const pollMs = 1000;

/** Looks until there is something. @throws the signal's reason */
export async function untilFound<T>(find: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    const found = await find();
    if (found !== undefined) return found;
    await setTimeout(pollMs, undefined, { signal });
  }
}

/** Acts until a run is done, and waits where others have to act first. @throws the signal's reason */
export async function untilDone(
  advance: () => Promise<"waits" | "moved" | "done">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const state = await advance();
    if (state === "done") return;
    if (state === "waits") await setTimeout(pollMs, undefined, { signal });
  }
}
