/** @file Both sides of a split model on one machine, which a client's rows tune together. */

import { createAdaptation } from "../../core/adapters/methods.ts";
import { copyParameters, type Parameters, zerosLike } from "../../core/adapters/parameters.ts";
import { countTokens } from "../../core/data/training-example.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { makeInterruptible } from "../../core/runtime/interruptible.ts";
import { createMoments } from "../../core/training/adamw.ts";
import { initialProgress, runTrainingLoop } from "../../core/training/loop.ts";
import { planSteps } from "../../core/training/step-plan.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { openModel } from "../../node/models/open-model.ts";
import { planLoop } from "../../node/training/fine-tune.ts";
import { proximalTerm } from "../../node/training/proximal-term.ts";
import type { RunConfig } from "../../node/training/run-config.ts";
import { openRunDevice, readExamples } from "../../node/training/run-inputs.ts";
import { type CutTraffic, countServer } from "./counted-server.ts";
import { createServerOptimizer } from "./server-optimizer.ts";
import { createClientHalf, createServerHalf, type SplitOptions } from "./split-learning.ts";
import type { SplitTask } from "./task.ts";

export interface BothHalves {
  /** Of an adapter's tensors those of the client's side, and of the server's. */
  divide(parameters: Parameters): { readonly client: Parameters; readonly server: Parameters };
  /** Tunes both on a client's rows, from an adapter that stays as it is. @throws InputError if the rows cannot be read */
  tune(begins: Parameters, rows: SplitRows): Promise<SplitTuned>;
  /** Bytes that have crossed the cut so far, as a client sees them. */
  traffic(): CutTraffic;
  release(): Promise<void>;
}

export interface SplitRows {
  /** File of the rows. */
  readonly data: string;
  /** Of their order and the dropout. */
  readonly seed: number;
}

export interface SplitTuned {
  /** The adapter of both sides. */
  readonly parameters: Parameters;
  /** Tokens that passed through the model. */
  readonly tokens: number;
  /** Positions, padding included, and labels that crossed the cut. */
  readonly crossed: Pick<CutTraffic, "positions" | "labels">;
  /** Of each step. */
  readonly losses: readonly number[];
}

/**
 * Opens a model cut in two. Of one process: the server's side holds the tensors of the client whose turn it is.
 *
 * @param config of the tuning
 * @param initial the adapter as it is drawn, for names and shapes
 * @throws InputError if the model cannot be read, or not be cut there.
 */
export async function openBothHalves(
  config: RunConfig,
  { cut, variant, dtype }: SplitTask,
  initial: Parameters,
  signal?: AbortSignal,
): Promise<BothHalves> {
  const model = await openModel(config.model, { revision: config.revision, storage: config.storage });
  const adaptation = createAdaptation(config, model.config);
  const split = { config: model.config, weights: model.weights, adaptation };
  const ofRun = openRunDevice(config);
  const device = signal ? makeInterruptible(ofRun, signal) : ofRun;
  const segmentSize = config.segment_size === "auto" ? 1 : config.segment_size;
  const options: SplitOptions = { cut, segmentSize, format: dtype };
  // The server's side looks only at its own, which are the same tensors in all rounds.
  const parameters = copyParameters(initial);
  const gradients = zerosLike(parameters);
  const server = createServerHalf(device, split, { parameters, gradients }, options);
  const counted = countServer(server);
  const client = createClientHalf(
    device,
    split,
    variant === "plain" ? { plain: counted.plain } : { uShaped: counted.uShaped },
    options,
  );
  const divide = (tensors: Parameters) => ({
    client: new Map([...tensors].filter(([name]) => client.holds(name))),
    server: new Map([...tensors].filter(([name]) => !client.holds(name))),
  });
  const ofServer = {
    parameters: divide(parameters).server,
    gradients: divide(gradients).server,
  };
  const source = { config: model.config, tokenizer: async () => model.tokenizer };
  return {
    divide,
    async tune(begins, { data, seed }) {
      const ofRound = { ...config, seed };
      const { examples } = await readExamples(ofRound, await resolveDataset(data, config.data_split), source);
      const given = divide(begins);
      for (const [name, tensor] of ofServer.parameters) tensor.data.set(given.server.get(name)!.data);
      // A step that was stopped has left some.
      for (const { data } of ofServer.gradients.values()) data.fill(0);
      const ofClient = copyParameters(given.client);
      const plan = planLoop(
        { config: ofRound, steps: planSteps(ofRound, examples.map(countTokens)) },
        examples,
      );
      const ofSide = (tensors: Parameters) => proximalTerm(tensors, config.proximal_mu);
      const [penalty, serverPenalty] = [ofSide(ofClient), ofSide(ofServer.parameters)];
      const optimizer = createServerOptimizer(ofServer, { ...plan.optimizer, maxGradNorm: plan.maxGradNorm });
      const state = {
        ...{ parameters: ofClient, moments: createMoments(ofClient), progress: initialProgress },
      };
      const before = counted.traffic();
      const losses: number[] = [];
      await runTrainingLoop(
        client as unknown as Engine,
        {
          ...{ ...plan, penalty },
          optimizerStep({ step, learningRateOf, optimizer: settings }, adamW) {
            adamW(settings);
            serverPenalty?.(ofServer.parameters, ofServer.gradients);
            optimizer.update(step, learningRateOf);
          },
        },
        state,
        { onStep: ({ loss }) => losses.push(loss), onEvaluation: () => {}, save: async () => {} },
      );
      const after = counted.traffic();
      const all = new Map([...ofClient, ...copyParameters(ofServer.parameters)]);
      return {
        parameters: new Map([...begins.keys()].map((name) => [name, all.get(name)!])),
        tokens: state.progress.tokens,
        crossed: { positions: after.positions - before.positions, labels: after.labels - before.labels },
        losses,
      };
    },
    traffic: counted.traffic,
    async release() {
      await client.release();
      await server.release();
    },
  };
}
