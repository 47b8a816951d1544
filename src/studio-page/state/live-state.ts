/** @file What the page knows of runs and jobs, and how an event of the server changes it. */

import type { Curves, Id, Job, RunSummary, Sample, StudioEvent } from "../../studio/api.ts";

export interface LiveState {
  readonly runs: ReadonlyMap<Id, RunSummary>;
  readonly jobs: ReadonlyMap<Id, Job>;
}

/** The state after an event; the same object if the event changes nothing of it. */
export function applyEvent(state: LiveState, event: StudioEvent): LiveState {
  switch (event.kind) {
    case "run":
      return { ...state, runs: new Map(state.runs).set(event.run.id, event.run) };
    case "run-removed":
      return { ...state, runs: without(state.runs, event.id) };
    case "job":
      return { ...state, jobs: new Map(state.jobs).set(event.job.id, event.job) };
    case "job-removed":
      return { ...state, jobs: without(state.jobs, event.id) };
    default:
      return state;
  }
}

function without<T>(known: ReadonlyMap<Id, T>, id: Id): ReadonlyMap<Id, T> {
  const rest = new Map(known);
  rest.delete(id);
  return rest;
}

/** Curves with what came after them. */
export function appendCurves(known: Curves | undefined, more: Curves): Curves {
  if (known === undefined || more.isWhole) return more;
  const names = Object.keys(more).filter((name) => Array.isArray(more[name as keyof Curves]));
  const columns = names as Exclude<keyof Curves, "position" | "isWhole">[];
  const appended = columns.map((name) => [name, [...known[name], ...more[name]]]);
  return { ...more, ...Object.fromEntries(appended) };
}

/** Samples with one more, which takes the place of that of the same step and prompt. */
export function addSample(known: readonly Sample[], sample: Sample): readonly Sample[] {
  const rest = known.filter(({ step, prompt }) => step !== sample.step || prompt !== sample.prompt);
  return [...rest, sample];
}
