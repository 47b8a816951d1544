/** @file What a kind of item must say of itself: how it is asked, and what is judged of the answers. */

import type { RenderedDoc } from "../doc-rendering.ts";
import type { Answer, RequestType } from "../language-model.ts";
import type { Scorer } from "../metrics/metric.ts";
import type { Doc, Instance } from "../task.ts";
import type { TaskDefinition } from "../tasks/task-definition.ts";

/**
 * A kind of item, by the harness's name for it: one of its `output_type`s.
 *
 * @typeParam Type of its requests
 * @typeParam Reference what an item keeps for judging its answers
 * @typeParam Outcome what metrics see of an item that was answered
 */
export interface OutputType<Type extends RequestType = RequestType, Reference = unknown, Outcome = unknown> {
  /** Names of the metrics of a task that names none. */
  readonly defaultMetrics: readonly string[];
  /** Names of the metrics that each of its tasks has beside its own. Default none. */
  readonly furtherMetrics?: readonly string[];
  /** Whether its tasks have `doc_to_choice`. Default false. */
  readonly hasChoices?: boolean;
  /** Whether examples may stand before an item. Default true. */
  readonly takesExamples?: boolean;
  /**
   * Makes sure that a task can be asked.
   *
   * @param maxLength tokens that the model sees at a time
   * @throws InputError if it cannot.
   */
  check?(definition: TaskDefinition, maxLength: number): void;
  /** @throws Error that says what is wrong with the document. */
  prepare(source: ItemSource): Pick<Instance<Type, Reference>, "requests" | "reference">;
  /** @param answers in the order of the requests; written texts as a filter left them */
  outcome(instance: Instance<Type, Reference>, answers: readonly Answer<Type>[]): Outcome;
  /** What metrics that do not know of this type give for its items; the others say it themselves. */
  readonly scores?: Readonly<Record<string, Scorer<Outcome>>>;
  /** The item with its correct answer. */
  solve(instance: Instance<Type, Reference>, targetDelimiter: string): AnsweredQuestion;
  /** The item and its answers in full, as lines for people. */
  render(instance: Instance<Type, Reference>, answers: readonly Answer<Type>[]): readonly string[];
}

/** A document on its way to an item. */
export interface ItemSource {
  readonly definition: TaskDefinition;
  readonly doc: Doc;
  readonly rendered: RenderedDoc;
  /** All that stands before the answer: description, examples and this question, in the chat template if one is applied. */
  prompt(question: string): string;
  /** Stands between a prompt and a continuation: the definition's, or "" in a chat. */
  readonly targetDelimiter: string;
}

/** A question as a model is asked it, and the correct answer. */
export interface AnsweredQuestion {
  readonly question: string;
  /** With the white space that sets it apart. */
  readonly answer: string;
}
