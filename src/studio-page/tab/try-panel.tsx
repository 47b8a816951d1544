/** @file A prompt's answers by the base and, once there is an adapter, by it beside. */

import { type Signal, useSignal } from "@preact/signals";
import { Notice } from "../components/notice.tsx";
import { busy, withEngine } from "./engine.ts";
import { engineSettings } from "./form.ts";
import { adapter, begun } from "./tuning.ts";

export function TryPanel() {
  const prompt = useSignal("When do you open?");
  const temperature = useSignal("0");
  const longest = useSignal("40");
  const problem = useSignal("");
  const texts = { base: useSignal(""), tuned: useSignal("") };
  const write = async () => {
    problem.value = texts.base.value = texts.tuned.value = "";
    try {
      await withEngine(begun.value ?? engineSettings.value, "The model is writing…", async (worker) => {
        for (const [name, text] of Object.entries(texts)) {
          if (name === "tuned" && !adapter.value) continue;
          await worker.write(prompt.value, {
            isTuned: name === "tuned",
            maxNewTokens: Number(longest.value),
            temperature: Number(temperature.value),
            onText: (piece) => {
              text.value += piece;
            },
          });
        }
      });
    } catch (error) {
      problem.value = (error as Error).message;
      // A worker that has failed is gone, and the adapter with it.
      adapter.value = undefined;
    }
  };
  return (
    <section aria-labelledby="try">
      <h2 id="try">Try it</h2>
      <div class="fields">
        <Field id="prompt" label="Prompt" text={prompt} />
        <Field
          id="temperature"
          inputMode="decimal"
          label="Temperature"
          text={temperature}
          help="0: always the likeliest token."
        />
        <Field id="longest" inputMode="numeric" label="Longest answer" text={longest} help="In tokens." />
      </div>
      <p class="actions">
        <button
          type="button"
          disabled={busy.value !== "" || prompt.value === ""}
          onClick={() => void write()}
        >
          Write
        </button>
      </p>
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <div class="columns">
        <Answer id="base" title="The model as it was" text={texts.base} />
        {adapter.value && <Answer id="tuned" title="With the adapter" text={texts.tuned} />}
      </div>
    </section>
  );
}

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly text: Signal<string>;
  readonly inputMode?: "decimal" | "numeric";
  readonly help?: string;
}

function Field({ id, label, text, inputMode, help }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        inputMode={inputMode}
        value={text}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      {help && <small>{help}</small>}
    </div>
  );
}

function Answer({
  id,
  title,
  text,
}: {
  readonly id: string;
  readonly title: string;
  readonly text: Signal<string>;
}) {
  return (
    <div>
      <h3>{title}</h3>
      <pre id={id} aria-live="polite">
        {text}
      </pre>
    </div>
  );
}
