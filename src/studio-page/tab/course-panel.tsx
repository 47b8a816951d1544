/** @file How far the tuning is, with its curve, and what can be done with it. */

import { useComputed } from "@preact/signals";
import { renderCommand } from "../../node/command-line.ts";
import { CommandLine } from "../components/command-line.tsx";
import { Notice } from "../components/notice.tsx";
import { Chart } from "../curves/chart.tsx";
import { formatCount, formatNumber, formatSeconds } from "../format.ts";
import { busy } from "./engine.ts";
import { nameOf, titleOf } from "./model-choice.ts";
import {
  adapter,
  begun,
  canGoOn,
  evaluations,
  giveUp,
  goOn,
  phase,
  problem,
  steps,
  stop,
  totalSteps,
} from "./tuning.ts";

export function CoursePanel() {
  const { rows, options, model, device } = begun.value!;
  const curves = useComputed(() => [
    { label: "Loss", x: steps.value.map(({ step }) => step), y: steps.value.map(({ loss }) => loss) },
    ...(evaluations.value.length === 0
      ? []
      : [
          {
            label: "Held-out loss",
            isDashed: true,
            x: evaluations.value.map(({ step }) => step),
            y: evaluations.value.map(({ eval_loss }) => eval_loss),
          },
        ]),
  ]);
  return (
    <section aria-labelledby="course">
      <h2 id="course">The tuning</h2>
      <p>
        {options.method === "qlora" ? "QLoRA" : "LoRA"} of {titleOf(model)} on {formatCount(rows.length)}{" "}
        {rows.length === 1 ? "example" : "examples"}, on {device === "wasm" ? "WebAssembly" : "WebGPU"}.
      </p>
      <Figures />
      <progress max={totalSteps.value || 1} value={steps.value.at(-1)?.step ?? 0} aria-label="Steps done" />
      <p role="status">{phase.value === "stopping" ? "It stops after this step…" : busy}</p>
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <Actions />
      {steps.value.length > 0 && <Chart title="Loss" curves={curves.value} height={220} />}
      {adapter.value && <AdapterFiles files={adapter.value} model={nameOf(model)} />}
    </section>
  );
}

function Figures() {
  const last = steps.value.at(-1);
  if (!last) return null;
  const { step, loss, tokens, seconds } = last;
  const recent = steps.value.slice(-10);
  const left =
    ((totalSteps.value - step) * recent.reduce((sum, each) => sum + each.seconds, 0)) / recent.length;
  const figures = {
    Step: `${formatCount(step)} of ${formatCount(totalSteps.value)}`,
    Loss: formatNumber(loss),
    "Tokens a second": formatNumber(tokens / seconds),
    ...(left > 0 && { "Time left": formatSeconds(left) }),
  };
  return (
    <dl class="figures">
      {Object.entries(figures).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Actions() {
  if (phase.value !== "standing")
    return (
      <p class="actions">
        <button type="button" disabled={phase.value === "stopping"} onClick={stop}>
          Stop
        </button>
        <span class="quiet">
          Each step is kept in this browser: a tab that is closed goes on where it was.
        </span>
      </p>
    );
  const anew = () => {
    if (confirm("The tuning and its adapter are removed from this browser.")) void giveUp();
  };
  return (
    <p class="actions">
      {(canGoOn.value || !adapter.value) && (
        <button type="button" class="main" disabled={busy.value !== ""} onClick={() => void goOn()}>
          {canGoOn.value ? "Go on" : "Open the adapter again"}
        </button>
      )}
      <button type="button" onClick={anew}>
        Begin anew
      </button>
    </p>
  );
}

function AdapterFiles({ files, model }: { readonly files: readonly File[]; readonly model: string }) {
  return (
    <>
      <h3>The adapter</h3>
      <p>Two files, as PEFT and slimtune read them. Put both into a folder of their own.</p>
      <p class="actions">
        {files.map((file) => (
          <a key={file.name} class="button" href={addressOf(file)} download={file.name}>
            {file.name}
          </a>
        ))}
      </p>
      <CommandLine
        label="In a terminal, with both files in the folder adapter"
        command={renderCommand(["generate", "--model", model, "--adapter", "adapter", "When do you open?"])}
      />
    </>
  );
}

const addresses = new WeakMap<File, string>();

/** The same at each time, since each keeps its file. */
function addressOf(file: File): string {
  const address = addresses.get(file) ?? URL.createObjectURL(file);
  addresses.set(file, address);
  return address;
}
