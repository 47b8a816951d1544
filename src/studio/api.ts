/**
 * @file What the studio's page and its server say to each other. All routes are under /api and take and give JSON, unless said otherwise;
 * bad input gets the status 4xx and `{ error }`, a sentence for the person.
 *
 * | route                         | takes                   | gives                                                        |
 * | ----------------------------- | ----------------------- | ------------------------------------------------------------ |
 * | GET /studio                   |                         | {@link StudioInfo}                                           |
 * | GET /events                   | header Last-Event-ID    | server-sent events, each a {@link StudioEvent}               |
 * | GET /options                  |                         | {@link RunOption}[], those of a tuning run                   |
 * | GET /files?folder=            |                         | {@link FolderListing}; without a folder, those that may be seen |
 * | POST /uploads?name=           | the file's bytes        | {@link Upload}                                               |
 * | POST /preview                 | {@link GivenOptions}    | {@link Preview}                                              |
 * | POST /estimate                | {@link GivenOptions}    | {@link Estimate}                                             |
 * | GET /runs                     |                         | {@link RunSummary}[]                                         |
 * | GET /runs/:id                 |                         | {@link RunDetail}                                            |
 * | GET /runs/:id/curves?after=   | position known already  | {@link Curves}                                               |
 * | PUT /runs/:id/note            | `{ note }`              | {@link RunSummary}                                           |
 * | DELETE /runs/:id              | `{ name }`, as a check  | 204                                                          |
 * | GET /jobs                     |                         | {@link Job}[]                                                |
 * | POST /jobs                    | {@link JobRequest}      | {@link Job}, 201                                             |
 * | POST /command                 | {@link JobRequest}      | `{ command }` of the job, which is checked and not started   |
 * | POST /jobs/:id/stop           |                         | {@link Job}                                                  |
 * | DELETE /jobs/:id              |                         | 204; only of one that has ended                              |
 * | GET /tasks                    |                         | {@link TaskInfo}[]                                           |
 * | GET /evaluations              |                         | {@link EvaluationSummary}[]                                  |
 * | GET /comparison?before=&after= | ids of evaluations     | {@link Comparison}                                           |
 * | GET /reports                  |                         | {@link ReportSummary}[]                                      |
 * | GET /reports/:id/page         |                         | the report's own HTML, without scripts, to be framed         |
 * | GET /reports/:id/trees?problem= | its number in its task, from 0 | {@link ShownTrees}[] of a search                    |
 * | POST /talk                    | {@link TalkRequest}     | {@link Talk}; the engine may still be loading                |
 * | POST /talk/v1/chat/completions | as OpenAI's            | as OpenAI's, streamed or not, of the engine that is open     |
 */

/** What tells one run, job, evaluation or report from another; of a folder, a hash of its path. */
export type Id = string;

export interface StudioInfo {
  readonly version: string;
  /** Folders named at the start: what lies in them may be read, and runs begin in the first. */
  readonly folders: readonly string[];
  /** The embedded model's folder. */
  readonly embeddedModel: string;
  readonly devices: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
  /** The largest upload; what sends more is cut off, and may not see why. */
  readonly maximumUploadBytes: number;
}

/** An option of a tuning run, from the schema that the command line has. */
export interface RunOption {
  /** As in config.yaml, such as "learning_rate", or "lora.r" of a section. */
  readonly name: string;
  /** On the command line; undefined for what only config.yaml can say. */
  readonly flag?: string;
  /** "names" are a list, or one text that stands alone, such as "all-linear" or a regular expression. */
  readonly kind: "choice" | "number" | "integer" | "boolean" | "text" | "list" | "names" | "mapping";
  /** What a choice, or each entry of a list, may be; and words that may stand in a number's place. */
  readonly choices?: readonly string[];
  /** What a list or a mapping holds, where that is numbers. */
  readonly holds?: "number";
  readonly default?: unknown;
  /** By method or objective, where they differ; learning rates are those of supervised tuning. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  readonly help: string;
  /** Shown before any search. */
  readonly isBasic: boolean;
  /** The methods or objectives that have it. Default: all. */
  readonly methods?: readonly string[];
  readonly objectives?: readonly string[];
}

/** Options of a run as a person gives them, as in config.yaml; `model` and `data` among them. */
export type GivenOptions = Readonly<Record<string, unknown>>;

