/** @file A table that is sorted by its headings and filtered by words. */

import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { filterRows, type Order, sortRows } from "./rows.ts";

export interface Column<Row> {
  readonly title: string;
  /** What is sorted by and, if it is a text, filtered by. */
  readonly value: (row: Row) => string | number | undefined;
  /** What is shown in place of the value. */
  readonly show?: (row: Row) => ComponentChildren;
  readonly isNumeric?: boolean;
}

/** Rows shown before more are asked for. */
const pageLength = 100;

export function Table<Row>({
  caption,
  columns,
  rows,
  rowKey,
  filterLabel,
  order: firstOrder,
  chosen,
  nameOf,
  empty,
}: {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** With it there is a field for words. */
  readonly filterLabel?: string;
  /** By default the rows as they are given. */
  readonly order?: Order;
  /** Keys of the rows that are chosen; with it each row has a box. */
  readonly chosen?: Signal<ReadonlySet<string>>;
  /** What a row's box is called; by default the first column's value. */
  readonly nameOf?: (row: Row) => string;
  /** What is said where there are no rows. */
  readonly empty: ComponentChildren;
}) {
  const order = useSignal<Order | undefined>(firstOrder);
  const words = useSignal("");
  const limit = useSignal(pageLength);
  const filter = useId();
  if (rows.length === 0) return <p class="quiet">{empty}</p>;

  const found = sortRows(filterRows(rows, columns, words.value), columns, order.value);
  const toggle = (key: string) => {
    const changed = new Set(chosen!.value);
    if (!changed.delete(key)) changed.add(key);
    chosen!.value = changed;
  };
  return (
    <div>
      {filterLabel && (
        <p class="filter">
          <label for={filter}>{filterLabel}</label>
          <input
            id={filter}
            type="search"
            value={words}
            onInput={(event) => {
              words.value = event.currentTarget.value;
            }}
          />
          <span role="status" class="quiet">
            {words.value && `${found.length} of ${rows.length}`}
          </span>
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={caption}>
        <table>
          <caption class="hidden">{caption}</caption>
          <thead>
            <tr>
              {chosen && <td />}
              {columns.map(({ title, isNumeric }, index) => {
                const isSorted = order.value?.column === index;
                const isDescending = isSorted && order.value!.isDescending;
                return (
                  <th
                    key={title}
                    scope="col"
                    class={isNumeric ? "numeric" : undefined}
                    aria-sort={isSorted ? (isDescending ? "descending" : "ascending") : undefined}
                  >
                    <button
                      type="button"
                      class="plain"
                      onClick={() => {
                        order.value = {
                          column: index,
                          isDescending: isSorted ? !isDescending : isNumeric === true,
                        };
                      }}
                    >
                      {title}
                      <span aria-hidden="true">{isSorted ? (isDescending ? " ↓" : " ↑") : ""}</span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, limit.value).map((row) => {
              const key = rowKey(row);
              const name = nameOf?.(row) ?? `${columns[0]!.value(row)}`;
              return (
                <tr key={key}>
                  {chosen && (
                    <td>
                      <input
                        type="checkbox"
                        aria-label={`Choose ${name}`}
                        checked={chosen.value.has(key)}
                        onChange={() => toggle(key)}
                      />
                    </td>
                  )}
                  {columns.map(({ title, value, show, isNumeric }, index) => (
                    <td key={title} class={isNumeric ? "numeric" : index === 0 ? "name" : undefined}>
                      {show ? show(row) : (value(row) ?? "–")}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      {found.length > limit.value && (
        <button
          type="button"
          onClick={() => {
            limit.value += pageLength;
          }}
        >
          Show more of {found.length} rows
        </button>
      )}
    </div>
  );
}
