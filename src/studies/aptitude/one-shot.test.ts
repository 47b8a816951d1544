import { expect, test } from "vitest";
import { problem, scriptedWriter, solve } from "../../reasoning/scripted-writer.fixture.ts";
import { answerAfter, scoreAfter } from "./one-shot.ts";
import type { Pair } from "./pairs.ts";

const pairOf = (id: string, words: string, program: string): Pair => ({
  ...{ id, words, program },
  ...{ question: `Question ${id}?`, gold: "7" },
});
const example = pairOf(
  "q",
  "It is 5.\n#### 5",
  "```python\nprint(5)\n```\n```output\n5\n```\nThe answer is \\boxed{5}.",
);
const asked = pairOf(
  "a",
  "3 + 4 = 7\n#### 7",
  "```python\nprint(3 + 4)\n```\n```output\n7\n```\nThe answer is \\boxed{7}.",
);
const trial = () => ({ asked, example });

test("a question is answered after a solved one in the manner that is measured", async () => {
  for (const manner of ["words", "program"] as const) {
    const writer = scriptedWriter(() => "#### 7");
    const { solution } = await solve(answerAfter(manner, trial), writer, { instruction: "Think." });
    expect(solution.answer).toBe("7");
    expect(writer.asked[0]!.messages).toEqual([
      { role: "user", content: "Question q?\nThink." },
      { role: "assistant", content: example[manner] },
      { role: "user", content: `${problem.question}\nThink.` },
    ]);
  }
});

test("programs are run where they are measured, and their rounds begin with the same example", async () => {
  const writer = scriptedWriter(({ begun }) =>
    begun?.[0] === "" ? "```python\nprint(3 + 4)\n```\n" : "The answer is \\boxed{7}.",
  );
  const runner = { run: async () => ({ runner: "monty", stdout: "7\n", reason: "ok" }) as const };
  const { solution } = await solve(answerAfter("program", trial), writer, {}, { runner });
  expect(solution).toMatchObject({ answer: "7", details: { programs: 1 } });
  expect(writer.asked.map(({ messages }) => messages.length)).toEqual([3, 3]);
  expect(writer.asked[1]!.after).toBe("```python\nprint(3 + 4)\n```\n```output\n7\n```\n");
});

test("the likelihood of a solution is a mean over its tokens, without what a program printed", async () => {
  const scored: [string, string][] = [];
  const writer = scriptedWriter(() => "");
  const score = async ({ begun }: { begun?: readonly unknown[] }, text: string) => {
    scored.push([String(begun), text]);
    return { logprob: -text.length, tokens: 2, seconds: 0 };
  };
  const words = await solve(scoreAfter("words", trial), { ...writer, score });
  expect(words.solution.details).toEqual({ logprob: -asked.words.length / 2 });
  expect(scored).toEqual([["", asked.words]]);
  scored.length = 0;
  const program = await solve(scoreAfter("program", trial), { ...writer, score });
  const [first, last] = ["```python\nprint(3 + 4)\n```\n```output", "The answer is \\boxed{7}."];
  expect(scored).toEqual([
    ["", first],
    [`${first}\n7\n\`\`\`\n`, last],
  ]);
  expect(program.solution.details).toEqual({ logprob: -(first.length + last.length) / 4 });
});
