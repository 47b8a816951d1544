/** @file The program of the process that answers a question. */

import process from "node:process";
import { toFailure } from "../../core/failure.ts";
import type { FromInquiry, Inquiry } from "./inquiry.ts";
import { type AnswerTo, type Question, questions } from "./questions.ts";

const warnings: string[] = [];
process.removeAllListeners("warning").on("warning", ({ message }) => warnings.push(message));
// A terminal's Ctrl-C reaches this process too, but the studio decides when it ends; without that it is of no use.
process.on("SIGINT", () => {}).on("disconnect", () => process.exit());

const send = (message: FromInquiry) =>
  new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));

process.once("message", async ({ question, given }: Inquiry) => {
  try {
    const answering = (await questions[question]()) as (given: unknown) => AsyncIterable<AnswerTo<Question>>;
    for await (const answer of answering(given)) {
      // Warnings come in the event loop's next turn.
      await new Promise(setImmediate);
      await send({ type: "answer", answer, warnings });
    }
  } catch (error) {
    await send({ type: "failed", ...toFailure(error) });
  }
  process.disconnect();
});
