/** @file The report of a federated study. */

import { type Curve, lineKey, linePlot, lookKey, type Mark, scatterPlot } from "../../reporting/charts.ts";
import {
  countOf,
  formatCount,
  formatNumber,
  formatSeconds,
  scorePrinter,
  withRange,
  withSignedRange,
} from "../../reporting/format.ts";
import { type Block, figures, key, note, type Report, type Table, table } from "../../reporting/sections.ts";
import { excludesZero } from "../../statistics/estimates.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { failures, limits, provenance } from "../report-sections.ts";
import { references } from "./cells.ts";
import type { FederatedResults, FederatedWay } from "./results.ts";
import { bytesOf, judgeStatements, lossDifference } from "./statements.ts";

/** Rates of the lines for which times are modelled, in Mbit/s. */
const rates = [10, 100];

export function federatedReport(found: FederatedResults): Report {
  const statements = judgeStatements(found);
  const shown = statements.filter(({ verdict }) => verdict === "shown here");
  return {
    title: `Federated tuning of ${found.model.name}`,
    about: describe(found),
    answer: [
      ...found.ways.filter(isExchanged).map((way) => describeWay(found, way)),
      `Of ${countOf(statements.length, "statement")} of Yan et al. 2025, ${shown.length === 0 ? "none is" : `${shown.length} ${shown.length === 1 ? "is" : "are"}`} shown here.`,
    ],
    sections: [
      {
        id: "statements",
        title: "What the paper says, and what is shown here",
        blocks: [
          table({
            headings: ["statement", "verdict", "by which numbers"],
            rows: statements.map(({ statement, verdict, why }) => [statement, verdict, why]),
            numeric: false,
          }),
          note(
            "A statement is shown if it holds in every partition and against every other framework that was computed. Accuracy is the held-out loss: differences in nats a token, with Student’s 95 % interval over clients and seeds, which has to lie on one side of zero. Costs are counted, and have no interval. What is not shown may be so all the same.",
          ),
        ],
      },
      { id: "losses", title: "Held-out loss", blocks: lossBlocks(found) },
      {
        id: "curves",
        title: "Loss by round, and by what a client sends and receives",
        blocks: curveBlocks(found),
      },
      { id: "scores", title: "Tasks", blocks: scoreBlocks(found) },
      { id: "costs", title: "What a client pays", blocks: costBlocks(found) },
      { id: "aggregation", title: "Error of aggregation", blocks: errorBlocks(found) },
      {
        id: "membership",
        title: "What losses tell of the rows that were tuned on",
        blocks: membershipBlocks(found),
      },
      { id: "clients", title: "Clients", blocks: [table(clientTable(found))] },
      failures(found.cells),
      limits(found),
      provenance(found, [], [table(hashTable(found))]),
    ],
  };
}

function isExchanged({ way }: FederatedWay): boolean {
  return !(references as readonly string[]).includes(way);
}

function describe({ model, data, divisions, cells }: FederatedResults): string {
  return [
    `${formatNumber(model.parameters / 1e6, 1)} million parameters`,
    countOf(data.rows, "row"),
    countOf(divisions[0]?.clients.length ?? 0, "client"),
    countOf(divisions.length, "division"),
    countOf(cells.length, "cell"),
  ].join(" · ");
}

/** Whether a way is shown to be better than each client alone, and worse than all rows in one place. */
function describeWay(found: FederatedResults, one: FederatedWay): string {
  const against = (reference: string, name: string) => {
    const difference = lossDifference(found, one, reference);
    if (!difference) return `not compared with ${name}`;
    const verdict = !excludesZero(difference)
      ? "not shown to differ from"
      : difference.value < 0
        ? "better than"
        : "worse than";
    return `${verdict} ${name} (${withSignedRange(difference, 1, 3)} nats)`;
  };
  return `${nameOf(one)}, on held-out rows: ${against("alone", "clients alone")}, and ${against("central", "all rows in one place")}.`;
}

/** "fedllm-product, iid" */
function nameOf({ way, partition }: Pick<FederatedWay, "way" | "partition">): string {
  return `${way}, ${partition}`;
}

