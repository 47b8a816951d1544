/** @file The choice of a base model and of finished runs on it, and the wait for the engine that loads them. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Id, Talk, TalkRequest } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Notice } from "../components/notice.tsx";
import { shortName } from "../start/names.ts";
import { live } from "../state/live.ts";

/** Milliseconds between two questions whether the engine has loaded. */
const askEvery = 500;

export function ChooseModels({
  run,
  embedded,
  isOpen,
  onOpen,
}: {
  /** Chosen beforehand. */
  readonly run: Id | undefined;
  readonly embedded: string;
  /** Whether they are open already. */
  readonly isOpen: boolean;
  readonly onOpen: (talk: Talk) => void;
}) {
  const finished = [...(live.value?.runs.values() ?? [])]
    .filter(({ state }) => state === "finished")
    .toSorted((a, b) => b.changedAt - a.changedAt);
  const chosenModel = useSignal<string>();
  const chosenRuns = useSignal<ReadonlySet<Id>>(new Set(run === undefined ? [] : [run]));
  const isLoading = useSignal(false);
  const problem = useSignal<string>();
  const isGone = useRef(false);
  useEffect(
    () => () => {
      isGone.current = true;
    },
    [],
  );

  const models = [...new Set([embedded, ...finished.map(({ model }) => model)])];
  const model =
    chosenModel.value ?? (finished.find(({ id }) => id === run) ?? finished[0])?.model ?? embedded;
  const runs = finished.filter((one) => one.model === model);

  const open = async (event: Event) => {
    event.preventDefault();
    const request: TalkRequest = {
      model,
      runs: runs.flatMap(({ id }) => (chosenRuns.value.has(id) ? [id] : [])),
    };
    isLoading.value = true;
    problem.value = undefined;
    try {
      let talk = await client.talk(request);
      while (!talk.isReady && !isGone.current) {
        await new Promise((resolve) => setTimeout(resolve, askEvery));
        talk = await client.talk(request);
      }
      if (talk.isReady) onOpen(talk);
    } catch (error) {
      problem.value = (error as Error).message;
    }
    isLoading.value = false;
  };

  return (
    <details open={!isOpen}>
      <summary>Models</summary>
      <form onSubmit={open}>
        <label class="field">
          Base model
          <select
            value={model}
            onChange={(event) => {
              chosenModel.value = event.currentTarget.value;
            }}
          >
            {models.map((one) => (
              <option key={one} value={one}>
                {one === embedded ? "The model that slimtune brings along" : shortName(one)}
              </option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend>Finished runs beside it</legend>
          {runs.length === 0 && <p class="quiet">No run on this model is finished yet.</p>}
          {runs.map(({ id, name, method }) => (
            <label key={id} class="choice">
              <input
                type="checkbox"
                checked={chosenRuns.value.has(id)}
                onChange={(event) => {
                  const changed = new Set(chosenRuns.value);
                  if (event.currentTarget.checked) changed.add(id);
                  else changed.delete(id);
                  chosenRuns.value = changed;
                }}
              />{" "}
              {name} <small>{method}</small>
            </label>
          ))}
        </fieldset>
        {problem.value && <Notice kind="error">{problem}</Notice>}
        <div class="actions">
          <button type="submit" class="main" disabled={isLoading}>
            Open
          </button>
          <span role="status">{isLoading.value && "The model is being loaded…"}</span>
        </div>
      </form>
    </details>
  );
}
