/** @file `npm run bench:peers`, first part: steps of LoRA and QLoRA against PEFT and bitsandbytes, on the same weights. */

import { availableParallelism } from "node:os";
import {
  date,
  formatSpeed,
  machine,
  median,
  note,
  printTable,
  runJson,
  script,
  writeResults,
} from "./measuring.ts";
import { preparePython } from "./python.ts";
import { randomModel, type ShapeName } from "./random-model.ts";
import { type PeerMeasurement, type StepCase, type StepMeasurement, shareOfBound } from "./step-cases.ts";

/** A way in which the peer can compute a step. */
interface Variant {
  readonly dtype: "float32" | "bfloat16";
  readonly attention: "eager" | "sdpa";
  readonly compile: boolean;
}

const variants: readonly Variant[] = (["float32", "bfloat16"] as const).flatMap((dtype) => [
  { dtype, attention: "eager", compile: false },
  { dtype, attention: "sdpa", compile: false },
  { dtype, attention: "sdpa", compile: true },
]);

const sizes: readonly (readonly [shape: ShapeName, rows: number, length: number])[] = [
  ["SmolLM2-135M", 1, 256],
  ["SmolLM2-135M", 1, 512],
  ["SmolLM2-135M", 4, 512],
  ["SmolLM2-135M", 1, 2048],
  ["Qwen2.5-0.5B", 1, 512],
  ["Qwen2.5-1.5B", 1, 512],
];
const cases = (["float32", "nf4"] as const).flatMap((storage) =>
  sizes.flatMap(([shape, rows, length]) =>
    // The larger shapes are those of people whose memory is short.
    (shape === "SmolLM2-135M" ? [false, true] : [true]).map(
      (recompute): StepCase => ({ shape, storage, rows, length, recompute }),
    ),
  ),
);

const [rounds = "5", wanted = "."] = process.argv.slice(2);
const nameOf = ({ shape, storage, rows, length, recompute }: StepCase) =>
  `${storage === "nf4" ? "QLoRA" : "LoRA"} ${shape} ${rows}x${length}${recompute ? " recompute" : ""}`;
const chosen = cases.filter((each) => new RegExp(wanted).test(nameOf(each)));
const python = preparePython();
const describe = ({ dtype, attention, compile }: Variant) =>
  `${dtype}, ${attention}${compile ? ", torch.compile" : ""}`;

const measureOurs = (each: StepCase): StepMeasurement =>
  runJson(process.execPath, [script("measure-step.js"), JSON.stringify(each)]);

async function measurePeer(each: StepCase, variant: Variant): Promise<PeerMeasurement> {
  const settings = { ...each, ...variant, threads: availableParallelism(), steps: each.steps ?? 4 };
  const folder = await randomModel(each.shape);
  return runJson(python, ["reference/peft_step.py", folder, JSON.stringify(settings)], {
    ...process.env,
    HF_HUB_OFFLINE: "1",
  });
}

/** The fastest variant of each type of numbers, found once on the small shape. */
async function findFastest(storage: StepCase["storage"]): Promise<Map<Variant, number>> {
  const each: StepCase = { shape: "SmolLM2-135M", storage, rows: 1, length: 512, recompute: false };
  const speeds = new Map<Variant, number>();
  for (const variant of variants) {
    try {
      const { tokensPerSecond } = await measurePeer(each, variant);
      note(`${storage}: ${describe(variant)}: ${tokensPerSecond.toFixed(1)} tokens/s`);
      speeds.set(variant, tokensPerSecond);
    } catch (error) {
      note(`${storage}: ${describe(variant)} does not run: ${(error as Error).message}`);
    }
  }
  const fastest = ["float32", "bfloat16"].flatMap((dtype) => {
    const ofType = [...speeds].filter(([variant]) => variant.dtype === dtype);
    return ofType.length === 0 ? [] : [ofType.reduce((best, one) => (one[1] > best[1] ? one : best))];
  });
  return new Map(fastest);
}

interface Row {
  readonly each: StepCase;
  readonly ours: StepMeasurement[];
  readonly peers: { readonly variant: Variant; readonly runs: PeerMeasurement[] }[];
}

const rows: Row[] = [];
const screened: Record<string, Record<string, number>> = {};
for (const storage of new Set(chosen.map((each) => each.storage))) {
  const fastest = await findFastest(storage);
  screened[storage] = Object.fromEntries(
    [...fastest].map(([variant, speed]) => [describe(variant), speed] as const),
  );
  for (const each of chosen.filter((one) => one.storage === storage)) {
    rows.push({ each, ours: [], peers: [...fastest.keys()].map((variant) => ({ variant, runs: [] })) });
  }
}
for (let round = 1; round <= Number(rounds); round++) {
  // Ours and theirs take turns, so that a slow minute of the machine falls on both.
  for (const { each, ours, peers } of rows) {
    note(`round ${round}/${rounds}: ${nameOf(each)}`);
    ours.push(measureOurs(each));
    for (const { variant, runs } of peers) {
      try {
        runs.push(await measurePeer(each, variant));
      } catch (error) {
        note(`${describe(variant)}: ${(error as Error).message}`);
      }
    }
  }
  save(round);
}
print();

function summarize(runs: readonly PeerMeasurement[]) {
  return {
    tokensPerSecond: median(runs.map((run) => run.tokensPerSecond)),
    peakRssMB: median(runs.map((run) => run.peakRssBytes)) / 1e6,
    loadSeconds: median(runs.map((run) => run.loadSeconds)),
    firstLoss: runs[0]!.firstLoss,
    rounds: runs.map((run) => run.tokensPerSecond),
  };
}

function save(done: number): void {
  writeResults("peers-training", {
    rounds: done,
    screened,
    results: rows.map(({ each, ours, peers }) => ({
      name: nameOf(each),
      ...each,
      slimtune: {
        ...summarize(ours),
        productGflops: median(ours.map((run) => run.productFlops)) / 1e9,
        shareOfBound: median(ours.map(shareOfBound)),
        estimatedMB: ours[0]!.estimatedBytes / 1e6,
      },
      peers: peers.flatMap(({ variant, runs }) =>
        runs.length === 0 ? [] : [{ variant: describe(variant), ...summarize(runs) }],
      ),
    })),
  });
}

function print(): void {
  console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
  printTable(
    ["step", "slimtune", "peak RSS", "share of bound", "peer", "tokens/s", "peak RSS", "speed", "memory"],
    rows.flatMap(({ each, ours, peers }) => {
      const own = summarize(ours);
      const share = median(ours.map(shareOfBound));
      return peers
        .filter(({ runs }) => runs.length > 0)
        .map(({ variant, runs }) => {
          const peer = summarize(runs);
          return [
            nameOf(each),
            formatSpeed(own.tokensPerSecond),
            `${own.peakRssMB.toFixed(0)} MB`,
            `${(100 * share).toFixed(0)} %`,
            describe(variant),
            formatSpeed(peer.tokensPerSecond),
            `${peer.peakRssMB.toFixed(0)} MB`,
            `${(own.tokensPerSecond / peer.tokensPerSecond).toFixed(2)} x`,
            `${(own.peakRssMB / peer.peakRssMB).toFixed(2)} x`,
          ];
        });
    }),
  );
}