function lossBlocks(found: FederatedResults): Block[] {
  const { target } = found.settings;
  const less = (way: FederatedWay, reference: string) =>
    way.way === reference ? "" : withSignedRange(lossDifference(found, way, reference), 1, 3);
  return [
    table({
      headings: [
        "way, partition",
        "loss",
        "worst client",
        "less base",
        "less alone",
        "less central",
        "rounds to target",
      ],
      rows: found.ways.map((way) => [
        nameOf(way),
        withRange(way.loss, 1, 3),
        formatNumber(way.worst, 3),
        ...references.toSorted(byPlaceInTable).map((reference) => less(way, reference)),
        way.way === "base"
          ? ""
          : way.roundsToTarget.map((round) => (round === null ? "none" : String(round))).join(", "),
      ]),
      numeric: true,
    }),
    note(
      `In nats a token, after the last round: the mean over clients, each counting alike, and over seeds, with Student’s 95 % interval. Differences are paired by client and seed. The target is ${formatNumber(100 * Number(target), 0)} % of the fall that tuning in one place reaches; its first round with each seed is given.`,
    ),
  ];
}

/** The base first, then alone, then central. */
function byPlaceInTable(a: string, b: string): number {
  const order = ["base", "alone", "central"];
  return order.indexOf(a) - order.indexOf(b);
}

function curveBlocks({ ways }: FederatedResults): Block[] {
  const tuned = ways.filter(({ way }) => way !== "base");
  const labels = [...new Set(tuned.map(({ way }) => way))];
  const sending = labels.filter((label) => tuned.some((one) => one.way === label && isExchanged(one)));
  const losses = tuned.flatMap((one) => one.losses);
  const partitions = [...new Set(tuned.map(({ partition }) => partition))];
  const ofPartition = (partition: string) => tuned.filter((one) => one.partition === partition);
  const byRound = partitions.map((partition) => ({
    title: `${partition}, by round`,
    svg: linePlot(
      ofPartition(partition).map((one): Curve => {
        const line = one.losses.map((loss, round) => [round, loss] as const);
        return { title: one.way, style: labels.indexOf(one.way), line, dots: line };
      }),
      { x: "round", y: "held-out loss, nats" },
      [Math.min(...losses), Math.max(...losses)],
    ),
  }));
  const byBytes = partitions.flatMap((partition) => {
    const marks = ofPartition(partition)
      .filter(isExchanged)
      .flatMap((one) =>
        one.losses.slice(1).map((y, i): Mark => {
          const x = ((i + 1) * bytesOf(one)) / 1e6;
          const title = `${one.way}: ${formatNumber(y, 3)} nats after ${formatMegabytes(x * 1e6)}`;
          return { ...{ x, y, low: y, high: y, title, series: one.way }, ...lookOf(labels.indexOf(one.way)) };
        }),
      );
    const axes = { x: "sent and received by a client, MB", y: "held-out loss, nats" };
    return marks.length > 0 ? [{ title: `${partition}, by bytes`, svg: scatterPlot(marks, axes) }] : [];
  });
  return [
    key(lineKey(labels)),
    figures(byRound),
    key(lookKey(sending.map((label) => ({ label, ...lookOf(labels.indexOf(label)) })))),
    figures(byBytes),
  ];
}

function lookOf(place: number) {
  return { colour: place, shape: place, filled: true };
}

function scoreBlocks({ tasks, ways, comparisons }: FederatedResults): Block[] {
  if (tasks.length === 0) return [];
  const printerOf = ({ inPoints, base }: FederatedResults["tasks"][number]) => scorePrinter(inPoints, base);
  const between = comparisons.filter(({ quantity }) => tasks.some(({ name }) => name === quantity));
  const difference = (estimate: Estimate, task: FederatedResults["tasks"][number]) => {
    const { change, range } = printerOf(task);
    return `${change(estimate.value)} ${range(estimate)}`;
  };
  return [
    table({
      headings: [
        "way, partition",
        ...tasks.flatMap(({ name, metric }) => [`${name} (${metric})`, "less base"]),
      ],
      rows: [
        [
          "base",
          ...tasks.flatMap((task) => [
            `${printerOf(task).score(task.base.value)} ${printerOf(task).range(task.base)}`,
            "",
          ]),
        ],
        ...ways
          .filter(({ way }) => way !== "base")
          .map((way) => [
            nameOf(way),
            ...tasks.flatMap((task) => {
              const { score, difference: change } = way.scores[task.name]!;
              const { score: print, range } = printerOf(task);
              return [`${print(score.value)} ${range(score)}`, difference(change, task)];
            }),
          ]),
      ],
      numeric: true,
    }),
    ...(between.length > 0
      ? [
          table({
            headings: ["way, partition", "against", "task", "difference"],
            rows: between.map((one) => [
              nameOf(one),
              one.against,
              one.quantity,
              difference(one.difference, tasks.find(({ name }) => name === one.quantity)!),
            ]),
            numeric: true,
          }),
        ]
      : []),
    note(
      "All models answered the same items; differences are paired by them. Of clients alone it is the mean over their models. Intervals are over the items and know nothing of other seeds.",
    ),
  ];
}

