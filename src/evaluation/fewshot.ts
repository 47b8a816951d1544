/** @file What stands before an item's question: the task's description, and examples drawn as the harness draws them. */

import { isDeepStrictEqual } from "node:util";
import { InputError } from "../core/errors.ts";
import { createPythonRandom } from "../core/python/random.ts";
import type { SourceDoc, TaskData } from "./dataset-location.ts";
import { type Demonstration, type DemonstrationSelector, selectForAll } from "./demonstration-selector.ts";
import { type DocFields, findBareQuestion, questionOf, renderDoc } from "./doc-rendering.ts";
import { assemblePrompt, type ChatFormat, joinSystem, type PromptParts, type Shot } from "./prompt.ts";
import type { ItemSource } from "./requests/output-type.ts";
import { outputTypes } from "./requests/output-types.ts";
import type { Doc } from "./task.ts";
import { renderTaskTemplate } from "./task-template.ts";
import type { TaskDefinition } from "./tasks/task-definition.ts";

/** The number of examples before each item. @param asked by the user, for all tasks */
export function countShots(definition: TaskDefinition, asked: number | undefined): number {
  const { output_type, num_fewshot } = definition;
  const { takesExamples = true } = outputTypes[output_type];
  // The harness does not override a definition's 0 either.
  if (num_fewshot === 0 || !takesExamples) return 0;
  return asked ?? num_fewshot ?? 0;
}

/** The documents from which examples are drawn, by the harness's order of precedence. */
export async function readPool({ definition, readSplit }: TaskData, evaluated: readonly SourceDoc[]) {
  const { fewshot_config, fewshot_split, training_split, validation_split } = definition;
  if (fewshot_split === undefined && fewshot_config?.samples) {
    return fewshot_config.samples.map((doc, i) => ({ doc, where: `example ${i + 1} of fewshot_config` }));
  }
  const others = fewshot_split ?? training_split ?? validation_split;
  return others === undefined ? evaluated : readSplit(others);
}

/** Documents that may stand before items, in place of those of a task's own. */
export interface FewshotPool {
  readonly docs: readonly SourceDoc[];
  /** How they are rendered. Default: as the task's own examples. */
  readonly fields?: DocFields;
}

/**
 * A document as what is chosen by, or chosen for: its bare question if it has one, else as it is asked.
 *
 * @throws InputError if a field of it cannot be rendered
 */
export function toDemonstration(fields: DocFields, source: SourceDoc): Demonstration {
  try {
    const { text, choices = [] } = renderDoc(fields, source.doc);
    // Where a choice's number stands for the question, that choice would tell the answer.
    const asked = typeof text === "number" ? choices.join("\n") : text;
    return {
      text: (findBareQuestion(source.doc) ?? asked).trim(),
      solution: renderShot(fields, source).answer,
    };
  } catch (error) {
    throw new InputError(`${source.where}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

/**
 * Chooses each item's examples by a selector.
 *
 * @throws InputError as {@link selectForAll}, or if the task has no examples
 */
export async function chooseExamples(
  definition: TaskDefinition,
  items: readonly SourceDoc[],
  { docs, fields = shotFields(definition) }: FewshotPool,
  selector: DemonstrationSelector,
  count: number,
  onText?: (done: number, total: number) => void,
): Promise<(readonly SourceDoc[])[]> {
  const toTexts = (sources: readonly SourceDoc[], as: DocFields) =>
    sources.map((source) => toDemonstration(as, source));
  const chosen = await selectForAll(
    toTexts(docs, fields),
    toTexts(items, definition),
    selector,
    count,
    onText,
  );
  return chosen.map((places) => places.map((place) => docs[place]!));
}

/**
 * Draws each item's examples as the harness does.
 *
 * @param items in their order, on which the draws depend
 * @throws InputError if there are too few documents.
 */
export function drawExamples(
  definition: TaskDefinition,
  items: readonly SourceDoc[],
  pool: readonly SourceDoc[],
  count: number,
  seed: number,
  task: string,
): (readonly SourceDoc[])[] {
  if (count === 0) return items.map(() => []);
  const { fewshot_config, fewshot_split, test_split } = definition;
  const isFirst = fewshot_config?.sampler === "first_n";
  // The harness takes the item for one of the pool if neither is named, too.
  const mayDrawItem = !isFirst && fewshot_split === test_split;
  const drawn = mayDrawItem ? count + 1 : count;
  if (drawn > pool.length) {
    throw new InputError(
      `The task ${task} has ${pool.length} examples, of which ${drawn} are to be drawn for each item; ask for fewer.`,
    );
  }
  if (isFirst) return items.map(() => pool.slice(0, count));
  const random = createPythonRandom(seed);
  return items.map((item) => {
    const examples = random.sample(pool, drawn);
    return mayDrawItem
      ? examples.filter(({ doc }) => !isDeepStrictEqual(doc, item.doc)).slice(0, count)
      : examples;
  });
}

/** Puts an item's question after what stands before all questions; examples are rendered when it is first asked. */
export function createPrompt(
  definition: TaskDefinition,
  doc: Doc,
  examples: readonly SourceDoc[],
  exampleFields: DocFields,
  systemInstruction: string,
  chat: ChatFormat | undefined,
): ItemSource["prompt"] {
  const { description = "", target_delimiter, fewshot_delimiter, fewshot_config } = definition;
  let parts: Omit<PromptParts, "question"> | undefined;
  return (question) => {
    parts ??= {
      system: joinSystem(
        systemInstruction,
        Object.hasOwn(doc, description) ? String(doc[description]) : renderTaskTemplate(description, doc),
        fewshot_delimiter,
      ),
      shots: examples.map((example) => renderShot(exampleFields, example)),
      targetDelimiter: fewshot_config?.target_delimiter ?? target_delimiter,
      fewshotDelimiter: fewshot_config?.fewshot_delimiter ?? fewshot_delimiter,
    };
    return assemblePrompt({ ...parts, question }, chat);
  };
}

/** How examples are rendered. */
export function shotFields({ fewshot_config, ...definition }: TaskDefinition): DocFields {
  return {
    doc_to_text: fewshot_config?.doc_to_text ?? definition.doc_to_text,
    doc_to_target: fewshot_config?.doc_to_target ?? definition.doc_to_target,
    doc_to_choice: fewshot_config?.doc_to_choice ?? definition.doc_to_choice,
  };
}

function renderShot(fields: DocFields, { doc, where }: SourceDoc): Shot {
  try {
    const rendered = renderDoc(fields, doc);
    const { choices = [], target } = rendered;
    const answer = typeof target === "number" && choices.length > 0 ? choices[target] : String(target);
    if (answer === undefined) throw new Error(`the label ${target} is none of the ${choices.length} choices`);
    return { question: questionOf(rendered), answer };
  } catch (error) {
    throw new Error(`an example before it (${where}): ${(error as Error).message}`);
  }
}
