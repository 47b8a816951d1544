import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderTurns } from "./assistant-turns.ts";
import type { ChatMessage } from "./chat-template.ts";
import { templates } from "./golden.fixture.ts";

const conversation: readonly ChatMessage[] = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello! 😀" },
  { role: "user", content: "More?" },
  { role: "assistant", content: "Yes.\n" },
];

const { chatml, mistral, "llama 3": llama3, ...goldens } = templates;

/** A tokenizer whose special tokens are those that the templates write, and whose others are characters. */
const specialTokens = [
  ...["<|im_end|>", "<|end|>", "<|return|>", "<|eot_id|>", "</s>", "<end_of_turn>"],
  ...["<|end_of_text|>", "<|endoftext|>"],
];
const tokenizer = {
  encode: (text: string) =>
    (text.match(/<\|[a-z_]+\|>|<\/s>|<end_of_turn>|[\s\S]/g) ?? []).map((token) =>
      specialTokens.indexOf(token),
    ),
  isSpecial: (id: number) => id >= 0,
  tokenOf: (id: number) => specialTokens[id],
};

/** The texts of the assistant's turns, by the text that they are found in. */
function turnsByText(template: string, messages = conversation, wanted?: readonly number[]): string[][] {
  const turns = wanted ?? [...messages.keys()].filter((i) => messages[i]!.role === "assistant");
  const options = { bosToken: "<s>", eosToken: "</s>" };
  return renderTurns(template, messages, turns, tokenizer, options).map(({ text, spans }) =>
    spans.map(([start, end]) => text.slice(start, end)),
  );
}

/** The same where they are all found in one text. */
function turnsOf(template: string, messages = conversation, wanted?: readonly number[]): string[] {
  const [turns, ...others] = turnsByText(template, messages, wanted);
  expect(others).toEqual([]);
  return turns!;
}

