/** @file What can be made of a finished run, as a part of its view: files for other programs, and a repository of the Hub. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Id, JobRequest, RunDetail } from "../../studio/api.ts";
import { client } from "../client.ts";
import { JobCommand } from "../components/job-command.tsx";
import { Notice } from "../components/notice.tsx";
import { StateMark } from "../run-list/state-mark.tsx";
import { fileNameOf } from "../start/names.ts";
import { live } from "../state/live.ts";
import "./hand-on.css";
import { formatsFor, resultFormats } from "./result-formats.ts";

/** Of a job's output: what it has written, and what it is for. */
const shownLines = 2;

export function HandOn({ run }: { readonly run: RunDetail }) {
  return (
    <section>
      <h2>Hand on</h2>
      <div class="columns">
        <Write run={run} />
        <Push run={run} />
      </div>
    </section>
  );
}

function Write({ run }: { readonly run: RunDetail }) {
  const names = formatsFor(run);
  const chosen = useSignal(names[0]!);
  const variant = useSignal<string>();
  const name = useSignal("");
  const { purpose, variants, request } = resultFormats[chosen.value]!;
  const suggestedName = fileNameOf(`${run.name}-${chosen.value}`);
  return (
    <StartForm
      title="Write it for other programs"
      submit="Write"
      request={request(run.id, name.value.trim() || suggestedName, variant.value ?? variants?.names[0])}
    >
      <label class="field">
        Format
        <select
          value={chosen}
          onChange={(event) => {
            chosen.value = event.currentTarget.value;
            variant.value = undefined;
          }}
        >
          {names.map((name) => (
            <option key={name} value={name}>
              {resultFormats[name]!.title}
            </option>
          ))}
        </select>
        <small>{purpose}</small>
      </label>
      {variants && (
        <label class="field">
          {variants.label}
          <select
            value={variant.value ?? variants.names[0]}
            onChange={(event) => {
              variant.value = event.currentTarget.value;
            }}
          >
            {variants.names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
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
    </StartForm>
  );
}

function Push({ run }: { readonly run: RunDetail }) {
  const repository = useSignal("");
  const isPrivate = useSignal(true);
  return (
    <StartForm
      title="Send it to the Hugging Face Hub"
      submit="Send"
      request={
        repository.value.trim() === ""
          ? undefined
          : { kind: "push", run: run.id, repository: repository.value.trim(), isPrivate: isPrivate.value }
      }
    >
      <label class="field">
        Repository
        <input
          placeholder="user/name"
          value={repository}
          onInput={(event) => {
            repository.value = event.currentTarget.value;
          }}
        />
        <small>
          It is made if it does not exist. The token is that of the terminal: HF_TOKEN, or what hf auth login
          has kept.
        </small>
      </label>
      <label>
        <input
          type="checkbox"
          checked={isPrivate}
          onChange={(event) => {
            isPrivate.value = event.currentTarget.checked;
          }}
        />{" "}
        Nobody else can read it
      </label>
    </StartForm>
  );
}

/** Fields of a job, its command, and the button that starts it. */
function StartForm({
  title,
  submit,
  request,
  children,
}: {
  readonly title: string;
  readonly submit: string;
  /** Undefined while something is missing. */
  readonly request: JobRequest | undefined;
  readonly children: ComponentChildren;
}) {
  const problem = useSignal<string>();
  const started = useSignal<Id>();
  const job = started.value === undefined ? undefined : live.value?.jobs.get(started.value);
  const start = async (event: Event) => {
    event.preventDefault();
    problem.value = undefined;
    try {
      started.value = (await client.startJob(request!)).id;
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  return (
    <form class="panel" onSubmit={start}>
      <h3>{title}</h3>
      {children}
      {request && <JobCommand request={request} />}
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <div class="actions">
        <button type="submit" disabled={request === undefined}>
          {submit}
        </button>
      </div>
      {job && (
        <div role="status">
          <StateMark state={job.state} />
          {job.output.slice(-shownLines).map((line, index) => (
            <p key={index}>{line}</p>
          ))}
        </div>
      )}
    </form>
  );
}
