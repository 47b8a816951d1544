/** @file Conversations with several models at once: each gets the same prompts, and goes on from its own answers. */

import { type Signal, signal } from "@preact/signals";
import { client } from "../client.ts";
import { type Message, makeRequest, type TalkSettings } from "./completion-request.ts";
import { type FinishReason, type Piece, readCompletion } from "./completion-stream.ts";

export type AnswerState =
  | { readonly kind: "writing" }
  | { readonly kind: "ended"; readonly reason: FinishReason }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly sentence: string };

/** A prompt and its answer. */
export interface Turn {
  readonly prompt: string;
  readonly pieces: Signal<readonly Piece[]>;
  readonly state: Signal<AnswerState>;
}

/** The conversation with one model. */
export interface Lane {
  readonly model: string;
  readonly label: string;
  readonly turns: Signal<readonly Turn[]>;
}

export function beginLane({ id, label }: { readonly id: string; readonly label: string }): Lane {
  return { model: id, label, turns: signal([]) };
}

export function textOf(pieces: readonly Piece[]): string {
  return pieces.map(({ text }) => text).join("");
}

/** What a model is told of its conversation: turns that failed are left out, answers that were stopped go as far as they got. */
export function messagesOf(turns: readonly Turn[]): Message[] {
  return turns
    .filter(({ state }) => state.value.kind !== "failed")
    .flatMap(({ prompt, pieces }) => [
      { role: "user", content: prompt },
      { role: "assistant", content: textOf(pieces.value) },
    ]);
}

/** How many of the likeliest tokens are asked for at each place. */
const alternatives = 5;

/** Asks a lane's model, whose answer grows in a new turn. Ends with the answer, however it ended; never throws. */
export async function askLane(
  lane: Lane,
  prompt: string,
  settings: TalkSettings,
  abort: AbortSignal,
): Promise<void> {
  const messages = [...messagesOf(lane.turns.value), { role: "user" as const, content: prompt }];
  const turn: Turn = { prompt, pieces: signal([]), state: signal({ kind: "writing" }) };
  lane.turns.value = [...lane.turns.value, turn];
  try {
    const response = await fetch(client.completions, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...makeRequest(lane.model, messages, settings),
        ...{ stream: true, logprobs: true, top_logprobs: alternatives },
      }),
      signal: abort,
    });
    if (!response.ok) throw new Error(await sentenceOf(response));
    const reason = await readCompletion(response.body!, (piece) => {
      turn.pieces.value = [...turn.pieces.value, piece];
    });
    turn.state.value = { kind: "ended", reason };
  } catch (error) {
    turn.state.value = abort.aborted
      ? { kind: "stopped" }
      : { kind: "failed", sentence: (error as Error).message };
  }
}

/** An error has OpenAI's form, or the studio's. */
async function sentenceOf(response: Response): Promise<string> {
  const { error } = (await response.json().catch(() => ({}))) as {
    readonly error?: string | { readonly message: string };
  };
  return (typeof error === "object" ? error.message : error) ?? `The server answered ${response.status}.`;
}
