/** @file The rows that models of a study of reasoning are tuned on. */

import { dirname, join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { mathematicalJudge } from "../../reasoning/judge.ts";
import { plainPrompt, promptOf } from "../../reasoning/prompts.ts";
import { type ProblemSource, readSourceProblems, type SourceProblem } from "../../rollouts/problem-source.ts";
import { withoutAnnotations } from "../../rollouts/programs/solution-program.ts";
import { writePrograms } from "../../rollouts/programs/write-programs.ts";
import { parseRule } from "../../rollouts/rules/rules.ts";
import { selectRows } from "../../rollouts/select-rows.ts";
import { createCodeRunner } from "../../sandbox/code-runner.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { PartEvents } from "../study-kind.ts";
import type { TunedModel } from "./models.ts";
import { type ReasoningConfig, sampledProblems, solvedProblems } from "./options.ts";

/** Where the rows of a model are. */
export function rowsFile({ data }: StudyFolder, { id }: TunedModel): string {
  return join(data, `${id}.jsonl`);
}

/** Where the sampled solutions are: an ordinary folder of rollouts. */
export function rolloutsFolder({ path }: StudyFolder): string {
  return join(path, "rollouts");
}

/** @throws InputError if the data cannot be used, or no row is left. */
export async function writeRows(
  config: ReasoningConfig,
  folder: StudyFolder,
  model: TunedModel,
  { onProgress, signal }: PartEvents,
): Promise<void> {
  const out = rowsFile(folder, model);
  makeFolder(dirname(out));
  switch (model.lesson) {
    case "solutions":
      return writeProblems(config, solvedProblems(config), out, ({ solution }) =>
        withoutAnnotations(solution),
      );
    case "rewards":
      return writeProblems(config, sampledProblems(config), out);
    case "programs": {
      const runner = await createCodeRunner();
      const report = (done: number, total: number) => onProgress(`${done}/${total} programs`);
      await writePrograms({ ...solvedProblems(config), runner, out, signal, onProgress: report }).finally(
        runner.close,
      );
      return;
    }
    case "rollouts": {
      const rule = model.name;
      const base = parseRule(rule).needsModel ? { model: config.model } : {};
      await selectRows({ rollouts: rolloutsFolder(folder), rule, out, onStage: onProgress, ...base });
    }
  }
}

/**
 * Writes problems as they are asked.
 *
 * @param answer what is to be imitated; without it rows hold the right answer, for rewards
 */
async function writeProblems(
  config: ReasoningConfig,
  source: ProblemSource,
  out: string,
  answer?: (problem: SourceProblem) => string,
): Promise<void> {
  const { tokenizer } = await openModel(config.model);
  const isChat = (config.chat_template ?? tokenizer.chatTemplate) !== undefined;
  const rows = (await readSourceProblems(source)).map((problem) => {
    const messages = promptOf(problem.question, config);
    const prompt = isChat ? messages : plainPrompt(messages);
    if (!answer) return { prompt, answer: rightAnswer(problem) };
    const text = answer(problem);
    return { prompt, completion: isChat ? [{ role: "assistant", content: text }] : ` ${text}` };
  });
  writeWhole(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

function rightAnswer({ solution, where }: SourceProblem): string {
  const answer = mathematicalJudge.extract(solution);
  if (answer === undefined) throw new InputError(`${where}: the solution gives no answer; correct it.`);
  return answer;
}
