/** @file `slimtune federate leave`: a client takes no part any more. */

import type { Command } from "commander";
import { createFederationMember } from "../../federation/rounds/member.ts";
import { print } from "../output.ts";
import { addMeetingOptions, withTransport } from "./meeting.ts";

export function addLeave(federate: Command): void {
  const command = federate
    .command("leave")
    .description("Say that a client takes no part any more; join takes it back.")
    .requiredOption("--run <name>", "the run, as its server calls it")
    .requiredOption("--client <name>", "your name there");
  addMeetingOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  slimtune federate leave --run clinic --client north --nats tls://broker.example --creds north.nk",
    )
    .action(({ run, client, verbose: _, ...place }) =>
      withTransport(place, async (transport) => {
        const part = {
          ...{ examples: 1, longestBeginning: 0, forget: () => {} },
          update: () => Promise.reject(new Error("A client that leaves computes nothing.")),
        };
        await createFederationMember({ transport, run, client, part }).leave();
        print(`${client} has left "${run}".\n`);
      }),
    );
}
