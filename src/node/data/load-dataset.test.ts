import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { tokenizeExample } from "../../core/data/tokenize-example.ts";
import { renderTurns } from "../../core/tokenization/assistant-turns.ts";
import { type ChatMessage, chatOptionsOf } from "../../core/tokenization/chat-template.ts";
import { openFolderTokenizer } from "../../core/tokenization/hugging-face.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { renderExample, renderReport } from "./inspect.ts";
import { type DatasetOptions, loadDataset } from "./load-dataset.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-data-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const chat = await openFolderTokenizer(openSourceFolder("fixtures/embedded-model"));
const { chatTemplate: _, ...rest } = chat;
const plain: Tokenizer = { ...rest, chatTemplate: undefined };

const asTuned = { trainOn: "completion", applyChatTemplate: true } as const;

function write(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

/** The texts of the examples, of which each has one, and the report. */
const load = async (path: string, options: Partial<DatasetOptions> = {}) => {
  const { examples, report } = await loadDataset(path, { tokenizer: chat, context: 512, ...options });
  return { examples: examples.flatMap(({ texts }) => texts), report };
};
const textOf = (ids: Int32Array, tokenizer = chat) => tokenizer.decode([...ids]);
const trainedText = ({ ids, trained }: TokenizedExample, tokenizer = chat) =>
  textOf(
    ids.filter((_, i) => trained[i] === 1),
    tokenizer,
  );

const question = "What is 2 + 3?";
const answer = "2 + 3 = 5";

describe("every format and file kind gives the same example", () => {
  const qa = { question, answer };
  const messages = [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ];
  const files: Record<string, string> = {
    "qa.jsonl": `\ufeff${JSON.stringify(qa)}\r\n\r\n`,
    "prompt.ndjson": JSON.stringify({ prompt: question, completion: answer }),
    "alpaca.json": JSON.stringify([{ instruction: question, input: "", output: answer }]),
    "data.json": JSON.stringify({ data: [{ messages }] }),
    "sharegpt.jsonl": JSON.stringify({
      conversations: [
        { from: "human", value: question },
        { from: "gpt", value: answer },
      ],
    }),
    "lists.jsonl": JSON.stringify({ prompt: messages.slice(0, 1), completion: messages.slice(1) }),
    "qa.csv": `question,answer\n"${question}",${answer}\n`,
  };
  test.each(Object.entries(files))("%s", async (name, content) => {
    const { examples } = await load(write(name, content));
    expect(examples).toHaveLength(1);
    expect(trainedText(examples[0]!)).toBe(`${answer}<|end|>`);
  });

  test("with fields of other names", async () => {
    const path = write("mapped.jsonl", JSON.stringify({ q: question, a: answer }));
    const { examples } = await load(path, { fields: { prompt: "q", completion: "a" } });
    expect(trainedText(examples[0]!)).toBe(`${answer}<|end|>`);
  });
});

test("without a chat template the loss falls on the completion and the end of the sequence", async () => {
  const { examples } = await load(write("plain.jsonl", JSON.stringify({ question, answer })), {
    tokenizer: plain,
  });
  expect(textOf(examples[0]!.ids)).toBe(`<|begin|>Question: ${question}\nAnswer: ${answer}<|end|>`);
  expect(trainedText(examples[0]!)).toBe(` ${answer}<|end|>`);
});

test("a text is trained on as a whole", async () => {
  const { examples } = await load(write("story.txt", "One day.\nIt rained.\n\nThe end."), {
    tokenizer: plain,
  });
  expect(examples.map((example) => trainedText(example))).toEqual([
    "One day.\nIt rained.<|end|>",
    "The end.<|end|>",
  ]);
});

const words = fc.string({
  unit: fc.constantFrom(..."abc 12+?.\n'é😀".split(/(?:)/u)),
  minLength: 1,
  maxLength: 30,
});

test("the trained tokens are the answers and their ends, the BOS token stands once, and nothing is lost", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(words, words), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      (turns, useTemplate) => {
        const rounds = useTemplate ? turns : turns.slice(0, 1);
        const { examples } = tokenizeExample(
          {
            line: 1,
            messages: rounds.flatMap(([user, assistant]) => [
              { role: "user", content: user },
              { role: "assistant", content: assistant },
            ]),
            plain: { prompt: rounds[0]![0], completion: rounds[0]![1] },
          },
          chat,
          { ...asTuned, applyChatTemplate: useTemplate },
          "test",
        );
        const example = examples[0]!;
        expect(trainedText(example)).toBe(rounds.map(([, assistant]) => `${assistant}<|end|>`).join(""));
        expect([...example.ids].filter((id) => id === chat.bosTokenId)).toHaveLength(1);
        expect(example.ids[0]).toBe(chat.bosTokenId);
        for (const [user] of rounds) expect(textOf(example.ids)).toContain(user);
      },
    ),
  );
});

