import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalAnswers } from "./equal-answers.ts";

const { raw } = String;

/** Made by math-verify; see reference/math_answers.py. */
const golden: { pairs: [given: string, gold: string, isEqual: boolean][] } = JSON.parse(
  readFileSync("fixtures/math-answers.json", "utf8"),
);

/** Pairs that math-verify judges otherwise, by the reason. */
const disagreements: Readonly<Record<string, readonly (readonly [given: string, gold: string])[]>> = {
  "equal: it does not read plain words after a number, but some": [
    [raw`18 dollars`, raw`18`],
    [raw`18 miles per hour`, raw`18`],
    [raw`18 cm^2`, raw`18`],
    [raw`18 m/s`, raw`18`],
    [raw`452 dollars`, raw`452`],
    [raw`88 dollars`, raw`88`],
    [raw`90 dollars`, raw`90`],
    [raw`6 dollars`, raw`6`],
    [raw`1430 dollars`, raw`1430`],
    [raw`320 dollars`, raw`320`],
    [raw`95 dollars`, raw`95`],
  ],
  "equal: it reads e as Euler's number": [
    [raw`1.5e3`, raw`1500`],
    [raw`6.02 \times 10^{23}`, raw`6.02e23`],
    [raw`6.700000e+01`, raw`67`],
    [raw`3.000000e+00`, raw`3`],
    [raw`3.900000e+02`, raw`390`],
    [raw`3.000000e+01`, raw`30`],
    [raw`1.300000e+01`, raw`13`],
    [raw`1.000000e+02`, raw`100`],
    [raw`7.000000e+01`, raw`70`],
    [raw`2.700000e+01`, raw`27`],
    [raw`2.550000e+02`, raw`255`],
    [raw`3.100000e+01`, raw`31`],
    [raw`1.430000e+03`, raw`1430`],
    [raw`5.940000e+02`, raw`594`],
    [raw`5.000000e+00`, raw`5`],
  ],
  "equal: it does not read how people type them": [
    [raw`3 1/2`, raw`3.5`],
    [raw`2**10`, raw`1024`],
    [raw`7.`, raw`7`],
    [raw`18°`, raw`18`],
    [raw`€18`, raw`18`],
    [raw`£18.50`, raw`18.5`],
    [raw`pi/2`, raw`\frac{\pi}{2}`],
    [raw`(-\infty, 2]`, raw`(-oo,2]`],
  ],
  "equal: it does not read LaTeX's thin spaces in numbers": [
    [raw`1\,000`, raw`1000`],
    [raw`10\,000\,000`, raw`10^7`],
  ],
  "equal: it does not read LaTeX's repeating decimals, or one of the two signs of the empty set": [
    [raw`0.\overline{3}`, raw`\frac{1}{3}`],
    [raw`0.1\overline{6}`, raw`\frac{1}{6}`],
    [raw`\emptyset`, raw`\varnothing`],
  ],
  "equal: a percentage is the bare number for it if it is whole only": [[raw`12.5\%`, raw`12.5`]],
  "equal: it takes i for a variable": [
    [raw`\sqrt{-4}`, raw`2i`],
    [raw`(1+i)^2`, raw`2i`],
    [raw`i^2`, raw`-1`],
    [raw`e^{i\pi}`, raw`-1`],
  ],
  "equal wherever both are defined; SymPy does not say so of real x": [[raw`\ln(x^2)`, raw`2\ln x`]],
  "equal: it finds neither multiples of an inequality nor one said from its other end": [
    [raw`2x > 6`, raw`x > 3`],
    [raw`1 < x < 2`, raw`2 > x > 1`],
  ],
  "equal: a given inequality is no interval by its defaults, though a given interval is an inequality": [
    [raw`1 < x < 2`, raw`(1,2)`],
    [raw`1 \le x \le 2`, raw`[1,2]`],
    [raw`x > 3`, raw`(3,\infty)`],
    [raw`x < 1 or x > 5`, raw`(-\infty,1) \cup (5,\infty)`],
  ],
  "equal: it does not read ± within a fraction": [
    [raw`\frac{-1 \pm \sqrt{5}}{2}`, raw`\frac{-1+\sqrt5}{2}, \frac{-1-\sqrt5}{2}`],
  ],
  "not equal: it rounds to six places even if nothing is left": [[raw`0.00000001`, raw`0.00000002`]],
  "not equal: a pair has an order, which a set has not": [
    [raw`(2,1)`, raw`1,2`],
    [raw`(1,2)`, raw`\{1,2\}`],
  ],
  "a matter of taste: a letter right behind a number is a variable here, and a unit there": [
    [raw`18m`, raw`18`],
  ],
  "equal, and it is right: a number before a matrix is not read here": [
    [raw`\begin{pmatrix}2&4\\6&8\end{pmatrix}`, raw`2\begin{pmatrix}1&2\\3&4\end{pmatrix}`],
  ],
};

