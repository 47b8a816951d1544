import { describe, expect, test } from "vitest";
import { digest, prepareCase, readPromptGolden } from "./harness-prompts.fixture.ts";

const { chatTemplate, cases } = readPromptGolden("excerpt-prompts");

describe("prompts of invented items are the harness's", () => {
  test.each(cases)("$task, $numFewshot examples, $form", async (golden) => {
    const items = await prepareCase(golden, chatTemplate, "fixtures/evaluation/excerpts");
    if (golden.first) expect(items[0]).toEqual(golden.first);
    expect(items.map(digest)).toEqual(golden.items);
  });
});
