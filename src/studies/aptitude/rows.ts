/** @file The rows that models of a study of aptitude are tuned on: one prompt, whatever the solution is. */

import { join } from "node:path";
import type { ChatMessage } from "../../core/tokenization/chat-template.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { plainPrompt, promptOf } from "../../reasoning/prompts.ts";
import type { StudyFolder } from "../study-folder.ts";
import { choose } from "./choice.ts";
import type { Manner } from "./decision.ts";
import { type TunedModel, warmUpId } from "./models.ts";
import type { AptitudeConfig } from "./options.ts";
import { type Pair, readPairs } from "./pairs.ts";

interface Turn {
  readonly messages: readonly ChatMessage[];
  readonly answer: string;
}

/** Where the rows of a model are. */
export function rowsFile({ data }: StudyFolder, { id }: Pick<TunedModel, "id">): string {
  return join(data, `${id}.jsonl`);
}

/** The queries in the manners that were chosen. */
export async function writeRows(
  config: AptitudeConfig,
  folder: StudyFolder,
  model: TunedModel,
): Promise<void> {
  const { queries } = readPairs(folder);
  const turns = choose(model, config, folder).flatMap((manners, i) =>
    manners.map((manner) => ({
      messages: promptOf(queries[i]!.question, config),
      answer: queries[i]![manner],
    })),
  );
  await writeTurns(turns, config, rowsFile(folder, model));
}

/** Each problem in both manners, after the one before it, solved in the same manner. */
export async function writeWarmUp(config: AptitudeConfig, folder: StudyFolder): Promise<void> {
  const { warmUp } = readPairs(folder);
  const after = (example: Pair, pair: Pair, manner: Manner): Turn => ({
    messages: [
      ...promptOf(example.question, config),
      { role: "assistant", content: example[manner] },
      ...promptOf(pair.question, config),
    ],
    answer: pair[manner],
  });
  const turns = warmUp.flatMap((pair, i) =>
    (["words", "program"] as const).map((manner) => after(warmUp.at(i - 1)!, pair, manner)),
  );
  await writeTurns(turns, config, rowsFile(folder, { id: warmUpId }));
}

async function writeTurns(turns: readonly Turn[], config: AptitudeConfig, out: string): Promise<void> {
  const { tokenizer } = await openModel(config.model);
  const isChat = (config.chat_template ?? tokenizer.chatTemplate) !== undefined;
  const rows = turns.map(({ messages, answer }) =>
    isChat
      ? { prompt: messages, completion: [{ role: "assistant", content: answer }] }
      : { prompt: plainPrompt(messages), completion: ` ${answer}` },
  );
  writeWhole(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
