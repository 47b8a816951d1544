/** @file All tasks and groups by name: the built-in ones and the user's. */

import { distance } from "fastest-levenshtein";
import { InputError } from "../../core/errors.ts";
import { commonSenseTasks } from "./common-sense.ts";
import { gsm8kTasks } from "./gsm8k.ts";
import { hellaswag } from "./hellaswag.ts";
import { mmluGroups, mmluTasks } from "./mmlu.ts";
import type { GroupEntry, TaskEntry } from "./task-entry.ts";
import { readTaskFiles } from "./user-tasks.ts";
import { wikitext } from "./wikitext.ts";

export interface TaskRegistry {
  readonly tasks: readonly TaskEntry[];
  readonly groups: readonly GroupEntry[];
  /** @throws InputError with similar names if there is no such task or group. */
  find(name: string): TaskEntry | GroupEntry;
  /**
   * The tasks of these names and of these groups, each once, and the groups.
   *
   * @throws InputError as `find` does, or if there is no name or one stands there twice.
   */
  select(names: readonly string[]): {
    readonly tasks: readonly TaskEntry[];
    readonly groups: readonly GroupEntry[];
  };
}

const builtInTasks: readonly TaskEntry[] = [
  hellaswag,
  ...gsm8kTasks,
  ...commonSenseTasks,
  wikitext,
  ...mmluTasks,
];

const retained = [...commonSenseTasks, wikitext];
const builtInGroups: readonly GroupEntry[] = [
  ...mmluGroups,
  {
    name: "retention",
    version: "1.0",
    description:
      "What a tuned model may have forgotten: common sense, school science, English (our own group).",
    tasks: retained.map(({ name }) => name),
    // Each question counts for its task; WikiText has no accuracy.
    aggregate: [{ metric: "acc", weightBySize: false }],
  },
];

/**
 * The built-in tasks, and those of YAML files.
 *
 * @param paths files of the user's tasks, or folders of such files
 * @throws InputError if a definition is not valid or two have the same name.
 * @example
 * const { tasks } = loadTasks(["my-task.yaml"]).select(["my-task", "gsm8k"]);
 */
export function loadTasks(paths: readonly string[] = []): TaskRegistry {
  const own = readTaskFiles(paths);
  return createRegistry([...builtInTasks, ...own.tasks], [...builtInGroups, ...own.groups]);
}

/** Names stand in lists on the command line, in the names of files and as keys of the results. */
const validName = /^[a-zA-Z\d][\w.-]{0,199}$/;

/**
 * A registry of tasks and groups, such as those of a program with functions of its own.
 *
 * @throws InputError if a name is not valid, two have the same, or a group names a task that is not among them.
 * @example
 * const { tasks } = loadTasks().select(["hellaswag", "arc_easy"]);
 * const registry = createRegistry(tasks.map((task) => ({ ...task, name: `${task.name}_short`, limit: 200 })));
 * await runEvaluation({ model: "HuggingFaceTB/SmolLM2-135M", tasks: ["hellaswag_short"], registry });
 */
export function createRegistry(
  tasks: readonly TaskEntry[],
  groups: readonly GroupEntry[] = [],
): TaskRegistry {
  const entries = new Map<string, TaskEntry | GroupEntry>();
  for (const entry of [...tasks, ...groups]) {
    if (!validName.test(entry.name)) {
      throw new InputError(
        `${JSON.stringify(entry.name)} cannot be a task's name; begin it with a letter or digit, and take only letters, digits, "_", "-" and "." (at most 200).`,
      );
    }
    if (entries.has(entry.name)) {
      throw new InputError(`Two tasks are named ${entry.name}; give yours another name.`);
    }
    entries.set(entry.name, entry);
  }

  function find(name: string): TaskEntry | GroupEntry {
    const entry = entries.get(name);
    if (!entry) throw new InputError(`There is no task ${name}${suggest(name, [...entries.keys()])}.`);
    return entry;
  }

  function findTask(name: string, group: string): TaskEntry {
    const entry = find(name);
    if (isGroup(entry)) {
      throw new InputError(`The group ${group} names the group ${name}; name that group's tasks.`);
    }
    return entry;
  }

  const members = new Map(
    groups.map((group) => [group, group.tasks.map((name) => findTask(name, group.name))]),
  );
  return {
    tasks,
    groups,
    find,
    select(names) {
      if (names.length === 0) throw new InputError("No task is named; name at least one.");
      const repeated = names.find((name, i) => names.indexOf(name) !== i);
      if (repeated !== undefined) {
        throw new InputError(`The task ${repeated} is named twice; name it once.`);
      }
      const found = names.map(find);
      return {
        tasks: [...new Set(found.flatMap((entry) => (isGroup(entry) ? members.get(entry)! : [entry])))],
        groups: found.filter(isGroup),
      };
    },
  };
}

function isGroup(entry: TaskEntry | GroupEntry): entry is GroupEntry {
  return "tasks" in entry;
}

/** The most that a name may differ from one that is suggested, in its length. */
const similarity = 0.5;

function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((other) => ({ other, edits: distance(name, other) }))
    .filter(({ other, edits }) => edits <= similarity * other.length)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ other }) => other);
  return near.length > 0 ? `; similar names are ${near.join(", ")}` : "; see the list of tasks";
}
