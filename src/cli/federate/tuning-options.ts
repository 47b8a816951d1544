/** @file The options of `slimtune tune` that a round's tuning takes. */

import type { Command } from "commander";
import { InputError } from "../../core/errors.ts";
import { type OwnOptions, tunable } from "../../federation/tuning.ts";
import { readRunOptions } from "../run-options.ts";

/** The options that a round's tuning has, and those by which this machine reads its model and data. */
export function readTuning(
  flags: Readonly<Record<string, unknown>>,
  command: Command,
): { readonly tuning: Record<string, unknown>; readonly own: OwnOptions; readonly origin: string } {
  const { options, origin } = readRunOptions(flags, command);
  const tuning: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if ((tunable as readonly string[]).includes(name)) tuning[name] = value;
    else if ((ownNames as readonly string[]).includes(name)) own[name] = value;
    else throw new InputError(`${origin}: "${name}" cannot be set for a federation; leave it out.`);
  }
  for (const name of ["model", "data"] as const)
    if (own[name] === undefined) throw new InputError(`The option --${name} is missing.`);
  return { tuning, own: own as unknown as OwnOptions, origin };
}

const ownNames = ["model", "data", "revision", "fields", "data_split", "threads", "device", "segment_size"];
