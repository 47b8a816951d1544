/** @file Items whose answer the model writes. */

import { InputError } from "../../core/errors.ts";
import { questionOf } from "../doc-rendering.ts";
import { defaultMaxGenToks, type GenerationKwargs } from "../language-model.ts";
import type { Doc } from "../task.ts";
import type { TaskDefinition } from "../tasks/task-definition.ts";
import type { OutputType } from "./output-type.ts";

export interface Written {
  /** What a filter found in the text. */
  readonly answer: string;
  readonly target: string;
  readonly doc: Doc;
}

export const generateUntil: OutputType<"generate_until", undefined, Written> = {
  defaultMetrics: ["exact_match"],
  furtherMetrics: ["bits_per_byte_gold"],

  check(definition, maxLength) {
    const { max_gen_toks = defaultMaxGenToks } = generationOptions(definition);
    if (max_gen_toks >= maxLength) {
      throw new InputError(
        `The task ${definition.task} has answers of up to ${max_gen_toks} tokens, which leave no room for a prompt in the model's context of ${maxLength}; lower max_gen_toks of the task, or take another model.`,
      );
    }
  },

  prepare({ definition, rendered, prompt }) {
    const context = prompt(questionOf(rendered));
    const options = generationOptions(definition);
    return { requests: [{ type: "generate_until", context, options }], reference: undefined };
  },

  outcome: ({ target, doc }, [answer]) => ({ answer: answer!.text, target: String(target), doc }),

  solve: ({ requests, target }, targetDelimiter) => ({
    question: requests[0]!.context,
    answer: `${targetDelimiter}${target}`,
  }),

  render: ({ requests, target }, [answer]) => [
    requests[0]!.context,
    "── answer ──",
    answer!.text,
    "── target ──",
    String(target),
  ],
};

function generationOptions({ generation_kwargs, fewshot_delimiter }: TaskDefinition): GenerationKwargs {
  const { until = [fewshot_delimiter], ...others } = generation_kwargs ?? {
    temperature: 0,
    do_sample: false,
    max_gen_toks: defaultMaxGenToks,
  };
  return { ...others, until };
}
