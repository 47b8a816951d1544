/** @file The options of a tuning run on the command line: those of `tune`, and of what tells about a run beforehand. */

import { type Command, Option } from "commander";
import { methodNames, sectionOf } from "../core/adapters/methods.ts";
import { storages } from "../core/models/linear.ts";
import { schedulerTypes } from "../core/training/schedule.ts";
import { deviceNames } from "../node/runtime/onnx-runtime.ts";
import { optionHelp } from "../node/training/option-help.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { parseFields, parseList, parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { readConfigFile } from "./config-file.ts";

/** Adds all options of a run, but for its folder. */
export function addRunOptions(command: Command): Command {
  return addChatOptions(command)
    .option("--config <file>", "YAML file with any of the options; those given here come first")
    .option("--model <path or id>", optionHelp.model)
    .option("--revision <name>", optionHelp.revision)
    .option("--base-model-name <id>", optionHelp.base_model_name)
    .option("--data <path or id>", optionHelp.data)
    .option("--data-split <name>", optionHelp.data_split)
    .option("--fields <mapping>", optionHelp.fields, parseFields)
    .addOption(new Option("--train-on <what>", optionHelp.train_on).choices(["completion", "all"]))
    .addOption(new Option("--overlong <what>", optionHelp.overlong).choices(["error", "drop", "truncate"]))
    .addOption(new Option("--method <name>", optionHelp.method).choices(methodNames))
    .option("--objective <name>", optionHelp.objective)
    .option("--beta <x>", optionHelp.beta, parseNumber)
    .option("--label-smoothing <share>", optionHelp.label_smoothing, parseNumber)
    .option("--simpo-gamma <x>", optionHelp.simpo_gamma, parseNumber)
    .option("--companion-weight <x>", optionHelp.companion_weight, parseNumber)
    .option("--cpo-alpha <x>", optionHelp.cpo_alpha, parseNumber)
    .option("--desirable-weight <x>", optionHelp.desirable_weight, parseNumber)
    .option("--undesirable-weight <x>", optionHelp.undesirable_weight, parseNumber)
    .option("--teacher <path or id>", optionHelp.teacher)
    .option("--answer-tokens <n>", optionHelp.answer_tokens, parseWhole(1))
    .option("--divergence <name>", optionHelp.divergence)
    .option("--temperature <x>", optionHelp.temperature, parseNumber)
    .option("--label-weight <share>", optionHelp.label_weight, parseNumber)
    .option("--reward <names>", optionHelp.reward, parseRewards)
    .option("--num-generations <n>", optionHelp.num_generations, parseWhole(2))
    .option("--num-iterations <n>", optionHelp.num_iterations, parseWhole(1))
    .option("--max-completion-length <n>", optionHelp.max_completion_length, parseWhole(1))
    .option("--mask-truncated-completions", optionHelp.mask_truncated_completions)
    .option("--epsilon <share>", optionHelp.epsilon, parseNumber)
    .option("--epsilon-high <share>", optionHelp.epsilon_high, parseNumber)
    .option("--loss-type <name>", optionHelp.loss_type)
    .option("--scale-rewards <what>", optionHelp.scale_rewards)
    .option("--step-separator <text>", optionHelp.step_separator)
    .option("--keep <weight>", optionHelp.keep, parseNumber)
    .option("--keep-text <file>", optionHelp.keep_text)
    .option("--proximal-mu <x>", optionHelp.proximal_mu, parseNumber)
    .option("--adapter <folder>", optionHelp.adapter)
    .addOption(new Option("--storage <kind>", optionHelp.storage).choices(storages))
    .addOption(new Option("--arithmetic <kind>", optionHelp.arithmetic).choices(["float32", "int8"]))
    .option("--weights-on-disk", optionHelp.weights_on_disk)
    .option("--r <n>", optionHelp.r, parseWhole(1))
    .option("--lora-alpha <n>", optionHelp.lora_alpha, parseNumber)
    .option("--lora-dropout <share>", optionHelp.lora_dropout, parseNumber)
    .option("--target-modules <names>", optionHelp.target_modules, parseTargets)
    .option("--use-rslora", optionHelp.use_rslora)
    .option("--use-dora", optionHelp.use_dora)
    .addOption(new Option("--init-lora-weights <kind>", optionHelp.init_lora_weights).choices(["pissa"]))
    .option("--loraplus-lr-ratio <x>", optionHelp.loraplus_lr_ratio, parseNumber)
    .option("--adapter-len <n>", optionHelp.adapter_len, parseWhole(1))
    .option("--adapter-layers <n>", optionHelp.adapter_layers, parseWhole(1))
    .addOption(new Option("--gate <kind>", optionHelp.gate).choices(["scalar", "head"]))
    .option("--causal-weight <x>", optionHelp.causal_weight, parseNumber)
    .option("--shared-prompts <n>", optionHelp.shared_prompts, parseWhole(1))
    .option("--freeze-trainable-layers <n>", optionHelp.freeze_trainable_layers, parseWhole(1))
    .option("--train-tokens <tokens>", optionHelp.train_tokens, parseList)
    .addOption(new Option("--bias <which>", optionHelp.bias).choices(["none", "all", "lora_only"]))
    .option("--modules-to-save <names>", optionHelp.modules_to_save, parseList)
    .option("--context <tokens>", optionHelp.context, parseWhole(8))
    .option("--micro-batch-tokens <n>", optionHelp.micro_batch_tokens, parseWhole(8))
    .option("--no-packing", optionHelp.packing)
    .option("--no-apply-chat-template", optionHelp.apply_chat_template)
    .option("--batch-size <n>", optionHelp.batch_size, parseWhole(1))
    .option("--num-train-epochs <n>", optionHelp.num_train_epochs, parseNumber)
    .option("--max-steps <n>", optionHelp.max_steps, parseWhole(1))
    .option("--learning-rate <x>", optionHelp.learning_rate, parseNumber)
    .addOption(new Option("--lr-scheduler-type <name>", optionHelp.lr_scheduler_type).choices(schedulerTypes))
    .option("--warmup-ratio <share>", optionHelp.warmup_ratio, parseNumber)
    .option("--weight-decay <x>", optionHelp.weight_decay, parseNumber)
    .option("--validation <share or n>", optionHelp.validation, parseNumber)
    .option("--eval-steps <n>", optionHelp.eval_steps, parseWhole(1))
    .option("--save-steps <n>", optionHelp.save_steps, parseWhole(1))
    .option("--early-stopping-patience <n>", optionHelp.early_stopping_patience, parseWhole(1))
    .option(
      "--sample-prompt <text>",
      optionHelp.sample_prompts,
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option("--sample-tokens <n>", optionHelp.sample_tokens, parseWhole(1))
    .option("--seed <n>", optionHelp.seed, parseWhole(0))
    .addOption(new Option("--device <name>", optionHelp.device).choices(deviceNames))
    .option("--threads <n>", optionHelp.threads, parseWhole(1))
    .option("--segment-size <auto or n>", optionHelp.segment_size, (text) =>
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
