import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  createModel,
  type Device,
  generate,
  InputError,
  loadWeights,
  type Model,
  openFolderCheckpoint,
  openSafetensors,
  type StepMetrics,
  type Storage,
} from "../core/index.ts";
import { exportGguf } from "../node/export/gguf.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { blobFolder, blobSource, openUrl } from "./byte-sources.ts";
import { openWebModel } from "./open-model.ts";
import { resumeTuning, tune } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";
import { rows } from "./tuning.fixture.ts";
import type { TuningState } from "./tuning-state.ts";
import { connectWorker, type TuningWorker } from "./worker-client.ts";
import type { MessageLine } from "./worker-messages.ts";

// Node.js runs the package's WebAssembly too, if it finds a `require` there.
Object.assign(globalThis, { require: createRequire(import.meta.url) });
const { env } = await import("onnxruntime-web/webgpu");
const { openWebDevice } = await import("./device.ts");
const { hostWorker } = await import("./worker-host.ts");
// Its threads wait actively.
env.wasm.numThreads = 1;

const folder = "fixtures/embedded-model";
const files = readdirSync(folder).map((name) => new File([readFileSync(join(folder, name))], name));

describe("sources", async () => {
  const bytes = readFileSync(join(folder, "model.safetensors"));
  const server = createServer(({ headers, url }, response) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (url === "/none") response.writeHead(404).end();
    else if (url === "/whole") response.end(bytes);
    // As servers do that take an end of 0 for none.
    else
      response
        .writeHead(206, {
          "content-range": `bytes ${start}-${Number(end) || bytes.length - 1}/${bytes.length}`,
        })
        .end(bytes.subarray(Number(start), (Number(end) || bytes.length - 1) + 1));
  }).listen(0);
  afterAll(() => void server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  test("an address is read in parts", async () => {
    const file = await openSafetensors(await openUrl(`${address}/model`));
    const [name] = file.tensors.keys() as Iterable<string> as [string];
    const local = await openSafetensors(blobSource(new Blob([bytes]), "local"));
    expect(Buffer.compare(await file.readBytes(name), await local.readBytes(name))).toBe(0);
  });

  test("what cannot be read in parts is refused", async () => {
    await expect(openUrl(`${address}/whole`)).rejects.toThrow("/whole gives no parts of files; download");
    await expect(openUrl(`${address}/none`)).rejects.toThrow("/none cannot be read: the server answers 404");
    await expect(openUrl("http://127.0.0.1:1/model")).rejects.toThrow(
      "http://127.0.0.1:1/model cannot be reached; check the address and the connection.",
    );
  });

  test("a Blob that is cut off is refused", async () => {
    const cut = blobSource(new Blob([bytes.subarray(0, 1000)]), "cut.safetensors");
    await expect(openSafetensors(cut)).rejects.toThrow(/^cut\.safetensors .*truncated/);
    await expect(cut.read(900, 1100)).rejects.toThrow("cut.safetensors ends before byte 1100");
    await expect(blobFolder([], "chosen").open("config.json")).rejects.toThrow(
      "chosen holds no config.json.",
    );
  });
});

async function openFromBlobs(storage: Storage): Promise<Model> {
  const checkpoint = await openFolderCheckpoint(blobFolder(files, "chosen"));
  return createModel("chosen", checkpoint, await loadWeights(checkpoint, { storage }));
}

test("a tuning that is stopped and gone on with from its state is the same, bit for bit", async () => {
  const options: TuneOptions = {
    method: "qlora",
    lora: { r: 4, lora_dropout: 0.1 },
    batch_size: 1,
    max_steps: 3,
    save_steps: 1,
    validation: 1,
    eval_steps: 2,
    learning_rate: 1e-2,
  };
  const model = await openFromBlobs("nf4");
  const device = openWebDevice("wasm");
  const given = [...rows, ...rows];
  const whole = await tune(device, model, given, options);
  const stop = new AbortController();
  const states: TuningState[] = [];
  const stopped = await tune(device, model, given, options, {
    signal: stop.signal,
    onStep: ({ step }) => step === 2 && stop.abort(),
    onState: (state) => states.push(structuredClone(state)),
  });
  expect(stopped.outcome).toBe("interrupted");
  expect(stopped.progress.step).toBe(2);
  const steps: number[] = [];
  const onStep = ({ step }: StepMetrics) => steps.push(step);
  const resumed = await resumeTuning(device, model, given, states.at(-1)!, { onStep });
  expect(steps).toEqual([3]);
  for (const [i, file] of resumed.files.entries())
    expect(await file.text()).toBe(await whole.files[i]!.text());
  expect(resumed.progress.best).toEqual(whole.progress.best);
});

