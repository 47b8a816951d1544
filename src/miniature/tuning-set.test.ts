import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { splitOf } from "./drawing.ts";
import { DOMAINS, drawTuningSet } from "./tuning-set.ts";

/** The result of one calculation line, by means other than the generator's: JavaScript's own arithmetic. */
function calculate(line: string): { stated: number; true: number } {
  const [, left, operator, right, stated] = /^(\d+) ([-+*/]) (\d+) = (\d+)$/.exec(line)!.map(String);
  const [a, b] = [Number(left), Number(right)];
  const results: Record<string, number> = { "+": a + b, "-": a - b, "*": a * b, "/": a / b };
  return { stated: Number(stated), true: results[operator!]! };
}

describe.each(DOMAINS)("the %s domain", (domain) => {
  it("shares no item and no question between its splits, whatever the seeds", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (trainSeed, heldOutSeed) => {
        const train = drawTuningSet(domain, "train", 200, createRandom(trainSeed));
        const heldOut = drawTuningSet(domain, "held-out", 60, createRandom(heldOutSeed));
        const trainKeys = new Set(train.map((item) => item.key));
        const trainQuestions = new Set(train.map((item) => item.question));
        expect(heldOut.filter((item) => trainKeys.has(item.key))).toEqual([]);
        expect(heldOut.filter((item) => trainQuestions.has(item.question))).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  it("does not repeat a question, and gives the same rows for the same seed", () => {
    const items = drawTuningSet(domain, "train", 600, createRandom(5));
    expect(new Set(items.map((item) => item.question)).size).toBe(600);
    expect(drawTuningSet(domain, "train", 600, createRandom(5))).toEqual(items);
    expect(drawTuningSet(domain, "train", 600, createRandom(6))).not.toEqual(items);
  });
});

describe("drawTuningSet", () => {
  it("refuses a set larger than the domain", () => {
    expect(() => drawTuningSet("commonsense", "held-out", 20_000, createRandom(0))).toThrow(
      /subject commonsense has hardly more than \d+ held-out questions/,
    );
  });
});

describe("splitOf", () => {
  it("holds out about one key in five", () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `${i % 71} + ${Math.floor(i / 71)}`);
    const heldOut = keys.filter((key) => splitOf(key) === "held-out").length;
    expect(heldOut).toBeGreaterThan(900);
    expect(heldOut).toBeLessThan(1100);
  });
});

describe("math answers", () => {
  const items = drawTuningSet("math", "train", 1000, createRandom(1));

  it("state calculations that are right, chained to the final answer", () => {
    for (const { answer } of items) {
      const lines = answer.split("\n");
      const steps = lines.slice(0, -1).map(calculate);
      for (const step of steps) expect(step.stated).toBe(step.true);
      expect(lines.at(-1)).toBe(`#### ${steps.at(-1)!.stated}`);
      lines.slice(1, -1).forEach((line, i) => {
        expect(line.startsWith(`${steps[i]!.stated} `)).toBe(true);
      });
    }
  });

  it("calculate with the very numbers of the question", () => {
    for (const { question, key } of items) {
      const asked = question.match(/\d+/g)!.map(Number);
      const used = key.match(/\d+/g)!.map(Number);
      expect(asked.toSorted()).toEqual(used.toSorted());
    }
  });
});

describe("computing answers", () => {
  const items = drawTuningSet("computing", "train", 600, createRandom(2));

  it("give the value that running the program gives", () => {
    const programs = items.filter((item) => item.key.startsWith("program"));
    expect(programs.length).toBeGreaterThan(100);
    for (const { question, answer } of programs) {
      const [, start, operator, change] = /= (\d+)\n\w+ = \w+ ([-+]) (\d+)/.exec(question)!.map(String);
      const value = operator === "+" ? Number(start) + Number(change) : Number(start) - Number(change);
      expect(answer.endsWith(`The value is ${value}.`)).toBe(true);
    }
  });

  it("write numbers in binary and pick list elements from 0", () => {
    for (const { question, key, answer } of items) {
      if (key.startsWith("binary")) {
        expect(Number.parseInt(/are (\d+)\./.exec(answer)![1]!, 2)).toBe(Number(/\d+/.exec(question)![0]));
      }
      if (key.startsWith("list")) {
        const list = /\[(\w+), (\w+), (\w+)\]/.exec(question)!;
        expect(answer.endsWith(` ${list[Number(/a\[(\d)\]/.exec(question)![1]) + 1]}.`)).toBe(true);
      }
    }
  });
});
