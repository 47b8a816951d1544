/** @file `npm run bench:peers`, first part: steps of LoRA and QLoRA against PEFT and bitsandbytes, on the same weights. */

import { availableParallelism } from "node:os";
import { date, formatSpeed, machine, median, note, printTable, writeResults } from "./measuring.ts";
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

/** Compiling for quantized weights may take longer than training does. */
const limitSeconds = 240;

async function startPeer(each: StepCase, variant: Variant): Promise<StepProcess<PreparedStep>> {
  const settings = { ...each, ...variant, threads: availableParallelism() };
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

/** The fastest variant of each type of numbers, found once on the small shape, and the tokens/s of all. */
async function findFastest(storage: StepCase["storage"]) {
  const each: StepCase = { shape: "SmolLM2-135M", storage, rows: 1, length: 512, recompute: false };
  const fastest: Variant[] = [];
  const speeds: Record<string, number> = {};
  for (const dtype of ["float32", "bfloat16"]) {
    note(`${storage}: looking for the peer's fastest way in ${dtype}`);
    const ofType = variants.filter((variant) => variant.dtype === dtype);
    const candidates = await startPeers(each, ofType);
    const { seconds } = await takeTurns(
      candidates.map(({ process }) => process),
      3,
    );
    const ranked = candidates
      .map(({ variant }, index) => ({ variant, speed: each.length / median(seconds[index]!) }))
      .sort((one, other) => other.speed - one.speed);
    for (const { variant, speed } of ranked) {
      note(`${describe(variant)}: ${formatSpeed(speed)} tokens/s`);
      speeds[describe(variant)] = speed;
    }
    fastest.push(...ranked.slice(0, 1).map(({ variant }) => variant));
    for (const { process } of candidates) await process.finish();
  }
  return { fastest, speeds };
}

async function measure(each: StepCase, wanted: readonly Variant[]) {
  note(nameOf(each));
  const ours = await startOurs(each);
  const candidates = await startPeers(each, wanted);
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
      variant: describe(variant),
      tokensPerSecond: (each.rows * each.length) / median(theirs),
      peakRssMB,
      ...process.prepared,
      // Of each round, since the machine's speed changes from one to the next.
      timesFaster: median(theirs.map((peer, round) => peer / own[round]!)),
      shareOfMemory: slimtune.peakRssMB / peakRssMB,
      seconds: theirs,
    });
  }
  return { name: nameOf(each), ...each, slimtune, peers };
}

const results: Awaited<ReturnType<typeof measure>>[] = [];
const screened: Record<string, Record<string, number>> = {};
for (const storage of new Set(chosen.map((each) => each.storage))) {
  const { fastest, speeds } = await findFastest(storage);
  screened[storage] = speeds;
  for (const each of chosen.filter((one) => one.storage === storage)) {
    results.push(await measure(each, fastest));
    writeResults("peers-training", { rounds: Number(rounds), screened, results });
  }
}

console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
printTable(
  ["step", "slimtune", "peak RSS", "share of bound", "peer", "tokens/s", "peak RSS", "speed", "memory"],
  results.flatMap(({ name, slimtune, peers }) =>
    peers.map((peer) => [
      name,
      formatSpeed(slimtune.tokensPerSecond),
      `${slimtune.peakRssMB.toFixed(0)} MB`,
      `${(100 * slimtune.shareOfBound).toFixed(0)} %`,
      peer.variant,
      formatSpeed(peer.tokensPerSecond),
      `${peer.peakRssMB.toFixed(0)} MB`,
      `${peer.timesFaster.toFixed(2)} x`,
      `${peer.shareOfMemory.toFixed(2)} x`,
    ]),
  ),
);