test("as math-verify judges, but for disagreements with their reasons", () => {
  expect(golden.pairs.length).toBeGreaterThan(500);
  const found = golden.pairs
    .filter(([given, gold, isEqual]) => equalAnswers(given, gold) !== isEqual)
    .map(([given, gold]) => `${given} | ${gold}`);
  const listed = Object.values(disagreements)
    .flat()
    .map(([given, gold]) => `${given} | ${gold}`);
  expect(found.toSorted()).toEqual(listed.toSorted());
});

describe("answers", () => {
  test.each([
    ["5!", "120"],
    ["½", "0.5"],
    ["3½", "3.5"],
    ["x²+1", "x^2+1"],
    ["√2/2", raw`\frac{\sqrt2}{2}`],
    ["2*sqrt(3)", raw`2\sqrt3`],
    ["x**2 + 1", "x^2+1"],
    [raw`\sqrt[3]{-8}`, "-2"],
    ["(-8)^{1/3}", raw`1+\sqrt{3}i`],
    [raw`\sin^{2}(x)`, raw`1-\cos^2 x`],
    [raw`-\frac{1}{2}x`, "-x/2"],
    ["3abc", "3cba"],
    ["xyz+1", "1+zyx"],
    ["2^{1000}", raw`2^{999}\cdot 2`],
    ["x^{100}", "x^{50}x^{50}"],
    ["1,\\!000,\\!000", "10^6"],
    ["$\\frac{1}{2}$ cup", "0.5"],
    ["$5/hour", "5"],
    [raw`10\text{ m/s}^2`, "10"],
    ["Speed = 60 mph", "60"],
    [raw`\text{Area} = 5\pi`, raw`5\pi`],
    [raw`a_{n} = 2n+1`, "a_n=1+2n"],
    ["y=-x+2", "x+y=2"],
    [raw`p \approx 0.25`, "0.25"],
    [raw`x=\frac{1}{2}, y=\frac{1}{3}`, raw`(\frac12,\frac13)`],
    [raw`x\leq -1\text{ or }x\geq 3`, raw`(-\infty,-1]\cup[3,\infty)`],
    [raw`x\in\mathbb{R}`, "ℝ"],
    ["[[1,2],[3,4]]", raw`\begin{pmatrix}1&2\\3&4\end{pmatrix}`],
    [raw`\text{(B)}`, "b"],
    [raw`\text{No}`, "no."],
    [raw`\text{All real numbers}`, "all real numbers"],
    [raw`\overline{AB}`, raw`\overline{ AB }`],
    ["10^{400}", "10^{400}"],
  ])("%s is %s", (a, b) => {
    expect(equalAnswers(a, b)).toBe(true);
    expect(equalAnswers(b, a)).toBe(true);
  });

  test.each([
    ["", ""],
    [" ", "1"],
    ["1,2", "1"],
    ["12", "1,2"],
    ["(1,2]", "(1,2)"],
    ["(3,4", "(3,4)"],
    ["2xyz", "2"],
    ["5 x", "5"],
    ["A square", "A circle"],
    [raw`\text{A and B}`, raw`\text{A}`],
    [raw`\vec{A}`, raw`\vec{a}`],
    ["25%", "0.25%"],
    ["1000001", "1000000"],
    [raw`2\pi`, "6.28"],
    [raw`10^{-20}\pi`, raw`10^{-21}\pi`],
    ["x^{1000}", "x^{1001}"],
    ["10^{400}", "10^{401}"],
    ["9^{9^{9^9}}", "9^{9^{9^8}}"],
    ["100000!", "99999!"],
    ["1/0", "2/0"],
    ["(-1)^n", "1"],
    [raw`\lfloor x\rfloor`, "x"],
    [raw`\sum_{n=1}^{10} n`, "55"],
    ["x < 3", raw`x \leq 3`],
    ["x < y", "y < x"],
    ["x < 3", "y < 3"],
    ["x=3", "x>3"],
    ["3 feet 4 inches", "3"],
  ])("%s is not %s", (a, b) => {
    expect(equalAnswers(a, b)).toBe(false);
    expect(equalAnswers(b, a)).toBe(false);
  });

  test("an equation that names nothing is not its right side, if it is the gold answer", () => {
    expect(equalAnswers("1 + 2 = 3", "3")).toBe(true);
    expect(equalAnswers("3", "1 + 2 = 3")).toBe(false);
  });
});

