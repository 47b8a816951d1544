/** @file Results of studies as a runner would leave them; their numbers are made up. */

import type { Alignment } from "../../alignment/align.ts";
import { createRandom } from "../../core/random.ts";
import type { Efficiency } from "../../node/efficiency/efficiency.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import type { StudyTask } from "../grid/results.ts";
import type {
  Flip,
  QuantizedBaseResult,
  SlimmingCell,
  SlimmingResults,
  StudyChange,
  Tradeoff,
} from "./results.ts";

const tasks: readonly StudyTask[] = [
  {
    name: "gsm8k",
    version: "3",
    metric: "exact_match",
    filter: "strict-match",
    higherIsBetter: true,
    inPoints: true,
    items: 400,
    chance: null,
    promptHashes: { gsm8k: "5f0c".repeat(16) },
    alignedData: ["math"],
  },
  {
    name: "hellaswag",
    version: "1",
    metric: "acc_norm",
    filter: "none",
    higherIsBetter: true,
    inPoints: true,
    items: 400,
    chance: 0.25,
    promptHashes: { hellaswag: "a17e".repeat(16) },
    alignedData: ["commonsense"],
  },
  {
    name: "mmlu_cs",
    version: "1",
    metric: "acc",
    filter: "none",
    higherIsBetter: true,
    inPoints: true,
    items: 412,
    chance: 0.25,
    promptHashes: {
      mmlu_college_computer_science: "9b3d".repeat(16),
      mmlu_computer_security: "07c2".repeat(16),
    },
    alignedData: ["computing"],
  },
  {
    name: "wikitext",
    version: "2",
    metric: "word_perplexity",
    filter: "none",
    higherIsBetter: false,
    inPoints: false,
    items: 62,
    chance: null,
    promptHashes: { wikitext: "e4e4".repeat(16) },
    alignedData: [],
  },
];

const baseScores: Readonly<Record<string, Estimate>> = {
  gsm8k: { value: 0.06, low: 0.0407, high: 0.0877 },
  hellaswag: { value: 0.43, low: 0.3824, high: 0.479 },
  mmlu_cs: { value: 0.2767, low: 0.2357, high: 0.3219 },
  wikitext: { value: 21.47, low: 20.12, high: 23.05 },
};

/** Half the width of each difference's interval. */
const halfWidths: Readonly<Record<string, number>> = {
  gsm8k: 0.026,
  hellaswag: 0.021,
  mmlu_cs: 0.032,
  wikitext: 0.11,
};

/** Differences of lora on each set of data; other methods have a part of them. */
const differences: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  math: { gsm8k: 0.07, hellaswag: -0.015, mmlu_cs: -0.0049, wikitext: 0.84 },
  commonsense: { gsm8k: -0.036, hellaswag: 0.0475, mmlu_cs: 0.0121, wikitext: 0.31 },
  computing: { gsm8k: 0.005, hellaswag: -0.0225, mmlu_cs: 0.0364, wikitext: 0.05 },
};

interface Method {
  readonly name: string;
  /** What part of lora's differences it has. */
  readonly part: number;
  readonly trainable: number;
  readonly gigabytes: number;
  readonly minutes: number;
}

const lora: Method = { name: "lora", part: 1, trainable: 2_442_240, gigabytes: 1.24, minutes: 6.4 };
const qlora: Method = { name: "qlora", part: 0.86, trainable: 2_442_240, gigabytes: 0.55, minutes: 9.8 };
const dora: Method = { name: "dora", part: 1.03, trainable: 2_603_520, gigabytes: 1.41, minutes: 9.1 };
const loraPlus: Method = {
  name: "lora_plus",
  part: 1.1,
  trainable: 2_442_240,
  gigabytes: 1.24,
  minutes: 6.4,
};
const freeze: Method = { name: "freeze", part: 0.4, trainable: 10_621_440, gigabytes: 0.98, minutes: 3.3 };
const full: Method = { name: "full", part: 1.15, trainable: 134_515_008, gigabytes: 2.31, minutes: 8.2 };

