import { expect, test } from "vitest";
import { describeToken, formatProbability, showToken, stepOf } from "./token-probability.ts";

const written = (token: string, probability: number, others: Readonly<Record<string, number>> = {}) => ({
  token,
  logprob: Math.log(probability),
  top: Object.entries({ [token]: probability, ...others }).map(([token, share]) => ({
    token,
    logprob: Math.log(share),
  })),
});

test("a piece has the colour of its least likely token", () => {
  const step = (...probabilities: number[]) =>
    stepOf({ text: "x", tokens: probabilities.map((share) => written("x", share)) });
  expect([1, 0.9, 0.7, 0.4, 0.2, 0.001].map((share) => step(share))).toEqual([0, 0, 1, 2, 3, 4]);
  expect(step(0.99, 0.2, 0.99)).toBe(3);
  expect(step()).toBeUndefined();
});

test("probabilities are readable at both ends", () => {
  const format = (logprob: number) => formatProbability({ token: "", logprob });
  expect([0, Math.log(0.995), Math.log(0.5), Math.log(0.004), -9999].map(format)).toEqual([
    ...["> 99.99 %", "99.50 %", "50 %", "0.40 %", "< 0.01 %"],
  ]);
});

test("a token is told with what could have stood there", () => {
  expect(showToken("  a b \n")).toBe("␣␣a b ⏎");
  expect(describeToken(written(" is", 0.93, { " was": 0.04, "\n": 0.01 }))).toBe(
    "␣is, 93 %; instead ␣was 4 %, ⏎ 1 %",
  );
  expect(describeToken(written("", 0.5))).toBe("(empty), 50 %");
});
