/** @file The view "Runs": all runs in a table, and those that are chosen side by side. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RunSummary } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Notice } from "../components/notice.tsx";
import { type Column, Table } from "../components/table.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { Chart } from "../curves/chart.tsx";
import { smooth } from "../curves/points.ts";
import { formatBytes, formatCount, formatMoment, formatNumber } from "../format.ts";
import { goTo, route } from "../route.ts";
import { shortName } from "../start/names.ts";
import { curvesOf, live } from "../state/live.ts";
import { pointsOf, type Quantity, quantities } from "./run-curves.ts";
import { compareSettings } from "./settings.ts";
import { StateMark } from "./state-mark.tsx";

const optional = (format: (value: number) => string, value: number | undefined) =>
  value === undefined ? "–" : format(value);

const columns: readonly Column<RunSummary>[] = [
  {
    title: "Name",
    value: ({ name }) => name,
    show: ({ id, name }) => <a href={`#/run/${id}`}>{name}</a>,
  },
  { title: "State", value: ({ state }) => state, show: ({ state }) => <StateMark state={state} /> },
  { title: "Model", value: ({ model }) => shortName(model) },
  { title: "Data", value: ({ data }) => shortName(data) },
  { title: "Method", value: ({ method }) => method },
  { title: "Objective", value: ({ objective }) => objective },
  {
    title: "Step",
    value: ({ step }) => step,
    show: ({ step, totalSteps }) =>
      totalSteps === undefined ? formatCount(step) : `${formatCount(step)} of ${formatCount(totalSteps)}`,
    isNumeric: true,
  },
  {
    title: "Loss",
    value: ({ loss }) => loss,
    show: ({ loss }) => optional(formatNumber, loss),
    isNumeric: true,
  },
  {
    title: "Held\u00a0out, best",
    value: ({ bestEvalLoss }) => bestEvalLoss,
    show: ({ bestEvalLoss }) => optional(formatNumber, bestEvalLoss),
    isNumeric: true,
  },
  {
    title: "Tokens/s",
    value: ({ tokensPerSecond }) => tokensPerSecond,
    show: ({ tokensPerSecond }) => optional(formatCount, tokensPerSecond),
    isNumeric: true,
  },
  {
    title: "Memory",
    value: ({ peakBytes }) => peakBytes,
    show: ({ peakBytes }) => optional(formatBytes, peakBytes),
    isNumeric: true,
  },
  {
    title: "Started",
    value: ({ startedAt }) => startedAt,
    show: ({ startedAt }) => <span class="moment">{formatMoment(startedAt)}</span>,
    isNumeric: true,
  },
  { title: "Note", value: ({ note }) => note },
];

const started = columns.findIndex(({ title }) => title === "Started");

export function Runs() {
  const inAddress = route.value.query.get("choose") ?? "";
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  useEffect(() => {
    chosen.value = new Set(inAddress.split(",").filter(Boolean));
  }, [inAddress]);
  useSignalEffect(() => {
    const ids = [...chosen.value].join(",");
    if (ids !== (route.peek().query.get("choose") ?? "")) goTo(ids ? `#/runs?choose=${ids}` : "#/runs");
  });

  const runs = live.value?.runs;
  const side = [...chosen.value].flatMap((id) => runs?.get(id) ?? []);
  return (
    <>
      <h1>Runs</h1>
      {runs === undefined ? (
        <p class="quiet">The runs are being read…</p>
      ) : (
        <Table
          caption="Runs"
          columns={columns}
          rows={[...runs.values()]}
          rowKey={({ id }) => id}
          filterLabel="Only rows with the words"
          order={{ column: started, isDescending: true }}
          chosen={chosen}
          empty={
            <>
              There is no run in these folders yet. <a href="#/start">Start one</a>, here or by{" "}
              <code>slimtune tune</code>.
            </>
          }
        />
      )}
      {side.length > 0 && <SideBySide runs={side} />}
      {runs !== undefined && runs.size > 1 && side.length === 0 && (
        <p class="quiet">Tick several runs to see their curves and settings side by side.</p>
      )}
    </>
  );
}

function SideBySide({ runs }: { readonly runs: readonly RunSummary[] }) {
  const quantity = useSignal<Quantity>("loss");
  const isSmooth = useSignal(true);
  const curves = runs.map(({ id, name }, index) => {
    const points = pointsOf(curvesOf(id).value, quantity.value);
    return { label: name, colour: index, ...(isSmooth.value ? smooth(points) : points) };
  });
  return (
    <section>
      <h2>Side by side</h2>
      <p class="actions">
        <label>
          Curve{" "}
          <select
            value={quantity}
            onChange={(event) => {
              quantity.value = event.currentTarget.value as Quantity;
            }}
          >
            {Object.entries(quantities).map(([name, { title }]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={isSmooth}
            onChange={(event) => {
              isSmooth.value = event.currentTarget.checked;
            }}
          />{" "}
          Smoothed
        </label>
      </p>
      <Chart title={quantities[quantity.value].title} curves={curves} height={320} />
      <Settings runs={runs} />
    </section>
  );
}

function Settings({ runs }: { readonly runs: readonly RunSummary[] }) {
  const ids = runs.map(({ id }) => id);
  const details = useFetched(() => Promise.all(ids.map(client.run)), [ids.join()]);
  const { value, problem } = details.value;
  if (problem) return <Notice kind="error">{problem}</Notice>;
  if (value === undefined) return <p class="quiet">The settings are being read…</p>;
  const rows = compareSettings(value.map(({ config }) => config));
  const differing = rows.filter(({ differs }) => differs);
  const table = (shown: typeof rows, caption: string) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Setting</th>
            {value.map(({ id, name }) => (
              <th key={id} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ name, values }) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              {value.map(({ id }, index) => (
                <td key={id}>{values[index]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
  return (
    <>
      <h3>Settings in which they differ</h3>
      {differing.length > 0 ? (
        table(differing, "Settings in which they differ")
      ) : (
        <p class="quiet">{runs.length > 1 ? "None: all settings are equal." : "One run is chosen."}</p>
      )}
      <details>
        <summary>Settings that they share ({rows.length - differing.length})</summary>
        {table(
          rows.filter(({ differs }) => !differs),
          "Settings that they share",
        )}
      </details>
    </>
  );
}
