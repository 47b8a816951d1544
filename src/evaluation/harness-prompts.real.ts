import { describe, expect, test } from "vitest";
import { digest, prepareCase, readPromptGolden } from "./harness-prompts.fixture.ts";

const { SLIMTUNE_DATA: dataDir } = process.env;
if (!dataDir) {
  console.warn(
    "Set SLIMTUNE_DATA to a folder with gsm8k, hellaswag, mmlu, retention and corpus to test the prompts of real tasks.",
  );
}

const { chatTemplate, cases } = readPromptGolden("prompts");

describe.skipIf(!dataDir)("prompts of real items are the harness's", () => {
  test.each(cases)("$task, $numFewshot examples, $form", async (golden) => {
    const items = await prepareCase(golden, chatTemplate, dataDir!);
    expect(items.map(digest)).toEqual(golden.items);
  });
});
