/** @file The view "Talk": a base model and adapters side by side, which answer the same prompts. */

import { signal } from "@preact/signals";
import type { Id, Talk as OpenedTalk } from "../../studio/api.ts";
import { CommandLine } from "../components/command-line.tsx";
import { route } from "../route.ts";
import { studio } from "../state/live.ts";
import { ChooseModels } from "./choose-models.tsx";
import { ClientCode } from "./code-to-copy.tsx";
import type { TalkSettings } from "./completion-request.ts";
import { askLane, beginLane, type Lane } from "./conversation.ts";
import { LanePanel } from "./lane.tsx";
import { SettingsFields } from "./settings.tsx";
import { probabilityBounds } from "./token-probability.ts";
import "./talk.css";

// Kept while other views are shown.
const opened = signal<OpenedTalk>();
const lanes = signal<readonly Lane[]>([]);
const draft = signal("");
const settings = signal<TalkSettings>({
  ...{ system: "", temperature: 0, seed: undefined, maxTokens: 256, thinkingBudget: undefined },
});
/** Ends the answers that are being written; undefined while none is. */
const writing = signal<AbortController>();
/** What a screen reader is told: that answers begin and end, not each token. */
const told = signal("");

function begin(talk: OpenedTalk): void {
  writing.value?.abort();
  opened.value = talk;
  lanes.value = talk.models.map(beginLane);
}

async function askAll(): Promise<void> {
  const prompt = draft.value.trim();
  if (prompt === "" || writing.value !== undefined) return;
  const abort = new AbortController();
  writing.value = abort;
  draft.value = "";
  told.value = `${lanes.value.length === 1 ? "The model is" : `${lanes.value.length} models are`} answering.`;
  await Promise.all(lanes.value.map((lane) => askLane(lane, prompt, settings.value, abort.signal)));
  if (writing.value !== abort) return;
  writing.value = undefined;
  told.value = abort.signal.aborted ? "Stopped." : "All answers are there.";
}

export function Talk() {
  const chosenRun: Id | undefined = route.value.query.get("run") ?? undefined;
  return (
    <>
      <h1>Talk</h1>
      {studio.value && (
        <ChooseModels
          key={chosenRun}
          run={chosenRun}
          embedded={studio.value.embeddedModel}
          isOpen={
            opened.value?.models.some((one) => chosenRun === undefined || one.run === chosenRun) ?? false
          }
          onOpen={begin}
        />
      )}
      {opened.value && (
        <>
          <div class="lanes">
            {lanes.value.map((lane) => (
              <LanePanel key={lane} lane={lane} />
            ))}
          </div>
          <div class="actions">
            <button
              type="button"
              disabled={writing.value !== undefined}
              onClick={() => {
                lanes.value = opened.value!.models.map(beginLane);
              }}
            >
              Begin a new conversation
            </button>
          </div>
          <ProbabilityKey />
          <PromptBox />
          <p class="hidden" role="status">
            {told}
          </p>
          <SettingsFields settings={settings} />
          <details>
            <summary>The same by a program</summary>
            <CommandLine command={opened.value.command} label="First serve the models" />
            <ClientCode lanes={lanes.value} draft={draft.value} settings={settings.value} />
          </details>
        </>
      )}
    </>
  );
}

/** What the colours of tokens mean. */
function ProbabilityKey() {
  return (
    <ul class="bare key">
      <li>Probability of a token:</li>
      {probabilityBounds.map((bound, step) => (
        <li key={bound}>
          <span class={`step-${step}`}>from {100 * bound} %</span>
        </li>
      ))}
      <li>
        <span class={`step-${probabilityBounds.length}`}>below</span>
      </li>
    </ul>
  );
}

function PromptBox() {
  const isWriting = writing.value !== undefined;
  return (
    <form
      class="prompt"
      onSubmit={(event) => {
        event.preventDefault();
        void askAll();
      }}
    >
      <label for="prompt">Prompt for all models</label>
      <textarea
        id="prompt"
        rows={2}
        value={draft}
        aria-describedby="prompt-keys"
        onInput={(event) => {
          draft.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void askAll();
        }}
      />
      <button type="submit" class="main" disabled={isWriting || draft.value.trim() === ""}>
        Ask
      </button>
      <button type="button" disabled={!isWriting} onClick={() => writing.value?.abort()}>
        Stop
      </button>
      <small id="prompt-keys">Enter asks, Shift and Enter begins a new line.</small>
    </form>
  );
}