export interface FolderListing {
  readonly folder: string;
  readonly entries: readonly {
    readonly name: string;
    readonly path: string;
    readonly kind: "folder" | "model" | "data" | "run" | "other";
    readonly bytes: number;
  }[];
}

export interface Upload {
  readonly path: string;
  readonly bytes: number;
}

/** Rows as the model will see them. */
export interface Preview {
  /** The first ones. */
  readonly examples: readonly PreviewedExample[];
  /** What `slimtune inspect` says of the data, in lines. */
  readonly report: readonly string[];
  /** Whether report and tokens are of all of the data; else of the first examples, since all of them take too long to read. */
  readonly isWhole: boolean;
  readonly warnings: readonly string[];
  readonly trainedTokens: number;
  readonly tokens: number;
}

export interface PreviewedExample {
  /** Such as "12 tokens, wanted, weight 2". */
  readonly about: string;
  /** One text; of a pair the chosen and the rejected answer, each with its prompt. */
  readonly texts: readonly {
    /** The first ones; where bytes of a character are tokens of their own, they are one entry. */
    readonly tokens: readonly PreviewedToken[];
    /** How many of its tokens are not shown. */
    readonly hidden: number;
  }[];
}

export interface PreviewedToken {
  readonly text: string;
  readonly isTrained: boolean;
}

export interface Estimate {
  /** The most that it needs. */
  readonly memoryBytes: number;
  /** Most of what is free. */
  readonly availableBytes: number;
  readonly seconds: number;
  /** Undefined without data. */
  readonly steps?: number;
  readonly tokensPerSecond: number;
  readonly trainableParameters: number;
  readonly fits: boolean;
  /** Whether it fits, and what to change if it does not. */
  readonly advice: string;
  readonly warnings: readonly string[];
  /** The command that does the same. */
  readonly command: string;
}

export type RunState = "running" | "finished" | "interrupted";

export interface RunSummary {
  readonly id: Id;
  readonly path: string;
  readonly name: string;
  readonly state: RunState;
  /** Its whole path, or its Hub id. */
  readonly model: string;
  readonly data: string;
  readonly method: string;
  readonly objective: string;
  readonly step: number;
  /** Undefined for runs of older versions. */
  readonly totalSteps?: number;
  readonly loss?: number;
  /** Held-out loss before the first step, and the best. */
  readonly firstEvalLoss?: number;
  readonly bestEvalLoss?: number;
  readonly tokensPerSecond?: number;
  readonly peakBytes?: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly changedAt: number;
  readonly secondsLeft?: number;
  readonly note: string;
}

export interface RunDetail extends RunSummary {
  /** All of config.yaml. */
  readonly config: GivenOptions;
  readonly command: string;
  /** Folder of the result; undefined if the run is not finished. */
  readonly result?: string;
  readonly samples: readonly Sample[];
}

/** What a run's model, and its base, answered to a fixed prompt at an evaluation; step 0 is the base. */
export interface Sample {
  readonly step: number;
  readonly prompt: string;
  readonly answer: string;
}

/** A run's metrics by column; values of one index belong together. */
export interface Curves {
  /** How far metrics.jsonl was read, to be given as `after`. */
  readonly position: string;
  /** Whether these are all values, in place of those known: so at first, and when a run has gone on from a checkpoint. */
  readonly isWhole: boolean;
  readonly step: readonly number[];
  /** Null where a value was no number, as a loss that has diverged. */
  readonly loss: readonly (number | null)[];
  readonly learningRate: readonly (number | null)[];
  readonly tokensPerSecond: readonly (number | null)[];
  readonly peakBytes: readonly (number | null)[];
  readonly evalStep: readonly number[];
  readonly evalLoss: readonly (number | null)[];
}

export type JobRequest =
  | { readonly kind: "tune"; readonly options: GivenOptions; readonly name: string }
  | { readonly kind: "resume"; readonly run: Id }
  | {
      readonly kind: "evaluate";
      /** Without a run, `model` itself. */
      readonly run?: Id;
      readonly model?: string;
      readonly tasks: readonly string[];
      readonly limit?: number;
      /** Whether tasks are asked in the model's chat template. Default: no. */
      readonly applyChatTemplate?: boolean;
      readonly name: string;
    }
  | {
      readonly kind: "export";
      readonly run: Id;
      readonly format: ExportFormat;
      /** How a GGUF model's matrices are stored, such as "q4_k_m"; of the format "gguf" alone. */
      readonly type?: string;
      /** "scalar" or "head"; of the format "adapter", which needs it. */
      readonly gate?: string;
      readonly name: string;
    }
  | { readonly kind: "merge"; readonly run: Id; readonly name: string }
  | { readonly kind: "push"; readonly run: Id; readonly repository: string; readonly isPrivate: boolean };

