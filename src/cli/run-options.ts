/** @file The options of a tuning run on the command line: those of `tune`, and of what tells about a run beforehand. */

import { type Command, Option } from "commander";
import { methodNames, sectionOf } from "../core/adapters/methods.ts";
import { storages } from "../core/models/linear.ts";
import { objectiveNames } from "../core/objectives/objectives.ts";
import { schedulerTypes } from "../core/training/schedule.ts";
import { deviceNames } from "../node/runtime/onnx-runtime.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { rewardForms } from "../rewards/rewards.ts";
import { parseFields, parseList, parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { readConfigFile } from "./config-file.ts";

/** Adds all options of a run, but for its folder. */
export function addRunOptions(command: Command): Command {
  return addChatOptions(command)
    .option("--config <file>", "YAML file with any of the options; those given here come first")
    .option("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--revision <name>", "branch, tag or commit of a Hub model")
    .option("--base-model-name <id>", "the model's id on the Hub, named in what is handed on")
    .option(
      "--data <path or id>",
      "file of examples (JSONL, JSON, CSV, Parquet, text) or Hub id of a dataset",
    )
    .option("--data-split <name>", "split of a Hub dataset")
    .option("--fields <mapping>", "fields of a row, such as prompt=question,completion=answer", parseFields)
    .addOption(new Option("--train-on <what>", "tokens in the loss").choices(["completion", "all"]))
    .addOption(
      new Option("--overlong <what>", "examples beyond the context").choices(["error", "drop", "truncate"]),
    )
    .addOption(new Option("--method <name>", "tuning method (docs/methods.md)").choices(methodNames))
    .option("--objective <name>", `what is minimized: ${objectiveNames.join(", ")} (docs/objectives.md)`)
    .option(
      "--beta <x>",
      "preferences, grpo, rloo: how strongly the model is held to its reference; without one, how much the difference of both answers counts",
      parseNumber,
    )
    .option(
      "--label-smoothing <share>",
      "robust, cpo, simpo: share of pairs that are the wrong way round",
      parseNumber,
    )
    .option("--simpo-gamma <x>", "simpo: margin that is aimed at", parseNumber)
    .option(
      "--companion-weight <x>",
      "companion: weight of how far the states after both wordings are apart",
      parseNumber,
    )
    .option("--cpo-alpha <x>", "cpo, simpo: weight of imitating the chosen answers", parseNumber)
    .option("--desirable-weight <x>", "kto: weight of wanted answers", parseNumber)
    .option("--undesirable-weight <x>", "kto: weight of unwanted answers", parseNumber)
    .option("--teacher <path or id>", "distill: model of the same vocabulary whose next tokens are imitated")
    .option(
      "--answer-tokens <n>",
      "distill: longest answer that the teacher writes to a prompt without one",
      parseWhole(1),
    )
    .option(
      "--divergence <name>",
      "distill: how far the model is from its teacher: forward_kl, reverse_kl or jsd",
    )
    .option(
      "--temperature <x>",
      "distill: divides the logits of both models; grpo, rloo: those that answers are drawn from",
      parseNumber,
    )
    .option("--label-weight <share>", "distill: share of the answers' cross-entropy in the loss", parseNumber)
    .option(
      "--reward <names>",
      `grpo, rloo: what an answer's reward is the sum of: ${rewardForms.join(", ")}, or the path of a module (default: correct)`,
      parseRewards,
    )
    .option("--num-generations <n>", "grpo, rloo: answers to each prompt of a step", parseWhole(2))
    .option("--num-iterations <n>", "grpo, rloo: optimizer steps on the same answers", parseWhole(1))
    .option("--max-completion-length <n>", "grpo, rloo: longest answer in tokens", parseWhole(1))
    .option("--mask-truncated-completions", "grpo, rloo: learn nothing from answers that were cut off")
    .option("--epsilon <share>", "grpo, rloo: how far likelihoods may move on the same answers", parseNumber)
    .option("--epsilon-high <share>", "grpo, rloo: how far upward (default: as downward)", parseNumber)
    .option("--loss-type <name>", "grpo: how tokens are averaged: grpo, bnpo, dr_grpo or dapo")
    .option("--scale-rewards <what>", "grpo: by whose deviation advantages are divided: group, batch or none")
    .option("--step-separator <text>", "prm: what ends each step of a solution (default: a line feed)")
    .option(
      "--keep <weight>",
      "weight in the loss of the divergence from the model as the run begins, such as 0.1 (default: 0)",
      parseNumber,
    )
    .option("--keep-text <file>", "plain text on which --keep is measured (default: the prompts of the data)")
    .option(
      "--proximal-mu <x>",
      "how strongly what is trained is held near its values as the run begins, such as 0.01 (FedProx; default: 0)",
      parseNumber,
    )
    .option("--adapter <folder>", "adapter to go on with, in PEFT's layout, or the run that tuned it")
    .addOption(new Option("--storage <kind>", "how base weights are kept").choices(storages))
    .addOption(
      new Option(
        "--arithmetic <kind>",
        "int8 multiplies by the base's weights in integers, which is faster (default: float32)",
      ).choices(["float32", "int8"]),
    )
    .option(
      "--weights-on-disk",
      "read a quantized base from disk block by block, in place of keeping it in memory",
    )
    .option("--r <n>", "rank of the adapter", parseWhole(1))
    .option("--lora-alpha <n>", "scale of the adapter, over r", parseNumber)
    .option("--lora-dropout <share>", "share of the adapter's inputs dropped", parseNumber)
    .option("--target-modules <names>", "all-linear, or names such as q_proj,v_proj", parseTargets)
    .option("--use-rslora", "scale by alpha over the root of r")
    .option("--use-dora", "train the lengths of the weights' rows as well")
    .addOption(new Option("--init-lora-weights <kind>", "how the adapter begins").choices(["pissa"]))
    .option("--loraplus-lr-ratio <x>", "lora+: learning rate of B over that of A", parseNumber)
    .option("--adapter-len <n>", "adaption-prompt, dca: prompts in each adapted layer", parseWhole(1))
    .option(
      "--adapter-layers <n>",
      "adaption-prompt, dca: how many of the last layers are adapted",
      parseWhole(1),
    )
    .addOption(
      new Option("--gate <kind>", "adaption-prompt, dca: one gate for a layer, or for each head").choices([
        "scalar",
        "head",
      ]),
    )
    .option(
      "--causal-weight <x>",
      "dca: weight of how much what the shared prompts add differs between the examples of a step",
      parseNumber,
    )
    .option(
      "--shared-prompts <n>",
      "dca: how many of the last layer's first prompts are shared",
      parseWhole(1),
    )
    .option("--freeze-trainable-layers <n>", "freeze: how many of the last blocks are trained", parseWhole(1))
    .option(
      "--train-tokens <tokens>",
      'tokens whose embeddings are trained, such as "<tool>,</tool>"; new ones are added to the tokenizer',
      parseList,
    )
    .addOption(
      new Option("--bias <which>", "biases that are trained as well").choices(["none", "all", "lora_only"]),
    )
    .option("--modules-to-save <names>", "of embed_tokens and lm_head, those trained as a whole", parseList)
    .option("--context <tokens>", "longest example", parseWhole(8))
    .option("--micro-batch-tokens <n>", "tokens computed at a time", parseWhole(8))
    .option("--no-packing", "one example a row, padded")
    .option("--no-apply-chat-template", "prompt and completion as they are, without the model's template")
    .option("--batch-size <n>", "examples per optimizer step", parseWhole(1))
    .option("--num-train-epochs <n>", "passes over the data", parseNumber)
    .option("--max-steps <n>", "optimizer steps, in place of epochs", parseWhole(1))
    .option(
      "--learning-rate <x>",
      "highest learning rate (default: the method's, for preferences and rewards a tenth of it)",
      parseNumber,
    )
    .addOption(
      new Option("--lr-scheduler-type <name>", "course of the learning rate").choices(schedulerTypes),
    )
    .option("--warmup-ratio <share>", "share of steps in which it rises", parseNumber)
    .option("--weight-decay <x>", "AdamW's decay of what is trained", parseNumber)
    .option(
      "--validation <share or n>",
      "examples held out for evaluation (default: 5 %, 100 at most, fewer in a short run)",
      parseNumber,
    )
    .option("--eval-steps <n>", "steps between evaluations", parseWhole(1))
    .option("--save-steps <n>", "steps between checkpoints", parseWhole(1))
    .option("--early-stopping-patience <n>", "evaluations without improvement before it stops", parseWhole(1))
    .option(
      "--sample-prompt <text>",
      "prompt that the model answers at each evaluation, to samples.jsonl in the run's folder; may be repeated",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option("--sample-tokens <n>", "longest of these answers in tokens (default: 64)", parseWhole(1))
    .option("--seed <n>", "seed of everything random", parseWhole(0))
    .addOption(new Option("--device <name>", "where to compute").choices(deviceNames))
    .option("--threads <n>", "threads for arithmetic", parseWhole(1))
    .option("--segment-size <auto or n>", "decoder blocks per program", (text) =>
      text === "auto" ? text : parseWhole(1)(text),
    );
}

/**
 * The options of a run as they were given: those of the file that `--config` names, with the flags in their place.
 *
 * @param flags Commander's values of the options that {@link addRunOptions} adds, and of `--out`
 * @returns them under the names of the configuration, not checked yet, and where they come from
 * @throws InputError if the file cannot be read.
 */
export function readRunOptions(
  { config, samplePrompt, ...flags }: Readonly<Record<string, unknown>>,
  command: Command,
): { readonly options: Partial<RunOptions>; readonly origin: string } {
  const given: Record<string, unknown> = {
    ...flags,
    ...(samplePrompt !== undefined && { samplePrompts: samplePrompt }),
  };
  // Commander's defaults for --no-… must not override the file.
  for (const name of ["packing", "applyChatTemplate"])
    if (command.getOptionValueSource(name) === "default") delete given[name];
  const fromFile = config === undefined ? {} : readConfigFile(config as string);
  return {
    options: overrideOptions(fromFile, given),
    origin: config === undefined ? "The command line" : (config as string),
  };
}

/** Names by commas, and their numbers as well: "correct,l1-exact:0.001,200" are two. */
function parseRewards(text: string): string[] {
  return text.split(/,(?!\s*-?\d)/).map((name) => name.trim());
}

function parseTargets(text: string): string | string[] {
  if (text === "all-linear" || !/^[\w.,\s]+$/.test(text)) return text;
  return parseList(text);
}

/** A file's options with flags in their place: under the names of the configuration, those of an adapter in their own table. */
function overrideOptions(
  fromFile: Readonly<Record<string, unknown>>,
  flags: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const options: Record<string, unknown> = { ...fromFile };
  const method = methodNames.find((name) => name === (flags.method ?? fromFile.method)) ?? "lora";
  for (const [flag, value] of Object.entries(flags)) {
    const name = flag.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const section = sectionOf(name, method);
    if (section) options[section] = { ...(options[section] as object), [name]: value };
    else options[name] = value;
  }
  return options;
}
