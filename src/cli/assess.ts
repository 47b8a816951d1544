/** @file `slimtune assess`: texts assessed by a rubric, in one or several ways, and compared with people's ratings. */

import { type Command, Option } from "commander";
import { formulationNames, formulations } from "../assessment/formulations/formulations.ts";
import { describePlace } from "../assessment/report.ts";
import { readings } from "../assessment/respondent.ts";
import type { AssessmentResults, DimensionResults, WayResults } from "../assessment/results.ts";
import {
  type AssessmentEvents,
  type AssessmentOptions,
  type AssessmentOutcome,
  runAssessment,
} from "../assessment/run-assessment.ts";
import { selections } from "../assessment/shots.ts";
import { formatSeconds } from "../reporting/format.ts";
import { parseList, parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { formatDuration, print, whileAsking } from "./output.ts";
import { addWeightOptions, addWriterOptions, readBits } from "./writing-options.ts";

export function addAssessCommand(program: Command): void {
  const command = program
    .command("assess")
    .description(
      "Assess texts, such as discussions in a classroom, by a rubric: levels, and the turns that speak for them.",
    )
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption(
      "--rubric <yaml>",
      "dimensions with their questions and levels, and the roles of speakers",
    )
    .requiredOption(
      "--texts <file>",
      "rows with id and turns (speaker, text and, if labelled, codes) or text",
    )
    .option("--human <file>", "people's ratings: rows with text and a column for each dimension")
    .option("--formulations <names>", "how to ask: those below", parseList, ["score"])
    .option("--context <list>", "all, or the most tokens that are shown at a time", parseList, ["all"])
    .option("--shots <list>", "examples before each question", parseCounts, [0])
    .addOption(new Option("--select <how>", "how examples are chosen").choices(selections).default("random"))
    .option("--repeats <n>", "runs with other draws, to see how far they are the same", parseWhole(1), 1)
    .addOption(
      new Option(
        "--read <how>",
        "how levels, counts, yes and no are read (default: likelihoods where the model gives them)",
      ).choices(readings),
    )
    .option("--temperature <t>", "of what is written; 0 takes the likeliest tokens", parseNumber, 0.7)
    .option(
      "--train-share <share>",
      "share of labelled texts that are learnt from, where no row says by split",
      parseNumber,
      0.5,
    )
    .option("--limit <n>", "assess only the first n texts or windows", parseWhole(1))
    .option("--anonymize", "put roles in place of speakers' names before anything is asked or written")
    .requiredOption("--out <folder>", "folder of the run")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Formulations:
${describeFormulations()}

Every answer is kept at once: the same command goes on after Ctrl-C. No text leaves this machine unless a server is named. Of labelled
texts the folder holds rows for \`slimtune tune\` too, to make a judge of one's own.

Example:
  slimtune assess --model model.gguf --rubric rubric.yaml --texts lessons.jsonl --formulations score,turns --out runs/assess`,
    );
  addWriterOptions(command);
  addChatOptions(command);
  addWeightOptions(command);
  command.action(async ({ json, exact, bits, plain, verbose: _, ...options }: Given) => {
    const outcome = await withProgress(options.out, (events) =>
      runAssessment({ ...options, ...readBits({ exact, bits }), ...(plain && { chat: false }) }, events),
    );
    const { folder, results, report } = outcome;
    print(json ? `${JSON.stringify({ folder, report, ...results })}\n` : `${toText(outcome)}\n`);
  });
}

interface Given extends Omit<AssessmentOptions, "bits" | "chat"> {
  readonly json?: boolean;
  readonly exact?: boolean;
  readonly bits?: string;
  readonly plain?: boolean;
  readonly verbose?: boolean;
}

function parseCounts(text: string): number[] {
  return parseList(text).map(parseWhole(0));
}

function describeFormulations(): string {
  const width = Math.max(...formulationNames.map(({ length }) => length));
  return Object.values(formulations)
    .map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`)
    .join("\n");
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every answer is already kept. */
async function withProgress<T>(folder: string, run: (events: AssessmentEvents) => Promise<T>): Promise<T> {
  return whileAsking(folder, "answers", (line) =>
    run({
      onStage: line.update,
      onPlan({ assessed, training, ways, server }) {
        const learnt = training > 0 ? `, ${training} others to learn from` : "";
        const place = server === null ? "no text leaves this machine" : `the texts go to ${server}`;
        line.begin(`texts: ${assessed}${learnt}; ways: ${ways}; ${place}`);
      },
      onProgress(answered, total) {
        const left = (line.seconds() / answered) * (total - answered);
        line.update(`${answered}/${total} answers  ${formatDuration(left)} left`);
      },
    }),
  );
}

/** Texts whose levels are printed. */
const printedTexts = 20;

function toText({ folder, results, scores, report }: AssessmentOutcome): string {
  const { rubric, ways } = results;
  const first = ways[0]!.name;
  const ofFirst = scores.filter(({ way }) => way === first);
  const texts = [...new Set(ofFirst.map(({ text }) => text))];
  const levels = texts.slice(0, printedTexts).map((text) => [
    text,
    ...rubric.dimensions.map(({ name }) => {
      const found = ofFirst.find((score) => score.text === text && score.dimension === name)!;
      return found.level === null ? "none" : String(found.level);
    }),
  ]);
  return [
    `Levels by "${first}":`,
    renderTable([["text", ...rubric.dimensions.map(({ name }) => name)], ...levels]),
    ...(texts.length > printedTexts ? [`and ${texts.length - printedTexts} more`] : []),
    "",
    ...rubric.dimensions.flatMap(({ name }) => [`${name}:`, renderWays(results, name), ""]),
    describePlace(results),
    `The report is in ${report.page}, all scores are in ${folder}.`,
  ].join("\n");
}

function renderWays({ ways }: AssessmentResults, name: string): string {
  const rows = ways.flatMap((way) =>
    way.dimensions.filter(({ dimension }) => dimension === name).map((found) => wayRow(way, found)),
  );
  return renderTable([["way", "kappa", "exact", "no level", "same", "tokens", "time"], ...rows]);
}

function wayRow({ name }: WayResults, { agreement, failed, consistency, usage }: DimensionResults): string[] {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  return [
    name,
    agreement?.kappa ? agreement.kappa.value.toFixed(2) : "–",
    agreement ? percent(agreement.exact.value) : "–",
    percent(failed),
    consistency ? percent(consistency.identical) : "–",
    (usage.promptTokens + usage.completionTokens + usage.verifierTokens).toFixed(0),
    formatSeconds(usage.seconds),
  ];
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    )
    .map((line) => `  ${line}`)
    .join("\n");
}
