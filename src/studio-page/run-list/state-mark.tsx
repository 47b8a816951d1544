/** @file The state of a run or a job: a word, with a sign before it. */

import type { Job, RunState } from "../../studio/api.ts";

const signs: Record<RunState | Job["state"], string> = {
  waiting: "◌",
  running: "▶",
  finished: "✓",
  done: "✓",
  interrupted: "‖",
  stopped: "‖",
  failed: "×",
};

export function StateMark({ state }: { readonly state: RunState | Job["state"] }) {
  return (
    <span class={`state ${state}`}>
      <span aria-hidden="true">{signs[state]}</span> {state}
    </span>
  );
}
