/** @file Files that are something else than their name says, told by their first bytes. */

import { closeSync, readSync } from "node:fs";
import { InputError } from "../../core/errors.ts";
import { openForReading } from "../files/read.ts";

const gzip = "is compressed with gzip; unpack it first";
const compressed = "is compressed; unpack it first";
const arrow = "is an Arrow file; save it as Parquet or JSONL";
const utf16 = "is in UTF-16; save it as UTF-8";

const excel = "is an Excel workbook; save the sheet as CSV in UTF-8";
const zip = "PK\x03\x04";

/** First bytes in Latin-1, and the rest of a sentence. */
const kinds: readonly (readonly [start: string, sentence: string])[] = [
  [zip, "is a ZIP archive; unpack it first"],
  ["\xd0\xcf\x11\xe0", excel],
  ["\x1f\x8b", gzip],
  ["BZh", compressed],
  ["\xfd7zXZ", compressed],
  ["\x28\xb5\x2f\xfd", compressed],
  ["7z\xbc\xaf", compressed],
  ["PAR1", "is a Parquet file; name it .parquet"],
  ["ARROW1", arrow],
  ["SQLite format 3", "is a SQLite database; export the rows as JSONL or CSV"],
  ["%PDF-", "is a PDF document; take the text out of it first"],
  [
    "version https://git-lfs",
    "is only Git LFS's pointer to a file; fetch the file itself with `git lfs pull`",
  ],
  ["\xff\xfe", utf16],
  ["\xfe\xff", utf16],
];

/** Enough for the names of the first files of an archive. */
const sampleLength = 4096;

/** @throws InputError that says what the file is, if its first bytes are not those of a text in UTF-8. */
export function expectText(path: string): void {
  const start = readStart(path);
  const isWorkbook = start.startsWith(zip) && /\[Content_Types\]|xl\//.test(start);
  // Without a mark at the start, every other byte of ASCII's characters is zero.
  const isUtf16 = (start[0] === "\0") !== (start[1] === "\0");
  const sentence = isWorkbook
    ? excel
    : (kinds.find(([first]) => start.startsWith(first))?.[1] ??
      (start.length > 1 && isUtf16 ? utf16 : undefined));
  if (sentence !== undefined) throw new InputError(`${path} ${sentence}.`);
}

/** @throws InputError that says that the file is a web page, if it is. */
export function expectNoWebPage(path: string): void {
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)\b/i.test(readStart(path))) {
    throw new InputError(`${path} is a web page; download the file itself, not the page that shows it.`);
  }
}

/** Endings of files that hold no rows, with the rest of a sentence. */
export const knownEndings: Readonly<Record<string, string>> = {
  ".xlsx": excel,
  ".xls": excel,
  ".ods": "is a workbook; save the sheet as CSV in UTF-8",
  ".gz": gzip,
  ".zip": "is a ZIP archive; unpack it first",
  ".zst": compressed,
  ".bz2": compressed,
  ".xz": compressed,
  ".arrow": arrow,
};

function readStart(path: string): string {
  const bytes = Buffer.alloc(sampleLength);
  const descriptor = openForReading(path);
  try {
    return bytes.toString("latin1", 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}
