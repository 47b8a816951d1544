/** @file `slimtune study`: tuned models against their base, in one report. */

import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseYaml } from "../node/files/structured.ts";
import { kindOf, type StudyKindName, studyKindNames } from "../studies/kinds.ts";
import { resumeStudy, runStudy, type StudyEvents, type StudyPlan } from "../studies/run-study.ts";
import { parseStudyConfig } from "../studies/study-config.ts";
import { parseList, parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { readConfigFile } from "./config-file.ts";
import { createStatusLine, formatDuration, note, print } from "./output.ts";
import { addWorkersOption, withWorkers } from "./workers-option.ts";

export function addStudyCommand(program: Command): void {
  const study = program.command("study").description("Compare tuned models with their base, in one report.");
  for (const kind of studyKindNames) study.addCommand(studyCommand(kind));
  study
    .command("resume")
    .description("Go on with a study that was interrupted, or compute its failed cells again.")
    .argument("<study>", "folder of the study")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText("after", "\nExample:\n  slimtune study resume study")
    .action((folder: string, flags) =>
      withWorkers(flags, (workers) =>
        showStudy(folder, flags.json, (events) => resumeStudy(folder, { ...events, workers })),
      ),
    );
  // Each needs what the program's commands have.
  for (const command of study.commands)
    addWorkersOption(command).option("--verbose", "show stack traces of errors").exitOverride();
}

function studyCommand(kind: StudyKindName): Command {
  const { description, example, options } = kindOf({ kind });
  const command = new Command(kind)
    .description(description)
    .option(
      "--config <file>",
      "YAML file with any of the options (as a study.yaml); those given here come first",
    );
  const names = addFlags(command, options.shape);
  return command
    .option("--out <folder>", "folder of the study")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText(
      "after",
      `\nThe folder holds study.yaml and ordinary runs and evaluations. The same command goes on where it was interrupted.\n\nExample:\n  ${example}`,
    )
    .action(async ({ config, out, json, verbose: _, workers: who, creds, ca, fleet, ...flags }) => {
      if (out === undefined)
        throw new InputError("The option --out is missing; name the folder of the study.");
      const given = {
        ...(config === undefined ? {} : readConfigFile(config)),
        ...nameOptions(flags, names),
        kind,
      };
      const study = parseStudyConfig(given, config ?? "The command line");
      await withWorkers({ workers: who, creds, ca, fleet }, (workers) =>
        showStudy(out, json, (events) => runStudy(study, out, { ...events, workers })),
      );
    });
}

type Flag = readonly [flags: string, description: string, parse?: (text: string, before: never) => unknown];

/** The flags of options by their names in study.yaml. An option that its kind describes itself has a flag of its name. */
const flagsOf: Readonly<Record<string, Flag>> = {
  model: ["--model <path or id>", "folder, .gguf file or Hub id of the model"],
  data: [
    "--data <name=source>",
    "a set to tune on: file, Hub id, or a task's split such as math=gsm8k:train (may be repeated)",
    collectPairs,
  ],
  aligned: [
    "--aligned <name=tasks>",
    "tasks that a set is meant to improve, such as math=gsm8k,svamp",
    collectAligned,
  ],
  methods: ["--methods <names>", "tuning methods", parseList],
  tasks: ["--tasks <names>", "tasks and groups", parseList],
  metrics: [
    "--metric <task=score>",
    "score by which a task is judged, such as gsm8k=strict-match",
    collectPairs,
  ],
  task_files: ["--task-file <yaml...>", "files of further tasks"],
  data_dir: ["--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub"],
  limit: [
    "--limit <n or task=n>",
    "only the first n items of each task, or of one task or group (may be repeated)",
    collectLimits,
  ],
  num_fewshot: ["--num-fewshot <n>", "examples before each item", parseWhole(0)],
  apply_chat_template: ["--apply-chat-template", "tune and ask in the model's chat template"],
  seeds: ["--seeds <n,n,…>", "tune each model once with each seed", parseSeeds],
  run: [
    "--run <option=value>",
    "an option of all runs, as in tune's config.yaml (may be repeated)",
    collectRun,
  ],
  variants: [
    "--variant <name:option=value>",
    "a variant of each run by one option, such as rank-4:lora.r=4 (may be repeated, with the same name for a further option; a name alone is the run as it is)",
    collectVariants,
  ],
};

/** Options that have no flag of their own. */
const otherwise = ["kind", "limits", "chat_template", "date"];

/**
 * Adds a flag for each of a kind's options.
 *
 * @returns the options' names by those that Commander gives the flags
 */
function addFlags(command: Command, options: z.ZodObject["shape"]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, schema] of Object.entries(options) as [string, z.ZodType][]) {
    if (otherwise.includes(name)) continue;
    const [flags, description, parse] =
      schema.description === undefined ? flagsOf[name]! : ownFlag(name, schema);
    const option = new Option(flags, `${description}${describeDefault(schema)}`);
    if (parse) option.argParser<unknown>(parse as (text: string, before: unknown) => unknown);
    command.addOption(option);
    names.set(option.attributeName(), name);
  }
  if (Object.hasOwn(options, "variants")) {
    command.option(
      "--keep <w,w,…>",
      "a variant keep-<w> of each run for each weight w of tune's --keep, such as 0,0.03,0.1",
      parseWeights,
    );
  }
  if (Object.hasOwn(options, "chat_template")) addChatOptions(command);
  return names.set("chatTemplate", "chat_template");
}