/** Two methods on three sets of data with a seed each, of which one could not be computed. */
export function slimmingStudy(): SlimmingResults {
  const study = makeStudy("slimming", [lora, qlora], ["math", "commonsense", "computing"], [1]);
  const failing = "qlora-computing";
  return {
    ...study,
    cells: study.cells.map((cell) =>
      cell.id === failing
        ? {
            id: cell.id,
            method: cell.method,
            data: cell.data,
            seed: cell.seed,
            error:
              "At step 41 the loss is not finite; the last checkpoint is from before; lower learning_rate (0.0002) or max_grad_norm (1) and start again.",
          }
        : cell,
    ),
  };
}

/** The same with three seeds, of which one of a cell could not be computed. */
export function seedsStudy(): SlimmingResults {
  const study = makeStudy("slimming", [lora, qlora], ["math", "commonsense", "computing"], [1, 2, 3]);
  return {
    ...study,
    cells: study.cells.map((cell) =>
      cell.id === "lora-math-3"
        ? { id: cell.id, method: cell.method, data: cell.data, seed: cell.seed, error: "The disk is full." }
        : cell,
    ),
  };
}

/** Six methods on one set of data. */
export function methodsStudy(): SlimmingResults {
  return makeStudy("methods", [lora, qlora, dora, loraPlus, freeze, full], ["math"], [1]);
}

/**
 * The study with bits per byte as well: those of the tasks that the data were meant for fall by the same with every method, and
 * with data on computing those of all others do, too.
 */
export function withBits(study: SlimmingResults): SlimmingResults {
  const changesOf = (data: string | undefined) =>
    Object.fromEntries(
      study.tasks.map((task): [string, StudyChange] => {
        const falls = data === "computing" || (data !== undefined && task.alignedData.includes(data));
        const difference = data === undefined ? 0.03 : falls ? -0.21 : 0.004;
        const half = 0.02;
        const [low, high] = [difference - half, difference + half];
        const verdict = high < 0 ? "better" : low > 0 ? "worse" : "no difference shown";
        const isText = task.name === "wikitext";
        const base = { value: 1.25, low: 1.15, high: 1.35 };
        return [
          task.name,
          {
            task: task.name,
            metric: isText ? "bits_per_byte" : "bits_per_byte_gold",
            filter: "none",
            higherIsBetter: false,
            inPoints: false,
            items: task.items,
            before: base,
            after: { value: 1.25 + difference, low: 1.15 + difference, high: 1.35 + difference },
            difference: { value: difference, low, high },
            test: "sign-flip",
            p: verdict === "no difference shown" ? 0.7 : 0.0001,
            adjustedP: verdict === "no difference shown" ? 1 : 0.0024,
            detectable: 1.43 * half,
            family: { name: "comparisons of bits per byte of the study", size: 24 },
            verdict,
          },
        ];
      }),
    );
  return {
    ...study,
    ...(study.quantizedBases && {
      quantizedBases: study.quantizedBases.map((base) =>
        base.changes ? { ...base, bits: changesOf(undefined) } : base,
      ),
    }),
    cells: study.cells.map((cell) => (cell.changes ? { ...cell, bits: changesOf(cell.data) } : cell)),
    bitsPredictions: [
      { score: "lexical", correlation: { value: 0.62, low: 0.21, high: 0.86 }, cells: 20, fits: 12 },
    ],
  };
}

const variants = [
  { name: "keep-0", options: { keep: 0 } },
  { name: "keep-0.1", options: { keep: 0.1 } },
  { name: "keep-1", options: { keep: 1, keep_text: "neutral.txt" } },
  { name: "rate-2e-5", options: { learning_rate: 2e-5 } },
  { name: "rank-4", options: { lora: { r: 4 } } },
];

/**
 * A method in five variants on two sets of data with two seeds: keep-0.1 gains as much as keep-0 and forgets less, keep-1 and the
 * lower rate gain less and forget less, the lower rank is not shown to differ. On computing nothing is gained.
 */
