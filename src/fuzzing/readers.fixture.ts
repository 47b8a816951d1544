/** @file For tests: everything that reads files or requests of strangers, with a good one of each. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Parameters, readBaseTensor, zerosLike } from "../core/adapters/parameters.ts";
import type { ExampleKind } from "../core/data/training-example.ts";
import { buildGguf } from "../core/formats/gguf-builder.fixture.ts";
import type { WeightFile } from "../core/formats/weight-file.ts";
import { readFolderConfig } from "../core/models/checkpoint.ts";
import { readGgufConfig } from "../core/models/gguf-model.ts";
import { applyChatTemplate } from "../core/tokenization/chat-template.ts";
import { openGgufTokenizer } from "../core/tokenization/gguf.ts";
import { openFolderTokenizer } from "../core/tokenization/hugging-face.ts";
import { createMoments } from "../core/training/adamw.ts";
import { openAnswerLog } from "../evaluation/answer-log.ts";
import { readEvaluation } from "../evaluation/evaluation-folder.ts";
import { prepareTasks } from "../evaluation/prepare.ts";
import { readRequests, readShardsConfig, shardsFolder } from "../evaluation/shards/shards-folder.ts";
import { loadTasks } from "../evaluation/tasks/registry.ts";
import { readAdapter } from "../node/adapters/peft-files.ts";
import { loadDataset } from "../node/data/load-dataset.ts";
import { noUsage } from "../node/efficiency/resource-watch.ts";
import { openTinyModel } from "../node/export/tiny-models.fixture.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import { openGgufFile } from "../node/formats/gguf.ts";
import { readRows } from "../node/formats/rows.ts";
import { openSafetensorsFile } from "../node/formats/safetensors.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { writeGgufModel } from "../node/models/write-gguf.ts";
import { initialRunProgress, readCheckpoint, writeCheckpoint } from "../node/training/checkpoint.ts";
import { type PlanFile, readPlan } from "../node/training/plan-file.ts";
import { parseRunConfig } from "../node/training/run-config.ts";
import { beginRun, openRunFolder, readIdentity, runFolder } from "../node/training/run-folder.ts";
import { prepareRequest } from "../server/prepare-request.ts";
import { createServedModel } from "../server/served-model.ts";
import { slimmingStudy } from "../studies/slimming/study-results.fixture.ts";
import { readStudyConfig } from "../studies/study-config.ts";
import { readStudy } from "../studies/study-report.ts";

export interface Reader {
  readonly name: string;
  /** The file, below the folder, that is changed. */
  readonly file: string;
  /** Good contents of it. */
  readonly seeds: readonly (string | Buffer)[];
  /** Writes what must stand beside it. */
  prepare?(folder: string): void | Promise<void>;
  /** Reads all of it. */
  read(folder: string): unknown;
}

const models = "fixtures/reference/models";
const embedded = "fixtures/embedded-model";
const tinyConfig = await readFolderConfig(openSourceFolder(`${models}/llama`));
const tokenizer = await openFolderTokenizer(openSourceFolder(embedded));
const embeddedConfig = await readFolderConfig(openSourceFolder(embedded));

const text = (path: string) => readFileSync(path, "utf8");
const readTemplates = (): string[] =>
  Object.values(JSON.parse(text("fixtures/tokenization/chat-templates.json")) as object).flatMap((entry) =>
    typeof entry?.template === "string" ? [entry.template] : [],
  );

/** Opens a file and reads all of its tensors. */
async function readTensors(open: (path: string) => Promise<WeightFile>, path: string): Promise<void> {
  const file = await open(path);
  try {
    for (const { name, dtype } of file.tensors.values()) {
      if (/^[UIB](\d|OOL)|^F8/.test(dtype)) await file.readBytes(name);
      else await file.readFloat32(name);
    }
  } finally {
    file.close();
  }
}

function ggufSeed(): Buffer {
  const tokens = Array.from({ length: 40 }, (_, i) => `token ${i}`);
  return buildGguf({
    version: 2,
    metadata: [
      ["general.architecture", [8, "llama"]],
      ["general.alignment", [4, 32]],
      ["tokenizer.ggml.tokens", [9, { type: 8, values: tokens }]],
      ["tokenizer.ggml.token_type", [9, { type: 5, values: tokens.map(() => 1) }]],
    ],
    tensors: [
      { name: "token_embd.weight", sizes: [32, 4], type: 3, data: new Uint8Array(80).fill(0x11) },
      { name: "blk.0.ffn_up.weight", sizes: [256, 1], type: 12, data: new Uint8Array(144).fill(0x22) },
      { name: "output_norm.weight", sizes: [32], type: 0, data: new Uint8Array(128) },
    ],
  });
}

