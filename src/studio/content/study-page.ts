/** @file The report of a study that is under way, made when it is asked for: nothing is written. */

import { renderPage } from "../../reporting/page.ts";
import { kindOf } from "../../studies/kinds.ts";
import { readStudyConfig } from "../../studies/study-config.ts";
import { studyFolder } from "../../studies/study-folder.ts";
import { collectResults } from "../../studies/study-report.ts";

/** The page of a study from what it has computed by now. @throws InputError if that is not enough for one. */
export async function* studyPage({ folder }: { readonly folder: string }): AsyncGenerator<string> {
  const study = studyFolder(folder);
  const results = await collectResults(readStudyConfig(study.config), study);
  yield renderPage(await kindOf(results).report(results));
}
