/**
 * Writes what the writer and its reward model learn from, and the problems that are held out, from the problems of MAWPS and ASDiv-A
 * that `reasoning-smollm2/rows.js` has written.
 *
 *   node docs/results/search-smollm2/rows.js FOLDER
 *
 * FOLDER holds solutions.jsonl (its first 1,600 rows are these problems) and sampled.jsonl (400 more).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";

const [folder] = argv.slice(2);
const read = (name) =>
  readFileSync(join(folder, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
const write = (name, rows) =>
  writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

/** The question as `slimtune search` asks it. */
const asked = ({ question, answer }) => ({
  messages: [
    { role: "user", content: `${question}\nLet's think step by step.` },
    { role: "assistant", content: answer.replace(/<<[^<>]*>>/g, "") },
  ],
});

write("words.jsonl", read("solutions.jsonl").slice(0, 1600).map(asked));
const others = read("sampled.jsonl");
write("labelled.jsonl", others.slice(0, 300));
write("held-out.jsonl", others.slice(300));
