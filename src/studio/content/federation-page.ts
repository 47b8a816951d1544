/** @file How far a federation is, as a page. */

import { describeMember, describeRound, describeRun, readStatus } from "../../federation/rounds/status.ts";
import { renderPage } from "../../reporting/page.ts";
import { table } from "../../reporting/sections.ts";
import { openLocalTransport } from "../../transport/local-transport.ts";

/** The page of a federation whose members meet in a folder. @throws InputError if its documents are damaged. */
export async function* federationPage({
  folder,
  run: name,
}: {
  readonly folder: string;
  readonly run: string;
}): AsyncGenerator<string> {
  const transport = openLocalTransport(folder);
  const { run, round, members } = await readStatus(transport, name);
  yield renderPage({
    title: `Federation ${name}`,
    about: `${run.rounds.clients.length} clients meet in ${folder}.`,
    answer: [describeRun(run), ...(round ? [describeRound(round)] : [])],
    sections: [
      {
        id: "clients",
        title: "Clients",
        blocks: [
          table({
            headings: ["client", "state", "rows"],
            rows: members.map((member) => [member.client, describeMember(member), String(member.examples)]),
            numeric: false,
          }),
        ],
      },
    ],
  });
}
