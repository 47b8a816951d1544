import fc from "fast-check";
import { expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { createTextStream } from "./text-stream.ts";

const { tokenizer } = await openModel("fixtures/embedded-model");

function streamAll(text: string, stop: readonly string[]) {
  const stream = createTextStream(tokenizer, stop);
  const pieces: string[] = [];
  for (const id of tokenizer.encode(text)) {
    pieces.push(stream.push(id));
    if (stream.stop !== undefined) break;
  }
  pieces.push(stream.finish());
  return { pieces, stream };
}

test("pieces make up the text, whatever its characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
      const { pieces, stream } = streamAll(text, []);
      const expected = tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true });
      expect(pieces.join("")).toBe(expected);
      expect(stream.text).toBe(expected);
    }),
  );
});

test("the text ends before the stop string that is complete first, and nothing of it is given out", () => {
  const text = "Tom has 3 pens.\n\nAnna has 4 books. Question: how many?";
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(text.length - 2), fc.integer({ min: 1, max: 12 })), {
        minLength: 1,
        maxLength: 3,
      }),
      (places) => {
        const stop = places.map(([start, length]) => text.slice(start, start + length));
        const ids = tokenizer.encode(text);
        const written = ids.map((_, i) => tokenizer.decode(ids.slice(0, i + 1)));
        const whole = written.find((start) => stop.some((string) => start.includes(string)))!;
        const found = stop.map((string) => whole.indexOf(string)).filter((place) => place >= 0);
        const end = Math.min(...found);
        const { pieces, stream } = streamAll(text, stop);
        expect(pieces.join("")).toBe(text.slice(0, end));
        expect(stop).toContain(stream.stop);
        expect(whole.startsWith(stream.stop!, stream.text.length)).toBe(true);
      },
    ),
  );
});

test("an emoji of several tokens comes as one piece", () => {
  const { pieces } = streamAll("a😀b", []);
  expect(pieces.some((piece) => piece.includes("\ufffd"))).toBe(false);
  expect(pieces.join("")).toBe("a😀b");
});

test("a long stop string that nearly occurs at every place costs a look at each character", () => {
  const text = "a".repeat(15_000) + "c".repeat(300);
  const started = performance.now();
  const { pieces, stream } = streamAll(text, Array(16).fill(`${"a".repeat(100_000)}b`));
  expect(performance.now() - started).toBeLessThan(5000);
  expect(pieces.join("")).toBe(text);
  expect(stream.stop).toBeUndefined();

  const repeated = streamAll("abababac", ["ababac"]);
  expect(repeated.pieces.join("")).toBe("ab");
});
