import { expect, test } from "vitest";
import { checkEquations } from "./equations.ts";

test.each([
  ["48 / 2 = 24", 1, 1],
  ["So $4 × 5 = $20, and 20-3=16 are left.", 2, 1],
  ["Natalia sold 48/2 = <<48/2=24>>24 clips", 1, 1],
  ["Natalia sold 48/2 = <<48/2=25>>24 clips", 1, 0],
  ["3 + 4 + 5 = 7 + 5 = 12", 2, 2],
  ["3 + 4 + 5 = 8 + 5 = 12.", 2, 0],
  ["10 / 3 = 3.33", 1, 1],
  ["10 / 3 = 3.34", 1, 0],
  ["(2 + 3) x 1,000 = 5,000", 1, 1],
  ["20% * 50 = 10", 1, 1],
  ["5 - 8 = -3", 1, 1],
  ["12 = 5 + 7", 1, 1],
  ["4 / 0 = 0", 1, 0],
  ["x + 3 + 1 = 7", 0, 0],
  ["2x = 6, y = 3 and 3 = 3", 0, 0],
  ["3 + 1 = 2x", 0, 0],
  ["#### 7", 0, 0],
  ["", 0, 0],
])("%s", (text, equations, valid) => {
  expect(checkEquations(text)).toEqual({ equations, valid });
});

test("a long line of signs is read soon", () => {
  const start = performance.now();
  checkEquations(`${"((((-1+".repeat(4000)}=${"1+".repeat(4000)} ${"= ".repeat(4000)}`);
  expect(performance.now() - start).toBeLessThan(1000);
});
