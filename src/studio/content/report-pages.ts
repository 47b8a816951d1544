/** @file Reports of what is under way, made as they are asked for: nothing is written. */

import { describeMember, describeRound, describeRun, readStatus } from "../../federation/rounds/status.ts";
import { describeSearched, readSearched } from "../../reasoning/searched-problem.ts";
import { renderPage } from "../../reporting/page.ts";
import { table } from "../../reporting/sections.ts";
import { kindOf } from "../../studies/kinds.ts";
import { readStudyConfig } from "../../studies/study-config.ts";
import { studyFolder } from "../../studies/study-folder.ts";
import { collectResults } from "../../studies/study-report.ts";
import { openLocalTransport } from "../../transport/local-transport.ts";
import type { ShownTrees } from "../api.ts";

/** Characters of a problem's trees. */
const shownCharacters = 200_000;

/** The trees that a search has grown for the problems of a number. @throws InputError as `readSearched` does. */
export async function* searchTrees({
  folder,
  problem,
}: {
  readonly folder: string;
  readonly problem: string;
}): AsyncGenerator<readonly ShownTrees[]> {
  yield readSearched(folder, { id: problem }).map((searched) => ({
    task: searched.task,
    id: searched.id,
    strategy: searched.strategy,
    text: describeSearched(searched, { width: 120 }).slice(0, shownCharacters),
  }));
}

/** The page of a study from what it has computed by now. @throws InputError if that is not enough for one. */
export async function* studyPage({ folder }: { readonly folder: string }): AsyncGenerator<string> {
  const study = studyFolder(folder);
  const results = await collectResults(readStudyConfig(study.config), study);
  yield renderPage(await kindOf(results).report(results));
}

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
