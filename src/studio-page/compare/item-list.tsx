/** @file The items that became right or wrong, with the question, the right answer and both answers, narrowed down by a person. */

import { useSignal } from "@preact/signals";
import { type ChangedItem, filterItems, type ItemFilter, scoreName } from "./changed-items.ts";

/** Items shown before more are asked for. */
const pageLength = 10;

const changes = { all: "Fixed and broken", fixed: "Fixed", broken: "Broken" } as const;

export function ChangedItems({ items }: { readonly items: readonly ChangedItem[] }) {
  const filter = useSignal<ItemFilter>({ score: "", change: "all", text: "" });
  const limit = useSignal(pageLength);
  const found = filterItems(items, filter.value);
  const narrow = (changed: Partial<ItemFilter>) => {
    filter.value = { ...filter.value, ...changed };
    limit.value = pageLength;
  };
  const scores = [...new Set(items.map(scoreName))];
  return (
    <section>
      <h2>Items that changed</h2>
      {items.length === 0 && <p class="quiet">No item became right or wrong.</p>}
      {items.length > 0 && (
        <div class="filter">
          <label>
            Score{" "}
            <select onChange={(event) => narrow({ score: event.currentTarget.value })}>
              <option value="">All</option>
              {scores.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <label>
            Change{" "}
            <select
              onChange={(event) => narrow({ change: event.currentTarget.value as ItemFilter["change"] })}
            >
              {Object.entries(changes).map(([change, label]) => (
                <option key={change} value={change}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <label>
            With the words{" "}
            <input type="search" onInput={(event) => narrow({ text: event.currentTarget.value })} />
          </label>
          <span role="status" class="quiet">
            {found.length} of {items.length}
          </span>
        </div>
      )}
      {found.slice(0, limit.value).map((item) => (
        <Item key={`${scoreName(item)} ${item.id}`} item={item} />
      ))}
      {found.length > limit.value && (
        <button
          type="button"
          onClick={() => {
            limit.value += pageLength;
          }}
        >
          Show more of {found.length} items
        </button>
      )}
    </section>
  );
}

function Item({ item }: { readonly item: ChangedItem }) {
  const { id, isFixed, question, gold, before, after } = item;
  return (
    <article class="changed">
      <h3>
        <span class={isFixed ? "better" : "worse"}>{isFixed ? "Fixed" : "Broken"}</span>{" "}
        <small>
          {scoreName(item)}, item {id}
        </small>
      </h3>
      <dl>
        <Text name="Question" text={question} />
        <Text name="Right answer" text={gold} />
        <Text name="Before" text={before} />
        <Text name="After" text={after} />
      </dl>
    </article>
  );
}

function Text({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <pre>{text}</pre>
      </dd>
    </div>
  );
}
