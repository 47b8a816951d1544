/** @file Solutions as steps: a step is a line. */

import { extractAnswer } from "../../mathematics/extract-answer.ts";
import type { DrawnStep } from "../../search/search.ts";
import type { Question, Tools } from "../strategy.ts";

/** The steps of a whole solution: its lines without their ends, but for blank ones. */
export function splitSteps(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
}

/** A step without the blank line that may stand after it. */
export function lineOf(step: string): string {
  return step.trimEnd();
}

/**
 * Draws a line that goes on from others. Blank lines before it are part of its cost, and left out of the path. Where the line's end and a
 * blank line were written at once, the step ends with that: many tokenizers have one token for both, after which a model goes on otherwise
 * than after the end of a line.
 *
 * @param draw the number of the draw, which decides what is drawn
 */
export async function drawStep(
  question: Question,
  path: readonly string[],
  draw: number,
  tools: Tools,
): Promise<DrawnStep> {
  const messages = tools.prompt(question);
  let begun = path.map((line) => `${line}\n`).join("");
  let left = tools.settings.stepTokens;
  for (;;) {
    const [written] = await tools.sample({
      ...{ messages, begun: [begun], maxTokens: left, stop: ["\n\n", "\n"], firstSample: draw },
    });
    left -= written!.tokens;
    const text = written!.text.trimEnd();
    const blank = written!.stopString === "\n\n" ? "\n" : "";
    const tokens = tools.settings.stepTokens - left;
    // Of a server that does not say what has ended a text, nothing is the end.
    const isEnded = written!.isEnded ?? text === "";
    if (written!.reason === "length") return { text, tokens, ending: "cut" };
    if (isEnded || written!.reason === "thoughts") return { text, tokens, ending: "end" };
    if (text !== "") return { text: text + blank, tokens };
    if (left === 0) return { text, tokens, ending: "cut" };
    begun += `\n${blank}`;
  }
}

/** Whether a path gives an answer, and is over or marks it in its last line. */
export function isAnswered(path: readonly string[], last: DrawnStep, tools: Tools): boolean {
  const isOver = last.ending === "end";
  const isMarked = () => extractAnswer(last.text, { markers: ["boxed", "answer is", "####"] }) !== undefined;
  return (isOver || isMarked()) && tools.extract(path.join("\n")) !== undefined;
}
