/** @file What strategies are given: writers whose answers are kept in a file, a meter, and a judge. */

import { createHash } from "node:crypto";
import type { z } from "zod";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { type AnswerLog, findOrCompute } from "../evaluation/answer-log.ts";
import type { CodeRunner } from "../sandbox/code-runner.ts";
import type { AnswerJudge } from "./judge.ts";
import { createMeter, type Meter } from "./meter.ts";
import type { Problem } from "./problem.ts";
import { promptOf } from "./prompts.ts";
import { type SolutionScorer, type SolutionScores, scoresSchema } from "./scorer.ts";
import type { ReasoningSettings, Strategy, Tools } from "./strategy.ts";
import {
  begunText,
  scoreSchema,
  type TextRequest,
  type WriteRequest,
  type Writer,
  type Written,
  writtenSchema,
} from "./writer.ts";

/** What all problems of a run are solved with. */
export interface Workshop {
  readonly settings: ReasoningSettings;
  readonly writer: Writer;
  /** Further writers, by the names under which strategies ask for them. */
  readonly others: ReadonlyMap<string, Writer>;
  /** Every answer so far. */
  readonly log: AnswerLog;
  readonly judge: AnswerJudge;
  readonly runner?: Pick<CodeRunner, "run"> | undefined;
  readonly scorer?: SolutionScorer | undefined;
  /** Of the draws. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Called with each text that was computed, and not found. */
  readonly onText?: (written: Written) => void;
}

/** A text on the way to a solution. */
export interface Step {
  /** What the text was begun with, if it was. */
  readonly after?: string;
  readonly text: string;
  readonly tokens: number;
}

/** The tools for one problem, with what has been done with them. */
export interface ProblemTools {
  readonly tools: Tools;
  readonly meter: Meter;
  readonly steps: readonly Step[];
  /** The tokens that there were to compute: those of each conversation once, and all that were written and scored. */
  countComputed(): number;
}

/** The most time and memory that a program has. */
const programLimits = { timeoutMs: 5000, memoryBytes: 512 * 2 ** 20 };

