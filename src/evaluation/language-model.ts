/** @file What tasks ask of a language model: the request types of lm-evaluation-harness. */

/** The harness's default for answers that say nothing of their length, in tokens. */
export const defaultMaxGenToks = 256;

/** How likely is `continuation` after `context`? */
export interface LoglikelihoodRequest {
  readonly context: string;
  readonly continuation: string;
}

export interface LoglikelihoodResult {
  /** Sum over the continuation's tokens of ln p(token | what stands before), in nats. */
  readonly logLikelihood: number;
  /** Whether each of the continuation's tokens is the likeliest at its place. */
  readonly isGreedy: boolean;
  /** Whether the beginning of the context was cut off, since the model does not see so many tokens. */
  readonly isCut?: boolean;
}

/** How likely is all of `text`, each token once, in windows of the model's context? */
export interface LoglikelihoodRollingRequest {
  readonly text: string;
}

/** What does the model write after `context`? */
export interface GenerateUntilRequest {
  readonly context: string;
  readonly options: GenerationKwargs;
}

/** Settings of a generation, by the harness's names. */
export interface GenerationKwargs {
  /** The answer ends before the first of these strings, or with the end-of-sequence token. */
  readonly until: readonly string[];
  /** Default {@link defaultMaxGenToks}. */
  readonly max_gen_toks?: number;
  /** Default false: the likeliest token at each place. */
  readonly do_sample?: boolean;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly repetition_penalty?: number;
}

export interface GenerateUntilResult {
  /** Without the stop string. */
  readonly text: string;
  /** Tokens written, the end-of-sequence token included. */
  readonly tokens: number;
  /** Whether the beginning of the context was cut off, so that the answer has room. */
  readonly isCut?: boolean;
}

/** The types of requests: each is answered by a method of {@link LanguageModel}. */
export interface RequestTypes {
  readonly loglikelihood: { readonly request: LoglikelihoodRequest; readonly answer: LoglikelihoodResult };
  /** Its answer is a sum, in nats. */
  readonly loglikelihood_rolling: {
    readonly request: LoglikelihoodRollingRequest;
    readonly answer: number;
  };
  readonly generate_until: { readonly request: GenerateUntilRequest; readonly answer: GenerateUntilResult };
}

export type RequestType = keyof RequestTypes;

export type ModelRequest<T extends RequestType = RequestType> = {
  readonly [K in T]: { readonly type: K } & RequestTypes[K]["request"];
}[T];

export type Answer<T extends RequestType = RequestType> = RequestTypes[T]["answer"];

/** Called as soon as the answer to request number `index` is known; requests are not answered in their order. */
export type OnResult<R> = (index: number, result: R) => void;

/** A model that answers requests. Answers are in the order of the requests. */
export interface LanguageModel {
  /** The number of tokens that the model sees at a time. */
  readonly maxLength: number;
  /** The model's Jinja chat template; undefined if it has none. */
  readonly chatTemplate: string | undefined;
  /** Whether it can say how likely a continuation is, of which a server may say nothing, and which may be too long. Default: of any. */
  canScore?(request: LoglikelihoodRequest): boolean;
  /** The text of a conversation in the model's chat template, ready for the assistant's turn. */
  applyChatTemplate(messages: readonly { readonly role: string; readonly content: string }[]): string;
  loglikelihood(
    requests: readonly LoglikelihoodRequest[],
    onResult?: OnResult<LoglikelihoodResult>,
  ): Promise<LoglikelihoodResult[]>;
  /** Sums of log-likelihoods, in nats. */
  loglikelihoodRolling(
    requests: readonly LoglikelihoodRollingRequest[],
    onResult?: OnResult<number>,
  ): Promise<number[]>;
  generateUntil(
    requests: readonly GenerateUntilRequest[],
    onResult?: OnResult<GenerateUntilResult>,
  ): Promise<GenerateUntilResult[]>;
  /**
   * Answers some of the requests of a type. Log-likelihoods have the bits, and drawn texts the draws, that they have if all are asked. A text is
   * written beside others than it would be then, which changes no more than the order of additions does. Default: it is asked these alone.
   */
  answerSome?<T extends RequestType>(
    type: T,
    requests: readonly RequestTypes[T]["request"][],
    isWanted: (index: number) => boolean,
    onResult: OnResult<Answer<T>>,
  ): Promise<void>;
  /** Tokens computed so far, for reports of speed. */
  readonly tokenCounts: { readonly scored: number; readonly generated: number };
}

const methods: {
  readonly [T in RequestType]: (
    model: LanguageModel,
    requests: readonly ModelRequest<T>[],
    onResult: OnResult<Answer<T>>,
  ) => Promise<Answer<T>[]>;
} = {
  loglikelihood: (model, requests, onResult) => model.loglikelihood(requests, onResult),
  loglikelihood_rolling: (model, requests, onResult) => model.loglikelihoodRolling(requests, onResult),
  generate_until: (model, requests, onResult) => model.generateUntil(requests, onResult),
};

/** All types, in the order in which an evaluation asks them. */
export const requestTypes = Object.keys(methods) as readonly RequestType[];

/** Asks a model requests of one type. Answers are in their order. */
export function ask<T extends RequestType>(
  model: LanguageModel,
  type: T,
  requests: readonly ModelRequest<T>[],
  onResult: OnResult<Answer<T>>,
): Promise<Answer<T>[]> {
  return methods[type](model, requests, onResult);
}

/** Asks a model some of the requests of one type. */
export async function askSome<T extends RequestType>(
  model: LanguageModel,
  type: T,
  requests: readonly ModelRequest<T>[],
  isWanted: (index: number) => boolean,
  onResult: OnResult<Answer<T>>,
): Promise<void> {
  if (model.answerSome) return model.answerSome(type, requests, isWanted, onResult);
  const wanted = [...requests.keys()].filter(isWanted);
  const asked = wanted.map((index) => requests[index]!);
  await ask(model, type, asked, (i, result) => onResult(wanted[i]!, result));
}

/** The methods of a model that answers requests of all types alike. */
export function answering(
  answer: <T extends RequestType>(
    type: T,
    requests: readonly ModelRequest<T>[],
    onResult: OnResult<Answer<T>> | undefined,
  ) => Promise<Answer<T>[]>,
): Pick<LanguageModel, "loglikelihood" | "loglikelihoodRolling" | "generateUntil"> {
  const withType = <T extends RequestType, R>(type: T, requests: readonly R[]) =>
    requests.map((request) => ({ ...request, type }));
  return {
    loglikelihood: (requests, onResult) =>
      answer("loglikelihood", withType("loglikelihood", requests), onResult),
    loglikelihoodRolling: (requests, onResult) =>
      answer("loglikelihood_rolling", withType("loglikelihood_rolling", requests), onResult),
    generateUntil: (requests, onResult) =>
      answer("generate_until", withType("generate_until", requests), onResult),
  };
}

/** A request's arguments in the harness's order: the text that is read first, and what else the answer depends on. */
export function argumentsOf(
  request: ModelRequest,
): readonly [text: string, rest?: string | GenerationKwargs] {
  switch (request.type) {
    case "loglikelihood":
      return [request.context, request.continuation];
    case "loglikelihood_rolling":
      return [request.text];
    case "generate_until":
      return [request.context, request.options];
  }
}
