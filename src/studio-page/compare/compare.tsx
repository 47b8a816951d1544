/** @file The view "Compare": two evaluations, which scores changed and how surely, and the items that became right or wrong. */

import type { EvaluationSummary, Id } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Notice } from "../components/notice.tsx";
import { type Column, Table } from "../components/table.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { formatMoment } from "../format.ts";
import { goTo, route } from "../route.ts";
import { shortName } from "../start/names.ts";
import { live } from "../state/live.ts";
import { Evaluate } from "./evaluate.tsx";
import { ChangedItems } from "./item-list.tsx";
import { Scores } from "./scores.tsx";
import "./compare.css";

export function Compare() {
  const { query } = route.value;
  const [before, after] = [query.get("before") ?? "", query.get("after") ?? ""];
  const ended = [...(live.value?.jobs.values() ?? [])].filter(
    ({ kind, state }) => kind === "evaluate" && state === "done",
  );
  const evaluations = useFetched(client.evaluations, [ended.length]);
  const { value: all, problem } = evaluations.value;
  const choose = (changed: Readonly<Record<string, Id>>) =>
    goTo(`#/compare?${new URLSearchParams({ before, after, ...changed })}`);

  return (
    <>
      <h1>Compare</h1>
      {problem && <Notice kind="error">{problem}</Notice>}
      {all && all.length > 0 && (
        <div class="columns">
          <Choice
            label="Before"
            evaluations={all}
            chosen={before}
            onChoose={(id) => choose({ before: id })}
          />
          <Choice label="After" evaluations={all} chosen={after} onChoose={(id) => choose({ after: id })} />
        </div>
      )}
      <Evaluate run={query.get("evaluate") ?? undefined} />
      {all && (
        <details>
          <summary>All evaluations</summary>
          <Table
            caption="Evaluations"
            columns={columns}
            rows={all}
            rowKey={({ id }) => id}
            filterLabel="Filter by words"
            order={{ column: 3, isDescending: true }}
            empty="There is none in the studio's folders yet."
          />
        </details>
      )}
      {before && after && before !== after ? (
        <Compared key={`${before} ${after}`} before={before} after={after} />
      ) : (
        all && (
          <p class="quiet">
            {all.length < 2
              ? "Two evaluations of the same tasks are needed: that of the model before tuning, and that of the tuned one."
              : "Choose two evaluations of the same tasks."}
          </p>
        )
      )}
    </>
  );
}

function Choice({
  label,
  evaluations,
  chosen,
  onChoose,
}: {
  readonly label: string;
  readonly evaluations: readonly EvaluationSummary[];
  readonly chosen: Id;
  readonly onChoose: (id: Id) => void;
}) {
  return (
    <div class="field">
      <label for={`evaluation-${label}`}>{label}</label>
      <select
        id={`evaluation-${label}`}
        value={chosen}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        <option value="">Choose…</option>
        {evaluations.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}: {nameModel(one)}
          </option>
        ))}
      </select>
    </div>
  );
}

function Compared({ before, after }: { readonly before: Id; readonly after: Id }) {
  const { value, problem } = useFetched(() => client.comparison(before, after)).value;
  if (problem) return <Notice kind="error">{problem}</Notice>;
  if (!value) return <p role="status">Comparing item by item…</p>;
  return (
    <>
      <Scores comparison={value} />
      <ChangedItems items={value.changed} />
    </>
  );
}

function nameModel({ model, adapter }: EvaluationSummary): string {
  const name = shortName(model);
  return adapter === undefined ? name : `${name} with ${adapter.split(/[/\\]/).slice(-2).join("/")}`;
}

const columns: readonly Column<EvaluationSummary>[] = [
  { title: "Name", value: ({ name }) => name },
  { title: "Model", value: nameModel },
  {
    title: "Scores",
    value: ({ scores }) => scores.map(describeScore).join("; "),
    show: ({ scores }) => (
      <ul class="bare">
        {scores.map((score) => (
          <li key={`${score.task} ${score.metric}`}>{describeScore(score)}</li>
        ))}
      </ul>
    ),
  },
  {
    title: "Changed",
    value: ({ changedAt }) => changedAt,
    show: ({ changedAt }) => formatMoment(changedAt),
    isNumeric: true,
  },
];

function describeScore({
  task,
  metric,
  value,
  low,
  high,
  items,
}: EvaluationSummary["scores"][number]): string {
  const range = low === undefined || high === undefined ? "" : ` [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  return `${task}, ${metric}: ${value.toFixed(3)}${range} of ${items} ${items === 1 ? "item" : "items"}`;
}
