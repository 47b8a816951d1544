/** @file The miniature's lessons, split. */

import { readRubric } from "./rubric.ts";
import { splitTexts } from "./split-texts.ts";
import { readTexts } from "./texts.ts";

export const rubric = readRubric("fixtures/miniature/assessment/rubric.yaml");
export const texts = await readTexts("fixtures/miniature/assessment/lessons.jsonl", rubric);
export const { assessed, training } = splitTexts(texts, {});
type Dimension = (typeof rubric.dimensions)[number];
export const [press, reason] = rubric.dimensions as [Dimension, Dimension];

/** Words, in place of tokens. */
export const countTokens = (text: string) => text.split(" ").length;
