/** @file What a strategy is, and what it solves problems with. */

import type { Random } from "../core/random.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import type { ProgramResult } from "../sandbox/code-runner.ts";
import type { SearchTree } from "../search/tree.ts";
import type { Meter } from "./meter.ts";
import type { Problem } from "./problem.ts";
import type { PromptOptions } from "./prompts.ts";
import type { SolutionScores } from "./scorer.ts";
import type { Ability, ScoredText, WriteRequest, Written } from "./writer.ts";

/** What a strategy sees of a problem. */
export type Question = Pick<Problem, "task" | "id" | "question">;

/** A way to solve problems with a model. */
export interface Strategy {
  /** As it was asked for, such as "sc:8". */
  readonly name: string;
  /** Without which of a writer's abilities it cannot work. Default: none. */
  readonly needs?: readonly Ability[];
  /** Whether it runs code. Default false. */
  readonly runsCode?: boolean;
  /** Whether it asks how good steps are. Default false. */
  readonly scoresSteps?: boolean;
  /** The most tokens that may be computed for a problem; see {@link Tools.room}. Default: as many as it takes. */
  readonly budget?: number;
  /** Whether it asks which answers are right, so that it says what could be reached, and not what is. Default false. */
  readonly isOracle?: boolean;
  /** Names of models beside the run's that write for it. Default: none. */
  readonly models?: readonly string[];
  /** @throws InputError if its options do not suit the writer, such as a budget that is too small for it. */
  check?(writer: WriterFacts): void;
  /** Called before the first problem is solved, with all of them: for what depends on the whole set. */
  prepare?(questions: readonly Question[], toolsFor: (question: Question) => Tools): Promise<void>;
  solve(question: Question, tools: Tools): Promise<Solution>;
}

/** What is known of a writer before it writes. */
export interface WriterFacts {
  readonly name: string;
  /** How many tokens a text takes; absent if that is not known. */
  readonly countTokens?: (text: string) => number;
  readonly settings: ReasoningSettings;
}

/** What a strategy found. */
export interface Solution {
  /** Undefined if there is none. */
  readonly answer: string | undefined;
  /** The text with the answer, for people. */
  readonly text: string;
  /** Whether the text was broken off for want of tokens. Default false. */
  readonly isCut?: boolean;
  /** The number of tokens that were to be used, where the strategy has such an aim, and how many were. */
  readonly target?: { readonly tokens: number; readonly used: number };
  /** The trees of steps that were searched. */
  readonly trees?: readonly SearchTree[];
  /** What else is worth knowing, such as how many samples were drawn. */
  readonly details?: Readonly<Record<string, number | string | boolean>>;
}

/** What all strategies of a run have in common. */
export interface ReasoningSettings {
  /** The most tokens of a solution. */
  readonly maxTokens: number;
  /** Of samples. */
  readonly temperature: number;
  readonly topP: number;
  /** Under each question, where a strategy has no instruction of its own. */
  readonly instruction: string;
  /** Solved examples before each question. */
  readonly examples: number;
  /** The most tokens of a step, where solutions are searched step by step. */
  readonly stepTokens: number;
  /** The most steps of a solution there. */
  readonly maxSteps: number;
  /** What asks for the answer once thoughts are over, in models without a token for it. */
  readonly answerCue: string;
}

/** The most tokens that an answer takes once it is asked for. */
export const answerTokens = 32;

/** What a strategy solves one problem with. All that it spends is metered. */
export interface Tools {
  readonly settings: ReasoningSettings;
  readonly meter: Readonly<Meter>;
  readonly signal: AbortSignal;
  /** How many tokens a text takes; absent if that is not known. */
  readonly countTokens?: (text: string) => number;
  /** Draws that are the run's and the problem's own. */
  readonly random: Random;
  /** A question as a conversation. Default: with the run's instruction and examples. */
  prompt(question: Question, options?: PromptOptions): ChatMessage[];
  /** One text. @throws InputError if the writer cannot write it. */
  write(request: Omit<WriteRequest, "samples">): Promise<Written>;
  /** Several texts side by side, drawn with the run's temperature unless told. */
  sample(request: WriteRequest): Promise<Written[]>;
  /** How good steps are that may follow a path, each by itself; only for strategies that say so. */
  scoreSteps(question: Question, path: readonly string[], steps: readonly string[]): Promise<SolutionScores>;
  /** How good each step of a solution is; only for strategies that say so. */
  judgeSteps(question: Question, steps: readonly string[]): Promise<SolutionScores>;
  /** The most tokens that are computed to score steps of which so many tokens were written. */
  mostScored(written: number): number;
  /**
   * Tokens of the strategy's budget that are left; infinite without one. What was written and scored has been taken from it, and the
   * question, once, where it is known how many tokens it takes.
   */
  room(messages: readonly ChatMessage[]): number;
  /** How likely the model is to go on with a text; needs "score". */
  score(request: Pick<WriteRequest, "messages" | "begun">, text: string): Promise<ScoredText>;
  /** Runs a program; only for strategies that say so. */
  run(code: string): Promise<ProgramResult>;
  /** The answer that a text gives. */
  extract(text: string): string | undefined;
  /** Whether two answers are the same. */
  equal(a: string, b: string): boolean;
  /** Whether an answer is right; only for oracles. */
  isRight(answer: string | undefined): boolean;
}
