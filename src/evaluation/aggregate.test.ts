import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { aggregateItems, aggregateTasks } from "./aggregate.ts";
import type { ItemScore } from "./metrics/aggregations.ts";
import type { MetricName } from "./metrics/metrics.ts";

// Made by the harness itself; see reference/harness_aggregation.py.
const golden: {
  tasks: { metric: MetricName; items: ItemScore[]; value: number; stderr: number | "N/A" }[];
  groups: { tasks: number[]; weight_by_size: boolean; value: number; stderr: number | "N/A" }[];
} = JSON.parse(readFileSync("fixtures/evaluation/harness-aggregation.json", "utf8"));

/** Equal but for the last bit, in which Python's power differs from a product. */
function expectSame(actual: number | undefined, expected: number | "N/A"): void {
  if (expected === "N/A") expect(actual).toBeUndefined();
  else expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(Math.abs(expected) * 4e-16);
}

describe("as the harness computes it", () => {
  for (const [index, { metric, items, value, stderr }] of golden.tasks.entries()) {
    test(`${metric} of ${items.length} items (${index})`, () => {
      const score = aggregateItems(metric, items);
      expectSame(score.value, value);
      expectSame(score.stderr, stderr);
      expect(score.size).toBe(items.length);
    });
  }
  for (const { tasks, weight_by_size, value, stderr } of golden.groups) {
    test(`a group of tasks ${tasks}, ${weight_by_size ? "by size" : "each alike"}`, () => {
      const scores = tasks.map((task) =>
        aggregateItems(golden.tasks[task]!.metric, golden.tasks[task]!.items),
      );
      const score = aggregateTasks(scores, weight_by_size);
      expectSame(score.value, value);
      expectSame(score.stderr, stderr);
    });
  }
});