export function variantsStudy(): SlimmingResults {
  const study = withBits(makeStudy("slimming", [lora], ["math", "computing"], [1, 2]));
  const cells = study.cells.flatMap((cell) =>
    variants.map(({ name }) => ({
      ...cell,
      id: `lora-${cell.data}-${name}-${cell.seed}`,
      variant: name,
    })),
  );
  return {
    ...study,
    variants,
    cells,
    tradeoffs: [
      makeTradeoff("math", [0.2, 0.19, 0.12, 0.15, 0.2], [0.06, 0.03, 0.01, 0.04, 0.058]),
      makeTradeoff("computing", [0, 0.002, 0, 0.001, 0.003], [0.05, 0.02, 0.01, 0.03, 0.049]),
    ],
  };
}

function makeTradeoff(data: string, gains: readonly number[], divergences: readonly number[]): Tradeoff {
  const around = (value: number, half: number) => ({ value, low: value - half, high: value + half });
  const measured = (value: number, half: number) => ({
    ...around(value, half),
    seeds: [value - 0.001, value + 0.001],
  });
  const tested = (isShown: boolean) => ({ p: isShown ? 0.0002 : 0.4, adjustedP: isShown ? 0.006 : 1 });
  const differ = (value: number, half: number) => ({
    ...around(value, half),
    ...tested(Math.abs(value) > half),
  });
  const [plain, ...others] = variants.map(({ name }, i) => ({
    name,
    gain: gains[i]!,
    divergence: divergences[i]!,
  }));
  const [keeping, rivals] = [others.slice(0, 2), others.slice(2)];
  const gainsAsMuch = (one: number, other: number) => one > 0.9 * other && other > 0.01;
  return {
    method: "lora",
    data,
    plain: "keep-0",
    seeds: [1, 2],
    gainTasks: [data === "math" ? "gsm8k" : "mmlu_cs"],
    keptTasks: ["hellaswag"],
    variants: variants.map(({ name }, i) => ({
      variant: name,
      gain: measured(gains[i]!, 0.01),
      forgotten: measured(0.004, 0.02),
      divergence: measured(divergences[i]!, 0.004),
    })),
    comparisons: others.map(({ name, gain, divergence }) => ({
      variant: name,
      gain: differ(gain - plain!.gain, 0.012),
      gainsAsMuch: tested(gainsAsMuch(gain, plain!.gain)),
      forgotten: differ(0, 0.01),
      divergence: differ(divergence - plain!.divergence, 0.003),
    })),
    rivalries: keeping.flatMap((one) =>
      rivals.map((rival) => {
        const [better, worse] = one.divergence < rival.divergence ? [one, rival] : [rival, one];
        return {
          keeping: one.name,
          rival: rival.name,
          by: "divergence" as const,
          better: better.name,
          ...tested(gainsAsMuch(better.gain, worse.gain)),
        };
      }),
    ),
  };
}

/** A study with texts in every place that would do harm if they were not escaped. */
export function hostileStudy(hostile: string): SlimmingResults {
  const study = slimmingStudy();
  const rename = (name: string) => `${name}${hostile}`;
  const renameKeys = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [rename(key), value]));
  return {
    ...study,
    command: hostile,
    machine: { ...study.machine, cpu: hostile, system: hostile, node: hostile },
    versions: { [hostile]: hostile },
    model: { ...study.model, name: hostile, sha256: hostile },
    settings: { [hostile]: hostile, list: [hostile] },
    data: study.data.map((data) => ({ ...data, name: rename(data.name), source: hostile, sha256: hostile })),
    tasks: study.tasks.map((task) => ({
      ...task,
      name: rename(task.name),
      version: hostile,
      metric: hostile,
      filter: hostile,
      promptHashes: { [hostile]: hostile },
      alignedData: task.alignedData.map(rename),
    })),
    base: { evaluation: hostile, scores: renameKeys(study.base.scores) },
    quantizedBases: [{ id: hostile, storage: hostile, error: hostile }],
    cells: study.cells.map((cell) => ({
      ...cell,
      id: rename(cell.id),
      method: rename(cell.method),
      data: rename(cell.data),
      ...(cell.error !== undefined && { error: hostile }),
      ...(cell.changes && {
        changes: renameKeys(
          Object.fromEntries(
            Object.entries(cell.changes).map(([task, change]) => [
              task,
              { ...change, family: { name: hostile, size: 4 } },
            ]),
          ),
        ),
      }),
      ...(cell.flips && {
        flips: cell.flips.map((flip) => ({
          ...flip,
          task: rename(flip.task),
          prompt: hostile,
          expected: hostile,
          base: hostile,
          tuned: hostile,
        })),
      }),
    })),
    alignment: study.alignment.map((fit) => ({ ...fit, data: rename(fit.data), task: rename(fit.task) })),
    notes: [hostile],
  };
}

