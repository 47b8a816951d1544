/** @file The trees that a search has grown, as text. */

import { describeSearched, readSearched } from "../../reasoning/searched-problem.ts";
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
