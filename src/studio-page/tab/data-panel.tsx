/** @file The choice of examples: a file that is dropped or chosen, or pasted rows; with the first of them as a table. */

import { useSignal } from "@preact/signals";
import { Notice } from "../components/notice.tsx";
import { formatCount } from "../format.ts";
import { data } from "./form.ts";
import { readPastedRows, readRowsOf } from "./rows.ts";

const shownRows = 4;

export function DataPanel() {
  const problem = useSignal("");
  const isOver = useSignal(false);
  const pasted = useSignal("");
  const take = async (
    name: string,
    read: () => ReturnType<typeof readPastedRows> | ReturnType<typeof readRowsOf>,
  ) => {
    problem.value = "";
    data.value = undefined;
    try {
      data.value = { name, rows: await read() };
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  const takeFile = async (file: File | undefined) => {
    if (!file) return;
    pasted.value = "";
    await take(file.name, () => readRowsOf(file));
  };
  return (
    <fieldset>
      <legend>Examples</legend>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same by keyboard */}
      <div
        class={isOver.value ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          isOver.value = true;
        }}
        onDragLeave={() => {
          isOver.value = false;
        }}
        onDrop={(event) => {
          event.preventDefault();
          isOver.value = false;
          void takeFile(event.dataTransfer?.files[0]);
        }}
      >
        <label>
          Drop a file of examples here, or choose one: CSV, TSV, JSON, JSONL or plain text
          <input
            type="file"
            accept=".csv,.tsv,.json,.jsonl,.ndjson,.txt"
            onChange={(event) => void takeFile(event.currentTarget.files?.[0])}
          />
        </label>
      </div>
      <p class="field">
        <label for="pasted">Or paste rows</label>
        <textarea
          id="pasted"
          rows={5}
          spellcheck={false}
          value={pasted}
          placeholder={"prompt,completion\nWhen do you open?,At nine."}
          onInput={(event) => {
            pasted.value = event.currentTarget.value;
            if (pasted.value.trim() === "") data.value = undefined;
            else void take("the pasted rows", () => readPastedRows(pasted.value));
          }}
        />
      </p>
      <div aria-live="polite">
        {problem.value && <Notice kind="error">{problem}</Notice>}
        {data.value && <FirstRows {...data.value} />}
      </div>
    </fieldset>
  );
}

function FirstRows({ name, rows }: NonNullable<typeof data.value>) {
  const shown = rows.slice(0, shownRows);
  const columns = [...new Set(shown.flatMap((row) => Object.keys(row)))];
  return (
    <>
      <p>
        {formatCount(rows.length)} {rows.length === 1 ? "example" : "examples"} in {name}.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <div class="scroll" tabIndex={0}>
        <table>
          <caption class="hidden">The first examples</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <td key={column}>{shorten(row[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
