/**
 * Writes lessons that `slimtune assess` reads, from the TalkMoves data (Suresh et al. 2022; CC BY-NC-SA 4.0: for research only).
 *
 *   node docs/results/assess-talkmoves/lessons.js TALKMOVES FOLDER [TRAIN TEST WORDS]
 *
 * TALKMOVES is the folder with talkmoves_utterances.jsonl.gz. FOLDER gets lessons.jsonl: TRAIN transcripts of subset 2 to learn from and TEST
 * transcripts of subset 1 to assess, evenly spread over each; of each transcript WORDS words from its first third on (default: all).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { gunzipSync } from "node:zlib";

const [source, folder, ...numbers] = argv.slice(2);
const [train, test, words] = [0, 1, 2].map((i) => Number(numbers[i] ?? Number.POSITIVE_INFINITY));

/** A tag's code is its first character: the rest is spelled in many ways, in some by a replacement gone wrong. */
const moves = {
  teacher_tag: { 2: "together", 3: "relate", 4: "restate", 5: "revoice", 8: "press-accuracy", 9: "press-reasoning" },
  student_tag: { 2: "relate-to-other", 3: "ask", 4: "claim", 5: "evidence" },
};
const codeOf = (row, kind) => moves[kind][String(row[kind] ?? "").charAt(0)];

/** Speakers' names say little, but only students' sentences have tags of students. */
const roleOf = ({ student_tag, teacher_tag, speaker }) => {
  if (student_tag || teacher_tag) return student_tag ? "Student" : "Teacher";
  return /^\s*(t\d?|teacher|m[rs]s?\b)/i.test(String(speaker)) ? "Teacher" : "Student";
};

/** A turn of more words ends with its sentence, and another begins: pieces of few tokens must hold it. */
const longest = 80;
const countWords = (text) => text.split(" ").length;

const transcripts = new Map();
const rows = gunzipSync(readFileSync(join(source, "talkmoves_utterances.jsonl.gz"))).toString("utf8");
for (const line of rows.trim().split("\n")) {
  const row = JSON.parse(line);
  // Some transcripts have times within the sentences.
  const sentence = String(row.sentence ?? "").replace(/\[\d{6}\]/g, " ").replace(/\s+/g, " ").trim();
  if (sentence === "") continue;
  const id = `${row.subset}: ${row.transcript}`;
  const lesson = transcripts.get(id) ?? { id, subset: row.subset, turns: [] };
  transcripts.set(id, lesson);
  const role = roleOf(row);
  const place = `${row.turn} ${row.speaker}`;
  const last = lesson.turns.at(-1);
  const code = codeOf(row, role === "Student" ? "student_tag" : "teacher_tag");
  const codes = code === undefined ? [] : [code];
  if (last && last.place === place && last.speaker === role && last.words < longest) {
    last.words += countWords(sentence);
    last.text += ` ${sentence}`;
    last.codes = [...new Set([...last.codes, ...codes])];
  } else lesson.turns.push({ place, words: countWords(sentence), speaker: role, text: sentence, codes });
}

const spread = (lessons, count) =>
  lessons.filter((_, i) => Math.floor(((i + 1) * count) / lessons.length) > Math.floor((i * count) / lessons.length));

const excerpt = (turns) => {
  const chosen = [];
  let said = 0;
  for (const turn of turns.slice(words < Number.POSITIVE_INFINITY ? Math.floor(turns.length / 3) : 0)) {
    if (said >= words) break;
    said += turn.words;
    chosen.push(turn);
  }
  return chosen.map(({ speaker, text, codes }) => ({ speaker, text, codes }));
};

const ofSubset = (subset, count) => {
  const lessons = [...transcripts.values()].filter((lesson) => String(lesson.subset) === subset);
  return count < lessons.length ? spread(lessons, count) : lessons;
};
const chosen = [
  ...ofSubset("2", train).map((lesson) => ({ ...lesson, split: "train" })),
  ...ofSubset("1", test).map((lesson) => ({ ...lesson, split: "test" })),
];
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, "lessons.jsonl"),
  chosen.map(({ id, split, turns }) => `${JSON.stringify({ id, split, turns: excerpt(turns) })}\n`).join(""),
);
