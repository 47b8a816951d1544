/** @file One case of the evaluation benchmark, in a process of its own: prints JSON. */

import { performance } from "node:perf_hooks";
import { evaluate } from "../src/evaluation/evaluate.ts";
import type { LanguageModel } from "../src/evaluation/language-model.ts";
import { createLocalModel } from "../src/evaluation/local-model.ts";
import { prepareTasks } from "../src/evaluation/prepare.ts";
import { chooseArithmetic } from "../src/node/decoding/arithmetic.ts";
import { createGenerator } from "../src/node/decoding/generate.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import {
  type DecodeCase,
  type DecodeMeasurement,
  promptLength,
  type TaskCase,
  type TaskMeasurement,
  writtenLength,
} from "./evaluation-cases.ts";

/** Numbers the contexts. */
function unshare(model: LanguageModel): LanguageModel {
  const numbered = <R extends { readonly context: string }>(requests: readonly R[]) => {
    const numbers = new Map<string, number>();
    return requests.map((request) => {
      const { context } = request;
      if (!numbers.has(context)) numbers.set(context, numbers.size);
      return { ...request, context: `${numbers.get(context)} ${context}` };
    });
  };
  return {
    ...model,
    loglikelihood: (requests, onResult) => model.loglikelihood(numbered(requests), onResult),
    generateUntil: (requests, onResult) => model.generateUntil(numbered(requests), onResult),
  };
}

async function measureTask(each: TaskCase, path: string, dataDir: string): Promise<TaskMeasurement> {
  const { batchSize, numFewshot, limit } = each;
  const device = openDevice("cpu");
  const { storage, ...arithmetic } = await chooseArithmetic(device, each);
  const model = await openModel(path, { storage });
  const local = createLocalModel(model, { batchSize, device, ...arithmetic });
  const { tasks } = await prepareTasks(each.tasks, { numFewshot, limit, dataDir });
  const { seconds, tasks: evaluated } = await evaluate(each.unshared ? unshare(local) : local, tasks);
  await local.release();
  const answers = evaluated.flatMap(({ samples, task }) =>
    task.outputType === "generate_until" ? samples.slice(0, task.instances.length) : [],
  );
  const texts = answers.map((sample) => (sample.answers[0] as { text: string }).text);
  return {
    seconds,
    items: tasks.reduce((sum, { instances }) => sum + instances.length, 0),
    answerTokens: texts.reduce((sum, text) => sum + model.tokenizer.encode(text).length, 0),
  };
}

async function measureDecode({ bits }: DecodeCase, path: string): Promise<DecodeMeasurement> {
  const model = await openModel(path);
  const generator = createGenerator(model, { batchSize: 1, bits });
  const promptIds = Array.from({ length: promptLength }, (_, i) => 5 + ((i * 7919) % 40_000));
  const write = async (maxNewTokens: number) => {
    const started = performance.now();
    const before = process.cpuUsage();
    const { completionTokens } = await generator.generate({ promptIds, maxNewTokens });
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - started) / 1000;
    return { completionTokens, seconds, processorMs: (user + system) / 1000 };
  };
  // The first text compiles the programs, and keeps the prompt but for its last token.
  await write(8);
  const first = await write(1);
  const all = await write(writtenLength);
  await generator.close();
  const tokens = all.completionTokens - 1;
  return {
    tokensPerSecond: tokens / (all.seconds - first.seconds),
    processorMs: (all.processorMs - first.processorMs) / tokens,
  };
}

const each: TaskCase | DecodeCase = JSON.parse(process.argv[2]!);
const { SLIMTUNE_SMOLLM2_GGUF: path = "", SLIMTUNE_DATA: dataDir = "" } = process.env;
const result =
  each.kind === "task" ? await measureTask(each, path, dataDir) : await measureDecode(each, path);
console.log(JSON.stringify(result));
