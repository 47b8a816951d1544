/** @file How much a grid's runs and evaluations have to compute. */

import { methodOf } from "../../core/adapters/methods.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import { objectiveOf } from "../../core/objectives/objectives.ts";
import { withChatSettings } from "../../core/tokenization/chat-template.ts";
import { chooseContext } from "../../core/training/training-options.ts";
import { argumentsOf, type ModelRequest } from "../../evaluation/language-model.ts";
import { prepareTasks } from "../../evaluation/prepare.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { type DatasetReport, loadDataset } from "../../node/data/load-dataset.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import {
  objectiveOfRun,
  parseRunConfig,
  type RunConfig,
  type RunOptions,
} from "../../node/training/run-config.ts";
import type { GridConfig } from "./options.ts";
import { studyTasks } from "./study-data.ts";

/** Floating-point operations of matrix products. The model, the data and the tasks are read once, when they are needed first. */
export interface Workload {
  tuning(run: RunOptions): Promise<number>;
  /** Of one model on all tasks. */
  evaluation(): Promise<number>;
}

/** Tokens that an answer is assumed to have. */
const answerTokens = 100;
/** How much more a token costs that is written than one that is read (measured; see benchmarks/README.md). */
const writingFactor = 5;

export function createWorkload(config: GridConfig): Workload {
  const model = once(() => readModel(config));
  const datasets = new Map<string, DatasetReport>();
  const measureData = async (run: RunConfig): Promise<DatasetReport> => {
    const { tokenizer, config } = await model();
    const { report } = await loadDataset(await resolveDataset(run.data, run.data_split), {
      tokenizer,
      context: chooseContext(run.context, run.model, config),
      overlong: run.overlong,
      learnsFrom: objectiveOf(run.objective).learnsFrom,
      trainOn: run.train_on,
      fields: run.fields,
      applyChatTemplate: run.apply_chat_template,
      stepSeparator: run.step_separator,
    });
    return report;
  };
  return {
    async tuning(options) {
      const run = parseRunConfig(options, "The study");
      const dataset = datasets.get(run.data) ?? (await measureData(run));
      datasets.set(run.data, dataset);
      const examples =
        run.max_steps === undefined
          ? run.num_train_epochs * dataset.examples
          : run.max_steps * run.batch_size;
      const tokens = (examples * dataset.tokens) / dataset.examples;
      // The forward pass, the gradients of what flows through, and those of the weights or the forward pass again.
      const passes = run.storage === "float32" && methodOf(run.method).yields === "adapter" ? 2 : 3;
      // Of the texts on which a model is kept near its beginning, a fifth of the tokens: its predictions before and now, and gradients.
      const kept = run.keep > 0 ? 1 : 0;
      const scored = objectiveOfRun(run).isLinear ? 0 : 1;
      return tokens * (passes + kept + scored) * (await model()).flopsOfToken;
    },
    evaluation: once(async () => {
      const { tokenizer, flopsOfToken } = await model();
      const { limit, num_fewshot: numFewshot, data_dir: dataDir } = config;
      const { tasks } = await prepareTasks(
        config.tasks,
        {
          ...(limit !== undefined && { limit }),
          ...(numFewshot !== undefined && { numFewshot }),
          ...(dataDir !== undefined && { dataDir }),
        },
        studyTasks(config),
      );
      const count = (text: string) => tokenizer.encode(text).length;
      const tokens = tasks
        .flatMap(({ instances }) => instances.map(({ requests }) => countTokens(requests, count)))
        .reduce((sum, ofItem) => sum + ofItem, 0);
      return tokens * flopsOfToken;
    }),
  };
}

async function readModel({ model, chat_template: chatTemplate, date }: GridConfig) {
  const checkpoint = await openCheckpoint(await resolveModel(model));
  try {
    const { config } = checkpoint;
    return {
      config,
      tokenizer: withChatSettings(await checkpoint.tokenizer(), { chatTemplate, date }),
      flopsOfToken: 2 * countParameters(config),
    };
  } finally {
    checkpoint.close();
  }
}

/** Computes a value when it is asked for first, and keeps it. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  return () => {
    value ??= compute();
    return value;
  };
}

/** Tokens that are read for an item, each text once, with those that are written as if read. */
function countTokens(requests: readonly ModelRequest[], count: (text: string) => number): number {
  const texts = new Set(requests.map((request) => argumentsOf(request)[0]));
  const read = [...texts].reduce((sum, text) => sum + count(text), 0);
  return requests.reduce((sum, request) => {
    if (request.type === "loglikelihood") return sum + count(request.continuation);
    return request.type === "generate_until" ? sum + answerTokens * writingFactor : sum;
  }, read);
}
