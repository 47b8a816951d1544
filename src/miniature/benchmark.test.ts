import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { type BenchmarkRow, drawBenchmark } from "./benchmark.ts";
import { splitOf } from "./drawing.ts";
import { DOMAINS, drawTuningSet } from "./tuning-set.ts";

const readRows = <T>(path: string): T[] =>
  readFileSync(`fixtures/miniature/${path}`, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe.each(DOMAINS)("the benchmark of the %s domain", (domain) => {
  const rows = readRows<BenchmarkRow>(`benchmarks/${domain}.jsonl`);

  it("shares no question with the tuning set, and asks about nothing that the tuning set does", () => {
    const train = readRows<{ question: string }>(`${domain}-train.jsonl`);
    const trained = new Set(train.map(({ question }) => question));
    expect(rows.filter(({ question }) => trained.has(question))).toEqual([]);
    // The items that the file was drawn as, by what they ask about.
    const items = drawTuningSet(
      domain,
      "held-out",
      rows.length,
      createRandom(2024, DOMAINS.indexOf(domain), 2),
    );
    expect(items.map(({ question }) => question)).toEqual(rows.map(({ question }) => question));
    expect(items.every(({ key }) => splitOf(key) === "held-out")).toBe(true);
  });

  it("has different questions, each with one correct answer", () => {
    expect(new Set(rows.map(({ question }) => question)).size).toBe(200);
    for (const row of rows) {
      if (!("choices" in row)) continue;
      expect(new Set(row.choices).size).toBe(row.choices.length);
      expect(row.choices.length).toBeGreaterThanOrEqual(2);
      expect(row.choices[row.label]).toBeDefined();
    }
  });

  it("gives no hint by the place of the correct choice", () => {
    const labels = rows.flatMap((row) => ("label" in row && row.choices.length === 4 ? [row.label] : []));
    for (const label of new Set(labels)) {
      const share = labels.filter((one) => one === label).length / labels.length;
      expect(share).toBeGreaterThan(0.15);
      expect(share).toBeLessThan(0.35);
    }
  });

  it("is drawn again the same", () => {
    const again = drawBenchmark(domain, rows.length, createRandom(2024, DOMAINS.indexOf(domain), 2));
    expect(again).toEqual(rows);
  });
});

describe("the benchmark of small and large numbers", () => {
  const rows = readRows<BenchmarkRow>("benchmarks/sizes.jsonl");

  it("is drawn again the same, and shares no question with the tuning set", () => {
    expect(drawBenchmark("sizes", 200, createRandom(2024, 4, 2))).toEqual(rows);
    const trained = new Set(
      readRows<{ question: string }>("sizes-train.jsonl").map(({ question }) => question),
    );
    expect(rows.filter(({ question }) => trained.has(question))).toEqual([]);
  });

  it("has annotated calculations that are right, half of them products with a factor of two digits", () => {
    const solutions = rows.flatMap((row) => ("answer" in row ? [row.answer] : []));
    const products = solutions.flatMap((answer) => {
      const [, left, operator, right, result] = /<<(\d+)([-+*])(\d+)=(\d+)>>/.exec(answer)!.map(String);
      const [a, b] = [Number(left), Number(right)];
      expect(Number(result)).toBe({ "+": a + b, "-": a - b, "*": a * b }[operator!]);
      expect(answer.endsWith(`#### ${result}`)).toBe(true);
      return operator === "*" ? [Math.max(a, b)] : [];
    });
    expect(products.length).toBeGreaterThan(70);
    expect(products.length).toBeLessThan(130);
    for (const factor of products) expect(factor).toBeGreaterThan(10);
  });
});
