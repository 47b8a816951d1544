import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createGenerator } from "../node/decoding/generate.ts";
import { openModel } from "../node/models/open-model.ts";
import { evaluate } from "./evaluate.ts";
import {
  argumentsOf,
  type GenerateUntilResult,
  type LanguageModel,
  type LoglikelihoodResult,
} from "./language-model.ts";
import { createLocalModel } from "./local-model.ts";
import { prepareTask } from "./prepare.ts";
import { loadTasks } from "./tasks/registry.ts";

// Made by reference/harness_smollm2.py: what lm-evaluation-harness itself finds for the same file and the same data.
interface Golden {
  readonly limit: number;
  readonly num_fewshot: number;
  readonly scores: Readonly<Record<string, number>>;
  /** Of each item: the choices' log-likelihoods and whether they are greedy, or the text that was written. */
  readonly items: readonly (readonly (readonly [number, boolean])[] | string)[];
}

const { SLIMTUNE_SMOLLM2_GGUF: smollm2, SLIMTUNE_MODELS: models, SLIMTUNE_DATA: dataDir } = process.env;
/** Golden files, and the models that they are of. The tokens of TinyStories-656K go over the borders of words. */
const compared = {
  "smollm2.json": smollm2,
  "tinystories.json": models && join(models, "TinyStories-656K"),
};
if (!dataDir || Object.values(compared).includes(undefined))
  console.warn(
    "Not all of the agreement with the harness is tested: see CONTRIBUTING.md for SLIMTUNE_SMOLLM2_GGUF, SLIMTUNE_MODELS and SLIMTUNE_DATA.",
  );

/** Two tokens nearer than this, in nats, are a tie that the order of additions decides. */
const nearTie = 1e-3;

/** The task's samples, one per item, and a line that puts our scores beside the harness's. */
async function evaluateTask(local: LanguageModel, name: string, { num_fewshot, limit, scores }: Golden) {
  const { tasks } = loadTasks().select([name.split("@")[0]!]);
  const prepared = await prepareTask(tasks[0]!, { numFewshot: num_fewshot, limit, dataDir: dataDir! });
  const { tasks: evaluated, seconds } = await evaluate(local, [prepared]);
  const { samples } = evaluated[0]!;
  // The harness has no bits per byte of right answers.
  const ours = evaluated[0]!.scores.filter(({ metric }) => metric !== "bits_per_byte_gold");
  const beside = ours.map(
    ({ metric, filter, value }) => `${metric},${filter} ${value} (harness ${scores[`${metric},${filter}`]})`,
  );
  return {
    samples: samples.slice(0, prepared.instances.length),
    summary: `${name}, ${limit} items in ${seconds.toFixed(0)} s: ${beside.join(", ")}`,
    ours: Object.fromEntries(ours.map(({ metric, filter, value }) => [`${metric},${filter}`, value])),
  };
}

const isText = ({ items }: Golden) => typeof items[0] === "string";
const indexOfMaximum = (values: readonly number[]) => values.indexOf(Math.max(...values));

describe.each(Object.entries(compared))("%s", async (file, path) => {
  const golden: Readonly<Record<string, Golden>> = JSON.parse(
    readFileSync(`fixtures/evaluation/${file}`, "utf8"),
  );
  const runs = path !== undefined && dataDir !== undefined;
  const model = runs ? await openModel(path) : undefined;
  const local = model && createLocalModel(model, { batchSize: 16 });
  const alone = model && createGenerator(model, { batchSize: 1 });
  afterAll(async () => {
    await local?.release();
    await alone?.close();
  });

  describe.runIf(runs).each(Object.entries(golden))("%s", (name, expected) => {
    test.runIf(!isText(expected))("likelihoods and choices", async () => {
      const { samples, summary, ours } = await evaluateTask(local!, name, expected);
      let worst = 0;
      let sameChoice = 0;
      let sameGreedy = 0;
      let choices = 0;
      for (const [item, sample] of samples.entries()) {
        const answers = sample.answers as readonly LoglikelihoodResult[];
        const theirs = expected.items[item] as readonly (readonly [number, boolean])[];
        for (const [choice, { logLikelihood, isGreedy }] of answers.entries()) {
          worst = Math.max(worst, Math.abs(logLikelihood / theirs[choice]![0] - 1));
          if (isGreedy === theirs[choice]![1]) sameGreedy++;
          choices++;
        }
        const chosen = indexOfMaximum(answers.map(({ logLikelihood }) => logLikelihood));
        if (chosen === indexOfMaximum(theirs.map(([value]) => value))) sameChoice++;
      }
      console.info(
        `${summary}; same choice ${sameChoice} of ${samples.length}, largest relative difference ${worst.toExponential(1)}`,
      );
      expect(worst).toBeLessThan(1e-3);
      expect(sameChoice / samples.length).toBeGreaterThanOrEqual(0.99);
      expect(sameGreedy / choices).toBeGreaterThanOrEqual(0.99);
      for (const [score, value] of Object.entries(ours))
        expect(value).toBeCloseTo(expected.scores[score]!, 1);
    });

    test.runIf(isText(expected))("greedy answers", async () => {
      const { samples, summary } = await evaluateTask(local!, name, expected);
      const { tokenizer } = model!;
      const gaps: number[] = [];
      for (const [item, { instance, answers }] of samples.entries()) {
        const { text } = answers[0] as GenerateUntilResult;
        if (text === expected.items[item]) continue;
        // Where the answers part, the two likeliest tokens must be about equally likely.
        const ours = tokenizer.encode(text);
        const theirs = tokenizer.encode(expected.items[item] as string);
        const parting = ours.findIndex((id, i) => id !== theirs[i]);
        const common = parting < 0 ? ours : ours.slice(0, parting);
        const prompt = tokenizer.encode(argumentsOf(instance.requests[0]!)[0], { addSpecialTokens: true });
        const { tokens } = await alone!.generate({
          promptIds: [...prompt, ...common],
          maxNewTokens: 1,
          logprobs: 2,
        });
        const [first, second] = tokens[0]?.top ?? [];
        gaps.push(first && second ? first.logprob - second.logprob : Number.POSITIVE_INFINITY);
      }
      console.info(
        `${summary}; ${samples.length - gaps.length} answers equal, others part at ties of ${gaps} nats`,
      );
      expect(gaps.length / samples.length).toBeLessThanOrEqual(0.05);
      for (const gap of gaps) expect(gap).toBeLessThan(nearTie);
    });
  });
});
