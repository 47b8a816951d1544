/** @file What of a dataset has no part in what is trained on, so that nothing is lost without a word. */

import { mentions, reasoningFields } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { Example } from "./example.ts";

/**
 * Collects the names of fields that examples do not use: of rows, and of messages those that no template names; and the
 * roles of messages that are not printed.
 *
 * @param tokenizer with the templates that are applied, if any is
 */
export function watchIgnoredFields(tokenizer: Tokenizer | undefined) {
  const ofRows = new Set<string>();
  const ofMessages = new Set<string>();
  const templates = [tokenizer?.chatTemplate, tokenizer?.toolUseTemplate].filter(
    (text) => text !== undefined,
  );
  const isRead = (name: string) => templates.some((template) => mentions(template, name));
  return {
    visit(
      { ignoredFields = [], messages = [], tools, variables = {} }: Example,
      unprintedRoles: readonly string[],
    ): void {
      for (const name of ignoredFields) ofRows.add(name);
      for (const role of unprintedRoles) ofRows.add(`messages of the role ${role}`);
      if (templates.length === 0) return;
      if (tools && !isRead("tools")) ofRows.add("tools");
      for (const name of Object.keys(variables))
        if (!isRead(name)) ofRows.add(`chat_template_kwargs.${name}`);
      for (const message of messages) for (const name of Object.keys(message)) ofMessages.add(name);
    },
    list(): string[] {
      const thoughts = reasoningFields.some(isRead) ? reasoningFields : [];
      const unread = [...ofMessages].filter(
        (name) => !isRead(name) && !thoughts.some((other) => other === name),
      );
      return [...ofRows, ...(templates.length > 0 ? unread.map((name) => `messages[].${name}`) : [])];
    },
  };
}
