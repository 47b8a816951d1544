import { expect, test } from "vitest";
import { methodsStudy, seedsStudy, slimmingStudy } from "./study-results.fixture.ts";
import { arrangeStudy } from "./study-rows.ts";

test("rows go by data and method, with what could not be computed", () => {
  const { rows } = arrangeStudy(slimmingStudy());
  expect(rows.map(({ label, cells, failed }) => [label, cells.length, failed.length])).toEqual([
    ["lora on math", 1, 0],
    ["qlora on math", 1, 0],
    ["lora on commonsense", 1, 0],
    ["qlora on commonsense", 1, 0],
    ["lora on computing", 1, 0],
    ["qlora on computing", 0, 1],
  ]);
  expect(rows.at(-1)).toMatchObject({
    changes: [],
    score: undefined,
    retention: undefined,
    divergence: undefined,
  });
});

test("seeds are averaged, and something is shown only if every seed shows it", () => {
  const study = seedsStudy();
  const row = arrangeStudy(study).rows[1]!;
  const [gsm8k] = row.changes;
  const own = study.cells
    .filter(({ method, data }) => method === "qlora" && data === "math")
    .map(({ changes }) => changes!.gsm8k!.difference);
  expect(gsm8k!.seeds).toEqual(own.map(({ value }) => value));
  expect(gsm8k!.difference.value).toBeCloseTo((own[0]!.value + own[1]!.value + own[2]!.value) / 3, 12);
  expect(gsm8k!.difference.low).toBeCloseTo((own[0]!.low + own[1]!.low + own[2]!.low) / 3, 12);
  expect(gsm8k!.verdict).toBe("better");

  const mixed = {
    ...study,
    cells: study.cells.map((cell) => {
      const change = cell.changes?.gsm8k;
      return cell.id === "qlora-math-2" && change
        ? {
            ...cell,
            changes: { ...cell.changes, gsm8k: { ...change, verdict: "no difference shown" as const } },
          }
        : cell;
    }),
  };
  expect(arrangeStudy(mixed).rows[1]!.changes[0]).toMatchObject({
    shownBetter: 2,
    shownWorse: 0,
    verdict: "no difference shown",
  });
});

test("the score is the mean over tasks in points with data meant for them", () => {
  const { targets, rows } = arrangeStudy(slimmingStudy());
  expect(targets).toEqual(["gsm8k", "hellaswag", "mmlu_cs"]);
  expect(rows[0]!.score!.value).toBeCloseTo((0.07 - 0.015 - 0.0049) / 3, 12);
  expect(arrangeStudy(methodsStudy()).targets).toEqual(["gsm8k"]);

  const study = slimmingStudy();
  const tasks = study.tasks.map((task) => ({ ...task, alignedData: [] }));
  expect(arrangeStudy({ ...study, tasks }).targets).toEqual(["gsm8k", "hellaswag", "mmlu_cs"]);
});

test("retention is the mean over the tasks in points that the data were not meant for", () => {
  const [math] = arrangeStudy(slimmingStudy()).rows;
  expect(math!.retention!.value).toBeCloseTo((-0.015 - 0.0049) / 2, 12);
  // Half-widths of 0.021 and 0.032 of independent tasks.
  expect(math!.retention!.high - math!.retention!.value).toBeCloseTo(Math.hypot(0.021, 0.032) / 2, 12);
});

test("a lower perplexity is an improvement, in per cent of the base score", () => {
  const [row] = arrangeStudy(slimmingStudy()).rows;
  expect(row!.changes.map(({ improvement }) => improvement.toFixed(2))).toEqual([
    "7.00",
    "-1.50",
    "-0.49",
    "-3.91",
  ]);
});
