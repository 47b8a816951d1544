/** @file The data that a run was tuned on, read again. */

import type { TokenizedExample } from "../../core/data/batch.ts";
import { InputError } from "../../core/errors.ts";
import type { Model } from "../../core/models/model.ts";
import { objectiveOf } from "../../core/objectives/objectives.ts";
import { withChatSettings } from "../../core/tokenization/chat-template.ts";
import { resolveDataset } from "../data/hub-dataset.ts";
import { loadDataset } from "../data/load-dataset.ts";
import { chatSettingsOf, type RunConfig } from "./run-config.ts";

/** Examples that are enough for a check, however short they are. */
const count = 64;

/** The texts of the first examples; undefined if the data are not there any more. */
export async function readFirstExamples(
  config: RunConfig,
  { tokenizer, config: { maxPositionEmbeddings } }: Model,
): Promise<readonly TokenizedExample[] | undefined> {
  try {
    const { examples } = await loadDataset(await resolveDataset(config.data, config.data_split), {
      tokenizer: withChatSettings(tokenizer, chatSettingsOf(config)),
      context: config.context ?? maxPositionEmbeddings,
      overlong: "truncate",
      learnsFrom: objectiveOf(config.objective).learnsFrom,
      trainOn: config.train_on,
      applyChatTemplate: config.apply_chat_template,
      stepSeparator: config.step_separator,
      fields: config.fields,
      limit: count,
    });
    return examples.flatMap(({ texts }) => texts);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
