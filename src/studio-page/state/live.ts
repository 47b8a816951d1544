/** @file Runs, jobs and curves as the server has them now: fetched once, then changed by its events. */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Curves, Id, StudioEvent, StudioInfo } from "../../studio/api.ts";
import { client } from "../client.ts";
import { appendCurves, applyEvent, type LiveState } from "./live-state.ts";

export type Connection = "connecting" | "open" | "lost";

const current = signal<LiveState | undefined>(undefined);
const state = signal<Connection>("connecting");
const info = signal<StudioInfo | undefined>(undefined);
const problem = signal<string | undefined>(undefined);

/** All runs and jobs; undefined until they are there. */
export const live: ReadonlySignal<LiveState | undefined> = current;
export const connection: ReadonlySignal<Connection> = state;
export const studio: ReadonlySignal<StudioInfo | undefined> = info;
/** Why nothing could be fetched, in a sentence. */
export const liveProblem: ReadonlySignal<string | undefined> = problem;
/** Counts the times at which everything was fetched anew: what a view has fetched itself is old then. */
export const generation = signal(0);

const curves = new Map<Id, Signal<Curves | undefined>>();
const listeners = new Set<(event: StudioEvent) => void>();

/** Calls `listener` with every event of the server; returns what ends that. */
export function onEvent(listener: (event: StudioEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A run's curves, kept up to date; undefined until they are there. */
export function curvesOf(run: Id): ReadonlySignal<Curves | undefined> {
  let known = curves.get(run);
  if (known === undefined) {
    known = signal(undefined);
    curves.set(run, known);
    void fetchCurves(run);
  }
  return known;
}

/** Runs whose curves are being fetched, and whether they have grown meanwhile. */
const fetching = new Map<Id, boolean>();

/** Fetches what is new, in one request of a run at a time. */
async function fetchCurves(run: Id): Promise<void> {
  if (fetching.has(run)) {
    fetching.set(run, true);
    return;
  }
  const known = curves.get(run)!;
  do {
    fetching.set(run, false);
    const more = await client.curves(run, known.peek()?.position).catch(() => undefined);
    if (more !== undefined) known.value = appendCurves(known.peek(), more);
  } while (fetching.get(run));
  fetching.delete(run);
}

/** Events that came while everything was being fetched, to be applied to what is fetched. */
let waiting: StudioEvent[] | undefined;

async function fetchAll(): Promise<void> {
  waiting ??= [];
  try {
    const [studio, runs, jobs] = await Promise.all([client.studio(), client.runs(), client.jobs()]);
    info.value = studio;
    current.value = waiting.reduce(applyEvent, {
      runs: new Map(runs.map((run) => [run.id, run])),
      jobs: new Map(jobs.map((job) => [job.id, job])),
    });
    problem.value = undefined;
    generation.value++;
    for (const run of curves.keys()) void fetchCurves(run);
  } catch (error) {
    problem.value = (error as Error).message;
  }
  waiting = undefined;
}

function receive(event: StudioEvent): void {
  if (event.kind === "reload") void fetchAll();
  else if (event.kind === "metrics") {
    if (curves.has(event.run)) void fetchCurves(event.run);
  } else if (waiting !== undefined) waiting.push(event);
  else if (current.value !== undefined) current.value = applyEvent(current.value, event);
  for (const listener of listeners) listener(event);
}

const kinds: readonly StudioEvent["kind"][] = [
  "job",
  "job-removed",
  "run",
  "run-removed",
  "metrics",
  "sample",
  "reload",
];

/**
 * Listens to the server until the page is closed. A connection that broke is resumed by the browser, with the events that were missed; one
 * that was refused is tried again. A hidden tab holds none, since a browser opens six to one server.
 */
export function connect(): void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const open = () => {
    clearTimeout(retry);
    const opened = new EventSource("api/events");
    source = opened;
    let isFirst = true;
    opened.onopen = () => {
      state.value = "open";
      if (isFirst) void fetchAll();
      isFirst = false;
    };
    opened.onerror = () => {
      state.value = "lost";
      if (opened.readyState !== EventSource.CLOSED) return;
      void fetchAll(); // which says why
      retry = setTimeout(open, 2000);
    };
    for (const kind of kinds)
      opened.addEventListener(kind, ({ data }) => receive(JSON.parse(data as string) as StudioEvent));
  };

  const follow = () => {
    if (document.visibilityState === "visible") {
      if (source === undefined || source.readyState === EventSource.CLOSED) open();
    } else {
      clearTimeout(retry);
      source?.close();
      source = undefined;
    }
  };
  document.addEventListener("visibilitychange", follow);
  open();
}