export function createTools(workshop: Workshop, strategy: Strategy, problem: Problem): ProblemTools {
  const { settings, writer, log, judge, runner, scorer, seed, signal, onText } = workshop;
  const meter = createMeter();
  /** Models and conversations that they were asked to go on with, and tokens of these, each counted once. */
  const asked = new Set<string>();
  let askedTokens = 0;
  let isScored = false;
  const rated = new Set<string>();
  const countComputed = () => askedTokens + meter.completionTokens + meter.verifierTokens;
  const nameQuestion = ({ identity }: Writer, messages: WriteRequest["messages"]) =>
    JSON.stringify([identity, messages]);
  const steps: Step[] = [];

  const known = <T>(request: unknown, shape: z.ZodType<T>, compute: () => Promise<T>): Promise<T> =>
    findOrCompute(log, request, shape, compute, signal);

  const writeOne = async (
    { model, ...request }: Omit<WriteRequest, "samples" | "firstSample">,
    sample: number,
  ) => {
    const by = model === undefined ? writer : workshop.others.get(model);
    if (!by) throw new Error(`it writes with ${model}, which is not among its models`);
    const isDrawn = (request.temperature ?? 0) > 0;
    const text: TextRequest = { ...request, seed: isDrawn ? seedOf(seed, problem, sample) : 0 };
    const written = await known([by.identity, withoutCosts(text)], writtenSchema, async () => {
      const answer = await by.write(text, signal);
      onText?.(answer);
      return answer;
    });
    const asking = nameQuestion(by, text.messages);
    if (!asked.has(asking)) askedTokens += written.promptTokens;
    asked.add(asking);
    meter.promptTokens += written.promptTokens;
    meter.computedPromptTokens += written.computedPromptTokens;
    meter.completionTokens += written.tokens;
    meter.seconds += written.seconds;
    meter.calls++;
    const after = begunText(request.begun);
    steps.push({ ...(after !== "" && { after }), text: written.text, tokens: written.tokens });
    return written;
  };

  const questionOfScorer = () => scorer?.countQuestion?.(problem.question) ?? 0;

  const rate = async (
    request: unknown[],
    ask: (by: SolutionScorer) => Promise<SolutionScores>,
    steps: number,
  ) => {
    if (!scorer || !strategy.scoresSteps) throw new Error("it scores steps, but does not say so");
    if (!isScored) meter.verifierTokens += questionOfScorer();
    isScored = true;
    const scores = await known([scorer.identity, ...request], scoresSchema, () => ask(scorer));
    if (scores.rewards.length !== steps) {
      throw new InputError(
        `${scorer.name} gives ${scores.rewards.length} rewards for ${steps} steps; it must give one for each.`,
      );
    }
    meter.calls++;
    // Trees of the same problem may ask alike.
    const key = JSON.stringify(request);
    const tokens = rated.has(key) ? 0 : scores.tokens;
    rated.add(key);
    meter.verifierTokens += tokens;
    return { ...scores, tokens };
  };

  const tools: Tools = {
    settings,
    meter,
    signal,
    ...(writer.countTokens && { countTokens: writer.countTokens }),
    random: createRandom(seedOf(seed, problem, -1)),
    prompt: ({ question }, options) =>
      promptOf(question, { instruction: settings.instruction, examples: settings.examples, ...options }),
    write: ({ firstSample = 0, ...request }) => writeOne(request, firstSample),
    sample({ samples = 1, firstSample = 0, ...request }) {
      const drawn = { temperature: settings.temperature, topP: settings.topP, ...request };
      return Promise.all(Array.from({ length: samples }, (_, i) => writeOne(drawn, firstSample + i)));
    },
    scoreSteps: ({ question }, path, steps) =>
      rate([question, path, steps], (by) => by.score(question, path, steps), steps.length),
    judgeSteps: ({ question }, steps) =>
      rate([question, steps], (by) => by.judge(question, steps), steps.length),
    mostScored: (written) => scorer?.mostTokens?.(written) ?? 0,
    room(messages) {
      if (strategy.budget === undefined) return Number.POSITIVE_INFINITY;
      const isNew = !asked.has(nameQuestion(writer, messages));
      const prompt = isNew ? (writer.countPrompt?.(messages) ?? 0) : 0;
      const scored = strategy.scoresSteps && !isScored ? questionOfScorer() : 0;
      return strategy.budget - countComputed() - prompt - scored;
    },
    async score(request, text) {
      const score = writer.score;
      if (!score) throw new Error('it scores texts, but does not say that it needs "score"');
      const key = [writer.identity, withoutCosts(request), text];
      const scored = await known(key, scoreSchema, () => score(request, text));
      meter.verifierTokens += scored.tokens;
      meter.seconds += scored.seconds;
      meter.calls++;
      return scored;
    },
    async run(code) {
      if (!runner) throw new Error("it runs code, but does not say so");
      return runner.run(code, { ...programLimits, signal });
    },
    extract: judge.extract,
    equal: judge.equal,
    isRight(answer) {
      if (!strategy.isOracle) throw new Error("it asks what is right, but does not say that it is an oracle");
      return answer !== undefined && judge.equal(answer, problem.gold);
    },
  };
  return { tools, meter, steps, countComputed };
}

/** A request as far as the answer depends on it: of what was written before its text and tokens. */
function withoutCosts<T extends Pick<WriteRequest, "begun">>({ begun, ...request }: T): object {
  const parts = begun?.map((part) => (typeof part === "string" ? part : [part.text, part.ids ?? null]));
  return { ...request, begun: parts };
}

/** The seed of a sample's draws: the same for all strategies, so that they share what they draw alike. */
function seedOf(seed: number, { task, id }: Problem, sample: number): number {
  const hash = createHash("sha256").update(JSON.stringify([seed, task, id, sample]));
  return hash.digest().readUInt32LE(0);
}