/** A text, names or numbers with commas between them, or else YAML. */
function ownFlag(name: string, schema: z.ZodType): Flag {
  const flag = `--${name.replaceAll("_", "-")}`;
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  const described = schema.description!;
  if (inner instanceof z.ZodString) return [`${flag} <text>`, described];
  if (inner instanceof z.ZodArray) {
    if (inner.element instanceof z.ZodNumber)
      return [`${flag} <n,n,…>`, described, (text: string) => parseList(text).map(parseNumber)];
    return [`${flag} <names>`, described, parseList];
  }
  return [`${flag} <value>`, described, (text: string) => parseYaml(text, flag)];
}

/** " (default: lora,qlora)" */
function describeDefault(schema: z.ZodType): string {
  const text = String(schema.safeParse(undefined).data ?? "").trim();
  return /^(|false|\[object Object\])$/.test(text) ? "" : ` (default: ${text})`;
}

interface CombinedFlags {
  /** Of a kind that knows no limits of single tasks, what was given. */
  readonly limit?: Limits | string | number;
  readonly keep?: Variants;
  readonly variant?: Variants;
}

/** Flags under the names of study.yaml. */
function nameOptions(
  { limit, keep, variant, ...flags }: Readonly<Record<string, unknown>> & CombinedFlags,
  names: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const named = Object.entries(flags).map(([flag, value]) => [names.get(flag) ?? flag, value]);
  const { all, single = {} } = typeof limit === "object" ? limit : { all: limit };
  const twice = Object.keys(keep ?? {}).find((name) => variant && Object.hasOwn(variant, name));
  if (twice !== undefined)
    throw new InputError(`The variant "${twice}" is given by --keep and by --variant; give it once.`);
  return {
    ...Object.fromEntries(named),
    ...((keep ?? variant) && { variants: { ...keep, ...variant } }),
    ...(all !== undefined && { limit: all }),
    ...(Object.keys(single).length > 0 && { limits: single }),
  };
}

function splitPair(text: string): [string, string] {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError(`"${text}" is not of the form name=value.`);
  return [name, value];
}

function collectPairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
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

type Variants = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function collectVariants(text: string, before: Variants = {}): Variants {
  const [, name, option] = /^([^:=]+)(?::(.+))?$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError(`"${text}" is not of the form name:option=value.`);
  const own = before[name];
  return { ...before, [name]: option === undefined ? { ...own } : collectRun(option, own) };
}

/** "0,0.1" as the variants keep-0 and keep-0.1. */
function parseWeights(text: string): Variants {
  const weights = parseList(text).map((weight): [string, { keep: number }] => {
    const keep = parseNumber(weight);
    if (keep < 0) throw new InvalidArgumentError(`The weight ${weight} is below 0.`);
    return [`keep-${weight}`, { keep }];
  });
  if (new Set(weights.map(([name]) => name)).size < weights.length)
    throw new InvalidArgumentError("A weight is given twice.");
  return Object.fromEntries(weights);
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
  const before = done > 0 ? `, of which ${done} are done` : "";
  const plan = `${cells.length} models in ${parts} parts${before}`;
  if (!estimate) return `${plan}.`;
  const { tuningSeconds, evaluationSeconds } = estimate;
  return `${plan}; about ${formatDuration(tuningSeconds)} of tuning and ${formatDuration(evaluationSeconds)} of evaluation are left (within a factor of two).`;
}
