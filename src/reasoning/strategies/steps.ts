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

/** A step without blank lines around it. */
export function lineOf(step: string): string {
  return step.replace(/^\n+/, "").trimEnd();
}

/**
 * Draws a line that goes on from others, with the blank lines that are written before it: a model goes on otherwise without them. Many
 * tokenizers have one token for a line's end and a blank line; where these were written at once, the step ends with that.
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
  const before = path.map((line) => `${line}\n`).join("");
  let blank = "";
  let left = tools.settings.stepTokens;
  for (;;) {
    const [written] = await tools.sample({
      ...{ messages, begun: [before + blank], maxTokens: left, stop: ["\n\n", "\n"], firstSample: draw },
    });
    left -= written!.tokens;
    const line = written!.text.trimEnd();
    const after = written!.stopString === "\n\n" ? "\n" : "";
    const text = line === "" ? "" : blank + line;
    const tokens = tools.settings.stepTokens - left;
    // Of a server that does not say what has ended a text, nothing is the end.
    const isEnded = written!.isEnded ?? line === "";
    if (written!.reason === "length") return { text, tokens, ending: "cut" };
    if (isEnded || written!.reason === "thoughts") return { text, tokens, ending: "end" };
    if (line !== "") return { text: text + after, tokens };
    if (left === 0) return { text, tokens, ending: "cut" };
    blank += `\n${after}`;
  }
}

/** Whether a path gives an answer, and is over or marks it in its last line. */
export function isAnswered(path: readonly string[], last: DrawnStep, tools: Tools): boolean {
  const isOver = last.ending === "end";
  const isMarked = () => extractAnswer(last.text, { markers: ["boxed", "answer is", "####"] }) !== undefined;
  return (isOver || isMarked()) && tools.extract(path.join("\n")) !== undefined;
}
