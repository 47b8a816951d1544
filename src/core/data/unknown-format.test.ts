import { expect, test } from "vitest";
import { createExampleReader } from "./example.ts";

function readError(fields: Record<string, unknown>): string {
  try {
    createExampleReader("data.csv")({ fields, line: 2 });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it was read");
}

const turns = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
];
const shared = [
  { from: "human", value: "Hi" },
  { from: "gpt", value: "Hello" },
];

function parseOption(option: string): Record<string, string> {
  const pairs = option.replaceAll('"', "").split(",");
  return Object.fromEntries(pairs.map((pair) => pair.split("=")));
}

test.each<[fields: Record<string, unknown>, option: string]>([
  [{ frage: "2+2?", antwort: "4" }, "question=frage,answer=antwort"],
  [{ id: "7", Antwort: "4", Frage: "2+2?" }, "question=Frage,answer=Antwort"],
  [{ input: "2+2?", response: "4", source: "x" }, "question=input,answer=response"],
  [
    { user_message: "2+2?", assistant_message: "4", date: "x" },
    "question=user_message,answer=assistant_message",
  ],
  [{ "Meine Frage": "2+2?", Antwort: "4" }, '"question=Meine Frage,answer=Antwort"'],
  [{ left: "2+2?", right: "4", score: 3 }, "question=left,answer=right"],
  [{ story: "Once", id: 1 }, "text=story"],
  [{ dialog: turns, id: "1" }, "messages=dialog"],
  [{ chat: shared }, "conversations=chat"],
])("of %j an option is given that reads them", (fields, option) => {
  const message = readError(fields);
  expect(message).toMatch(/^data\.csv, line 2: the fields .* fit no known format; say which is which: /);
  expect(message.endsWith(`: \`--fields ${option}\`.`), message).toBe(true);
  expect(createExampleReader("", parseOption(option))({ fields, line: 1 }).line).toBe(1);
});

test.each<[fields: Record<string, unknown>, option: string]>([
  [{ prompt: "2+2?", chosen: "4", rejected: "5" }, "prompt=prompt,completion=chosen"],
  [{ question: "2+2?", chosen: "4", rejected: "5", margin: 1 }, "prompt=question,completion=chosen"],
  [{ prompt: [turns[0]], chosen: [turns[1]], rejected: [turns[1]] }, "prompt=prompt,completion=chosen"],
  [{ prompt: "Hi", chosen: turns, rejected: turns, score: 1 }, "messages=chosen"],
  [{ chosen: turns, rejected: turns }, "messages=chosen"],
  [{ chosen: "Human: Hi", rejected: "Human: Ho" }, "text=chosen"],
])("preference data %j are recognized", (fields, option) => {
  expect(readError(fields)).toBe(
    `data.csv, line 2: the fields ${Object.keys(fields).join(", ")} are preference data, from which supervised tuning does not learn what is worse; learn from both answers with \`--objective dpo\`, or train on the chosen ones alone with \`--fields ${option}\`.`,
  );
  expect(createExampleReader("", parseOption(option))({ fields, line: 1 }).line).toBe(1);
});

test("where nothing can be guessed, the formats are named", () => {
  expect(readError({ x: "1", y: "2", z: "3" })).toMatch(
    /line 2: the fields x, y, z fit no known format; map them with --fields to those of one of: messages \(messages\); .*\.$/,
  );
  expect(readError({ "a,b": "1", "c=d": "2" })).toMatch(/map them with --fields/);
  expect(readError({ question: "2+2?", answer: null })).toBe(
    'data.csv, line 2: the field answer is null, which an example of the format "question and answer" needs.',
  );
});
