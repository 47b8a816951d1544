/** @file Asks a model about texts in several ways. */

import { DamagedModelError, InputError } from "../core/errors.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import type { AnswerLog } from "../evaluation/answer-log.ts";
import type { Meter } from "../reasoning/meter.ts";
import type { Writer } from "../reasoning/writer.ts";
import type { Finding, Piece } from "./formulations/formulation.ts";
import { combine, cutIntoPieces, type Scored } from "./pieces.ts";
import { answerTokens, createRespondents, type Reading, type Respondent } from "./respondent.ts";
import type { Dimension, Rubric } from "./rubric.ts";
import { type ChooseShots, prepareShots, type ShotSelection, seedOf } from "./shots.ts";
import type { AssessedText } from "./texts.ts";
import type { Way } from "./ways.ts";

export interface AssessorOptions {
  readonly rubric: Rubric;
  readonly ways: readonly Way[];
  /** Labelled texts that examples are taken from. */
  readonly training: readonly AssessedText[];
  /** Default: from likelihoods where the model gives them. */
  readonly read?: Reading;
  readonly select: ShotSelection;
  readonly temperature: number;
  readonly repeats: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Called after each answer. */
  readonly onAnswer?: () => void;
}

/** What a way has found of a dimension of a text, run by run. */
export interface Assessed {
  readonly dimension: Dimension;
  readonly runs: readonly { readonly scored: Scored; readonly meter: Meter }[];
}

export interface Assessor {
  readonly reading: Reading;
  /** Of a server that does not say, more than there are. */
  countTokens(text: string): number;
  /** @returns how many questions are asked about a text @throws InputError if one leaves no room for an answer. */
  check(text: AssessedText): Promise<number>;
  /** By a way, on every dimension. */
  assess(text: AssessedText, way: Way): Promise<Assessed[]>;
}

/** One of the repeats of a way. */
interface Run {
  readonly number: number;
  readonly shots: ChooseShots;
}

/** Characters that a token stands for at least. */
const charactersPerToken = 3;

/**
 * Prepares a model for questions about texts.
 *
 * @throws InputError if likelihoods are asked for that it does not give, or the training texts have too few examples.
 */
export function createAssessor(
  writer: Writer,
  log: AnswerLog,
  { rubric, ways, training, select, temperature, repeats, seed, signal, read, onAnswer }: AssessorOptions,
): Assessor {
  const givesLikelihoods = writer.abilities.includes("score");
  const reading = read ?? (givesLikelihoods ? "likelihoods" : "written");
  if (reading === "likelihoods" && !givesLikelihoods) {
    throw new InputError(
      `${writer.name} does not say how likely given answers are; read what it writes, by --read written.`,
    );
  }
  const countTokens = writer.countTokens ?? ((text: string) => Math.ceil(text.length / charactersPerToken));
  const respond = createRespondents(writer, log, {
    ...{ reading, temperature, signal },
    ...(onAnswer && { onAnswer }),
  });

  /** One where nothing is drawn, since another would be the same. */
  const prepareRuns = (way: Way, dimension: Dimension): Run[] => {
    const isWritten = "maxTokens" in way.formulation || reading === "written";
    const isDrawn = (isWritten && temperature > 0) || (way.shots > 0 && select === "random");
    return Array.from({ length: isDrawn ? repeats : 1 }, (_, number) => {
      const drawing = { by: select, countTokens, seed: seed + number };
      return { number, shots: prepareShots(way, dimension, rubric, training, drawing) };
    });
  };
  const parts = ways.flatMap((way) =>
    rubric.dimensions.map((dimension) => ({ way, dimension, runs: prepareRuns(way, dimension) })),
  );

  /** The cases of a piece, each with all that is asked. */
  const layOut = async (piece: Piece, { formulation }: Way, dimension: Dimension, shots: ChooseShots) => {
    const cases = formulation.cases(piece, dimension);
    const before = await shots(cases);
    const asked = cases.map((one, i): ChatMessage[] => [
      ...before[i]!,
      { role: "user", content: formulation.prompt(one, dimension, rubric) },
    ]);
    return { cases, asked };
  };

  const assess = async (text: AssessedText, way: Way, dimension: Dimension, { number, shots }: Run) => {
    const respondent = respond(seedOf(seed, text.id, dimension.name, way.name, number));
    try {
      const findings = await Promise.all(
        cutIntoPieces(text, way.pieceTokens, countTokens).map(async (piece) => {
          const { cases, asked } = await layOut(piece, way, dimension, shots);
          return ask(respondent, way, dimension, cases, asked);
        }),
      );
      return { scored: combine(dimension, findings), meter: respondent.meter };
    } catch (error) {
      throw explain(error, text, way);
    }
  };

  return {
    reading,
    countTokens,
    async check(text) {
      let questions = 0;
      for (const { way, dimension, runs } of parts) {
        for (const piece of cutIntoPieces(text, way.pieceTokens, countTokens)) {
          for (const { shots } of runs) {
            const { asked } = await layOut(piece, way, dimension, shots);
            // The last one of a piece has all its turns.
            checkRoom(writer, text, way, asked.slice(-1));
            questions += asked.length;
          }
        }
      }
      return questions;
    },
    assess: (text, way) =>
      Promise.all(
        parts
          .filter((part) => part.way === way)
          .map(async ({ dimension, runs }) => {
            const done = await Promise.all(runs.map((run) => assess(text, way, dimension, run)));
            return { dimension, runs: done };
          }),
      ),
  };
}

/** Asks about a piece of a text. */
async function ask(
  respondent: Respondent,
  { formulation }: Way,
  dimension: Dimension,
  cases: readonly Piece[],
  asked: readonly (readonly ChatMessage[])[],
): Promise<Finding> {
  if ("maxTokens" in formulation) {
    const { maxTokens } = formulation;
    const texts = await Promise.all(asked.map((messages) => respondent.write(messages, maxTokens)));
    return formulation.read(cases, texts, dimension);
  }
  const options = formulation.options(dimension);
  const answers = await Promise.all(
    asked.map((messages) =>
      respondent.choose(messages, options, (text) => formulation.parse(text, dimension)),
    ),
  );
  return formulation.find(cases, answers, dimension);
}

/** @throws InputError if what is asked about a text leaves no room for an answer. */
function checkRoom(
  { countPrompt, context }: Writer,
  { id }: AssessedText,
  { name, formulation, pieceTokens, shots }: Way,
  asked: readonly (readonly ChatMessage[])[],
): void {
  if (!countPrompt || context === undefined) return;
  const room = context - ("maxTokens" in formulation ? formulation.maxTokens : answerTokens);
  const longest = Math.max(0, ...asked.map(countPrompt));
  if (longest <= room) return;
  const cut = pieceTokens === undefined ? "cut it into pieces by --context" : "take a smaller --context";
  throw new InputError(
    `The text ${id} takes ${longest} tokens to be asked about by "${name}", but the model's context leaves room for ${room}; ${cut}${shots > 0 ? ", or fewer --shots" : ""}.`,
  );
}

/** What went wrong, with the text and the way. */
function explain(error: unknown, { id }: AssessedText, { name }: Way): unknown {
  if (!(error instanceof InputError) || error instanceof DamagedModelError) return error;
  return new InputError(`The text ${id} cannot be assessed by "${name}": ${error.message}`, { cause: error });
}
