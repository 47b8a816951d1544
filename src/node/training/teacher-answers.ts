/** @file A teacher's answers to prompts that have none, written into the run's folder before it is begun. */

import { createHash } from "node:crypto";
import { z } from "zod";
import { createExampleReader } from "../../core/data/example.ts";
import type { Row } from "../../core/data/row-fields.ts";
import { tokenizePrompt } from "../../core/data/tokenize-prompt.ts";
import { createGenerator } from "../../core/decoding/batch-generator.ts";
import { InputError } from "../../core/errors.ts";
import type { Model } from "../../core/models/model.ts";
import type { DistillOptions } from "../../core/objectives/distill.ts";
import type { Device } from "../../core/runtime/device.ts";
import { withChatSettings } from "../../core/tokenization/chat-template.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { openAppendLog } from "../files/append-log.ts";
import { withLock } from "../files/lock.ts";
import { readWhole } from "../files/read.ts";
import { readJson } from "../files/structured.ts";
import { writeWhole } from "../files/write.ts";
import { readRows } from "../formats/rows.ts";
import type { RunConfig } from "./run-config.ts";
import { runFolder } from "./run-folder.ts";

/** Answers that are written at a time. */
const batchSize = 8;

const identitySchema = z.strictObject({
  teacherFingerprint: z.string(),
  promptsSha256: z.string(),
  answer_tokens: z.int(),
});

export interface AnswerEvents {
  onStage?(stage: string): void;
  readonly signal?: AbortSignal;
}

const fieldsOf = ({ fields }: RunConfig) => ({
  prompt: fields.prompt ?? "prompt",
  completion: fields.completion ?? "completion",
});

/** Whether the first row of a file has a prompt and nothing that could be its answer. */
export async function hasPromptsAlone(path: string, config: RunConfig): Promise<boolean> {
  const names = fieldsOf(config);
  for await (const { fields } of readRows(path))
    return fields[names.prompt] != null && [names.completion, "chosen"].every((name) => fields[name] == null);
  return false;
}

/**
 * Writes the likeliest answers of a run's teacher to a file's prompts into the run's folder (Kim and Rush 2016, section 3.2). What an
 * earlier attempt has written of them is kept.
 *
 * @returns the path of the rows with their answers
 * @throws InputError naming file and line if a row has no prompt or does not fit into the teacher's context; or if the folder holds
 *   answers of another teacher or to other prompts.
 */
export async function answerPrompts(
  config: RunConfig,
  path: string,
  teacher: Model,
  device: Device,
  events: AnswerEvents,
): Promise<string> {
  return withLock(config.out, "run", () => writeAnswers(config, path, teacher, device, events));
}

async function writeAnswers(
  config: RunConfig,
  path: string,
  model: Model,
  device: Device,
  { onStage, signal }: AnswerEvents,
): Promise<string> {
  const { answers, answersOf } = runFolder(config.out);
  const rows: Row[] = [];
  for await (const row of readRows(path)) rows.push(row);
  const { answer_tokens: maxNewTokens } = config as DistillOptions;
  const tokenizer = withChatSettings(model.tokenizer, { date: config.date });
  const promptOf = createPromptReader(config, path, tokenizer);
  const prompts = rows.map(promptOf);
  checkIdentity(answersOf, {
    teacherFingerprint: model.fingerprint,
    promptsSha256: createHash("sha256").update(JSON.stringify(prompts)).digest("hex"),
    answer_tokens: maxNewTokens,
  });
  const written = readWhole(answers, { isOptional: true })?.toString("utf8").split("\n").slice(0, -1) ?? [];
  if (written.length === rows.length) return answers;
  const log = openAppendLog(answers, Buffer.byteLength(written.map((line) => `${line}\n`).join("")));
  const generator = createGenerator(device, model, { batchSize });
  try {
    for (let start = written.length; start < rows.length; start += batchSize) {
      onStage?.(`answers of the teacher: ${start}/${rows.length}`);
      const texts = await Promise.all(
        prompts.slice(start, start + batchSize).map(async (promptIds, i) => {
          const request = { promptIds, maxNewTokens, temperature: 0 };
          try {
            return (await generator.generate(request, signal ? { signal } : {})).text;
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            throw new InputError(`${path}, line ${rows[start + i]!.line}: ${error.message}`, {
              cause: error,
            });
          }
        }),
      );
      log.append(
        texts.map((text, i) => `${JSON.stringify(addAnswer(rows[start + i]!, text, config))}\n`).join(""),
      );
    }
  } finally {
    log.close();
    await generator.close();
  }
  return answers;
}

/** @throws InputError if what was begun are answers to something else. */
function checkIdentity(path: string, identity: z.infer<typeof identitySchema>): void {
  const text = `${JSON.stringify(identity, null, 2)}\n`;
  const begun = readWhole(path, { isOptional: true });
  if (!begun) {
    writeWhole(path, text);
    return;
  }
  const recorded = readJson(path, identitySchema);
  const changed = Object.entries(identity).find(
    ([name, value]) => recorded[name as keyof typeof identity] !== value,
  );
  if (changed) {
    throw new InputError(
      `${path} belongs to answers of another teacher, to other prompts or of another length (${changed[0]}); choose another output folder, or remove this one.`,
    );
  }
}

/** Reads a row's prompt as the teacher reads it. */
function createPromptReader(
  config: RunConfig,
  path: string,
  tokenizer: Tokenizer,
): (row: Row) => readonly number[] {
  const read = createExampleReader(path, config.fields);
  return (row) => {
    const { messages, ...rest } = read({ ...row, fields: addAnswer(row, "…", config) });
    const prompt = { ...rest, ...(messages && { messages: messages.slice(0, -1) }) };
    const options = { applyChatTemplate: config.apply_chat_template };
    return [...tokenizePrompt(prompt, tokenizer, options, `${config.data}, line ${row.line}`).ids];
  };
}

/** The row's fields with an answer, in the form of its prompt. */
function addAnswer({ fields }: Row, text: string, config: RunConfig): Record<string, unknown> {
  const names = fieldsOf(config);
  const isText = typeof fields[names.prompt] === "string";
  return { ...fields, [names.completion]: isText ? text : [{ role: "assistant", content: text }] };
}
