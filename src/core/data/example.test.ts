import { describe, expect, test } from "vitest";
import { createExampleReader, type Example, type FieldMapping } from "./example.ts";

function read(fields: Record<string, unknown>, mapping?: FieldMapping): Example {
  return createExampleReader("data.jsonl", mapping)({ fields, line: 7 });
}

const user = { role: "user", content: "2+2?" };
const assistant = { role: "assistant", content: "4" };
const call = { id: "a1", type: "function", function: { name: "add", arguments: { a: 2, b: 2 } } };
const tools = [{ type: "function", function: { name: "add", parameters: {} } }];

describe("a message keeps what templates read", () => {
  const cases: [name: string, given: object, read: object][] = [
    ["calls without content", { content: null, tool_calls: [call] }, { tool_calls: [call] }],
    ["calls beside content", { content: "", tool_calls: [call] }, { content: "", tool_calls: [call] }],
    ["no calls", { content: "4", tool_calls: [] }, { content: "4" }],
    ["calls that are null", { content: "4", tool_calls: null }, { content: "4" }],
    ["calls as JSON", { tool_calls: JSON.stringify([call]) }, { tool_calls: [call] }],
    [
      "arguments as JSON",
      { tool_calls: [{ ...call, function: { name: "add", arguments: '{"a":2,"b":2}' } }] },
      { tool_calls: [call] },
    ],
    [
      "no arguments",
      { tool_calls: [{ function: { name: "now", arguments: "" } }] },
      { tool_calls: [{ function: { name: "now", arguments: {} } }] },
    ],
    [
      "calls without a wrapper",
      { tool_calls: [{ name: "add", arguments: "{}" }] },
      { tool_calls: [{ name: "add", arguments: {} }] },
    ],
    [
      "thoughts",
      { content: "4", reasoning_content: "Two twos." },
      { content: "4", reasoning_content: "Two twos." },
    ],
    [
      "thoughts by another name",
      { content: "4", thinking: "Two twos." },
      { content: "4", thinking: "Two twos." },
    ],
    [
      "parts",
      {
        content: [
          { type: "text", text: "4", image: null },
          { type: "text", text: "!" },
        ],
      },
      {
        content: [
          { type: "text", text: "4" },
          { type: "text", text: "!" },
        ],
      },
    ],
    ["a name", { content: "4", name: "Ann" }, { content: "4", name: "Ann" }],
    ["that it is trained on", { content: "4", weight: 1, train: true }, { content: "4" }],
  ];
  test.each(cases)("%s", (_, given, expected) => {
    const { messages, maskedMessages } = read({ messages: [user, { role: "assistant", ...given }] });
    expect(messages).toEqual([user, { role: "assistant", ...expected }]);
    expect(maskedMessages).toEqual([]);
  });

  test("what a tool returned, with the call that it answers", () => {
    const answers = [
      { role: "tool", tool_call_id: "a1", name: "add", content: "4" },
      { role: "tool", content: { sum: 4 } },
    ];
    const messages = [user, { role: "assistant", tool_calls: [call] }, ...answers, assistant];
    expect(read({ messages }).messages).toEqual(messages);
  });
});

test.each([{ weight: 0 }, { weight: 0n }, { train: false }, { training: false }, { loss: false }])(
  "a message with %o is not trained on",
  (field) => {
    const messages = [user, { ...assistant, ...field }, user, assistant];
    expect(read({ messages })).toMatchObject({
      messages: [user, assistant, user, assistant],
      maskedMessages: [1],
    });
    expect(read({ messages, system: "Add." }).maskedMessages).toEqual([2]);
    expect(read({ prompt: [user], completion: messages.slice(1) }).maskedMessages).toEqual([1]);
  },
);

test("ShareGPT's roles are those of chats, with calls of tools and what they return", () => {
  const called = JSON.stringify({ name: "add", arguments: { a: 2, b: 2 } });
  const conversations = [
    { from: "system", value: "Add." },
    { from: "human", value: "2+2?" },
    { from: "function_call", value: called },
    { from: "observation", value: "4" },
    { from: "gpt", value: "Four", train: false },
  ];
  expect(read({ conversations, tools: JSON.stringify(tools) })).toMatchObject({
    messages: [
      { role: "system", content: "Add." },
      user,
      { role: "assistant", content: "", tool_calls: [{ name: "add", arguments: { a: 2, b: 2 } }] },
      { role: "tool", content: "4" },
      { role: "assistant", content: "Four" },
    ],
    maskedMessages: [4],
    tools,
  });
  // Some files have OpenAI's messages under ShareGPT's name.
  expect(read({ conversations: [user, assistant] }).messages).toEqual([user, assistant]);
  expect(read({ conversations: JSON.stringify([user, assistant]) }).messages).toEqual([user, assistant]);
});

