/**
 * @file `npm run bench:peers`, first part: steps of LoRA and QLoRA against PEFT and bitsandbytes, on the same weights.
 *
 *     node build/benchmarks/peers-training.js ways 5        # the peer's ways of computing a step, one against the other
 *     node build/benchmarks/peers-training.js steps 5 "QLoRA SmolLM2-135M 1x512"
 */

import { availableParallelism } from "node:os";
import { findInputBits } from "../src/core/engine/integer-arithmetic.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { writeComparisonChart } from "./chart.ts";
import {
  date,
  formatSpeed,
  machine,
  median,
  note,
  printTable,
  readResults,
  writeResults,
} from "./measuring.ts";
import { preparePython } from "./python.ts";
import { randomModel, type ShapeName } from "./random-model.ts";
import type { PreparedStep, StepCase } from "./step-cases.ts";
import { type StepProcess, startOurs, startStepProcess, summarizeOurs, takeTurns } from "./step-process.ts";

/** A way in which the peer can compute a step. */
interface Variant {
  readonly dtype: "float32" | "bfloat16";
  readonly attention: "eager" | "sdpa";
  readonly compile: boolean;
}

const ways: readonly Variant[] = (["float32", "bfloat16"] as const).flatMap((dtype) => [
  { dtype, attention: "eager", compile: false },
  { dtype, attention: "sdpa", compile: false },
  { dtype, attention: "sdpa", compile: true },
]);
/** Transformers' default, with which all cases are measured, and the smaller ones in bfloat16 too. */
const usual = ways.filter(({ attention, compile }) => attention === "sdpa" && !compile);
const bfloat16Tokens = 512;

const sizes: readonly (readonly [shape: ShapeName, rows: number, length: number])[] = [
  ["SmolLM2-135M", 1, 256],
  ["SmolLM2-135M", 1, 512],
  ["SmolLM2-135M", 4, 512],
  ["SmolLM2-135M", 1, 2048],
  ["Qwen2.5-0.5B", 1, 512],
  ["Qwen2.5-1.5B", 1, 256],
];
const inputBits = await findInputBits(openDevice("cpu"));
/** Bases that are multiplied in integers, against the peer in float32, or with bitsandbytes. */
const integerCases = (["int8", "nf4"] as const).flatMap((storage) =>
  (
    [
      ["SmolLM2-135M", 512],
      ["Qwen2.5-1.5B", 256],
    ] as const
  ).map(
    ([shape, length]): StepCase => ({
      ...{ shape, storage, inputBits, rows: 1, length },
      recompute: shape !== "SmolLM2-135M",
    }),
  ),
);
const floatCases = (["float32", "nf4"] as const).flatMap((storage) =>
  sizes.flatMap(([shape, rows, length]) =>
    // The larger shapes are those of people whose memory is short.
    (shape === "SmolLM2-135M" ? [false, true] : [true]).map(
      (recompute): StepCase => ({ shape, storage, rows, length, recompute }),
    ),
  ),
);

const cases = [...floatCases, ...integerCases];

const [part = "steps", rounds = "5", wanted = "."] = process.argv.slice(2);
const nameOf = ({ shape, storage, inputBits, rows, length, recompute }: StepCase) =>
  `${storage === "nf4" ? "QLoRA" : "LoRA"} ${shape} ${rows}x${length}${recompute ? " recompute" : ""}${inputBits ? " in integers" : ""}`;
const chosen = cases.filter((each) => new RegExp(wanted).test(nameOf(each)));
const python = preparePython();
const describe = ({ dtype, attention, compile }: Variant) =>
  `${dtype}, ${attention}${compile ? ", torch.compile" : ""}`;

/** Compiling for quantized weights may take longer than a training. */
const limitSeconds = 300;

async function startPeer(each: StepCase, variant: Variant): Promise<StepProcess<PreparedStep>> {
  const storage = each.storage === "nf4" ? "nf4" : "float32";
  const settings = { ...each, storage, ...variant, threads: availableParallelism() };
  const folder = await randomModel(each.shape);
  const args = ["reference/peft_step.py", folder, JSON.stringify(settings)];
  return startStepProcess(python, args, { env: { ...process.env, HF_HUB_OFFLINE: "1" }, limitSeconds });
}

interface Candidate {
  readonly variant: Variant;
  readonly process: StepProcess<PreparedStep>;
}

async function startPeers(each: StepCase, wanted: readonly Variant[]): Promise<Candidate[]> {
  const started: Candidate[] = [];
  for (const variant of wanted) {
    try {
      started.push({ variant, process: await startPeer(each, variant) });
    } catch (error) {
      note(`${describe(variant)} does not run: ${(error as Error).message}`);
    }
  }
  return started;
}

/** All ways of the peer to compute a step, with ours among them. */
async function compareWays(each: StepCase) {
  note(nameOf(each));
  const speeds: Record<string, { tokensPerSecond: number; timesFaster: number } | null> = {};
  for (const dtype of ["float32", "bfloat16"]) {
    const ofType = ways.filter((way) => way.dtype === dtype);
    const ours = await startOurs(each);
    const candidates = await startPeers(each, ofType);
    const { seconds } = await takeTurns([ours, ...candidates.map(({ process }) => process)], Number(rounds));
    const own = seconds[0]!;
    for (const way of ofType) speeds[describe(way)] = null;
    for (const [index, { variant }] of candidates.entries()) {
      const theirs = seconds[index + 1]!;
      speeds[describe(variant)] = {
        tokensPerSecond: each.length / median(theirs),
        timesFaster: median(theirs.map((peer, round) => peer / own[round]!)),
      };
    }
    await ours.finish();
    for (const { process } of candidates) await process.finish();
  }
  return { name: nameOf(each), date, speeds };
}

