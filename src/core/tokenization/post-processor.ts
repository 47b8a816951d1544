/** @file Post-processors: the tokens that are put around a text on demand. */

import { readList, refuseType } from "./options.ts";

/** A post-processor as tokenizer.json describes it. */
export interface PostProcessor {
  readonly type: string;
  readonly [option: string]: unknown;
}

/** Token ids around a text. */
export interface Surroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * What the post-processor puts around a text.
 *
 * Source: https://github.com/huggingface/tokenizers/tree/v0.23.1/tokenizers/src/processors
 *
 * @throws Error if it is of a type, or does something, that is not supported.
 */
export function readPostProcessor(config: PostProcessor): Surroundings {
  switch (config.type) {
    case "Sequence":
      return readList(config, "processors")
        .map((part) => readPostProcessor(part as PostProcessor))
        .reduce(
          (inner, { before, after }) => ({
            before: [...before, ...inner.before],
            after: [...inner.after, ...after],
          }),
          { before: [], after: [] },
        );
    case "ByteLevel":
      // Changes where tokens are said to stand in the text, and no token.
      return { before: [], after: [] };
    case "TemplateProcessing":
      return readTemplate(config);
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [readId(config.cls)], after: [readId(config.sep)] };
    default:
      return refuseType("post-processor", config);
  }
}

function readTemplate(config: PostProcessor): Surroundings {
  const sides: number[][] = [[]];
  for (const part of readList(config, "single")) {
    const { Sequence: sequence, SpecialToken: special } = part as Record<
      string,
      { id?: unknown } | undefined
    >;
    if (sequence?.id === "A") sides.push([]);
    else sides.at(-1)!.push(...idsOf(config, special?.id));
  }
  const [before, after] = sides;
  if (!before || !after || sides.length > 2)
    throw new Error("its post-processor does not take the text exactly once, which is not supported");
  return { before, after };
}

function idsOf({ special_tokens }: PostProcessor, name: unknown): readonly number[] {
  const tokens = (special_tokens ?? {}) as Record<string, { ids?: unknown } | undefined>;
  const ids = typeof name === "string" && Object.hasOwn(tokens, name) ? tokens[name]?.ids : undefined;
  if (Array.isArray(ids) && ids.every(Number.isSafeInteger)) return ids;
  throw new Error(`it adds the special token ${JSON.stringify(name)} without its ids`);
}

/** The id of a pair of a token and its id. */
function readId(pair: unknown): number {
  if (Array.isArray(pair) && Number.isSafeInteger(pair[1])) return pair[1];
  throw new Error("it adds a special token without its id");
}