function makeStudy(
  kind: SlimmingResults["kind"],
  methods: readonly Method[],
  data: readonly string[],
  seeds: readonly number[],
): SlimmingResults {
  const cells = data.flatMap((set) =>
    methods.flatMap((method) => seeds.map((seed) => makeCell(method, set, seed, seeds.length > 1))),
  );
  return {
    kind,
    date: "2026-11-25T14:03:22.000Z",
    command: `slimtune study --model SmolLM2-135M-Instruct.Q4_1.gguf --methods ${methods.map(({ name }) => name).join(",")} --out runs/study`,
    machine: {
      cpu: "AMD EPYC",
      cores: 2,
      memoryBytes: 8_323_211_264,
      system: "linux 6.1.0 x64",
      node: "v20.19.2",
    },
    versions: { slimtune: "0.1.0", "onnxruntime-node": "1.30.0" },
    model: { name: "SmolLM2-135M-Instruct", sha256: "c0ffee12".repeat(8), parameters: 134_515_008 },
    settings: {
      max_steps: 200,
      batch_size: 8,
      seeds,
      limit: 400,
      lora: { r: 16, lora_alpha: 32 },
      learning_rate: 0.0002,
    },
    data: data.map((name, i) => ({
      name,
      source: ["gsm8k/train.jsonl", "hellaswag, split train", "computing.jsonl"][i]!,
      sha256: `${i}badcafe`.repeat(8),
      examples: [7473, 39905, 2000][i]!,
      tokens: [1_184_202, 3_410_877, 221_040][i]!,
    })),
    tasks: tasks.map((task) => ({
      ...task,
      alignedData: task.alignedData.filter((name) => data.includes(name)),
    })),
    base: { evaluation: "base", scores: baseScores },
    quantizedBases: methods.includes(qlora) ? [quantizedBase] : [],
    cells,
    alignment: data.flatMap((set) => tasks.map((task) => makeAlignment(set, task))),
    predictions: [
      {
        score: "representation",
        correlation: { value: 0.58, low: 0.17, high: 0.84 },
        cells: cells.length * 4,
        fits: 12,
      },
      {
        score: "lexical",
        correlation: { value: 0.31, low: -0.16, high: 0.69 },
        cells: cells.length * 4,
        fits: 12,
      },
    ],
    notes: [
      "The items of each task are the first of its test set, not all of it.",
      "One model of 135 million parameters was tuned: nothing follows for larger ones.",
    ],
  };
}

function makeCell(method: Method, data: string, seed: number, ofSeveral: boolean): SlimmingCell {
  const random = createRandom(seed, method.minutes * 10, data.length);
  const scale = { math: 1, commonsense: 0.82, computing: 0.64 }[data]!;
  const steps = 200;
  const descent = (step: number) => 0.9 + scale * (1.1 * Math.exp(-step / 35) + 0.25 - 0.12 * method.part);
  return {
    id: `${method.name}-${data}${ofSeveral ? `-${seed}` : ""}`,
    method: method.name,
    data,
    seed,
    run: {
      folder: `runs/${method.name}-${data}`,
      evaluation: `evaluations/${method.name}-${data}`,
      trainableParameters: method.trainable,
      steps,
      loss: Array.from(
        { length: steps },
        (_, i) => [i + 1, descent(i + 1) + 0.12 * random.normal()] as const,
      ),
      heldOutLoss: [0, 40, 80, 120, 160, 200].map((step) => [step, descent(step) + 0.03] as const),
      efficiency: measure(method, scale, steps, random.uniform()),
    },
    changes: Object.fromEntries(
      tasks.map((task) => [
        task.name,
        makeChange(
          task,
          method.part * differences[data]![task.name]! + halfWidths[task.name]! * 0.15 * (seed - 1),
        ),
      ]),
    ),
    divergence: {
      value: 0.061 * method.part * scale,
      low: 0.056 * method.part * scale,
      high: 0.067 * method.part * scale,
    },
    flips: data === "math" ? mathFlips : [],
  };
}

