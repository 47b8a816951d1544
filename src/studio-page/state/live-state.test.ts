import { expect, test } from "vitest";
import type { Curves, Job, RunSummary } from "../../studio/api.ts";
import { addSample, appendCurves, applyEvent } from "./live-state.ts";

const run = (id: string, step: number) => ({ id, step }) as RunSummary;
const job = (id: string, state: Job["state"]) => ({ id, state }) as Job;

test("events put runs and jobs in, change them and take them out", () => {
  const empty = { runs: new Map(), jobs: new Map() };
  const state = (
    [
      { kind: "run", run: run("a", 1) },
      { kind: "run", run: run("b", 1) },
      { kind: "run", run: run("a", 2) },
      { kind: "job", job: job("j", "waiting") },
      { kind: "job", job: job("j", "done") },
      { kind: "run-removed", id: "b" },
    ] as const
  ).reduce(applyEvent, empty);
  expect([...state.runs.values()]).toEqual([run("a", 2)]);
  expect([...state.jobs.values()]).toEqual([job("j", "done")]);
  expect(applyEvent(state, { kind: "job-removed", id: "j" }).jobs.size).toBe(0);
  expect(applyEvent(state, { kind: "metrics", run: "a" })).toBe(state);
  expect(empty.runs.size).toBe(0);
});

test("curves grow by what is new, and begin anew with a run that went back", () => {
  const curves = (position: string, isWhole: boolean, step: number[]): Curves => ({
    ...{ position, isWhole, step, loss: step, learningRate: step, tokensPerSecond: step, peakBytes: step },
    ...{ evalStep: step.slice(0, 1), evalLoss: [null] },
  });
  const first = curves("10", true, [1, 2]);
  expect(appendCurves(undefined, first)).toBe(first);
  const grown = appendCurves(first, curves("20", false, [3]));
  expect(grown).toMatchObject({ position: "20", step: [1, 2, 3], loss: [1, 2, 3], evalStep: [1, 3] });
  expect(grown.evalLoss).toEqual([null, null]);
  expect(appendCurves(grown, curves("5", true, [1])).step).toEqual([1]);
});

test("a sample takes the place of that of the same step and prompt", () => {
  const sample = (step: number, answer: string) => ({ step, prompt: "p", answer });
  const known = [sample(0, "base"), sample(5, "old")];
  expect(addSample(known, sample(5, "new"))).toEqual([sample(0, "base"), sample(5, "new")]);
  expect(addSample(known, sample(6, "next"))).toHaveLength(3);
});
