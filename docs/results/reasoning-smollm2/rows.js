/**
 * Writes the problems of the study: those of MAWPS and ASDiv-A (the training split that SVAMP's authors publish, each problem with an
 * equation in prefix form) and of GSM8K, with calculations annotated as GSM8K's and one way to end.
 *
 *   node docs/results/reasoning-smollm2/rows.js DATA OUT
 *
 * DATA holds gsm8k/train.jsonl and math/svamp_cv/mawps-asdiv-a_svamp_train.csv.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { parse } from "csv-parse/sync";

const [data, out] = argv.slice(2);
const compute = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b };

/** The calculations of an equation such as "- number0 * number1 number2", innermost first, and its value. */
function solve(equation, fill) {
  const tokens = equation.trim().split(/\s+/);
  const lines = [];
  const evaluate = () => {
    const token = tokens.shift();
    if (!Object.hasOwn(compute, token)) return Number(fill(token));
    const [a, b] = [evaluate(), evaluate()];
    const value = Number(compute[token](a, b).toFixed(4));
    lines.push(`${a} ${token} ${b} = <<${a}${token}${b}=${value}>>${value}`);
    return value;
  };
  return { value: evaluate(), lines };
}

const csv = readFileSync(join(data, "math/svamp_cv/mawps-asdiv-a_svamp_train.csv"), "utf8");
const mawps = parse(csv, { columns: true }).flatMap((row) => {
  const numbers = row.Numbers.trim().split(/\s+/).map(Number);
  const fill = (text) => text.replace(/number(\d+)/g, (_, i) => String(numbers[Number(i)]));
  const question = fill(row.Question).replace(/ ([.,?!;:'%])/g, "$1").replace(/\$ (?=\d)/g, "$");
  const { value, lines } = solve(row.Equation, fill);
  if (lines.length === 0 || Math.abs(value - Number(row.Answer)) > 1e-3) return [];
  return [{ question, answer: `${lines.join("\n")}\n\nThe answer is ${value}.` }];
});

const gsm8k = readFileSync(join(data, "gsm8k/train.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => {
    const { question, answer } = JSON.parse(line);
    return { question, answer: answer.replace("\n#### ", "\n\nThe answer is ").concat(".") };
  });

const write = (name, rows) =>
  writeFileSync(join(out, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
write("solutions.jsonl", [...mawps.slice(0, 1600), ...gsm8k.slice(0, 600)]);
write("sampled.jsonl", mawps.slice(1600, 2000));
