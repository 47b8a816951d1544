/** @file `slimtune study`: tuned models against their base, in one report. */

import process from "node:process";
import { Command, InvalidArgumentError } from "commander";
import { InputError } from "../core/errors.ts";
import { parseYaml } from "../node/files/structured.ts";
import { runStudy, type StudyEvents, type StudyPlan } from "../studies/run-study.ts";
import { parseStudyConfig, readStudyConfig } from "../studies/study-config.ts";
import { studyFolder } from "../studies/study-folder.ts";
import { parseList, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { readConfigFile } from "./config-file.ts";
import { createStatusLine, formatDuration, note, print } from "./output.ts";

const kinds = {
  slimming: {
    description: "Does tuning a sliver of the parameters help, at what cost, and what is forgotten?",
    methods: ["lora", "qlora"],
    example:
      "slimtune study slimming --model model.gguf --data math=gsm8k:train --data common=hellaswag:tune --tasks hellaswag,gsm8k,mmlu_cs --limit 200 --run max_steps=200 --out study",
  },
  methods: {
    description: "Which tuning method, by score, memory, time and what is forgotten?",
    methods: ["full", "freeze", "lora", "lora+", "rslora", "dora", "pissa", "qlora"],
    example:
      "slimtune study methods --model model.gguf --data math=gsm8k:train --tasks gsm8k,retention --limit 100 --run max_steps=100 --out study",
  },
} as const;

export function addStudyCommand(program: Command): void {
  const study = program.command("study").description("Compare tuned models with their base, in one report.");
  for (const kind of ["slimming", "methods"] as const) study.addCommand(studyCommand(kind));
  study
    .command("resume")
    .description("Go on with a study that was interrupted, or compute its failed cells again.")
    .argument("<study>", "folder of the study")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText("after", "\nExample:\n  slimtune study resume study")
    .action((folder: string, { json }) =>
      showStudy(folder, json, (events) =>
        runStudy(readStudyConfig(studyFolder(folder).config), folder, events),
      ),
    );
  // Each needs what the program's commands have.
  for (const command of study.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();
}

function studyCommand(kind: keyof typeof kinds): Command {
  const { description, methods, example } = kinds[kind];
  const command = new Command(kind)
    .description(description)
    .option(
      "--config <file>",
      "YAML file with any of the options (as a study.yaml); those given here come first",
    )
    .option("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option(
      "--data <name=source>",
      "a set to tune on: file, Hub id, or a task's split such as math=gsm8k:train (may be repeated)",
      collectData,
    )
    .option(
      "--aligned <name=tasks>",
      "tasks that a set is meant to improve, such as math=gsm8k,svamp",
      collectAligned,
    )
    .option("--methods <names>", `tuning methods (default: ${methods.join(",")})`, parseList)
    .option("--tasks <names>", "tasks and groups", parseList)
    .option(
      "--metric <task=score>",
      "score by which a task is judged, such as gsm8k=strict-match",
      collectData,
    )
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub")
    .option(
      "--limit <n or task=n>",
      "only the first n items of each task, or of one task or group (may be repeated)",
      collectLimits,
    )
    .option("--num-fewshot <n>", "examples before each item", parseWhole(0))
    .option("--apply-chat-template", "tune and ask in the model's chat template")
    .option("--seeds <n,n,…>", "tune each model once with each seed", parseSeeds)
    .option(
      "--run <option=value>",
      "an option of all runs, as in tune's config.yaml (may be repeated)",
      collectRun,
    )
    .option("--neutral-text <file>", "text on which the divergence from the base model is measured")
    .option("--out <folder>", "folder of the study")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText(
      "after",
      `\nThe folder holds study.yaml and ordinary runs and evaluations. The same command goes on where it was interrupted.\n\nExample:\n  ${example}`,
    )
    .action(async ({ config, out, json, verbose: _, ...flags }) => {
      if (out === undefined)
        throw new InputError("The option --out is missing; name the folder of the study.");
      const options = {
        methods,
        ...(config === undefined ? {} : readConfigFile(config)),
        ...nameOptions(flags),
        kind,
      };
      const study = parseStudyConfig(options, config ?? "The command line");
      await showStudy(out, json, (events) => runStudy(study, out, events));
    });
  return addChatOptions(command);
}

/** Flags under the names of study.yaml. */
function nameOptions({
  metric,
  taskFile,
  dataDir,
  numFewshot,
  applyChatTemplate,
  chatTemplate,
  neutralText,
  limit,
  ...flags
}: Record<string, unknown> & { readonly limit?: Limits }) {
  const named = {
    metrics: metric,
    task_files: taskFile,
    data_dir: dataDir,
    num_fewshot: numFewshot,
    apply_chat_template: applyChatTemplate,
    chat_template: chatTemplate,
    neutral_text: neutralText,
    limit: limit?.all,
    limits: limit?.single,
    ...flags,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

function splitPair(text: string): [string, string] {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError(`"${text}" is not of the form name=value.`);
  return [name, value];
}

function collectData(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [name, value] = splitPair(text);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`"${name}" is given twice.`);
  return { ...before, [name]: value };
}

interface Limits {
  readonly all?: number;
  readonly single: Readonly<Record<string, number>>;
}

function collectLimits(text: string, { single, ...all }: Limits = { single: {} }): Limits {
  if (!text.includes("=")) return { all: parseWhole(1)(text), single };
  const [name, value] = splitPair(text);
  return { ...all, single: { ...single, [name]: parseWhole(1)(value) } };
}

function collectAligned(
  text: string,
  before: Readonly<Record<string, string[]>> = {},
): Record<string, string[]> {
  const [name, value] = splitPair(text);
  return { ...before, [name]: parseList(value) };
}

/** Values are written as in YAML: 200, true, [q_proj, v_proj]; "lora.r" is an option of the table "lora". */
function collectRun(text: string, before: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const [name, value] = splitPair(text);
  const [table, entry] = name.split(".") as [string, string?];
  const parsed = parseYaml(value, `--run ${name}`);
  if (entry === undefined) return { ...before, [table]: parsed };
  return { ...before, [table]: { ...(before[table] as object | undefined), [entry]: parsed } };
}

function parseSeeds(text: string): number[] {
  return parseList(text).map(parseWhole(0));
}

/** Runs with a progress line; Ctrl-C ends the study, of which everything is kept that was computed. */
async function showStudy(
  folder: string,
  json: boolean,
  run: (events: StudyEvents) => ReturnType<typeof runStudy>,
): Promise<void> {
  const status = createStatusLine();
  const interrupt = new AbortController();
  const onSignal = () => {
    if (interrupt.signal.aborted) process.exit(130);
    status.done();
    note("Stopping (press Ctrl-C again to stop at once).");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const started = performance.now();
  try {
    status.update("reading the model, the data and the tasks");
    const { outcome, report, results } = await run({
      signal: interrupt.signal,
      onPlan(plan) {
        status.done();
        note(describePlan(plan));
      },
      onProgress: ({ number, of, name }, text) => status.update(`${number}/${of} ${name}: ${text}`),
      onPart({ number, of, name }, reason) {
        status.done();
        note(`${number}/${of} ${name}${reason === undefined ? "" : ` failed: ${reason}`}`);
      },
    });
    status.done();
    if (outcome === "interrupted") {
      note(`Stopped; go on with \`slimtune study resume ${folder}\`.`);
      process.exitCode = 130;
      return;
    }
    const failed = results!.cells.filter(({ error }) => error !== undefined).length;
    const failures =
      failed > 0
        ? `${failed} of ${results!.cells.length} cells failed; \`slimtune study resume ${folder}\` computes them again.\n`
        : "";
    print(
      json
        ? `${JSON.stringify(results)}\n`
        : `${failures}The study took ${formatDuration((performance.now() - started) / 1000)}. Its report is ${report}.\n`,
    );
  } finally {
    status.done();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function describePlan({ cells, parts, done, estimate }: StudyPlan): string {
  const { tuningSeconds, evaluationSeconds } = estimate;
  const before = done > 0 ? `, of which ${done} are done` : "";
  return `${cells.length} models in ${parts} parts${before}; about ${formatDuration(tuningSeconds)} of tuning and ${formatDuration(evaluationSeconds)} of evaluation are left (within a factor of two).`;
}