async function writeTinyGguf(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-fuzz-"));
  try {
    const path = join(folder, "tiny.gguf");
    const model = await openTinyModel(folder, "llama");
    await writeGgufModel(path, model, "f16", (name) => readBaseTensor(model.weights, name));
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function readDataset(path: string, learnsFrom: ExampleKind): Promise<void> {
  await loadDataset(path, {
    learnsFrom,
    tokenizer,
    context: 512,
    overlong: "truncate",
    trainOn: "completion",
    fields: {},
    applyChatTemplate: true,
  });
}

const examples = [
  {
    messages: [
      { role: "user", content: "Tom has 3 pens." },
      { role: "assistant", content: "Yes." },
    ],
    id: 7,
  },
  { question: "How many?", answer: "3" },
  { instruction: "Add.", input: "1 + 1", output: "2", history: [["a", "b"]] },
  {
    conversations: [
      { from: "human", value: "Hi" },
      { from: "gpt", value: "Hello" },
    ],
    system: "Be kind.",
  },
];

const parameters: Parameters = new Map([["a.lora_A.weight", { dims: [2, 3], data: new Float32Array(6) }]]);
const run = parseRunConfig({ model: "m", data: "d", out: "o" }, "A run");
const plan: PlanFile = {
  total_steps: 4,
  steps_per_epoch: 5,
  eval_steps: 2,
  save_steps: 1,
  evaluations: 3,
  examples: 10,
  held_out: 2,
  tokens: 393,
  held_out_tokens: 90,
  segment_size: 5,
  trainable_parameters: 194_560,
  parameters: 1_310_080,
};

const chat = {
  model: "tiny",
  messages: [
    { role: "system", content: "Be kind." },
    { role: "user", content: [{ type: "text", text: "Hi" }] },
    { role: "assistant", content: "Hello" },
  ],
  max_tokens: 5,
  stop: ["a"],
  n: 2,
  temperature: 0.5,
  stream: true,
  stream_options: { include_usage: true },
};
const completion = { model: "tiny", prompt: ["One", "Two"], max_tokens: 5, n: 2, logprobs: 1, seed: 3 };
const served = createServedModel({
  id: "tiny",
  adapters: [],
  tokenizer,
  contextLength: embeddedConfig.maxPositionEmbeddings,
  maxTexts: 1000,
});

const turns = [
  { role: "user", content: "How many?" },
  { role: "assistant", content: "3" },
];
const pairs = [
  { prompt: "How many?", chosen: "3", rejected: "4", weight: 0.5 },
  { prompt: turns.slice(0, 1), chosen: turns.slice(1), rejected: turns.slice(1).concat(turns) },
  { chosen: turns, rejected: [...turns, ...turns], tools: [{ name: "f" }] },
  { chosen: "How many? 3", rejected: "How many? 4" },
];
const wordings = { question: "How many?", rewording: "What number?", answer: "3" };
const unpaired = { instruction: "Add.", input: "1 + 1", output: "2", label: true, weight: 2 };

const steps = [
  { prompt: "How many?", completions: ["1 + 1 = 2", "#### 2"], labels: [true, 0.5], weight: 2 },
  { input: "1 + 1? Step 1: 2 ки\nStep 2: 3 ки", label: "1 + 1? Step 1: 2 +\nStep 2: 3 -" },
  {
    question: { problem: "How many?" },
    label: {
      steps: [{ completions: [{ text: "2", rating: 1 }], human_completion: null, chosen_completion: 0 }],
    },
  },
];

const problem = { question: "How many are 1 + 1?", answer: "1 + 1 = 2\n#### 2", weight: 2 };

const rows = (
  extension: string,
  seeds: readonly (string | Buffer)[],
  learnsFrom: ExampleKind = "texts",
): Reader => ({
  name: `${learnsFrom} as ${extension}`,
  file: `data.${extension}`,
  seeds,
  read: (folder) => readDataset(join(folder, `data.${extension}`), learnsFrom),
});

const builtIn = new Set(loadTasks().tasks.map(({ name }) => name));

const harness = "fixtures/evaluation/harness-before/guesser";
const [resultsFile, ...sampleFiles] = readdirSync(harness).sort() as [string, ...string[]];

export const readers: readonly Reader[] = [
  {
    name: "safetensors",
    file: "model.safetensors",
    seeds: [readFileSync("fixtures/formats/every-type.safetensors")],
    read: (folder) => readTensors(openSafetensorsFile, join(folder, "model.safetensors")),
  },
  {
    name: "GGUF",
    file: "model.gguf",
    seeds: [ggufSeed(), readFileSync("fixtures/formats/every-type.gguf")],
    read: (folder) => readTensors(openGgufFile, join(folder, "model.gguf")),
  },
  {
    name: "models in GGUF",
    file: "model.gguf",
    seeds: [await writeTinyGguf()],
    async read(folder) {
      const file = await openGgufFile(join(folder, "model.gguf"));
      try {
        await readGgufConfig(file);
        openGgufTokenizer(file.metadata).encode("Tom has 3 pens.");
      } finally {
        file.close();
      }
    },
  },
  {
    name: "config.json",
    file: "config.json",
    seeds: ["llama-rope3", "mistral", "qwen2", "qwen3"].map((name) => text(`${models}/${name}/config.json`)),
    read: (folder) => readFolderConfig(openSourceFolder(folder)),
  },
  {
    name: "folders of models",
    file: "config.json",
    seeds: [text(`${models}/llama/config.json`)],
    prepare: (folder) =>
      cpSync(`${models}/llama/model.safetensors`, join(folder, "model.safetensors"), { force: true }),
    read: async (folder) => (await openCheckpoint(folder)).close(),
  },
  {
    name: "tokenizer.json",
    file: "tokenizer.json",
    seeds: ["gpt2", "llama2", "qwen2", "mistral"].map((name) =>
      JSON.stringify(JSON.parse(text(`fixtures/tokenization/${name}.json`)).tokenizer),
    ),
    async read(folder) {
      const opened = await openFolderTokenizer(openSourceFolder(folder));
      const ids = opened.encode("Tom has 3 pens, and  Ünïcode 😀.\n", { addSpecialTokens: true });
      if (!ids.every((id) => Number.isInteger(id))) throw new Error(`ids that are no numbers: ${ids}`);
      opened.decode(ids);
    },
  },
  {
    name: "tokenizer_config.json",
    file: "tokenizer_config.json",
    seeds: [text(`${embedded}/tokenizer_config.json`)],
    prepare: (folder) => cpSync(`${embedded}/tokenizer.json`, join(folder, "tokenizer.json")),
    read: async (folder) => (await openFolderTokenizer(openSourceFolder(folder))).encode("Tom"),
  },
  {
    name: "chat templates",
    file: "chat_template.jinja",
    seeds: readTemplates(),
    read: (folder) =>
      applyChatTemplate(text(join(folder, "chat_template.jinja")), [
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello" },
      ]),
  },
  {
    name: "adapter_config.json",
    file: "adapter_config.json",
    seeds: ["llama-all-linear", "llama-patterns", "llama-regex", "llama-dora"].map((name) =>
      text(`fixtures/reference/lora/${name}/adapter_config.json`),
    ),
    prepare: (folder) =>
      cpSync(
        "fixtures/reference/lora/llama-all-linear/adapter_model.safetensors",
        join(folder, "adapter_model.safetensors"),
      ),
    read: (folder) => readAdapter(folder, tinyConfig, "any"),
  },
  rows("jsonl", [`${examples.map((row) => JSON.stringify(row)).join("\n")}\n`, JSON.stringify(examples[0])]),
  rows(
    "jsonl",
    pairs.map((row) => JSON.stringify(row)),
    "pairs",
  ),
  rows("jsonl", [JSON.stringify(wordings)], "wordings"),
  rows("jsonl", [JSON.stringify(unpaired)], "unpaired"),
  rows("jsonl", [JSON.stringify(problem)], "prompts"),
  rows(
    "jsonl",
    steps.map((row) => JSON.stringify(row)),
    "steps",
  ),
  rows("json", [JSON.stringify(examples.slice(1, 2)), JSON.stringify([examples[2], examples[2]])]),
  rows("csv", ['question,answer\nHow many?,"3, or ""4"""\nWhy?,So\n', "question;answer\nHow many?;3\n"]),
  {
    name: "rows of parquet",
    file: "data.parquet",
    seeds: [
      readFileSync("fixtures/formats/rows.parquet"),
      readFileSync("fixtures/evaluation/choices.parquet"),
    ],
    async read(folder) {
      for await (const _ of readRows(join(folder, "data.parquet")));
    },
  },
  rows("txt", ["One paragraph.\n\nAnother one.\n"]),
  {
    name: "tasks in YAML",
    file: "task.yaml",
    seeds: ["math", "commonsense", "computing"].map((name) =>
      text(`fixtures/miniature/benchmarks/${name}.yaml`),
    ),
    prepare: (folder) => cpSync("fixtures/miniature/benchmarks/math.jsonl", join(folder, "math.jsonl")),
    async read(folder) {
      const registry = loadTasks([join(folder, "task.yaml")]);
      const names = registry.tasks.map(({ name }) => name).filter((name) => !builtIn.has(name));
      await prepareTasks(names, { limit: 2 }, registry);
    },
  },
  {
    name: "config.yaml of a run",
    file: "config.yaml",
    seeds: [stringify(run)],
    read: (folder) => openRunFolder(folder),
  },
  {
    name: "inputs.json of a run",
    file: "inputs.json",
    seeds: [JSON.stringify({ modelFingerprint: "a", dataSha256: "b" })],
    prepare: (folder) => void beginRun({ ...run, out: folder }, { modelFingerprint: "a", dataSha256: "b" }),
    read: (folder) => readIdentity(runFolder(folder)),
  },
  {
    name: "plan.json of a run",
    file: "plan.json",
    seeds: [JSON.stringify(plan)],
    read: (folder) => readPlan(join(folder, "plan.json")),
  },
  {
    name: "progress.json of a checkpoint",
    file: "step-00000001/progress.json",
    seeds: [JSON.stringify({ ...initialRunProgress, step: 1, usage: noUsage })],
    prepare: (folder) =>
      writeCheckpoint(folder, { ...initialRunProgress, step: 1 }, parameters, createMoments(parameters)),
    read: (folder) => readCheckpoint(folder, 1, zerosLike(parameters)),
  },
  {
    name: "results of an evaluation",
    file: resultsFile,
    seeds: [text(join(harness, resultsFile))],
    prepare(folder) {
      for (const name of sampleFiles) cpSync(join(harness, name), join(folder, name));
    },
    read: (folder) => readEvaluation(folder),
  },
  {
    name: "answers of an evaluation",
    file: "answers.jsonl",
    seeds: ['{"key":"a","answer":[1]}\n{"key":"b","answer":{"text":"x"}}\n'],
    read: (folder) => openAnswerLog(join(folder, "answers.jsonl")).close(),
  },
  {
    name: "options of requests in shards",
    file: "shards.json",
    seeds: [
      JSON.stringify({
        ...{
          slimtune: "0.1.0",
          type: "generate_until",
          shards: 3,
          storage: "float32",
          arithmetic: "float32",
          bits: 8,
          device: "cpu",
          batch_size: null,
        },
        ...{ model: "m", model_sha256: "a".repeat(64), adapter: null, adapter_sha256: null },
      }),
    ],
    read: (folder) => readShardsConfig(shardsFolder(folder)),
  },
  {
    name: "requests in shards",
    file: "requests.jsonl",
    seeds: [
      '{"shard":1,"request":{"type":"generate_until","context":"a","options":{"until":["."],"max_gen_toks":4}}}\n',
    ],
    read: (folder) => readRequests(shardsFolder(folder), "generate_until"),
  },
  {
    name: "study.yaml",
    file: "study.yaml",
    seeds: [
      stringify({
        kind: "slimming",
        model: "m",
        data: { math: "a.jsonl" },
        methods: ["lora"],
        tasks: ["gsm8k"],
      }),
    ],
    read: (folder) => readStudyConfig(join(folder, "study.yaml")),
  },
  {
    name: "study.json",
    file: "study.json",
    seeds: [JSON.stringify(slimmingStudy())],
    read: (folder) => readStudy(folder),
  },
  ...(["chat", "completion"] as const).map(
    (endpoint): Reader => ({
      name: `requests for a ${endpoint}`,
      file: "body.json",
      seeds: [JSON.stringify(endpoint === "chat" ? chat : completion)],
      read: (folder) => prepareRequest(served, endpoint, readFileSync(join(folder, "body.json"))),
    }),
  ),
];
