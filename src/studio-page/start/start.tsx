/** @file The view "Start": a model, data and options, what comes of them, and the run's start. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Estimate, GivenOptions, Preview, RunOption } from "../../studio/api.ts";
import { client } from "../client.ts";
import { CommandLine } from "../components/command-line.tsx";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { Field } from "../options/field.tsx";
import { defaultOf, findOptions, isOffered, toGivenOptions } from "../options/given-options.ts";
import { goTo } from "../route.ts";
import { generation, live, studio } from "../state/live.ts";
import { DataChoice } from "./data-choice.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { chosen, give, texts } from "./form.ts";
import { ModelChoice } from "./model-choice.tsx";
import { suggestName } from "./names.ts";
import { PreviewPanel } from "./preview.tsx";

/** What is typed is asked about when it has stood for this long. */
const settledMilliseconds = 500;

export function Start() {
  const options = useFetched(client.options);
  const given = useComputed(() => toGiven(options.value.value ?? []));
  const preview = useAnswer<Preview>(given.value, client.preview);
  const estimate = useAnswer<Estimate>(given.value, client.estimate);
  const problem = preview.problem ?? estimate.problem;
  return (
    <>
      <h1>Start a tuning</h1>
      <div class="columns">
        <ModelChoice />
        <DataChoice />
      </div>
      {options.value.problem && <Notice kind="error">{options.value.problem}</Notice>}
      {options.value.value && <OptionFields options={options.value.value} />}
      {problem && <Notice kind="error">{problem}</Notice>}
      {texts.value.data === undefined ? (
        <p class="quiet">
          Choose data, and what the model will see of them is shown here, with what the run will take.
        </p>
      ) : (
        <>
          <section aria-busy={preview.isLoading}>
            <h2>What the model will see</h2>
            {preview.value ? (
              <PreviewPanel preview={preview.value} />
            ) : (
              preview.isLoading && <p class="quiet">The rows are being read…</p>
            )}
          </section>
          <section aria-busy={estimate.isLoading}>
            <h2>What it will take</h2>
            {estimate.value ? (
              <EstimatePanel estimate={estimate.value} />
            ) : (
              estimate.isLoading && <p class="quiet">Memory and time are being estimated…</p>
            )}
          </section>
          <Begin given={given.value} />
        </>
      )}
    </>
  );
}

/** All that is given, with the embedded model by default; undefined while a model or data are still to be chosen. */
function toGiven(options: readonly RunOption[]): GivenOptions | undefined {
  const embedded = studio.value?.embeddedModel;
  const { model, data } = texts.value;
  if (options.length === 0 || embedded === undefined || data === undefined || model === "") return undefined;
  return { model: embedded, ...toGivenOptions(options, texts.value) };
}

/** What the server says of the options once they have stood still; an answer to former ones is not waited for. */
function useAnswer<T>(
  given: GivenOptions | undefined,
  ask: (given: GivenOptions, signal: AbortSignal) => Promise<T>,
) {
  const answer = useSignal<{ value?: T; problem?: string; isLoading: boolean }>({ isLoading: false });
  const question = JSON.stringify(given);
  useEffect(() => {
    if (given === undefined) {
      answer.value = { isLoading: false };
      return;
    }
    const controller = new AbortController();
    const { value } = answer.peek();
    answer.value = { ...(value !== undefined && { value }), isLoading: true };
    const timer = setTimeout(() => {
      ask(given, controller.signal).then(
        (value) => {
          answer.value = { value, isLoading: false };
        },
        (error: Error) => {
          if (error.name !== "AbortError") answer.value = { problem: error.message, isLoading: false };
        },
      );
    }, settledMilliseconds);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [question, generation.value]);
  return answer.value;
}

/** Given by parts of the form of their own. */
const elsewhere: ReadonlySet<string> = new Set(["model", "data"]);

function OptionFields({ options }: { readonly options: readonly RunOption[] }) {
  const words = useSignal("");
  const { method, objective } = chosen.value;
  const offered = options.filter(
    (option) => !elsewhere.has(option.name) && isOffered(option, method, objective),
  );
  const basic = offered.filter(({ isBasic }) => isBasic);
  const others = offered.filter(({ isBasic }) => !isBasic);
  const isGiven = ({ name }: RunOption) => texts.value[name] !== undefined;
  const found = words.value.trim() ? findOptions(others, words.value) : others.filter(isGiven);
  const field = (option: RunOption) => (
    <Field
      key={option.name}
      option={option}
      text={texts.value[option.name]}
      initial={defaultOf(option, method, objective)}
      onChange={(text) => give(option.name, text)}
    />
  );
  return (
    <fieldset>
      <legend>Options</legend>
      <div class="fields">{basic.map(field)}</div>
      <p class="filter">
        <label for="option-words">Find one of {others.length} other options</label>
        <input
          id="option-words"
          type="search"
          placeholder="such as seed, dropout, checkpoint"
          value={words}
          onInput={(event) => {
            words.value = event.currentTarget.value;
          }}
        />
        <span role="status" class="quiet">
          {words.value.trim() && (found.length === 0 ? "None has these words." : `${found.length} found`)}
        </span>
      </p>
      {found.length > 0 && <div class="fields">{found.map(field)}</div>}
    </fieldset>
  );
}

function Begin({ given }: { readonly given: GivenOptions | undefined }) {
  const typed = useSignal<string | undefined>(undefined);
  const problem = useSignal("");
  const isStarting = useSignal(false);
  const command = useSignal("");
  const taken = [...(live.value?.runs.values() ?? [])].map(({ name }) => name);
  const name = typed.value ?? suggestName(texts.value.data ?? "", chosen.value.method, taken);
  const job = { kind: "tune", options: given ?? {}, name } as const;
  const isRunning = [...(live.value?.jobs.values() ?? [])].some(({ state }) => state === "running");

  const question = JSON.stringify(given && job);
  useEffect(() => {
    if (given === undefined) return;
    const timer = setTimeout(() => {
      client.command(job).then(
        (told) => {
          command.value = told;
        },
        () => {
          command.value = "";
        },
      );
    }, settledMilliseconds);
    return () => clearTimeout(timer);
  }, [question]);

  const start = async () => {
    problem.value = "";
    isStarting.value = true;
    try {
      const { run } = await client.startJob(job);
      typed.value = undefined;
      goTo(run === undefined ? "#/jobs" : `#/run/${run}`);
    } catch (error) {
      problem.value = (error as Error).message;
    }
    isStarting.value = false;
  };

  return (
    <section>
      <h2>Start</h2>
      <div class="field narrow">
        <label for="run-name">Name of the run</label>
        <input
          id="run-name"
          value={name}
          spellcheck={false}
          onInput={(event) => {
            typed.value = event.currentTarget.value || undefined;
          }}
        />
        <small>It is the name of its folder, in {studio.value?.folders[0]}.</small>
      </div>
      {command.value && <CommandLine command={command.value} />}
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <p class="actions">
        <button type="button" class="main" disabled={given === undefined || isStarting.value} onClick={start}>
          Start the tuning
        </button>
        {isRunning && <span class="quiet">Another job is running: this one waits until it has ended.</span>}
      </p>
    </section>
  );
}
