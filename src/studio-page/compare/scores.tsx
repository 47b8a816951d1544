/** @file The scores of a comparison: each difference as a dot on its interval, in a sentence, and all numbers in a table. */

import type { Comparison } from "../../studio/api.ts";
import { Notice } from "../components/notice.tsx";
import { type Column, Table } from "../components/table.tsx";
import { scoreName } from "./changed-items.ts";
import { createIntervalScale, type IntervalScale } from "./interval-scale.ts";

type Score = Comparison["scores"][number];

export function Scores({ comparison }: { readonly comparison: Comparison }) {
  const { before, after, scores, agreements, notes, methods } = comparison;
  const points = scores.filter(({ inPoints }) => inPoints);
  const others = scores.filter(({ inPoints }) => !inPoints);
  const metrics = [...new Set(others.map(({ metric }) => metric))];
  return (
    <section>
      <h2>Differences</h2>
      <p>
        {after}, less {before}
      </p>
      {agreements.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {notes.map((note) => (
        <Notice key={note} kind="warning">
          {note}
        </Notice>
      ))}
      {points.length > 0 && <Intervals scores={points} unit="in points (hundredths)" />}
      {metrics.map((metric) => (
        <Intervals key={metric} scores={others.filter((score) => score.metric === metric)} unit={metric} />
      ))}
      <details>
        <summary>All numbers</summary>
        <Table
          caption="All numbers of the comparison"
          columns={columns}
          rows={scores}
          rowKey={scoreName}
          empty="There is no score."
        />
      </details>
      <details>
        <summary>How they are computed</summary>
        {methods.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </details>
    </section>
  );
}

/** Scores on one axis. */
function Intervals({ scores, unit }: { readonly scores: readonly Score[]; readonly unit: string }) {
  const scale = createIntervalScale(scores.map(inUnit));
  return (
    <figure class="intervals">
      <figcaption>
        Difference with its 95 % interval, {unit}. A filled dot: a difference is shown; a hollow one: none is.
      </figcaption>
      <ul class="bare">
        {scores.map((score) => (
          <li key={scoreName(score)} class={markOf(score)}>
            <b>{scoreName(score)}</b>
            <Interval score={score} scale={scale} />
            <span>{score.sentence}</span>
          </li>
        ))}
      </ul>
      <Axis scale={scale} />
    </figure>
  );
}

/** The picture of one score; its sentence says the same. */
function Interval({ score, scale }: { readonly score: Score; readonly scale: IntervalScale }) {
  const { low, high, difference } = inUnit(score);
  const place = (value: number) => `${scale.place(value)}%`;
  return (
    <svg aria-hidden="true" class="interval">
      {scale.ticks.map((tick) => (
        <line
          key={tick}
          class={tick === 0 ? "zero" : "tick"}
          x1={place(tick)}
          x2={place(tick)}
          y1="0"
          y2="100%"
        />
      ))}
      <line class="range" x1={place(low)} x2={place(high)} y1="50%" y2="50%" />
      <circle cx={place(difference)} cy="50%" r="6" />
    </svg>
  );
}

function Axis({ scale }: { readonly scale: IntervalScale }) {
  return (
    <svg aria-hidden="true" class="axis">
      {scale.ticks.map((tick) => (
        <text key={tick} x={`${scale.place(tick)}%`} y="1.1em">
          {tick.toFixed(scale.digits)}
        </text>
      ))}
    </svg>
  );
}

/** In points where the score is a share. */
function inUnit({ low, high, difference, inPoints }: Score) {
  const factor = inPoints ? 100 : 1;
  return { low: low * factor, high: high * factor, difference: difference * factor };
}

function markOf({ verdict }: Score): string {
  return verdict === "better" || verdict === "worse" ? verdict : "open";
}

const print = (value: number) => Number(value.toPrecision(4)).toString();
const printP = (p: number) => (p < 0.001 ? "< 0.001" : p.toPrecision(2));

const columns: readonly Column<Score>[] = [
  { title: "Score", value: scoreName },
  { title: "Items", value: ({ items }) => items, isNumeric: true },
  { title: "Before", value: ({ before }) => before, show: ({ before }) => print(before), isNumeric: true },
  { title: "After", value: ({ after }) => after, show: ({ after }) => print(after), isNumeric: true },
  {
    title: "Difference",
    value: ({ difference }) => difference,
    show: ({ difference, low, high }) => `${print(difference)} [${print(low)}, ${print(high)}]`,
    isNumeric: true,
  },
  { title: "p", value: ({ p }) => p, show: ({ p }) => printP(p), isNumeric: true },
  {
    title: "p (Holm)",
    value: ({ adjustedP }) => adjustedP,
    show: ({ adjustedP }) => printP(adjustedP),
    isNumeric: true,
  },
  { title: "Verdict", value: ({ verdict }) => verdict },
];
