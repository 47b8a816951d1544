import fc from "fast-check";
import { expect, test } from "vitest";
import { type Piece, readCompletion } from "./completion-stream.ts";

/** A body that comes in chunks that end at these bytes. */
function stream(text: string, cuts: readonly number[] = []): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const ends = [...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
  return new ReadableStream({
    start(controller) {
      for (const [i, end] of ends.entries()) controller.enqueue(bytes.slice(ends[i - 1] ?? 0, end));
      controller.close();
    },
  });
}

const chunk = (content: string, tokens: readonly string[] = [], finish: string | null = null) => {
  const content_ = tokens.map((token) => ({
    ...{ token, logprob: -0.5, bytes: null, top_logprobs: [{ token, logprob: -0.5, bytes: null }] },
  }));
  return `data: ${JSON.stringify({
    choices: [{ index: 0, delta: { content }, logprobs: { content: content_ }, finish_reason: finish }],
  })}\n\n`;
};
const whole = [
  ...[chunk(""), chunk("It is", ["It", " is"]), ": a comment\n\n"],
  ...[chunk(" 🌍", [" ", "\ufffd", "\ufffd"]), chunk("", [], "stop"), "data: [DONE]\n\n"],
].join("");

test("pieces are the same wherever the network cuts them, in a character or a line break too", async () => {
  const length = new TextEncoder().encode(whole).length;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(length), { maxLength: 40 }), fc.boolean(), async (cuts, hasReturns) => {
      const pieces: Piece[] = [];
      const text = hasReturns ? whole.replaceAll("\n", "\r\n") : whole;
      expect(await readCompletion(stream(text, cuts), (piece) => pieces.push(piece))).toBe("stop");
      expect(pieces.map(({ text, tokens }) => [text, tokens.map(({ token }) => token)])).toEqual([
        ["It", ["It"]],
        [" is", [" is"]],
        [" 🌍", [" ", "\ufffd", "\ufffd"]],
      ]);
      expect(pieces[0]!.tokens[0]).toEqual({ token: "It", logprob: -0.5, top: [expect.anything()] });
    }),
  );
});

test("an error in the stream, and a stream that ends too early, are told", async () => {
  const failed = `${chunk("It", ["It"])}data: {"error": {"message": "The engine was lost."}}\n\n`;
  await expect(readCompletion(stream(failed), () => {})).rejects.toThrow("The engine was lost.");
  await expect(readCompletion(stream(chunk("It", ["It"])), () => {})).rejects.toThrow("broke off");
});

test("a reader that fails ends the request", async () => {
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(chunk("a", ["a"]))),
    cancel() {
      isCancelled = true;
    },
  });
  const failing = readCompletion(endless, () => {
    throw new Error("enough");
  });
  await expect(failing).rejects.toThrow("enough");
  expect(isCancelled).toBe(true);
});
