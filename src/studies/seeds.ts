/** @file A kind of study: how far the same tuning with other seeds lies apart. */

import { z } from "zod";
import { compare, type ScoreName } from "../evaluation/compare.ts";
import { formatNumber, scorePrinter } from "../reporting/format.ts";
import { note, type Report, type Table, table } from "../reporting/sections.ts";
import { mean } from "../statistics/estimates.ts";
import { meanInterval } from "../statistics/mean-interval.ts";
import { type Cell, listCells } from "./grid/cells.ts";
import { collectGrid, collectRun, describeCell, describeItems } from "./grid/collect.ts";
import { checkGrid, checkGridInputs, gridOptions } from "./grid/options.ts";
import { gridParts, isEvaluated } from "./grid/parts.ts";
import { describeGrid, gridProvenance } from "./grid/report-sections.ts";
import { checkBaseScores, gridCellFields, gridResultFields, tuningOf } from "./grid/results.ts";
import { failures, limits } from "./report-sections.ts";
import type { StudyFolder } from "./study-folder.ts";
import type { Found, PartList, StudyKind } from "./study-kind.ts";
import { estimateSchema, type Immutable } from "./study-results.ts";
import { tunedModel } from "./tuning.ts";

const options = z.strictObject({
  kind: z.literal("seeds"),
  ...gridOptions,
  methods: gridOptions.methods.default(["lora"]),
  seeds: z.array(z.int().min(0)).min(2).default([1, 2, 3, 4, 5]),
});

const heldOutLoss = "held-out loss";

const cellSchema = z.object({
  ...gridCellFields,
  /** By the task's name. */
  scores: z.record(z.string(), z.number()).exactOptional(),
});

const spreadSchema = z.object({
  method: z.string(),
  data: z.string(),
  variant: z.string().exactOptional(),
  /** The name of a task, or "held-out loss", which is in nats. */
  quantity: z.string(),
  /** Before tuning: of the held-out loss the mean over the seeds. */
  before: z.number(),
  /** After tuning, of each seed. */
  values: z.array(z.number()),
  /** With Student's 95 % interval. */
  mean: estimateSchema,
  /** The standard deviation. */
  deviation: z.number(),
});

const results = z
  .object({
    kind: z.literal("seeds"),
    ...gridResultFields,
    cells: z.array(cellSchema),
    /** Of each method on each set of data, and each variant of it: of each task's score, and of the held-out loss if there is one. */
    spreads: z.array(spreadSchema),
  })
  .superRefine(checkBaseScores);

type SeedsConfig = z.output<typeof options>;
export type SeedsResults = Immutable<z.output<typeof results>>;
type SeedsCell = SeedsResults["cells"][number];
type SeedsSpread = SeedsResults["spreads"][number];
type BaseScores = SeedsResults["base"]["scores"];

/** The spread of scores and held-out losses over the seeds. */
export const seeds = {
  description: "How much does another seed change what tuning brings?",
  example:
    "slimtune study seeds --model model.gguf --data math=gsm8k:train --tasks gsm8k --limit 200 --run max_steps=100 --seeds 1,2,3,4,5 --out seeds",
  options,
  check: checkGrid,
  checkInputs: checkGridInputs,
  listParts,
  collect,
  results,
  report: seedsReport,
} satisfies StudyKind<SeedsConfig, SeedsResults>;

async function listParts(config: SeedsConfig, folder: StudyFolder): Promise<PartList> {
  const cells = await listCells(config, folder);
  const { baseEvaluation, tuning, evaluation } = gridParts(config, folder);
  return {
    cells: cells.map(({ id }) => id),
    parts: [
      baseEvaluation(),
      ...cells.flatMap((cell) => [tuning(cell), evaluation(cell.id, () => tunedModel(cell.id, cell.run))]),
    ],
  };
}

async function collect(config: SeedsConfig, folder: StudyFolder): Promise<Found<SeedsResults>> {
  const listed = await listCells(config, folder);
  const { chosen, chosenBits: _, ...grid } = await collectGrid(config, listed, folder);
  const cells: SeedsCell[] = [];
  for (const cell of listed) cells.push(await collectCell(cell, chosen, folder));
  return {
    ...grid,
    cells,
    spreads: measureSpreads(cells, grid.base.scores),
    notes: [
      ...describeItems(config),
      "All models answered the same items, so scores differ by tuning alone: by the order of the data and by the values that what is trained begins with. Which examples are held out depends on the seed as well.",
    ],
  };
}

