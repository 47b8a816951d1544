/** @file Answers to fixed prompts: the base's beside those of an evaluation. */

import { useSignal } from "@preact/signals";
import type { Sample } from "../../studio/api.ts";

export function Samples({ samples }: { readonly samples: readonly Sample[] }) {
  const chosen = useSignal<number | undefined>(undefined);
  const steps = [...new Set(samples.map(({ step }) => step))].sort((a, b) => a - b);
  const prompts = [...new Set(samples.map(({ prompt }) => prompt))];
  const step = chosen.value ?? steps.at(-1)!;
  const answer = (prompt: string, of: number) =>
    samples.find((sample) => sample.prompt === prompt && sample.step === of)?.answer;
  return (
    <section>
      <h2>Sample answers</h2>
      <p class="actions">
        <label>
          Answers after step{" "}
          <select
            value={step}
            onChange={(event) => {
              const value = Number(event.currentTarget.value);
              chosen.value = value === steps.at(-1) ? undefined : value;
            }}
          >
            {steps.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </p>
      {prompts.map((prompt) => (
        <article key={prompt} class="panel sample">
          <h3>{prompt}</h3>
          <dl class="columns">
            <div>
              <dt>Base</dt>
              <dd>{answer(prompt, 0) ?? "–"}</dd>
            </div>
            <div>
              <dt>Step {step}</dt>
              <dd>{answer(prompt, step) ?? "–"}</dd>
            </div>
          </dl>
        </article>
      ))}
    </section>
  );
}