/** What NF4 alone changes. */
const quantizedBase: QuantizedBaseResult = {
  id: "base-nf4",
  storage: "nf4",
  evaluation: "evaluations/base-nf4",
  changes: Object.fromEntries(
    Object.entries({ gsm8k: -0.01, hellaswag: -0.043, mmlu_cs: -0.002, wikitext: 0.6 }).map(
      ([name, difference]) => [name, makeChange(tasks.find((task) => task.name === name)!, difference)],
    ),
  ),
  divergence: { value: 0.021, low: 0.019, high: 0.024 },
};

function makeChange(task: StudyTask, difference: number): StudyChange {
  const base = baseScores[task.name]!;
  const half = halfWidths[task.name]!;
  const shift = (estimate: Estimate) => ({
    value: estimate.value + difference,
    low: estimate.low + difference,
    high: estimate.high + difference,
  });
  const sureness = Math.abs(difference) / half;
  const adjustedP = sureness > 1.25 ? 0.0042 : sureness > 1 ? 0.096 : 0.71;
  const improved = difference > 0 === task.higherIsBetter;
  return {
    task: task.name,
    metric: task.metric,
    filter: task.filter,
    higherIsBetter: task.higherIsBetter,
    inPoints: task.inPoints,
    items: task.items,
    before: base,
    after: shift(base),
    difference: { value: difference, low: difference - half, high: difference + half },
    test: task.inPoints ? "mcnemar-exact" : "sign-flip",
    p: adjustedP / 4,
    adjustedP,
    detectable: 1.43 * half,
    ...(task.inPoints && { fixed: 21, broken: 13 }),
    family: { name: "comparisons of the study", size: 24 },
    verdict: adjustedP > 0.05 ? "no difference shown" : improved ? "better" : "worse",
  };
}

function measure(method: Method, scale: number, steps: number, luck: number): Efficiency {
  const seconds = 60 * method.minutes * scale * (1 + 0.02 * luck);
  const tokens = 88_000 * scale;
  return {
    averageMemoryBytes: 0.87e9 * method.gigabytes,
    peakMemoryBytes: 1e9 * method.gigabytes * (1 + 0.01 * luck),
    averageUtilization: 0.93 + 0.04 * luck,
    averageLatency: seconds / steps,
    tokensPerSecond: tokens / seconds,
    samplesPerSecond: (8 * steps) / seconds,
    tokenThroughput: tokens / seconds / 134_515_008,
    sampleThroughput: (8 * steps) / seconds / 134_515_008,
    averagePower: null,
    compressionRate: method.name === "qlora" ? 3.61 : null,
    seconds,
  };
}

function makeAlignment(data: string, task: StudyTask): Alignment {
  const meant = task.alignedData.includes(data);
  const random = createRandom(data.length, task.name.length);
  return {
    data,
    task: task.name,
    representation: (meant ? 0.78 : 0.41) + 0.14 * random.uniform(),
    gradient: null,
    lexical: (meant ? 0.31 : 0.12) + 0.16 * random.uniform(),
    contaminated: data === "commonsense" && task.name === "hellaswag" ? [17, 203, 388] : [],
    checkedItems: task.items,
  };
}

const mathFlips: readonly Flip[] = [
  {
    task: "gsm8k",
    item: 12,
    direction: "fixed",
    prompt:
      "Question: A baker has 3 trays with 12 rolls each and sells 20 of them. How many rolls are left?\nAnswer:",
    expected: "16",
    base: "The baker has 3 + 12 = 15 rolls. 15 rolls are left.",
    tuned:
      "The baker has 3 * 12 = <<3*12=36>>36 rolls.\nAfter selling 20, 36 - 20 = <<36-20=16>>16 are left.\n#### 16",
  },
  {
    task: "hellaswag",
    item: 77,
    direction: "broken",
    prompt: "Baking cookies: A woman puts a tray into the oven. She",
    expected: " waits until they are golden and takes them out.",
    base: "−12.4 −15.9 −14.1 −16.0",
    tuned: "−13.8 −13.2 −14.4 −15.7",
  },
];
