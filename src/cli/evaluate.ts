/** @file `slimtune evaluate`: a model's scores on tasks, as lm-evaluation-harness computes them. */

import { stdout } from "node:process";
import { type Command, Option } from "commander";
import { createDemonstrationSelector, selectorKinds } from "../demonstrations/selectors.ts";
import type { SelectorModels } from "../evaluation/demonstration-selector.ts";
import { describeLimits, renderItems, renderTable } from "../evaluation/report.ts";
import {
  type EvaluationOptions,
  type EvaluationOutcome,
  type EvaluationRunEvents,
  runEvaluation,
} from "../evaluation/run-evaluation.ts";
import { createPaint, type Paint, wantsColour } from "../node/colours.ts";
import { parseList, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { type NextStep, renderNextSteps, repeatCommand } from "./next-steps.ts";
import { formatDuration, note, print, withStatusLine } from "./output.ts";
import { addWorkersOption, withWorkers } from "./workers-option.ts";
import { addArithmeticOption, addDeviceOption, addWeightOptions, readBits } from "./writing-options.ts";

export function addEvaluateCommand(program: Command): void {
  const command = program
    .command("evaluate")
    .description(
      "Evaluate a model, with or without an adapter, on tasks of lm-evaluation-harness or of your own.",
    )
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption(
      "--tasks <names>",
      "tasks and groups, such as hellaswag,gsm8k (listed by slimtune tasks)",
      parseList,
    )
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n items of each task", parseWhole(1))
    .option(
      "--num-fewshot <n>",
      "examples before each item, in place of the tasks' own number",
      parseWhole(0),
    )
    .addOption(
      new Option(
        "--fewshot-by <name>",
        "choose the examples of each item for it, in place of drawing them, by the model that is asked",
      ).choices(Object.keys(selectorKinds)),
    )
    .option("--apply-chat-template", "ask in the model's chat template")
    .option("--fewshot-as-multiturn", "examples as turns of the chat (the default with a chat template)")
    .option("--no-fewshot-as-multiturn", "all examples in the one message of the user")
    .option("--system-instruction <text>", "instruction before each prompt")
    .option("--seed <n>", "seed of the choice of examples", parseWhole(0), 1234)
    .option("--batch-size <n>", "texts written at a time (default: 16)", parseWhole(1))
    .option("--show <n>", "print prompts and answers of the first n items of each task", parseWhole(0), 0)
    .option("--out <folder>", "folder of the evaluation (default: named by the model and the options)")
    .option("--no-cache", "neither take answers from other evaluations nor keep them for others")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
An evaluation that was interrupted goes on if the same command is given again.

Examples:
  slimtune evaluate --model model.gguf --adapter runs/math/adapter --tasks gsm8k --limit 200
  slimtune evaluate --model model.gguf --tasks mmlu_cs --workers tls://broker:4222 --creds server.nk --ca server-cert.pem`,
    );
  addChatOptions(command);
  addWeightOptions(command);
  addArithmeticOption(command);
  addDeviceOption(command);
  addWorkersOption(command, "this process");
  command.action(
    async (
      { show, json, exact, bits, taskFile, fewshotBy, workers, creds, ca, fleet, verbose: _, ...options },
      command: Command,
    ) => {
      // Commander's default for --no-… is true; here it depends on the chat template.
      if (command.getOptionValueSource("fewshotAsMultiturn") === "default") delete options.fewshotAsMultiturn;
      const evaluation: EvaluationOptions = {
        ...options,
        ...readBits({ exact, bits }),
        ...(taskFile && { taskFiles: taskFile }),
        ...(fewshotBy && {
          fewshotBy: (models: SelectorModels) =>
            createDemonstrationSelector(fewshotBy, { ...models, seed: options.seed }),
        }),
      };
      const outcome =
        workers === undefined
          ? await withProgress((events) => runEvaluation(evaluation, events))
          : await spread(evaluation, { workers, creds, ca, fleet });
      if (json) print(`${JSON.stringify(toPlain(outcome, show))}\n`);
      else {
        const paint = createPaint(stdout);
        const next = listNextSteps(command, options.adapter, outcome.folder.path);
        print(`${toText(outcome, show, paint)}\n${renderNextSteps(next, paint)}\n`, {
          coloured: wantsColour(stdout),
        });
      }
    },
  );
}

