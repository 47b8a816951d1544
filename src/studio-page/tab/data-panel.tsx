/** @file The choice of examples: a file that is dropped or chosen, or pasted rows; with the first of them as a table. */

import { useSignal } from "@preact/signals";
import type { ExampleRow } from "../../web/examples.ts";
import { FileDrop } from "../components/file-drop.tsx";
import { Notice } from "../components/notice.tsx";
import { formatCount } from "../format.ts";
import { data, pasted } from "./form.ts";
import { readPastedRows, readRowsOf } from "./rows.ts";

const shownRows = 4;

/** For a first look. */
const sample = `prompt,completion
When do you open?,We open at nine.
When do you close?,We close at six.
Where are you?,We are at the market.
Who are you?,We are the bakery.`;

export function DataPanel() {
  const problem = useSignal("");
  const take = async (name: string, read: () => readonly ExampleRow[] | Promise<readonly ExampleRow[]>) => {
    problem.value = "";
    data.value = undefined;
    try {
      data.value = { name, rows: await read() };
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  const takePasted = (text: string) => {
    pasted.value = text;
    if (text.trim() === "") data.value = undefined;
    else void take("the pasted rows", () => readPastedRows(text));
  };
  const takeFile = async (file: File) => {
    pasted.value = "";
    await take(file.name, () => readRowsOf(file));
  };
  return (
    <fieldset>
      <legend>Examples</legend>
      <FileDrop
        label="Drop a file of examples here, or choose one (CSV, TSV, JSON, JSONL or text):"
        accept=".csv,.tsv,.json,.jsonl,.ndjson,.txt"
        onFile={takeFile}
      />
      <p class="field">
        <label for="pasted">Or paste rows</label>
        <textarea
          id="pasted"
          rows={5}
          spellcheck={false}
          value={pasted}
          placeholder={"prompt,completion\nWhen do you open?,At nine."}
          onInput={(event) => takePasted(event.currentTarget.value)}
        />
        <span>
          <button type="button" onClick={() => takePasted(sample)}>
            Take four rows of a bakery
          </button>
        </span>
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