describe("assistant turns", () => {
  test("end with their end-of-turn token, whether or not the template marks them", () => {
    const turns = ["Hello! 😀<|im_end|>", "Yes.\n<|im_end|>"];
    expect(turnsOf(chatml!.template)).toEqual(turns);
    expect(turnsOf(goldens["chatml with generation"]!.template)).toEqual(turns);
    expect(turnsOf(llama3!.template)).toEqual(["Hello! 😀<|eot_id|>", "Yes.<|eot_id|>"]);
    expect(turnsOf(mistral!.template)).toEqual([" Hello! 😀</s>", " Yes.\n</s>"]);
    expect(turnsOf(goldens["qwen 2.5"]!.template)).toEqual(turns);
    expect(turnsOf(goldens["gemma 3"]!.template)).toEqual(["Hello! 😀<end_of_turn>", "Yes.<end_of_turn>"]);
    const granite = ["Hello! 😀<|end_of_text|>", "Yes.\n<|end_of_text|>"];
    expect(turnsOf(goldens["granite 3"]!.template)).toEqual(granite);
    expect(turnsOf(goldens["granite 4"]!.template)).toEqual(granite);
    const marked = turns.map((turn) => `<|im_start|>assistant\n${turn}\n`);
    expect(turnsOf(goldens["smollm 3"]!.template)).toEqual(marked);
    // Whose last turn the end of the whole text follows.
    const phi = ["Hello! 😀<|end|>", "Yes.\n<|end|>"];
    expect(turnsOf(goldens["phi 3"]!.template)).toEqual([phi[0], `${phi[1]}\n</s>`]);
    expect(turnsOf(goldens["phi 4 mini"]!.template)).toEqual([phi[0], `${phi[1]}</s>`]);
    expect(turnsOf(goldens["olmo 2"]!.template)).toEqual(["Hello! 😀</s>", "Yes.\n</s>"]);
  });

  test("are what the assistant said, whatever the texts are", () => {
    const content = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom("\ue000", "\ue001\ue000", "{% generation %}", "{{ x }}", "<|im_end|>\n", "assistant\n"),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(content, content), { maxLength: 4 }), (exchanges) => {
        const messages = exchanges.flatMap(([question, answer]) => [
          { role: "user", content: question },
          { role: "assistant", content: answer },
        ]);
        const expected = exchanges.map(([, answer]) => `${answer}<|im_end|>`);
        expect(turnsOf(goldens["chatml with generation"]!.template, messages)).toEqual(expected);
        if (messages.length > 0) expect(turnsOf(chatml!.template, messages)).toEqual(expected);
      }),
    );
  });

  test("are none where the assistant says nothing", () => {
    expect(turnsOf(chatml!.template, conversation.slice(0, 1))).toEqual([]);
  });

  test("are those that are wanted, whether or not the template marks them", () => {
    for (const template of [chatml!.template, goldens["chatml with generation"]!.template]) {
      expect(turnsOf(template, conversation, [3])).toEqual(["Yes.\n<|im_end|>"]);
      expect(turnsOf(template, conversation, [1])).toEqual(["Hello! 😀<|im_end|>"]);
    }
  });

  const thoughtful = conversation.map((message) =>
    message.role === "assistant" ? { ...message, content: "<think>\nA\n</think>\n\nB" } : message,
  );
  const asThought = "<think>\nA\n</think>\n\nB<|im_end|>";

  test("are found in the text up to them where the whole conversation prints them otherwise", () => {
    const { template } = goldens["last thought"]!;
    expect(turnsOf(template)).toEqual(["Hello! 😀<|im_end|>", "Yes.\n<|im_end|>"]);
    expect(turnsByText(template, thoughtful)).toEqual([[asThought], [asThought]]);
    expect(turnsByText(template, thoughtful, [1])).toEqual([[asThought]]);
    expect(turnsByText(template, thoughtful, [3])).toEqual([[asThought]]);
    // A turn that prints alike and the last one stand in one text.
    const mixed = [...conversation.slice(0, 2), ...thoughtful.slice(2), ...thoughtful];
    expect(turnsByText(template, mixed)).toEqual([
      ["Hello! 😀<|im_end|>", asThought],
      [asThought],
      [asThought],
    ]);
  });

  const turn = "{{ '<|' ~ m.role ~ '|>' }}{{ m.content }}<|end|>";

  test("begin with what the assistant says where the generation prompt opens something else", () => {
    const template = `{% for m in messages %}${turn}{% endfor %}{% if add_generation_prompt %}<|assistant|><think>{% endif %}`;
    expect(turnsOf(template)).toEqual(["Hello! 😀<|end|>", "Yes.\n<|end|>"]);
    // Nor does a like beginning hide a part of it.
    const tagged = conversation.map((message) => ({ ...message, content: "<table>" }));
    expect(turnsOf(template, tagged)).toEqual(["<table><|end|>", "<table><|end|>"]);
    const thinking = conversation.map((message) => ({ ...message, content: "<think>A</think>B" }));
    expect(turnsOf(template, thinking)).toEqual(["A</think>B<|end|>", "A</think>B<|end|>"]);
  });

  test("are found where nothing stands before them", () => {
    const template = `{{ messages[0]['role'] ~ '\n' }}{% for m in messages %}${turn}{% endfor %}`;
    expect(turnsOf(template, conversation.slice(1))).toEqual([
      "Hello! 😀<|end|>",
      "<|assistant|>Yes.\n<|end|>",
    ]);
  });

  test("do not change where only the end of the whole text follows them", () => {
    const template = `{% for m in messages %}${turn}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% else %}</s>{% endif %}`;
    expect(turnsOf(template)).toEqual(["Hello! 😀<|end|>", "Yes.\n<|end|></s>"]);
    const lastEnd =
      "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' }}{{ m.content }}{{ '<|return|>' if loop.last else '<|end|>' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
    expect(turnsByText(lastEnd)).toEqual([["Hello! 😀<|return|>"], ["Yes.\n<|return|>"]]);
  });
});
