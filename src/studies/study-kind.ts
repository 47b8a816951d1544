/** @file What a kind of study is: its options, its parts, what it collects from them, and its report. */

import type { z } from "zod";
import type { Report } from "../reporting/sections.ts";
import type { StudyFolder } from "./study-folder.ts";
import type { StudyResults } from "./study-results.ts";

/** Options that every study has, with all defaults filled in. */
export interface StudyConfig {
  readonly kind: string;
  /** The day that chat templates print as today's; by default that of the study's start. */
  readonly date?: string | undefined;
}

/**
 * A kind of study. All else is the same for every kind: its folder, a process for each part, going on where it was
 * interrupted, cells that fail, the time that it will take, and writing its results and its report.
 */
export interface StudyKind<
  Config extends StudyConfig = StudyConfig,
  Results extends StudyResults = StudyResults,
> {
  /** What it finds out, in a line. */
  readonly description: string;
  /** A command that computes one. */
  readonly example: string;
  /** The options in study.yaml; the command line has a flag for each. */
  readonly options: z.ZodObject;
  /**
   * Checks what the options say together.
   *
   * @param origin where they come from, for messages
   * @throws InputError if they contradict each other.
   */
  check?(config: Config, origin: string): void;
  /** Makes sure, before anything is written, that what the options name is there. @throws InputError if it is not. */
  checkInputs?(config: Config): Promise<void>;
  /** Lists what is to be computed; the study's process and those of its parts do it alike. */
  listParts(config: Config, folder: StudyFolder): Promise<PartList>;
  /** What the parts found. Of cells that failed or were not computed yet it says so. @throws InputError if a file is damaged. */
  collect(config: Config, folder: StudyFolder): Promise<Found<Results>>;
  /** What its study.json holds. */
  readonly results: z.ZodType<Results>;
  report(results: Results): Report | Promise<Report>;
}

/** What a kind collects: its results but for what every study has. */
export type Found<Results extends StudyResults> = Omit<
  Results,
  Exclude<keyof StudyResults, "cells" | "notes">
>;

export interface PartList {
  /** Names of the cells. */
  readonly cells: readonly string[];
  /** In the order in which they are computed. */
  readonly parts: readonly Part[];
}

/** A part of a study, which is computed in a process of its own. */
export interface Part {
  /** Such as "lora-math: tuning"; no two parts have the same. */
  readonly name: string;
  /** What it belongs to: if it fails, no further part of that is computed, and the others go on. Without it, the study ends. */
  readonly cell?: string;
  /** What it takes; of parts that take little, nothing is said. */
  readonly work?: Work;
  /** Whether it needs nothing but earlier parts of its cell. Others need all parts before them. */
  readonly isIndependent?: boolean;
  /** Whether it ends by itself when it is told to, and saves its state first. Others are ended, since they keep each result at once. */
  readonly savesState?: boolean;
  isDone(): boolean;
  compute(events: PartEvents): Promise<void>;
}

/** What a part computes, so that its time can be told before. */
export interface Work {
  readonly type: "tuning" | "evaluation";
  /** Floating-point operations of its matrix products. */
  flops(): Promise<number>;
}

export interface PartEvents {
  /** Says in a few words how far it is. */
  onProgress(text: string): void;
  /** Aborted if the part shall end as soon as it can without losing anything. */
  readonly signal: AbortSignal;
}
