/** @file The view "Jobs": commands that the studio runs, one after the other. */

import { useSignal } from "@preact/signals";
import type { Job } from "../../studio/api.ts";
import { client } from "../client.ts";
import { CommandWords } from "../components/command-line.tsx";
import { Notice } from "../components/notice.tsx";
import { formatMoment } from "../format.ts";
import { StateMark } from "../run-list/state-mark.tsx";
import { live } from "../state/live.ts";

export function Jobs() {
  const jobs = live.value?.jobs;
  if (jobs === undefined) return <h1>Jobs</h1>;
  const sorted = [...jobs.values()].toSorted((a, b) => b.createdAt - a.createdAt);
  return (
    <>
      <h1>Jobs</h1>
      {sorted.length === 0 && (
        <p class="quiet">
          Nothing runs, and nothing waits. <a href="#/start">Start a tuning</a>.
        </p>
      )}
      {sorted.map((job) => (
        <JobPanel key={job.id} job={job} />
      ))}
    </>
  );
}

const isOver = ({ state }: Job) => state !== "waiting" && state !== "running";

/** A job with what it writes and what can be done with it. */
export function JobPanel({ job }: { readonly job: Job }) {
  const problem = useSignal("");
  const act = (action: Promise<unknown>) => {
    problem.value = "";
    action.catch((error: Error) => {
      problem.value = error.message;
    });
  };
  const { kind, state, command, output, createdAt, run } = job;
  const known = run !== undefined && live.value?.runs.get(run);
  return (
    <article class="panel job">
      <p class="actions">
        <strong>{kind}</strong>
        <StateMark state={state} />
        <span class="quiet">{formatMoment(createdAt)}</span>
        {known && <a href={`#/run/${run}`}>{known.name}</a>}
        <span class="end">
          {isOver(job) ? (
            <button type="button" onClick={() => act(client.deleteJob(job.id))}>
              Remove from the list
            </button>
          ) : (
            <button type="button" onClick={() => act(client.stopJob(job.id))}>
              {state === "waiting" ? "Take out of the queue" : "Stop"}
            </button>
          )}
        </span>
      </p>
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <p class="mono">
        <CommandWords command={command} />
      </p>
      {output.length > 0 && (
        <details open={state === "failed"}>
          <summary>What it has written last</summary>
          <pre>{output.join("\n")}</pre>
        </details>
      )}
    </article>
  );
}
