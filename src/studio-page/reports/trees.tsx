/** @file The trees of a search as text: each step with its reward, and the way to the answer. */

import { useSignal } from "@preact/signals";
import type { Id } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";

export function Trees({ report }: { readonly report: Id }) {
  const problem = useSignal(0);
  const trees = useFetched(() => client.trees(report, problem.value), [problem.value]).value;
  return (
    <section>
      <h2>Trees as text</h2>
      <label class="filter">
        Problem, counted from 0
        <input
          type="number"
          min="0"
          value={problem}
          onChange={(event) => {
            problem.value = Math.max(0, Math.floor(event.currentTarget.valueAsNumber || 0));
          }}
        />
      </label>
      {trees.problem && <Notice kind="warning">{trees.problem}</Notice>}
      {trees.value?.map(({ task, id, strategy, text }) => (
        <figure key={`${task} ${id} ${strategy}`}>
          <figcaption>
            {task} {id}, {strategy}
          </figcaption>
          <pre class="tree">{text}</pre>
        </figure>
      ))}
    </section>
  );
}
