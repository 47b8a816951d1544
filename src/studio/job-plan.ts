/** @file What a job runs: a request of the page as words of the command line, built of checked parts only. */

import { existsSync } from "node:fs";
import { basename, isAbsolute, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { ggufFileTypes } from "../core/models/gguf-tensor-types.ts";
import { renderCommand } from "../node/command-line.ts";
import { exportFormats } from "../node/export/export-model.ts";
import { completeOptions } from "../node/training/initial-adapter.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { checkRunFolder } from "../node/training/run-folder.ts";
import type { GivenOptions, Id } from "./api.ts";
import type { Folders } from "./folders.ts";
import { admitModel, admitOptions, checkRewards } from "./given-options.ts";
import { idOf } from "./ids.ts";
import type { IndexedRun } from "./run-index.ts";
import { runWords } from "./run-words.ts";

/** What a folder or file may be called: nothing that leads elsewhere, is hidden or is read as an option. */
const fileName = z
  .string()
  .max(100)
  .regex(/^[\p{L}\p{N}_](?:[\p{L}\p{N} ._-]*[\p{L}\p{N}_-])?$/u, "give a name of letters, digits, . _ and -");

const id = z.string().regex(/^[\da-f]{16}$/, "it is no id");

export const jobRequestSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("tune"),
    options: z.record(z.string(), z.unknown()),
    name: fileName,
  }),
  z.strictObject({ kind: z.literal("resume"), run: id }),
  z.strictObject({
    kind: z.literal("evaluate"),
    run: id.exactOptional(),
    model: z.string().min(1).exactOptional(),
    tasks: z
      .array(z.string().regex(/^\w[\w.:-]*$/, "it is no name of a task"))
      .min(1)
      .readonly(),
    limit: z.int().min(1).exactOptional(),
    applyChatTemplate: z.boolean().exactOptional(),
    name: fileName,
  }),
  z.strictObject({
    kind: z.literal("export"),
    run: id,
    format: z.enum(exportFormats),
    type: z.enum(ggufFileTypes).exactOptional(),
    gate: z.enum(["scalar", "head"]).exactOptional(),
    name: fileName,
  }),
  z.strictObject({ kind: z.literal("merge"), run: id, name: fileName }),
  z.strictObject({
    kind: z.literal("push"),
    run: id,
    repository: z.string().regex(/^\w[\w.-]*\/\w[\w.-]*$/, "give an id such as user/name"),
    isPrivate: z.boolean(),
  }),
]);

/** A request of which each part is of the form that it must have. */
export type CheckedRequest = z.output<typeof jobRequestSchema>;

/** What a job is going to do. */
export interface JobPlan {
  /** Words of the command line, without slimtune's own name. */
  readonly words: readonly string[];
  /** Of a tuning run: its options, which are given by a file. */
  readonly options?: GivenOptions;
  /** What is written: nothing may be there. */
  readonly out?: string;
  /** The run that it writes or reads. */
  readonly run?: Id;
  /** The command line for a person. */
  readonly command: string;
}

export interface JobPlanner {
  /**
   * @throws ApiError if a run is gone or a path is not in the folders, InputError if an option is bad or what shall be written is there
   *   already.
   */
  plan(request: CheckedRequest): JobPlan;
}

export function createJobPlanner(folders: Folders, findRun: (run: Id) => IndexedRun): JobPlanner {
  const [first] = folders.list as [string];
  const place = (...parts: string[]) => join(first, ...parts);
  const pathOf = (run: Id) => shorten(findRun(run).summary.path);

  /** The finished run's words for its model. */
  function tunedWords(run: Id): string[] {
    const { summary, result } = findRun(run);
    if (result === undefined)
      throw new InputError(`The run ${summary.name} is not finished; resume it first.`);
    return basename(result) === "adapter"
      ? ["--model", shorten(summary.model), "--adapter", shorten(result)]
      : ["--model", shorten(result)];
  }

  function planTuning(name: string, given: GivenOptions): JobPlan {
    const out = place(name);
    const options = { ...admitOptions(folders, given), out } as RunOptions;
    completeOptions(options, "The options");
    checkRunFolder(out);
    return {
      words: ["tune"],
      options,
      out,
      run: idOf(out),
      command: renderCommand(["tune", ...optionWords(options, `${name}.yaml`), "--out", shorten(out)]),
    };
  }

  function planWords(request: Exclude<CheckedRequest, { kind: "tune" }>): Omit<JobPlan, "command"> {
    switch (request.kind) {
      case "resume": {
        checkRewards(findRun(request.run).config());
        return { words: ["resume", pathOf(request.run)], run: request.run };
      }
      case "evaluate": {
        const { run, model, tasks, limit, applyChatTemplate, name } = request;
        if ((run === undefined) === (model === undefined))
          throw new InputError("Give a run or a model to evaluate, and not both.");
        const out = place("evaluations", name);
        const words = [
          "evaluate",
          ...(run === undefined ? ["--model", shorten(admitModel(folders, model!))] : tunedWords(run)),
          ...["--tasks", tasks.join(",")],
          ...(tasks.some((task) => task.startsWith("miniature_"))
            ? ["--task-file", shorten(miniatureTasks)]
            : []),
          ...(limit === undefined ? [] : ["--limit", String(limit)]),
          ...(applyChatTemplate ? ["--apply-chat-template"] : []),
          ...["--out", shorten(out)],
        ];
        return { words, ...(run !== undefined && { run }) };
      }
      case "export": {
        const { run, format, type, gate, name } = request;
        const out = place("exports", format.startsWith("gguf") ? `${basename(name, ".gguf")}.gguf` : name);
        tunedWords(run);
        const words = [
          ...["export", pathOf(run), "--format", format],
          ...(type === undefined ? [] : ["--type", type]),
          ...(gate === undefined ? [] : ["--gate", gate]),
          ...["--out", shorten(out)],
        ];
        return { words, out, run };
      }
      case "merge": {
        const { run, name } = request;
        const out = place("merged", name);
        tunedWords(run);
        return { words: ["merge", pathOf(run), "--out", shorten(out)], out, run };
      }
      case "push": {
        const { run, repository, isPrivate } = request;
        tunedWords(run);
        const words = ["push", pathOf(run), "--to", repository];
        return { words: [...words, ...(isPrivate ? [] : ["--public"])], run };
      }
    }
  }

  return {
    plan(request) {
      if (request.kind === "tune") return planTuning(request.name, request.options);
      const planned = planWords(request);
      if (planned.out !== undefined && existsSync(planned.out))
        throw new InputError(`${planned.out} is there already; choose another name.`);
      return { ...planned, command: renderCommand(planned.words) };
    },
  };
}

/** The tasks of the embedded model. */
export const miniatureTasks = fileURLToPath(new URL("../../fixtures/miniature/benchmarks", import.meta.url));

/**
 * A run's options, but for its folder, as words for a person.
 *
 * @param file holds those that have no flag
 */
export function optionWords({ out: _, ...options }: GivenOptions, file: string): string[] {
  const shown = Object.entries(options).map(([option, value]) => [
    option,
    typeof value === "string" ? shorten(value) : value,
  ]);
  const { words, others } = runWords(Object.fromEntries(shown));
  return [...words, ...(Object.keys(others).length > 0 ? ["--config", file] : [])];
}

/** A path as somebody would write it in the folder that the studio was started in. */
export function shorten(path: string): string {
  if (!isAbsolute(path)) return path;
  const short = relative(process.cwd(), path);
  return /^[^.-]/.test(short) && !isAbsolute(short) ? short : path;
}
