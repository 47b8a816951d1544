import { expect, test } from "vitest";
import type { Estimate } from "../../statistics/wilson.ts";
import { describeRecommendation, recommend } from "./recommend.ts";
import type { SlimmingCell, SlimmingResults } from "./results.ts";
import { methodsStudy } from "./study-results.fixture.ts";
import { arrangeStudy } from "./study-rows.ts";

const choose = (study: SlimmingResults) => recommend(arrangeStudy(study));

/** The study with some cells changed. */
function change(study: SlimmingResults, edit: (cell: SlimmingCell) => SlimmingCell): SlimmingResults {
  return { ...study, cells: study.cells.map(edit) };
}

const withDifference = (cell: SlimmingCell, task: string, difference: Estimate): SlimmingCell => ({
  ...cell,
  changes: { ...cell.changes, [task]: { ...cell.changes![task]!, difference } },
});

test("each constraint has its method, and names what is not shown to differ", () => {
  const { list, leftOut } = choose(methodsStudy());
  expect(leftOut).toEqual([]);
  expect(list.map(({ constraint, method, alike }) => [constraint, method, alike])).toEqual([
    ["least memory", "qlora", []],
    ["least time", "freeze", []],
    ["best score", "full", ["lora_plus", "dora", "lora", "qlora"]],
    ["best retention", "freeze", ["qlora", "lora", "dora", "lora_plus", "full"]],
  ]);
});

test("a score whose distance is clear of both intervals is shown to differ", () => {
  const study = change(methodsStudy(), (cell) =>
    withDifference(
      cell,
      "gsm8k",
      cell.method === "lora"
        ? { value: 0.1, low: 0.08, high: 0.12 }
        : cell.method === "qlora"
          ? { value: 0.08, low: 0.06, high: 0.1 }
          : { value: 0.04, low: 0.02, high: 0.06 },
    ),
  );
  const score = choose(study).list.find(({ constraint }) => constraint === "best score")!;
  expect([score.method, score.alike]).toEqual(["lora", ["qlora"]]);
  expect(describeRecommendation(score)).toBe(
    "best score: lora (+10.0 points [8.0, 12.0]), not shown to differ from qlora",
  );
});

test("a score without points that the data were meant for has a method of its own", () => {
  const { tasks, ...study } = methodsStudy();
  const meant = tasks.map((task) => (task.name === "wikitext" ? { ...task, alignedData: ["math"] } : task));
  const better = change({ ...study, tasks: meant }, (cell) =>
    withDifference(
      cell,
      "wikitext",
      cell.method === "dora"
        ? { value: -3, low: -3.5, high: -2.5 }
        : { value: -1, low: cell.method === "lora" ? -4 : -1.2, high: -0.8 },
    ),
  );
  const found = choose(better).list.find(({ constraint }) => constraint === "best wikitext")!;
  expect(describeRecommendation(found)).toBe(
    "best wikitext: dora (−3.00 [−3.50, −2.50]), not shown to differ from lora",
  );
});

test("costs that are printed alike, or whose order changes between runs, are not shown to differ", () => {
  const cost = (cell: SlimmingCell, seconds: number): SlimmingCell => ({
    ...cell,
    run: { ...cell.run!, efficiency: { ...cell.run!.efficiency, seconds } },
  });
  const alike = change(methodsStudy(), (cell) =>
    cost(cell, { freeze: 100.1, lora: 100.2, full: 130 }[cell.method] ?? 110),
  );
  expect(choose(alike).list[1]).toMatchObject({ method: "freeze", measured: "100 s", alike: ["lora"] });

  const first = methodsStudy();
  const second = first.cells.map((cell) => ({ ...cell, id: `${cell.id}-2`, seed: 2 }));
  const seconds: Readonly<Record<string, readonly [number, number]>> = {
    freeze: [90, 110],
    lora: [104, 106],
    full: [130, 150],
  };
  const crossing = change({ ...first, cells: [...first.cells, ...second] }, (cell) =>
    cost(cell, (seconds[cell.method] ?? [120, 140])[cell.seed - 1]!),
  );
  expect(choose(crossing).list[1]).toMatchObject({ method: "freeze", alike: ["lora"] });
});

test("a method that was not computed on all data is left out", () => {
  const study = change(methodsStudy(), ({ id, method, data, seed, ...rest }) =>
    method === "qlora" ? { id, method, data, seed, error: "No." } : { id, method, data, seed, ...rest },
  );
  const { list, leftOut } = choose(study);
  expect(leftOut).toEqual(["qlora is not compared, since it was not computed on math."]);
  expect(list.flatMap(({ method, alike }) => [method, ...alike])).not.toContain("qlora");
});

test("without tasks that the data were not meant for, retention is the divergence", () => {
  const study = methodsStudy();
  const tasks = study.tasks.filter(({ name }) => name === "gsm8k");
  expect(choose({ ...study, tasks }).list[3]).toMatchObject({
    constraint: "best retention",
    method: "freeze",
    measured: "divergence 0.0244 nats [0.0224, 0.0268]",
    alike: [],
  });
});

test("if nothing could be computed, nothing is recommended", () => {
  const study = change(methodsStudy(), ({ id, method, data, seed }) => ({
    id,
    method,
    data,
    seed,
    error: "No.",
  }));
  expect(choose(study).list).toEqual([]);
});
