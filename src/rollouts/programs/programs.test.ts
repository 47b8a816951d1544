import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { CodeRunner } from "../../sandbox/code-runner.ts";
import { toProgram } from "./solution-program.ts";
import { writePrograms } from "./write-programs.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-programs-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const program = (solution: string, question = "") => toProgram(question, solution)?.split("\n");

describe("programs of solutions", () => {
  test("have an assignment for each calculation, named by the words behind it or before it", () => {
    expect(
      program(
        "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72",
        "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
      ),
    ).toEqual(["clips_in_may = 48 / 2", "clips_altogether = 48 + clips_in_may", "print(clips_altogether)"]);
    expect(program("Betty has only 100 / 2 = $<<100/2=50>>50. So <<50*2=100>>100")).toEqual([
      "betty = 100 / 2",
      "result = betty * 2",
      "print(result)",
    ]);
    expect(program("<<1+1=2>>2 pens. <<2+1=3>>3 pens. <<4+1=5>>5 in all, <<3+1=4>>4 range")).toEqual([
      "pens = 1 + 1",
      "pens_2 = pens + 1",
      "all_ = 4 + 1",
      "range_ = pens_2 + 1",
      "print(range_)",
    ]);
  });

  test("keep the numbers of the question, and those that several calculations gave", () => {
    expect(program("<<2*3=6>>6 eggs, <<6+1=7>>7 hens", "There were 6 hens.")![1]).toBe("hens = 6 + 1");
    expect(program("<<2*3=6>>6 eggs, <<5+1=6>>6 hens, <<6*2=12>>12 legs")![2]).toBe("legs = 6 * 2");
  });

  test.each([
    ["20%*$1,000", "20 / 100 * 1000"],
    [".5*(3+4)", "0.5 * (3 + 4)"],
    ["2(3+4)x2", "2 * (3 + 4) * 2"],
    ["-3--4", "-3 - -4"],
    ["+1+2^3", "1 + 2 ** 3"],
    ["007÷2", "7 / 2"],
  ])("%s is %s", (expression, python) => {
    expect(program(`<<${expression}=1>>`)![0]).toBe(`result = ${python}`);
  });

  test.each(["2+", "(2", "2)", "*2", "2y", "2**3", "", "__import__('os')", "2;3"])(
    "%s is no arithmetic",
    (expression) => {
      expect(program(`<<${expression}=1>>1`)).toBeUndefined();
    },
  );

  test("there is none without annotations, or of one without its value", () => {
    expect(program("48/2 = 24")).toBeUndefined();
    expect(program("<<48/2>>24")).toBeUndefined();
    expect(program("<<48/2=x>>24")).toBeUndefined();
  });
});

/** Programs of assignments and a print are JavaScript but for their keywords. */
const runner: Pick<CodeRunner, "run"> = {
  async run(code) {
    if (code.includes("/ 0"))
      return { runner: "monty", stdout: "", error: "ZeroDivisionError", reason: "error" };
    const script = code.replaceAll(/^(?=\w+ =)/gm, "const ").replace(/print\((\w+)\)/, "return $1");
    return { runner: "monty", stdout: `${new Function(script)()}\n`, reason: "ok" };
  },
};

test("programs are kept that give the right answer, in the form of the loop of tools", async () => {
  const data = join(scratch, "data.jsonl");
  const out = join(scratch, "out", "programs.jsonl");
  const rows = [
    { question: "How many?", answer: "There are 5*2 = <<5*2=10>>10 eggs.\n#### 10" },
    { question: "And now?", answer: "So 10 + 1 = 11.\n#### 11" },
    { question: "Rounded?", answer: "<<10/3=3>>3 each\n#### 3" },
    { question: "By none?", answer: "<<10/0=0>>0 each\n#### 0" },
  ];
  writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  expect(await writePrograms({ data, out, runner, instruction: "Use Python." })).toEqual({
    data,
    problems: 4,
    rows: 1,
    leftOut: {
      "without calculations that can be read": 1,
      "with a program that fails": 1,
      "with another result than the right answer": 1,
    },
  });
  expect(JSON.parse(readFileSync(out, "utf8"))).toEqual({
    question: "How many?\nUse Python.",
    answer: "```python\neggs = 5 * 2\nprint(eggs)\n```\n```output\n10\n```\nThe answer is \\boxed{10}.",
  });
  writeFileSync(data, JSON.stringify(rows[1]));
  await expect(writePrograms({ data, out, runner })).rejects.toThrow(
    "became a program that gives its answer",
  );
});
