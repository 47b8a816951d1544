import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { implicitPromptOfMessages, implicitPromptOfTexts } from "../../core/data/implicit-prompt.ts";
import { addMismatched } from "../../core/data/mismatched.ts";
import type { ExampleKind } from "../../core/data/training-example.ts";
import { InputError } from "../../core/errors.ts";
import { type ChatMessage, withChatSettings } from "../../core/tokenization/chat-template.ts";
import { createTokenizer, openFolderTokenizer } from "../../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { renderExample, renderReport } from "./inspect.ts";
import { type DatasetOptions, loadDataset } from "./load-dataset.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-preferences-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const readFixture = (name: string) => JSON.parse(readFileSync(`fixtures/tokenization/${name}`, "utf8"));

/** A text as TRL has it, with 1 for each token of its completion. */
interface GoldenText {
  readonly ids: readonly number[];
  readonly completion: readonly number[];
}
type GoldenPair = readonly [chosen: GoldenText, rejected: GoldenText];
interface PairRow {
  readonly prompt: unknown;
  readonly chosen: unknown;
  readonly rejected: unknown;
}

/** Made by reference/preference_data.py with TRL. */
const golden: {
  readonly implicit: readonly {
    readonly chosen: string | ChatMessage[];
    readonly rejected: string | ChatMessage[];
    readonly extracted: { readonly prompt: string | ChatMessage[] };
  }[];
  readonly rows: { readonly conversations: readonly PairRow[]; readonly texts: readonly PairRow[] };
  readonly batchSize: number;
  readonly styles: Readonly<
    Record<
      string,
      {
        readonly pairs: {
          readonly whole: readonly GoldenPair[];
          readonly cut: { readonly context: number; readonly rows: readonly GoldenPair[] };
        };
        readonly unpaired: {
          readonly context: number;
          readonly examples: readonly { readonly label: boolean; readonly texts: readonly GoldenText[] }[];
        };
      }
    >
  >;
} = readFixture("preference-data.json");
/** The templates and the tokenizer with which they were made. */
const { date, styles: templates, ...files } = readFixture("conversations.json");
const tokenizer = createTokenizer(files, "conversations.json");

const chat = await openFolderTokenizer(openSourceFolder("fixtures/embedded-model"));
const trainedText = ({ ids, trained }: TokenizedExample) =>
  chat.decode([...ids.filter((_, i) => trained[i] === 1)]);
const loadPairs = (rows: readonly object[], options: Partial<DatasetOptions> = {}) =>
  loadDataset(write("pairs.jsonl", rows), { tokenizer: chat, context: 512, learnsFrom: "pairs", ...options });

