/** @file The view "Run": one run, live, with what can be done with it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Id, Job, RunDetail, RunSummary, Sample } from "../../studio/api.ts";
import { client } from "../client.ts";
import { CommandLine } from "../components/command-line.tsx";
import { Dialog } from "../components/dialog.tsx";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { Chart } from "../curves/chart.tsx";
import { smooth } from "../curves/points.ts";
import { formatBytes, formatCount, formatMoment, formatSeconds, formatSmall } from "../format.ts";
import { HandOn } from "../hand-on/hand-on.tsx";
import { JobPanel } from "../jobs/jobs.tsx";
import { goTo, route } from "../route.ts";
import { pointsOf, type Quantity, quantities } from "../run-list/run-curves.ts";
import { compareSettings } from "../run-list/settings.ts";
import { StateMark } from "../run-list/state-mark.tsx";
import { shortName } from "../start/names.ts";
import { curvesOf, live, onEvent } from "../state/live.ts";
import { addSample } from "../state/live-state.ts";
import { Samples } from "./samples.tsx";

export function Run() {
  const { id } = route.value;
  const state = live.value;
  if (state === undefined) return <h1>Run</h1>;
  const jobs = [...state.jobs.values()].filter(({ run }) => run === id);
  const summary = state.runs.get(id);
  if (summary !== undefined) return <Known key={id} summary={summary} jobs={jobs} />;
  if (jobs.length === 0)
    return (
      <>
        <h1>Run</h1>
        <p>
          There is no such run in these folders. <a href="#/runs">See all runs</a>.
        </p>
      </>
    );
  return (
    <>
      <h1>Run</h1>
      <p>It is shown here as soon as it has begun.</p>
      {jobs.map((job) => (
        <JobPanel key={job.id} job={job} />
      ))}
    </>
  );
}

const isUnderWay = ({ state }: Job) => state === "waiting" || state === "running";

function Known({ summary, jobs }: { readonly summary: RunSummary; readonly jobs: readonly Job[] }) {
  const { id, name, state, model, data, method, objective, path, startedAt } = summary;
  const detail = useFetched(() => client.run(id), [id, state]);
  const { value, problem } = detail.value;
  return (
    <>
      <h1>{name}</h1>
      <p>
        <StateMark state={state} /> · {shortName(model)} on {shortName(data)} · {method} · {objective} ·
        started {formatMoment(startedAt)}
        <br />
        <span class="quiet mono">{path}</span>
      </p>
      <Actions summary={summary} job={jobs.find(isUnderWay)} />
      <Progress summary={summary} />
      <Figures summary={summary} />
      <RunCurves id={id} />
      {problem && <Notice kind="error">{problem}</Notice>}
      {value && <LiveSamples detail={value} />}
      <Note summary={summary} />
      {value && state === "finished" && <HandOn run={value} />}
      {value && (
        <section>
          <h2>Settings</h2>
          <CommandLine command={value.command} />
          <SettingsTable detail={value} />
        </section>
      )}
      {jobs.length > 0 && (
        <section>
          <h2>Jobs of this run</h2>
          {jobs.map((job) => (
            <JobPanel key={job.id} job={job} />
          ))}
        </section>
      )}
    </>
  );
}

function Actions({ summary, job }: { readonly summary: RunSummary; readonly job: Job | undefined }) {
  const { id, name, state } = summary;
  const isAsking = useSignal(false);
  const problem = useSignal("");
  const act = async (action: () => Promise<unknown>) => {
    problem.value = "";
    try {
      await action();
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  return (
    <>
      <p class="actions">
        {job && (
          <button type="button" onClick={() => act(() => client.stopJob(job.id))}>
            {job.state === "waiting" ? "Take out of the queue" : "Stop"}
          </button>
        )}
        {state === "interrupted" && !job && (
          <button
            type="button"
            class="main"
            onClick={() => act(() => client.startJob({ kind: "resume", run: id }))}
          >
            Resume
          </button>
        )}
        {state === "finished" && (
          <>
            <a class="button" href={`#/talk?run=${id}`}>
              Talk to it
            </a>
            <a class="button" href={`#/compare?evaluate=${id}`}>
              Evaluate
            </a>
          </>
        )}
        <a class="button" href={`#/runs?choose=${id}`}>
          Beside others
        </a>
        {state === "running" && !job && (
          <span class="quiet">It was started in a terminal: Ctrl+C stops it there.</span>
        )}
        {state !== "running" && !job && (
          <button
            type="button"
            class="danger"
            onClick={() => {
              isAsking.value = true;
            }}
          >
            Delete…
          </button>
        )}
      </p>
      {problem.value && <Notice kind="error">{problem}</Notice>}
      {isAsking.value && (
        <Deletion
          summary={summary}
          onClose={() => {
            isAsking.value = false;
          }}
          onDelete={() =>
            act(async () => {
              isAsking.value = false;
              await client.deleteRun(id, name);
              goTo("#/runs");
            })
          }
        />
      )}
    </>
  );
}

function Deletion({
  summary: { name, path },
  onClose,
  onDelete,
}: {
  readonly summary: RunSummary;
  readonly onClose: () => void;
  readonly onDelete: () => void;
}) {
  const typed = useSignal("");
  return (
    <Dialog title={`Delete ${name}?`} onClose={onClose}>
      <p>
        Its folder goes with all that is in it, adapter and checkpoints too, and cannot be brought back:
        <br />
        <span class="mono">{path}</span>
      </p>
      <div class="field">
        <label for="deleted-name">Type the run’s name to delete it</label>
        <input
          id="deleted-name"
          spellcheck={false}
          autocomplete="off"
          value={typed}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </div>
      <p class="actions">
        <button type="button" class="danger" disabled={typed.value !== name} onClick={onDelete}>
          Delete the run
        </button>
        <button type="button" onClick={onClose}>
          Keep it
        </button>
      </p>
    </Dialog>
  );
}

function Progress({ summary: { state, step, totalSteps, secondsLeft } }: { readonly summary: RunSummary }) {
  if (totalSteps === undefined || state === "finished") return null;
  return (
    <p class="progress">
      <label>
        Step {formatCount(step)} of {formatCount(totalSteps)}
        {secondsLeft !== undefined && state === "running" && `, about ${formatSeconds(secondsLeft)} left`}
        <progress value={step} max={totalSteps} />
      </label>
    </p>
  );
}

function Figures({ summary }: { readonly summary: RunSummary }) {
  const { loss, firstEvalLoss, bestEvalLoss, tokensPerSecond, peakBytes, step } = summary;
  const learningRate = curvesOf(summary.id).value?.learningRate.findLast((rate) => rate !== null);
  const figures: [string, string | undefined][] = [
    ["Steps", formatCount(step)],
    ["Loss", loss?.toFixed(3)],
    ["Held-out loss, before", firstEvalLoss?.toFixed(3)],
    ["Held-out loss, best", bestEvalLoss?.toFixed(3)],
    ["Learning rate", learningRate === undefined ? undefined : formatSmall(learningRate)],
    ["Tokens/s", tokensPerSecond === undefined ? undefined : formatCount(tokensPerSecond)],
    ["Memory at most", peakBytes === undefined ? undefined : formatBytes(peakBytes)],
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? "–"}</dd>
        </div>
      ))}
    </dl>
  );
}

const others: readonly Quantity[] = ["learningRate", "tokensPerSecond", "peakBytes"];

function RunCurves({ id }: { readonly id: Id }) {
  const curves = curvesOf(id).value;
  const isSmooth = useSignal(true);
  if (curves === undefined) return <p class="quiet">The curves are being read…</p>;
  if (curves.step.length === 0 && curves.evalStep.length === 0)
    return <p class="quiet">There is no step yet.</p>;
  const loss = pointsOf(curves, "loss");
  const training = isSmooth.value
    ? [
        { label: "Training, each step", ...loss, isFaint: true, colour: 0 },
        { label: "Training, smoothed", ...smooth(loss), colour: 0 },
      ]
    : [{ label: "Training", ...loss, colour: 0 }];
  const heldOut = { label: "Held out", ...pointsOf(curves, "evalLoss"), isDashed: true, colour: 1 };
  return (
    <>
      <Chart title={quantities.loss.title} curves={[...training, heldOut]} height={300} />
      <p>
        <label>
          <input
            type="checkbox"
            checked={isSmooth}
            onChange={(event) => {
              isSmooth.value = event.currentTarget.checked;
            }}
          />{" "}
          Smooth the training loss
        </label>
      </p>
      <div class="charts">
        {others.map((quantity) => (
          <Chart
            key={quantity}
            title={quantities[quantity].title}
            curves={[{ label: quantities[quantity].title.split(",")[0]!, ...pointsOf(curves, quantity) }]}
            height={160}
          />
        ))}
      </div>
    </>
  );
}

function LiveSamples({ detail: { id, samples } }: { readonly detail: RunDetail }) {
  const known = useSignal<readonly Sample[]>(samples);
  useEffect(() => {
    known.value = samples;
    return onEvent((event) => {
      if (event.kind === "sample" && event.run === id) known.value = addSample(known.value, event.sample);
    });
  }, [id, samples]);
  return known.value.length > 0 ? <Samples samples={known.value} /> : null;
}

function Note({ summary: { id, note } }: { readonly summary: RunSummary }) {
  const typed = useSignal<string | undefined>(undefined);
  const told = useSignal("");
  const save = async () => {
    try {
      await client.setNote(id, typed.value ?? "");
      typed.value = undefined;
      told.value = "Saved";
    } catch (error) {
      told.value = (error as Error).message;
    }
  };
  return (
    <section>
      <h2>
        <label for="run-note">Note</label>
      </h2>
      <textarea
        id="run-note"
        rows={2}
        value={typed.value ?? note}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          told.value = "";
        }}
      />
      <p class="actions">
        <button type="button" disabled={typed.value === undefined || typed.value === note} onClick={save}>
          Save the note
        </button>
        <span role="status">{told}</span>
      </p>
    </section>
  );
}

function SettingsTable({ detail: { config } }: { readonly detail: RunDetail }) {
  return (
    <details>
      <summary>All settings</summary>
      <table>
        <caption class="hidden">Settings of the run</caption>
        <tbody>
          {compareSettings([config]).map(({ name, values: [value] }) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
