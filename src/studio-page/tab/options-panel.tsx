/** @file The options that matter first, and the start. */

import { Notice } from "../components/notice.tsx";
import { data, engineSettings, method, readOptions, typed } from "./form.ts";
import { begin, problem } from "./tuning.ts";

const fields: Readonly<Record<keyof typeof typed, readonly [label: string, help: string, initial: string]>> =
  {
    num_train_epochs: ["Epochs", "How often each example is learned from.", "1"],
    batch_size: ["Examples a step", "More make a step calmer and longer.", "8"],
    learning_rate: [
      "Learning rate",
      "Too high, and the loss rises; too low, and little is learned.",
      "of the method",
    ],
    r: ["Rank", "The size of the adapter.", "8"],
    validation: ["Held out", "A share below 1, or a number of examples that are not learned from.", "5 %"],
    context: [
      "Longest example",
      "In tokens; memory grows with it.",
      "as the model was made for, 2,048 at most",
    ],
  };

export function OptionsPanel() {
  return (
    <fieldset>
      <legend>Tuning</legend>
      <div class="fields">
        <div class="field">
          <label for="method">Method</label>
          <select
            id="method"
            value={method}
            onChange={(event) => {
              method.value = event.currentTarget.value as typeof method.value;
            }}
          >
            <option value="lora">LoRA</option>
            <option value="qlora">QLoRA: the model in 4 bits</option>
          </select>
          <small>QLoRA takes a seventh of the memory for the model.</small>
        </div>
        {Object.entries(fields).map(([name, [label, help, initial]]) => {
          const text = typed[name as keyof typeof typed];
          return (
            <div class="field" key={name}>
              <label for={name}>{label}</label>
              <input
                id={name}
                inputMode="decimal"
                value={text}
                placeholder={initial}
                onInput={(event) => {
                  text.value = event.currentTarget.value;
                }}
              />
              <small>{help}</small>
            </div>
          );
        })}
      </div>
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <p class="actions">
        <button
          type="button"
          class="main"
          disabled={!data.value}
          onClick={() =>
            void begin({ ...engineSettings.value, rows: data.value!.rows, options: readOptions() })
          }
        >
          Tune
        </button>
        {!data.value && <span class="quiet">Give examples first.</span>}
      </p>
    </fieldset>
  );
}
