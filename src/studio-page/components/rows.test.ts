import { expect, test } from "vitest";
import { filterRows, sortRows } from "./rows.ts";

const rows = [
  { name: "run-10", loss: 2 },
  { name: "run-9", loss: undefined },
  { name: "Other", loss: 0.5 },
];
const columns = [
  { value: ({ name }: (typeof rows)[0]) => name },
  { value: ({ loss }: (typeof rows)[0]) => loss },
];
const names = (sorted: readonly (typeof rows)[0][]) => sorted.map(({ name }) => name);

test("a row is found by words of any of its columns, in either case", () => {
  expect(names(filterRows(rows, columns, "RUN 10"))).toEqual(["run-10"]);
  expect(names(filterRows(rows, columns, "0.5"))).toEqual(["Other"]);
  expect(filterRows(rows, columns, " ")).toBe(rows);
  expect(filterRows(rows, columns, "nothing")).toEqual([]);
});

test("numbers are sorted as numbers, in texts too, and what has none comes last", () => {
  expect(names(sortRows(rows, columns, { column: 1, isDescending: false }))).toEqual([
    "Other",
    "run-10",
    "run-9",
  ]);
  expect(names(sortRows(rows, columns, { column: 1, isDescending: true }))).toEqual([
    "run-10",
    "Other",
    "run-9",
  ]);
  expect(names(sortRows(rows, columns, { column: 0, isDescending: false }))).toEqual([
    "Other",
    "run-9",
    "run-10",
  ]);
  expect(sortRows(rows, columns, undefined)).toBe(rows);
});