function costBlocks({ ways, settings }: FederatedResults): Block[] {
  const rounds = Number(settings.rounds);
  const overhead = ({ sentBytes, receivedBytes, formulaBytes: { up, down } }: FederatedWay) =>
    `${formatMegabytes(sentBytes)} (${formatMegabytes(up)}) / ${formatMegabytes(receivedBytes)} (${formatMegabytes(down)})`;
  return [
    table({
      headings: [
        "way, partition",
        "sent / received a round (by formula)",
        "in all rounds",
        ...rates.map((rate) => `modelled at ${rate} Mbit/s`),
        "multiply-adds a round",
        "bytes to target",
      ],
      rows: ways
        .filter(({ way }) => way !== "base")
        .map((way) => [
          nameOf(way),
          ...(isExchanged(way)
            ? [
                overhead(way),
                formatMegabytes(rounds * bytesOf(way)),
                ...rates.map((rate) => formatSeconds((8 * rounds * bytesOf(way)) / (rate * 1e6))),
              ]
            : ["–", "–", ...rates.map(() => "–")]),
          `${formatNumber(way.multiplyAdds / 1e9)} G`,
          isExchanged(way)
            ? way.roundsToTarget
                .map((round) => (round === null ? "none" : formatMegabytes(round * bytesOf(way))))
                .join(", ")
            : "–",
        ]),
      numeric: true,
    }),
    note(
      "Of one client, means over clients, rounds and seeds. Bytes are counted where they pass, with names, shapes and documents; in brackets those of the numbers alone, by formula. Times are modelled, not measured: all its bytes at the rate of the line, one way after the other, without latency and without computing. Multiply-adds follow from the tokens that were computed: 2 P + T for each that is trained on (docs/federation.md); all rows in one place are no client’s.",
    ),
  ];
}

function errorBlocks({ ways }: FederatedResults): Block[] {
  const measured = ways.filter(({ aggregationErrors }) => aggregationErrors.length > 0);
  if (measured.length === 0) return [];
  const rounds = Math.max(...measured.map(({ aggregationErrors }) => aggregationErrors.length));
  return [
    table({
      headings: ["way, partition", ...Array.from({ length: rounds }, (_, i) => `round ${i + 1}`)],
      rows: measured.map((way) => [
        nameOf(way),
        ...way.aggregationErrors.map((error) => (error < 1e-6 ? "0" : formatNumber(error, 4))),
      ]),
      numeric: true,
    }),
    note(
      "‖ΔW − aggregate‖ / ‖ΔW‖ over all modules, with ΔW the average of the clients’ B A: what the aggregation loses of what it averages. Below 10⁻⁶, which is rounding, 0 is shown.",
    ),
  ];
}

function membershipBlocks({ ways }: FederatedResults): Block[] {
  const measured = ways.flatMap((way) =>
    way.membership && way.way !== "base" ? [{ name: nameOf(way), ...way.membership }] : [],
  );
  if (measured.length === 0) return [];
  return [
    table({
      headings: ["way, partition", "before", "after", "tells apart"],
      rows: measured.map(({ name, before, after }) => [
        name,
        withRange(before, 1, 3),
        withRange(after, 1, 3),
        after.low > before.high
          ? "more than before, shown"
          : after.low > 0.5
            ? "above guessing, not shown to be more than before"
            : "not shown",
      ]),
      numeric: true,
    }),
    note(
      "How probably a row that was tuned on has a lower loss than one that was held out (Yeom et al. 2018); 0.5 is guessing. Intervals are bootstraps over the rows. What is above 0.5 before tuning is how the rows differ, not what was learnt of them; that it rose is said only where the intervals do not overlap, which asks for more than a paired test would.",
    ),
  ];
}

function clientTable({ divisions }: FederatedResults): Table {
  return {
    headings: ["partition, seed", "client", "rows", "held out", "of each class"],
    rows: divisions.flatMap(({ partition, seed, clients }) =>
      clients.map(({ client, rows, heldOutRows, classes }) => [
        `${partition}, ${seed}`,
        client,
        formatCount(rows),
        formatCount(heldOutRows),
        Object.entries(classes)
          .map(([name, count]) => `${name} ${count}`)
          .join(", "),
      ]),
    ),
    numeric: false,
  };
}

function hashTable({ model, data }: FederatedResults): Table {
  return {
    headings: ["what", "SHA-256"],
    rows: [
      [`model ${model.name}`, model.sha256],
      ["rows of all sets", data.sha256],
    ],
    numeric: false,
  };
}

/** "0.84 MB" */
function formatMegabytes(bytes: number): string {
  return `${formatNumber(bytes / 1e6, bytes < 10e6 ? 2 : 1)} MB`;
}
