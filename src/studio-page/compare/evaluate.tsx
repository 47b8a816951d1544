/** @file The form that has a model, or what a run has tuned, answer tasks: what is compared afterwards. */

import { useSignal } from "@preact/signals";
import type { Id, JobRequest } from "../../studio/api.ts";
import { client } from "../client.ts";
import { JobCommand } from "../components/job-command.tsx";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { JobPanel } from "../jobs/jobs.tsx";
import { fileNameOf, shortName } from "../start/names.ts";
import { live, studio } from "../state/live.ts";

type Evaluation = Extract<JobRequest, { kind: "evaluate" }>;

/** @param run chosen beforehand; the form is then open */
export function Evaluate({ run }: { readonly run: Id | undefined }) {
  return (
    <details open={run !== undefined}>
      <summary>Evaluate a model or a run</summary>
      {studio.value && <EvaluationForm key={run} run={run} embedded={studio.value.embeddedModel} />}
    </details>
  );
}

function EvaluationForm({ run, embedded }: { readonly run: Id | undefined; readonly embedded: string }) {
  const tasks = useFetched(client.tasks).value;
  /** "run:ID" or "model:PATH" */
  const subject = useSignal(run === undefined ? `model:${embedded}` : `run:${run}`);
  const words = useSignal("");
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const limit = useSignal("");
  const isChat = useSignal(false);
  const name = useSignal("");
  const problem = useSignal<string>();
  const started = useSignal<Id>();

  const finished = [...(live.value?.runs.values() ?? [])].filter(({ state }) => state === "finished");
  const models = [...new Set([embedded, ...finished.map(({ model }) => model)])];
  const [, kind, value] = /^(\w+):(.*)$/s.exec(subject.value)!;
  const tuned = finished.find(({ id }) => kind === "run" && id === value);
  const suggestedName = fileNameOf(tuned?.name ?? `${shortName(value!)}-base`);
  const request: Evaluation = {
    kind: "evaluate",
    ...(kind === "run" ? { run: value! } : { model: value! }),
    tasks: [...chosen.value],
    ...(limit.value !== "" && { limit: Number(limit.value) }),
    ...(isChat.value && { applyChatTemplate: true }),
    name: name.value.trim() || suggestedName,
  };
  const offered = (tasks.value ?? [])
    .filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(words.value.trim()))
    .toSorted((a, b) => Number(b.isLocal) - Number(a.isLocal));
  const start = async (event: Event) => {
    event.preventDefault();
    problem.value = undefined;
    try {
      started.value = (await client.startJob(request)).id;
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  const job = started.value === undefined ? undefined : live.value?.jobs.get(started.value);

  return (
    <form onSubmit={start}>
      <div class="fields">
        <label class="field">
          What is evaluated
          <select
            value={subject}
            onChange={(event) => {
              subject.value = event.currentTarget.value;
            }}
          >
            {models.map((model) => (
              <option key={model} value={`model:${model}`}>
                The model {model === embedded ? "that slimtune brings along" : shortName(model)}
              </option>
            ))}
            {finished.map(({ id, name }) => (
              <option key={id} value={`run:${id}`}>
                The run {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Items of each task, at most (empty: all)
          <input
            type="number"
            min="1"
            value={limit}
            onInput={(event) => {
              limit.value = event.currentTarget.value;
            }}
          />
        </label>
        <label class="field">
          Name
          <input
            placeholder={suggestedName}
            value={name}
            onInput={(event) => {
              name.value = event.currentTarget.value;
            }}
          />
        </label>
      </div>
      <fieldset class="tasks">
        <legend>Tasks</legend>
        <label class="filter">
          With the words{" "}
          <input
            type="search"
            onInput={(event) => {
              words.value = event.currentTarget.value.toLowerCase();
            }}
          />
        </label>
        {tasks.problem && <Notice kind="error">{tasks.problem}</Notice>}
        {offered.map(({ name, description, isLocal }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={chosen.value.has(name)}
              onChange={(event) => {
                const changed = new Set(chosen.value);
                if (event.currentTarget.checked) changed.add(name);
                else changed.delete(name);
                chosen.value = changed;
              }}
            />{" "}
            {name}{" "}
            <small>
              {description}
              {!isLocal && " (its data come from the Hub)"}
            </small>
          </label>
        ))}
      </fieldset>
      <label>
        <input
          type="checkbox"
          checked={isChat}
          onChange={(event) => {
            isChat.value = event.currentTarget.checked;
          }}
        />{" "}
        Ask as in a conversation, by the model's chat template
      </label>
      {request.tasks.length > 0 && <JobCommand request={request} />}
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <div class="actions">
        <button type="submit" class="main" disabled={request.tasks.length === 0}>
          Evaluate
        </button>
      </div>
      {job && <JobPanel job={job} />}
    </form>
  );
}
