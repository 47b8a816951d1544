/** @file What a tuning method is: its options and defaults, what it makes of a model, and how PEFT's files hold it. */

import type { z } from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import type { KeyTable } from "../formats/known-keys.ts";
import type { Storage } from "../models/linear.ts";
import type { ModelWeights } from "../models/weights.ts";
import type { Device } from "../runtime/device.ts";
import type { Adaptation } from "./adaptation.ts";
import type { Parameters } from "./parameters.ts";

/** What a run's result is: an adapter in PEFT's layout, or a model, where the base model's own weights are trained. */
export type Yield = "adapter" | "model";

/** The settings of an adapter, by the names of PEFT's configuration. */
export type AdapterSettings = Readonly<Record<string, unknown>>;

/** How PEFT's files hold adapters of one type. */
export interface PeftFormat<Settings extends AdapterSettings = AdapterSettings> {
  /** As "peft_type" names it, such as "LORA". */
  readonly type: string;
  /** A type of our own, under which files hold what PEFT would compute otherwise or not at all, and so refuses. Default: none. */
  readonly own?: { readonly type: string; isNeeded(settings: Settings, model: ModelConfig): boolean };
  /** The option of a run that holds the settings, such as "lora". */
  readonly section: string;
  /** Of the settings. */
  readonly schema: z.ZodObject;
  /** What each key of adapter_config.json does. */
  readonly keys: KeyTable;
  /** Settings in which a run that goes on with an adapter may differ from it, since the adapter does not compute with them. */
  readonly changeable: readonly string[];
  /**
   * The settings that an adapter_config.json gives.
   *
   * @param origin its name, for messages
   * @param model whose layers `exclude_modules` and `layers_to_transform` choose from; without it an adapter that has them is refused
   * @throws InputError if a value is bad, or asks for what is not supported.
   */
  readSettings(json: unknown, origin: string, model?: ModelConfig): Settings;
  /** What adapter_config.json says of them, beside what all adapters have. */
  writeSettings(settings: Settings, model: ModelConfig): Readonly<Record<string, unknown>>;
  /**
   * The names under which adapter_model.safetensors holds the tensor `name`, the first of which is read; none if it is not there,
   * since it follows from the settings. Default: its own after PEFT's prefix.
   */
  fileNames?(settings: Settings, model: ModelConfig): (name: string) => readonly string[];
  /** Entries that the vocabulary has at least, where the adapter may have added some. */
  leastVocabulary?(settings: Settings): number;
  /** Whether the tensor of this name in the file is a copy, of the base model's or of another, that is not needed. */
  isCopy?(fileName: string): boolean;
  /** @throws InputError if the settings do not fit the model. */
  adapt(settings: Settings, model: ModelConfig): Adaptation;
}

/** An adapter's format with settings of it. */
export interface PeftAdapter {
  readonly format: PeftFormat;
  readonly settings: AdapterSettings;
}

/** What a method may change before the first step. */
export interface Beginning {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly parameters: Parameters;
  readonly seed: number;
  /** @param stage what is being done, such as "finding the principal parts of the weights: 10 %" */
  readonly onStage: (stage: string) => void;
}

/** What an optimizer has before its step, counted from 1. */
export interface StepInputs {
  readonly parameters: Parameters;
  /** They may be changed. */
  readonly gradients: Parameters;
  readonly step: number;
  readonly learningRateOf: (name: string) => number;
  readonly optimizer: { readonly beta2: number; readonly epsilon: number; readonly weightDecay: number };
}

/** One step of an optimizer, by way of AdamW's with other settings. */
export type OptimizerStep = (
  inputs: StepInputs,
  adamW: (settings: { readonly epsilon: number; readonly weightDecay: number }) => void,
) => void;

/** A tuning method, as `--method` names it. `Options` are those of its run that are its own, complete. */
export interface Method<Given extends z.ZodRawShape = z.ZodRawShape, Options = unknown> {
  /** Highest learning rate by default. */
  readonly learning_rate: number;
  /** How the base model's linear weights are kept by default. */
  readonly storage: Storage;
  readonly yields: Yield;
  /** Whether an adapter can be merged into a plain model. Default true. */
  readonly isMergeable?: boolean;
  /** Its own options of a run, by their names in config.yaml; each may be left out. */
  readonly options: Given;
  /** Fills in what is left open. */
  complete(given: z.output<z.ZodObject<Given>>): Options;
  /** What options say against each other, in a sentence. @param given as a person gave them */
  findContradiction?(
    options: Options,
    run: {
      readonly method: string;
      readonly storage: Storage;
      readonly batch_size: number;
      readonly objective: string;
      /** Whether each of its examples is one given text. */
      readonly learnsFromTexts: boolean;
      readonly given: z.input<z.ZodObject<Given>>;
    },
  ): string | undefined;
  /** What is trained, in a few words for a card. */
  describe(options: Options): string;
  /** @throws InputError if the options do not fit the model. */
  adapt(options: Options, model: ModelConfig): Adaptation;
  /** The options with the rows of these tokens trained, in the embedding and the output layer; none where it cannot train them. */
  withTokens?(options: Options, ids: readonly number[], model: ModelConfig): Options;
  /** The result in PEFT's files; none where it is a model. */
  readonly peft?: PeftFormat;
  /**
   * Changes trained tensors and base weights, in place, before the first step.
   *
   * @returns what {@link finish} needs to know of the beginning
   */
  begin?(options: Options, beginning: Beginning): Promise<Parameters | undefined>;
  /** The adapter for the original base model, where what was trained is one for weights that {@link begin} changed. */
  finish?(
    options: Options,
    initial: Parameters,
    trained: Parameters,
  ): { readonly settings: AdapterSettings; readonly parameters: Parameters };
  /** Weight in the loss of DCA's causal term, on what the last block's attention adapter contributes. Default 0. */
  causalWeight?(options: Options): number;
  /** The factor by which the learning rate of the trained tensor `name` is raised. Default: 1 for all. */
  learningRateFactor?(options: Options): (name: string) => number;
  /** The optimizer's step, made once for a run. Default: AdamW's. */
  optimizerStep?(options: Options): OptimizerStep;
}