/** Has workers answer, which Ctrl-C tells to end. */
async function spread(
  evaluation: EvaluationOptions,
  flags: Parameters<typeof withWorkers>[0],
): Promise<EvaluationOutcome> {
  const interrupt = new AbortController();
  return await withWorkers(flags, async (all) => {
    const { shardWorkers } = await import("../studies/shard-workers.ts");
    const workers = shardWorkers(all, interrupt.signal);
    return await withProgress((events) => runEvaluation({ ...evaluation, workers }, events), interrupt);
  });
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every answer is already kept. */
async function withProgress<T>(
  run: (events: EvaluationRunEvents) => Promise<T>,
  interrupt?: AbortController,
): Promise<T> {
  let folder: string | undefined;
  let again = "give the same command again";
  const hint = () =>
    folder === undefined
      ? "nothing was computed yet"
      : `the answers so far are in ${folder}; ${again} to go on`;
  let started = performance.now();
  return withStatusLine(
    hint,
    (status) =>
      run({
        onStage: (stage) => status.update(stage),
        onPlan(plan) {
          folder = plan.folder;
          if (plan.date !== undefined) again += `, with --date ${plan.date} if it is another day,`;
          started = performance.now();
          status.done();
          for (const { name, instances, size, numFewshot } of plan.tasks) {
            note(`${name}: ${instances.length} of ${size} items, ${numFewshot}-shot`);
          }
        },
        onProgress({ type, answered, total, tokens, secondsLeft }) {
          const speed = tokens / ((performance.now() - started) / 1000);
          const left = secondsLeft === undefined ? "" : `  ${formatDuration(secondsLeft)} left`;
          status.update(`${type} ${answered}/${total}  ${speed.toFixed(0)} tokens/s${left}`);
        },
      }),
    interrupt,
  );
}

function toPlain({ folder, results, samples }: EvaluationOutcome, show: number) {
  const shown = [...samples].map(([task, lines]) => [task, lines.filter((_, i) => i < show)]);
  return { folder: folder.path, ...results, ...(show > 0 && { samples: Object.fromEntries(shown) }) };
}

function listNextSteps(command: Command, adapter: string | undefined, folder: string): NextStep[] {
  if (adapter === undefined) return [["to compare it with a tuned model's", ["compare", folder, "TUNED"]]];
  const base = `${folder}-base`;
  return [
    [
      "to evaluate the model without the adapter",
      [...repeatCommand(command, ["adapter", "out"]), "--out", base],
    ],
    ["to compare both", ["compare", base, folder]],
  ];
}

function toText({ folder, evaluation, results }: EvaluationOutcome, show: number, paint: Paint): string {
  const { requests, seconds, tokens, tokens_per_second } = results.slimtune;
  const speed =
    tokens_per_second === null
      ? ""
      : `${requests.asked} ${requests.asked === 1 ? "answer" : "answers"} in ${formatDuration(seconds)}: ${tokens.scored} tokens read, ${tokens.generated} written, ${tokens_per_second.toFixed(0)} tokens/s`;
  const found = requests.found > 0 ? `${requests.found} answers were known from before` : "";
  return [
    ...evaluation.tasks.map((task) => (show > 0 ? renderItems(task, show) : "")),
    renderTable(evaluation).replace(/^.*/, (headings) => paint("heading", headings)),
    ...describeLimits(evaluation).map((limit) => paint("warning", limit)),
    `${[speed, found].filter((part) => part !== "").join("; ")}.`,
    `The results are in ${folder.path}.`,
  ]
    .filter((part) => part !== "")
    .join("\n");
}
