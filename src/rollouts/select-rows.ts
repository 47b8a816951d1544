/** @file Rows to tune on, selected from rollouts by a rule. */

import { dirname, extname } from "node:path";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { openModel } from "../node/models/open-model.ts";
import { type JudgedRollout, readRollouts } from "./rollout.ts";
import { parseRule } from "./rules/rules.ts";
import { createWordScorer } from "./word-surprisal.ts";

export interface SelectionRunOptions {
  /** Folder of rollouts. */
  readonly rollouts: string;
  /** A rule with its options, such as "shortest-correct" or "tokenskip:0.7". */
  readonly rule: string;
  /** The .jsonl file that is written. */
  readonly out: string;
  /** For `tokenskip`: the base model, a folder, .gguf file or Hub id. */
  readonly model?: string;
  /** How its weights are kept. Default "float32". */
  readonly storage?: Storage;
  readonly onStage?: (stage: string) => void;
}

/** What was selected, as it stands in the file beside the rows. */
export interface SelectionReport {
  readonly rollouts: string;
  readonly rule: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly model?: string;
  readonly problems: number;
  readonly samples: number;
  /** Mean tokens of a sample, as the model wrote it. */
  readonly tokens: number;
  readonly rows: number;
  /** The same of the solutions to be imitated, before they are pruned. */
  readonly rowTokens: number;
  /** What nothing was taken of: how many problems or solutions, by the reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/**
 * Selects rows from a folder of rollouts and writes them, for `tune` to read as they are, with a report in a file of the same name that
 * ends in `.selection.json`.
 *
 * @throws InputError if the rollouts, the rule or the model cannot be used, or no row is left.
 *
 * @example
 * const { rows, leftOut } = await selectRows({ rollouts: "rollouts", rule: "o1-pruner", out: "pruned.jsonl" });
 * console.log(`${rows} rows`, leftOut);
 */
export async function selectRows(options: SelectionRunOptions): Promise<SelectionReport> {
  const { out, model, onStage } = options;
  const rule = parseRule(options.rule);
  if (extname(out) !== ".jsonl") {
    throw new InputError(`The rows are written as JSONL, so that ${out} must end in .jsonl; name it so.`);
  }
  if (rule.needsModel && model === undefined) {
    throw new InputError(
      `The rule "${rule.name}" asks the base model how surprising words are; name it with --model.`,
    );
  }
  if (!rule.needsModel && model !== undefined) {
    throw new InputError(`The rule "${rule.name}" asks no model; leave out --model.`);
  }
  const groups = readRollouts(options.rollouts);
  const scorer =
    model === undefined
      ? undefined
      : createWordScorer(await openModel(model, { storage: options.storage ?? "float32" }));
  onStage?.(`selecting from ${groups.length} problems`);
  let selection: Awaited<ReturnType<typeof rule.select>>;
  try {
    selection = await rule.select(groups, scorer?.score);
  } finally {
    await scorer?.release();
  }
  const { rows, solutions, leftOut } = selection;
  if (rows.length === 0) {
    const reasons = Object.entries(leftOut).map(([reason, count]) => `${count} ${reason}`);
    throw new InputError(
      `The rule "${rule.name}" takes nothing from ${options.rollouts} (${reasons.join(", ")}); sample more solutions, of other problems or by a better model.`,
    );
  }
  const samples = groups.flat();
  const report: SelectionReport = {
    rollouts: options.rollouts,
    rule: rule.name,
    options: rule.options,
    ...(model !== undefined && { model }),
    problems: groups.length,
    samples: samples.length,
    tokens: meanTokens(samples),
    rows: rows.length,
    rowTokens: meanTokens(solutions),
    leftOut,
  };
  makeFolder(dirname(out));
  writeWhole(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  writeWhole(reportBeside(out), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

function meanTokens(rollouts: readonly JudgedRollout[]): number {
  return rollouts.reduce((sum, { tokens }) => sum + tokens, 0) / rollouts.length;
}

/** Where the report on a file of rows stands. */
export function reportBeside(out: string): string {
  return out.replace(/\.jsonl$/, ".selection.json");
}
