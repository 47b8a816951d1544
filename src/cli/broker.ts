/** @file `slimtune broker`: the configuration and the credentials of a NATS broker. */

import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { type BrokerUser, writeBrokerFolder } from "../transport/broker-users.ts";
import { print } from "./output.ts";

interface BrokerFolderFlags {
  readonly server: string;
  readonly fleet: string;
  readonly worker?: readonly string[];
  readonly member?: readonly BrokerUser[];
}

export function addBrokerCommand(program: Command): void {
  program
    .command("broker")
    .description(
      "Write the configuration of a NATS broker, and credentials with which its users are kept apart.",
    )
    .argument("<folder>", "in which the broker shall run")
    .option("--server <name>", "the user that gives out work and reads what comes back", "server")
    .option("--worker <name...>", "users that compute for the fleet")
    .option("--fleet <name>", "queue and space of the fleet", "fleet")
    .option("--member <run/name>", "user that is a member of a federated run (may be repeated)", addMember)
    .addHelpText(
      "after",
      `
The credentials of each user are in <folder>/<name>.nk; those that are there are kept. All users have to be named: others are let in no more.

Example:
  slimtune broker broker --worker alpha beta`,
    )
    .action(async (folder: string, { server, fleet, worker = [], member = [] }: BrokerFolderFlags) => {
      const files = await writeBrokerFolder(folder, [
        { name: server, role: { type: "server" } },
        ...worker.map((name): BrokerUser => ({ name, role: { type: "worker", fleet } })),
        ...member,
      ]);
      print(
        `${folder}/broker.conf is for the broker, and each user needs one of these alone: ${files.join(", ")}.\n`,
      );
    });
}

function addMember(text: string, before: readonly BrokerUser[] = []): BrokerUser[] {
  const [, run, member] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (run === undefined || member === undefined)
    throw new InvalidArgumentError(`"${text}" is not of the form run/name.`);
  return [...before, { name: `${run}_${member}`, role: { type: "member", run, member } }];
}
