/** @file What separates the columns of a CSV file. */

import { parse } from "csv-parse/sync";
import { InputError } from "../../core/errors.ts";

const candidates = [",", ";", "\t", "|"] as const;
const names: Readonly<Record<string, string>> = {
  ",": "commas",
  ";": "semicolons",
  "\t": "tabs",
  "|": "bars",
};

/** What ends a record, on any system. */
export const recordDelimiters = ["\r\n", "\n", "\r"];

/** As many records tell. */
const sampleRecords = 20;

/**
 * The delimiter by which the header and the first records have the same number of columns, at least two. A comma where there
 * is none, since of one column there is nothing to separate, and what is wrong is for the reader to say.
 *
 * @param sample the file's beginning, or all of it
 * @throws InputError if there are several.
 */
export function detectDelimiter(sample: string, path: string): string {
  const found = candidates.filter((delimiter) => {
    const [header = 0, ...lengths] = countColumns(sample, delimiter);
    return header > 1 && lengths.every((length) => length === header);
  });
  if (found.length <= 1) return found[0] ?? likeliest(sample);
  throw new InputError(
    `${path}: its columns could be separated by ${found.map((delimiter) => names[delimiter]).join(" or by ")}; put the names of the columns in double quotes, or save it with tabs as .tsv.`,
  );
}

/** Where no delimiter fits all records: the one with which the header has most columns. */
function likeliest(sample: string): string {
  const columns = new Map(
    candidates.map((delimiter) => [delimiter, countColumns(sample, delimiter)[0] ?? 0]),
  );
  return candidates.reduce((best, delimiter) =>
    columns.get(delimiter)! > columns.get(best)! ? delimiter : best,
  );
}

/** The lengths of the first records. A record that is not whole is left out. */
function countColumns(sample: string, delimiter: string): number[] {
  const lengths: number[] = [];
  const options = {
    delimiter,
    record_delimiter: recordDelimiters,
    relax_column_count: true,
    skip_empty_lines: true,
    to: sampleRecords,
  };
  const count = (record: string[]) => {
    lengths.push(record.length);
    return null;
  };
  try {
    parse(sample, { ...options, on_record: count });
  } catch {
    // Quotes where this delimiter has none, or a sample that ends within them: what came before tells.
  }
  return lengths;
}