export type ExportFormat = string;

/** A command of slimtune in a process of its own. */
export interface Job {
  readonly id: Id;
  readonly kind: JobRequest["kind"];
  /** What a terminal would be given. */
  readonly command: string;
  /** "interrupted": the studio or the machine ended beneath it. */
  readonly state: "waiting" | "running" | "done" | "failed" | "stopped" | "interrupted";
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** The run that it writes, which may not be there yet, or that it reads. */
  readonly run?: Id;
  /** What it has written or failed with, in its last lines. */
  readonly output: readonly string[];
}

export interface TaskInfo {
  readonly name: string;
  readonly description: string;
  /** Whether its data are at hand without the Hub. */
  readonly isLocal: boolean;
}

export interface EvaluationSummary {
  readonly id: Id;
  readonly path: string;
  readonly name: string;
  readonly model: string;
  readonly adapter?: string;
  readonly changedAt: number;
  readonly scores: readonly {
    readonly task: string;
    readonly metric: string;
    readonly value: number;
    readonly low?: number;
    readonly high?: number;
    readonly items: number;
  }[];
}

export interface Comparison {
  readonly before: string;
  readonly after: string;
  readonly scores: readonly {
    readonly task: string;
    readonly metric: string;
    readonly items: number;
    readonly before: number;
    readonly after: number;
    readonly difference: number;
    readonly low: number;
    readonly high: number;
    readonly p: number;
    /** By Holm's method over the scores of its family. */
    readonly adjustedP: number;
    /** Whether values lie within 0 and 1, so that a hundredth is called a point. */
    readonly inPoints: boolean;
    readonly verdict: string;
    /** What `slimtune compare` says in a sentence. */
    readonly sentence: string;
  }[];
  /** To how many items both gave the same answer, in sentences. */
  readonly agreements: readonly string[];
  readonly notes: readonly string[];
  /** How intervals and p are computed, in sentences, as `slimtune compare` ends with. */
  readonly methods: readonly string[];
  /** Items whose judgement changed. */
  readonly changed: readonly {
    readonly task: string;
    readonly metric: string;
    readonly id: string;
    readonly isFixed: boolean;
    readonly question: string;
    readonly gold: string;
    readonly before: string;
    readonly after: string;
  }[];
}

export interface ReportSummary {
  readonly id: Id;
  readonly path: string;
  readonly title: string;
  /** "study", "reasoning", "search", "assessment", "federation", "demonstrations", "judgements" or "other". */
  readonly kind: string;
  readonly changedAt: number;
  /** Of what is under way, the page is made anew each time that it is asked for. */
  readonly isFinished: boolean;
}

/** What `slimtune show` tells of a problem and a strategy. */
export interface ShownTrees {
  readonly task: string;
  readonly id: string;
  readonly strategy: string;
  readonly text: string;
}

export interface TalkRequest {
  /** Folder, .gguf file or Hub id; by default that of the first run. */
  readonly model?: string;
  /** Finished runs whose adapters are offered beside the base. */
  readonly runs: readonly Id[];
}

export interface Talk {
  readonly isReady: boolean;
  /** What to give as `model` of a completion; the base first. */
  readonly models: readonly { readonly id: string; readonly label: string; readonly run?: Id }[];
  /** The command that serves the same. */
  readonly command: string;
}

/** Something that changed, as `data` of a server-sent event whose `event` is its `kind`. */
export type StudioEvent =
  | { readonly kind: "job"; readonly job: Job }
  | { readonly kind: "job-removed"; readonly id: Id }
  | { readonly kind: "run"; readonly run: RunSummary }
  | { readonly kind: "run-removed"; readonly id: Id }
  /** There is more of a run's curves, to be asked for. */
  | { readonly kind: "metrics"; readonly run: Id }
  | { readonly kind: "sample"; readonly run: Id; readonly sample: Sample }
  /** Events between were lost: ask for everything anew. */
  | { readonly kind: "reload" };
