/** @file The options of commands that put conversations through a chat template: which one, and what day it prints. */

import { type Command, InvalidArgumentError } from "commander";
import type { ChatSettings } from "../core/tokenization/chat-template.ts";
import { readWhole } from "../node/files/read.ts";
import { optionHelp } from "../node/training/option-help.ts";
import { chatTemplateText, day } from "../node/training/run-config.ts";

/** Adds --chat-template and --date. */
export function addChatOptions(command: Command): Command {
  return command
    .option("--chat-template <file>", optionHelp.chat_template, readTemplate)
    .option("--date <day>", optionHelp.date, parseDay);
}

/** What --chat-template and --date say. */
export function readChatOptions({ chatTemplate, date }: ChatSettings): ChatSettings {
  return { ...(chatTemplate !== undefined && { chatTemplate }), ...(date !== undefined && { date }) };
}

function parseDay(text: string): string {
  if (!day.safeParse(text).success) {
    throw new InvalidArgumentError("It is not a day of the form 2025-01-31.");
  }
  return text;
}

function readTemplate(path: string): string {
  const text = readWhole(path).toString();
  if (!chatTemplateText.safeParse(text).success) {
    throw new InvalidArgumentError(`${path} holds no Jinja template: it has neither {{ nor {%.`);
  }
  return text;
}
