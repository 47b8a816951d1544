/** @file `slimtune tasks`: the tasks and groups that can be evaluated. */

import type { Command } from "commander";
import { loadTasks } from "../evaluation/tasks/registry.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import { print } from "./output.ts";

export function addTasksCommand(program: Command): void {
  program
    .command("tasks")
    .description("List the tasks and groups that `slimtune evaluate` knows.")
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune tasks\n  slimtune tasks --task-file my-task.yaml")
    .action(({ taskFile, json }) => {
      const { tasks, groups } = loadTasks(taskFile);
      const listed = {
        tasks: tasks.map(describeTask),
        groups: groups.map(({ name, version, description, tasks }) => ({
          name,
          version,
          description,
          tasks,
        })),
      };
      print(json ? `${JSON.stringify(listed)}\n` : `${renderList(listed)}\n`);
    });
}

function describeTask({ name, description, items, licence, definition }: TaskEntry) {
  return {
    name,
    version: String(definition.metadata?.version ?? "none"),
    description,
    items: items ?? null,
    metrics: (definition.metric_list ?? []).map(({ metric }) => metric),
    /** Examples before each item unless --num-fewshot says otherwise. */
    num_fewshot: definition.num_fewshot ?? 0,
    licence,
  };
}

function renderList({
  tasks,
  groups,
}: {
  readonly tasks: readonly ReturnType<typeof describeTask>[];
  readonly groups: readonly {
    name: string;
    version: string;
    description: string;
    tasks: readonly string[];
  }[];
}): string {
  const ofTasks = renderColumns([
    ["task", "version", "items", "shots", "metrics", "licence of the data", "what it asks"],
    ...tasks.map((task) => [
      task.name,
      task.version,
      task.items === null ? "?" : String(task.items),
      String(task.num_fewshot),
      task.metrics.join(", "),
      task.licence,
      task.description,
    ]),
  ]);
  const ofGroups = renderColumns([
    ["group", "version", "tasks", "what it asks"],
    ...groups.map((group) => [group.name, group.version, String(group.tasks.length), group.description]),
  ]);
  return [...(groups.length > 0 ? [ofGroups, ""] : []), ofTasks].join("\n");
}

function renderColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
