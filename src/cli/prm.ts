/** @file `slimtune prm`: process reward models, from labels of steps to their judgements. */

import { stdout } from "node:process";
import { type Command, Option } from "commander";
import { InputError } from "../core/errors.ts";
import { storages } from "../core/models/linear.ts";
import { createPaint, type Paint, wantsColour } from "../node/colours.ts";
import { type JudgingOutcome, judgeSteps } from "../prm/judge-steps.ts";
import { labelSources } from "../prm/label.ts";
import { type LabellingEvents, type LabellingOutcome, labelSteps } from "../prm/label-steps.ts";
import type { JudgedText, StepReport } from "../prm/step-report.ts";
import { mostExamples } from "../reasoning/prompts.ts";
import { defaultSettings } from "../reasoning/run-reasoning.ts";
import type { Estimate } from "../statistics/wilson.ts";
import { parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { createStatusLine, note, print, withStatusLine } from "./output.ts";
import { addTuning } from "./tune.ts";
import { addWeightOptions, addWriterOptions, readBits } from "./writing-options.ts";

export function addPrmCommands(program: Command): void {
  const prm = program
    .command("prm")
    .description(
      "Process reward models: label the steps of solutions, tune a model on the labels, judge steps by it.",
    );
  addLabelCommand(prm);
  addTuneCommand(prm);
  addJudgeCommand(prm);
  for (const command of prm.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();
}

function addLabelCommand(prm: Command): void {
  const command = prm
    .command("label")
    .description("Label each step (line) of solutions, by what becomes of it or by its equations.")
    .option(
      "--model <path or id>",
      "what samples and goes on with solutions: folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption(
      "--data <split, path or id>",
      "problems: a task's split such as gsm8k:train, or a file or Hub id of rows with question and answer; or a folder of rollouts",
    )
    .option("--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n problems", parseWhole(1))
    .option("--solutions <n>", "solutions of each problem, where they are sampled", parseWhole(1), 4)
    .addOption(
      new Option(
        "--by <what>",
        "whether a step is right by rollouts that go on after it, or by its equations",
      )
        .choices(labelSources)
        .default("rollouts"),
    )
    .option("--rollouts <n>", "rollouts after each step", parseWhole(1), 8)
    .option("--soft", "the share of right rollouts as label, in place of whether there is one")
    .option("--temperature <t>", "0 takes the likeliest token; higher is more varied", parseNumber, 1)
    .option("--top-p <p>", "draw from the likeliest tokens of this total probability", parseNumber, 1)
    .option("--max-new-tokens <n>", "longest solution, and rollout, in tokens", parseWhole(1), 256)
    .option("--instruction <text>", "stands under each question; empty for none", defaultSettings.instruction)
    .option("--examples <n>", `solved examples before each question, up to ${mostExamples}`, parseWhole(0), 0)
    .requiredOption("--out <folder>", "folder of the labels")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
The rows are in steps.jsonl of the folder, as TRL's PRMTrainer reads them. Everything sampled is kept at once: the same command goes on
after Ctrl-C.

Examples:
  slimtune prm label --model model.gguf --data gsm8k:train --limit 100 --solutions 4 --rollouts 8 --out labels
  slimtune prm label --data rollouts --by rule --out labels-by-rule`,
    );
  addWriterOptions(command);
  addChatOptions(command);
  addWeightOptions(command);
  command.action(async ({ json, exact, bits, plain, verbose: _, ...options }) => {
    const outcome = await withProgress(options.out, (events) =>
      labelSteps({ ...options, ...readBits({ exact, bits }), ...(plain && { chat: false }) }, events),
    );
    const { path, summary } = outcome;
    print(json ? `${JSON.stringify({ path, ...summary })}\n` : `${describeLabels(outcome)}\n`);
  });
}

function addTuneCommand(prm: Command): void {
  addTuning(
    prm
      .command("tune")
      .description("Tune a model on labels of steps: `slimtune tune` with the objective prm."),
    { objective: "prm" },
  ).addHelpText(
    "after",
    "\nExample:\n  slimtune prm tune --model model.gguf --data labels/steps.jsonl --out runs/prm",
  );
}

function addJudgeCommand(prm: Command): void {
  const command = prm
    .command("judge")
    .description(
      "Judge each step of solutions and, where steps have labels, say how good the judgements are.",
    )
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the base model")
    .option(
      "--prm <folder>",
      "adapter of the process reward model, or its run (default: the model is one itself)",
    )
    .requiredOption(
      "--data <path or id>",
      "file or Hub id of solutions: rows with labels of steps, or with a question and a solution",
    )
    .option("--limit <n>", "only the first n solutions", parseWhole(1))
    .option(
      "--step-separator <text>",
      "what ends each step (default: as the model was tuned, or a line feed)",
    )
    .option("--no-apply-chat-template", "questions as plain texts (default: as the model was tuned)")
    .addOption(new Option("--storage <kind>", "how weights are kept").choices(storages).default("float32"))
    .option("--out <folder>", "write the judgements there, and a report with a reliability plot")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune prm judge --model model.gguf --prm runs/prm --data labels-by-rule/steps.jsonl",
    );
  addChatOptions(command);
  command.action(async ({ json, stepSeparator, applyChatTemplate, verbose: _, ...options }) => {
    if (stepSeparator === "")
      throw new InputError("--step-separator is empty, so that no step has an end; give a text.");
    const status = createStatusLine();
    const outcome = await judgeSteps({
      ...options,
      ...(stepSeparator !== undefined && { separator: stepSeparator }),
      ...(!applyChatTemplate && { chat: false }),
      onStage: status.update,
      onProgress: (done, total) => status.update(`${done}/${total} solutions`),
    }).finally(status.done);
    if (json) {
      print(`${JSON.stringify({ ...outcome, report: outcome.report ?? null })}\n`);
      return;
    }
    const colour = wantsColour(stdout);
    print(`${describeJudgements(outcome, createPaint(stdout))}\n`, { coloured: colour });
  });
}

/** Runs with a progress line; Ctrl-C ends the process at once, since everything sampled is already kept. */
async function withProgress(
  folder: string,
  run: (events: LabellingEvents) => Promise<LabellingOutcome>,
): Promise<LabellingOutcome> {
  let hint = "nothing was written yet";
  return withStatusLine(
    () => hint,
    (status) => {
      const kept = `what was sampled is in ${folder}; give the same command again to go on`;
      return run({
        onStage: (stage) => status.update(stage),
        onSampling({ written, total, correct }) {
          hint = kept;
          status.update(`solutions ${written}/${total}  ${((100 * correct) / written).toFixed(1)} % right`);
        },
        onPlan({ steps, rollouts, known }) {
          hint = kept;
          status.done();
          note(
            `${rollouts} rollouts after each of ${steps} steps${known > 0 ? `; ${known} were known from before` : ""}`,
          );
        },
        onProgress: ({ done, total, tokens }) =>
          status.update(`steps ${done}/${total}  ${tokens} tokens written`),
      });
    },
  );
}

function describeLabels({ path, summary }: LabellingOutcome): string {
  const { solutions, steps, labelled, baseRate, agreement } = summary;
  return [
    `${labelled} of ${steps} steps of ${solutions} solutions are labelled`,
    `  right (base rate)  ${percent(baseRate)}`,
    ...(agreement && agreement.steps > 0
      ? [`  as their equations say  ${agreement.alike} of the ${agreement.steps} steps that have equations`]
      : []),
    `They are in ${path}.`,
  ].join("\n");
}

function describeJudgements({ solutions, report, files }: JudgingOutcome, paint: Paint): string {
  return [
    ...solutions.map((solution) => describeSolution(solution, paint)),
    ...(report ? [describeReport(report, paint)] : []),
    ...(files ? [`The report is in ${files.page}.`] : []),
  ].join("\n\n");
}

/** Each step behind its score, with a mark of its label where it has one. */
function describeSolution({ question, steps }: JudgedText, paint: Paint): string {
  const marks = (label: number | undefined) => (label === undefined ? " " : label > 0.5 ? "+" : "-");
  const lines = steps.map(({ text, reward, label }) => {
    const score = paint(reward > 0.5 ? "good" : "bad", reward.toFixed(2));
    return `  ${score} ${marks(label)} ${text.replaceAll("\n", "\n         ")}`;
  });
  return [paint("heading", question), ...lines].join("\n");
}

function describeReport(
  { solutions, steps, baseRate, accuracy, ...report }: StepReport,
  paint: Paint,
): string {
  const { expectedError, brier, bins } = report.calibration;
  return [
    paint("heading", `${steps} labelled steps of ${solutions} solutions`),
    `  base rate                   ${percent(baseRate)}`,
    `  accuracy                    ${formatShare(accuracy)}`,
    `  area under the ROC curve    ${report.areaUnderRoc ? formatArea(report.areaUnderRoc) : "none: all labels are alike"}`,
    `  expected calibration error  ${expectedError.toFixed(3)}; Brier score ${brier.toFixed(3)}`,
    "  score       steps  mean score  right",
    ...bins
      .filter(({ count }) => count > 0)
      .map(
        ({ low, high, count, score, outcome }) =>
          `  ${low.toFixed(1)} to ${high.toFixed(1)}  ${String(count).padStart(5)}  ${score.toFixed(3).padStart(10)}  ${percent(outcome)}`,
      ),
  ].join("\n");
}

function formatArea({ value, low, high }: Estimate): string {
  return `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}

function formatShare({ value, low, high }: Estimate): string {
  return `${percent(value)} (${percent(low)} to ${percent(high)})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