async function measure(each: StepCase) {
  note(nameOf(each));
  const wanted = usual.filter(
    ({ dtype }) => dtype === "float32" || each.rows * each.length <= bfloat16Tokens,
  );
  const ours = await startOurs(each);
  const candidates: { readonly variant: string; readonly process: StepProcess<PreparedStep> }[] = (
    await startPeers(each, wanted)
  ).map(({ variant, process }) => ({ variant: describe(variant), process }));
  if (each.inputBits) {
    const { inputBits: _, ...inFloat32 } = each;
    const storage = each.storage === "nf4" ? "nf4" : "float32";
    candidates.push({ variant: ownFloat32, process: await startOurs({ ...inFloat32, storage }) });
  }
  const { seconds, productRates } = await takeTurns(
    [ours, ...candidates.map(({ process }) => process)],
    Number(rounds),
  );
  const own = seconds[0]!;
  const slimtune = summarizeOurs(each, ours.prepared, own, productRates, await ours.finish());
  const peers = [];
  for (const [index, { variant, process }] of candidates.entries()) {
    const theirs = seconds[index + 1]!;
    const peakRssMB = (await process.finish()) / 1e6;
    peers.push({
      variant,
      tokensPerSecond: (each.rows * each.length) / median(theirs),
      peakRssMB,
      ...process.prepared,
      // Of each round, since the machine's speed changes from one to the next.
      timesFaster: median(theirs.map((peer, round) => peer / own[round]!)),
      shareOfMemory: slimtune.peakRssMB / peakRssMB,
      seconds: theirs,
    });
  }
  return { name: nameOf(each), date, ...each, slimtune, peers };
}

/** Our own step in float32, beside one in integers. */
const ownFloat32 = "slimtune, float32";

/** What was measured before, by its name: cases that are not measured now stay as they were. */
function readMeasured<T extends { readonly name: string }>(name: string): Map<string, T> {
  return new Map(readResults<T>(name).map((result) => [result.name, result]));
}

console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
if (part === "ways") {
  const measured = readMeasured<Awaited<ReturnType<typeof compareWays>>>("peers-ways");
  const small = floatCases.filter(({ rows, length, recompute }) => rows * length === 512 && !recompute);
  const inOrder = () => small.flatMap((each) => measured.get(nameOf(each)) ?? []);
  for (const each of small.filter((one) => chosen.includes(one))) {
    measured.set(nameOf(each), await compareWays(each));
    writeResults("peers-ways", { results: inOrder() });
  }
  const results = inOrder();
  printTable(
    ["the peer's way", ...results.map(({ name }) => `${name}, tokens/s`)],
    ways.map(describe).map((way) => [
      way,
      ...results.map(({ speeds }) => {
        const speed = speeds[way];
        if (!speed) return `not ready after ${limitSeconds} s`;
        return `${formatSpeed(speed.tokensPerSecond)} (${speed.timesFaster.toFixed(2)} ×)`;
      }),
    ]),
  );
} else {
  const measured = readMeasured<Awaited<ReturnType<typeof measure>>>("peers-training");
  const inOrder = () => cases.flatMap((each) => measured.get(nameOf(each)) ?? []);
  for (const each of chosen) {
    measured.set(nameOf(each), await measure(each));
    writeResults("peers-training", { results: inOrder() });
  }
  const results = inOrder();
  writeComparisonChart(
    "docs/images/peers-training.svg",
    results.flatMap(({ name, peers }) =>
      peers.flatMap(({ variant, timesFaster, shareOfMemory }) =>
        variant === describe(usual[0]!)
          ? [
              { name, series: "tokens per second", times: timesFaster },
              { name, series: "peak memory", times: 1 / shareOfMemory },
            ]
          : [],
      ),
    ),
    "times better than PEFT in float32",
  );
  const perPeer = (dtype: Variant["dtype"]) => [`PEFT ${dtype}`, "peak RSS", "speed", "memory"];
  printTable(
    ["step", "slimtune", "peak RSS", "share of bound", ...perPeer("float32"), ...perPeer("bfloat16")],
    results.map(({ name, slimtune, peers }) => [
      name,
      ...describeSpeed(slimtune),
      `${(100 * slimtune.shareOfBound).toFixed(0)} %`,
      ...usual.flatMap((variant) => {
        const peer = peers.find((each) => each.variant === describe(variant));
        if (!peer) return ["–", "–", "–", "–"];
        return [
          ...describeSpeed(peer),
          `${peer.timesFaster.toFixed(2)} ×`,
          `${peer.shareOfMemory.toFixed(2)} ×`,
        ];
      }),
    ]),
  );
  const ownTurns = results.flatMap(({ name, slimtune, peers }) => {
    const own = peers.find(({ variant }) => variant === ownFloat32);
    if (!own) return [];
    const speeds = [slimtune, own].flatMap(describeSpeed);
    return [[name, ...speeds, `${own.timesFaster.toFixed(2)} ×`, `${own.shareOfMemory.toFixed(2)} ×`]];
  });
  console.log();
  printTable(["step", "in integers", "peak RSS", "in float32", "peak RSS", "speed", "memory"], ownTurns);
}

function describeSpeed({ tokensPerSecond, peakRssMB }: { tokensPerSecond: number; peakRssMB: number }) {
  return [`${formatSpeed(tokensPerSecond)} tokens/s`, `${(peakRssMB / 1000).toFixed(2)} GB`];
}
