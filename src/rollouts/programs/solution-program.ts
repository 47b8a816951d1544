/** @file Worked solutions as Python programs: GSM8K's annotated calculations (Cobbe et al. 2021, appendix C), one assignment each. */

/** A calculation of a solution, as `<<48/2=24>>` marks it. */
interface Calculation {
  readonly expression: string;
  /** What the solution says that it gives. */
  readonly value: number;
  /** The words of its sentence behind the value, and before the calculation. */
  readonly after: string;
  readonly before: string;
}

/**
 * The program of a solution: an assignment for each annotated calculation, named by the words around it, and a print of the last one. A
 * number that one earlier calculation gave, and that is not in the question, stands there by that name.
 *
 * @returns undefined if there is no annotation, or one is no arithmetic
 *
 * @example
 * const question = "Natalia sold clips to 48 friends in April, and half as many in May. How many altogether?";
 * console.log(toProgram(question, "In May she sold 48/2 = <<48/2=24>>24 clips.\nThat is 48+24 = <<48+24=72>>72 clips."));
 * // clips = 48 / 2
 * // clips_2 = 48 + clips
 * // print(clips_2)
 */
export function toProgram(question: string, solution: string): string | undefined {
  const calculations = listCalculations(solution);
  if (!calculations || calculations.length === 0) return undefined;
  const asked = new Set(listNumbers(question));
  /** Nothing where several calculations gave the same, so that no one knows which is meant. */
  const names = new Map<number, string | undefined>();
  const taken = new Set<string>();
  const lines: string[] = [];
  for (const calculation of calculations) {
    const expression = toPython(calculation.expression, (number) =>
      asked.has(number) ? undefined : names.get(number),
    );
    if (expression === undefined) return undefined;
    const name = nameResult(calculation, taken);
    lines.push(`${name} = ${expression}`);
    names.set(calculation.value, names.has(calculation.value) ? undefined : name);
  }
  return [...lines, `print(${[...taken].at(-1)})`].join("\n");
}

/** A solution without its annotations, which are for a calculator, and cost tokens. */
export function withoutAnnotations(solution: string): string {
  return solution.replaceAll(/<<[^<>]*>>/g, "");
}

function listCalculations(solution: string): Calculation[] | undefined {
  const calculations: Calculation[] = [];
  for (const match of solution.matchAll(/<<([^<>]*)>>/g)) {
    const [expression, ...values] = match[1]!.split("=");
    const value = parseNumber(values.at(-1) ?? "");
    if (expression === undefined || value === undefined) return undefined;
    const rest = solution.slice(match.index + match[0].length);
    const begun = solution.slice(0, match.index).split(/[\n.!?](?:\s|$)/);
    calculations.push({
      expression,
      value,
      after: /^[\s$]*-?[\d.,]*%?([^\n.,;:!?()=<\d]*)/.exec(rest)![1]!,
      before: begun.at(-1)!.split(/[\d$(]/)[0]!,
    });
  }
  return calculations;
}

/** An expression of the annotation in Python; undefined if it is none. @param nameOf the variable that stands for a number */
function toPython(expression: string, nameOf: (number: number) => string | undefined): string | undefined {
  const tokens =
    expression.replaceAll(/\s|\$/g, "").match(/\d[\d,]*(?:\.\d*)?|\.\d+|[-+*/()%x×÷^]|[\s\S]/g) ?? [];
  let python = "";
  let depth = 0;
  /** Whether an operand stands before. */
  let isOperand = false;
  for (const token of tokens) {
    const number = parseNumber(token);
    const opens = number !== undefined || token === "(";
    if (opens && isOperand) python += " * ";
    if (number !== undefined) python += nameOf(number) ?? String(number);
    else if (token === "(") python += "(";
    else if (token === ")" && isOperand && depth > 0) python += ")";
    else if (token === "%" && isOperand) python += " / 100";
    else if (token === "-" && !isOperand) python += "-";
    else if (token === "+" && !isOperand) continue;
    else if (Object.hasOwn(operators, token) && isOperand) python += ` ${operators[token]} `;
    else return undefined;
    if (token === "(") depth++;
    if (token === ")") depth--;
    isOperand = number !== undefined || token === ")" || token === "%";
  }
  return isOperand && depth === 0 ? python : undefined;
}

const operators: Readonly<Record<string, string>> = {
  "+": "+",
  "-": "-",
  "*": "*",
  x: "*",
  "×": "*",
  "/": "/",
  "÷": "/",
  "^": "**",
};

/** A number as people write it: "1,000", ".5", "$20", "5%". */
function parseNumber(text: string): number | undefined {
  const digits = text.replaceAll(/[\s$,%]/g, "");
  return /^-?(?:\d+\.?\d*|\.\d+)$/.test(digits) ? Number(digits) : undefined;
}

function listNumbers(text: string): number[] {
  return (text.match(/\d[\d,]*(?:\.\d+)?|\.\d+/g) ?? []).flatMap((number) => parseNumber(number) ?? []);
}

/** A variable that is not taken yet, which it then is. */
function nameResult({ after, before }: Calculation, taken: Set<string>): string {
  const words = [wordsOf(after).slice(0, 3), wordsOf(before).slice(-3)].map(trimFillers);
  const wanted = words.find(({ length }) => length > 0)?.join("_") ?? "result";
  const base = reserved.has(wanted) ? `${wanted}_` : wanted;
  let name = base;
  for (let count = 2; taken.has(name); count++) name = `${base}_${count}`;
  taken.add(name);
  return name;
}

function wordsOf(text: string): string[] {
  return (
    text
      .toLowerCase()
      .replaceAll(/'\w+/g, "")
      .match(/[a-z]+/g) ?? []
  );
}

/** Without words at both ends that say nothing by themselves. */
function trimFillers(words: readonly string[]): string[] {
  const start = words.findIndex((word) => !fillers.has(word));
  return start < 0 ? [] : words.slice(start, words.findLastIndex((word) => !fillers.has(word)) + 1);
}

const fillers = new Set(
  "a an the of in on at to for from by with and or so then that this these those is are was were be been there it its he she they her his their him them has have had a each per x as only will would which if".split(
    " ",
  ),
);

/** Keywords of Python, and functions that a program may call. */
const reserved = new Set(
  "and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield print sum min max round int float len list set dict range abs all any next id type".split(
    " ",
  ),
);
