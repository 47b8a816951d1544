import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { writeDocument } from "./pretraining-text.ts";
import { DOMAINS, drawTuningSet } from "./tuning-set.ts";

const documents = Array.from({ length: 2000 }, (_, i) => writeDocument(createRandom(3, i)));
const chats = documents.filter((text) => text.includes("<|turn|>"));

describe("writeDocument", () => {
  it("gives the same document for the same stream and different ones for different streams", () => {
    expect(writeDocument(createRandom(3, 7))).toBe(documents[7]);
    expect(new Set(documents).size).toBeGreaterThan(1950);
  });

  it("writes true sums only", () => {
    const sums = documents.flatMap((text) => text.match(/\d+ [-+*/] \d+ = \d+/g) ?? []);
    expect(sums.length).toBeGreaterThan(1000);
    for (const sum of sums) {
      const [, left, operator, right, result] = /(\d+) (.) (\d+) = (\d+)/.exec(sum)!.map(String);
      const [a, b] = [Number(left), Number(right)];
      expect({ "+": a + b, "-": a - b, "*": a * b, "/": a / b }[operator!]).toBe(Number(result));
    }
  });

  it("writes a few chats, each made of whole turns", () => {
    expect(chats.length).toBeGreaterThan(60);
    expect(chats.length).toBeLessThan(200);
    for (const chat of chats) {
      expect(chat).toMatch(/^(<\|turn\|>user\n[^<]+<\|end\|>\n<\|turn\|>assistant\n[^<]+<\|end\|>\n?)+$/);
    }
  });

  it("contains no question of the tuning sets and no answer's final line", () => {
    const text = documents.join("\n");
    expect(text).not.toMatch(/#### \d/);
    for (const domain of DOMAINS) {
      for (const split of ["train", "held-out"] as const) {
        for (const { question } of drawTuningSet(domain, split, 100, createRandom(9))) {
          expect(text).not.toContain(question);
        }
      }
    }
  });
});
