import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { createTokenizer } from "./hugging-face.ts";

const files = JSON.parse(readFileSync("fixtures/tokenization/smollm.json", "utf8"));

/** SmolLM's tokenizer with another part. */
const withPart = (part: object) =>
  createTokenizer({ tokenizer: { ...files.tokenizer, ...part } }, "tokenizer.json");

const endless = { Regex: "([a-z0-9_.]+)+!" };
const text = "abcdefghijklmnopqrstuvwxyz0123456789";

const splitting = { type: "Split", pattern: endless, behavior: "Isolated", invert: false };

test.each<[string, object]>([
  ["a pre-tokenizer", { pre_tokenizer: { type: "Sequence", pretokenizers: [splitting] } }],
  ["a normalizer", { normalizer: { type: "Replace", pattern: endless, content: "" } }],
])("an expression of %s that would not end is ended", (_, part) => {
  const tokenizer = withPart(part);
  let error: unknown;
  try {
    tokenizer.encode(text);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).message).toMatch(
    /^tokenizer.json: its expressions take too long to cut a text/,
  );
});

test("other texts are cut as before", () => {
  const tokenizer = withPart({});
  const bounded = withPart({
    normalizer: { type: "Replace", pattern: { Regex: "(x+)+!" }, content: "" },
  });
  expect(bounded.encode(text)).toEqual(tokenizer.encode(text));
  expect(bounded.decode(bounded.encode(text))).toBe(text);
});