function write(name: string, rows: readonly object[]): string {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

test("an answer after two wordings is read twice, with its own prompt each time", async () => {
  const load = (row: object) =>
    loadDataset(write("wordings.jsonl", [row]), { tokenizer: chat, context: 512, learnsFrom: "wordings" });
  const row = { question: "How many?", rewording: "What number?", answer: "3" };
  const { examples, report } = await load(row);
  const [example] = examples;
  expect(example!.texts.map(trainedText)).toEqual([
    trainedText(example!.texts[0]!),
    trainedText(example!.texts[0]!),
  ]);
  expect(renderExample(example!, chat)).toMatch(/How many\?.*⟦3.*── in other words\n.*What number\?.*⟦3/s);
  expect(renderReport(report)).toMatch(/^1 examples \(in two wordings\), /);
  await expect(load({ ...row, rewording: row.question })).rejects.toThrow(
    /line 1: both wordings are the same, so that there is nothing to compare; correct such rows, or leave them out\.$/,
  );
  await expect(load({ ...row, rewording: " " })).rejects.toThrow('line 1: the field "rewording" is empty');
  await expect(load({ question: "How many?", answer: "3" })).rejects.toThrow("`--objective sft`");
});

test.each(golden.implicit)("the common beginning of $chosen and $rejected is TRL's prompt", (sides) => {
  const { chosen, rejected, extracted } = sides;
  const length =
    typeof chosen === "string"
      ? implicitPromptOfTexts(chosen, rejected as string)
      : implicitPromptOfMessages(chosen, rejected as ChatMessage[]);
  expect(chosen.slice(0, length)).toEqual(extracted.prompt);
});

describe.each(Object.entries(golden.styles))(
  "tokens of preferences are TRL's: template %s",
  (name, style) => {
    const isPlain = name === "none";
    const rows = isPlain ? golden.rows.texts : golden.rows.conversations;
    const inStyle = isPlain
      ? tokenizer
      : withChatSettings(tokenizer, { chatTemplate: templates[name].template, date });
    const load = (data: readonly object[], options: Partial<DatasetOptions>) =>
      loadDataset(write("rows.jsonl", data), { tokenizer: inStyle, context: 10_000, ...options });

    /** TRL trains also on what a template prints after the turn has ended, such as a line break. */
    function toText({ ids, completion }: GoldenText): TokenizedExample {
      const trained = Uint8Array.from(completion);
      for (let i = ids.length - 1; !tokenizer.isSpecial(ids[i]!) && trained[i] === 1; i--) trained[i] = 0;
      return { ids: Int32Array.from(ids), trained };
    }

    test("of pairs", async () => {
      const { examples, report } = await load(rows, { learnsFrom: "pairs" });
      expect(examples).toEqual(style.pairs.whole.map((texts) => ({ texts: texts.map(toText) })));
      expect(report).toMatchObject({ learnsFrom: "pairs", examples: rows.length, truncated: 0 });
    });

    test("of pairs that are cut", async () => {
      const { context, rows: cut } = style.pairs.cut;
      const { examples, report } = await load(rows, { learnsFrom: "pairs", context, overlong: "truncate" });
      expect(examples.map(({ texts }) => texts.map(({ ids }) => [...ids]))).toEqual(
        cut.map((pair) => pair.map(({ ids }) => ids)),
      );
      expect(report.withoutLabels).toBe(rows.length - cut.length);
    });

    test("of unpaired answers, and of each with another's", async () => {
      const answers = (["chosen", "rejected"] as const).flatMap((side) =>
        rows.map(({ prompt, [side]: completion }) => ({ prompt, completion, label: side === "chosen" })),
      );
      const { context, examples: found } = style.unpaired;
      const expected = found.map(({ label, texts }) => ({ label, texts: texts.map(toText) }));
      const { examples, report } = await load(answers.slice(0, found.length), {
        learnsFrom: "unpaired",
        context,
      });
      expect(examples).toEqual(expected.map(({ label, texts: [own] }) => ({ label, texts: [own] })));
      expect(report).toMatchObject({ wanted: 3, truncated: 0, longest: context });
      const { batchSize } = golden;
      const ids = (texts: readonly TokenizedExample[]) => texts.map((text) => [...text.ids]);
      const mismatched = addMismatched(examples, batchSize, context);
      expect(mismatched.map(({ texts }) => ids(texts))).toEqual(expected.map(({ texts }) => ids(texts)));
      for (const [i, { texts, label }] of mismatched.entries()) {
        expect(label).toBe(expected[i]!.label);
        // What is cut has no end of a turn, after which this trains on nothing and TRL does.
        if (texts[1]!.ids.length < context) expect(texts[1]).toEqual(expected[i]!.texts[1]);
      }
    });
  },
);

describe("every form of a pair gives the same example", () => {
  const asked = { role: "user", content: "2+2?" };
  const [good, bad] = ["4", "5"].map((content) => ({ role: "assistant", content }));
  const forms: Record<string, object> = {
    texts: { prompt: "2+2?", chosen: "4", rejected: "5" },
    Alpaca: { instruction: "2+2?", input: "", output: "four", chosen: "4", rejected: "5" },
    "a question": { question: "2+2?", chosen: "4", rejected: "5" },
    messages: { prompt: [asked], chosen: [good], rejected: [bad] },
    "an implicit prompt": { chosen: [asked, good], rejected: [asked, bad] },
    "conversations beside their prompt": { prompt: "2+2?", chosen: [asked, good], rejected: [asked, bad] },
    "messages after a text": { prompt: "2+2?", chosen: [good], rejected: [bad] },
  };
  test.each(Object.entries(forms))("%s", async (name, form) => {
    const { examples, report } = await loadPairs([form, { ...form, weight: 0.5, system: "Add." }]);
    expect(examples.map((example) => renderExample(example, chat))).toEqual([
      "<|begin|><|turn|>user\n2+2?<|end|>\n<|turn|>assistant\n\n── chosen\n⟦4<|end|>⟧\n\n── rejected\n⟦5<|end|>⟧\n",
      "<|begin|><|turn|>system\nAdd.<|end|>\n<|turn|>user\n2+2?<|end|>\n<|turn|>assistant\n\n── chosen\n⟦4<|end|>⟧\n\n── rejected\n⟦5<|end|>⟧\n",
    ]);
    expect(examples.map(({ weight }) => weight)).toEqual([undefined, 0.5]);
    expect(report).toMatchObject({ examples: 2, weighted: 1, ignored: name === "Alpaca" ? ["output"] : [] });
    expect(renderReport(report)).toMatch(/^2 examples \(pairs\), /);
  });

  test("whole texts, which go through no chat template", async () => {
    const begin = "\n\nHuman: Hi\n\nAssistant:";
    const { examples } = await loadPairs([{ chosen: `${begin} Hello!`, rejected: `${begin} What?` }]);
    expect(renderExample(examples[0]!, chat)).toBe(
      `<|begin|>${begin}\n── chosen\n⟦ Hello!<|end|>⟧\n── rejected\n⟦ What?<|end|>⟧`,
    );
  });

  test("only the last answers of a conversation are trained on", async () => {
    const rows = [
      { instruction: "And 2+3?", history: [["2+2?", "4"]], chosen: "5", rejected: "6" },
      { chosen: [asked, good, asked, good, asked, good], rejected: [asked, good, asked, bad] },
    ];
    const found = await Promise.all(
      rows.map((row, i) =>
        loadDataset(write(`last-${i}.jsonl`, [row]), { tokenizer: chat, context: 512, learnsFrom: "pairs" }),
      ),
    );
    expect(found.map(({ examples }) => examples[0]!.texts.map(trainedText))).toEqual([
      ["5<|end|>", "6<|end|>"],
      ["4<|end|>4<|end|>", "5<|end|>"],
    ]);
  });
});

test("labels may be texts, as files of texts have them", async () => {
  const path = join(scratch, "labels.csv");
  writeFileSync(path, "prompt,completion,label,weight\n2+2?,4,True,\n2+2?,5,false,0.25\n");
  const { examples, report } = await loadDataset(path, {
    tokenizer: chat,
    context: 512,
    learnsFrom: "unpaired",
  });
  expect(examples).toMatchObject([{ label: true }, { label: false, weight: 0.25 }]);
  expect(renderReport(report)).toMatch(
    /^2 examples \(1 of them wanted\), .*\n.*\n1 examples have a weight of their own$/,
  );
});

test("what is cut and left out is told", async () => {
  const long = "a b c d e f g h i j k l m n o p q r s t u v w x y z";
  const rows = [
    { prompt: "2+2?", chosen: "4", rejected: long },
    { prompt: "2+2?", chosen: `${long} 4`, rejected: `${long} 5` },
    { prompt: long, chosen: "4", rejected: "5" },
  ];
  const { examples, report } = await loadPairs(rows, { context: 30, overlong: "truncate" });
  expect(examples).toHaveLength(1);
  expect(report).toMatchObject({ truncated: 3, cutAlike: 1, withoutLabels: 1, longest: 30 });
  expect(renderReport(report)).toContain(
    "\n3 examples were cut to the context\n1 examples were dropped: no token in the loss\n1 pairs were dropped: the same answers as far as the context goes",
  );
  expect(
    (
      await loadPairs([...rows, { prompt: "2+2?", chosen: "4", rejected: "5" }], {
        context: 30,
        overlong: "drop",
      })
    ).report,
  ).toMatchObject({ examples: 1, dropped: 3, truncated: 0 });
  await expect(loadPairs(rows, { context: 30 })).rejects.toThrow(
    /pairs\.jsonl, line 1: the longer answer with its prompt has \d+ tokens, more than the context of 30; raise "context", or set "overlong"/,
  );
});

describe("bad preference data end with one sentence", () => {
  const pair = { prompt: "2+2?", chosen: "4", rejected: "5" };
  const labelled = { prompt: "2+2?", completion: "4", label: true };
  const asked = { role: "user", content: "2+2?" };
  const said = { role: "assistant", content: "4" };
  const cases: [name: string, learnsFrom: ExampleKind, rows: readonly object[], reason: string][] = [
    [
      "equal sides",
      "pairs",
      [pair, { ...pair, rejected: "4" }],
      "line 2: the chosen and the rejected answer are the same",
    ],
    [
      "several equal sides",
      "pairs",
      Array(3).fill({ ...pair, rejected: "4" }),
      "line 1 (and on 2, 3): the chosen and",
    ],
    ["an empty answer", "pairs", [{ ...pair, rejected: " " }], 'line 1: the answer "rejected" is empty'],
    [
      "an empty message",
      "pairs",
      [{ ...pair, prompt: [asked], chosen: [{ ...said, content: "" }], rejected: [said] }],
      'the answer "chosen" is empty',
    ],
    [
      "an empty completion",
      "unpaired",
      [{ ...labelled, completion: "" }],
      'the answer "completion" is empty',
    ],
    ["no common beginning", "pairs", [{ chosen: [asked, said], rejected: [said] }], "do not begin alike"],
    [
      "another prompt",
      "pairs",
      [{ prompt: "1+1?", chosen: [asked, said], rejected: [asked, { ...said, content: "5" }] }],
      "is no message of the conversations",
    ],
    [
      "no answer",
      "pairs",
      [{ chosen: [asked, said], rejected: [asked, asked] }],
      "no message is the assistant's",
    ],
    [
      "unpaired under pairs",
      "pairs",
      [labelled],
      "line 1: the fields prompt, completion, label are single answers with a label, but pairs of a chosen and a rejected answer are wanted; use `--objective kto`",
    ],
    [
      "pairs under unpaired",
      "unpaired",
      [pair],
      "line 1: the fields prompt, chosen, rejected are pairs of a chosen and a rejected answer, but single answers with a label are wanted; use `--objective dpo`",
    ],
    [
      "no label",
      "unpaired",
      [{ prompt: "2+2?", completion: "4" }],
      "are answers that are all wanted, but single answers with a label are wanted; use `--objective sft`",
    ],
    ["texts under pairs", "pairs", [{ text: "Hi" }], "use `--objective sft`"],
    [
      "a lost label",
      "unpaired",
      [labelled, { ...labelled, label: null }],
      "line 2: the example is not of the format",
    ],
    ["another label", "unpaired", [{ ...labelled, label: 1 }], 'the field "label" is neither true nor false'],
    ["labels under texts", "texts", [labelled], "--objective kto"],
    [
      "a negative weight",
      "pairs",
      [{ ...pair, weight: -1 }],
      'line 1: the field "weight", which says how much the example counts, is not a number from 0 on',
    ],
    ["a weight in words", "texts", [{ text: "Hi", weight: "heavy" }], 'the field "weight"'],
    ["a weight that is too large", "unpaired", [{ ...labelled, weight: "1e999" }], 'the field "weight"'],
    ["a list of weights", "texts", [{ text: "Hi", weight: [1] }], 'the field "weight"'],
  ];
  test.each(cases)("%s", async (_, learnsFrom, rows, reason) => {
    const loaded = loadDataset(write("pairs.jsonl", rows), { tokenizer: chat, context: 512, learnsFrom });
    await expect(loaded).rejects.toThrow(InputError);
    await expect(loaded).rejects.toThrow(reason);
    await expect(loaded).rejects.toThrow(/pairs\.jsonl, line \d[^\n]*\.$/);
  });

  test("turns that are no single text", async () => {
    const onlyLast =
      "{% for m in messages %}<|turn|>{{ m.content if loop.last else '…' }}<|end|>{% endfor %}{% if add_generation_prompt %}<|turn|>{% endif %}";
    const rows = [{ prompt: [asked], chosen: [said, asked, said], rejected: [said] }];
    await expect(loadPairs(rows, { tokenizer: { ...chat, chatTemplate: onlyLast } })).rejects.toThrow(
      "pairs.jsonl, line 1: the answer has several turns, which the chat template prints differently when others follow",
    );
  });

  test("all tokens of preferences", async () => {
    await expect(loadPairs([pair], { trainOn: "all" })).rejects.toThrow('set "train_on" to completion');
  });
});
