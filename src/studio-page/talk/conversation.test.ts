import { afterEach, expect, test, vi } from "vitest";
import { askLane, beginLane, messagesOf, textOf } from "./conversation.ts";

afterEach(() => vi.unstubAllGlobals());

const settings = {
  ...{ system: "Be brief.", temperature: 0, seed: 1, maxTokens: 5, thinkingBudget: undefined },
};
const open = new AbortController().signal;

/** Has fetch answer each request by the next of these; returns the bodies that were sent. */
function answerWith(...answers: readonly (() => Response)[]): { readonly messages: unknown }[] {
  const sent: { readonly messages: unknown }[] = [];
  vi.stubGlobal("fetch", async (_: string, { body, signal }: { body: string; signal: AbortSignal }) => {
    sent.push(JSON.parse(body));
    const response = answers[sent.length - 1]!();
    return signal.aborted ? Promise.reject(signal.reason) : response;
  });
  return sent;
}

const chunk = (content: string, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason, logprobs: null }] })}\n\n`;

test("a conversation goes on from its own answers, without the turns that failed", async () => {
  const sent = answerWith(
    () => new Response(`${chunk("One")}${chunk(".", "stop")}data: [DONE]\n\n`),
    () => Response.json({ error: { message: "The engine is loading." } }, { status: 503 }),
    () => new Response(chunk("Two", "length")),
  );
  const lane = beginLane({ id: "base", label: "Base" });
  for (const prompt of ["First?", "Second?", "Third?"]) await askLane(lane, prompt, settings, open);
  expect(lane.turns.value.map(({ state }) => state.value)).toEqual([
    { kind: "ended", reason: "stop" },
    { kind: "failed", sentence: "The engine is loading." },
    { kind: "ended", reason: "length" },
  ]);
  expect(sent[2]).toMatchObject({
    ...{ model: "base", temperature: 0, seed: 1, max_tokens: 5, stream: true, logprobs: true },
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "First?" },
      { role: "assistant", content: "One." },
      { role: "user", content: "Third?" },
    ],
  });
  expect(messagesOf(lane.turns.value).at(-1)).toEqual({ role: "assistant", content: "Two" });
});

test("an answer that is stopped keeps what there was of it", async () => {
  const abort = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(chunk("One")));
      abort.signal.addEventListener("abort", () => controller.error(abort.signal.reason));
    },
  });
  answerWith(() => new Response(body));
  const lane = beginLane({ id: "base", label: "Base" });
  const asked = askLane(lane, "First?", settings, abort.signal);
  const turn = lane.turns.value[0]!;
  await vi.waitFor(() => expect(textOf(turn.pieces.value)).toBe("One"));
  abort.abort();
  await asked;
  expect(turn.state.value).toEqual({ kind: "stopped" });
  expect(messagesOf(lane.turns.value)).toHaveLength(2);
});
