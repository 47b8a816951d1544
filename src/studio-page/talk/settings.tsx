/** @file How answers are written: what is set for all models alike. */

import type { Signal } from "@preact/signals";
import type { TalkSettings } from "./completion-request.ts";

export function SettingsFields({ settings }: { readonly settings: Signal<TalkSettings> }) {
  const change = (changed: Partial<TalkSettings>) => {
    settings.value = { ...settings.value, ...changed };
  };
  const { system, temperature, seed, maxTokens, thinkingBudget } = settings.value;
  return (
    <details>
      <summary>How answers are written</summary>
      <div class="fields">
        <NumberField
          label="Temperature"
          help="0 takes the likeliest token each time"
          value={temperature}
          min={0}
          step={0.1}
          onChange={(temperature) => change({ temperature: temperature ?? 0 })}
        />
        <NumberField
          label="Seed"
          help="empty: drawn anew each time"
          value={seed}
          onChange={(seed) => change({ seed })}
        />
        <NumberField
          label="Tokens, at most"
          help="where an answer is cut off"
          value={maxTokens}
          min={1}
          onChange={(maxTokens) => change({ maxTokens: maxTokens ?? 256 })}
        />
        <NumberField
          label="Tokens of thoughts, at most"
          help="empty: no budget; for models that think"
          value={thinkingBudget}
          min={0}
          onChange={(thinkingBudget) => change({ thinkingBudget })}
        />
      </div>
      <label class="field">
        System prompt
        <textarea
          rows={2}
          value={system}
          onInput={(event) => change({ system: event.currentTarget.value })}
        />
      </label>
    </details>
  );
}

function NumberField({
  label,
  help,
  value,
  min,
  step = 1,
  onChange,
}: {
  readonly label: string;
  readonly help: string;
  readonly value: number | undefined;
  readonly min?: number;
  readonly step?: number;
  /** Given undefined if the field is empty. */
  readonly onChange: (value: number | undefined) => void;
}) {
  return (
    <label class="field">
      {label}
      <input
        type="number"
        min={min}
        step={step}
        value={value ?? ""}
        onChange={({ currentTarget: input }) => {
          if (input.reportValidity()) onChange(input.value === "" ? undefined : input.valueAsNumber);
        }}
      />
      <small>{help}</small>
    </label>
  );
}