describe("a row's system message, tools and variables of the template are part of its conversation", () => {
  const rows: Record<string, Record<string, unknown>> = {
    messages: { messages: [user, assistant] },
    ShareGPT: {
      conversations: [
        { from: "human", value: "2+2?" },
        { from: "gpt", value: "4" },
      ],
    },
    "prompt and completion": { prompt: "2+2?", completion: "4" },
    "lists of messages": { prompt: [user], completion: [assistant] },
    Alpaca: { instruction: "2+2?", output: "4" },
    "question and answer": { question: "2+2?", answer: "4" },
  };
  test.each(Object.entries(rows))("%s", (_, row) => {
    const system = { role: "system", content: "Add." };
    for (const name of ["system", "system_prompt"]) {
      const { messages, plain } = read({ ...row, [name]: "Add." });
      expect(messages).toEqual([system, user, assistant]);
      if (plain) expect(plain.prompt).toMatch(/^Add\.\n\n/);
    }
    const variables = { enable_thinking: false };
    for (const encode of [(value: unknown) => value, JSON.stringify]) {
      const given = { ...row, tools: encode(tools), chat_template_kwargs: encode(variables) };
      expect(read(given)).toMatchObject({ messages: [user, assistant], tools, variables });
      // A text could not hold them.
      expect(read(given).plain).toBeUndefined();
    }
    const empty = { ...row, system: "", tools: "", chat_template_kwargs: null };
    expect(read(empty)).toEqual({ ...read(row) });
  });

  test("once, where the conversation has it too", () => {
    const messages = [{ role: "system", content: "Add." }, user, assistant];
    expect(read({ messages, system: "Add." }).messages).toEqual(messages);
    expect(() => read({ messages, system: "Subtract." })).toThrow(
      'data.jsonl, line 7: the conversation has a system message of its own beside the field "system"; leave out one of them.',
    );
  });

  test("under another name", () => {
    const row = { ask: "2+2?", reply: "4", role_play: "Add." };
    const mapping = { question: "ask", answer: "reply", system: "role_play" };
    expect(read(row, mapping)).toMatchObject({
      messages: [{ role: "system", content: "Add." }, user, assistant],
      ignoredFields: [],
    });
  });
});

test("Alpaca's history goes before", () => {
  const row = { instruction: "2+2?", output: "4", history: [["1+1?", "2"]] };
  const { messages, plain } = read(row);
  expect(messages).toEqual([
    { role: "user", content: "1+1?" },
    { role: "assistant", content: "2" },
    user,
    assistant,
  ]);
  expect(plain).toBeUndefined();
  expect(read({ ...row, history: [] })).toEqual(read({ ...row, history: null }));
});

test("fields that are not used are named, unless they say nothing", () => {
  const row = { id: 3, question: "2+2?", answer: "4", source: "web", note: "", more: null, list: [] };
  expect(read(row).ignoredFields).toEqual(["id", "source"]);
  expect(read(row, { prompt: "question", completion: "source" }).ignoredFields).toEqual(["id", "answer"]);
  expect(read({ text: "a", code: "b" }).ignoredFields).toEqual(["code"]);
});

describe("what cannot be trained on is refused", () => {
  const withMessage = (message: object) => ({ messages: [user, { ...assistant, ...message }] });
  const image = [{ type: "image_url", image_url: { url: "a.png" } }];
  const cases: [name: string, row: Record<string, unknown>, reason: string][] = [
    ["an image", withMessage({ content: image }), 'message 2 has a part of the type "image_url"'],
    ["a weight", withMessage({ weight: 0.5 }), "message 2 has the weight 0.5; it can be 0 or 1"],
    ["a train", withMessage({ train: "no" }), 'message 2 has the train "no"; it can be true or false'],
    ["both", withMessage({ weight: 0, train: true }), "says different things by weight and train"],
    ["details", withMessage({ train_detail: [] }), 'has the field "train_detail", which trains on parts'],
    ["an old call", withMessage({ function_call: {} }), 'write it as "tool_calls"'],
    [
      "a bad call",
      withMessage({ tool_calls: [{ function: { name: "f", arguments: "{" } }] }),
      "are not valid JSON",
    ],
    ["a nameless call", withMessage({ tool_calls: [{ function: {} }] }), "without the name of a function"],
    ["no content", withMessage({ content: null }), 'a message lacks its "role" or "content"'],
    ["a number", withMessage({ content: 4 }), "neither a text nor a list of parts"],
    [
      "a user",
      { messages: [{ ...user, weight: 1 }, assistant] },
      "message 1 is to be trained on, but it is not",
    ],
    ["two systems", { messages: [user, assistant], system: "a", system_prompt: "b" }, "say different things"],
    ["images", { messages: [user, assistant], images: ["a.png"] }, 'the field "images" is no text'],
    ["functions", { messages: [user, assistant], functions: [{}] }, 'the old form of "tools"'],
    ["bad tools", { messages: [user, assistant], tools: "add" }, 'the field "tools" is not a list'],
    ["tools by name", { messages: [user, assistant], tools: ["add"] }, "is not a list of JSON schemas"],
    ["bad variables", { messages: [user, assistant], chat_template_kwargs: [1] }, "is not an object"],
    [
      "taken variables",
      { messages: [user, assistant], chat_template_kwargs: { tools } },
      'cannot set "tools"',
    ],
    ["a judged completion", { prompt: "a", completion: "b", label: false }, "is for preference tuning"],
    ["a bad history", { instruction: "a", output: "b", history: [["a"]] }, "not a list of pairs"],
    ["a text with a system", { text: "a", system: "b" }, 'the field "system" is for conversations'],
  ];
  test.each(cases)("%s", (_, row, reason) => {
    expect(() => read(row)).toThrow(reason);
    expect(() => read(row)).toThrow(/^data\.jsonl, line 7: /);
  });
});
