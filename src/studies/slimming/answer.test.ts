import { expect, test } from "vitest";
import { answer, describeAlignment } from "./answer.ts";
import type { SlimmingResults, StudyChange } from "./results.ts";
import { methodsStudy, seedsStudy, slimmingStudy } from "./study-results.fixture.ts";
import { arrangeStudy } from "./study-rows.ts";

const answerOf = (study: SlimmingResults) => answer(arrangeStudy(study));

function changeAll(study: SlimmingResults, edit: (change: StudyChange) => StudyChange): SlimmingResults {
  const cells = study.cells.map((cell) =>
    cell.changes
      ? {
          ...cell,
          changes: Object.fromEntries(
            Object.entries(cell.changes).map(([task, change]) => [task, edit(change)]),
          ),
        }
      : cell,
  );
  return { ...study, cells };
}

const nothingShown = (change: StudyChange): StudyChange => ({
  ...change,
  adjustedP: 0.4,
  verdict: "no difference shown",
  difference: { value: 0.01, low: -0.02, high: 0.04 },
});

test("the answer of a study says in three parts what was gained, forgotten and spent, and what speaks against it", () => {
  expect(answerOf(slimmingStudy())).toEqual([
    "Tuning is shown to help in 4 of the 5 scores that the data were meant to improve, most of all gsm8k by +7.0 points with lora on math (95 % interval 4.4 to 9.6). Intervals that lie wholly on the side of a gain: 3 of the 12 with lora (2 of them shown) once all comparisons are counted. Beware: items of tasks stand in the data (3 of hellaswag in commonsense), so gains there may be memory.",
    "Forgetting is shown in 5 of the 15 scores on other tasks, most of all wikitext by +0.84 (lower is better) with lora on math (95 % interval 0.73 to 0.95). Intervals that lie wholly on the side of a loss: 4 of the 12 with lora (3 of them shown) and 3 of the 8 with qlora (2 of them shown) once all comparisons are counted.",
    expect.stringMatching(
      /^A run took .* min to .* min and 0.55 GB to 1.2\d GB of memory at its peak, and trained 1.82 % of the weights\. 1 of 6 runs could not be computed \(qlora-computing\)\.$/,
    ),
  ]);
  for (const study of [seedsStudy(), methodsStudy()]) expect(answerOf(study)).toHaveLength(3);
});

test("several losses of one method are told where none of them is shown alone", () => {
  const study = changeAll(slimmingStudy(), (change) => ({
    ...change,
    adjustedP: 0.2,
    verdict: "no difference shown",
    difference: change.higherIsBetter
      ? { value: -0.03, low: -0.05, high: -0.01 }
      : { value: 0.03, low: -0.01, high: 0.05 },
  }));
  expect(answerOf(study)[1]).toContain(
    "Intervals that lie wholly on the side of a loss: 9 of the 12 with lora (none of them shown) and 6 of the 8 with qlora (none of them shown)",
  );
  expect(answerOf(study)[0]).not.toContain("side of a gain");
});

test("if nothing is shown, nothing is claimed", () => {
  const text = answerOf(changeAll(slimmingStudy(), nothingShown)).slice(0, 2);
  expect(text).toEqual([
    "Tuning is not shown to help in any of the 5 scores that the data were meant to improve; the largest change measured is gsm8k by +1.0 points with lora on math (95 % interval −2.0 to 4.0, which does not exclude zero). Beware: items of tasks stand in the data (3 of hellaswag in commonsense), so gains there may be memory.",
    "No loss is shown in the 15 scores on other tasks; the largest that an interval leaves open is 2.0 points (hellaswag with lora on math).",
  ]);
});

test("a test that shows a difference whose interval holds zero is told with that interval", () => {
  const study = changeAll(slimmingStudy(), (change) =>
    change.verdict === "better" ? { ...change, difference: { value: 0.05, low: -0.001, high: 0.1 } } : change,
  );
  expect(answerOf(study)[0]).toContain("(95 % interval −0.1 to 10.0, which does not exclude zero");
});

test("a score is not shown to gain unless it is with every seed", () => {
  const study = seedsStudy();
  const cells = study.cells.map((cell) =>
    cell.seed === 2 && cell.changes
      ? {
          ...cell,
          changes: Object.fromEntries(
            Object.entries(cell.changes).map(([task, change]) => [
              task,
              { ...change, verdict: "no difference shown" as const },
            ]),
          ),
        }
      : cell,
  );
  expect(answerOf({ ...study, cells })[0]).toMatch(/^Tuning is not shown to help/);
  expect(answerOf(study)[0]).toContain("(mean of 2 seeds, 95 % interval");
});

test("a gain that became a loss is told", () => {
  const study = changeAll(slimmingStudy(), (change) =>
    change.task === "gsm8k" && change.verdict === "better"
      ? { ...change, verdict: "worse", difference: { value: -0.05, low: -0.08, high: -0.02 } }
      : change,
  );
  const sentences = answerOf(study).slice(0, 2).join(" ");
  expect(sentences).toContain("Tuning is shown to help in 2 of the 5 scores");
  expect(sentences).toContain(
    "In 2 of them the tuned model is shown to be worse, most of all gsm8k by −5.0 points",
  );
});

test("if every task had data meant for it, forgetting is not called absent", () => {
  const study = slimmingStudy();
  const tasks = study.tasks.map((task) => ({ ...task, alignedData: study.data.map(({ name }) => name) }));
  expect(answerOf({ ...study, tasks }).join(" ")).toContain("what was forgotten is not measured here");
});

test("without data meant for a task, all scores count alike", () => {
  const study = slimmingStudy();
  const tasks = study.tasks.map((task) => ({ ...task, alignedData: [] }));
  const sentences = answerOf({ ...study, tasks });
  expect(sentences[0]).toMatch(/^Tuning is shown to help in 4 of the 20 scores, most of all gsm8k/);
  expect(sentences[0]).toContain("In 5 of them the tuned model is shown to be worse");
});

test("a comparison of methods recommends", () => {
  const text = answerOf(methodsStudy()).join(" ");
  expect(text).toContain("Least memory: qlora (0.55 GB at its peak); least time: freeze");
  expect(text).toContain(
    "best score: full (+8.1 points [5.5, 10.7]), not shown to differ from lora_plus, dora, lora and qlora;",
  );
});

test("correlations whose intervals hold zero predict nothing", () => {
  const study = slimmingStudy();
  const predictions = study.predictions.filter(({ score }) => score === "lexical");
  expect(describeAlignment(arrangeStudy({ ...study, predictions }))).toContain(
    "No score of alignment before tuning (lexical) is shown to go with larger gains.",
  );
});
