/** @file `slimtune federate status`: how far a federation is. */

import type { Command } from "commander";
import { InputError } from "../../core/errors.ts";
import { readMember, readRound, readRun } from "../../federation/rounds/documents.ts";
import { print } from "../output.ts";
import { addMeetingOptions, withTransport } from "./meeting.ts";
import { describeState } from "./server.ts";

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
        const found = await readRun(transport, run);
        if (!found) throw new InputError(`There is no run "${run}".`);
        const { state, round, rounds } = found.value;
        const current = (await readRound(transport, run, round))?.value;
        const members = await Promise.all(
          // A client may read no other's.
          rounds.clients.map((client) => readMember(transport, run, client).catch(() => undefined)),
        );
        const said = members.flatMap((member) => (member ? [member.value] : []));
        if (json) print(`${JSON.stringify({ run: found.value, round: current, members: said })}\n`);
        else
          print(
            [
              state === "done"
                ? `${run}: done after ${round} rounds`
                : `${run}: round ${round} of ${rounds.rounds}`,
              ...(current ? [describeState(current)] : []),
              ...said.map(
                ({ client, round, update, hasLeft, examples }) =>
                  `${client}: ${hasLeft ? "has left" : update === undefined ? `at work on round ${round}` : `has sent round ${round}`}; ${examples} rows`,
              ),
              "",
            ].join("\n"),
          );
      }),
    );
}
