/** @file The first examples of a run's data as the model will see them. */

import type { TokenizedExample } from "../../core/data/batch.ts";
import type { TrainingExample } from "../../core/data/training-example.ts";
import { InputError } from "../../core/errors.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { describeExample, renderReport } from "../../node/data/inspect.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { completeOptions } from "../../node/training/initial-adapter.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import { nameTokens, readExamples } from "../../node/training/run-inputs.ts";
import { hasPromptsAlone } from "../../node/training/teacher-answers.ts";
import type { Preview, PreviewedExample, PreviewedToken } from "../api.ts";

/** Examples that are shown, and tokens of each text. */
const shownExamples = 20;
const shownTokens = 2000;

/**
 * Reads the first rows of a run's data, then all of them.
 *
 * @throws InputError as the run would of its options, its model's tokenizer and its data.
 */
export async function* previewExamples(
  given: Partial<RunOptions>,
): AsyncGenerator<Omit<Preview, "warnings">> {
  const options = completeOptions({ ...given, out: "OUT" } as RunOptions, "The run's options");
  const path = await resolveModel(options.model, { revision: options.revision });
  const data = await resolveDataset(options.data, options.data_split);
  if (options.teacher !== undefined && (await hasPromptsAlone(data, options)))
    throw new InputError(
      `${options.data} has prompts without answers, which the run's teacher writes first; there are no examples to look at yet.`,
    );
  const checkpoint = await openCheckpoint(path);
  try {
    const { config, extension } = await nameTokens(options, checkpoint);
    const tokenizer = extension?.tokenizer?.tokenizer ?? (await checkpoint.tokenizer());
    const reader = { config: checkpoint.config, tokenizer: async () => tokenizer };
    for (const limit of [shownExamples, Number.POSITIVE_INFINITY]) {
      const { examples, report } = await readExamples(config, data, reader, {}, limit);
      yield {
        examples: examples.slice(0, shownExamples).map((example) => showExample(example, tokenizer)),
        report: renderReport(report).split("\n"),
        isWhole: limit > shownExamples,
        trainedTokens: report.trainedTokens,
        tokens: report.tokens,
      };
    }
  } finally {
    checkpoint.close();
  }
}

function showExample(example: TrainingExample, tokenizer: Tokenizer): PreviewedExample {
  return {
    about: describeExample(example),
    texts: example.texts.map(({ ids, trained }) => ({
      tokens: splitTokens(ids.subarray(0, shownTokens), trained, tokenizer),
      hidden: Math.max(0, ids.length - shownTokens),
    })),
  };
}

/** The texts of tokens, one after the other that of all of them; a character whose bytes are several tokens is not divided. */
function splitTokens(
  ids: TokenizedExample["ids"],
  trained: TokenizedExample["trained"],
  tokenizer: Tokenizer,
): PreviewedToken[] {
  const decode = (from: number, to: number) => tokenizer.decode(Array.from(ids.subarray(from, to)));
  const tokens: PreviewedToken[] = [];
  // A tokenizer may treat the first of a text in another way, so each is decoded after some that stand before it.
  let context = 0;
  let start = 0;
  for (let end = 1; end <= ids.length; end++) {
    const before = decode(context, start);
    const text = decode(context, end).slice(before.length);
    const isTrained = trained[start] === 1;
    const isDivided = text.endsWith("\ufffd") && end < ids.length && (trained[end] === 1) === isTrained;
    if (isDivided) continue;
    tokens.push({ text, isTrained });
    context = start;
    start = end;
  }
  return tokens;
}