describe("what cannot be tuned is refused:", async () => {
  const model = await openFromBlobs("float32");
  const device = openWebDevice("wasm");
  const refused: readonly [options: object, message: string][] = [
    [
      { learning_rat: 1 },
      'The options: there is no option "learning_rat"; the options are method, base_model_name,',
    ],
    [{ method: "full" }, 'The options: the option "method" is the text "full"; give "lora", "qlora",'],
    [{ ia3: {} }, 'The options: there is no option "ia3"'],
    [{ method: "qlora" }, 'The options: method "qlora" keeps the base in nf4, not in float32;'],
    [{ lora: { init_lora_weights: "pissa" } }, "The options: PiSSA changes the base weights"],
    [{ segment_size: 99 }, '"segment_size" is 99, but the model has'],
    [{ context: 8 }, "The examples, line 1: the example has"],
    [{ context: 8, overlong: "drop" }, "Of 2 examples none is left to train on"],
  ];
  test.each(refused)("options %j", async (options, message) => {
    await expect(tune(device, model, rows, options as TuneOptions)).rejects.toThrow(message);
  });

  test("a state of other options, of another model or of other examples", async () => {
    let state: TuningState | undefined;
    await tune(
      device,
      model,
      rows,
      { max_steps: 1 },
      {
        onState: (given) => {
          state = given;
        },
      },
    );
    const resume = (given: object, from = rows) => resumeTuning(device, model, from, given as TuningState);
    await expect(resume({ ...state, model: "0" })).rejects.toThrow("The state is of another model; open");
    await expect(resume(state!, rows.slice(1))).rejects.toThrow("The state is of other examples than these");
    await expect(resume({ ...state, parameters: new Map() })).rejects.toThrow(
      'The state lacks values of "model',
    );
    await expect(resume({ ...state, options: { lora: { r: 0 } } })).rejects.toThrow(
      'The options: the option "lora.r"',
    );
    await expect(resume({ step: 1 })).rejects.toThrow("The state: ");
  });
});

/** Node's messages cannot carry files. */
function startWorker(): TuningWorker {
  const [page, self] = [new EventTarget(), new EventTarget()];
  const lineTo = (other: EventTarget, own: EventTarget): MessageLine => ({
    postMessage: (data) =>
      queueMicrotask(() => void other.dispatchEvent(new MessageEvent("message", { data }))),
    addEventListener: (type, listener) =>
      own.addEventListener(type, (event) => listener(event as MessageEvent)),
  });
  hostWorker(lineTo(page, self));
  return connectWorker(lineTo(self, page));
}

describe("a worker", () => {
  const worker = startWorker();

  test("tunes and writes as the page would, tells how far it is, and can be stopped", async () => {
    await worker.open(files, { device: "wasm" });
    const stop = new AbortController();
    const options: TuneOptions = { max_steps: 3, learning_rate: 5e-2 };
    const steps: number[] = [];
    const onStep = ({ step }: StepMetrics) => {
      steps.push(step);
      stop.abort();
    };
    let state: TuningState | undefined;
    const onState = (given: TuningState) => {
      state = given;
    };
    const events = { onStep, onState, signal: stop.signal };
    const stopped = await worker.tune(rows, options, events);
    expect(stopped.outcome).toBe("interrupted");
    expect(state!.progress.step).toBe(steps.at(-1));
    const { files: adapter } = await worker.tune(rows, options, { state });
    const whole = await tune(openWebDevice("wasm"), await openFromBlobs("float32"), rows, options);
    expect(await adapter[1]!.text()).toBe(await whole.files[1]!.text());
    const pieces: string[] = [];
    const written = { maxNewTokens: 8, onText: (text: string) => pieces.push(text) };
    const [before, after] = [
      await worker.write("When do you open?", written),
      await worker.write("When do you open?", { isTuned: true, maxNewTokens: 8 }),
    ];
    expect(pieces.join("")).toBe(before);
    expect(after).not.toBe(before);
  });

  test("waits until a state is kept, and ends where it cannot be", async () => {
    await worker.open(files, { device: "wasm" });
    const events: string[] = [];
    const told = {
      onStep: ({ step }: StepMetrics) => events.push(`step ${step}`),
      async onState({ progress }: TuningState) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        events.push(`kept ${progress.step}`);
      },
    };
    await worker.tune(rows, { max_steps: 2, save_steps: 1 }, told);
    expect(events).toEqual(["step 1", "kept 1", "step 2", "kept 2"]);
    const onState = () => Promise.reject(new Error("The disk is full."));
    await expect(worker.tune(rows, { max_steps: 2, save_steps: 1 }, { onState })).rejects.toThrow(
      "The disk is full.",
    );
  });

  test("answers what it cannot use in a sentence", async () => {
    await expect(worker.open([], { device: "wasm" })).rejects.toThrow(
      "The message to the worker: model: it is",
    );
    await expect(worker.tune(rows, { max_steps: 0 })).rejects.toThrow(
      'The options: the option "max_steps" is 0',
    );
    await expect(worker.write("When do you open?", { maxNewTokens: 0 })).rejects.toThrow(
      "options.maxNewTokens: it is 0",
    );
  });
});

test("a model from Blobs is the same, and writes the same on WebAssembly", async () => {
  const model = await openModel(folder);
  const ours = await openFromBlobs("float32");
  expect(ours.fingerprint).toBe(model.fingerprint);
  const write = (from: Model, device: Device) =>
    generate(device, from, "Question: 2 + 3?", { maxNewTokens: 8 });
  expect(await write(ours, openWebDevice("wasm"))).toBe(await write(model, openDevice("cpu")));
});

test("a GGUF file is the model that Node opens, as a Blob and in a worker", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-web-"));
  try {
    const path = join(scratch, "model.gguf");
    await exportGguf(openDevice("cpu"), await openModel(folder), path, { type: "f32" });
    const file = new File([readFileSync(path)], "model.gguf");
    const { fingerprint } = await openWebModel(blobSource(file, file.name));
    expect(fingerprint).toBe((await openModel(path)).fingerprint);
    const worker = startWorker();
    await worker.open([file], { device: "wasm" });
    expect(await worker.write("Question: 2 + 3?", { maxNewTokens: 2 })).not.toBe("");
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test("a device of another name is refused", () => {
  expect(() => openWebDevice("cpu" as "wasm")).toThrow(InputError);
});
