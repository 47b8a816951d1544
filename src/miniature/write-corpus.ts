/**
 * @file Writes the miniature files: `write-corpus.ts tuning <folder>` the tuning sets of all subjects,
 * `write-corpus.ts benchmarks <folder>` the benchmarks of the three domains and of sizes,
 * `write-corpus.ts lessons <file.jsonl>` labelled lessons to be assessed, and to learn from,
 * `write-corpus.ts pretraining <file.jsonl> <documents>` a pretraining corpus of that many documents.
 */

import { dirname, join } from "node:path";
import { createRandom } from "../core/random.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { drawBenchmark } from "./benchmark.ts";
import { drawLesson } from "./lessons.ts";
import { writeDocument } from "./pretraining-text.ts";
import { DOMAINS, drawTuningSet, type Subject } from "./tuning-set.ts";

const SEED = 2024;
const TRAIN_ROWS = 600;
const HELD_OUT_ROWS = 100;

const BENCHMARK_ROWS = 200;

/** Half of them to learn from. */
const LESSONS = 40;

/** The number of each is that of its stream of draws. */
const SUBJECTS: readonly Subject[] = [...DOMAINS, "thinking", "sizes"];

const toJsonLines = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join("");

function writeTuningSets(folder: string): void {
  makeFolder(folder);
  SUBJECTS.forEach((subject, stream) => {
    for (const [split, size] of [
      ["train", TRAIN_ROWS],
      ["held-out", HELD_OUT_ROWS],
    ] as const) {
      const random = createRandom(SEED, stream, split === "train" ? 0 : 1);
      const rows = drawTuningSet(subject, split, size, random).map(({ question, answer }) => ({
        question,
        answer,
      }));
      writeWhole(join(folder, `${subject}-${split}.jsonl`), toJsonLines(rows));
    }
  });
}

function writeBenchmarks(folder: string): void {
  makeFolder(folder);
  SUBJECTS.forEach((subject, stream) => {
    if (subject === "thinking") return;
    const rows = drawBenchmark(subject, BENCHMARK_ROWS, createRandom(SEED, stream, 2));
    writeWhole(join(folder, `${subject}.jsonl`), toJsonLines(rows));
  });
}

function writeLessons(path: string): void {
  makeFolder(dirname(path));
  const rows = Array.from({ length: LESSONS }, (_, i) =>
    drawLesson(`lesson-${i + 1}`, i < LESSONS / 2 ? "train" : "test", createRandom(SEED, 100 + i)),
  );
  writeWhole(path, toJsonLines(rows));
}

function writePretrainingCorpus(path: string, documents: number): void {
  makeFolder(dirname(path));
  // One stream per document: a longer corpus begins with the shorter one.
  const rows = Array.from({ length: documents }, (_, i) => ({
    text: writeDocument(createRandom(SEED, 1000 + i)),
  }));
  writeWhole(path, toJsonLines(rows));
}

const [what, path, documents] = process.argv.slice(2);
if (what === "tuning" && path) {
  writeTuningSets(path);
} else if (what === "benchmarks" && path) {
  writeBenchmarks(path);
} else if (what === "lessons" && path) {
  writeLessons(path);
} else if (what === "pretraining" && path && Number.isInteger(Number(documents)) && Number(documents) > 0) {
  writePretrainingCorpus(path, Number(documents));
} else {
  process.stderr.write(
    "usage: write-corpus.ts tuning <folder>\n       write-corpus.ts benchmarks <folder>\n       write-corpus.ts lessons <file.jsonl>\n       write-corpus.ts pretraining <file.jsonl> <documents>\n",
  );
  process.exitCode = 1;
}
