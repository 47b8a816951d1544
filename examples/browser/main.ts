/** Tunes a model in a worker of this tab, writes with it, and gives the adapter out. */

import { parse } from "csv-parse/browser/esm/sync";
import { connectWorker, type ExampleRow, type TuningState } from "slimtune/web";
import { forget, recall, remember } from "./store.ts";

const find = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const [csv, prompt] = [find<HTMLTextAreaElement>("csv"), find<HTMLInputElement>("prompt")];
const [device, progress] = [find<HTMLSelectElement>("device"), find<HTMLOutputElement>("progress")];
const buttons = {
  tune: find<HTMLButtonElement>("tune"),
  stop: find<HTMLButtonElement>("stop"),
  write: find<HTMLButtonElement>("write"),
};

const worker = connectWorker(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
let opened: string | undefined;
let stop = new AbortController();

/** Opens the model on the chosen device, once. */
async function open(): Promise<void> {
  if (opened === device.value) return;
  progress.value = "loading the model";
  await worker.open(new URL("./", location.href).href, { device: device.value as "wasm" | "webgpu" });
  opened = device.value;
}

/** Tunes, from where a tab that was closed has left it. */
async function tune(): Promise<void> {
  await open();
  const rows: ExampleRow[] = parse(csv.value, { columns: true, skip_empty_lines: true, trim: true });
  stop = new AbortController();
  let totalSteps = 0;
  const stored = await recall<{ csv: string; state: TuningState }>();
  const { outcome, files } = await worker.tune(
    rows,
    { num_train_epochs: 20, batch_size: 4, learning_rate: 1e-2 },
    {
      state: stored?.csv === csv.value ? stored.state : undefined,
      signal: stop.signal,
      onPlan: (plan) => ({ totalSteps } = plan),
      onStep: ({ step, loss, tokens, seconds }) => {
        progress.value = `step ${step} of ${totalSteps}: loss ${loss.toFixed(3)}, ${Math.round(tokens / seconds)} tokens/s`;
      },
      onState: (state) => remember({ csv: csv.value, state }),
    },
  );
  if (outcome === "interrupted") return;
  await forget();
  const links = files.map((file) => {
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(file),
      download: file.name,
    });
    link.textContent = file.name;
    return link;
  });
  find("files").replaceChildren("The adapter, as PEFT reads it: ", links[0]!, " ", links[1]!);
}

/** Writes by the model as it was and as tuned. */
async function write(): Promise<void> {
  await open();
  for (const id of ["base", "tuned"]) {
    const text = find(id);
    text.textContent = "";
    const onText = (piece: string) => text.append(piece);
    await worker.write(prompt.value, { isTuned: id === "tuned", maxNewTokens: 40, onText });
  }
}

/** What a button does, with the others out of use meanwhile. */
const whenClicked = (button: HTMLButtonElement, act: () => Promise<void>) =>
  button.addEventListener("click", async () => {
    buttons.tune.disabled = buttons.write.disabled = true;
    buttons.stop.disabled = button !== buttons.tune;
    await act().catch((error: Error) => (progress.value = error.message));
    buttons.tune.disabled = buttons.write.disabled = false;
    buttons.stop.disabled = true;
  });
whenClicked(buttons.tune, tune);
whenClicked(buttons.write, write);
buttons.stop.addEventListener("click", () => stop.abort());
if ((await recall<{ csv: string }>())?.csv === csv.value) buttons.tune.textContent = "Go on";
