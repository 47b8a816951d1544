/** @file The option of commands that run programs: what runs them. */

import { type Command, Option } from "commander";

export function addSandboxOption(command: Command) {
  return command.addOption(
    new Option("--sandbox <runner>", "what runs the programs; unsafe also takes one that lets probes through")
      .choices(["auto", "monty", "pyodide", "unsafe"])
      .default("auto"),
  );
}
