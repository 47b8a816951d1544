/** @file `slimtune federate status`: how far a federation is. */

import type { Command } from "commander";
import { describeMember, describeRound, describeRun, readStatus } from "../../federation/rounds/status.ts";
import { print } from "../output.ts";
import { addMeetingOptions, withTransport } from "./meeting.ts";

export function addStatus(federate: Command): void {
  const command = federate
    .command("status")
    .description("Show how far a federation is, and what its clients say.")
    .requiredOption("--run <name>", "the run, as its server calls it");
  addMeetingOptions(command)
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune federate status --run clinic --nats tls://broker.example --creds server.nk",
    )
    .action(({ run, json, verbose: _, ...place }) =>
      withTransport(place, async (transport) => {
        const { run: document, round, members } = await readStatus(transport, run);
        if (json) print(`${JSON.stringify({ run: document, round, members })}\n`);
        else
          print(
            [
              `${run}: ${describeRun(document)}`,
              ...(round ? [describeRound(round)] : []),
              ...members.map(
                (member) => `${member.client}: ${describeMember(member)}; ${member.examples} rows`,
              ),
              "",
            ].join("\n"),
          );
      }),
    );
}
