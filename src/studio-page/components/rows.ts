/** @file Rows of a table, filtered and put in order. */

export interface Order {
  /** Index of the column. */
  readonly column: number;
  readonly isDescending: boolean;
}

interface Valued<Row> {
  readonly value: (row: Row) => string | number | undefined;
}

/** The rows in which every word stands somewhere, in either case. */
export function filterRows<Row>(
  rows: readonly Row[],
  columns: readonly Valued<Row>[],
  words: string,
): readonly Row[] {
  const sought = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (sought.length === 0) return rows;
  return rows.filter((row) => {
    const text = columns
      .map(({ value }) => value(row) ?? "")
      .join("\n")
      .toLowerCase();
    return sought.every((word) => text.includes(word));
  });
}

/** The rows in the order of a column's values; those without a value come last in either direction. */
export function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Valued<Row>[],
  order: Order | undefined,
): readonly Row[] {
  if (order === undefined) return rows;
  const { value } = columns[order.column]!;
  const direction = order.isDescending ? -1 : 1;
  return rows.toSorted((rowA, rowB) => {
    const [a, b] = [value(rowA), value(rowB)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    if (typeof a === "number" && typeof b === "number") return direction * (a - b);
    return direction * String(a).localeCompare(String(b), "en", { numeric: true });
  });
}