describe("the borders of the assistant's turns", () => {
  const contents = fc
    .array(fc.constantFrom("a", "1", " ", "\n", "  ", "é😀", "<|end|>", "<|", "end|>", "."), {
      maxLength: 12,
    })
    .map((parts) => parts.join(""));
  const conversations = fc.array(fc.tuple(contents, contents), { minLength: 1, maxLength: 4 }).map((turns) =>
    turns.flatMap(([user, assistant]) => [
      { role: "user", content: user },
      { role: "assistant", content: assistant },
    ]),
  );

  const render = (messages: readonly ChatMessage[]) => {
    const turns = [...messages.keys()].filter((i) => messages[i]!.role === "assistant");
    return renderTurns(chat.chatTemplate!, messages, turns, chat, chatOptionsOf(chat))[0]!;
  };

  test("are where the text before them, tokenized alone, ends", () => {
    fc.assert(
      fc.property(conversations, (messages) => {
        const { text, spans } = render(messages);
        const whole = chat.encode(text);
        const befores = spans.flat().map((border) => chat.encode(text.slice(0, border)));
        const fits = befores.every((before) => before.every((id, i) => id === whole[i]));
        const parts = [0, ...spans.flat(), text.length]
          .slice(1)
          .map((end, i) => chat.encode(text.slice([0, ...spans.flat()][i], end)));
        const expected = fits ? whole : parts.flat();
        const trained = fits
          ? whole.map((_, i) => (befores.filter(({ length }) => length <= i).length % 2 === 1 ? 1 : 0))
          : parts.flatMap((part, i) => part.map(() => i % 2));
        const example = tokenizeExample({ line: 1, messages }, chat, asTuned, "test").examples[0]!;
        expect([...example.ids]).toEqual(expected);
        expect([...example.trained]).toEqual(trained);
      }),
      { numRuns: 500 },
    );
  });

  test("are found without tokenizing a long conversation again for each", () => {
    let characters = 0;
    const counting: Tokenizer = {
      ...chat,
      encode(text, options) {
        characters += text.length;
        return chat.encode(text, options);
      },
    };
    const messages = Array.from({ length: 100 }, (_, i) => ({
      role: i % 2 === 0 ? "user" : "assistant",
      content: `${answer} and ${i}`,
    }));
    tokenizeExample({ line: 1, messages }, counting, asTuned, "test");
    const { text } = render(messages);
    expect(characters).toBeLessThan(3 * text.length);
  });
});

test("examples beyond the context are refused, dropped or cut, and counted", async () => {
  const rows = [answer, "very long ".repeat(30)]
    .map((text) => JSON.stringify({ question, answer: text }))
    .join("\n");
  const path = write("long.jsonl", rows);
  await expect(load(path, { context: 40 })).rejects.toThrow(/line 2: the example has \d+ tokens/);
  expect((await load(path, { context: 40, overlong: "drop" })).report).toMatchObject({
    examples: 1,
    dropped: 1,
  });
  const cut = await load(path, { context: 40, overlong: "truncate" });
  expect(cut.report).toMatchObject({ examples: 2, truncated: 1, longest: 40 });
});

describe("what of the rows is not trained on as it stands is told", () => {
  const turns = [
    { role: "user", content: question, id: 1 },
    { role: "assistant", content: answer, reasoning_content: "Hm.", weight: 1 },
    { role: "user", content: "More?" },
    { role: "assistant", content: "No.", weight: 0 },
  ];
  const loadRow = (row: object, options?: Partial<DatasetOptions>) =>
    load(write("told.jsonl", JSON.stringify(row)), options);

  test("fields that neither the format nor the template reads", async () => {
    const row = {
      messages: turns,
      tools: [{ name: "f" }],
      chat_template_kwargs: { depth: 1 },
      source: "web",
    };
    const { examples, report } = await loadRow(row);
    expect(report.ignored).toEqual([
      "source",
      "tools",
      "chat_template_kwargs.depth",
      "messages[].id",
      "messages[].reasoning_content",
    ]);
    expect(renderReport(report)).toMatch(/\nignored: source, tools, /);
    expect(trainedText(examples[0]!)).toBe(`${answer}<|end|>`);
  });

  const silent: Tokenizer = {
    ...chat,
    chatTemplate:
      "{% for m in messages if m.role != 'system' %}<|turn|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|turn|>{% endif %}",
  };

  test("messages that the template does not print", async () => {
    const { report } = await loadRow({ messages: turns, system: "Be brief." }, { tokenizer: silent });
    expect(report.ignored).toContain("messages of the role system");
    expect((await loadRow({ messages: turns }, { tokenizer: silent })).report.ignored).not.toContain(
      "messages of the role system",
    );
  });

  test("conversations that become several examples", async () => {
    const onlyLast = silent.chatTemplate!.replace("{{ m.content }}", "{{ m.content if loop.last else '…' }}");
    const messages = [...turns.slice(0, 2), ...turns.slice(0, 2)];
    const { report, examples } = await loadRow(
      { messages },
      { tokenizer: { ...chat, chatTemplate: onlyLast } },
    );
    expect(examples.map((example) => trainedText(example))).toEqual(Array(2).fill(`${answer}<|end|>`));
    expect(report).toMatchObject({ examples: 2, cutRows: 1, cutExamples: 2 });
    expect(renderReport(report)).toContain(
      "1 conversations were cut into 2 examples, since the chat template",
    );
  });

  test("by no word where all is", async () => {
    const { report } = await loadRow({ question, answer });
    expect(report).toMatchObject({ ignored: [], cutRows: 0 });
    expect(renderReport(report)).not.toMatch(/ignored|cut into/);
  });
});

