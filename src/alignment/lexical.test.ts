import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lexicalSimilarity } from "./lexical.ts";

function readTexts(name: string, count: number): string[] {
  const lines = readFileSync(`fixtures/miniature/${name}.jsonl`, "utf8").split("\n").slice(0, count);
  return lines.map((line) => {
    const { question, answer } = JSON.parse(line);
    return `${question}\n${answer}`;
  });
}

test("scores equal those of scikit-learn's TF-IDF vectors", () => {
  // Made by reference/lexical_alignment.py.
  const golden: readonly { a: string; b: string; sizes: [number, number]; score: number }[] = JSON.parse(
    readFileSync("fixtures/alignment/lexical.json", "utf8"),
  );
  for (const { a, b, sizes, score } of golden) {
    expect(lexicalSimilarity(readTexts(a, sizes[0]), readTexts(b, sizes[1]))).toBeCloseTo(score, 5);
  }
});

test("the size of a sample does not move the score", () => {
  const held = readTexts("math-held-out", 100);
  const small = lexicalSimilarity(readTexts("math-train", 20), held)!;
  const large = lexicalSimilarity(readTexts("math-train", 600), held)!;
  expect(Math.abs(small - large)).toBeLessThan(0.1);
});

test("texts without a common word score 0, and sets without inner likeness nothing", () => {
  expect(lexicalSimilarity(["the cat", "the dog"], ["un chat", "un chien"])).toBe(0);
  expect(lexicalSimilarity(["the cat"], ["the cat", "the dog"])).toBeNull();
  expect(lexicalSimilarity(["one", "two"], ["one", "one"])).toBeNull();
  expect(lexicalSimilarity([], [])).toBeNull();
});