describe("TATA's numbers", () => {
  test("may differ by a share of the larger one", () => {
    expect(equalAnswers("10001", "10000")).toBe(false);
    expect(equalAnswers("10001", "10000", { relativeTolerance: 1e-4 })).toBe(true);
    expect(equalAnswers("10002", "10000", { relativeTolerance: 1e-4 })).toBe(false);
    expect(equalAnswers("3.1416", raw`\pi`, { relativeTolerance: 1e-4 })).toBe(true);
    expect(equalAnswers("(1, 10001)", "(1, 10000)", { relativeTolerance: 1e-4 })).toBe(true);
  });

  test("may be a hundred times as large, or a hundredth", () => {
    expect(equalAnswers("0.25", "25")).toBe(false);
    expect(equalAnswers("0.25", "25", { allowHundredfold: true })).toBe(true);
    expect(equalAnswers("25", "0.25", { allowHundredfold: true })).toBe(true);
    expect(equalAnswers("2.5", "25", { allowHundredfold: true })).toBe(false);
  });
});

describe("whatever it is given", () => {
  const repeated: [start: string, times: number, middle: string, end?: string][] = [
    ["(", 900, "1", ")"],
    ["{", 2000, ""],
    ["-", 1990, "1"],
    ["9^", 900, "9"],
    ["1+", 990, "1"],
    ["x^{x^{", 300, ""],
    [raw`\sqrt`, 390, "2"],
    [raw`\frac`, 400, ""],
    ["170!,", 390, "1"],
    ["2^{1000}/3^{600},", 110, "1"],
    ["(x+y)^{99},", 180, "1"],
    ["abc,", 490, "1"],
    ["1<x<2,", 330, "1"],
    ["[", 100, "1,2", "]"],
    ["±1", 600, ""],
    ["|x|", 600, ""],
    ["3.'", 600, ""],
    ["x_{", 600, ""],
    ["\u{FDFA}", 1999, ""],
    [".", 10_000_000, "x"],
    ["(1,", 3_000_000, "2"],
  ];

  test.each(repeated)("%j %d times, then %j, ends soon", (start, times, middle, end = "") => {
    const text = start.repeat(times) + middle + end.repeat(times);
    const before = process.cpuUsage();
    expect(equalAnswers(text, text)).toBe(true);
    expect(equalAnswers(`${text}2`, `${text}3`)).toBe(false);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(3);
  });

  const part = fc.constantFrom(
    ..."0 1 12 3.5 .5 1,000 1e3 x y n e i ab cm dollars and or + - * / ^ = < ≤ ( ) [ ] { } | , ; ! % ± _ & ' \" $ ∞ √ ½".split(
      " ",
    ),
    ...raw`\frac \sqrt \pi \pm \{ \} \left( \right) \cup \in \text{ cm} \text{and} \sin \log \binom \infty \\ \le \mathbb{R}`.split(
      " ",
    ),
    ...[raw`\begin{pmatrix}`, raw`\end{pmatrix}`, raw`\lfloor `, raw` \rfloor`, raw`\overline{3}`, " "],
  );
  const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));

  test("it neither throws nor calls an answer unlike itself", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        equalAnswers(a, b);
        expect(equalAnswers(a, `${a} `)).toBe(a.replace(/[\s$",.;:]/g, "") !== "" || equalAnswers(a, a));
      }),
      { numRuns: 500 },
    );
  });

  test("sums, products and fractions of variables have the value of their parts in another order", () => {
    const { expression } = fc.letrec<{ expression: [string, string] }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<[string, string]>(["x", "x"], ["y", "y"], ["2", "1+1"], ["0.5", raw`\frac12`]),
        fc
          .tuple(tie("expression"), tie("expression"))
          .map(([[a, b], [c, d]]): [string, string] => [`(${a} + ${c})`, `(${d} + ${b})`]),
        fc
          .tuple(tie("expression"), tie("expression"))
          .map(([[a, b], [c, d]]): [string, string] => [`(${a})(${c})`, raw`(${d}) \cdot (${b})`]),
        fc.tuple(tie("expression")).map(([[a, b]]): [string, string] => [`(${a})^2`, `(${b})(${b})`]),
      ),
    }));
    fc.assert(
      fc.property(expression, ([a, b]) => {
        expect(equalAnswers(a, b)).toBe(true);
        expect(equalAnswers(a, `${b} + 1/1000`)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