test("train_on all trains on every token but those that a row excludes", async () => {
  const messages = [
    { role: "user", content: question },
    { role: "assistant", content: answer, weight: 0 },
    { role: "user", content: "More?" },
    { role: "assistant", content: "No." },
  ];
  const path = write("most.jsonl", JSON.stringify({ messages }));
  const { examples } = await load(path, { trainOn: "all" });
  const { ids, trained } = examples[0]!;
  const excluded = textOf(ids.filter((_, i) => trained[i] === 0));
  expect(excluded).toBe(`${answer}<|end|>`);
  const ofUser = write(
    "user.jsonl",
    JSON.stringify({ messages: [{ ...messages[0], weight: 0 }, messages[3]] }),
  );
  await expect(load(ofUser, { trainOn: "all" })).rejects.toThrow(
    /user\.jsonl, line 1: the messages that are not/,
  );
});

test("tools have their own template where the model has one", async () => {
  const toolUseTemplate = chat.chatTemplate!.replace("{{ bos_token }}", "{{ bos_token }}{{ tools[0].name }}");
  const tokenizer = { ...chat, toolUseTemplate };
  const texts = await Promise.all(
    [{ tools: [{ name: "add" }] }, {}].map(async (more, i) => {
      const path = write(`tools-${i}.jsonl`, JSON.stringify({ question, answer, ...more }));
      return textOf((await load(path, { tokenizer })).examples[0]!.ids);
    }),
  );
  expect(texts[0]).toMatch(/^<\|begin\|>add<\|turn\|>/);
  expect(texts[1]).toMatch(/^<\|begin\|><\|turn\|>/);
  // No form without a template would hold the tools.
  await expect(load(join(scratch, "tools-0.jsonl"), { tokenizer: plain })).rejects.toThrow(
    "has no chat template",
  );
});

test("train_on all trains on every token", async () => {
  const { examples, report } = await load(write("all.jsonl", JSON.stringify({ question, answer })), {
    trainOn: "all",
  });
  expect(examples[0]!.trained.every((mark) => mark === 1)).toBe(true);
  expect(report.trainedTokens).toBe(report.tokens - 1);
});

describe("bad rows are named", () => {
  const cases: [name: string, content: string, sentence: RegExp][] = [
    ["list.jsonl", "[1]", /line 1: a list begins here, not an object/],
    ["unknown.jsonl", '{"x":1}', /line 1: the fields x fit no known format/],
    [
      "mixed.jsonl",
      '{"text":"a"}\n{"question":"b","answer":"c"}',
      /line 2: the example is not of the format "text" that line 1 has/,
    ],
    ["number.jsonl", '{"question":1,"answer":"c"}', /the field "question" is not a text/],
    ["noone.jsonl", '{"messages":[{"role":"user","content":"a"}]}', /no message is the assistant's/],
    ["half.jsonl", '{"messages":[{"role":"user"}]}', /a message lacks its "role" or "content"/],
    ["ragged.csv", "question,answer\na,b,c\n", /ragged\.csv/],
    ["broken.parquet", "PAR1", /cannot be read as Parquet/],
    ["kind.doc", "x", /is of no known kind/],
  ];
  test.each(cases)("%s", async (name, content, sentence) => {
    await expect(load(write(name, content))).rejects.toThrow(sentence);
  });

  test("a template that does not end the assistant's turn", async () => {
    const template =
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
    const path = write("endless.jsonl", JSON.stringify({ question, answer }));
    await expect(load(path, { tokenizer: { ...chat, chatTemplate: template } })).rejects.toThrow(
      "puts no special token at the end of the assistant's turn",
    );
  });

  test("a conversation for a model without a template", async () => {
    const path = write(
      "conversation.jsonl",
      '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}',
    );
    await expect(load(path, { tokenizer: plain })).rejects.toThrow("has no chat template");
  });
});

test("an example is shown with its trained tokens marked", async () => {
  const { examples } = await load(write("shown.jsonl", JSON.stringify({ question, answer })));
  expect(renderExample({ texts: examples }, chat, { colour: false })).toContain(`⟦${answer}<|end|>⟧`);
  expect(renderExample({ texts: examples }, chat, { colour: true })).toContain(
    `\u001b[32m${answer}<|end|>\u001b[39m`,
  );
});
