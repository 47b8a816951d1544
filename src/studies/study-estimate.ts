/** @file How long a study will take, before it is begun. */

import { methodOf } from "../core/adapters/methods.ts";
import { countParameters } from "../core/architectures/modules.ts";
import { measureProductRate } from "../core/engine/product-rate.ts";
import { withChatSettings } from "../core/tokenization/chat-template.ts";
import { expectedEfficiency } from "../core/training/estimate.ts";
import { argumentsOf, type ModelRequest } from "../evaluation/language-model.ts";
import { prepareTasks } from "../evaluation/prepare.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { loadDataset } from "../node/data/load-dataset.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { resolveModel } from "../node/models/hub-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { chooseContext } from "../node/training/fine-tune.ts";
import { parseRunConfig } from "../node/training/run-config.ts";
import type { Cell } from "./cells.ts";
import type { StudyConfig } from "./study-config.ts";
import { studyTasks } from "./study-data.ts";

export interface StudyEstimate {
  /** Seconds of the tuning runs and of the evaluations that are still to be computed. */
  readonly tuningSeconds: number;
  readonly evaluationSeconds: number;
}

/** Tokens that an answer is assumed to have. */
const answerTokens = 100;
/** How much more a token costs that is written than one that is read (measured; see benchmarks/README.md). */
const writingFactor = 5;
/** Seconds that a process takes to begin, and to load a small model. */
const startSeconds = 3;

/**
 * Estimates the time of a study from the speed of matrix products, measured now, and the tokens of data and tasks. It is
 * within a factor of two where other programs do not disturb it.
 *
 * @param left how many evaluations of base models are still to be computed, and of each cell whether its run and its
 *   evaluation are
 */
export async function estimateStudy(
  config: StudyConfig,
  cells: readonly Cell[],
  left: {
    readonly bases: number;
    readonly cells: readonly (readonly [run: boolean, evaluation: boolean])[];
  },
): Promise<StudyEstimate> {
  const checkpoint = openCheckpoint(await resolveModel(config.model));
  try {
    const rate = expectedEfficiency * (await measureProductRate(openDevice("cpu")));
    const flops = 2 * countParameters(checkpoint.config);
    const { chat_template: chatTemplate, date } = config;
    const tokenizer = withChatSettings(checkpoint.tokenizer(), { chatTemplate, date });

    let tuningSeconds = 0;
    const datasets = new Map<string, { examples: number; tokens: number }>();
    for (const [index, cell] of cells.entries()) {
      if (!left.cells[index]![0]) continue;
      const run = parseRunConfig(cell.run, "The study");
      let dataset = datasets.get(cell.data.path);
      if (!dataset) {
        const { report } = await loadDataset(await resolveDataset(run.data, run.data_split), {
          tokenizer,
          context: chooseContext(run.context, run.model, checkpoint.config),
          overlong: run.overlong,
          trainOn: run.train_on,
          fields: run.fields,
          applyChatTemplate: run.apply_chat_template,
        });
        dataset = report;
        datasets.set(cell.data.path, dataset);
      }
      const examples =
        run.max_steps === undefined
          ? run.num_train_epochs * dataset.examples
          : run.max_steps * run.batch_size;
      const tokens = (examples * dataset.tokens) / dataset.examples;
      // The forward pass, the gradients of what flows through, and those of the weights or the forward pass again.
      const passes = run.storage === "float32" && methodOf(run.method).yields === "adapter" ? 2 : 3;
      tuningSeconds += startSeconds + (tokens * passes * flops) / rate;
    }

    const { tasks } = await prepareTasks(
      config.tasks,
      {
        ...(config.limit !== undefined && { limit: config.limit }),
        ...(config.num_fewshot !== undefined && { numFewshot: config.num_fewshot }),
        ...(config.data_dir !== undefined && { dataDir: config.data_dir }),
      },
      studyTasks(config),
    );
    const requests = tasks.flatMap(({ instances }) => instances.map((instance) => instance.requests));
    const tokens = requests.reduce(
      (sum, request) => sum + countTokens(request, (text) => tokenizer.encode(text).length),
      0,
    );
    const evaluations = left.bases + left.cells.filter(([, evaluation]) => evaluation).length;
    return {
      tuningSeconds,
      evaluationSeconds: evaluations * (startSeconds + (tokens * flops) / rate),
    };
  } finally {
    checkpoint.close();
  }
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
