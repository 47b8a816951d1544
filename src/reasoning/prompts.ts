/** @file How problems are put to a model: the question, an instruction, and solved examples in the manner that is wanted. */

import type { ChatMessage } from "../core/tokenization/chat-template.ts";

/** How solutions of examples are written. */
export type Manner = "full" | "concise" | "draft";

export interface PromptOptions {
  /** What stands before the conversation. Default: nothing. */
  readonly system?: string;
  /** What stands under the question. Default: nothing. */
  readonly instruction?: string;
  /** Solved examples before the question. Default 0, at most {@link mostExamples}. */
  readonly examples?: number;
  /** How these are solved. Default "full". */
  readonly manner?: Manner;
}

/** A question as a conversation, with each example as a turn before it. */
export function promptOf(question: string, options: PromptOptions = {}): ChatMessage[] {
  const { system, instruction = "", examples = 0, manner = "full" } = options;
  const ask = (text: string) => ({
    role: "user",
    content: instruction === "" ? text : `${text}\n${instruction}`,
  });
  return [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    ...solvedExamples
      .slice(0, examples)
      .flatMap((example) => [ask(example.question), { role: "assistant", content: example[manner] }]),
    ask(question),
  ];
}

/** A conversation as plain text that ends where the answer begins, for models without a chat template. */
export function plainPrompt(messages: readonly ChatMessage[]): string {
  const turns = messages.map(({ role, content }) => {
    if (role === "assistant") return ` ${content}\n\n`;
    return role === "user" ? `Question: ${content}\nAnswer:` : `${content}\n\n`;
  });
  return turns.join("");
}

/** Where a plain text would go on with the next question. */
export const plainStops = ["\nQuestion:"];

/** Our own, so that no benchmark's rows are in them. */
const solvedExamples: readonly Readonly<Record<Manner | "question", string>>[] = [
  {
    question: "A baker fills 6 trays with 8 rolls each and sells 30 rolls. How many rolls are left?",
    full: "The baker fills 6 trays with 8 rolls each, so there are 6 * 8 = 48 rolls. Of these 30 are sold, so 48 - 30 = 18 rolls are left.\n#### 18",
    concise: "6 * 8 = 48 rolls, less 30 sold: 48 - 30 = 18.\n#### 18",
    draft: "6 * 8 = 48; 48 - 30 = 18.\n#### 18",
  },
  {
    question: "Lena pays for 3 notebooks at $4 each with a $20 note. How much does she get back?",
    full: "The notebooks cost 3 * 4 = 12 dollars together. Lena gives 20 dollars, so she gets back 20 - 12 = 8 dollars.\n#### 8",
    concise: "They cost 3 * 4 = 12; she gets back 20 - 12 = 8.\n#### 8",
    draft: "3 * 4 = 12; 20 - 12 = 8.\n#### 8",
  },
  {
    question:
      "Omar reads 15 pages a day. His book has 180 pages, of which he has read 60. In how many days is he done?",
    full: "There are 180 - 60 = 120 pages that Omar has not read. At 15 pages a day he needs 120 / 15 = 8 days for them.\n#### 8",
    concise: "180 - 60 = 120 pages are left; 120 / 15 = 8 days.\n#### 8",
    draft: "180 - 60 = 120; 120 / 15 = 8.\n#### 8",
  },
  {
    question:
      "In a class of 28 half of the children play football, and 5 of these also swim. How many only play football?",
    full: "Half of 28 children play football, which is 28 / 2 = 14. Of these 5 also swim, so 14 - 5 = 9 only play football.\n#### 9",
    concise: "28 / 2 = 14 play football; 14 - 5 = 9 only that.\n#### 9",
    draft: "28 / 2 = 14; 14 - 5 = 9.\n#### 9",
  },
];

export const mostExamples = solvedExamples.length;