async function collectCell(
  cell: Cell,
  chosen: readonly ScoreName[],
  folder: StudyFolder,
): Promise<SeedsCell> {
  const described = describeCell(cell, folder, isEvaluated(folder, cell.id));
  if (described.error !== undefined) return described;
  const { scores } = await compare(folder.base, folder.evaluation(cell.id), { scores: chosen });
  return {
    ...described,
    run: collectRun(cell.id, folder, null),
    scores: Object.fromEntries(scores.map(({ task, after }) => [task, after.value])),
  };
}

/** The spread of each quantity that two seeds at least of a method on a set of data have. */
function measureSpreads(cells: readonly SeedsCell[], base: BaseScores): SeedsSpread[] {
  const alike = ({ method, data, variant }: SeedsCell) =>
    cells.filter((cell) => cell.method === method && cell.data === data && cell.variant === variant);
  const firsts = cells.filter((cell) => alike(cell)[0] === cell);
  return firsts.flatMap((first) =>
    [...Object.keys(base), heldOutLoss].flatMap((quantity): SeedsSpread[] => {
      const pairs = alike(first).flatMap((cell) => measure(quantity, cell, base));
      if (pairs.length < 2) return [];
      const values = pairs.map(([, after]) => after);
      const { deviation, ...estimate } = meanInterval(values);
      const { method, data, variant } = first;
      const before = mean(pairs.map(([value]) => value));
      const of = { method, data, ...(variant !== undefined && { variant }) };
      return [{ ...of, quantity, before, values, mean: estimate, deviation }];
    }),
  );
}

/** A quantity of a cell before and after tuning; nothing if it was not measured. */
function measure(
  quantity: string,
  { run, scores }: SeedsCell,
  base: BaseScores,
): (readonly [before: number, after: number])[] {
  if (quantity !== heldOutLoss) return scores ? [[base[quantity]!.value, scores[quantity]!]] : [];
  const losses = run?.heldOutLoss ?? [];
  return losses.length > 0 ? [[losses[0]![1], losses.at(-1)![1]]] : [];
}

function seedsReport(found: SeedsResults): Report {
  return {
    title: `How much a seed changes what tuning does to ${found.model.name}`,
    about: describeGrid(found),
    answer: found.spreads.map(({ data, quantity, before, values, mean, deviation, ...tuned }) => {
      const print = printerOf(quantity, found);
      return `${tuningOf(tuned)} on ${data}: ${quantity} from ${print(before)} to ${print(mean.value)}, with a standard deviation of ${print(deviation)} over ${values.length} seeds.`;
    }),
    sections: [
      {
        id: "spread",
        title: "Spread over the seeds",
        blocks: [
          table(spreadTable(found)),
          note(
            "The interval is Student’s 95 % interval of the mean. What is no larger than some standard deviations may be the seed’s doing where single runs are compared.",
          ),
        ],
      },
      failures(found.cells),
      limits(found),
      gridProvenance(found),
    ],
  };
}

function spreadTable(found: SeedsResults): Table {
  return {
    headings: ["of", "before", "mean", "95 % interval", "standard deviation", "lowest", "highest", "seeds"],
    rows: found.spreads.map(({ data, quantity, before, values, mean, deviation, ...tuned }) => {
      const print = printerOf(quantity, found);
      return [
        `${quantity}, ${tuningOf(tuned)} on ${data}`,
        ...[before, mean.value].map(print),
        `${print(mean.low)} to ${print(mean.high)}`,
        ...[deviation, Math.min(...values), Math.max(...values)].map(print),
        String(values.length),
      ];
    }),
    numeric: true,
  };
}

/** Prints scores as other reports do, and losses with three decimals. */
function printerOf(quantity: string, { tasks, base }: SeedsResults): (value: number) => string {
  const task = tasks.find(({ name }) => name === quantity);
  if (!task) return (loss) => formatNumber(loss, 3);
  return scorePrinter(task.inPoints, base.scores[quantity]!).score;
}
