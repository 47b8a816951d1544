import { expect, test } from "vitest";
import { inBothForms, readTokenizer } from "./golden.fixture.ts";
import { createTokenizer } from "./hugging-face.ts";
import { encodeUnfinished } from "./unfinished.ts";

const begun = ["x = 28\n\n", "x = 28\n", "\n\n\n", "x = 28", "x = ", ""];

test.each(inBothForms)("what %s goes on from are the tokens that stand in the middle of a text", (name) => {
  const tokenizer = createTokenizer(readTokenizer(name), name);
  for (const text of begun) {
    const ids = encodeUnfinished(tokenizer, text);
    expect(tokenizer.decode(ids).trimStart()).toBe(tokenizer.decode(tokenizer.encode(text)).trimStart());
    if (text.endsWith("\n")) expect(tokenizer.encode(`${text}The`).slice(0, ids.length)).toEqual(ids);
    else expect(ids).toEqual(tokenizer.encode(text));
  }
});

test("a tokenizer of GPT-2's kind joins a blank line at a text's end only", () => {
  const { tokenizer: json, config } = readTokenizer("gpt2");
  const { vocab, merges } = json.model;
  const joined = Object.keys(vocab).length;
  const model = { ...json.model, vocab: { ...vocab, ĊĊ: joined }, merges: [...merges, "Ċ Ċ"] };
  const added_tokens = json.added_tokens.filter(({ id }) => id !== joined);
  const tokenizer = createTokenizer({ tokenizer: { ...json, model, added_tokens }, config }, "gpt2");
  expect(tokenizer.encode("8\n\n").at(-1)).toBe(joined);
  const [end] = tokenizer.encode("\n");
  expect(encodeUnfinished(tokenizer, "8\n\n").slice(-2)).toEqual([end, end]);
});
